"""Logits on the network's grid to labels on the scan's grid, one structure's box at a time.

Interpolating every class over the whole scan is what makes exporters slow; here a structure is interpolated only
where it can be, so memory is one label map and one map of the best logit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hyoid.errors import GeometryError
from hyoid.geometry.boxes import bounding_box
from hyoid.volume import Geometry, Quantity, Volume


def labels_from_logits(
    logits: NDArray[np.float32],
    coarse: Geometry,
    target: Geometry,
    labels: Sequence[int],
    *,
    ranks: Mapping[int, int] | None = None,
    thresholds: Mapping[int, float] | None = None,
) -> Volume:
    """Label of the largest logit above its threshold at every voxel of `target`; 0 where none is.

    Among structures of different rank the higher rank counts, whatever the logits.

    Parameters
    ----------
    logits : ndarray, shape (K, d, h, w)
        One sigmoid logit per structure on `coarse`.
    coarse, target : Geometry
        With parallel axes.
    labels : sequence of int
        Label of each channel.
    ranks : mapping of int to int, optional
        Label to rank, 0 by default: a structure that lies inside another, or is known better, ranks higher.
    thresholds : mapping of int to float, optional
        Logit above which a label counts; 0 by default.

    Raises
    ------
    GeometryError
        When the grids are not parallel.
    """
    result = np.zeros(target.shape, np.uint8)
    best = np.full(target.shape, -np.inf, np.float16)
    matrices = [interpolation_matrix(coarse, target, axis) for axis in range(3)]
    rank_of = [(ranks or {}).get(label, 0) for label in labels]
    rank = min(rank_of, default=0)
    for k in sorted(range(len(labels)), key=lambda k: rank_of[k]):
        if rank_of[k] > rank:
            rank = rank_of[k]
            best.fill(-np.inf)
        limit = (thresholds or {}).get(labels[k], 0.0)
        box = bounding_box(logits[k] > limit)
        if box is None:
            continue
        box = box.grown((1, 1, 1), coarse.shape)
        rows = [_reached(matrix, a, b) for matrix, a, b in zip(matrices, box.start, box.stop, strict=True)]
        fine = logits[k][box.slices]
        for axis, (matrix, row) in enumerate(zip(matrices, rows, strict=True)):
            part = matrix[row, box.start[axis] : box.stop[axis]]
            fine = np.moveaxis(np.tensordot(part, fine, axes=(1, axis)), 0, axis)
        where = tuple(rows)
        wins = (fine > limit) & (fine > best[where])
        result[where][wins] = labels[k]
        best[where][wins] = fine[wins]
    return Volume(result, target, Quantity.LABEL)


def interpolation_matrix(coarse: Geometry, target: Geometry, axis: int) -> NDArray[np.float32]:
    """Make the linear interpolation along one axis, shape (target size, coarse size); beyond the edge the edge
    counts."""
    if not np.allclose(coarse.directions, target.directions, atol=1e-4):
        raise GeometryError("Labels can only be brought to a grid parallel to the network's.", "Resample the scan.")
    n_target, n_coarse = target.shape[axis], coarse.shape[axis]
    start = coarse.to_ijk(target.origin_lps_mm)[axis]
    step = target.spacing_mm[axis] / coarse.spacing_mm[axis]
    position = np.clip(start + step * np.arange(n_target), 0, n_coarse - 1)
    low = np.minimum(position.astype(int), max(0, n_coarse - 2))
    share = position - low
    matrix = np.zeros((n_target, n_coarse), np.float32)
    rows = np.arange(n_target)
    matrix[rows, low] = 1 - share
    if n_coarse > 1:
        matrix[rows, low + 1] += share
    return matrix


def _reached(matrix: NDArray[np.float32], start: int, stop: int) -> slice:
    """Rows of the target that interpolate between columns of the box only."""
    inside = matrix[:, start:stop].sum(axis=1) > 0.999
    hit = np.flatnonzero(inside)
    return slice(int(hit[0]), int(hit[-1]) + 1) if len(hit) else slice(0, 0)
