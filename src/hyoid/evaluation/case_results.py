"""Everything that is measured on one case: one reference, one prediction, one protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hyoid.errors import GeometryError
from hyoid.evaluation.masks import CaseMasks, refuse_unknown_labels, union_box
from hyoid.evaluation.protocols import MaskClass, Measure, OtherGrid, Protocol
from hyoid.geometry.boxes import Box, bounding_box
from hyoid.metrics.detection import CONNECTIVITIES, Detection, Matcher, component_overlap, detect
from hyoid.metrics.lesion_outcomes import LesionOutcome, lesion_outcomes, size_class
from hyoid.metrics.overlap import Overlap, dice, measure_overlap
from hyoid.metrics.surface_medpy import assd_medpy, assd_medpy_040, border_distances, hd95_medpy
from hyoid.metrics.surface_surfel import hd95_surfel, mean_surfel, surface_dice, surfel_distances
from hyoid.volume import Geometry

DISTANCES = ("hd95_medpy_mm", "assd_medpy_mm", "assd_medpy_040_mm", "hd95_surfel_mm", "mean_surfel_mm")
"""Lengths that are infinite when one mask is empty and None when both are."""


@dataclass(frozen=True, eq=False)
class ClassResult:
    """One class of one case.

    Parameters
    ----------
    name : str
        Name of the class, for example "GTVp".
    overlap : Overlap
        Volumes of both masks, and of what they share.
    distances_mm : mapping of str to (float or None)
        The keys of `DISTANCES` that the protocol measures.
    surface_dice : float or None
        Share of both surfaces within the tolerance, 0 to 1; None where the protocol does not measure it.
    detections : mapping of (connectivity, Matcher) to Detection
        All combinations, for the sensitivity table; empty where the protocol does not count lesions.
    lesions : tuple of LesionOutcome
        With centroids in the indices of the reference grid.
    levels : tuple of str
        Nodal level of each lesion; empty strings where no levels were given.
    """

    name: str
    overlap: Overlap
    distances_mm: Mapping[str, float | None]
    surface_dice: float | None
    detections: Mapping[tuple[int, Matcher], Detection]
    lesions: tuple[LesionOutcome, ...]
    levels: tuple[str, ...]

    @property
    def status(self) -> str:
        """ "measured", "missed", "false_positive" or "both_empty"."""
        flags = {
            "missed": self.overlap.missed,
            "false_positive": self.overlap.false_positive,
            "both_empty": self.overlap.both_empty,
        }
        return next((name for name, flag in flags.items() if flag), "measured")


@dataclass(frozen=True, eq=False)
class CaseResult:
    """All classes of one case.

    Parameters
    ----------
    case : str
        Name of the case.
    classes : tuple of ClassResult
        In the order of the protocol.
    geometry : Geometry
        Grid of the reference.
    prediction_missing : bool
        There was no prediction; every class counts as missed.
    resampled : bool
        The prediction lay on another grid.
    remark : str
        What else a reader of the numbers should know of this case.
    """

    case: str
    classes: tuple[ClassResult, ...]
    geometry: Geometry
    prediction_missing: bool = False
    resampled: bool = False
    remark: str = ""

    @property
    def diagonal_mm(self) -> float:
        """Diagonal of the reference image: the finite length that a missed structure is charged with."""
        return float(np.linalg.norm(np.array(self.geometry.shape) * self.geometry.spacing_mm))


@dataclass(frozen=True, eq=False)
class LevelMap:
    """Nodal levels on the reference grid: label map, and the name of every value."""

    labels: np.ndarray
    names: Mapping[int, str]


def measure_case(
    case: str,
    reference: CaseMasks,
    prediction: CaseMasks | None,
    protocol: Protocol,
    *,
    levels: LevelMap | None = None,
) -> CaseResult:
    """Measure one case by a protocol.

    Parameters
    ----------
    case : str
        Name of the case.
    reference : CaseMasks
        True masks.
    prediction : CaseMasks or None
        None: there is none, and everything in the reference counts as missed.
    protocol : Protocol
        Which masks are scored, by which rules.
    levels : LevelMap, optional
        For the analysis of lesions by nodal level.

    Raises
    ------
    GeometryError
        When the grids differ and the protocol refuses that, or their frames of reference differ.
    InputRefusedError
        When a label map holds a value that the protocol does not know.
    """
    refuse_unknown_labels(reference, protocol, "The reference")
    missing, resampled = prediction is None, False
    if prediction is None:
        prediction = CaseMasks(reference.geometry, named={})
    else:
        refuse_unknown_labels(prediction, protocol, "The prediction")
        if not prediction.geometry.same_grid(reference.geometry):
            reordered = prediction.reordered(reference.geometry)
            resampled = reordered is None
            prediction = reordered or _on_reference_grid(prediction, reference.geometry, protocol)
    box = union_box(reference, prediction)
    classes = tuple(
        _measure_class(
            mask_class,
            reference.mask(mask_class, box),
            prediction.mask(mask_class, box),
            box,
            reference.geometry,
            protocol,
            levels,
        )
        for mask_class in protocol.classes
    )
    return CaseResult(case, classes, reference.geometry, missing, resampled)


def case_record(result: CaseResult, protocol: Protocol) -> dict[str, Any]:
    """Write one row of the per-case table, with flat keys; an infinite length stays infinite."""
    record: dict[str, Any] = {
        "case": result.case,
        "prediction_missing": result.prediction_missing,
        "resampled": result.resampled,
    }
    for item in result.classes:
        key = item.name
        record[f"{key}.status"] = item.status
        record[f"{key}.dsc"] = dice(item.overlap, protocol.dice_empty)
        record[f"{key}.reference_ml"] = item.overlap.reference_ml
        record[f"{key}.prediction_ml"] = item.overlap.prediction_ml
        record[f"{key}.shared_ml"] = item.overlap.twice_shared_mm3 / 2000.0
        record.update({f"{key}.{name}": value for name, value in item.distances_mm.items()})
        if Measure.SURFACE_SURFEL in protocol.measures:
            record[f"{key}.surface_dice"] = item.surface_dice
        if item.detections:
            detection = item.detections[protocol.connectivity, protocol.matcher]
            record[f"{key}.true_positive"] = detection.true_positive
            record[f"{key}.false_positive"] = detection.false_positive
            record[f"{key}.false_negative"] = detection.false_negative
    return record


def lesion_records(result: CaseResult) -> list[dict[str, Any]]:
    """Write the rows of the per-lesion table."""
    rows = []
    for item in result.classes:
        for lesion, level in zip(item.lesions, item.levels, strict=True):
            rows.append(
                {
                    "case": result.case,
                    "class": item.name,
                    "lesion": lesion.lesion,
                    "outcome": str(lesion.outcome),
                    "volume_ml": lesion.volume_ml,
                    "size": size_class(lesion.volume_ml),
                    "level": level,
                    "iou": lesion.iou,
                    "largest_iou": lesion.largest_iou,
                    "centroid_index": list(lesion.centroid_index),
                    "centroid_lps_mm": result.geometry.to_lps(lesion.centroid_index).tolist(),
                }
            )
    return rows


def _on_reference_grid(prediction: CaseMasks, geometry: Geometry, protocol: Protocol) -> CaseMasks:
    if protocol.other_grid is OtherGrid.REFUSE:
        raise GeometryError(
            f"The prediction lies on another grid ({prediction.geometry.shape} voxels of "
            f"{_lengths(prediction.geometry)} mm) than the reference ({geometry.shape} voxels of {_lengths(geometry)} "
            f"mm), and protocol {protocol.name} does not resample.",
            "Write the prediction on the grid of the reference.",
        )
    return prediction.on(geometry)


def _lengths(geometry: Geometry) -> str:
    return " x ".join(f"{length:g}" for length in geometry.spacing_mm)


def _measure_class(
    mask_class: MaskClass,
    reference: np.ndarray,
    prediction: np.ndarray,
    box: Box,
    geometry: Geometry,
    protocol: Protocol,
    levels: LevelMap | None,
) -> ClassResult:
    # The boxes of single organs are much smaller than that of the case.
    inner = bounding_box(reference | prediction) or Box((0, 0, 0), (1, 1, 1))
    reference, prediction = reference[inner.slices], prediction[inner.slices]
    corner = np.add(box.start, inner.start)
    voxel_mm3 = geometry.voxel_ml * 1000.0
    distances: dict[str, float | None] = {}
    share: float | None = None
    if Measure.SURFACE_MEDPY in protocol.measures:
        borders = border_distances(reference, prediction, geometry.spacing_mm)
        distances["hd95_medpy_mm"] = hd95_medpy(borders)
        distances["assd_medpy_mm"] = assd_medpy(borders)
        distances["assd_medpy_040_mm"] = assd_medpy_040(borders)
    if Measure.SURFACE_SURFEL in protocol.measures:
        surfels = surfel_distances(reference, prediction, geometry.spacing_mm)
        both = mean_surfel(surfels)
        distances["hd95_surfel_mm"] = hd95_surfel(surfels)
        distances["mean_surfel_mm"] = None if both is None else sum(both) / 2
        share = surface_dice(surfels, protocol.surface_tolerance_mm)
    detections: dict[tuple[int, Matcher], Detection] = {}
    lesions: tuple[LesionOutcome, ...] = ()
    names: tuple[str, ...] = ()
    if Measure.DETECTION in protocol.measures:
        detections, lesions, names = _lesions(reference, prediction, corner, voxel_mm3, protocol, levels)
    return ClassResult(
        mask_class.name,
        measure_overlap(reference, prediction, voxel_mm3),
        distances,
        share,
        detections,
        lesions,
        names,
    )


def _lesions(
    reference: np.ndarray,
    prediction: np.ndarray,
    corner: np.ndarray,
    voxel_mm3: float,
    protocol: Protocol,
    levels: LevelMap | None,
) -> tuple[dict[tuple[int, Matcher], Detection], tuple[LesionOutcome, ...], tuple[str, ...]]:
    """Counts for every connectivity and matcher; outcomes and levels for the protocol's connectivity."""
    detections = {}
    outcomes: tuple[LesionOutcome, ...] = ()
    for connectivity in CONNECTIVITIES:
        components = component_overlap(reference, prediction, connectivity=connectivity)
        for matcher in Matcher:
            detections[connectivity, matcher] = detect(components, matcher=matcher, iou_above=protocol.iou_above)
        if connectivity == protocol.connectivity:
            outcomes = tuple(
                LesionOutcome(
                    lesion.lesion,
                    lesion.outcome,
                    lesion.volume_ml,
                    lesion.iou,
                    lesion.largest_iou,
                    tuple(float(v) for v in np.add(lesion.centroid_index, corner)),  # type: ignore[arg-type]
                )
                for lesion in lesion_outcomes(components, voxel_mm3)
            )
    return detections, outcomes, tuple(_level_at(lesion, levels) for lesion in outcomes)


def _level_at(lesion: LesionOutcome, levels: LevelMap | None) -> str:
    """Name of the nodal level at the lesion's centre; "" without levels or outside all of them."""
    if levels is None:
        return ""
    index = tuple(round(v) for v in lesion.centroid_index)
    return levels.names.get(int(levels.labels[index]), "")
