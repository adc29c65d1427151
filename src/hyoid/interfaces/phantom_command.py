"""`hyoid phantom`: virtual patients whose truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hyoid.errors import UsageError
from hyoid.interfaces.console import Teller


def phantom(
    out: Annotated[Path, typer.Option(help="Folder for the cohort; patients already there are kept.")],
    n: Annotated[int, typer.Option("--n", min=1, help="How many patients.")] = 1,
    seed: Annotated[int, typer.Option(help="Same seed, same patients.")] = 0,
    modality: Annotated[str, typer.Option(help="ct (pet and t2 are not made yet).")] = "ct",
    layout: Annotated[str, typer.Option(help="plain: a folder per patient with ct, organs, lesions, truth.")] = "plain",
    spacing: Annotated[str, typer.Option(help="Between slices, rows, columns, mm.")] = "3,1.5,1.5",
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable events.")] = False,
) -> None:
    """Make virtual patients with their masks and truth."""
    from hyoid.phantom.cohort import write_cohort

    if modality != "ct":
        raise UsageError(f"Modality {modality!r} is not made yet.", "Use --modality ct.")
    teller = Teller(as_json=as_json)
    with teller.bars():
        write_cohort(
            out,
            n=n,
            seed=seed,
            spacing_mm=spacing_of(spacing),
            layout=layout,
            on_progress=lambda done, total: teller.progress("phantom", done, total),
        )
    teller.event("done", out=str(out), n=n)
    teller.say(f"{n} virtual patient(s) in {out}")


def spacing_of(text: str) -> tuple[float, float, float]:
    """Three positive numbers from "3,1.5,1.5".

    Raises
    ------
    UsageError
        When the text is anything else.
    """
    try:
        d, h, w = (float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"--spacing takes three numbers, not {text!r}.", "Write for instance 3,1.5,1.5.") from error
    return d, h, w
