"""A grid large enough for several others, on the lattice of one of them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from hyoid.volume import Geometry


def covering(lattice: Geometry, points_lps_mm: Iterable[NDArray[np.float64]]) -> Geometry:
    """Make the smallest grid with the voxels of `lattice` that holds it and all points.

    Parameters
    ----------
    lattice : Geometry
        Grid whose spacing and phase are kept.
    points_lps_mm : iterable of ndarray, shape (n, 3)
        Patient coordinates; a point is held when it lies between voxel centres or on one.

    Examples
    --------
    >>> grid = covering(Geometry.axial((1, 1, 2), (2, 1, 1)), [np.array([[-0.5, 0.0, 3.0]])])
    >>> grid.shape, grid.origin_lps_mm.tolist()
    ((3, 1, 3), [-1.0, 0.0, 0.0])
    """
    indices = [lattice.to_ijk(np.asarray(points).reshape(-1, 3)) for points in points_lps_mm]
    indices.append(np.array([[0.0, 0.0, 0.0], np.array(lattice.shape) - 1.0]))
    # A thousandth of a voxel is rounding in a header, not another slice.
    together = np.concatenate(indices)
    start = np.floor(together.min(axis=0) + 1e-3).astype(int)
    stop = np.ceil(together.max(axis=0) - 1e-3).astype(int) + 1
    matrix = lattice.ijk_to_lps.copy()
    matrix[:3, 3] = lattice.to_lps(start)
    d, h, w = (stop - start).tolist()
    return Geometry((d, h, w), matrix, lattice.frame_of_reference_uid)


def corners_lps_mm(geometry: Geometry) -> NDArray[np.float64]:
    """Compute the centres of the eight corner voxels, shape (8, 3), mm."""
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in geometry.shape], indexing="ij")).reshape(3, -1).T
    return geometry.to_lps(corners)
