"""Axis-aligned boxes of voxels: find, grow, crop, put back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from hyoid.errors import GeometryError
from hyoid.volume import Geometry, Volume


@dataclass(frozen=True)
class Box:
    """Half-open box: voxels with start <= index < stop along (slice, row, column)."""

    start: tuple[int, int, int]
    stop: tuple[int, int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Edge lengths in voxels."""
        d, h, w = (b - a for a, b in zip(self.start, self.stop, strict=True))
        return d, h, w

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """Index into an array of shape (D, H, W)."""
        d, h, w = (slice(a, b) for a, b in zip(self.start, self.stop, strict=True))
        return d, h, w

    def grown(self, margin: tuple[int, int, int], shape: tuple[int, int, int]) -> Box:
        """Grow the box by `margin` voxels on every side, cut at the edge of an array of `shape`."""
        start = tuple(max(0, a - m) for a, m in zip(self.start, margin, strict=True))
        stop = tuple(min(n, b + m) for b, m, n in zip(self.stop, margin, shape, strict=True))
        return Box(start, stop)  # type: ignore[arg-type]

    def moved(self, by: Iterable[int]) -> Box:
        """Move the box by so many voxels (slice, row, column).

        Examples
        --------
        >>> Box((0, 0, 0), (1, 2, 3)).moved((4, 5, 6))
        Box(start=(4, 5, 6), stop=(5, 7, 9))
        """
        steps = [int(n) for n in by]
        start = tuple(a + n for a, n in zip(self.start, steps, strict=True))
        stop = tuple(b + n for b, n in zip(self.stop, steps, strict=True))
        return Box(start, stop)  # type: ignore[arg-type]

    def slices_from(self, start: Iterable[int]) -> tuple[slice, slice, slice]:
        """Index into an array whose first voxel is `start` (slice, row, column).

        Examples
        --------
        >>> Box((4, 5, 6), (5, 7, 9)).slices_from((4, 4, 4))
        (slice(0, 1, None), slice(1, 3, None), slice(2, 5, None))
        """
        return self.moved(-n for n in start).slices


def box_of(slices: Sequence[slice]) -> Box:
    """Make the box of an index by slices with a start and a stop, such as `scipy.ndimage.find_objects` gives.

    Parameters
    ----------
    slices : sequence of slice
        Three slices: (slice, row, column).

    Examples
    --------
    >>> box_of((slice(1, 2), slice(0, 3), slice(4, 5)))
    Box(start=(1, 0, 4), stop=(2, 3, 5))
    """
    return Box(tuple(int(s.start) for s in slices), tuple(int(s.stop) for s in slices))  # type: ignore[arg-type]


def hull(boxes: Iterable[Box]) -> Box:
    """Find the smallest box that holds all of one or more boxes.

    Parameters
    ----------
    boxes : iterable of Box
        On one grid.

    Examples
    --------
    >>> hull([Box((0, 4, 2), (1, 5, 3)), Box((2, 0, 2), (4, 1, 9))])
    Box(start=(0, 0, 2), stop=(4, 5, 9))
    """
    there = list(boxes)
    low, high = np.min([box.start for box in there], axis=0), np.max([box.stop for box in there], axis=0)
    return Box(tuple(low.tolist()), tuple(high.tolist()))


def bounding_box(mask: np.ndarray) -> Box | None:
    """Find the smallest box around the true voxels; None for an empty mask.

    Examples
    --------
    >>> mask = np.zeros((4, 4, 4), bool); mask[1, 2, 0:3] = True
    >>> bounding_box(mask)
    Box(start=(1, 2, 0), stop=(2, 3, 3))
    """
    starts, stops = [], []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        hit = np.flatnonzero(mask.any(axis=others))
        if not len(hit):
            return None
        starts.append(int(hit[0]))
        stops.append(int(hit[-1]) + 1)
    return Box(tuple(starts), tuple(stops))  # type: ignore[arg-type]


def crop(volume: Volume, box: Box) -> Volume:
    """Cut out the part of a volume inside a box; it stays where it was in the patient."""
    return Volume(volume.array[box.slices], crop_geometry(volume.geometry, box), volume.quantity)


def crop_geometry(geometry: Geometry, box: Box) -> Geometry:
    """Compute the geometry of the part inside a box."""
    if min(box.start) < 0 or any(b > n for b, n in zip(box.stop, geometry.shape, strict=True)):
        raise GeometryError(f"Box {box.start}..{box.stop} leaves the grid {geometry.shape}.", "Cut the box first.")
    matrix = geometry.ijk_to_lps.copy()
    matrix[:3, 3] = geometry.to_lps(box.start)
    return Geometry(box.shape, matrix, geometry.frame_of_reference_uid)


def restore(array: np.ndarray, box: Box, shape: tuple[int, int, int], fill: float = 0) -> np.ndarray:
    """Put a cropped array back into a full one of `shape`, `fill` elsewhere."""
    full = np.full(shape, fill, dtype=array.dtype)
    full[box.slices] = array
    return full
