"""Which lesions were found: components of two masks, matched by how much they overlap.

Three decisions change an F1 and are arguments here: which voxels touch (connectivity), how found lesions are paired
with real ones (matcher), and how much they must overlap (threshold on the intersection over union, exceeded strictly).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import cc3d
import numpy as np
from scipy.optimize import linear_sum_assignment

from hyoid.errors import UsageError
from hyoid.metrics.overlap import require_same_shape

CONNECTIVITIES = (6, 18, 26)


class Matcher(StrEnum):
    """How predicted components are paired with reference components."""

    ONE_TO_ONE = "one_to_one"
    """Each component in at most one pair: as many pairs above the threshold as possible, then the largest total IoU."""
    GROUPED = "grouped"
    """All predicted components that share most of their voxels with one reference component are its group, compared as
    one. A lesion found in two pieces can so be found; debris beside a found lesion costs nothing."""


@dataclass(frozen=True)
class Detection:
    """Lesions found, invented and missed.

    Parameters
    ----------
    true_positive, false_positive, false_negative : int
        Number of lesions found, invented and missed.
    """

    true_positive: int
    false_positive: int
    false_negative: int

    def __add__(self, other: Detection) -> Detection:
        return Detection(
            self.true_positive + other.true_positive,
            self.false_positive + other.false_positive,
            self.false_negative + other.false_negative,
        )


@dataclass(frozen=True, eq=False)
class ComponentOverlap:
    """Components of two masks and the voxels that every pair shares.

    Parameters
    ----------
    reference_voxels : ndarray of int, shape (R,)
        Size of each true component, voxels.
    prediction_voxels : ndarray of int, shape (P,)
        Size of each predicted component, voxels.
    shared_voxels : ndarray of int, shape (R, P)
        Voxels that a true and a predicted component share.
    reference_labels, prediction_labels : ndarray of int, shape (D, H, W)
        Component r of the arrays above has value r + 1.
    """

    reference_voxels: np.ndarray
    prediction_voxels: np.ndarray
    shared_voxels: np.ndarray
    reference_labels: np.ndarray
    prediction_labels: np.ndarray

    @property
    def iou(self) -> np.ndarray:
        """Intersection over union of every pair, shape (R, P)."""
        union = self.reference_voxels[:, None] + self.prediction_voxels[None, :] - self.shared_voxels
        return self.shared_voxels / union


def component_overlap(reference: np.ndarray, prediction: np.ndarray, *, connectivity: int) -> ComponentOverlap:
    """Label the components of both masks and count what they share.

    Parameters
    ----------
    reference, prediction : ndarray of bool, shape (D, H, W)
        True and predicted mask, on one grid.
    connectivity : {6, 18, 26}
        Voxels touch by face; face or edge; face, edge or corner.

    Raises
    ------
    UsageError
        When the connectivity is not 6, 18 or 26.
    GeometryError
        When the masks are not on one grid.
    """
    if connectivity not in CONNECTIVITIES:
        raise UsageError(f"Connectivity {connectivity} does not exist in 3D.", "Choose 6, 18 or 26.")
    require_same_shape(reference, prediction)
    reference_labels, n_reference = _components(reference, connectivity)
    prediction_labels, n_prediction = _components(prediction, connectivity)
    either = (reference_labels > 0) | (prediction_labels > 0)
    pair = reference_labels[either].astype(np.int64) * (n_prediction + 1) + prediction_labels[either]
    counts = np.bincount(pair, minlength=(n_reference + 1) * (n_prediction + 1))
    counts = counts.reshape(n_reference + 1, n_prediction + 1)
    return ComponentOverlap(
        counts[1:].sum(axis=1), counts[:, 1:].sum(axis=0), counts[1:, 1:], reference_labels, prediction_labels
    )


def detect(components: ComponentOverlap, *, matcher: Matcher, iou_above: float) -> Detection:
    """Count the lesions found, invented and missed in one case.

    Parameters
    ----------
    components : ComponentOverlap
        Components of both masks, and what they share.
    matcher : Matcher
        How predicted components are matched with true ones.
    iou_above : float
        A pair counts when its IoU is larger than this, not equal. HECKTOR 2025: 0.30.

    Examples
    --------
    >>> reference = np.zeros((1, 1, 9), bool); reference[..., 0:4] = True
    >>> prediction = np.zeros((1, 1, 9), bool); prediction[..., 0:3] = True; prediction[..., 7:9] = True
    >>> detect(component_overlap(reference, prediction, connectivity=26), matcher=Matcher.ONE_TO_ONE, iou_above=0.3)
    Detection(true_positive=1, false_positive=1, false_negative=0)
    """
    n_reference, n_prediction = components.shared_voxels.shape
    if matcher is Matcher.ONE_TO_ONE:
        found = used = len(match_one_to_one(components, iou_above))
    else:
        groups = match_grouped(components, iou_above)
        found, used = len(groups), sum(len(members) for members in groups.values())
    return Detection(found, n_prediction - used, n_reference - found)


def match_one_to_one(components: ComponentOverlap, iou_above: float) -> dict[int, int]:
    """Compute the predicted component of each found reference component (both counted from 0)."""
    iou = components.iou
    if not iou.size:
        return {}
    # A pair above the threshold outweighs any sum of IoUs, so that the number of pairs comes first.
    gain = np.where(iou > iou_above, min(iou.shape) + 1.0 + iou, 0.0)
    rows, columns = linear_sum_assignment(gain, maximize=True)
    return {int(r): int(c) for r, c in zip(rows, columns, strict=True) if gain[r, c] > 0}


def match_grouped(components: ComponentOverlap, iou_above: float) -> dict[int, tuple[int, ...]]:
    """Compute the group of predicted components of each found reference component (all counted from 0)."""
    shared = components.shared_voxels
    if not shared.size:
        return {}
    # Equal shares go to the first reference component, in the order of their first voxel.
    owner = np.where(shared.max(axis=0) > 0, shared.argmax(axis=0), -1)
    found = {}
    for r, reference_voxels in enumerate(components.reference_voxels):
        members = np.flatnonzero(owner == r)
        inside = shared[r, members].sum()
        union = reference_voxels + components.prediction_voxels[members].sum() - inside
        if inside / union > iou_above:
            found[r] = tuple(int(m) for m in members)
    return found


def set_f1(detections: Iterable[Detection]) -> float | None:
    """Compute F1 of all lesions of all cases together; None when there is no lesion and no finding at all.

    Notes
    -----
    2 TP / (2 TP + FP + FN) with sums over all patients (set level), as HECKTOR 2025 describes it.

    Examples
    --------
    >>> set_f1([Detection(1, 0, 0), Detection(0, 1, 1)])
    0.5
    """
    total = sum(detections, Detection(0, 0, 0))
    denominator = 2 * total.true_positive + total.false_positive + total.false_negative
    return 2 * total.true_positive / denominator if denominator else None


def _components(mask: np.ndarray, connectivity: int) -> tuple[np.ndarray, int]:
    """Component labels 1..n in the order of their first voxel, and n."""
    # cc3d hands an all-false mask back with n = 0; a non-contiguous view would be copied anyway.
    labels, n = cc3d.connected_components(np.ascontiguousarray(mask), connectivity=connectivity, return_N=True)
    return labels, int(n)
