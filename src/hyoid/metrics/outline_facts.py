"""Volume, place and shape of an outlined structure: what plausibility is judged by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hyoid.anatomy.plausibility import OutlineFacts
from hyoid.geometry.boxes import bounding_box
from hyoid.volume import Geometry, Volume


def outline_facts(mask: Volume, scan: Geometry, mandible_lps_mm: NDArray[np.float64] | None) -> OutlineFacts | None:
    """Measure an outline; None for an empty one.

    Parameters
    ----------
    mask : Volume, bool
        On the grid of the scan, or on a box of that grid.
    scan : Geometry
        Grid of the scan; its slices are axial.
    mandible_lps_mm : ndarray, shape (3,), or None
        Centroid of the mandible, (x, y, z) in LPS, mm; None where the mandible is not outlined.

    Examples
    --------
    >>> from hyoid.volume import Quantity
    >>> grid = Geometry.axial((4, 4, 4), (10, 10, 10))
    >>> mask = np.zeros((4, 4, 4), bool); mask[1:3, 1, 1:3] = True
    >>> outline_facts(Volume(mask, grid, Quantity.LABEL), grid, np.array([15.0, 10.0, 5.0]))
    OutlineFacts(volume_ml=4.0, offset_mm=(0.0, 0.0, 10.0), fill=1.0, cut=False)
    """
    box = bounding_box(mask.array)
    if box is None:
        return None
    part = mask.array[box.slices]
    voxels = int(part.sum())
    offset = None
    if mandible_lps_mm is not None:
        x, y, z = (centroid_lps_mm(mask) - mandible_lps_mm).round(2).tolist()
        offset = (x, y, z)
    first = box.start[0] + round(float(scan.to_ijk(mask.geometry.origin_lps_mm)[0]))
    cut = first == 0 or first + part.shape[0] == scan.shape[0]
    return OutlineFacts(round(voxels * scan.voxel_ml, 4), offset, voxels / part.size, cut)


def centroid_lps_mm(mask: Volume) -> NDArray[np.float64]:
    """Find the centroid of a mask that is not empty, (x, y, z) in LPS, mm.

    Parameters
    ----------
    mask : Volume, bool
        On its own grid.
    """
    # Sums along two axes at a time: coordinates of every voxel of an organ take far more memory.
    profiles = [np.count_nonzero(mask.array, axis=tuple(b for b in range(3) if b != a)) for a in range(3)]
    centre = [float(np.average(np.arange(len(profile)), weights=profile)) for profile in profiles]
    return mask.geometry.to_lps(centre)
