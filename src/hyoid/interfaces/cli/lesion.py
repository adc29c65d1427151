"""`hyoid lesion`: clicks on a scan to a lesion's mask, its five attributes and the report."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from hyoid.interfaces.chosen_models import asked_models
from hyoid.interfaces.cli.options import (
    AsJson,
    DeviceName,
    ExportNames,
    Formats,
    Identifiers,
    InteractiveNetwork,
    ModelsPath,
    NoOrgans,
    OrganNetworks,
    Out,
    Overwrite,
    RegistryFile,
    WhichStudy,
)
from hyoid.interfaces.clicks import checked_target, lesion_answer, parsed_click
from hyoid.interfaces.delivery import deliver, finish
from hyoid.interfaces.further import check_identifiers, further_named
from hyoid.interfaces.places import machine_named
from hyoid.interfaces.terminal import Terminal
from hyoid.io.atomic import claim_folder
from hyoid.io.export_names import read_names
from hyoid.io.study import Study, read_study
from hyoid.report.content.schema import Report

OUT = Path("hyoid-lesion")


def lesion(
    study: Annotated[Path, typer.Argument(help="DICOM folder or zip, or a NIfTI, NRRD or MHA file.")],
    click: Annotated[
        list[str],
        typer.Option(
            help="Click to make: slice,row,column of a voxel in the file's own order, then :+ (inside the lesion; "
            "the default) or :- (outside). Clicks are made in their order; the first must be inside."
        ),
    ],
    out: Out = OUT,
    target: Annotated[str, typer.Option(help="Kind of lesion: GTVp or GTVn.")] = "GTVp",
    modality: Annotated[
        str, typer.Option(help="Modality to read: CT, MR or PT; by default the first of these that the study holds.")
    ] = "",
    series: Annotated[str | None, typer.Option(help="Series to read: its UID, number or description.")] = None,
    which: WhichStudy = None,
    overwrite: Overwrite = False,
    no_organs: NoOrgans = False,
    models: ModelsPath = None,
    organs: OrganNetworks = None,
    model: InteractiveNetwork = None,
    device: DeviceName = "auto",
    names: ExportNames = "tg263",
    formats: Formats = None,
    registry: RegistryFile = None,
    identifiers: Identifiers = False,
    as_json: AsJson = False,
) -> None:
    """Outline the lesion under one or more clicks, and describe it. Research use only."""
    kind = checked_target(target)
    asked = asked_models(models, organs=organs, lesion=model)
    clicks = [parsed_click(text) for text in click]
    exported, further = read_names(names), further_named(formats, registry, identifiers=identifiers)
    claim_folder(out, overwrite=overwrite)
    terminal = Terminal(as_json=as_json)

    def reading(modality: str) -> Study:
        read = read_study(
            study, modality=modality, series=series, study=which, on_progress=partial(terminal.progress, "read")
        )
        check_identifiers(further, read)
        return read

    with terminal.bars():
        answer = lesion_answer(
            reading,
            clicks,
            target=kind,
            modality=modality,
            organs=not no_organs,
            models=asked,
            machine=machine_named(device),
            terminal=terminal,
        )
        deliver(out, answer.results, terminal, exported, further)
    report = answer.report
    for line in report.lines if isinstance(report, Report) else ():
        if line.key.startswith("lesion_"):
            chance = "" if line.probability is None else f" ({line.probability:.2f})"
            terminal.say(f"{line.words}: {line.value}{chance}")
    if not answer.outlines.targets:
        terminal.say("The network outlined nothing at these clicks. Add one or two more inside the lesion.")
    finish(report, terminal, place=str(out) if out == OUT else "")
