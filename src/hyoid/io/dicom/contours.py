"""Masks to closed planar contours and back, such that a mask survives the round trip voxel for voxel.

Contours run half-way between voxel centres inside and outside the mask. Reading samples the polygons at voxel centres
by the even-odd rule, so every voxel falls on the side it came from.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import contourpy
import numpy as np
from numpy.typing import NDArray


def outlines(mask: NDArray[np.bool_]) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Draw closed polygons around a mask, slice by slice.

    Holes are joined to the polygon around them by a channel of no width (keyhole), because some planning systems fill
    nested contours.

    Parameters
    ----------
    mask : ndarray of bool, shape (D, H, W)
        Voxels inside the structure.

    Yields
    ------
    index : int
        Index of the slice.
    points : ndarray, shape (N, 2)
        (row, column) of the vertices; the first is not repeated at the end.

    Examples
    --------
    >>> [(i, p.tolist()) for i, p in outlines(np.ones((1, 1, 1), bool))]
    [(0, [[0.0, -0.5], [-0.5, 0.0], [0.0, 0.5], [0.5, 0.0]])]
    """
    for index in np.flatnonzero(mask.any(axis=(1, 2))):
        # A border of background closes contours at the edge of the grid.
        plane = np.pad(mask[index], 1).astype(np.float64)
        generator = contourpy.contour_generator(z=plane, fill_type=contourpy.FillType.OuterOffset)
        polygons, offsets = generator.filled(0.5, 2.0)
        for points, starts in zip(polygons, offsets, strict=True):
            rings = [points[a : b - 1] for a, b in itertools.pairwise(starts)]
            yield int(index), _keyhole(rings)[:, ::-1] - 1.0


def fill(polygons: Sequence[tuple[int, NDArray[np.float64]]], shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Mark the voxels whose centres lie inside polygons, by the even-odd rule over all polygons of a slice.

    Parameters
    ----------
    polygons : sequence of (slice, points)
        Points as from `outlines`; anything outside the grid is cut.
    shape : (D, H, W)
        Shape of the mask to make: slices, rows, columns.

    Returns
    -------
    ndarray of bool, shape (D, H, W)
    """
    depth, height, width = shape
    # Entry (i, r, c) counts the edges that cross row r between columns c - 1 and c; their parity summed is the inside.
    crossings = np.zeros((depth, height, width + 1), np.uint16)
    slices, rows, columns = [], [], []
    for index, points in polygons:
        if not 0 <= index < depth or len(points) < 3:
            continue
        row, column = _row_crossings(points, height)
        slices.append(np.full(len(row), index))
        rows.append(row)
        columns.append(np.clip(np.ceil(column), 0, width).astype(np.int64))
    if slices:
        np.add.at(crossings, (np.concatenate(slices), np.concatenate(rows), np.concatenate(columns)), 1)
    return (np.cumsum(crossings[..., :-1], axis=2, dtype=np.uint16) & 1).astype(bool)


def _row_crossings(points: NDArray[np.float64], height: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Where the edges of a closed polygon cross the centres of rows: row indices and columns."""
    start, end = points, np.roll(points, -1, axis=0)
    low, high = np.minimum(start[:, 0], end[:, 0]), np.maximum(start[:, 0], end[:, 0])
    # Half-open, so that a vertex on a row's centre is crossed once.
    first = np.clip(np.ceil(low), 0, height).astype(np.int64)
    last = np.clip(np.ceil(high), 0, height).astype(np.int64)
    counts = last - first
    edge = np.repeat(np.arange(len(points)), counts)
    row = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]
    share = (row - start[edge, 0]) / (end[edge, 0] - start[edge, 0])
    return row, start[edge, 1] + share * (end[edge, 1] - start[edge, 1])


def _keyhole(rings: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """One polygon from an outer ring and its holes: each hole is entered and left at its nearest vertices."""
    outer = rings[0]
    # Nearest holes first, so that a channel never has to cross a hole that is not joined yet.
    holes = sorted(rings[1:], key=lambda ring: _nearest(outer, ring)[2])
    for hole in holes:
        at, enter, _ = _nearest(outer, hole)
        turned = np.roll(hole, -enter, axis=0)
        outer = np.concatenate([outer[: at + 1], turned, turned[:1], outer[at:]])
    return outer


def _nearest(outer: NDArray[np.float64], ring: NDArray[np.float64]) -> tuple[int, int, float]:
    distances = ((outer[:, None] - ring[None]) ** 2).sum(axis=2)
    at, enter = np.unravel_index(int(np.argmin(distances)), distances.shape)
    return int(at), int(enter), float(distances[at, enter])
