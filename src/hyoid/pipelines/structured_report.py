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

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cc3d
import numpy as np
from numpy.typing import NDArray

from hyoid.anatomy.structures import BY_LABEL, BY_NAME, GTVN, GTVP, INSIDE_LARYNX, TARGET_REGION
from hyoid.errors import ModelUnusableError
from hyoid.geometry.orientation import canonical_geometry, from_canonical, to_canonical
from hyoid.geometry.resample import resample
from hyoid.inference.export import labels_from_logits
from hyoid.inference.runtime import Device, Precision, Runtime, load_runtime
from hyoid.inference.segment import Logits, segment
from hyoid.inference.strays import TARGET_GAP_MM, near_organs, without_strays
from hyoid.io.model_package import Manifest, ModelPackage
from hyoid.io.reader_masks import NODE, PRIMARY, ReaderMasks
from hyoid.io.study import Study
from hyoid.preprocess.fixed_grid import centred
from hyoid.preprocess.gate import check_head_neck_ct
from hyoid.preprocess.heatmap import cuboids, gaussian_heatmap
from hyoid.preprocess.intensity import normalised_window, unit_window
from hyoid.preprocess.network_grid import AIR_HU, body_on_grid
from hyoid.report import schema
from hyoid.report.attention import Attention
from hyoid.report.build import Involvement, ReportInputs, build_report
from hyoid.volume import Geometry, Quantity, Volume

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total); a stage ends when done equals total."""

ATTENDING = ("organ_modulation", "organ_tumour_modulation", "organ_pooling", "sub_sites")
"""Variants of SGRNet that say where they looked; as `hyoid.models.sgrnet.ATTENDING`, which would import torch."""
MEANING = "coverage of more than {share:.0%} of the structure by the high-dose target"
PLACE = "where the network takes it to lie, brighter inside the tumour outline"
OVERLAP, VIRTUAL = "overlap of the tumour with the structure", "virtual patients only"
SUB_SITES = (
    "Sub-sites are predicted from where the tumour outline lies among the organs, by a network that only virtual "
    "patients have taught."
)
NO_ORGANS = "No organ was found near the tumour, so involvement was not predicted."
_LEAST_SEEN = 0.5  # of an outline: a small one gains or loses a third of its volume on a coarse grid
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


@dataclass(frozen=True)
class Machine:
    """Where networks run.

    Parameters
    ----------
    device : {"cpu", "cuda"}
    cache : Path
        Folder for compiled graphs.
    precision : {"f32", "bf16"}, optional
        By default what each package allows.
    """

    device: Device
    cache: Path
    precision: Precision | None = None


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
class Classified:
    """What SGRNet said.

    Parameters
    ----------
    answers : dict of str to Involvement
        By field; empty without an organ.
    attention : Attention or None
        Where it looked; None for variants without attention.
    precision : str
        Arithmetic used.
    """

    answers: dict[str, Involvement]
    attention: Attention | None
    precision: Precision


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


class SGRNetInputs(NamedTuple):
    """What SGRNet sees: normalised CT, organ labels, heatmap 0..1, each (D, H, W), and their grid."""

    ct: NDArray[np.float32]
    organs: NDArray[np.uint8]
    heatmap: NDArray[np.float32]
    geometry: Geometry


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
        On the scan's grid; then the report rests on these, and no network is asked about tumour.
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
        warnings = (*warnings, SUB_SITES) if said is not None and said.answers else warnings
    else:
        logits, precisions[models.tumour.manifest.name] = localise_tumour(ct, models.tumour, machine, on_progress)
        target = target_mask(logits, ct, models.sgrnet.manifest.preprocessing["min_volume_ml"])
        target, lost = near_organs(target, organs)
        warnings = (*warnings, *_said_of_target(lost))
        said = classify(ct, organs, target_map(logits), models.sgrnet, machine, on_progress)
        classifier = models.sgrnet
        inputs |= {"target_region": target, "target_source": model_use(models.tumour.manifest)}
    if said is not None:
        if not said.answers:
            warnings = (*warnings, NO_ORGANS)
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


def sgrnet_inputs(
    ct: Volume,
    organs: Volume,
    tumour: Volume,
    spacing_mm: tuple[float, float, float],
    shape: tuple[int, int, int],
    constants: dict,
) -> SGRNetInputs | None:
    """CT, organ map and heatmap as SGRNet sees them; None without an organ.

    Parameters
    ----------
    ct, organs : Volume
        Canonical scan and organ labels on the same grid.
    tumour : Volume
        Probability of tumour, on any grid: `target_map`, or `outlined`.
    spacing_mm : (slice, row, column)
        Of SGRNet's grid.
    shape : (D, H, W)
        Voxels of SGRNet's grid.
    constants : dict
        `window_hu`, `values`, `heatmap`, `threshold`, `min_volume_ml`, `sigma_per_extent`.
    """
    body = body_on_grid(ct, spacing_mm)
    coarse_organs = resample(organs, body.geometry)
    voxels = np.argwhere(coarse_organs.array)
    if not len(voxels):
        return None
    if constants["heatmap"] == "gaussian":
        limits = {name: constants[name] for name in ("threshold", "min_volume_ml")}
        boxes = cuboids(tumour.array, tumour.geometry.spacing_mm, **limits)
        shape_there, sigma = tumour.geometry.shape, constants["sigma_per_extent"]
        tumour = tumour.with_array(gaussian_heatmap(shape_there, boxes, sigma_per_extent=sigma))
    heatmap = resample(tumour, body.geometry)
    centre = body.geometry.to_lps(voxels.mean(axis=0))
    scaled = unit_window if constants["values"] == "unit" else normalised_window
    coarse_ct = centred(body, centre, shape, outside=AIR_HU)
    return SGRNetInputs(
        scaled(coarse_ct.array, tuple(constants["window_hu"])),
        centred(coarse_organs, centre, shape, outside=0).array.astype(np.uint8),
        centred(heatmap, centre, shape, outside=0).array,
        coarse_ct.geometry,
    )


def _seen_share(arrays: SGRNetInputs, tumour: Volume) -> float:
    """Share of a tumour map that lies on the network's grid."""
    here = float(arrays.heatmap.sum()) * arrays.geometry.voxel_ml
    return here / max(float(tumour.array.sum()) * tumour.geometry.voxel_ml, 1e-9)


