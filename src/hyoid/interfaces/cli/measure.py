"""`hyoid measure`: label map -> volume, diameters, side and centroid of every lesion."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from hyoid.io.atomic import write_text
from hyoid.io.files.volumes import read_labels
from hyoid.metrics.lesions import measure_labels, to_json


def measure(
    masks: Annotated[
        Path, typer.Argument(help="Label map to measure (NIfTI, NRRD, MHA): 1 GTVp, 2 GTVn, or any labels.")
    ],
    out: Annotated[Path | None, typer.Option(help="JSON file to write; by default standard output.")] = None,
) -> None:
    """Measure volume, diameters, side and centroid of every lesion of a label map."""
    lesions = measure_labels(read_labels(masks))
    text = json.dumps(to_json(lesions), indent=2)
    if out is None:
        typer.echo(text)
        return
    write_text(out, text + "\n")
    table = Table("label", "lesion", "volume, mL", "longest, mm", "axial, mm", "side")
    for row in lesions:
        axial = f"{row.axial_long_mm:.1f} x {row.axial_short_mm:.1f}"
        table.add_row(
            str(row.label), str(row.lesion), f"{row.volume_ml:.2f}", f"{row.longest_diameter_mm:.1f}", axial, row.side
        )
    console = Console(stderr=True)
    console.print(table)
    if not lesions:
        console.print("The label map holds no lesion.")
