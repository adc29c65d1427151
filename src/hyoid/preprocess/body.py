"""Where the patient is in a CT: the body outline without table, mask and headrest."""

from __future__ import annotations

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hyoid.geometry.boxes import bounding_box
from hyoid.geometry.orientation import from_canonical, to_canonical
from hyoid.volume import Geometry, Quantity, Volume

# Coarse enough to be fast, fine enough to keep a table sheet apart from the skin.
_COARSE_MM = 4.0
# Between air (-1000) and fat (-100): a voxel half filled with skin still counts.
_TISSUE_HU = -300


def body_mask(volume: Volume) -> NDArray[np.bool_]:
    """Find the voxels inside the patient's skin, air in airway and sinuses included.

    Found on a grid of about 4 mm (`coarse_body`) and brought back to the grid of `volume` by linear interpolation, so
    the outline is good to a few millimetres.

    Parameters
    ----------
    volume : Volume, HU
        A CT.

    Returns
    -------
    ndarray of bool, shape of `volume`
        All false where there is no tissue.

    Raises
    ------
    WrongQuantityError
        When the voxels are not HU.
    """
    canonical = to_canonical(volume.require(Quantity.HU))
    _, mask = coarse_body(canonical)
    return from_canonical(_refined(mask, _factors(canonical.geometry), canonical.geometry.shape), volume.geometry)


def coarse_body(canonical: Volume) -> tuple[Volume, NDArray[np.bool_]]:
    """Bring a CT to about 4 mm, by means of whole blocks of voxels, and find its body mask.

    Tissue above -300 HU is opened by one voxel, so that thin table sheets and masks fall off; the largest
    face-connected component is kept; holes are filled slice by slice.

    Parameters
    ----------
    canonical : Volume, HU
        In 'SPL' order, as from `to_canonical`: holes are filled in axial slices.

    Returns
    -------
    coarse : Volume, float32 HU
        Never finer than `canonical`.
    mask : ndarray of bool, shape of `coarse`
    """
    factors = _factors(canonical.geometry)
    coarse = _block_means(canonical, factors)
    solid = coarse.array > _TISSUE_HU
    tissue = ndimage.binary_opening(solid)
    if not tissue.any():
        return coarse, tissue
    mask = cc3d.largest_k(tissue.astype(np.uint8), k=1, connectivity=6) > 0
    # Opening also takes the outermost tissue; one step back returns it, but no sheet that was cut off.
    mask = ndimage.binary_dilation(mask) & solid
    for plane in mask:
        plane[:] = ndimage.binary_fill_holes(plane)
    return coarse, mask


def _factors(geometry: Geometry) -> tuple[int, int, int]:
    """Voxels per block along each axis."""
    d, h, w = (max(1, int(_COARSE_MM / s + 1e-3)) for s in geometry.spacing_mm)
    return d, h, w


def _block_means(volume: Volume, factors: tuple[int, int, int]) -> Volume:
    array = volume.array
    for axis, factor in enumerate(factors):
        if factor == 1:
            continue
        missing = -array.shape[axis] % factor
        if missing:
            widths = [(0, missing if a == axis else 0) for a in range(3)]
            array = np.pad(array, widths, mode="edge")
        # Summing strided views is several times faster than a mean over a reshaped axis.
        parts = [array[(slice(None),) * axis + (slice(start, None, factor),)] for start in range(factor)]
        total = parts[0].astype(np.float32)
        for part in parts[1:]:
            total += part
        array = total / np.float32(factor)
    matrix = volume.geometry.ijk_to_lps.copy()
    matrix[:3, 3] = volume.geometry.to_lps((np.array(factors) - 1) / 2)
    matrix[:3, :3] *= factors
    frame = volume.geometry.frame_of_reference_uid
    return Volume(array.astype(np.float32, copy=False), Geometry(array.shape, matrix, frame), Quantity.HU)


def _refined(mask: NDArray[np.bool_], factors: tuple[int, int, int], shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Mask on blocks to a mask on voxels: linear along each axis, cut at one half."""
    fine = np.zeros(shape, bool)
    box = bounding_box(mask)
    if box is None:
        return fine
    box = box.grown((1, 1, 1), mask.shape)
    share = mask.astype(np.float32)
    inside = []
    for axis in (0, 1, 2):
        voxels = np.arange(box.start[axis] * factors[axis], min(box.stop[axis] * factors[axis], shape[axis]))
        at = np.clip((voxels - (factors[axis] - 1) / 2) / factors[axis], 0, mask.shape[axis] - 1)
        below = np.floor(at).astype(int)
        above = np.minimum(below + 1, mask.shape[axis] - 1)
        weight = np.expand_dims((at - below).astype(np.float32), tuple(a for a in range(3) if a != axis))
        low = np.take(share, below, axis)
        share = low + weight * (np.take(share, above, axis) - low)
        inside.append(slice(voxels[0], voxels[-1] + 1))
    fine[tuple(inside)] = share > 0.5
    return fine