def target_map(logits: Logits) -> Volume:
    """Probability of the high-dose target region, on the tumour network's grid."""
    return Volume(logits.probability("target_region"), logits.geometry, Quantity.PROBABILITY)


def outlined(mask: Volume) -> Volume:
    """An outline as a probability: 1 inside, 0 outside."""
    return Volume((mask.array > 0).astype(np.float32), mask.geometry, Quantity.PROBABILITY)


def classify(
    ct: Volume,
    organs: Volume,
    tumour: Volume,
    package: ModelPackage,
    machine: Machine,
    on_progress: Progress = lambda stage, done, total: None,
    *,
    least_seen: float = 0.0,
) -> Classified:
    """Involvement of every field the package was trained for, and where it looked; nothing without an organ.

    Parameters
    ----------
    ct, organs : Volume
        Canonical scan and organ labels on the same grid.
    tumour : Volume
        What the package was trained with: `target_map`, or `outlined` of the primary.
    package : ModelPackage
    machine : Machine
    least_seen : float
        Nothing is answered either when less than this share of the tumour lies on the network's grid.
    """
    manifest = package.manifest
    on_progress("involvement", 0, 1)
    arrays = sgrnet_inputs(ct, organs, tumour, manifest.spacing_mm, manifest.patch, manifest.preprocessing)
    if arrays is None or _seen_share(arrays, tumour) < least_seen:
        on_progress("involvement", 1, 1)
        return Classified({}, None, "f32")
    package, attends = explaining(package)
    shape = (1, 1, *manifest.patch)
    runtime = load_runtime(
        package, [shape] * 3, device=machine.device, precision=machine.precision, cache=machine.cache
    )
    views = [a[None, None].astype(np.float32) for a in (arrays.ct, arrays.organs, arrays.heatmap)]
    attention = None
    if attends and runtime.run_all is not None:
        logits, maps = (output[0] for output in runtime.run_all(*views))
        every = attention_maps(maps, manifest.labels, arrays.geometry)
        attention = replace(every, maps={name: every.maps[name] for name in manifest.supported})
    else:
        logits = runtime.run(*views)[0]
    meaning = MEANING.format(share=manifest.preprocessing["involvement_share"])
    virtual = manifest.preprocessing.get("virtual_only", ())
    answers = {
        name: Involvement(
            float(1 / (1 + np.exp(-logit / manifest.temperatures.get(name, 1.0)))),
            manifest.thresholds.get(name, 0.5),
            OVERLAP if name in virtual else meaning,
            manifest.equivocal.get(name),
            VIRTUAL if name in virtual else "",
        )
        for name, logit in zip(manifest.labels, logits, strict=True)
        if name in manifest.supported
    }
    on_progress("involvement", 1, 1)
    return Classified(answers, attention, runtime.precision)


