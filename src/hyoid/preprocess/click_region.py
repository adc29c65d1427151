"""The part of a scan that the interactive network looks at: a cube around a click, as channels.

The same steps for training and for use; any modality.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyoid.geometry.boxes import Box, crop
from hyoid.geometry.resample import resample
from hyoid.preprocess.intensity import windowed_channels
from hyoid.volume import AIR_HU, Geometry, Quantity, Volume

# Of images that are not HU, what lies between these percentiles fills the range.
_PERCENTILES = (0.5, 99.5)
# A lesion that fills less of the region's edge than this is looked at again at the finest spacing.
SMALL_SHARE = 0.28


@dataclass(frozen=True)
class Region:
    """A cube of the patient.

    Parameters
    ----------
    centre_lps_mm : (x, y, z)
        Middle of the region, LPS mm.
    spacing_mm : float
        Of its voxels, alike along all axes.
    shape : (D, H, W)
        Number of slices, rows and columns.
    """

    centre_lps_mm: tuple[float, float, float]
    spacing_mm: float
    shape: tuple[int, int, int]

    def geometry(self, axes: Geometry, step: float = 1.0) -> Geometry:
        """Make the grid of the region along the axes of a scan.

        Parameters
        ----------
        axes : Geometry
            Whose directions and frame of reference the grid takes.
        step : float
            Voxels of the grid are so many times those of the region, over the same extent.
        """
        shape = tuple(round(n / step) for n in self.shape)
        matrix = np.eye(4)
        matrix[:3, :3] = axes.directions * self.spacing_mm * step
        matrix[:3, 3] = np.array(self.centre_lps_mm) - matrix[:3, :3] @ ((np.array(shape) - 1) / 2)
        return Geometry(shape, matrix, axes.frame_of_reference_uid)  # type: ignore[arg-type]


def spacing_in_use(extent_mm: float, usual_mm: float, spacings_mm: Sequence[float], edge: int) -> float:
    """Compute the spacing of the region in which a lesion is looked at.

    Parameters
    ----------
    extent_mm : float
        Longest edge of the box around the lesion.
    usual_mm : float
        Spacing when nothing is known of the size.
    spacings_mm : sequence of float
        Spacings that a region may take.
    edge : int
        Voxels along the shortest edge of a region.

    Examples
    --------
    >>> [spacing_in_use(mm, 2.5, (1.25, 2.5, 5.0), 48) for mm in (20, 80, 150, 900)]
    [1.25, 2.5, 5.0, 5.0]
    """
    if extent_mm < SMALL_SHARE * usual_mm * edge:
        return min(spacings_mm)
    return min((s for s in spacings_mm if s >= usual_mm and s * edge > extent_mm), default=max(spacings_mm))


def region_values(volume: Volume, region: Region) -> Volume:
    """Read the values of a scan on the voxels of a region; beyond the scan, its lowest value (air in a CT)."""
    grid = region.geometry(volume.geometry)
    outside = float(AIR_HU) if volume.quantity is Quantity.HU else float(volume.array.min())
    box = _box_around(volume.geometry, grid)
    if box is None:
        return Volume(np.full(grid.shape, outside, np.float32), grid, volume.quantity)
    return resample(crop(volume, box), grid, outside=outside)


def region_channels(
    values: NDArray, quantity: Quantity, windows_hu: Sequence[tuple[float, float]]
) -> NDArray[np.float32]:
    """Make the network input (channels, D, H, W), about -1..1.

    Parameters
    ----------
    values : ndarray, shape (D, H, W)
        Grey values of the region.
    quantity : Quantity
        HU is windowed; anything else is scaled between its percentiles, alike in all channels.
    windows_hu : sequence of (low, high)
        Ends of each channel's window, HU.
    """
    if quantity is Quantity.HU:
        return windowed_channels(values, windows_hu)
    low, high = np.percentile(values, _PERCENTILES)
    scaled = (values.astype(np.float32) - low) * (2 / max(float(high - low), 1e-6)) - 1
    return np.repeat(np.clip(scaled, -1, 1)[None], len(windows_hu), axis=0).astype(np.float32)


def box_on(geometry: Geometry, region: Region) -> Box | None:
    """Find the voxels of a grid whose centres may lie in a region; None when it lies beside the grid."""
    return _box_around(geometry, region.geometry(geometry))


def _box_around(geometry: Geometry, grid: Geometry) -> Box | None:
    """Part of `geometry` that holds `grid`, with what interpolation and smoothing need around it."""
    corners = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in grid.shape], indexing="ij")).reshape(3, -1).T
    at = geometry.to_ijk(grid.to_lps(corners))
    margin = 2 + np.ceil(np.array(grid.spacing_mm) / geometry.spacing_mm)
    start = np.maximum(np.floor(at.min(axis=0) - margin), 0).astype(int)
    stop = np.minimum(np.ceil(at.max(axis=0) + margin) + 1, geometry.shape).astype(int)
    if np.any(stop <= start):
        return None
    return Box(tuple(start.tolist()), tuple(stop.tolist()))
