"""Resizing of arrays by splines, one axis after the other, as matrix products.

`scipy.ndimage.zoom` and `skimage.transform.resize` visit every output voxel with all its neighbours. The same map is a
product of three matrices, one per axis; a matrix library applies them many times faster, and in slabs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


@lru_cache(maxsize=64)
def resize_matrix(size: int, new_size: int, order: int) -> NDArray[np.float32]:
    """Make the matrix that resizes an axis, shape (new_size, size); voxels are cells, and beyond the edge the edge
    counts.

    Parameters
    ----------
    size, new_size : int
        Number of voxels along the axis, before and after.
    order : int
        Of the spline: 0 nearest, 1 linear, 3 cubic.

    Notes
    -----
    Column k is what `scipy.ndimage.zoom` (grid_mode, mode "nearest") makes of the k-th unit vector: the matrix has its
    boundary and its prefilter by construction.

    Examples
    --------
    >>> resize_matrix(2, 4, 1).round(2).tolist()
    [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]
    """
    if size == new_size:
        matrix = np.eye(size)
    elif order == 0:
        # Halves go up, as in `scipy.ndimage.map_coordinates`.
        nearest = np.floor(size / new_size * (np.arange(new_size) + 0.5)).astype(int)
        matrix = np.eye(size)[np.clip(nearest, 0, size - 1)]
    else:
        zoomed = [
            ndimage.zoom(unit, new_size / size, order=order, mode="nearest", grid_mode=True) for unit in np.eye(size)
        ]
        matrix = np.stack(zoomed, axis=1)
    result = matrix.astype(np.float32)
    result.setflags(write=False)
    return result


def resize(array: NDArray, shape: Sequence[int], orders: Sequence[int], *, clip: bool = True) -> NDArray[np.float32]:
    """Resize an array over the same extent.

    Parameters
    ----------
    array : ndarray, any number of axes
        Array to resize.
    shape : sequence of int
        Number of voxels along each axis of the result.
    orders : sequence of int
        Of the spline, per axis.
    clip : bool
        Keep the result within the range of the input: cubic splines overshoot.

    Returns
    -------
    ndarray of float32
    """
    result = np.asarray(array, np.float32)
    low, high = (float(result.min()), float(result.max())) if clip and result.size else (0.0, 0.0)
    # Shrinking axes first keeps the work small.
    for axis in sorted(range(result.ndim), key=lambda a: shape[a] / result.shape[a]):
        if result.shape[axis] != shape[axis]:
            result = along(resize_matrix(result.shape[axis], shape[axis], orders[axis]), result, axis)
    return np.clip(result, low, high) if clip else result


def along(matrix: NDArray[np.float32], array: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Apply a matrix (m, n) along an axis of n; the result is contiguous."""
    before, after = array.shape[:axis], array.shape[axis + 1 :]
    if not after:
        return (array.reshape(-1, len(matrix.T)) @ matrix.T).reshape(*before, len(matrix))
    blocks = array.reshape(math.prod(before), len(matrix.T), math.prod(after))
    return np.matmul(matrix, blocks).reshape(*before, len(matrix), *after)
