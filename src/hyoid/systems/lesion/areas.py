"""From areas that a reader drew to what the interactive network takes: a first box, and points.

The network was taught clicks and a box; scribbles and lassos of other programs become these.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hyoid.errors import UsageError
from hyoid.systems.lesion.strokes import Drawn, Point
from hyoid.volume import Geometry

MOST_POINTS = 12


def along(area: Drawn, most: int = MOST_POINTS) -> tuple[Point, ...]:
    """Choose voxels spread evenly over a scribble, in the order of its longest axis.

    Parameters
    ----------
    area : Drawn
        Voxels of the scribble.
    most : int
        Number of voxels to choose at most.
    """
    places = _places(area)
    axis = int(np.ptp(places, axis=0).argmax())
    places = places[np.argsort(places[:, axis], kind="stable")]
    chosen = np.unique(np.linspace(0, len(places) - 1, min(most, len(places))).round().astype(int))
    return tuple(_point(places[n]) for n in chosen)


def inside(area: Drawn, *, within: Drawn | None = None, most: int = 5) -> tuple[Point, ...]:
    """Choose voxels deep inside an area: the deepest first, each further one far from those before.

    Parameters
    ----------
    area : Drawn
        Voxels of the area.
    within : Drawn, optional
        Only voxels of this mask count, such as those that are to be taken away.
    most : int
        Number of voxels to choose at most.

    Raises
    ------
    UsageError
        When no voxel counts.
    """
    assert area.box is not None
    mask = area.mask.copy()
    if within is not None:
        mask &= _cut(within, area)
    if not mask.any():
        raise UsageError("Nothing is outlined in the area that is to be taken away.", "Draw it over the outline.")
    flat = [axis for axis in range(3) if mask.shape[axis] == 1]
    padded = np.pad(mask, [(0, 0) if axis in flat else (1, 1) for axis in range(3)])
    depth = ndimage.distance_transform_edt(padded)[tuple(slice(None) if a in flat else slice(1, -1) for a in range(3))]
    chosen: list[NDArray[np.int_]] = []
    places = np.argwhere(mask)
    worth = depth[mask].astype(float)
    reach = worth.max()
    for _ in range(min(most, len(places))):
        best = places[int(worth.argmax())]
        if worth.max() <= 0:
            break
        chosen.append(best)
        # What lies near a chosen voxel is worth less than what lies far.
        away = np.linalg.norm(places - best, axis=1)
        worth = np.minimum(worth, np.where(away <= reach, 0, worth))
    return tuple(_point(place + area.box.start) for place in chosen)


def filled(area: Drawn) -> Drawn:
    """Fill a closed line, in the plane in which it lies; what is filled already stays as it is."""
    axis = int(np.argmin(area.mask.shape))
    planes = [ndimage.binary_fill_holes(plane) for plane in np.moveaxis(area.mask, axis, 0)]
    return Drawn(np.moveaxis(np.array(planes), 0, axis), area.box)


def deep_box(area: Drawn, geometry: Geometry) -> tuple[Point, Point]:
    """Give the corners of the box around an area; one of a single plane becomes as deep as it is wide on average.

    Parameters
    ----------
    area : Drawn
        Voxels of the area.
    geometry : Geometry
        Canonical grid of the scan.
    """
    places, mm = _places(area), np.array(geometry.spacing_mm)
    low, high = places.min(axis=0), places.max(axis=0)
    for axis in np.flatnonzero(low == high):
        wide = [(high[a] - low[a] + 1) * mm[a] for a in range(3) if a != axis]
        half = max(1, round(float(np.mean(wide)) / 2 / mm[axis]))
        low[axis], high[axis] = max(0, low[axis] - half), min(geometry.shape[axis] - 1, high[axis] + half)
    return _point(low), _point(high)


def _places(area: Drawn) -> NDArray[np.int_]:
    assert area.box is not None
    return np.argwhere(area.mask) + area.box.start


def _cut(mask: Drawn, area: Drawn) -> NDArray[np.bool_]:
    """The part of a mask that lies in the box of an area."""
    assert area.box is not None
    part = np.zeros(area.mask.shape, bool)
    if mask.box is None:
        return part
    low = np.maximum(mask.box.start, area.box.start)
    high = np.minimum(mask.box.stop, area.box.stop)
    if np.all(high > low):
        here = tuple(slice(a - s, b - s) for a, b, s in zip(low, high, area.box.start, strict=True))
        there = tuple(slice(a - s, b - s) for a, b, s in zip(low, high, mask.box.start, strict=True))
        part[here] = mask.mask[there]
    return part


def _point(place: NDArray[np.int_]) -> Point:
    d, h, w = (int(v) for v in place)
    return d, h, w
