"""A scan on a network's grid: the same steps for training and for use."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from hyoid.errors import UnsuitableScanError
from hyoid.geometry.boxes import bounding_box, crop
from hyoid.geometry.resample import grid_with_spacing, resample
from hyoid.preprocess.body import body_mask
from hyoid.volume import AIR_HU, Quantity, Volume


def body_on_grid(ct: Volume, spacing_mm: tuple[float, float, float]) -> Volume:
    """Bring the scan to another spacing, cut to the patient, with table and air around the patient set to -1024 HU.

    Parameters
    ----------
    ct : Volume
        HU, canonical orientation.
    spacing_mm : (slice, row, column)
        Distance between voxel centres, mm.

    Raises
    ------
    UnsuitableScanError
        When there is no patient in the scan.
    """
    coarse = resample(ct.require(Quantity.HU), grid_with_spacing(ct.geometry, spacing_mm), outside=AIR_HU)
    # Two voxels of skin are kept, so that the surface looks as it does in the scan.
    body = ndimage.binary_dilation(body_mask(coarse), iterations=2)
    box = bounding_box(body)
    if box is None:
        raise UnsuitableScanError("The scan holds no patient, only air.", "Choose the CT series of the patient.")
    cleaned = coarse.with_array(np.where(body, coarse.array, np.float32(AIR_HU)))
    return crop(cleaned, box)
