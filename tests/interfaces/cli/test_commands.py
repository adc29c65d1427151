"""The table of commands: its summaries are the commands' own, and the list of commands loads none of them."""

import subprocess
import sys

import pytest
from typer.main import get_command

from hyoid.interfaces.cli.commands import COMMANDS, Commands
from hyoid.interfaces.cli.main import app

LISTING = """
import sys
from hyoid.interfaces.cli.main import app
try:
    app(["--help"])
except SystemExit:
    pass
sys.exit(sum(name in sys.modules for name in ("numpy", "pydicom", "hyoid.interfaces.cli.report")))
"""


@pytest.mark.parametrize("name", list(COMMANDS))
def test_a_summary_is_the_first_line_of_the_command_s_help(name):
    command = Commands()[name]
    assert (command.name, command.help.splitlines()[0]) == (name, COMMANDS[name].summary)


def test_the_list_of_commands_loads_none_of_them():
    run = subprocess.run([sys.executable, "-c", LISTING], check=False, capture_output=True, text=True)
    assert run.returncode == 0
    assert all(name in run.stdout for name in COMMANDS)


def test_commands_are_loaded_once_and_can_be_replaced_but_not_taken_away():
    commands = get_command(app).commands
    assert commands["measure"] is commands["measure"]
    assert len(commands) == len(list(commands)) == len(COMMANDS)
    commands["measure"] = commands["evaluate"]
    assert commands["measure"].name == "evaluate"
    with pytest.raises(TypeError, match="not taken away"):
        del commands["measure"]
    with pytest.raises(KeyError):
        commands["measur"]
