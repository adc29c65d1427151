"""`hyoid report`: from a CT to a folder of results."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from hyoid.errors import UsageError
from hyoid.interfaces.chosen_models import NOTHING_ASKED, asked_models, report_models
from hyoid.interfaces.cli.options import (
    AllNodes,
    AsJson,
    ClassifierNetwork,
    CtSeries,
    DepthMm,
    DeviceName,
    Editions,
    ExportNames,
    Formats,
    Identifiers,
    ModelsPath,
    NodeNames,
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
    TumourNetwork,
    WhichStudy,
    WithTemplate,
)
from hyoid.interfaces.delivery import deliver, finish
from hyoid.interfaces.further import USUAL, Further, check_identifiers, further_named
from hyoid.interfaces.places import machine_named
from hyoid.interfaces.results import ct_report_results, with_template
from hyoid.interfaces.terminal import Terminal
from hyoid.io.atomic import claim_folder
from hyoid.io.export_names import read_names
from hyoid.io.packages.models_file import ModelsFile
from hyoid.io.reader_masks import find_reader_masks
from hyoid.io.study import read_study
from hyoid.report.content.staging import StagingRequest
from hyoid.systems.ct_report.pipeline import ReportResult, structured_report
from hyoid.systems.examination import request, staging_request
from hyoid.systems.organs import organs_before

OUT = Path("hyoid-report")


def report(
    study: Annotated[Path, typer.Argument(help="CT to read: DICOM folder or zip, or a NIfTI, NRRD or MHA file.")],
    out: Out = OUT,
    reader_masks: ReaderOutlines = None,
    primary: PrimaryNames = None,
    node: NodeNames = None,
    names: ExportNames = "tg263",
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
    models: ModelsPath = None,
    organs: OrganNetworks = None,
    tumour: TumourNetwork = None,
    classifier: ClassifierNetwork = None,
    formats: Formats = None,
    registry: RegistryFile = None,
    identifiers: Identifiers = False,
    as_json: AsJson = False,
) -> None:
    """Make a structured report of a head-and-neck CT. Research use only."""
    terminal = Terminal(as_json=as_json)
    staging = staging_request(stage_site, edition or (), depth_mm=depth_mm, all_nodes=all_nodes)
    if staging is not None and reader_masks is None:
        raise UsageError("Staging rests on a reader's outlines, and none are given.", "Add --reader-masks FILE.")
    further = further_named(formats, registry, identifiers=identifiers)
    claim_folder(out, overwrite=overwrite)
    with terminal.bars():
        found = run(
            study,
            out,
            terminal,
            reader_masks,
            device,
            precision,
            series,
            which,
            regularize=regularize,
            primary=tuple(primary or ()),
            node=tuple(node or ()),
            names=names,
            question=question,
            post_treatment=post_treatment,
            prior=prior,
            prior_masks=prior_masks,
            staging=staging,
            template=template,
            models=asked_models(models, organs=organs, tumour=tumour, classifier=classifier),
            further=further,
        )
    finish(found.report, terminal, place=str(out) if out == OUT else "")


def run(
    study: Path,
    out: Path,
    terminal: Terminal,
    reader_masks: Path | None = None,
    device: str = "auto",
    precision: str | None = None,
    series: str | None = None,
    which: str | None = None,
    *,
    regularize: bool = False,
    primary: tuple[str, ...] = (),
    node: tuple[str, ...] = (),
    names: str = "tg263",
    question: str = "",
    post_treatment: bool | None = None,
    prior: Path | None = None,
    prior_masks: Path | None = None,
    staging: StagingRequest | None = None,
    template: bool = False,
    models: ModelsFile = NOTHING_ASKED,
    further: Further = USUAL,
) -> ReportResult:
    """Read a CT, report on it, and deliver; see `report` for the parameters."""
    exported = read_names(names)
    machine = machine_named(device, precision)
    if machine.device == "cpu" and not any(machine.cache.glob("*.xml")):
        terminal.say("First run on this machine: the networks are compiled once, which takes a minute or two.")
    networks = report_models(models)
    scan = read_study(
        study,
        series=series,
        study=which,
        regularize=regularize,
        on_progress=lambda done, total: terminal.progress("read", done, total),
    )
    check_identifiers(further, scan)
    reader = None
    if reader_masks is not None:
        reader = find_reader_masks(reader_masks, scan.volume.geometry, headers=scan.headers, primary=primary, node=node)
    asked = request(
        scan,
        question,
        post_treatment=post_treatment,
        prior=prior,
        prior_masks=prior_masks,
        outlining=partial(organs_before, networks.outlining, machine, on_progress=terminal.progress),
        staging=staging,
    )
    found = structured_report(scan, networks, machine, reader=reader, asked=asked, on_progress=terminal.progress)
    masked = reader is not None
    results = ct_report_results(scan, found, networks, machine, asked, reader_masks=masked, regularize=regularize)
    deliver(out, with_template(results) if template else results, terminal, exported, further)
    return found
