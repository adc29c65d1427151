"""Grids of the PET/CT system: from the top of a scan, over a mask, and around a point."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hyoid.geometry.boxes import Box
from hyoid.volume import Geometry


def grid_from_top(geometry: Geometry, shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]) -> Geometry:
    """Make the grid whose upper face is the scan's, centred on the scan in the plane.

    Parameters
    ----------
    geometry : Geometry
        Canonical: slices run from the feet to the head.
    shape : (D, H, W)
        Number of slices, rows and columns.
    spacing_mm : (slice, row, column)
        Distance between voxel centres, mm.

    Examples
    --------
    >>> top = grid_from_top(Geometry.axial((10, 4, 4), (2, 1, 1)), (2, 2, 2), (4, 1, 1))
    >>> top.origin_lps_mm.tolist()
    [1.0, 1.0, 13.0]
    """
    centre = (np.array(geometry.shape) - 1) / 2.0
    # Outer faces coincide: half a voxel of each grid lies beyond its last centre.
    top_mm = (geometry.shape[0] - 0.5) * geometry.spacing_mm[0]
    centre[0] = (top_mm - shape[0] * spacing_mm[0] / 2) / geometry.spacing_mm[0]
    return grid_around(geometry, geometry.to_lps(centre), shape, spacing_mm)


def grid_around(
    like: Geometry,
    centre_lps_mm: NDArray[np.float64],
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
) -> Geometry:
    """Make the grid centred on a point, with the axes and frame of `like`.

    Parameters
    ----------
    like : Geometry
        Grid whose axes and frame of reference are kept.
    centre_lps_mm : ndarray, shape (3,)
        Middle of the new grid, LPS mm.
    shape : (D, H, W)
        Number of slices, rows and columns.
    spacing_mm : (slice, row, column)
        Distance between voxel centres, mm.
    """
    matrix = np.eye(4)
    matrix[:3, :3] = like.directions * np.array(spacing_mm)
    matrix[:3, 3] = np.asarray(centre_lps_mm) - matrix[:3, :3] @ ((np.array(shape) - 1) / 2.0)
    return Geometry(shape, matrix, like.frame_of_reference_uid)


def grid_over(
    like: Geometry, box: Box, within: Geometry, spacing_mm: tuple[float, float, float], margin_mm: float
) -> Geometry:
    """Make the grid over a box of voxels and a margin, cut to where another grid has voxels.

    Parameters
    ----------
    like : Geometry
        Grid of the box.
    box : Box
        Part of the grid that must be covered.
    within : Geometry
        Grid with the same axes: the scan.
    spacing_mm : (slice, row, column)
        Distance between voxel centres, mm.
    margin_mm : float
        Distance, mm, by which the box is grown on all sides.

    Examples
    --------
    >>> scan = Geometry.axial((20, 20, 20), (1, 1, 1))
    >>> grid_over(scan, Box((0, 5, 5), (10, 15, 15)), scan, (2, 2, 2), 3).shape
    (7, 8, 8)
    """
    faces = [like.to_lps(np.array(box.start) - 0.5), like.to_lps(np.array(box.stop) - 0.5)]
    index = np.array([within.to_ijk(f) for f in faces])
    margin = margin_mm / np.array(within.spacing_mm)
    low = np.maximum(index.min(axis=0) - margin, -0.5)
    high = np.minimum(index.max(axis=0) + margin, np.array(within.shape) - 0.5)
    extent_mm = np.maximum(high - low, 1e-6) * within.spacing_mm
    d, h, w = (max(1, int(np.ceil(e / s - 1e-6))) for e, s in zip(extent_mm, spacing_mm, strict=True))
    return grid_around(within, within.to_lps((low + high) / 2), (d, h, w), spacing_mm)
