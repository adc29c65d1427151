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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import cc3d
import numpy as np
from numpy.typing import NDArray

from hyoid.anatomy.structures import BY_LABEL, BY_NAME, GTVN, GTVP, INSIDE_LARYNX, TARGET_REGION
from hyoid.errors import ModelUnusableError
from hyoid.geometry.orientation import canonical_geometry, from_canonical, to_canonical
from hyoid.inference.export import labels_from_logits
from hyoid.inference.runtime import Precision, Runtime, load_runtime
from hyoid.inference.segment import Logits, segment
from hyoid.inference.strays import TARGET_GAP_MM, near_organs, without_strays
from hyoid.io.model_package import Manifest, ModelPackage
from hyoid.io.reader_masks import NODE, PRIMARY, ReaderMasks
from hyoid.io.study import Study
from hyoid.pipelines.involvement import classify, classify_outlined, target_map
from hyoid.pipelines.machine import Machine, Progress
from hyoid.preprocess.gate import check_head_neck_ct
from hyoid.preprocess.network_grid import body_on_grid
from hyoid.report import schema
from hyoid.report.attention import Attention
from hyoid.report.build import ReportInputs, build_report
from hyoid.volume import Quantity, Volume

_NAMED_ML = 0.5  # what a warning names of the outlines that were left out


@dataclass(frozen=True, eq=False)
class ReportModels:
    """The networks of the system.

    Parameters
    ----------
    organs : ModelPackage
        Organs learned from real contours.
    neck : ModelPackage
        The structures of the neck for which no real contours exist, learned from virtual patients.
    tumour, sgrnet : ModelPackage
        Location of the high-dose target, and what it involves.
    template : ModelPackage
        Sub-sites that an outlined primary tumour overlaps, learned from virtual patients.
    """

    organs: ModelPackage
    neck: ModelPackage
    tumour: ModelPackage
    sgrnet: ModelPackage
    template: ModelPackage

    @property
    def outlining(self) -> tuple[ModelPackage, ModelPackage]:
        """Packages that outline organs, the better founded one first."""
        return self.organs, self.neck


@dataclass(frozen=True, eq=False)
class ReportResult:
    """What a run made.

    Parameters
    ----------
    report : Report
    ct, labels : Volume
        The scan, and organs with targets (labels of `hyoid.anatomy.structures`), both on the scan's own grid.
    precisions : dict of str to str
        Arithmetic of each network that ran.
    attention : Attention or None
        Where the classifier looked; None where it did not run or has no attention.
    """

    report: schema.Report
    ct: Volume
    labels: Volume
    precisions: dict[str, Precision]
    attention: Attention | None = None


@dataclass(frozen=True, eq=False)
class OrganOutlines:
    """Organs of one scan.

    Parameters
    ----------
    labels : Volume
        On the grid of the scan.
    precisions : mapping of str to str
        Arithmetic that each package used.
    warnings : tuple of str
    """

    labels: Volume
    precisions: Mapping[str, Precision]
    warnings: tuple[str, ...]


def structured_report(
    study: Study,
    models: ReportModels,
    machine: Machine,
    *,
    reader: ReaderMasks | None = None,
    on_progress: Progress = lambda stage, done, total: None,
) -> ReportResult:
    """Report of one CT.

    Parameters
    ----------
    study : Study
        With a CT in HU.
    models : ReportModels
    machine : Machine
    reader : ReaderMasks, optional
        On the scan's grid; then the report rests on these, and no network is asked where the tumour is.
    on_progress : Progress

    Raises
    ------
    UnsuitableScanError
        When the scan is not a CT of head and neck.
    ModelUnusableError
        When the weights do not fit their network.
    """
    on_progress("check", 0, 1)
    ct = to_canonical(study.volume.require(Quantity.HU))
    warnings = check_head_neck_ct(ct)
    on_progress("check", 1, 1)

    outlines = outline_organs(ct, models.outlining, machine, on_progress)
    organs, precisions = outlines.labels, dict(outlines.precisions)
    warnings = (*warnings, *outlines.warnings)
    inputs = {
        "study": _study_facts(study),
        "organs": organs,
        "organ_sources": tuple(model_use(package.manifest) for package in models.outlining),
        "organs_expected": tuple(name for package in models.outlining for name in package.manifest.supported),
    }
    target = None
    if reader is not None:
        lesions = to_canonical(reader.volume)
        warnings = (*warnings, *_said_of(reader))
        inputs["lesions"] = lesions
        said = classify_outlined(ct, organs, lesions, models.template, machine, on_progress)
        classifier = models.template
    else:
        logits, precisions[models.tumour.manifest.name] = localise_tumour(ct, models.tumour, machine, on_progress)
        target = target_mask(logits, ct, models.sgrnet.manifest.preprocessing["min_volume_ml"])
        target, lost = near_organs(target, organs)
        warnings = (*warnings, *_said_of_target(lost))
        said = classify(ct, organs, target_map(logits), models.sgrnet, machine, on_progress)
        classifier = models.sgrnet
        inputs |= {"target_region": target, "target_source": model_use(models.tumour.manifest)}
    if said is not None:
        warnings = (*warnings, *said.warnings)
        precisions[classifier.manifest.name] = said.precision
        inputs |= {"involvement": said.answers, "involvement_source": model_use(classifier.manifest)}

    on_progress("report", 0, 1)
    if not organs.array.any():
        warnings = (*warnings, "No organ was outlined: the networks do not know this scan.")
    report = build_report(ReportInputs(**inputs, warnings=warnings, failed=not organs.array.any()))  # type: ignore[arg-type]
    labels = _all_labels(organs, target, reader, study)
    on_progress("report", 1, 1)
    return ReportResult(report, study.volume, labels, precisions, None if said is None else said.attention)


