"""What happened to each lesion: detected, missed, split, merged, or invented.

Components of reference and prediction are joined where they share enough of the smaller one; the shape of the joined
group says what happened. A prediction that only grazes a lesion does not count as having seen it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from hyoid.metrics.detection import ComponentOverlap

SIZE_CLASSES_ML = (0.5, 2.0, 10.0)
"""Limits between tiny, small, medium and large lesions, mL. Half a millilitre is a sphere of about 10 mm, the
short-axis limit of a suspicious node; 2 mL one of 16 mm; 10 mL one of 27 mm."""

JOINED_ABOVE = 0.1
"""Share of the smaller component above which two components are the same lesion; below it they only graze."""


class Outcome(StrEnum):
    """What happened to a lesion."""

    DETECTED = "detected"
    MISSED = "missed"
    SPLIT = "split"
    MERGED = "merged"
    SPLIT_AND_MERGED = "split_and_merged"
    FALSE_POSITIVE = "false_positive"


@dataclass(frozen=True)
class LesionOutcome:
    """One lesion of the reference, or one finding that is no lesion.

    Parameters
    ----------
    lesion : int
        Component number in its mask, from 1.
    outcome : Outcome
        Detected, missed, or a false positive.
    volume_ml : float
        Of the reference component; of the predicted one for a false positive.
    iou : float
        Of the lesion with everything joined to it.
    largest_iou : float
        With the best single predicted component: what the F1 looks at.
    centroid_index : tuple of float
        (slice, row, column) in the arrays that were labelled.
    """

    lesion: int
    outcome: Outcome
    volume_ml: float
    iou: float
    largest_iou: float
    centroid_index: tuple[float, float, float]


def lesion_outcomes(
    components: ComponentOverlap, voxel_mm3: float, *, joined_above: float = JOINED_ABOVE
) -> tuple[LesionOutcome, ...]:
    """Tell the outcome of every reference component, then of every predicted component that is no lesion.

    Parameters
    ----------
    components : ComponentOverlap
        Components of both masks, and what they share.
    voxel_mm3 : float
        Volume of one voxel, mm^3.
    joined_above : float
        Components are joined when they share more than this part of the smaller one.

    Examples
    --------
    One lesion found in two pieces, and one that nobody saw:

    >>> from hyoid.metrics.detection import component_overlap
    >>> reference = np.zeros((1, 1, 12), bool); reference[..., 0:5] = True; reference[..., 9:11] = True
    >>> prediction = np.zeros((1, 1, 12), bool); prediction[..., 0:2] = True; prediction[..., 3:5] = True
    >>> [str(l.outcome) for l in lesion_outcomes(component_overlap(reference, prediction, connectivity=26), 1.0)]
    ['split', 'missed']
    """
    shared = components.shared_voxels
    smaller = np.minimum.outer(components.reference_voxels, components.prediction_voxels)
    joined = shared > joined_above * smaller
    iou = components.iou
    lesions = []
    reference_centres = _centroids(components.reference_labels, len(components.reference_voxels))
    for r, voxels in enumerate(components.reference_voxels):
        members = np.flatnonzero(joined[r])
        inside = int(shared[r, members].sum())
        union = int(voxels + components.prediction_voxels[members].sum()) - inside
        lesions.append(
            LesionOutcome(
                r + 1,
                _outcome(joined, r, members),
                float(voxels * voxel_mm3 / 1000.0),
                inside / union,
                float(iou[r].max(initial=0.0)),
                reference_centres[r],
            )
        )
    prediction_centres = _centroids(components.prediction_labels, len(components.prediction_voxels))
    for p in np.flatnonzero(~joined.any(axis=0)):
        volume_ml = float(components.prediction_voxels[p] * voxel_mm3 / 1000.0)
        best = float(iou[:, p].max(initial=0.0))
        lesions.append(LesionOutcome(int(p) + 1, Outcome.FALSE_POSITIVE, volume_ml, 0.0, best, prediction_centres[p]))
    return tuple(lesions)


def size_class(volume_ml: float, limits_ml: Sequence[float] = SIZE_CLASSES_ML) -> str:
    """Put the size of a lesion into words.

    Examples
    --------
    >>> size_class(0.1), size_class(2.0), size_class(50)
    ('< 0.5 mL', '2-10 mL', '>= 10 mL')
    """
    below = next((i for i, limit in enumerate(limits_ml) if volume_ml < limit), len(limits_ml))
    if below == 0:
        return f"< {limits_ml[0]:g} mL"
    if below == len(limits_ml):
        return f">= {limits_ml[-1]:g} mL"
    return f"{limits_ml[below - 1]:g}-{limits_ml[below]:g} mL"


def _outcome(joined: np.ndarray, lesion: int, members: np.ndarray) -> Outcome:
    if not len(members):
        return Outcome.MISSED
    split = len(members) > 1
    merged = bool((joined[:, members].sum(axis=0) > 1).any())
    if split and merged:
        return Outcome.SPLIT_AND_MERGED
    return Outcome.SPLIT if split else Outcome.MERGED if merged else Outcome.DETECTED


def _centroids(labels: np.ndarray, n: int) -> list[tuple[float, float, float]]:
    """Mean index of every component 1..n."""
    where = np.nonzero(labels)
    which = labels[where]
    counts = np.bincount(which, minlength=n + 1)[1:]
    sums = [np.bincount(which, weights=axis, minlength=n + 1)[1:] for axis in where]
    return [(float(d), float(h), float(w)) for d, h, w in zip(*(s / counts for s in sums), strict=True)]
