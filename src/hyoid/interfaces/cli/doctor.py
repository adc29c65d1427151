"""`hyoid doctor`: what this machine can do and what is missing."""

from __future__ import annotations

from dataclasses import asdict

import typer
from rich.table import Table
from rich.text import Text

from hyoid.interfaces.cli.options import AsJson
from hyoid.interfaces.doctor import examine
from hyoid.interfaces.terminal import Terminal

SOMETHING_BAD = 5
_MARKS = {"good": ("ok", "green"), "note": ("note", "yellow"), "bad": ("BAD", "bold red")}


def doctor(as_json: AsJson = False) -> None:
    """Examine this machine: processor, memory, GPU, folders, networks, extras, and what to install."""
    terminal = Terminal(as_json=as_json)
    checks = examine()
    table = Table(show_header=False, box=None, pad_edge=False)
    for check in checks:
        terminal.event("check", **asdict(check))
        words = Text(check.value)
        if check.cure:
            words.append(f"\n-> {check.cure}", "italic")
        table.add_row(Text(*_MARKS[check.state]), Text(check.name), words)
    bad = sum(check.state == "bad" for check in checks)
    terminal.event("done", bad=bad, notes=sum(check.state == "note" for check in checks))
    if not as_json:
        terminal.console.print(table)
    terminal.say("hyoid runs here." if not bad else f"{bad} thing(s) to mend first.", "bold")
    if bad:
        raise typer.Exit(SOMETHING_BAD)
