"""`hyoid petct`: PET/CT to tumour, nodes and a report."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from hyoid.errors import UsageError
from hyoid.interfaces.chosen_models import asked_models, outlining, petct_models, template_package
from hyoid.interfaces.cli.options import (
    AllNodes,
    AsJson,
    CtSeries,
    DepthMm,
    DeviceName,
    Editions,
    ExportNames,
    Formats,
    Identifiers,
    ModelsPath,
    NodeNames,
    NoOrgans,
    OrganNetworks,
    Out,
    Overwrite,
    PostTreatment,
    PrecisionName,
    PrimaryNames,
    Prior,
    PriorMasks,
    Question,
    ReaderOutlines,
    RegistryFile,
    Regularize,
    StageSite,
    WhichStudy,
    WithTemplate,
)
from hyoid.interfaces.delivery import deliver, finish
from hyoid.interfaces.further import check_identifiers, further_named
from hyoid.interfaces.places import machine_named
from hyoid.interfaces.results import petct_results, with_template
from hyoid.interfaces.terminal import Terminal
from hyoid.io.atomic import claim_folder
from hyoid.io.export_names import read_names
from hyoid.io.petct import Activity, PetRequest, read_petct
from hyoid.io.reader_masks import ReaderMasks, find_reader_masks
from hyoid.systems.examination import request as report_request
from hyoid.systems.examination import staging_request
from hyoid.systems.organs import organs_before
from hyoid.systems.petct.pipeline import PetCtModels
from hyoid.systems.petct.report import petct_report

OUT = Path("hyoid-petct")


def petct(
    study: Annotated[
        Path, typer.Argument(help="PET/CT to read: DICOM folder or zip, HECKTOR case folder, or the CT file.")
    ],
    out: Out = OUT,
    pet: Annotated[Path | None, typer.Option(help="PET file that belongs to a CT file.")] = None,
    pet_units: Annotated[str | None, typer.Option(help="Units of a PET file: suv or bqml.")] = None,
    weight_kg: Annotated[
        float | None, typer.Option(min=1, max=400, help="Body weight, kg, for a PET file in bqml.")
    ] = None,
    dose_mbq: Annotated[
        float | None, typer.Option(min=1, help="Dose left at the scan, MBq, for a PET file in bqml.")
    ] = None,
    pet_series: Annotated[str | None, typer.Option(help="PET series to read: its UID, number or description.")] = None,
    ct_only: Annotated[bool, typer.Option("--ct-only", help="Outline on the CT alone, without PET.")] = False,
    reader_masks: ReaderOutlines = None,
    primary: PrimaryNames = None,
    node: NodeNames = None,
    no_organs: NoOrgans = False,
    models: ModelsPath = None,
    organs: OrganNetworks = None,
    head: Annotated[str | None, typer.Option(help="Model package of stage 1, which finds the head.")] = None,
    coarse: Annotated[
        str | None, typer.Option(help="Model package of stage 2, which finds the targets coarsely.")
    ] = None,
    fine: Annotated[
        list[str] | None, typer.Option(help="Model package of stage 3, the ensemble; repeat for each member.")
    ] = None,
    decision: Annotated[
        str | None,
        typer.Option(help="How averaged maps become outlines: argmax, or threshold (each above a half, as the paper)."),
    ] = None,
    coarse_outside: Annotated[
        bool | None,
        typer.Option(
            "--coarse-outside/--no-coarse-outside", help="Keep what stage 2 found outside the cube of stage 3, marked."
        ),
    ] = None,
    device: DeviceName = "auto",
    precision: PrecisionName = None,
    series: CtSeries = None,
    which: WhichStudy = None,
    overwrite: Overwrite = False,
    regularize: Regularize = False,
    question: Question = "",
    post_treatment: PostTreatment = None,
    prior: Prior = None,
    prior_masks: PriorMasks = None,
    stage_site: StageSite = None,
    edition: Editions = None,
    depth_mm: DepthMm = None,
    all_nodes: AllNodes = False,
    template: WithTemplate = False,
    names: ExportNames = "tg263",
    formats: Formats = None,
    registry: RegistryFile = None,
    identifiers: Identifiers = False,
    as_json: AsJson = False,
) -> None:
    """Outline primary tumour (GTVp) and involved nodes (GTVn) on PET/CT, and report on them. Research use only."""
    terminal = Terminal(as_json=as_json)
    exported, further = read_names(names), further_named(formats, registry, identifiers=identifiers)
    staging = staging_request(stage_site, edition or (), depth_mm=depth_mm, all_nodes=all_nodes)
    if staging is not None and reader_masks is None:
        raise UsageError("Staging rests on a reader's outlines, and none are given.", "Add --reader-masks FILE.")
    claim_folder(out, overwrite=overwrite)
    request = pet_request(pet, pet_units, weight_kg, dose_mbq, pet_series, ct_only=ct_only)
    networks_asked = asked_models(models, organs=organs, head=head, coarse=coarse, fine=fine)
    networks = petct_models(networks_asked)
    decided = networks.decision.changed(decision, coarse_outside=coarse_outside)
    machine = machine_named(device, precision)
    if machine.device == "cpu" and not any(machine.cache.glob("petct-*.xml")):
        terminal.say("First run on this machine: the networks are compiled once, which takes a minute or two.")
    with terminal.bars():
        scans = read_petct(
            study,
            request,
            series=series,
            study=which,
            regularize=regularize,
            on_progress=lambda done, total: terminal.progress("read", done, total),
        )
        check_identifiers(further, scans.ct)
        source: PetCtModels | ReaderMasks = networks
        if reader_masks is not None:
            grid, headers = scans.ct.volume.geometry, scans.ct.headers
            source = find_reader_masks(reader_masks, grid, headers=headers, primary=primary or (), node=node or ())
        organ_networks = () if no_organs else outlining(networks_asked).sources
        subsites = None if no_organs else template_package(networks_asked)
        asked = report_request(
            scans.ct,
            question,
            post_treatment=post_treatment,
            prior=prior,
            prior_masks=prior_masks,
            outlining=partial(organs_before, organ_networks, machine, on_progress=terminal.progress),
            staging=staging,
        )
        found = petct_report(
            scans,
            source,
            organ_networks,
            machine,
            template=subsites,
            asked=asked,
            decision=decided,
            on_progress=terminal.progress,
        )
        packages = [*networks.all, *organ_networks, *([] if subsites is None else [subsites])]
        results = petct_results(
            scans,
            found,
            packages,
            machine,
            asked,
            decided if reader_masks is None else None,
            organs=not no_organs,
            regularize=regularize,
        )
        deliver(out, with_template(results) if template else results, terminal, exported, further)
    finish(found.report, terminal, place=str(out) if out == OUT else "")


def pet_request(
    file: Path | None,
    units: str | None,
    weight_kg: float | None,
    dose_mbq: float | None,
    series: str | None,
    *,
    ct_only: bool,
) -> PetRequest:
    """Gather what the options say about the PET.

    Raises
    ------
    UsageError
        When they contradict each other, or there are no such units.
    """
    request = PetRequest(file, units, None, series, ct_only)
    if (weight_kg is None) != (dose_mbq is None):
        raise UsageError("Weight and dose belong together.", "Give both --weight-kg and --dose-mbq, or neither.")
    if units != "bqml" and weight_kg is not None:
        raise UsageError("Weight and dose turn Bq/mL of a file into SUV.", "Add --pet-units bqml, or leave them out.")
    if ct_only and (file is not None or series is not None):
        raise UsageError("--ct-only leaves the PET out, and a PET was named.", "Give --ct-only, or a PET.")
    if weight_kg is None or dose_mbq is None:
        return request
    return replace(request, activity=Activity(weight_kg, dose_mbq * 1e6))
