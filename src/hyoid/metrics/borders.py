"""What both families of surface metrics share: the box that is looked at, and nearest distances between point sets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial import cKDTree

from hyoid.errors import GeometryError
from hyoid.geometry.boxes import bounding_box
from hyoid.metrics.overlap import require_same_shape


def cropped_and_padded(reference: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Cut both masks to the box around their union, with a rim of one voxel of background; None when both are empty.

    The rim makes a mask that touches the edge of the image have a border there.

    Parameters
    ----------
    reference, prediction : ndarray of bool, shape (D, H, W)
        True and predicted mask, on one grid.

    Raises
    ------
    GeometryError
        When the masks are not on one grid.
    """
    require_same_shape(reference, prediction)
    box = bounding_box(reference | prediction)
    if box is None:
        return None
    return np.pad(reference[box.slices], 1), np.pad(prediction[box.slices], 1)


def nearest_distances_mm(from_border: np.ndarray, to_border: np.ndarray, spacing_mm: Sequence[float]) -> np.ndarray:
    """Compute the distance from every true voxel of one grid to the nearest true voxel of the other, mm, in raster
    order.

    Exact: a k-d tree over the few voxels of a surface instead of a distance transform over all voxels of the box.

    Parameters
    ----------
    from_border, to_border : ndarray of bool, shape (D, H, W)
        Borders of two masks, on one grid.
    spacing_mm : (slice, row, column)
        Distance between voxel centres, mm.

    Returns
    -------
    ndarray of float, shape (number of true voxels of `from_border`,)
        Infinite when `to_border` is empty.
    """
    spacing = checked_spacing(spacing_mm)
    points = np.flatnonzero(from_border)
    if not to_border.any():
        return np.full(len(points), np.inf)
    distances = np.zeros(len(points))
    apart = ~to_border.ravel()[points]  # a voxel on both surfaces is at distance 0
    if apart.any():
        tree = cKDTree(np.argwhere(to_border) * spacing, balanced_tree=False, compact_nodes=False)
        away = np.stack(np.unravel_index(points[apart], from_border.shape), axis=1)
        distances[apart] = tree.query(away * spacing)[0]
    return distances


def checked_spacing(spacing_mm: Sequence[float]) -> np.ndarray:
    """Check that a spacing is three positive numbers.

    Raises
    ------
    GeometryError
        When they are not.
    """
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    if spacing.shape != (3,) or not np.all(np.isfinite(spacing)) or spacing.min() <= 0:
        raise GeometryError(
            f"Spacing {tuple(spacing_mm)} is not three positive lengths.", "Give mm along slice, row, column."
        )
    return spacing
