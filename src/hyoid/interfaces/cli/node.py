"""`hyoid node`: studies arrive, results go back. DICOM and DICOMweb need the extra `node`."""

from __future__ import annotations

import json
import logging
import os
import time
import warnings
from pathlib import Path
from threading import Event
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from hyoid.errors import UnreadableFileError, UsageError
from hyoid.interfaces.cli.options import AsJson
from hyoid.interfaces.extras import needs_extra
from hyoid.interfaces.node.config import NodeConfig, read_config
from hyoid.interfaces.node.ledger.ledger import LEDGER_FILE
from hyoid.interfaces.node.node import Node
from hyoid.interfaces.node.place import Place
from hyoid.interfaces.node.plan import check_surroundings, plan
from hyoid.interfaces.terminal import Terminal

_CONFIG_HELP = "Configuration of the node, a YAML file."


class _RunByDefault(TyperGroup):
    """`hyoid node CONFIG` is `hyoid node run CONFIG`."""

    default = "run"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = [self.default, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_RunByDefault,
    help="Take studies in by DICOM, DICOMweb or a folder, and send results back. Research use only.",
    no_args_is_help=True,
)


@app.command("run")
def run(
    config: Annotated[Path, typer.Argument(help=_CONFIG_HELP)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what the configuration does and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan or events as JSON.")] = False,
) -> None:
    """Run a node until it is stopped. Research use only."""
    terminal = Terminal(as_json=as_json)
    chosen = read_config(config)
    if dry_run:
        for line in plan(chosen):
            terminal.event("plan", words=line)
            terminal.say(line)
        return
    _require_extra(chosen)
    check_surroundings(chosen)
    os.umask(0o077)  # whatever the node or a job writes is its owner's alone
    _silence_libraries()
    place = Place(chosen, time.time, echo=True)
    stop = Event()
    terminal.say("The node runs; Ctrl-C or SIGTERM ends it, and nothing is lost.")
    try:
        Node(place).run(stop)
    except OSError as error:
        raise UsageError(
            f"The node cannot listen ({error.strerror or type(error).__name__}).",
            "Choose another port in the configuration.",
        ) from error
    finally:
        place.ledger.close()


@app.command("status")
def status(
    config: Annotated[Path, typer.Argument(help=_CONFIG_HELP)],
    as_json: AsJson = False,
) -> None:
    """Show what waits, runs, was sent and failed."""
    place = _existing(read_config(config))
    found: dict[str, Any] = Node(place).status()
    place.ledger.close()
    if as_json:
        typer.echo(json.dumps(found))
        return
    terminal = Terminal(as_json=False)
    terminal.say(f"{found['nodes']} node(s) at work; {found['free_gb']} GiB free.", "bold")
    terminal.say("Jobs: " + ", ".join(f"{count} {state}" for state, count in found["jobs"].items()))
    terminal.say("Studies: " + (", ".join(f"{count} {which}" for which, count in found["studies"].items()) or "none"))
    for name, states in found["deliveries"].items():
        terminal.say(f"To {name}: " + ", ".join(f"{count} {state}" for state, count in states.items()))
    for row in found["unreached"]:
        terminal.note(f"{row['destination']} does not take {row['objects']} object(s): {row['reason']}")
    if found["unreadable_objects"]:
        terminal.note(f"{found['unreadable_objects']} unreadable object(s) lie in quarantine.")
    if not found["has_room"]:
        terminal.note("The disk is too full: nothing is taken in.")
    for row in found["troubles"]:
        terminal.note(f"{row['job'][:12]} ({row['rule']}) {row['state']}: {row['reason']}")


@app.command("retry")
def retry(
    config: Annotated[Path, typer.Argument(help=_CONFIG_HELP)],
    job: Annotated[str, typer.Argument(help="First letters of a job's key in `hyoid node status`, or all.")],
) -> None:
    """Let jobs in quarantine begin again."""
    if job != "all" and (len(job) < 6 or not job.isalnum()):
        raise UsageError(f"{job!r} is no key of a job.", "Give at least six letters of a key, or all.")
    place = _existing(read_config(config))
    count = place.ledger.jobs.release(job)
    place.ledger.close()
    Terminal(as_json=False).say(f"{count} job(s) go on.")


def _existing(config: NodeConfig) -> Place:
    try:
        there = (config.state / LEDGER_FILE).is_file()
    except PermissionError as error:
        raise UnreadableFileError(
            "The state folder is closed to this account.", "Ask as the account that runs the node."
        ) from error
    if not there:
        raise UnreadableFileError("The state folder holds no ledger: no node ran here.", "Check `state`.")
    return Place(config, time.time)


def _require_extra(config: NodeConfig) -> None:
    """Refuse what is not installed now, not when the first study has come."""
    kinds = {there.kind for there in config.destinations.values()}
    with needs_extra("node", "The node"):
        if config.dicom is not None or "dicom" in kinds:
            import pynetdicom  # noqa: F401
        if config.dicomweb or "dicomweb" in kinds:
            import dicomweb_client  # noqa: F401


def _silence_libraries() -> None:
    """Keep libraries from writing: their messages quote headers. For the process, because the node has many threads."""
    import pydicom.config

    warnings.simplefilter("ignore")
    for name in ("pydicom", "pynetdicom", "dicomweb_client", "urllib3"):
        logging.getLogger(name).disabled = True
        logging.getLogger(name).setLevel(logging.CRITICAL)
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    pydicom.config.settings.writing_validation_mode = pydicom.config.IGNORE
