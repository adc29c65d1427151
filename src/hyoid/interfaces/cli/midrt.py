"""`hyoid midrt`: from MR before and during treatment to GTVp and GTVn now, and the response of every lesion."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hyoid.interfaces.chosen_models import asked_models, midrt_sources
from hyoid.interfaces.cli.options import (
    AsJson,
    DeviceName,
    ExportNames,
    Formats,
    Identifiers,
    ModelsPath,
    Out,
    Overwrite,
    PrecisionName,
    RegistryFile,
)
from hyoid.interfaces.delivery import deliver, finish
from hyoid.interfaces.further import check_identifiers, further_named
from hyoid.interfaces.mr_pair import PairRequest, open_pair
from hyoid.interfaces.places import machine_named
from hyoid.interfaces.results import midrt_results
from hyoid.interfaces.terminal import Terminal
from hyoid.io.atomic import claim_folder
from hyoid.io.export_names import read_names
from hyoid.systems.midrt.pipeline import canonical_pair, midrt

OUT = Path("hyoid-midrt")


def midrt_command(
    pre: Annotated[
        Path,
        typer.Argument(
            help="T2w MR before treatment: DICOM folder or zip, or an image file; or a HNTS-MRG case folder."
        ),
    ],
    mid: Annotated[
        Path | None, typer.Argument(help="T2w MR during treatment; not given for a HNTS-MRG case folder.")
    ] = None,
    pre_masks: Annotated[
        Path | None,
        typer.Option(help="Tumour and nodes before treatment: label map (1 GTVp, 2 GTVn), RTSTRUCT or DICOM SEG."),
    ] = None,
    primary: Annotated[
        list[str] | None, typer.Option(help="Name of the primary tumour in --pre-masks, where names do not tell.")
    ] = None,
    node: Annotated[
        list[str] | None, typer.Option(help="Name of an involved node in --pre-masks; may be given several times.")
    ] = None,
    out: Out = OUT,
    registered: Annotated[
        bool | None,
        typer.Option(
            "--registered/--register",
            help="Take masks and PRE as registered to MID already, or register; by default the registered masks of a "
            "HNTS-MRG case folder are used where it has any.",
        ),
    ] = None,
    models: ModelsPath = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Network to use: package, nnU-Net folder or fetched weights; repeat to average several."),
    ] = None,
    series_pre: Annotated[str | None, typer.Option(help="Series of PRE to read: UID, number or description.")] = None,
    series_mid: Annotated[str | None, typer.Option(help="Series of MID to read: UID, number or description.")] = None,
    study_pre: Annotated[str | None, typer.Option(help="Study of PRE to read, where PRE holds several.")] = None,
    study_mid: Annotated[str | None, typer.Option(help="Study of MID to read, where MID holds several.")] = None,
    overwrite: Overwrite = False,
    device: DeviceName = "auto",
    precision: PrecisionName = None,
    names: ExportNames = "tg263",
    formats: Formats = None,
    registry: RegistryFile = None,
    identifiers: Identifiers = False,
    as_json: AsJson = False,
) -> None:
    """Outline GTVp and GTVn on a mid-treatment MR and report the response of every lesion. Research use only."""
    terminal = Terminal(as_json=as_json)
    request = PairRequest(
        pre,
        mid,
        pre_masks,
        registered,
        tuple(primary or ()),
        tuple(node or ()),
        series_pre,
        series_mid,
        study_pre,
        study_mid,
    )
    asked, exported = asked_models(models, midrt=model), read_names(names)
    further = further_named(formats, registry, identifiers=identifiers)
    claim_folder(out, overwrite=overwrite)
    machine = machine_named(device, precision)
    networks = midrt_sources(asked)
    with terminal.bars():
        terminal.progress("read", 0, 2)
        opened = open_pair(request)
        check_identifiers(further, opened.pre, opened.mid)
        terminal.progress("read", 2, 2)
        found = midrt(canonical_pair(opened.pair), networks, machine, on_progress=terminal.progress)
        results = midrt_results(opened.pre, opened.mid, found, networks, machine, registered=opened.registered)
        deliver(out, results, terminal, exported, further)
    finish(found.report, terminal, place=str(out) if out == OUT else "")
