"""What the command line accepts is what was recorded: names, options and exit codes; whoever changes these says so.

`recorded.json` is written anew by `python tests/interfaces/cli/test_recorded.py`; a change belongs in the CHANGELOG.
"""

import json
import re
from pathlib import Path

import pytest
from typer.main import get_command

from hyoid import errors
from hyoid.interfaces.cli.main import app
from hyoid.interfaces.delivery import EMPTY_OR_FAILED

RECORDED = Path(__file__).with_name("recorded.json")
# What a summary or a help text must not begin with: it names no action, or leans on its neighbours.
RIDDLE = re.compile(r"^(say|it|them|of|that|this|these|none|when|only)\b", re.IGNORECASE)


def commands(command, above=""):
    """Every command with its name."""
    for name, below in sorted(command.commands.items()):
        whole = f"{above} {name}".strip()
        if hasattr(below, "commands"):
            yield from commands(below, whole)
        else:
            yield whole, below


def options(command):
    """Options with all their spellings, and arguments in capitals."""
    return sorted(
        "/".join(p.opts + p.secondary_opts) if p.param_type_name == "option" else p.name.upper() for p in command.params
    )


def recorded_now():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.HyoidError)]
    return {
        "commands": {name: options(command) for name, command in commands(get_command(app))},
        "exit_codes": {kind.__name__: kind.exit_code for kind in kinds} | {"empty or failed": EMPTY_OR_FAILED},
    }


def test_names_options_and_exit_codes_are_those_on_record():
    assert recorded_now() == json.loads(RECORDED.read_text())


@pytest.mark.parametrize(("name", "command"), list(commands(get_command(app))))
def test_every_help_text_says_what_it_does(name, command):
    texts = {"summary": (command.help or "").strip().splitlines()[0]}
    texts |= {p.name: getattr(p, "help", None) or "" for p in command.params}
    for what, text in texts.items():
        assert len(text) > 10, f"{name} {what} has no help"
        assert not RIDDLE.match(text), f"{name} {what}: {text}"
        assert text[0].isupper() or text[0].isdigit() or ":" in text, f"{name} {what}: {text}"


if __name__ == "__main__":
    RECORDED.write_text(json.dumps(recorded_now(), indent=1) + "\n")
