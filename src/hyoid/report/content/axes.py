"""End points of a lesion's axial diameters, to draw them where they were measured."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.distance import pdist, squareform

from hyoid.geometry.boxes import crop_geometry
from hyoid.report.content.patches import Patch
from hyoid.report.content.schema import Point
from hyoid.volume import Geometry

Axis = tuple[Point, Point]


def axial_axes(patch: Patch, geometry: Geometry) -> tuple[Axis, Axis]:
    """Find the longest axial diameter and the widest extent at right angles to it, as end points in LPS, mm.

    The ends are voxel centres; `hyoid.metrics.lesions` adds one voxel along each direction to the lengths.

    Parameters
    ----------
    patch : Patch
        Outline of the lesion.
    geometry : Geometry
        Canonical grid that the outline was cut from.
    """
    local = crop_geometry(geometry, patch.box)
    best: tuple[float, int, NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]] | None = None
    for index, plane in enumerate(patch.mask):
        if not plane.any():
            continue
        border = np.argwhere(plane & ~ndimage.binary_erosion(plane))
        places = local.to_lps(np.column_stack([np.full(len(border), index), border]))
        apart = squareform(pdist(places)) if len(places) > 1 else np.zeros((1, 1))
        first, second = np.unravel_index(int(apart.argmax()), apart.shape)
        if best is None or apart[first, second] > best[0]:
            best = (float(apart[first, second]), index, places[first], places[second], places)
    assert best is not None
    length, _, first_end, second_end, places = best
    if length == 0:
        point = _point(first_end)
        return (point, point), (point, point)
    along = (second_end - first_end) / length
    normal = np.cross(local.ijk_to_lps[:3, 1], local.ijk_to_lps[:3, 2])
    across = np.cross(normal / np.linalg.norm(normal), along)
    aside, forth = (places - first_end) @ across, (places - first_end) @ along
    ends = int(aside.argmin()), int(aside.argmax())
    foot = first_end + along * float(np.mean(forth[list(ends)]))
    return (_point(first_end), _point(second_end)), (
        _point(foot + across * aside[ends[0]]),
        _point(foot + across * aside[ends[1]]),
    )


def _point(place: NDArray[np.float64]) -> Point:
    x, y, z = (round(float(v), 3) for v in place)
    return x, y, z