def outline_organs(
    ct: Volume,
    packages: Sequence[ModelPackage],
    machine: Machine,
    on_progress: Progress = lambda stage, done, total: None,
) -> OrganOutlines:
    """Organ labels on the grid of the (canonical) scan.

    Air of the larynx counts only inside the larynx, so that the larynx is the same with and without it. Parts that lie
    apart from the neck are left out (`hyoid.inference.strays`), and a warning names those of half a millilitre or more.

    Parameters
    ----------
    ct : Volume
    packages : sequence of ModelPackage
        On grids of one spacing. What an earlier one outlines, a later one does not paint over, except that the air
        of the larynx is painted over the larynx.
    machine : Machine
    """
    body = body_on_grid(ct, packages[0].manifest.spacing_mm)
    logits: dict[str, NDArray[np.float32]] = {}
    ranks: dict[str, int] = {}
    precisions: dict[str, Precision] = {}
    for rank, package in enumerate(packages):
        manifest = package.manifest
        if manifest.spacing_mm != packages[0].manifest.spacing_mm:
            raise ModelUnusableError(
                f"Models {packages[0].manifest.name!r} and {manifest.name!r} work on different grids.",
                "Train both at one spacing.",
            )
        runtime = _tile_runtime(package, machine)
        precisions[manifest.name] = runtime.precision
        found = segment(body, manifest, runtime, on_progress=partial(on_progress, manifest.name))
        for name in manifest.supported:
            if name not in logits:
                logits[name] = found.array[manifest.labels.index(name)]
                ranks[name] = 1 if name in INSIDE_LARYNX else -rank
    for name in INSIDE_LARYNX:
        if name in logits and "larynx" in logits:
            logits[name] = np.minimum(logits[name], logits["larynx"])
    labels = [BY_NAME[name].label for name in logits]
    rank_of = {BY_NAME[name].label: rank for name, rank in ranks.items()}
    exported = labels_from_logits(np.stack(list(logits.values())), body.geometry, ct.geometry, labels, ranks=rank_of)
    kept, lost = without_strays(exported)
    named = [f"{BY_LABEL[label].words} {ml:.1f} ml" for label, ml in lost.items() if ml >= _NAMED_ML]
    warnings = (f"Outlines that lie apart from the neck were left out: {', '.join(named)}.",) if named else ()
    return OrganOutlines(kept, precisions, warnings)


def localise_tumour(
    ct: Volume, package: ModelPackage, machine: Machine, on_progress: Progress = lambda stage, done, total: None
) -> tuple[Logits, Precision]:
    """Logits of the high-dose target region on the tumour network's grid, and the arithmetic used."""
    body = body_on_grid(ct, package.manifest.spacing_mm)
    runtime = _tile_runtime(package, machine)
    logits = segment(
        body, package.manifest, runtime, on_progress=lambda done, total: on_progress("tumour", done, total)
    )
    return logits, runtime.precision


def target_mask(logits: Logits, ct: Volume, min_volume_ml: float) -> Volume:
    """Predicted target region on the grid of the scan, as label 1; parts below `min_volume_ml` are dropped."""
    mask = labels_from_logits(logits.array, logits.geometry, ct.geometry, [1])
    smallest = int(np.ceil(min_volume_ml / ct.geometry.voxel_ml))
    return mask.with_array(cc3d.dust(mask.array, threshold=smallest, connectivity=26))


def _said_of_target(lost_ml: Mapping[int, float]) -> tuple[str, ...]:
    volume = sum(lost_ml.values())
    if not volume:
        return ()
    far = f"{TARGET_GAP_MM / 10:.0f} cm"
    return (f"Of the predicted target region {volume:.1f} ml lie more than {far} from every organ: left out.",)


def model_use(manifest: Manifest) -> schema.ModelUse:
    """What a report says of a model."""
    return schema.ModelUse(
        name=manifest.name,
        version=manifest.version,
        licence=manifest.licence,
        trained_on=manifest.training_data,
        sha256=manifest.sha256,
    )


def _tile_runtime(package: ModelPackage, machine: Machine) -> Runtime:
    manifest = package.manifest
    shape = (1, len(manifest.preprocessing["windows_hu"]), *manifest.patch)
    return load_runtime(package, [shape], device=machine.device, precision=machine.precision, cache=machine.cache)


def _study_facts(study: Study) -> schema.Study:
    geometry = canonical_geometry(study.volume.geometry)
    warnings = study.warnings
    if study.series is not None and study.series.others:
        also = "; ".join(study.series.others)
        warnings = (
            f"Of several series, this one was read: {study.series} ({study.series.why}). Not read: {also}.",
            *warnings,
        )
    return schema.Study(modality="CT", spacing_mm=geometry.spacing_mm, slices=geometry.shape[0], warnings=warnings)


def _said_of(reader: ReaderMasks) -> tuple[str, ...]:
    """What was taken from a reader's file, and what was not."""
    said = [f"Reader's masks: {', '.join(reader.used)}."]
    if reader.unmatched:
        said.append(
            f"Not used from the reader's masks, whose names say neither GTVp nor GTVn: {', '.join(reader.unmatched)}."
        )
    return tuple(said)


def _all_labels(organs: Volume, target: Volume | None, reader: ReaderMasks | None, study: Study) -> Volume:
    """Organs and targets in one map on the scan's own grid; targets lie on top."""
    labels = from_canonical(organs.array, study.volume.geometry)
    if target is not None:
        labels[from_canonical(target.array, study.volume.geometry) > 0] = TARGET_REGION
    if reader is not None:
        labels[reader.volume.array == PRIMARY] = GTVP
        labels[reader.volume.array == NODE] = GTVN
    return Volume(labels, study.volume.geometry, Quantity.LABEL)
