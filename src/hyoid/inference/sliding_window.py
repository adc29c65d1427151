"""Sliding window with Gaussian weighting, as nnU-Net weights its tiles."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def tile_starts(size: int, tile: int, step: float) -> list[int]:
    """First indices of evenly spread tiles that cover an axis; neighbours are at most `step * tile` apart.

    Examples
    --------
    >>> tile_starts(100, 64, 0.5)
    [0, 18, 36]
    >>> tile_starts(64, 64, 0.5)
    [0]
    """
    if size < tile:
        raise ValueError(f"An axis of {size} voxels cannot hold a tile of {tile}; pad it first.")
    count = math.ceil((size - tile) / (tile * step)) + 1
    if count == 1:
        return [0]
    return [round(i * (size - tile) / (count - 1)) for i in range(count)]


def gaussian_weight(tile: tuple[int, int, int], sigma_share: float = 0.125) -> NDArray[np.float32]:
    """Weight of a tile's voxels: Gaussian around its centre, sigma an eighth of each edge, largest value 1.

    Values that would underflow are raised to the smallest positive one, so that every voxel counts.
    """
    profiles = [np.exp(-0.5 * ((np.arange(n) - (n - 1) / 2) / (n * sigma_share)) ** 2) for n in tile]
    weight = profiles[0][:, None, None] * profiles[1][None, :, None] * profiles[2][None, None, :]
    return np.maximum(weight / weight.max(), 1e-4).astype(np.float32)


def predict_tiles(
    image: NDArray[np.float32],
    predict: Predict,
    tile: tuple[int, int, int],
    *,
    outputs: int,
    step: float = 0.5,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> NDArray[np.float32]:
    """Weighted mean of the predictions of overlapping tiles.

    Parameters
    ----------
    image : ndarray, shape (C, D, H, W)
        Padded with its smallest values where an edge is shorter than the tile.
    predict : callable
        (1, C, d, h, w) to (1, outputs, d, h, w).
    tile : (d, h, w)
    outputs : int
    step : float
        Distance of neighbouring tiles over the tile's edge.
    on_progress : callable
        Called with (tiles done, tiles in all).

    Returns
    -------
    ndarray, shape (outputs, D, H, W), float32
    """
    shape = image.shape[1:]
    short = [max(0, t - n) for t, n in zip(tile, shape, strict=True)]
    if any(short):
        before = [s // 2 for s in short]
        padding = [(0, 0), *[(b, s - b) for b, s in zip(before, short, strict=True)]]
        image = np.pad(image, padding, mode="edge")
    weight = gaussian_weight(tile)
    total = np.zeros((outputs, *image.shape[1:]), np.float32)
    norm = np.zeros(image.shape[1:], np.float32)
    starts = [tile_starts(n, t, step) for n, t in zip(image.shape[1:], tile, strict=True)]
    corners = list(itertools.product(*starts))
    for done, corner in enumerate(corners, start=1):
        where = tuple(slice(c, c + t) for c, t in zip(corner, tile, strict=True))
        block = np.ascontiguousarray(image[(slice(None), *where)])[None]
        total[(slice(None), *where)] += predict(block)[0] * weight
        norm[where] += weight
        on_progress(done, len(corners))
    total /= norm
    if any(short):
        inner = tuple(slice(b, b + n) for b, n in zip(before, shape, strict=True))
        total = total[(slice(None), *inner)]
    return total
