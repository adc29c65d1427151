"""`hyoid phantom`: virtual patients whose truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hyoid.errors import UsageError
from hyoid.interfaces.cli.options import AsJson
from hyoid.interfaces.terminal import Terminal
from hyoid.io.cohorts.layouts import WRITTEN

_MODALITIES = {"t2": "mr"}


def phantom(
    out: Annotated[Path, typer.Option(help="Folder for the cohort; patients already there are kept.")],
    n: Annotated[int, typer.Option("--n", min=1, help="Number of patients to make.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed; the same seed gives the same patients.")] = 0,
    modality: Annotated[
        str,
        typer.Option(help="Modalities to make, with commas between: ct, pet, mr (T2w before and during treatment)."),
    ] = "ct",
    layout: Annotated[
        str, typer.Option(help=f"Layout of the folder: {', '.join(WRITTEN[:-1])} or {WRITTEN[-1]}.")
    ] = "plain",
    spacing: Annotated[
        str, typer.Option(help="Voxel spacing of the CT between slices, rows and columns, mm.")
    ] = "3,1.5,1.5",
    pet_spacing: Annotated[
        str, typer.Option(help="Voxel spacing of the PET, mm; by default drawn as on real scanners.")
    ] = "",
    mr_spacing: Annotated[
        str, typer.Option(help="Voxel spacing of the MR, mm; by default drawn as on real scanners.")
    ] = "",
    primary: Annotated[
        str, typer.Option(help="Sub-site of every primary tumour, for example tonsil_left; by default drawn.")
    ] = "",
    lesions: Annotated[
        str,
        typer.Option(
            help="Lesion types to draw in place of primary and nodes, one lesion per patient: names, any, zero_shot."
        ),
    ] = "",
    nodes: Annotated[
        str,
        typer.Option(
            help="range: 0 to 5 nodes in levels drawn one by one; cohort: levels involved together in a real patient "
            "with such a primary. Empty: range for CT alone, else cohort."
        ),
    ] = "",
    sizes: Annotated[
        str,
        typer.Option(
            help="range: primaries of 10 to 60 mm, nodes of 8 to 34 mm; cohort: volumes of primaries and nodes as "
            "often as in real patients before treatment. Empty: range for CT alone, else cohort."
        ),
    ] = "",
    centre: Annotated[
        str, typer.Option(help="Centre whose PET and MR scanners are imitated, a to f; by default all.")
    ] = "",
    workers: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Make virtual patients with their masks, truth and reports, and a contact sheet."""
    from hyoid.phantom.cohort.make import write_cohort
    from hyoid.phantom.patient import PhantomOptions

    modalities = tuple(dict.fromkeys(_MODALITIES.get(m.strip(), m.strip()) for m in modality.split(",")))
    for option, asked in (("--nodes", nodes), ("--sizes", sizes)):
        if asked not in ("", "range", "cohort"):
            raise UsageError(f"{option} cannot be {asked!r}.", "Choose range or cohort.")
    others = "range" if modalities == ("ct",) else "cohort"
    options = PhantomOptions(
        primary=primary,
        nodes=None if (nodes or others) == "cohort" else (0, 5),
        real_sizes=(sizes or others) == "cohort" and not lesions,
        modalities=modalities,
        lesion_kinds=tuple(kind.strip() for kind in lesions.split(",") if kind.strip()),
        pet_spacing_mm=spacing_of(pet_spacing, "--pet-spacing") if pet_spacing else None,
        mr_spacing_mm=spacing_of(mr_spacing, "--mr-spacing") if mr_spacing else None,
        centre=centre,
    )
    terminal = Terminal(as_json=as_json)
    with terminal.bars():
        write_cohort(
            out,
            n=n,
            seed=seed,
            spacing_mm=spacing_of(spacing),
            layout=layout,
            options=options,
            workers=workers,
            on_progress=lambda done, total: terminal.progress("phantom", done, total),
        )
    terminal.event("done", out=str(out), n=n)
    terminal.say(f"{n} virtual patient(s) in {out}; the first twelve are shown in {out / 'contact_sheet.png'}")


def spacing_of(text: str, option: str = "--spacing") -> tuple[float, float, float]:
    """Parse three positive numbers from "3,1.5,1.5".

    Raises
    ------
    UsageError
        When the text is anything else.
    """
    try:
        d, h, w = (float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"{option} takes three numbers, not {text!r}.", "Write for instance 3,1.5,1.5.") from error
    return d, h, w
