"""How much two masks overlap: Dice of one case, Dice aggregated over cases.

Two decisions change these numbers and are arguments here: what an empty mask means (`EmptyRule`), and what is pooled
(cubic millimetres, never voxels, because spacings differ between cases).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from hyoid.errors import GeometryError
from hyoid.metrics.comparison import Ratio


class EmptyRule(StrEnum):
    """What the Dice of a case is when a mask is empty. An excluded case is None and is counted."""

    BOTH_EMPTY_IS_ONE = "both_empty_is_one"
    """Nothing to find and nothing found: 1. One empty: 0."""
    EMPTY_IS_ZERO = "empty_is_zero"
    """Any empty mask, also both: 0."""
    BOTH_EMPTY_EXCLUDED = "both_empty_excluded"
    """Both empty: excluded. One empty: 0."""
    REFERENCE_EMPTY_EXCLUDED = "reference_empty_excluded"
    """Reference empty: excluded. Only the prediction empty: 0 (Oktay et al. 2020)."""
    ANY_EMPTY_EXCLUDED = "any_empty_excluded"
    """Any empty mask: excluded. A missed tumour then costs nothing; reported beside a rule that counts it."""


@dataclass(frozen=True)
class Overlap:
    """Sizes of two masks of one case and of what they share.

    Parameters
    ----------
    reference_voxels, prediction_voxels, shared_voxels : int
        Size of either mask, and of their intersection, voxels.
    voxel_mm3 : float
        Volume of one voxel, mm^3.
    """

    reference_voxels: int
    prediction_voxels: int
    shared_voxels: int
    voxel_mm3: float

    @property
    def reference_ml(self) -> float:
        """Volume of the reference, mL."""
        return self.reference_voxels * self.voxel_mm3 / 1000.0

    @property
    def prediction_ml(self) -> float:
        """Volume of the prediction, mL."""
        return self.prediction_voxels * self.voxel_mm3 / 1000.0

    @property
    def twice_shared_mm3(self) -> float:
        """Numerator of the aggregated Dice, mm^3."""
        return 2.0 * self.shared_voxels * self.voxel_mm3

    @property
    def sum_mm3(self) -> float:
        """Denominator of the aggregated Dice, mm^3."""
        return (self.reference_voxels + self.prediction_voxels) * self.voxel_mm3

    @property
    def missed(self) -> bool:
        """Something to find, nothing found."""
        return self.reference_voxels > 0 and self.prediction_voxels == 0

    @property
    def false_positive(self) -> bool:
        """Nothing to find, something found."""
        return self.reference_voxels == 0 and self.prediction_voxels > 0

    @property
    def both_empty(self) -> bool:
        """Nothing to find and nothing found."""
        return self.reference_voxels == 0 and self.prediction_voxels == 0


def measure_overlap(reference: np.ndarray, prediction: np.ndarray, voxel_mm3: float) -> Overlap:
    """Count the voxels of two masks and of their intersection.

    Parameters
    ----------
    reference, prediction : ndarray of bool, shape (D, H, W)
        True and predicted mask, on one grid.
    voxel_mm3 : float
        Volume of one voxel, mm^3.

    Raises
    ------
    GeometryError
        When the masks are not on one grid.

    Examples
    --------
    >>> reference = np.array([[[1, 1, 0, 0]]], bool); prediction = np.array([[[0, 1, 1, 0]]], bool)
    >>> overlap = measure_overlap(reference, prediction, voxel_mm3=2.0)
    >>> overlap.shared_voxels, dice(overlap, EmptyRule.BOTH_EMPTY_IS_ONE)
    (1, 0.5)
    """
    require_same_shape(reference, prediction)
    return Overlap(
        int(np.count_nonzero(reference)),
        int(np.count_nonzero(prediction)),
        int(np.count_nonzero(reference & prediction)),
        float(voxel_mm3),
    )


def dice(overlap: Overlap, empty: EmptyRule) -> float | None:
    """Compute the Dice of one case, 0..1; None when the rule excludes the case.

    Parameters
    ----------
    overlap : Overlap
        Sizes of the masks of one case.
    empty : EmptyRule
        What an empty mask counts.

    Notes
    -----
    D = 2 |G & P| / (|G| + |P|). With one mask empty this is 0 by itself; the rules differ in what they leave out and in
    the case 0 / 0.

    Examples
    --------
    >>> nothing = Overlap(0, 0, 0, 1.0)
    >>> dice(nothing, EmptyRule.BOTH_EMPTY_IS_ONE), dice(nothing, EmptyRule.EMPTY_IS_ZERO)
    (1.0, 0.0)
    >>> dice(nothing, EmptyRule.BOTH_EMPTY_EXCLUDED) is None
    True
    """
    reference_empty, prediction_empty = overlap.reference_voxels == 0, overlap.prediction_voxels == 0
    if empty is EmptyRule.ANY_EMPTY_EXCLUDED and (reference_empty or prediction_empty):
        return None
    if empty is EmptyRule.REFERENCE_EMPTY_EXCLUDED and reference_empty:
        return None
    if overlap.both_empty:
        values = {EmptyRule.BOTH_EMPTY_IS_ONE: 1.0, EmptyRule.EMPTY_IS_ZERO: 0.0, EmptyRule.BOTH_EMPTY_EXCLUDED: None}
        return values[empty]
    return 2.0 * overlap.shared_voxels / (overlap.reference_voxels + overlap.prediction_voxels)


def pooled_dice(overlaps: Sequence[Overlap]) -> Ratio:
    """Pool the Dice of several cases in mm^3; without a value when every mask of every case is empty.

    Parameters
    ----------
    overlaps : sequence of Overlap
        One per case. A case without reference and prediction has no effect; one whose reference alone is empty adds to
        the denominator only.

    Notes
    -----
    2 sum_i TP_i / sum_i (V_G,i + V_P,i), volumes in mm^3 (Andrearczyk et al., HECKTOR 2022; HNTS-MRG 2024).

    Examples
    --------
    Two cases of 2 and 6 mm^3: the larger voxel counts more.

    >>> pooled_dice([Overlap(1, 1, 1, 3.0), Overlap(1, 1, 0, 1.0)]).value
    0.75
    """
    shared, total = [o.twice_shared_mm3 for o in overlaps], [o.sum_mm3 for o in overlaps]
    return Ratio(np.array(shared, float), np.array(total, float))


def require_same_shape(reference: np.ndarray, prediction: np.ndarray) -> None:
    """Refuse masks that are not three-dimensional and on one grid.

    Raises
    ------
    GeometryError
        When shapes differ or are not (D, H, W).
    """
    if reference.shape != prediction.shape or reference.ndim != 3:
        raise GeometryError(
            f"Reference and prediction have shapes {reference.shape} and {prediction.shape}.",
            "Both must be (slices, rows, columns) on one grid; resample one of them first.",
        )
