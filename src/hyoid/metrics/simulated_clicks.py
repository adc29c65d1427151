"""Where a reader would click next: simulated users for training and for measuring interactive segmentation.

The deterministic user clicks the innermost voxel of the largest error, the noisy one anywhere near it, the random one
anywhere in the error, as training does in Gu et al. (section 2.3, equation 4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hyoid.errors import GeometryError
from hyoid.geometry.boxes import bounding_box


@dataclass(frozen=True)
class SimulatedClick:
    """One click.

    Parameters
    ----------
    point_ijk : (slice, row, column)
        Voxel that is clicked.
    adds : bool
        True where something was missed, False where something was painted that does not belong.
    """

    point_ijk: tuple[int, int, int]
    adds: bool


User = Callable[
    [NDArray[np.bool_], NDArray[np.bool_], tuple[float, float, float], np.random.Generator], SimulatedClick | None
]
"""Called with (reference, prediction, spacing in mm, generator); None when there is no error left."""


def deterministic_click(
    reference: NDArray[np.bool_],
    prediction: NDArray[np.bool_],
    spacing_mm: tuple[float, float, float],
    rng: np.random.Generator | None = None,
) -> SimulatedClick | None:
    """Choose the voxel deepest inside the largest 26-connected error, depth in mm, the first in raster order of
    several.

    Parameters
    ----------
    reference, prediction : ndarray of bool, shape (D, H, W)
        True and predicted mask, on one grid.
    spacing_mm : (slice, row, column)
        Distance between voxel centres, mm.
    rng : Generator, optional
        Not used; there so that all users are called alike.

    Raises
    ------
    GeometryError
        When the masks differ in shape.

    Examples
    --------
    >>> reference = np.zeros((7, 7, 7), bool); reference[1:6, 1:6, 1:6] = True
    >>> deterministic_click(reference, np.zeros_like(reference), (1, 1, 1))
    SimulatedClick(point_ijk=(3, 3, 3), adds=True)
    """
    found = _largest_error(reference, prediction)
    if found is None:
        return None
    start, error = found
    depth = _depth_mm(error, spacing_mm)
    return _click(reference, start, np.unravel_index(int(np.argmax(depth)), depth.shape))


def noisy_click(
    reference: NDArray[np.bool_],
    prediction: NDArray[np.bool_],
    spacing_mm: tuple[float, float, float],
    rng: np.random.Generator,
) -> SimulatedClick | None:
    """Choose a voxel of the largest error, with a chance that grows with its depth: an unsteady hand.

    Parameters
    ----------
    reference, prediction, spacing_mm
        As `deterministic_click`.
    rng : Generator
        Source of the random draws: the same generator gives the same result.
    """
    found = _largest_error(reference, prediction)
    if found is None:
        return None
    start, error = found
    depth = _depth_mm(error, spacing_mm)
    place = rng.choice(depth.size, p=(depth / depth.sum()).ravel())
    return _click(reference, start, np.unravel_index(int(place), depth.shape))


def random_click(
    reference: NDArray[np.bool_],
    prediction: NDArray[np.bool_],
    spacing_mm: tuple[float, float, float],
    rng: np.random.Generator,
) -> SimulatedClick | None:
    """Choose any voxel of the error, all alike.

    Parameters
    ----------
    reference, prediction, spacing_mm
        As `deterministic_click`; the spacing is not used.
    rng : Generator
        Source of the random draws: the same generator gives the same result.
    """
    _require_one_grid(reference, prediction)
    wrong = np.flatnonzero(reference != prediction)
    if not len(wrong):
        return None
    place = np.unravel_index(int(wrong[rng.integers(len(wrong))]), reference.shape)
    return _click(reference, (0, 0, 0), place)


USERS: dict[str, User] = {"deterministic": deterministic_click, "noisy": noisy_click, "random": random_click}


def _largest_error(
    reference: NDArray[np.bool_], prediction: NDArray[np.bool_]
) -> tuple[tuple[int, int, int], NDArray[np.bool_]] | None:
    """Corner and mask of the largest component of the voxels that were missed, or of those painted wrongly."""
    _require_one_grid(reference, prediction)
    box = bounding_box(reference != prediction)
    if box is None:
        return None
    reference, prediction = reference[box.slices], prediction[box.slices]
    # Missed and wrongly painted voxels may touch; they are different errors.
    kinds = (reference & ~prediction) + 2 * (prediction & ~reference).astype(np.uint8)
    labels = cc3d.connected_components(kinds.astype(np.uint8), connectivity=26)
    largest = 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    return box.start, labels == largest


def _depth_mm(error: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> NDArray[np.float64]:
    padded = np.pad(error, 1)
    return ndimage.distance_transform_edt(padded, sampling=spacing_mm)[1:-1, 1:-1, 1:-1]


def _click(reference: NDArray[np.bool_], start: tuple[int, int, int], place: tuple) -> SimulatedClick:
    i, j, k = (int(a + b) for a, b in zip(start, place, strict=True))
    return SimulatedClick((i, j, k), bool(reference[i, j, k]))


def _require_one_grid(reference: NDArray[np.bool_], prediction: NDArray[np.bool_]) -> None:
    if reference.shape != prediction.shape:
        raise GeometryError(
            f"The reference has shape {reference.shape}, the prediction {prediction.shape}.", "Use one grid."
        )