def classify_outlined(
    ct: Volume,
    organs: Volume,
    lesions: Volume,
    package: ModelPackage,
    machine: Machine,
    on_progress: Progress = lambda stage, done, total: None,
) -> Classified | None:
    """Lines of the template that an outlined primary overlaps; None without a primary.

    A primary that lies mostly beyond the organs that were found is not answered for.
    Attention is kept of the lines that are not answered with no: the others are many, and nothing is there.

    Parameters
    ----------
    ct, organs, lesions : Volume
        Canonical scan, organ labels, and lesion labels (1 primary, 2 nodes), on one grid.
    package : ModelPackage
        Trained with `heatmap: outline`.
    machine : Machine
    """
    primary = lesions.with_array((lesions.array == PRIMARY).astype(np.uint8))
    if not primary.array.any():
        return None
    found = classify(ct, organs, outlined(primary), package, machine, on_progress, least_seen=_LEAST_SEEN)
    if found.attention is None:
        return found
    shown = {name: m for name, m in found.attention.maps.items() if found.answers[name].answer != "no"}
    return replace(found, attention=replace(found.attention, maps=shown, words=PLACE) if shown else None)


def explaining(package: ModelPackage) -> tuple[ModelPackage, bool]:
    """The package with its attention as a second output, where its network has one; and whether it has."""
    network = package.manifest.network
    if network.get("variant") not in ATTENDING:
        return package, False
    explained = package.manifest.model_copy(update={"network": network | {"kind": "sgrnet_explained"}})
    return replace(package, manifest=explained), True


def attention_maps(maps: NDArray[np.float32], fields: Sequence[str], grid: Geometry) -> Attention:
    """Attention by field, in the patient: a cell of the coarse map covers its share of the network's grid.

    Parameters
    ----------
    maps : ndarray, shape (1 or N, d, h, w)
        One for all fields, or one for each.
    fields : sequence of str, length N
    grid : Geometry
        Of the network's input, (D, H, W).
    """
    size = maps.shape[1:]
    per_cell = np.array(grid.shape) / np.array(size)
    matrix = grid.ijk_to_lps.copy()
    matrix[:3, :3] *= per_cell
    matrix[:3, 3] = grid.to_lps((per_cell - 1) / 2)
    coarse = Geometry(size, matrix, grid.frame_of_reference_uid)
    volumes = [Volume(m, coarse, Quantity.ATTENTION) for m in maps]
    shared = len(volumes) == 1 and len(fields) != 1
    return Attention(dict(zip(fields, volumes * len(fields) if shared else volumes, strict=True)), shared)


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
