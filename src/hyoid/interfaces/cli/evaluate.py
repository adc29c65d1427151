"""`hyoid evaluate`: metrics exactly as a named challenge or paper defines them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from hyoid.errors import UsageError
from hyoid.evaluation.evaluate import write_evaluation
from hyoid.evaluation.files import Layout
from hyoid.evaluation.page import number
from hyoid.evaluation.protocols import PROTOCOL_NAMES
from hyoid.evaluation.result import Evaluation
from hyoid.interfaces.cli.options import AsJson
from hyoid.interfaces.scoring import score
from hyoid.interfaces.terminal import Terminal

EMPTY_RESULT = 5


def evaluate(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PRED REF", help="Folders of predictions and of references; with --compare: A B REF."),
    ],
    protocol: Annotated[str, typer.Option(help=f"Protocol that defines the metrics: {', '.join(PROTOCOL_NAMES)}.")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="JSON file to write, or a folder for evaluation.json; tables and evaluation.html lie beside that file."
        ),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file that defines the protocol `custom`.")] = None,
    compare: Annotated[bool, typer.Option("--compare", help="Compare two systems A and B on one reference.")] = False,
    pred_layout: Annotated[Layout, typer.Option(help="Layout of the folder of predictions.")] = Layout.AUTO,
    ref_layout: Annotated[Layout, typer.Option(help="Layout of the folder of references.")] = Layout.AUTO,
    levels: Annotated[
        Path | None, typer.Option(help="Folder with label maps of nodal levels, to count lesions by level.")
    ] = None,
    workers: Annotated[
        int, typer.Option(min=0, help="Number of processes, each with one case at a time; 0 takes one per CPU.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap that gives the intervals.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Score predictions against references, or two systems against each other."""
    terminal = Terminal(as_json=as_json)
    if len(paths) != (3 if compare else 2):
        wanted = "A B REF (two systems, one reference)" if compare else "PRED REF"
        raise UsageError(f"{len(paths)} paths were given.", f"Give {wanted}.")
    with terminal.bars():
        answer = score(
            paths,
            protocol,
            config=config,
            levels=levels,
            layouts=(pred_layout, ref_layout),
            workers=workers or os.cpu_count() or 1,
            seed=seed,
            on_progress=terminal.progress,
        )
    result = answer.evaluation
    files = write_evaluation(result, answer.overlays, out) if out is not None else ()
    _show(result, terminal)
    for file in files:
        terminal.say(f"Written: {file}")
    document = result.as_json()
    terminal.event("done", protocol=result.protocol, summary=document["summary"], files=[str(file) for file in files])
    if any(result.summary.get(key) is None for key in result.headline):
        undefined = [key for key in result.headline if result.summary.get(key) is None]
        terminal.say(f"Undefined, because no case takes part: {', '.join(undefined)}.")
        raise typer.Exit(EMPTY_RESULT)


def _show(result: Evaluation, terminal: Terminal) -> None:
    """The numbers with intervals as a table, then how they were counted."""
    if terminal.as_json:
        return
    summary = result.summary
    # Differences of two systems have a table of their own.
    keys = [key for key in summary if f"{key}.ci95_low" in summary and not key.endswith(".difference")]
    name = Column("number", overflow="fold", min_width=22)
    table = Table(name, "value", "95 % interval", "n", "excl.", "missed", "FP", title=escape(result.words))
    for key in keys:
        low, high = summary[f"{key}.ci95_low"], summary[f"{key}.ci95_high"]
        counts = [summary.get(f"{key}.{name}") for name in ("n", "n_excluded", "n_missed", "n_false_positive")]
        table.add_row(
            escape(key),
            number(summary[key]),
            "" if low is None else f"{number(low)} to {number(high)}",
            *("" if count is None else str(count) for count in counts),
            style="bold" if key in result.headline else None,
        )
    if keys:
        terminal.console.print(table)
    for extra in result.tables:
        columns = [Column(name, overflow="fold") for name in extra.columns]
        small = Table(*columns, title=escape(extra.title))
        for row in extra.rows:
            small.add_row(*(escape(number(cell)) for cell in row))
        terminal.console.print(small)
    for note in result.notes:
        terminal.say(f"- {note}")
