"""Surface distances in the MedPy family, the one that papers quote.

Element: border voxels, that is the mask without its erosion by face neighbours. HD95 is the 95th percentile (linear) of
both directions concatenated; `assd` is the mean of the concatenation (MedPy 0.5.2) or the mean of two means (0.4.0).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hyoid.metrics.borders import cropped_and_padded, nearest_distances_mm


@dataclass(frozen=True, eq=False)
class BorderDistances:
    """Distances between the border voxels of two masks, mm. Infinite where the other mask is empty.

    Parameters
    ----------
    reference_to_prediction_mm : ndarray, shape (border voxels of the reference,)
        Distance of each border voxel of the reference to the other border, mm.
    prediction_to_reference_mm : ndarray, shape (border voxels of the prediction,)
        Distance of each border voxel of the prediction to the other border, mm.
    """

    reference_to_prediction_mm: np.ndarray
    prediction_to_reference_mm: np.ndarray

    @property
    def together_mm(self) -> np.ndarray:
        """Both directions concatenated."""
        return np.concatenate([self.reference_to_prediction_mm, self.prediction_to_reference_mm])


def border_distances(reference: np.ndarray, prediction: np.ndarray, spacing_mm: Sequence[float]) -> BorderDistances:
    """Compute the distance of every border voxel to the other mask's border.

    Parameters
    ----------
    reference, prediction : ndarray of bool, shape (D, H, W)
        True and predicted mask, on one grid.
    spacing_mm : (slice, row, column)
        In the order of the array axes; SimpleITK's GetSpacing is the other way round.

    Raises
    ------
    GeometryError
        When the masks are not on one grid, or the spacing is not three positive lengths.
    """
    masks = cropped_and_padded(reference, prediction)
    if masks is None:
        return BorderDistances(np.zeros(0), np.zeros(0))
    reference_border, prediction_border = border(masks[0]), border(masks[1])
    return BorderDistances(
        nearest_distances_mm(reference_border, prediction_border, spacing_mm),
        nearest_distances_mm(prediction_border, reference_border, spacing_mm),
    )


def border(mask: np.ndarray) -> np.ndarray:
    """Find the voxels of a mask with a face neighbour outside it; the outermost layer of the array must be background.

    Examples
    --------
    >>> mask = np.zeros((5, 5, 5), bool); mask[1:4, 1:4, 1:4] = True
    >>> int(border(mask).sum())
    26
    """
    inner = mask.copy()
    for axis in range(3):
        ahead, behind = np.moveaxis(inner, axis, 0), np.moveaxis(mask, axis, 0)
        ahead[1:] &= behind[:-1]
        ahead[:-1] &= behind[1:]
    return mask & ~inner


def hd95_medpy(distances: BorderDistances) -> float | None:
    """Compute the 95 % Hausdorff distance (mm): infinite when one mask is empty, None when both are.

    Notes
    -----
    `numpy.percentile(concatenation, 95)`, linear between ranks, as `medpy.metric.binary.hd95`.

    Examples
    --------
    Two single voxels, three columns of 2 mm apart:

    >>> reference = np.zeros((1, 1, 5), bool); reference[0, 0, 0] = True
    >>> prediction = np.zeros((1, 1, 5), bool); prediction[0, 0, 3] = True
    >>> hd95_medpy(border_distances(reference, prediction, spacing_mm=(5.0, 1.0, 2.0)))
    6.0
    """
    together = distances.together_mm
    if not together.size:
        return None
    if np.isinf(together).any():
        return float("inf")
    return float(np.percentile(together, 95))


def assd_medpy(distances: BorderDistances) -> float | None:
    """Average symmetric surface distance (mm), mean of the concatenation: MedPy 0.5.2, "MSD" of the gradient-map paper.

    Infinite when one mask is empty, None when both are.
    """
    together = distances.together_mm
    return float(together.mean()) if together.size else None


def assd_medpy_040(distances: BorderDistances) -> float | None:
    """Average symmetric surface distance (mm), mean of the two directional means: MedPy 0.4.0.

    Infinite when one mask is empty, None when both are.
    """
    directions = (distances.reference_to_prediction_mm, distances.prediction_to_reference_mm)
    means = [float(d.mean()) for d in directions if d.size]
    return sum(means) / len(means) if means else None
