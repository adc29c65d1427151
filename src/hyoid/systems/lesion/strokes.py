"""Work of a hand on a mask: brush, eraser, lasso, filling between slices, pieces. No network takes part."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import cc3d
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from hyoid.errors import InputRefusedError, UsageError
from hyoid.geometry.boxes import Box, bounding_box, box_of
from hyoid.volume import Geometry

Point = tuple[int, int, int]
StrokeKind = Literal["paint", "erase", "enclose", "cut"]
SMALLEST_RADIUS_MM, LARGEST_RADIUS_MM = 0.2, 50.0


class Drawn(NamedTuple):
    """Mask in its box: voxels (d, h, w) of a canonical scan; None in place of a box where nothing is drawn."""

    mask: NDArray[np.bool_]
    box: Box | None


NOTHING = Drawn(np.zeros((0, 0, 0), bool), None)


@dataclass(frozen=True)
class Stroke:
    """Movement of brush, eraser or lasso in one plane of a scan.

    Parameters
    ----------
    kind : {"paint", "erase", "enclose", "cut"}
        Brush, eraser, lasso around what belongs to the lesion, lasso around what does not.
    axis : int
        Axis across the plane: 0 axial, 1 coronal, 2 sagittal.
    points : tuple of (slice, row, column)
        Voxels of the canonical scan along the line, all in one plane.
    radius_mm : float
        Radius of brush and eraser; without meaning for a lasso.
    ball : bool
        Whether brush and eraser reach into the neighbouring planes as a ball does.
    """

    kind: StrokeKind
    axis: int
    points: tuple[Point, ...]
    radius_mm: float = 2.0
    ball: bool = False

    @property
    def adds(self) -> bool:
        """Whether the stroke adds voxels; else it takes them away."""
        return self.kind in ("paint", "enclose")


def check_stroke(stroke: Stroke, geometry: Geometry) -> None:
    """Refuse a stroke that leaves the scan or its plane, or whose brush has no possible size.

    Parameters
    ----------
    stroke : Stroke
        Stroke to check.
    geometry : Geometry
        Canonical grid of the scan.

    Raises
    ------
    UsageError
        When the stroke cannot be drawn.
    """
    points = np.array(stroke.points)
    if stroke.axis not in (0, 1, 2) or points.ndim != 2 or points.shape[1:] != (3,):
        raise UsageError("The stroke has no plane or no points.", "Draw it in one of the three planes.")
    if (points < 0).any() or (points >= geometry.shape).any():
        raise UsageError("The stroke leaves the scan.", "Draw inside the picture.")
    if np.ptp(points[:, stroke.axis]):
        raise UsageError("The stroke does not lie in one plane.", "Draw it in one of the three planes.")
    if stroke.kind in ("enclose", "cut") and len(points) < 3:
        raise UsageError("A lasso needs at least three points.", "Drag it around what is meant.")
    if not SMALLEST_RADIUS_MM <= stroke.radius_mm <= LARGEST_RADIUS_MM:
        raise UsageError(
            f"The brush has a radius of {stroke.radius_mm:g} mm.",
            f"Choose one from {SMALLEST_RADIUS_MM:g} to {LARGEST_RADIUS_MM:g} mm.",
        )


def drawn_by(stroke: Stroke, geometry: Geometry) -> Drawn:
    """Find the voxels under a stroke.

    Parameters
    ----------
    stroke : Stroke
        Brush, eraser or lasso.
    geometry : Geometry
        Canonical grid of the scan.

    Raises
    ------
    UsageError
        As `check_stroke`.
    """
    check_stroke(stroke, geometry)
    points = np.array(stroke.points)
    if stroke.kind in ("enclose", "cut"):
        return _enclosed(points, stroke.axis)
    reach = np.ceil(stroke.radius_mm / np.array(geometry.spacing_mm)).astype(int)
    if not stroke.ball:
        reach[stroke.axis] = 0
    start = np.maximum(points.min(axis=0) - reach, 0)
    stop = np.minimum(points.max(axis=0) + reach + 1, geometry.shape)
    away = np.ones(stop - start, bool)
    away[tuple((_along(points) - start).T)] = False
    near = ndimage.distance_transform_edt(away, sampling=geometry.spacing_mm) <= stroke.radius_mm
    return fitted(near, start)


def joined(first: Drawn, second: Drawn) -> Drawn:
    """Join two masks; voxels of either belong to the result."""
    if first.box is None or second.box is None:
        return second if first.box is None else first
    low = np.minimum(first.box.start, second.box.start)
    whole = np.zeros(np.maximum(first.box.stop, second.box.stop) - low, bool)
    for mask, box in (first, second):
        assert box is not None
        whole[box.slices_from(low)] |= mask
    return fitted(whole, low)


def without(first: Drawn, second: Drawn) -> Drawn:
    """Take the voxels of a second mask away from a first one."""
    if first.box is None or second.box is None:
        return first
    low = np.minimum(first.box.start, second.box.start)
    whole = np.zeros(np.maximum(first.box.stop, second.box.stop) - low, bool)
    whole[first.box.slices_from(low)] = first.mask
    whole[second.box.slices_from(low)] &= ~second.mask
    return fitted(whole, low)


def filled_between(drawn: Drawn, axis: int, geometry: Geometry) -> Drawn:
    """Fill empty slices between outlined ones by the distance to the borders of both (Raya and Udupa, 1990).

    Both neighbours are laid over each other by their centres first, so that an outline that wanders from slice to slice
    does not thin out on the way.

    Parameters
    ----------
    drawn : Drawn
        Mask that was outlined in some slices.
    axis : int
        Axis across the slices: 0 axial, 1 coronal, 2 sagittal.
    geometry : Geometry
        Canonical grid of the scan.

    Raises
    ------
    UsageError
        When there is no empty slice between two outlined ones.
    """
    others = tuple(a for a in range(3) if a != axis)
    there = np.flatnonzero(drawn.mask.any(axis=others)) if drawn.box is not None else np.array([], int)
    gaps = [(a, b) for a, b in pairwise(there) if b > a + 1]
    if drawn.box is None or not gaps:
        raise UsageError("No empty slice lies between two outlined ones.", "Outline the lesion in two slices first.")
    mm = [geometry.spacing_mm[a] for a in others]
    mask = np.moveaxis(drawn.mask.copy(), axis, 0)
    for low, high in gaps:
        first, last = _signed_mm(mask[low], mm), _signed_mm(mask[high], mm)
        centres = [np.array(ndimage.center_of_mass(mask[k])) for k in (low, high)]
        for between in range(low + 1, high):
            share = (between - low) / (high - low)
            middle = centres[0] + share * (centres[1] - centres[0])
            moved = [
                ndimage.shift(field, middle - centre, order=1, mode="nearest")
                for field, centre in zip((first, last), centres, strict=True)
            ]
            mask[between] = (1 - share) * moved[0] + share * moved[1] > 0
    return fitted(np.moveaxis(mask, 0, axis), drawn.box.start)


def pieces_of(drawn: Drawn) -> tuple[Drawn, ...]:
    """Part a mask into pieces that do not touch each other, not even at a corner; largest first."""
    if drawn.box is None:
        return ()
    labels, count = cc3d.connected_components(drawn.mask.astype(np.uint8), connectivity=26, return_N=True)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    order = sorted(range(1, count + 1), key=lambda k: (-int(sizes[k - 1]), k))
    places = ndimage.find_objects(labels.astype(np.int32))
    start = drawn.box.start
    return tuple(Drawn(labels[places[k - 1]] == k, box_of(places[k - 1]).moved(start)) for k in order)


def fitted(mask: NDArray[np.bool_], start: Iterable[int]) -> Drawn:
    """Cut a mask to its smallest box.

    Parameters
    ----------
    mask : ndarray of bool
        Voxels of a part of the scan.
    start : (slice, row, column)
        Voxel of the scan at which the part begins.
    """
    inner = bounding_box(mask)
    if inner is None:
        return NOTHING
    return Drawn(np.ascontiguousarray(mask[inner.slices]), inner.moved(start))


def whole_of(mask: NDArray[np.bool_]) -> Drawn:
    """Cut a mask on the whole grid to its box."""
    return fitted(mask, (0, 0, 0))


def require_drawn(drawn: Drawn) -> Drawn:
    """Return a mask that holds a voxel.

    Raises
    ------
    InputRefusedError
        When nothing would be left.
    """
    if drawn.box is None:
        raise InputRefusedError("Nothing of this lesion would be left.", "Drop the lesion from the list instead.")
    return drawn


def _enclosed(points: NDArray[np.int_], axis: int) -> Drawn:
    """Voxels inside a closed line and on it."""
    others = [a for a in range(3) if a != axis]
    start = points.min(axis=0)
    size = points.max(axis=0) - start + 1
    picture = Image.new("1", (int(size[others[1]]), int(size[others[0]])))
    line = [(int(x), int(y)) for y, x in (points - start)[:, others]]
    ImageDraw.Draw(picture).polygon(line, fill=1, outline=1)
    return fitted(np.expand_dims(np.array(picture, bool), axis), start)


def _along(points: NDArray[np.int_]) -> NDArray[np.int_]:
    """Voxels on the straight lines from point to point."""
    rows = [points[:1]]
    for a, b in pairwise(points):
        count = int(np.abs(b - a).max())
        if count:
            rows.append(np.rint(a + (b - a) * (np.arange(1, count + 1)[:, None] / count)).astype(int))
    return np.concatenate(rows)


def _signed_mm(plane: NDArray[np.bool_], mm: list[float]) -> NDArray[np.float64]:
    """Distance to the border, mm, positive inside."""
    padded = np.pad(plane, 1)
    inside = ndimage.distance_transform_edt(padded, sampling=mm)
    outside = ndimage.distance_transform_edt(~padded, sampling=mm)
    return (inside - outside)[1:-1, 1:-1]
