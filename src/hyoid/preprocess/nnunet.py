"""nnU-Net v2's preparation of a case, step by step: crop to what is not zero, normalise, resample.

After `crop_to_nonzero`, the normalisation classes and `resample_data_or_seg_to_shape` of nnU-Net 2.x. Its resampling
works in 64 bits and visits every voxel; here it is a matrix product per axis in 32 bits, and the arrays agree to about
1e-5 of their range.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hyoid.errors import InputRefusedError
from hyoid.geometry.boxes import Box, bounding_box
from hyoid.geometry.spline_resize import along, resize_matrix

THICK_SLICES = 3.0  # spacings whose ratio is larger are resampled apart, in the plane and across it
_TINY = 1e-8


def nonzero_box(array: NDArray) -> Box:
    """Find the box around the voxels that are not zero in some channel; the whole array when all are zero.

    Parameters
    ----------
    array : ndarray, shape (C, D, H, W)
        Image channels.
    """
    box = bounding_box((array != 0).any(axis=0))
    return Box((0, 0, 0), array.shape[1:]) if box is None else box


def nonzero_region(array: NDArray) -> NDArray[np.bool_]:
    """Find the voxels that are not zero in some channel, with holes filled; shape (D, H, W)."""
    region: NDArray[np.bool_] = ndimage.binary_fill_holes((array != 0).any(axis=0))
    return region


def normalised(
    channel: NDArray, scheme: str, *, region: NDArray[np.bool_] | None, intensities: Mapping[str, float]
) -> NDArray[np.float32]:
    """Normalise one channel as nnU-Net does.

    Parameters
    ----------
    channel : ndarray, shape (D, H, W)
        Grey values of one channel.
    scheme : str
        nnU-Net's class name.
    region : ndarray of bool, optional
        z-scores are computed and applied here only.
    intensities : mapping
        `mean`, `std`, `percentile_00_5`, `percentile_99_5`, for "CTNormalization".

    Raises
    ------
    InputRefusedError
        When values do not suit the scheme.
    """
    values = channel.astype(np.float32)
    if scheme == "CTNormalization":
        np.clip(values, intensities["percentile_00_5"], intensities["percentile_99_5"], out=values)
        values -= np.float32(intensities["mean"])
        values /= np.float32(max(intensities["std"], _TINY))
    elif scheme == "ZScoreNormalization":
        part = ... if region is None else region
        mean, std = values[part].mean(), values[part].std()
        values[part] = (values[part] - mean) / max(std, _TINY)
    elif scheme == "RescaleTo01Normalization":
        values -= values.min()
        values /= max(values.max(), _TINY)
    elif scheme == "RGBTo01Normalization":
        if values.min() < 0 or values.max() > 255:
            raise InputRefusedError("A colour channel has values outside 0..255.", "Give the images as they were.")
        values /= 255
    elif scheme != "NoNormalization":
        raise ValueError(f"There is no normalisation {scheme!r}.")
    return values


def new_shape(shape: Sequence[int], spacing: Sequence[float], target: Sequence[float]) -> tuple[int, ...]:
    """Compute the shape after resampling, rounded as nnU-Net rounds (halves to even).

    Examples
    --------
    >>> new_shape((10, 11), (3.0, 1.0), (2.0, 2.0))
    (15, 6)
    """
    return tuple(round(s / t * n) for n, s, t in zip(shape, spacing, target, strict=True))


def thick_axis(spacing: Sequence[float], target: Sequence[float], *, separate: bool | None = None) -> int | None:
    """Find the axis of thick slices that is resampled apart from the plane; None when all three go together.

    Parameters
    ----------
    spacing, target : sequence of float
        Before and after, mm.
    separate : bool, optional
        `force_separate_z` of nnU-Net; by default decided by the spacings' ratio, first before, then after.

    Examples
    --------
    >>> thick_axis((5.0, 1.0, 1.0), (1.0, 1.0, 1.0)), thick_axis((2.0, 1.0, 1.0), (1.0, 1.0, 1.0))
    (0, None)
    """
    if separate is False:
        return None
    if separate or max(spacing) / min(spacing) > THICK_SLICES:
        of = spacing
    elif max(target) / min(target) > THICK_SLICES:
        of = target
    else:
        return None
    largest = [axis for axis, s in enumerate(of) if s == max(of)]
    # Two thick axes: nnU-Net resamples everything together.
    return largest[0] if len(largest) == 1 else None


def axis_matrices(
    shape: Sequence[int], target_shape: Sequence[int], *, order: int, order_z: int, thick: int | None
) -> tuple[NDArray[np.float32], ...]:
    """Make one resizing matrix per axis; the thick axis, when there is one, with an order of its own."""
    orders = [order_z if axis == thick else order for axis in range(3)]
    return tuple(resize_matrix(n, m, o) for n, m, o in zip(shape, target_shape, orders, strict=True))


def resampled(
    array: NDArray, target_shape: Sequence[int], *, order: int, order_z: int, thick: int | None
) -> NDArray[np.float32]:
    """Resample channels onto another grid, each kept within its own range: cubic splines overshoot.

    Parameters
    ----------
    array : ndarray, shape (C, D, H, W)
        Image channels, or logits.
    target_shape : sequence of int
        Number of slices, rows and columns of the result.
    order, order_z : int
        Of the splines, in the plane (or everywhere) and across thick slices.
    thick : int, optional
        From `thick_axis`; then each slice keeps its own range, as slices are resized one by one.
    """
    out = np.empty((len(array), *target_shape), np.float32)
    for channel, result in zip(array, out, strict=True):
        values = np.asarray(channel, np.float32)
        if values.shape == tuple(target_shape):
            result[...] = values
            continue
        matrices = axis_matrices(values.shape, target_shape, order=order, order_z=order_z, thick=thick)
        plane = tuple(axis for axis in range(3) if axis != thick)
        low, high = values.min(axis=plane, keepdims=True), values.max(axis=plane, keepdims=True)
        # Axes that shrink come first, which keeps the work small.
        for axis in sorted(plane, key=lambda a: target_shape[a] / values.shape[a]):
            if values.shape[axis] != target_shape[axis]:
                values = along(matrices[axis], values, axis)
        values = np.clip(values, low, high)
        if thick is not None and values.shape[thick] != target_shape[thick]:
            values = along(matrices[thick], values, thick)
        result[...] = values
    return out


def resampled_labels(
    labels: NDArray, target_shape: Sequence[int], *, order: int, order_z: int, thick: int | None
) -> NDArray:
    """Label map (D, H, W) on another grid: each label resized on its own, the last one at or above one half counts."""
    if labels.shape == tuple(target_shape):
        return labels
    out = np.zeros(target_shape, labels.dtype)
    for label in np.unique(labels):
        share = resampled((labels == label)[None], target_shape, order=order, order_z=order_z, thick=thick)[0]
        out[share >= 0.5] = label
    return out
