"""From what a system found to what is delivered: one function per system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from hyoid.anatomy.structures import GTVN, GTVP
from hyoid.geometry.orientation import to_canonical
from hyoid.interfaces.delivery import Results, model_records
from hyoid.io.packages.model_package import Manifest
from hyoid.io.packages.nnunet_source import Source
from hyoid.io.petct import PetCtStudy
from hyoid.io.run_record import ModelRecord
from hyoid.io.study import Study
from hyoid.provenance import Provenance, network
from hyoid.report.content.schema import ModelUse, Report
from hyoid.report.pages.response_html import ResponseScene, write_response
from hyoid.report.pages.text import template_text
from hyoid.report.pages.write import write_report
from hyoid.systems.ct_report.pipeline import ReportModels, ReportResult
from hyoid.systems.examination import Request
from hyoid.systems.lesion.pipeline import Outline
from hyoid.systems.lesion.report import drawn_by_whom, outlines_of
from hyoid.systems.lesion.session import ClickSession, LesionState
from hyoid.systems.machine import Machine
from hyoid.systems.midrt.pipeline import MidrtResult
from hyoid.systems.outlines import Outlines, outlines_on
from hyoid.systems.petct.decision import Decision
from hyoid.systems.petct.report import PetCtReport
from hyoid.volume import Volume


def ct_report_results(
    study: Study,
    found: ReportResult,
    models: ReportModels,
    machine: Machine,
    asked: Request,
    *,
    reader_masks: bool,
    regularize: bool | None = None,
) -> Results:
    """Prepare a structured report of a CT for delivery.

    Parameters
    ----------
    study : Study
        The CT.
    found : ReportResult
        Report, outlines, and the CT on its own grid.
    models : ReportModels
        Networks at hand; those that ran go on record.
    machine : Machine
        Where the networks ran.
    asked : Request
        What was asked of the report.
    reader_masks : bool
        Whether a reader's outlines went in.
    regularize : bool, optional
        Whether gaps between slices were to be filled; None where the CT was read before.
    """
    options = {"reader_masks": reader_masks, **_stated(asked, machine, regularize)}
    options["stage_site"] = _site(asked)
    return Results(
        command="report",
        report=found.report,
        write_pages=_pages(found.report, found.ct, found.outlines, attention=found.attention),
        study=study,
        outlines=found.outlines,
        models=model_records(models.all, found.precisions),
        inputs={"ct": study},
        machine=machine,
        options=options,
    )


def petct_results(
    study: PetCtStudy,
    found: PetCtReport,
    packages: Sequence[Source],
    machine: Machine,
    asked: Request,
    decision: Decision | None,
    *,
    organs: bool,
    regularize: bool | None = None,
) -> Results:
    """Prepare targets of a PET/CT and their report for delivery.

    Parameters
    ----------
    study : PetCtStudy
        CT and PET as read.
    found : PetCtReport
        Report, outlines, and the CT on its own grid.
    packages : sequence of ModelPackage or NnunetSource
        Every network that was at hand; those that ran go on record.
    machine : Machine
        Where the networks ran.
    asked : Request
        What was asked of the report.
    decision : Decision or None
        How averaged maps became outlines; None where a reader's outlines went in.
    organs : bool
        Whether organs were to be outlined.
    regularize : bool, optional
        Whether gaps between slices were to be filled; None where the scans were read before.
    """
    options = {"organs": organs, "ct_only": study.pet is None, **_stated(asked, machine, regularize)}
    options |= {"reader_masks": decision is None, "stage_site": _site(asked)}
    if decision is not None:
        options |= {"decision": decision.rule, "coarse_outside": decision.coarse_outside}
    return Results(
        command="petct",
        report=found.report,
        write_pages=_pages(
            found.report,
            found.ct,
            found.outlines,
            pet=None if found.targets.pet is None else to_canonical(found.targets.pet),
        ),
        study=study.ct,
        outlines=found.outlines,
        models=model_records(packages, found.precisions),
        inputs={"ct": study.ct} if study.pet is None else {"ct": study.ct, "pet": study.pet},
        machine=machine,
        options=options,
        facts={**found.targets.facts, "suv": study.suv_words},
    )


def midrt_results(
    pre: Study,
    mid: Study,
    found: MidrtResult,
    packages: Sequence[Source],
    machine: Machine,
    *,
    registered: bool,
) -> Results:
    """Prepare targets on a mid-treatment MR and the response of every lesion for delivery.

    Parameters
    ----------
    pre, mid : Study
        MR before and during treatment.
    found : MidrtResult
        Response report, scans and targets, on the canonical grid of the mid-treatment scan.
    packages : sequence of ModelPackage or NnunetSource
        The networks of the ensemble.
    machine : Machine
        Where the networks ran.
    registered : bool
        Whether the earlier outlines came registered.
    """
    names, versions = ({getattr(package.manifest, what): None for package in packages} for what in ("name", "version"))
    system = network(" and ".join(names), ", ".join(versions))
    scene = ResponseScene(found.pre, found.mid, found.gradient, found.pre_labels, found.labels)
    return Results(
        command="midrt",
        report=found.report,
        write_pages=partial(write_response, report=found.report, scene=scene),
        study=mid,
        outlines=outlines_on(mid.volume.geometry, targets=found.targets, outlined_by={GTVP: system, GTVN: system}),
        models=model_records(packages, found.precisions),
        inputs={"pre": pre, "mid": mid},
        machine=machine,
        options={"registered": registered, "precision": machine.precision},
        facts={"registration": found.report.registration.model_dump()},
        volumes={
            "gradient_map.nii.gz": found.gradient,
            "pre_masks_registered.nii.gz": found.pre_labels,
            "pre_registered.nii.gz": found.pre,
        },
    )


def lesion_results(
    study: Study,
    report: Report,
    lesions: Sequence[tuple[LesionState, Outline]],
    organs: Volume | None,
    session: ClickSession,
    manifest: Manifest,
    machine: Machine,
    outlined_by: Mapping[int, Provenance],
    pet: Volume | None = None,
) -> Results:
    """Prepare lesions that were outlined by clicks and their report for delivery.

    Parameters
    ----------
    study : Study
        The scan that was clicked in.
    report : Report
        Report of the lesions.
    lesions : sequence of (LesionState, Outline)
        Those with a click or a box.
    organs : Volume, LABEL, optional
        Organs on the canonical grid; None where no organ was outlined.
    session : ClickSession
        Written to `session.json`.
    manifest : Manifest
        Manifest of the interactive network.
    machine : Machine
        Where the networks ran.
    outlined_by : mapping of int to Provenance
        Who outlined an organ, and the lesions of a draft, by label.
    pet : Volume, optional
        SUV on the canonical grid of the scan, for the pictures.
    """
    whose = {**outlined_by, **drawn_by_whom(lesions, outlined_by.get(GTVP), manifest)}
    outlines = outlines_of(lesions, organs, study.volume.geometry, whose)
    return Results(
        command="lesion",
        report=report,
        write_pages=_pages(report, study.volume, outlines, **({} if pet is None else {"pet": pet})),
        study=study,
        outlines=outlines,
        models={use.name: _used(use) for use in report.models},
        inputs={"image" if report.study is None else report.study.modality.lower(): study},
        machine=machine,
        facts={"lesions": [_lesion_facts(lesion, outline) for lesion, outline in lesions]},
        texts={"session.json": session.model_dump_json(indent=1)},
    )


def with_template(results: Results) -> Results:
    """Add the full template of Appendix C as `template.txt`.

    Parameters
    ----------
    results : Results
        Results of a structured report of one scan.
    """
    if not isinstance(results.report, Report):
        return results
    return replace(results, texts={**results.texts, "template.txt": template_text(results.report)})


def _stated(asked: Request, machine: Machine, regularize: bool | None) -> dict[str, object]:
    """Options that decide the report of a CT and that of a PET/CT alike."""
    read = {} if regularize is None else {"regularize": regularize}
    stated = {"precision": machine.precision, "post_treatment": asked.post_treatment, "prior": asked.prior is not None}
    return {**read, **stated}


def _site(asked: Request) -> str | None:
    return None if asked.staging is None else asked.staging.site.value


def _pages(report: Report, image: Volume, outlines: Outlines, **more: Any) -> partial[Any]:
    picture = to_canonical(outlines.picture())
    return partial(write_report, report=report, image=to_canonical(image), labels=picture, **more)


def _lesion_facts(lesion: LesionState, outline: Outline) -> dict[str, object]:
    return {
        "number": lesion.number,
        "target": lesion.target,
        "made_by": lesion.made_by,
        "clicks": len(lesion.prompts),
        "steps": len(lesion.steps),
        "voxels": outline.voxels,
        "expected_iou": None if outline.expected_iou is None else round(outline.expected_iou, 4),
        "attributes": outline.attributes,
    }


def _used(use: ModelUse) -> ModelRecord:
    """A model that a report names; its arithmetic is not kept from click to click."""
    return ModelRecord(version=use.version, sha256=use.sha256, licence=use.licence, training_data=use.trained_on)
