"""`hyoid`: the command line.

Exit codes: 0 done, 2 wrong usage, 3 input refused, 4 model unusable, 5 finished but empty or failed.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

import hyoid
from hyoid.errors import HyoidError
from hyoid.interfaces import (
    ablate_command,
    calibrate_command,
    evaluate_command,
    grand_challenge_command,
    lesion_command,
    measure_command,
    midrt_command,
    models_command,
    petct_command,
    phantom_command,
    predict_command,
    report_command,
    serve_command,
    structure_command,
    train_command,
)

app = typer.Typer(
    name="hyoid",
    help="Head-and-neck oncology imaging: a scan goes in; masks, a structured report and its evidence come out. "
    "Research use only.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.command("demo")(report_command.demo)
app.command("report")(report_command.report)
app.command("midrt")(midrt_command.midrt_command)
app.command("petct")(petct_command.petct)
app.command("grand-challenge")(grand_challenge_command.grand_challenge)
app.command("lesion")(lesion_command.lesion)
app.command("structure")(structure_command.structure)
app.command("measure")(measure_command.measure)
app.command("evaluate")(evaluate_command.evaluate)
app.command("predict")(predict_command.predict)
app.command("phantom")(phantom_command.phantom)
app.command("train")(train_command.train)
app.command("ablate")(ablate_command.ablate)
app.command("calibrate")(calibrate_command.calibrate)
app.command("serve")(serve_command.serve)
app.add_typer(models_command.app, name="models")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"hyoid {hyoid.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say it.")] = False,
) -> None:
    """Head-and-neck oncology imaging. Research use only."""


def main() -> None:
    """Run a command; a refusal becomes two lines and its exit code."""
    try:
        app()
    except HyoidError as error:
        console = Console(stderr=True)
        console.print(f"[bold red]{type(error).exit_words}[/]", error.problem, highlight=False)
        if error.cure:
            console.print("[bold]What to do:[/]", error.cure, highlight=False)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        Console(stderr=True).print("Stopped. Nothing half-written was left.")
        sys.exit(130)
