"""Sliding window with Gaussian weighting, as nnU-Net weights its tiles."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hyoid.progress import Steps, ignore_steps

Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]
MONAI_LEAST = 1e-3
"""Smallest weight of a voxel in MONAI's window."""


def tile_starts(size: int, tile: int, step: float) -> list[int]:
    """Compute the first indices of evenly spread tiles that cover an axis; neighbours are at most `step * tile` apart.

    Examples
    --------
    >>> tile_starts(100, 64, 0.5)
    [0, 18, 36]
    >>> tile_starts(64, 64, 0.5)
    [0]
    """
    if size < tile:
        raise ValueError(f"An axis of {size} voxels cannot hold a tile of {tile}; pad it first.")
    count = math.ceil((size - tile) / max(1, tile * step)) + 1
    if count == 1:
        return [0]
    return [round(i * (size - tile) / (count - 1)) for i in range(count)]


def gaussian_weight(tile: tuple[int, int, int], sigma_share: float = 0.125, least: float = 1e-4) -> NDArray[np.float32]:
    """Compute the weight of a tile's voxels: Gaussian around its centre, sigma an eighth of each edge, largest value
    1.

    Smaller values are raised to `least`, so that every voxel counts; with `MONAI_LEAST` it is the window of MONAI's
    `sliding_window_inference`.
    """
    profiles = [np.exp(-0.5 * ((np.arange(n) - (n - 1) / 2) / (n * sigma_share)) ** 2) for n in tile]
    weight = profiles[0][:, None, None] * profiles[1][None, :, None] * profiles[2][None, None, :]
    return np.maximum(weight / weight.max(), least).astype(np.float32)


def nnunet_weight(tile: tuple[int, ...], sigma_share: float = 0.125) -> NDArray[np.float32]:
    """Compute nnU-Net's own weight of a tile's voxels: a filtered unit impulse at n // 2, largest value 1, nowhere
    zero."""
    weight: NDArray[np.float64] = np.ones(tile)
    for axis, n in enumerate(tile):
        impulse = np.zeros(n)
        impulse[n // 2] = 1
        profile = ndimage.gaussian_filter(impulse, n * sigma_share, mode="constant")
        weight *= profile.reshape([-1 if a == axis else 1 for a in range(len(tile))])
    weight /= weight.max()
    # The smallest step of its half-precision map, whose largest value is 10.
    np.maximum(weight, 6e-9, out=weight)
    return weight.astype(np.float32)


def mirrored(predict: Predict, axes: Sequence[int]) -> Predict:
    """Average the predictions of a tile and of all its mirror images along the given spatial axes (0 is the slice)."""
    flips = [
        tuple(axis + 2 for axis in chosen)
        for n in range(len(axes) + 1)
        for chosen in itertools.combinations(sorted(axes), n)
    ]

    def run(block: NDArray[np.float32]) -> NDArray[np.float32]:
        total = predict(block).copy()
        for flip in flips[1:]:
            total += np.flip(predict(np.ascontiguousarray(np.flip(block, flip))), flip)
        total /= len(flips)
        return total

    return run


@dataclass(frozen=True, eq=False)
class Tiling:
    """How a window slides.

    Parameters
    ----------
    tile : (d, h, w)
        Number of voxels of a tile along each axis.
    step : float
        Distance of neighbouring tiles over the tile's edge.
    weight : ndarray, shape (d, h, w), optional
        `gaussian_weight` by default.
    padding : {"edge", "constant"}
        What fills an axis that is shorter than the tile: the edge's values, or zeros.
    """

    tile: tuple[int, int, int]
    step: float = 0.5
    weight: NDArray[np.float32] | None = None
    padding: Literal["edge", "constant"] = "edge"


def predict_tiles(
    image: NDArray[np.float32],
    networks: Iterable[Predict],
    tiling: Tiling,
    *,
    outputs: int,
    count: int = 1,
    wanted: Callable[[tuple[slice, ...]], bool] = lambda where: True,
    on_progress: Steps = ignore_steps,
) -> NDArray[np.float32]:
    """Average the predictions of overlapping tiles, weighted, and of several networks.

    Parameters
    ----------
    image : ndarray, shape (C, D, H, W)
        Image channels on the network's grid.
    networks : iterable of callable
        Each (1, C, d, h, w) to (1, outputs, d, h, w); taken one after the other, so a generator may load them in turn.
    tiling : Tiling
        Where the tiles lie, and how they are weighted.
    outputs : int
        Number of output channels of the network.
    count : int
        How many networks there are, for the progress.
    wanted : callable
        Whether a tile (its place in the padded image) is to be computed; the others answer 0, and nothing where no
        tile was computed.
    on_progress : callable
        Called with (tiles done, tiles in all).

    Returns
    -------
    ndarray, shape (outputs, D, H, W), float32
    """
    tile, shape = tiling.tile, image.shape[1:]
    short = [max(0, t - n) for t, n in zip(tile, shape, strict=True)]
    if any(short):
        before = [s // 2 for s in short]
        margins = [(0, 0), *[(b, s - b) for b, s in zip(before, short, strict=True)]]
        image = np.pad(image, margins, mode=tiling.padding)
    weight = gaussian_weight(tile) if tiling.weight is None else tiling.weight
    total = np.zeros((outputs, *image.shape[1:]), np.float32)
    norm = np.zeros(image.shape[1:], np.float32)
    weighted = np.empty(tile, np.float32)
    starts = [tile_starts(n, t, tiling.step) for n, t in zip(image.shape[1:], tile, strict=True)]
    places = [
        tuple(slice(c, c + t) for c, t in zip(corner, tile, strict=True)) for corner in itertools.product(*starts)
    ]
    places = [place for place in places if wanted(place)]
    for number, predict in enumerate(networks):
        for done, place in enumerate(places, start=1):
            block = np.ascontiguousarray(image[(slice(None), *place)])[None]
            for channel, answer in zip(total, predict(block)[0], strict=True):  # each by itself stays in the cache
                channel[place] += np.multiply(answer, weight, out=weighted)
            norm[place] += weight
            on_progress(number * len(places) + done, count * len(places))
    total /= np.maximum(norm, np.finfo(np.float32).tiny)
    if any(short):
        inner = tuple(slice(b, b + n) for b, n in zip(before, shape, strict=True))
        total = total[(slice(None), *inner)]
    return total
