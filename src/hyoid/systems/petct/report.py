"""The report of a PET/CT: targets by measurement, organs by the networks of the structured report where asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from hyoid.anatomy.structures import GTVN, GTVP
from hyoid.geometry.orientation import canonical_geometry, to_canonical
from hyoid.inference.runtime import Precision
from hyoid.io.packages.model_package import ModelPackage
from hyoid.io.packages.nnunet_source import Source
from hyoid.io.petct import PetCtStudy
from hyoid.io.reader_masks import ReaderMasks
from hyoid.preprocess.gate import check_head_neck_ct
from hyoid.progress import Stages, ignore_stages
from hyoid.provenance import Provenance, by_reader, network
from hyoid.report.content import schema
from hyoid.report.content.build import ReportInputs, build_report
from hyoid.report.content.scene import index_outline
from hyoid.systems.examination import Request, asked_for, technique
from hyoid.systems.involvement import classify_outlined
from hyoid.systems.machine import Machine
from hyoid.systems.organs import OrganOutlines, model_use, outline_organs, outlining_models, sources_of_organs
from hyoid.systems.outlines import TARGET_VALUES, LeftOut, Outlines, outlines_on
from hyoid.systems.petct.decision import Decision
from hyoid.systems.petct.pipeline import PetCtModels, TargetsResult, drawn_targets, find_targets
from hyoid.volume import Quantity, Volume


@dataclass(frozen=True, eq=False)
class PetCtReport:
    """Report of one PET/CT, with the volumes behind the report.

    Parameters
    ----------
    report : Report
        Every line of the template with its evidence, measurements and warnings.
    ct : Volume
        Scan on its own grid, HU.
    outlines : Outlines
        Organs and targets on that grid, each whole.
    targets : TargetsResult
        Outlined targets, warnings and places of the stages.
    precisions : dict of str to str
        Arithmetic of each network that ran.
    """

    report: schema.Report
    ct: Volume
    outlines: Outlines
    targets: TargetsResult
    precisions: dict[str, Precision]


@dataclass(frozen=True, eq=False)
class Examined:
    """What the networks found in one PET/CT, before a report is made of it.

    Parameters
    ----------
    inputs : ReportInputs
        Targets, organs, predictions and facts on the canonical grid.
    targets : TargetsResult
        Outlined targets, warnings and places of the stages.
    precisions : dict of str to str
        Arithmetic of each network that ran.
    outlined_by : dict of int to Provenance
        Who outlined a structure, by label.
    left_out : mapping of int to LeftOut
        Structures that a network outlined and that are not among the organs, by label.
    organs : OrganOutlines or None
        Organs as the networks outlined them; None where none was asked.
    reader : ReaderMasks or None
        A reader's targets, where the report rests on these.
    """

    inputs: ReportInputs
    targets: TargetsResult
    precisions: dict[str, Precision]
    outlined_by: dict[int, Provenance]
    left_out: Mapping[int, LeftOut] = field(default_factory=dict)
    organs: OrganOutlines | None = None
    reader: ReaderMasks | None = None


def petct_report(
    study: PetCtStudy,
    target_source: PetCtModels | ReaderMasks,
    outlining: Sequence[Source],
    machine: Machine,
    *,
    template: ModelPackage | None = None,
    asked: Request | None = None,
    decision: Decision | None = None,
    on_progress: Stages = ignore_stages,
) -> PetCtReport:
    """Outline the targets of one PET/CT, and report what is measured on the outlines.

    Parameters
    ----------
    study : PetCtStudy
        CT and, where there is one, PET of the same examination.
    target_source : PetCtModels or ReaderMasks
        Networks of all three stages; or a reader's targets on the CT's grid, and then no network is asked for targets.
    outlining : sequence of ModelPackage or NnunetSource
        Networks that outline organs: they give sites, levels and involvement. None: these stay `Missing`.
    machine : Machine
        Device, precision and folder for compiled graphs.
    template : ModelPackage, optional
        Says which sub-sites the primary overlaps, as `ReportModels.template`; needs organs.
    asked : Request, optional
        Clinical question, state of treatment and earlier report.
    decision : Decision, optional
        How averaged maps become labels; as the fine networks' packages say when not given.

    Raises
    ------
    UnsuitableScanError
        When the scan is not a CT of head and neck.
    InputRefusedError, ModelUnusableError
        As `find_targets`.
    """
    found = examine(
        study,
        target_source,
        outlining,
        machine,
        template=template,
        asked=asked,
        decision=decision,
        on_progress=on_progress,
    )
    on_progress("report", 0, 1)
    report = report_of(study, found)
    on_progress("report", 1, 1)
    return report


def report_of(study: PetCtStudy, found: Examined) -> PetCtReport:
    """Make the report of what was found in a PET/CT, and the outlines to deliver with it.

    Parameters
    ----------
    study : PetCtStudy
        The study that was examined.
    found : Examined
        Targets, organs and predictions.
    """
    inputs = found.inputs
    outlines = outlines_on(
        study.ct.volume.geometry,
        organs=None if found.organs is None else inputs.organs,
        targets=inputs.lesions,
        outlined_by=found.outlined_by,
        left_out=found.left_out,
    )
    if found.reader is not None:
        # Both targets whole, where a reader's overlap.
        masks = found.reader.masks
        outlines = replace(outlines, targets={n: masks[value] for n, value in TARGET_VALUES.items() if value in masks})
    return PetCtReport(build_report(inputs), study.ct.volume, outlines, found.targets, found.precisions)


def examine(
    study: PetCtStudy,
    target_source: PetCtModels | ReaderMasks,
    outlining: Sequence[Source],
    machine: Machine,
    *,
    template: ModelPackage | None = None,
    asked: Request | None = None,
    decision: Decision | None = None,
    organs_before: OrganOutlines | None = None,
    on_progress: Stages = ignore_stages,
) -> Examined:
    """Run the networks of the PET/CT system on one study; other parameters and refusals are those of `petct_report`.

    Parameters
    ----------
    organs_before : OrganOutlines, optional
        Organs that `outlining` outlined on this study before; they are taken as they are.
    """
    on_progress("check", 0, 1)
    ct = to_canonical(study.ct.volume.require(Quantity.HU))
    warnings = [*study.warnings, *check_head_neck_ct(ct), *(asked.warnings if asked else ())]
    on_progress("check", 1, 1)
    pet = None if study.pet is None else study.pet.volume
    reader = target_source if isinstance(target_source, ReaderMasks) else None
    if isinstance(target_source, ReaderMasks):
        warnings += target_source.said
        targets = drawn_targets(study.ct.volume, pet, target_source.volume)
        system, drawn_by = None, by_reader()
    else:
        targets = find_targets(study.ct.volume, pet, target_source, machine, on_progress, decision)
        versions = dict.fromkeys(package.manifest.version for package in target_source.fine)
        system, drawn_by = system_use(target_source), network("petct", ", ".join(versions))
    organs = Volume(np.zeros(ct.geometry.shape, np.uint8), ct.geometry, Quantity.LABEL)
    precisions = dict(targets.precisions)
    lesions = to_canonical(targets.labels)
    inputs: dict[str, object] = {}
    left_out: Mapping[int, LeftOut] = {}
    outlined = organs_before
    if outlining:
        outlined = organs_before or outline_organs(ct, outlining, machine, on_progress)
        organs, warnings = outlined.labels, [*warnings, *outlined.warnings]
        left_out, inputs = outlined.left_out, {"organs_left_out": outlined.reasons, "organs_doubted": outlined.doubted}
        precisions |= outlined.precisions
        if template is not None:
            index = index_outline(lesions, organs)
            said = classify_outlined(ct, organs, index, template, machine, on_progress)
            if said is not None:
                warnings += said.warnings
                precisions[template.manifest.name] = said.precision
                inputs |= {"involvement": said.answers, "involvement_source": model_use(template.manifest)}
    manifests = [package.manifest for package in outlining]
    outlined_by = outlining_models(manifests)
    return Examined(
        ReportInputs(
            study=_facts(study),
            organs=organs,
            **sources_of_organs(manifests),
            lesions=lesions,
            lesions_status="model" if system is not None else "reader",
            lesions_source=system,
            image=ct,
            technique=_technique(study),
            **asked_for(asked or Request()),  # type: ignore[arg-type]
            pet=None if targets.pet is None else to_canonical(targets.pet),
            warnings=(*warnings, *targets.warnings),
            failed=targets.failed,
            **inputs,  # type: ignore[arg-type]
        ),
        targets,
        precisions,
        outlined_by | {GTVP: drawn_by, GTVN: drawn_by},
        left_out,
        outlined,
        reader,
    )


def system_use(models: PetCtModels) -> schema.ModelUse:
    """Describe the whole ensemble as one model; its hash is that of its networks' hashes."""
    manifests = [package.manifest for package in models.all]
    names = ", ".join(f"{m.name} {m.version}" for m in manifests)
    together = hashlib.sha256("".join(m.sha256 for m in manifests).encode()).hexdigest()
    return schema.ModelUse(
        name=f"PET/CT targets ({names})",
        licence=", ".join(dict.fromkeys(m.licence for m in manifests)),
        trained_on="; ".join(dict.fromkeys(m.training_data for m in manifests)),
        sha256=together,
    )


def _technique(study: PetCtStudy) -> tuple[schema.Fact, ...]:
    """How CT and PET were made, and how SUV came about."""
    facts = technique(study.ct, study.pet)
    if study.pet is None:
        return facts
    source: Literal["header", "stated"] = "header" if study.pet.headers else "stated"
    return (*facts, schema.Fact(words="SUV", value=study.suv_words, source=source))


def _facts(study: PetCtStudy) -> schema.Study:
    geometry = canonical_geometry(study.ct.volume.geometry)
    warnings = list(study.ct.warnings) + (list(study.pet.warnings) if study.pet is not None else [])
    for part, what in ((study.ct, "CT"), (study.pet, "PET")):
        if part is not None and part.series is not None and part.series.others:
            warnings.append(f"{what} that was read: {part.series} ({part.series.why}).")
    modality = "CT" if study.pet is None else "PT/CT"
    return schema.Study(
        modality=modality,
        spacing_mm=geometry.spacing_mm,
        slices=geometry.shape[0],
        warnings=tuple(warnings),
        fingerprint=study.ct.fingerprint,
    )
