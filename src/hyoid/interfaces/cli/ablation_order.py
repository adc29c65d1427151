"""What `hyoid ablate` was asked for, whatever the paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hyoid.interfaces.terminal import Terminal


@dataclass(frozen=True)
class AblationOrder:
    """Options of `hyoid ablate` that the tables of all papers share.

    Parameters
    ----------
    table : str
        Name of the table to make, such as "petct-table5".
    data : Path
        Cases for training, and for cross-validation.
    validation : Path, optional
        Cases that no row is trained on.
    out : Path
        Folder for runs and tables.
    preset : str
        Preset of the recipe, which sets budget and constants of every row.
    seeds : int
        Number of trainings of every row, each with a seed of its own.
    rows : sequence of str
        Names of the rows to run; all rows when empty.
    device : {"auto", "cpu", "cuda"}
        Where the networks run.
    dry_run : bool
        Say what would be done, and train nothing.
    """

    table: str
    data: Path
    validation: Path | None
    out: Path
    preset: str
    seeds: int
    rows: Sequence[str]
    device: str
    dry_run: bool


def tell_table(terminal: Terminal, out: Path, name: str = "table") -> None:
    """Print where the finished table is."""
    terminal.event("done", table=str(out / f"{name}.json"))
    terminal.say(f"Table: {out / f'{name}.md'}")
