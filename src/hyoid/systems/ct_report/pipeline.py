"""Structured report (SGRNet): CT -> organs + tumour heatmap -> involvement -> the whole template.

::

    CT -- organs and neck networks ------> organ map ----------+
     |                                                         +--> SGRNet --> involvement --+
     +--- tumour network -> cuboids -> Gaussian heatmap -------+                             +--> report
     |                                                                                       |
     +--- reader's masks (1 GTVp, 2 GTVn) in place of the tumour network: measured, and -----+
          `template` in place of SGRNet for the sub-sites that no network outlines
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hyoid.anatomy.structures import GTVN, GTVP, TARGET_REGION
from hyoid.geometry.orientation import canonical_geometry, to_canonical
from hyoid.inference.runtime import Precision
from hyoid.inference.strays import near_organs
from hyoid.io.packages.model_package import ModelPackage
from hyoid.io.packages.nnunet_source import Source
from hyoid.io.reader_masks import ReaderMasks
from hyoid.io.study import Study
from hyoid.preprocess.gate import check_head_neck_ct
from hyoid.progress import Stages, ignore_stages
from hyoid.provenance import Provenance, by_reader, network
from hyoid.report.content import schema
from hyoid.report.content.build import ReportInputs, build_report
from hyoid.report.content.scene import index_outline
from hyoid.report.content.target import doubts_about_target
from hyoid.report.pages.attention import Attention
from hyoid.systems.examination import Request, asked_for, technique
from hyoid.systems.involvement import classify, classify_outlined, target_map
from hyoid.systems.machine import Machine
from hyoid.systems.organs import (
    localise_tumour,
    model_use,
    outline_organs,
    outlining_models,
    sources_of_organs,
    target_mask,
)
from hyoid.systems.outlines import TARGET_VALUES, LeftOut, Outlines, outlines_on
from hyoid.volume import Quantity, Volume


@dataclass(frozen=True, eq=False)
class ReportModels:
    """Networks of the structured report.

    Parameters
    ----------
    outlining : tuple of ModelPackage or NnunetSource
        Networks that outline organs, each limited to the structures that it is best founded for; outlines of an earlier
        one go over those of a later one.
    tumour : ModelPackage or NnunetSource
        Network that localises the high-dose target.
    classifier : ModelPackage
        Network that classifies which structures the target involves.
    template : ModelPackage
        Sub-sites that an outlined primary tumour overlaps, learned from virtual patients.
    """

    outlining: tuple[Source, ...]
    tumour: Source
    classifier: ModelPackage
    template: ModelPackage

    @property
    def all(self) -> tuple[Source, ...]:
        """Every network, in the order in which they are asked."""
        return (*self.outlining, self.tumour, self.classifier, self.template)


@dataclass(frozen=True, eq=False)
class ReportResult:
    """Report of one CT, with the volumes behind the report.

    Parameters
    ----------
    report : Report
        Every line of the template with its evidence, measurements and warnings.
    ct : Volume
        Scan on its own grid, HU.
    outlines : Outlines
        Organs, targets and predicted target region on that grid, each whole.
    precisions : dict of str to str
        Arithmetic of each network that ran.
    attention : Attention or None
        Where the classifier looked; None where it did not run or has no attention.
    """

    report: schema.Report
    ct: Volume
    outlines: Outlines
    precisions: dict[str, Precision]
    attention: Attention | None = None


@dataclass(frozen=True, eq=False)
class Examined:
    """What the networks found in one CT, before a report is made of it.

    Parameters
    ----------
    inputs : ReportInputs
        Organs, predictions and facts on the canonical grid.
    precisions : dict of str to str
        Arithmetic of each network that ran.
    outlined_by : dict of int to Provenance
        Who outlined a structure, by label.
    attention : Attention or None
        Where the classifier looked; None where it did not run or has no attention.
    left_out : mapping of int to LeftOut
        Structures that a network outlined and that are not among the organs, by label.
    """

    inputs: ReportInputs
    precisions: dict[str, Precision]
    outlined_by: dict[int, Provenance]
    attention: Attention | None = None
    left_out: Mapping[int, LeftOut] = field(default_factory=dict)


def structured_report(
    study: Study,
    models: ReportModels,
    machine: Machine,
    *,
    reader: ReaderMasks | None = None,
    asked: Request | None = None,
    on_progress: Stages = ignore_stages,
) -> ReportResult:
    """Make the structured report of one CT.

    Parameters
    ----------
    study : Study
        CT in HU, with its headers and warnings.
    models : ReportModels
        Networks that outline organs, find the tumour and classify involvement.
    machine : Machine
        Device, precision and folder for compiled graphs.
    reader : ReaderMasks, optional
        On the scan's grid; then the report rests on these, and no network is asked where the tumour is.
    asked : Request, optional
        Clinical question, state of treatment and earlier report.
    on_progress : Stages
        Called with (stage, steps done, steps in all).

    Raises
    ------
    UnsuitableScanError
        When the scan is not a CT of head and neck.
    ModelUnusableError
        When the weights do not fit their network.
    """
    found = examine(study, models, machine, reader=reader, asked=asked, on_progress=on_progress)
    on_progress("report", 0, 1)
    inputs = found.inputs
    report = build_report(inputs)
    outlines = outlines_on(
        study.volume.geometry,
        organs=inputs.organs,
        targets=inputs.lesions,
        region=inputs.target_region,
        outlined_by=found.outlined_by,
        left_out=found.left_out,
    )
    if doubts := doubts_about_target(report.lines):
        outlines = replace(outlines, target_doubts={TARGET_REGION: doubts})
    if reader is not None:
        # Both targets whole, where a reader's overlap.
        drawn = {label: reader.masks[value] for label, value in TARGET_VALUES.items() if value in reader.masks}
        outlines = replace(outlines, targets=drawn)
    on_progress("report", 1, 1)
    return ReportResult(report, study.volume, outlines, found.precisions, found.attention)


def examine(
    study: Study,
    models: ReportModels,
    machine: Machine,
    *,
    reader: ReaderMasks | None = None,
    asked: Request | None = None,
    on_progress: Stages = ignore_stages,
) -> Examined:
    """Run the networks of the structured report on one CT; parameters and refusals are those of `structured_report`."""
    on_progress("check", 0, 1)
    ct = to_canonical(study.volume.require(Quantity.HU))
    warnings = (*check_head_neck_ct(ct), *(asked.warnings if asked else ()))
    on_progress("check", 1, 1)

    beside = models.tumour if reader is None else None
    outlined = outline_organs(ct, models.outlining, machine, on_progress, beside=beside)
    organs, precisions = outlined.labels, dict(outlined.precisions)
    manifests = [package.manifest for package in models.outlining]
    outlined_by = outlining_models(manifests)
    warnings = (*warnings, *outlined.warnings)
    inputs = {
        "study": _study_facts(study),
        "organs": organs,
        "image": ct,
        "technique": technique(study),
        **asked_for(asked or Request()),
        **sources_of_organs(manifests),
        "organs_left_out": outlined.reasons,
        "organs_doubted": outlined.doubted,
    }
    if reader is not None:
        lesions = to_canonical(reader.volume)
        warnings = (*warnings, *reader.said)
        inputs["lesions"] = lesions
        index = index_outline(lesions, organs)
        said = classify_outlined(ct, organs, index, models.template, machine, on_progress)
        classifier, what = models.template, "involvement"
    else:
        logits = outlined.beside
        if logits is None:
            logits, precisions[models.tumour.manifest.name] = localise_tumour(
                ct, models.tumour, machine, on_progress, organs=organs
            )
        target = target_mask(logits, ct, models.classifier.manifest.preprocessing["min_volume_ml"])
        target, lost = near_organs(target, organs)
        said = classify(ct, organs, target_map(logits), models.classifier, machine, on_progress)
        # Reports, and the tumour itself, tell of the structure in this scan; a planning target only of what it covers.
        whole = models.classifier.manifest.preprocessing.get("organ_rule", "target") != "target"
        classifier, what = models.classifier, "involvement" if whole else "coverage"
        inputs |= {
            "whole_scan": whole,
            "target_region": target,
            "target_source": model_use(models.tumour.manifest),
            "target_lost_ml": sum(lost.values()),
        }
    if said is not None:
        warnings = (*warnings, *said.warnings)
        precisions[classifier.manifest.name] = said.precision
        inputs |= {what: said.answers, f"{what}_source": model_use(classifier.manifest)}

    if not organs.array.any():
        warnings = (*warnings, "No organ was outlined: the networks do not know this scan.")
    tumour = network(models.tumour.manifest.name, models.tumour.manifest.version)
    return Examined(
        ReportInputs(**inputs, warnings=warnings, failed=not organs.array.any()),
        precisions,
        outlined_by | {GTVP: by_reader(), GTVN: by_reader(), TARGET_REGION: tumour},
        None if said is None else said.attention,
        outlined.left_out,
    )


def _study_facts(study: Study) -> schema.Study:
    geometry = canonical_geometry(study.volume.geometry)
    warnings = study.warnings
    if study.series is not None and study.series.others:
        also = "; ".join(study.series.others)
        warnings = (
            f"Of several series, this one was read: {study.series} ({study.series.why}). Not read: {also}.",
            *warnings,
        )
    return schema.Study(
        modality="CT",
        spacing_mm=geometry.spacing_mm,
        slices=geometry.shape[0],
        warnings=warnings,
        fingerprint=study.fingerprint,
    )
