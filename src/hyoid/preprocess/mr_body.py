"""Where the patient is in an MR: the body outline without noise and ghosts around it."""

from __future__ import annotations

import cc3d
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from hyoid.geometry.resample import grid_with_spacing, resample
from hyoid.volume import Geometry, Quantity, Volume

_COARSE_MM = 4.0
_CLOSING_MM = 12.0  # fat that the pulse sequence suppresses is as dark as air


def mr_body(volume: Volume) -> NDArray[np.bool_]:
    """Find the voxels inside the patient's skin, good to about 4 mm; all false in an image without contrast to air.

    Otsu's threshold on the logarithm of the image at 4 mm, closed, largest part, holes filled slice by slice.

    Parameters
    ----------
    volume : Volume, MR
        Canonical orientation.

    Returns
    -------
    ndarray of bool, shape of `volume`
    """
    plain = Volume(volume.array, Geometry(volume.geometry.shape, volume.geometry.ijk_to_lps), volume.quantity)
    spacing = tuple(max(_COARSE_MM, s) for s in volume.geometry.spacing_mm)
    coarse = resample(plain.require(Quantity.MR), grid_with_spacing(plain.geometry, spacing))  # type: ignore[arg-type]
    values = coarse.array.astype(np.float64)
    values -= values.min()
    usual = float(np.quantile(values, 0.98))
    if usual <= 0:
        return np.zeros(volume.array.shape, bool)
    values = np.log1p(ndimage.gaussian_filter(values, 0.6) * (50 / usual))
    threshold = sitk.OtsuThresholdImageFilter()
    threshold.SetInsideValue(0)
    threshold.SetOutsideValue(1)
    bright = sitk.GetArrayFromImage(threshold.Execute(sitk.GetImageFromArray(values))) > 0
    reach = max(1, round(_CLOSING_MM / min(coarse.geometry.spacing_mm[1:])))
    padded = np.pad(bright, [(0, 0), (reach, reach), (reach, reach)])
    disc = np.hypot(*np.indices((2 * reach + 1,) * 2) - reach) <= reach
    closed = ndimage.binary_closing(padded, disc[None])[:, reach:-reach, reach:-reach]
    if not closed.any():
        return np.zeros(volume.array.shape, bool)
    body = cc3d.largest_k(closed.astype(np.uint8), k=1, connectivity=6) > 0
    for plane in body:
        plane[:] = ndimage.binary_fill_holes(plane)
    share = resample(coarse.with_array(body.astype(np.float32)), plain.geometry).array
    return np.asarray(share >= 0.5)
