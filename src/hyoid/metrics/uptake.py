"""Uptake of a lesion on FDG PET: SUVmax, metabolic tumour volume, total lesion glycolysis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SHARE_OF_MAX = 0.41
"""Of SUVmax, the border of the metabolic volume (EANM procedure guideline 2.0, Boellaard et al. 2015)."""


@dataclass(frozen=True)
class Uptake:
    """Numbers of one lesion.

    Parameters
    ----------
    suv_max, suv_mean : float
        Over the outline.
    mtv_ml : float
        Volume inside the outline at or above 41 % of SUVmax.
    tlg_g : float
        Mean SUV of that volume times the volume (SUV is g/mL, so this is g).
    """

    suv_max: float
    suv_mean: float
    mtv_ml: float
    tlg_g: float


def measure_uptake(suv: NDArray, mask: NDArray[np.bool_], voxel_ml: float) -> Uptake | None:
    """Measure the uptake inside an outline; None for an empty one.

    Parameters
    ----------
    suv : ndarray, shape (D, H, W)
        Nearest PET voxel at every voxel of the mask's grid, so that the maximum is a measured value.
    mask : ndarray of bool, same shape
        One lesion.
    voxel_ml : float
        Volume of one voxel, mL.

    Examples
    --------
    >>> measure_uptake(np.array([[[10.0, 5.0, 4.0]]]), np.ones((1, 1, 3), bool), voxel_ml=2.0)
    Uptake(suv_max=10.0, suv_mean=6.333333333333333, mtv_ml=4.0, tlg_g=30.0)
    """
    values = suv[mask]
    if not values.size:
        return None
    highest = float(values.max())
    hot = values[values >= SHARE_OF_MAX * highest]
    volume_ml = float(hot.size * voxel_ml)
    return Uptake(highest, float(values.mean()), volume_ml, float(hot.mean() * volume_ml))
