"""What `hyoid ablate` was asked for, whatever the paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hyoid.interfaces.terminal import Terminal


@dataclass(frozen=True)
class AblationOrder:
    """Options that all papers share.

    Parameters
    ----------
    table : str
    data : Path
        Cases for training, and for cross-validation.
    validation : Path, optional
        Cases that no row is trained on.
    out : Path
    preset : str
        Of the recipe.
    seeds : int
    rows : sequence of str
        All when empty.
    device : {"auto", "cpu", "cuda"}
    dry_run : bool
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
    """Last words: where the table is."""
    terminal.event("done", table=str(out / f"{name}.json"))
    terminal.say(f"Table: {out / f'{name}.md'}")
