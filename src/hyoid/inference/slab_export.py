"""Logits on a network's grid to labels on the scan's, slab by slab: no array of classes x scan is ever made."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from hyoid.geometry.spline_resize import along
from hyoid.progress import Steps, ignore_steps

SLAB_BYTES = 24 << 20  # near the size of a shared cache; larger ones are slower


def labels_by_slabs(
    logits: NDArray[np.float32],
    matrices: Sequence[NDArray[np.float32]],
    heads: Sequence[int],
    *,
    regions: bool,
    slab_bytes: int = SLAB_BYTES,
    on_probabilities: Callable[[slice, NDArray[np.float32]], None] | None = None,
    on_progress: Steps = ignore_steps,
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Resize logits and decide every voxel.

    Parameters
    ----------
    logits : ndarray, shape (K, d, h, w)
        Logits on the network's grid.
    matrices : three ndarrays, shapes (D, d), (H, h), (W, w)
        One resizing matrix per axis.
    heads : sequence of int
        Label of each channel.
    regions : bool
        Channels are sigmoids painted in turn, a later one over an earlier one; otherwise the largest wins.
    slab_bytes : int
        Memory of the resized slab.
    on_probabilities : callable, optional
        Gets every slab's place along axis 0 and its probabilities, shape (K, rows, H, W).
    on_progress : callable
        Called with (rows done, rows in all).

    Returns
    -------
    ndarray, shape (D, H, W), uint8, or uint16 for labels above 255
    """
    depth, height, width = (m.shape[0] for m in matrices)
    out = np.zeros((depth, height, width), np.uint8 if max(heads) < 256 else np.uint16)
    rows = max(1, min(depth, slab_bytes // (4 * len(heads) * height * width)))
    for start in range(0, depth, rows):
        place = slice(start, min(depth, start + rows))
        part = matrices[0][place]
        used = np.flatnonzero(part.any(axis=0))
        source = slice(int(used[0]), int(used[-1]) + 1)
        slab = along(np.ascontiguousarray(part[:, source]), logits[:, source], 1)
        for axis in (2, 3):
            matrix = matrices[axis - 1]
            if matrix.shape[0] != matrix.shape[1] or not np.array_equal(matrix, np.eye(len(matrix), dtype=np.float32)):
                slab = along(matrix, slab, axis)
        if on_probabilities is not None:
            on_probabilities(place, _probabilities(slab, regions=regions))
        decide(slab, heads, out[place], regions=regions)
        on_progress(place.stop, depth)
    return out


def decide(
    logits: NDArray[np.float32],
    heads: Sequence[int],
    out: NDArray[np.uint8] | NDArray[np.uint16],
    *,
    regions: bool,
) -> None:
    """Write the label of every voxel.

    Parameters
    ----------
    logits : ndarray, shape (K, d, h, w)
        Logits on the grid of the answer.
    heads : sequence of int
        Label of each channel.
    out : ndarray, shape (d, h, w)
        Of zeros where `regions`.
    regions : bool
        As `labels_by_slabs`.
    """
    if regions:
        for head, channel in zip(heads, logits, strict=True):
            out[channel > 0] = head
        return
    table = np.array(heads, out.dtype)
    for row, logits_of_row in zip(out, np.moveaxis(logits, 1, 0), strict=True):
        row[...] = table[_largest(logits_of_row)]


def _largest(logits: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Channel of the largest of logits (K, H, W), the first of equals; several times faster than argmax over axis 0."""
    best = logits[0].copy()
    channel = np.zeros(best.shape, np.uint16)
    for k, values in enumerate(logits[1:], start=1):
        larger = values > best
        np.copyto(channel, k, where=larger, casting="unsafe")
        np.maximum(best, values, out=best)
    return channel


def _probabilities(logits: NDArray[np.float32], *, regions: bool) -> NDArray[np.float32]:
    """Turn logits into probabilities by sigmoid, or by softmax over axis 0."""
    found: NDArray[np.float32] = expit(logits) if regions else softmax(logits, axis=0)
    return found
