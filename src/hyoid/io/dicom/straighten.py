"""Put sheared or unevenly spaced slices onto a straight, even grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def straighten(array: NDArray, shift_px: NDArray[np.float64], outside: float) -> tuple[NDArray, NDArray[np.float64]]:
    """Shift every slice within its plane, so that equal indices lie on one normal.

    A tilted gantry moves each slice sideways against the one below. The canvas grows so that nothing is cut; fractions
    of a pixel are interpolated linearly within the slice, and nothing is interpolated between slices.

    Parameters
    ----------
    array : ndarray, shape (D, H, W)
        Stack of slices as acquired.
    shift_px : ndarray, shape (D, 2)
        Where pixel (0, 0) of each slice lies on a straight grid through that of the first one: pixels, (row, column).
    outside : float
        Value of the added canvas.

    Returns
    -------
    straight : ndarray, shape (D, H', W'), dtype of `array`
    origin_px : ndarray, shape (2,)
        Where pixel (0, 0) of the new grid lies on the same straight grid: whole pixels, zero or negative.

    Examples
    --------
    >>> stack = np.array([[[5, 6]], [[5, 6]]])
    >>> straight, origin_px = straighten(stack, np.array([[0.0, 0.0], [0.0, 1.0]]), outside=0)
    >>> straight.tolist(), origin_px.tolist()
    ([[[5, 6, 0]], [[0, 5, 6]]], [0.0, 0.0])
    """
    low = np.floor(shift_px.min(axis=0) + 1e-6)
    high = np.ceil(shift_px.max(axis=0) - 1e-6)
    extra = (high - low).astype(int)
    depth, height, width = array.shape
    straight = np.full((depth, height + extra[0], width + extra[1]), outside, array.dtype)
    for index in range(depth):
        offset = shift_px[index] - low
        whole = np.floor(offset + 1e-6).astype(int)
        fraction = np.clip(offset - whole, 0.0, 1.0)
        plane = array[index].astype(np.float32)
        rows, columns = height, width
        if fraction[0] > 1e-6:
            plane, rows = _delay(plane, fraction[0], outside), rows + 1
        if fraction[1] > 1e-6:
            plane, columns = _delay(plane.T, fraction[1], outside).T, columns + 1
        if np.issubdtype(array.dtype, np.integer):
            plane = np.rint(plane)
        straight[index, whole[0] : whole[0] + rows, whole[1] : whole[1] + columns] = plane
    return straight, low


def even_out(array: NDArray, positions_mm: NDArray[np.float64], step_mm: float) -> NDArray:
    """Resample slices to even steps from the first position, by linear interpolation between two neighbours.

    Parameters
    ----------
    array : ndarray, shape (D, H, W)
        Stack of slices as acquired.
    positions_mm : ndarray, shape (D,), ascending
        Position of each slice along the normal.
    step_mm : float
        Distance between neighbouring slices of the result.

    Examples
    --------
    >>> stack = np.array([0.0, 10.0, 30.0]).reshape(3, 1, 1)
    >>> even_out(stack, np.array([0.0, 1.0, 3.0]), 1.0).ravel().tolist()
    [0.0, 10.0, 20.0, 30.0]
    """
    count = int((positions_mm[-1] - positions_mm[0]) / step_mm + 0.05) + 1
    wanted = np.minimum(positions_mm[0] + np.arange(count) * step_mm, positions_mm[-1])
    upper = np.clip(np.searchsorted(positions_mm, wanted), 1, len(positions_mm) - 1)
    weight = (wanted - positions_mm[upper - 1]) / (positions_mm[upper] - positions_mm[upper - 1])
    even = np.empty((count, *array.shape[1:]), array.dtype)
    for index, (above, share) in enumerate(zip(upper, weight, strict=True)):
        plane = array[above - 1] * np.float32(1 - share) + array[above] * np.float32(share)
        even[index] = np.rint(plane) if np.issubdtype(array.dtype, np.integer) else plane
    return even


def _delay(plane: NDArray, fraction: float, outside: float) -> NDArray:
    """Plane moved down by a fraction of a row, one row longer."""
    padded = np.pad(plane, ((1, 1), (0, 0)), constant_values=outside)
    return padded[1:] * np.float32(1 - fraction) + padded[:-1] * np.float32(fraction)
