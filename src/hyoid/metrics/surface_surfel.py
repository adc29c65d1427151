"""Surface distances in the surfel family (DeepMind's surface-distance).

Element: one surfel at every corner where a 2x2x2 neighbourhood is neither empty nor full, with the area of the surface
that passes through it. HD95 is the larger of two area-weighted directional percentiles; means and the surface Dice are
area-weighted too.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hyoid.metrics.borders import checked_spacing, cropped_and_padded, nearest_distances_mm

_BIT = np.array([[[128, 64], [32, 16]], [[8, 4], [2, 1]]])

# Triangles of marching cubes in the eight-voxel neighbourhoods, one per class under flips, axis permutations and
# complement: neighbourhood code -> area vectors of the triangles, in eighths of a voxel face. From the table of
# google-deepmind/surface-distance (Apache-2.0; Nikolov et al. 2018, arXiv:1809.04430), folded by symmetry.
_TRIANGLES: dict[int, tuple[tuple[int, int, int], ...]] = {
    1: ((1, 1, 1),),
    3: ((2, 2, 0), (2, 2, 0)),
    6: ((1, 1, 1), (1, 1, 1)),
    7: ((4, 0, 0), (2, 2, 2), (1, 1, 1)),
    15: ((4, 0, 0), (4, 0, 0)),
    22: ((1, 1, 1), (1, 1, 1), (1, 1, 1)),
    23: ((1, 1, 1), (2, 2, 2), (2, 2, 2), (1, 1, 1)),
    24: ((1, 1, 1), (1, 1, 1)),
    25: ((0, 2, 2), (0, 2, 2), (1, 1, 1)),
    27: ((1, 1, 1), (3, 3, 3), (0, 2, 2), (2, 0, 2)),
    30: ((4, 0, 0), (1, 1, 1), (2, 2, 2), (1, 1, 1)),
    60: ((2, 2, 0), (2, 2, 0), (2, 2, 0), (2, 2, 0)),
    105: ((1, 1, 1), (1, 1, 1), (1, 1, 1), (1, 1, 1)),
}


@dataclass(frozen=True, eq=False)
class SurfelDistances:
    """Distances between the surfels of two masks (mm), ascending, with the area of each surfel (mm^2).

    Parameters
    ----------
    reference_to_prediction_mm, reference_areas_mm2 : ndarray, shape (surfels of the reference,)
        Distance of each surfel of the reference to the other surface, mm, and its area, mm^2.
    prediction_to_reference_mm, prediction_areas_mm2 : ndarray, shape (surfels of the prediction,)
        Distance of each surfel of the prediction to the other surface, mm, and its area, mm^2.
    """

    reference_to_prediction_mm: np.ndarray
    reference_areas_mm2: np.ndarray
    prediction_to_reference_mm: np.ndarray
    prediction_areas_mm2: np.ndarray

    @property
    def both_empty(self) -> bool:
        """Neither mask has a surface."""
        return not self.reference_areas_mm2.size and not self.prediction_areas_mm2.size

    @property
    def one_empty(self) -> bool:
        """Exactly one mask has a surface."""
        return bool(self.reference_areas_mm2.size) != bool(self.prediction_areas_mm2.size)


def surfel_distances(reference: np.ndarray, prediction: np.ndarray, spacing_mm: Sequence[float]) -> SurfelDistances:
    """Compute the distance of every surfel to the other mask's surface.

    Parameters
    ----------
    reference, prediction : ndarray of bool, shape (D, H, W)
        True and predicted mask, on one grid.
    spacing_mm : (slice, row, column)
        Distance between voxel centres, mm.

    Raises
    ------
    GeometryError
        When the masks are not on one grid, or the spacing is not three positive lengths.
    """
    d, h, w = (float(s) for s in checked_spacing(spacing_mm))
    masks = cropped_and_padded(reference, prediction)
    if masks is None:
        return SurfelDistances(*(np.zeros(0) for _ in range(4)))
    codes = [neighbour_codes(mask) for mask in masks]
    surfaces = [(code != 0) & (code != 255) for code in codes]
    areas = [surfel_areas_mm2((d, h, w))[code[surface]] for code, surface in zip(codes, surfaces, strict=True)]
    there = nearest_distances_mm(surfaces[0], surfaces[1], spacing_mm)
    back = nearest_distances_mm(surfaces[1], surfaces[0], spacing_mm)
    there_order, back_order = np.argsort(there, kind="stable"), np.argsort(back, kind="stable")
    return SurfelDistances(there[there_order], areas[0][there_order], back[back_order], areas[1][back_order])


def neighbour_codes(mask: np.ndarray) -> np.ndarray:
    """Find the eight bits per corner, one for each of the voxels around it, shape (D - 1, H - 1, W - 1)."""
    codes = np.zeros([n - 1 for n in mask.shape], dtype=np.uint8)
    for corner in itertools.product((0, 1), repeat=3):
        window = tuple(slice(c, n - 1 + c) for c, n in zip(corner, mask.shape, strict=True))
        codes |= mask[window].astype(np.uint8) * np.uint8(_BIT[corner])
    return codes


@lru_cache(maxsize=64)
def surfel_areas_mm2(spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """Compute the area of the surface in each of the 256 neighbourhoods, mm^2, shape (256,).

    Examples
    --------
    A flat surface passes through four voxels of 2 x 3 mm:

    >>> float(surfel_areas_mm2((1.0, 2.0, 3.0))[15])
    6.0
    """
    d, h, w = spacing_mm
    face_mm2 = np.array([h * w, d * w, d * h])
    areas = np.zeros(256)
    for code, triangles in _TRIANGLES.items():
        neighbourhood = (code & _BIT) > 0
        for axes in itertools.permutations(range(3)):
            area = float(np.linalg.norm(np.array(triangles)[:, axes] / 8 * face_mm2, axis=1).sum())
            for flips in itertools.product((False, True), repeat=3):
                turned = np.flip(neighbourhood.transpose(axes), tuple(a for a in range(3) if flips[a]))
                turned_code = int(_BIT[turned].sum())
                areas[turned_code] = areas[255 - turned_code] = area
    areas.setflags(write=False)
    return areas


def hd95_surfel(distances: SurfelDistances) -> float | None:
    """Compute the 95 % Hausdorff distance (mm): the larger of two area-weighted directional 95th percentiles.

    Infinite when one mask is empty, None when both are.
    """
    if distances.both_empty:
        return None
    if distances.one_empty:
        return float("inf")
    return max(
        _weighted_percentile(distances.reference_to_prediction_mm, distances.reference_areas_mm2, 95),
        _weighted_percentile(distances.prediction_to_reference_mm, distances.prediction_areas_mm2, 95),
    )


def mean_surfel(distances: SurfelDistances) -> tuple[float, float] | None:
    """Compute the area-weighted mean distances (mm): reference to prediction, prediction to reference.

    Both infinite when one mask is empty, None when both are.
    """
    if distances.both_empty:
        return None
    if distances.one_empty:
        return float("inf"), float("inf")
    return (
        float(np.average(distances.reference_to_prediction_mm, weights=distances.reference_areas_mm2)),
        float(np.average(distances.prediction_to_reference_mm, weights=distances.prediction_areas_mm2)),
    )


def surface_dice(distances: SurfelDistances, tolerance_mm: float) -> float | None:
    """Compute the share of the area of both surfaces that lies within the tolerance of the other, 0..1.

    0 when one mask is empty, None when both are.

    Parameters
    ----------
    distances : SurfelDistances
        Distances and areas of both surfaces.
    tolerance_mm : float
        A distance equal to it still counts as within.
    """
    if distances.both_empty:
        return None
    within = (
        distances.reference_areas_mm2[distances.reference_to_prediction_mm <= tolerance_mm].sum()
        + distances.prediction_areas_mm2[distances.prediction_to_reference_mm <= tolerance_mm].sum()
    )
    return float(within / (distances.reference_areas_mm2.sum() + distances.prediction_areas_mm2.sum()))


def _weighted_percentile(distances_mm: np.ndarray, areas_mm2: np.ndarray, percent: float) -> float:
    """First distance at which the share of the area reaches the percentage."""
    share = np.cumsum(areas_mm2) / areas_mm2.sum()
    index = int(np.searchsorted(share, percent / 100.0))
    return float(distances_mm[min(index, len(distances_mm) - 1)])
