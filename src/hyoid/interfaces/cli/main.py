"""`hyoid`: the command line.

Exit codes: 0 done, 2 wrong usage, 3 input refused, 4 model unusable, 5 finished but empty or failed.
"""

from __future__ import annotations

import ctypes
import signal
import sys
from typing import Annotated

import typer

import hyoid
from hyoid.errors import HyoidError
from hyoid.interfaces.cli.commands import CommandTable
from hyoid.interfaces.terminal import Terminal

app = typer.Typer(
    name="hyoid",
    cls=CommandTable,
    help="Head-and-neck oncology imaging: a scan goes in; masks, a structured report and its evidence come out. "
    "Research use only.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"hyoid {hyoid.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Read head-and-neck oncology imaging. Research use only."""


def _terminate(number: int, frame: object) -> None:
    sys.exit(128 + number)


def _handle_on_the_ordinary_stack(number: int) -> None:
    """Keep a signal's handler off the alternate stack, which OpenVINO leaves set after its memory is gone.

    Python's handlers ask for the alternate stack (SA_ONSTACK); C's `signal` sets the same handler without it.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    libc.signal.restype, libc.signal.argtypes = ctypes.c_void_p, (ctypes.c_int, ctypes.c_void_p)
    libc.signal(number, libc.signal(number, None))
    signal.siginterrupt(number, True)


def main() -> None:
    """Run a command; a refusal becomes two lines and its exit code."""
    terminal = Terminal(as_json=False)
    # A terminated run removes its temporary folder, as an interrupted one does.
    signal.signal(signal.SIGTERM, _terminate)
    for number in (signal.SIGTERM, signal.SIGINT):
        _handle_on_the_ordinary_stack(number)
    try:
        app()
    except HyoidError as error:
        terminal.refuse(type(error).exit_words, error.problem, error.cure)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        terminal.say("Stopped. Nothing half-written was left.")
        sys.exit(130)
