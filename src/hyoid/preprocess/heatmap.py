"""Tumour probability -> cuboids -> Gaussian heatmap (SGRNet, section 4.3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cc3d
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Cuboid:
    """Axis-aligned box around one component.

    Parameters
    ----------
    centre_ijk : tuple of float
        Centre of mass of the component, (slice, row, column).
    extent_ijk : tuple of int
        Edge lengths in voxels.
    volume_ml : float
        Volume of the part inside the cuboid, mL.
    """

    centre_ijk: tuple[float, float, float]
    extent_ijk: tuple[int, int, int]
    volume_ml: float


def cuboids(
    probability: NDArray, spacing_mm: tuple[float, float, float], *, threshold: float = 0.5, min_volume_ml: float = 1.0
) -> tuple[Cuboid, ...]:
    """Find the components of the thresholded map, largest first; components below `min_volume_ml` are dropped.

    Parameters
    ----------
    probability : ndarray, shape (D, H, W), 0..1
        Probability of tumour.
    spacing_mm : (slice, row, column)
        Distance between voxel centres, mm.
    threshold : float
        Probability from which a voxel counts.
    min_volume_ml : float
        Smaller parts are left out, mL.

    Examples
    --------
    >>> p = np.zeros((5, 5, 5)); p[1:4, 2, 2] = 1
    >>> cuboids(p, (10.0, 10.0, 10.0))
    (Cuboid(centre_ijk=(2.0, 2.0, 2.0), extent_ijk=(3, 1, 1), volume_ml=3.0),)
    """
    components = cc3d.connected_components(probability >= threshold, connectivity=26)
    statistics = cc3d.statistics(components)
    voxel_ml = float(np.prod(spacing_mm)) / 1000.0
    found = []
    for label in range(1, len(statistics["voxel_counts"])):
        volume_ml = float(statistics["voxel_counts"][label]) * voxel_ml
        if volume_ml < min_volume_ml:
            continue
        d, h, w = (int(s.stop - s.start) for s in statistics["bounding_boxes"][label])
        z, y, x = (float(c) for c in statistics["centroids"][label])
        found.append(Cuboid((z, y, x), (d, h, w), volume_ml))
    return tuple(sorted(found, key=lambda c: -c.volume_ml))


def gaussian_heatmap(
    shape: tuple[int, int, int], boxes: Sequence[Cuboid], *, sigma_per_extent: float = 0.25
) -> NDArray[np.float32]:
    """Draw a Gaussian at every cuboid, sigma proportional to its edges; several are combined by maximum.

    Parameters
    ----------
    shape : (D, H, W)
        Number of slices, rows and columns.
    boxes : sequence of Cuboid
        One cuboid per part.
    sigma_per_extent : float
        Sigma over edge length along each axis. The paper states proportionality and no factor; a quarter puts the
        faces of the box at two sigma.

    Returns
    -------
    ndarray, shape (D, H, W), float32, 0..1; zeros without a cuboid

    Notes
    -----
    G = exp(-sum_a (x_a - mu_a)^2 / (2 sigma_a^2)), section 4.3.2.
    """
    heat = np.zeros(shape, np.float32)
    for box in boxes:
        profiles = [
            np.exp(-0.5 * ((np.arange(n) - c) / (sigma_per_extent * e)) ** 2).astype(np.float32)
            for n, c, e in zip(shape, box.centre_ijk, box.extent_ijk, strict=True)
        ]
        one = profiles[0][:, None, None] * profiles[1][None, :, None] * profiles[2][None, None, :]
        np.maximum(heat, one, out=heat)
    return heat
