"""Cut or pad a volume to a fixed number of voxels around a point of the patient."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hyoid.volume import Geometry, Volume


def centred(volume: Volume, centre_lps_mm: NDArray, shape: tuple[int, int, int], *, outside: float) -> Volume:
    """Cut out the box of `shape` voxels whose middle is nearest to a point; beyond the volume it is `outside`.

    Parameters
    ----------
    volume : Volume
        Volume to crop or pad.
    centre_lps_mm : array_like, shape (3,)
        Middle of the result, LPS mm.
    shape : (D, H, W)
        Number of slices, rows and columns.
    outside : float
        Value beyond the volume.

    Examples
    --------
    >>> from hyoid.volume import Quantity
    >>> v = Volume(np.arange(27.0).reshape(3, 3, 3), Geometry.axial((3, 3, 3), (1, 1, 1)), Quantity.HU)
    >>> centred(v, np.array([1.0, 1.0, 2.0]), (1, 1, 3), outside=-1).array.ravel().tolist()
    [21.0, 22.0, 23.0]
    """
    middle = (np.array(shape) - 1) / 2
    start = np.floor(volume.geometry.to_ijk(centre_lps_mm) - middle + 0.5).astype(int)
    out = np.full(shape, outside, volume.array.dtype)
    source, target = [], []
    for first, n_out, n_in in zip(start, shape, volume.array.shape, strict=True):
        low, high = max(0, first), min(n_in, first + n_out)
        source.append(slice(low, max(low, high)))
        target.append(slice(low - first, max(low, high) - first))
    out[tuple(target)] = volume.array[tuple(source)]
    matrix = volume.geometry.ijk_to_lps.copy()
    matrix[:3, 3] = volume.geometry.to_lps(start)
    return Volume(out, Geometry(shape, matrix, volume.geometry.frame_of_reference_uid), volume.quantity)
