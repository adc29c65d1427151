"""Structures cut out of label maps, and what two of them share; all in canonical order (slices feet to head)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from hyoid.anatomy.structures import Side
from hyoid.geometry.boxes import Box, box_of, crop_geometry, hull
from hyoid.metrics.lesions import side_of_lesion
from hyoid.report.content.schema import Region
from hyoid.volume import Geometry

_WELL_ASIDE_MM, _BOTH_SIDES_SHARE = 15.0, 0.1


@dataclass(frozen=True, eq=False)
class Patch:
    """Outline of one structure in the box it lies in; never empty.

    Parameters
    ----------
    words : str
        Name of the structure as a reader writes it.
    mask : ndarray of bool, shape (d, h, w)
        Voxels of the structure inside the box.
    box : Box
        Where `mask` lies in the full array.
    """

    words: str
    mask: NDArray[np.bool_]
    box: Box

    @property
    def voxels(self) -> int:
        """Number of voxels."""
        return int(np.count_nonzero(self.mask))


def cut_out(labels: NDArray[np.integer], words: Mapping[int, str]) -> dict[int, Patch]:
    """Cut out a patch for every label in `words` that has a voxel.

    Parameters
    ----------
    labels : ndarray of int, shape (D, H, W)
        Label map in canonical order.
    words : mapping of int to str
        Name of the structure of each label, as a reader writes it.
    """
    found = {}
    for label, slices in enumerate(ndimage.find_objects(labels), start=1):
        if slices is not None and label in words:
            found[label] = Patch(words[label], labels[slices] == label, box_of(slices))
    return found


def joined(words: str, patches: Iterable[Patch]) -> Patch | None:
    """Join patches to one; None when there is no patch."""
    parts = list(patches)
    if not parts:
        return None
    whole = hull(part.box for part in parts)
    mask = np.zeros(whole.shape, bool)
    for part in parts:
        mask[part.box.slices_from(whole.start)] |= part.mask
    return Patch(words, mask, whole)


def shared_part(first: Patch, second: Patch) -> Patch | None:
    """Cut out the voxels that two patches share, in the words of the first; None when the patches do not meet."""
    start = np.maximum(first.box.start, second.box.start)
    stop = np.minimum(first.box.stop, second.box.stop)
    if (start >= stop).any():
        return None
    box = Box(tuple(map(int, start)), tuple(map(int, stop)))  # type: ignore[arg-type]
    mask = first.mask[box.slices_from(first.box.start)] & second.mask[box.slices_from(second.box.start)]
    return Patch(first.words, mask, box) if mask.any() else None


def grown(patch: Patch, shape: tuple[int, int, int]) -> Patch:
    """Grow a patch by every voxel that touches it over a face, an edge or a corner."""
    box = patch.box.grown((1, 1, 1), shape)
    mask = np.zeros(box.shape, bool)
    mask[patch.box.slices_from(box.start)] = patch.mask
    return Patch(patch.words, ndimage.binary_dilation(mask, np.ones((3, 3, 3))), box)


def places_lps_mm(patch: Patch, geometry: Geometry) -> NDArray[np.float64]:
    """Give the voxel centres of a patch as LPS (x, y, z), mm, in the order of slices; shape (N, 3).

    Parameters
    ----------
    patch : Patch
        Structure or lesion.
    geometry : Geometry
        Grid that its box is counted on.
    """
    return crop_geometry(geometry, patch.box).to_lps(np.argwhere(patch.mask))


def centroid_lps_mm(patch: Patch, geometry: Geometry) -> NDArray[np.float64]:
    """Compute the mean of the voxel centres, (x, y, z) in LPS, mm."""
    return crop_geometry(geometry, patch.box).to_lps(np.argwhere(patch.mask).mean(axis=0))


def on_both_sides(patch: Patch, geometry: Geometry, midline_x_mm: float) -> bool:
    """Tell whether a tenth of the patch or more lies beyond 15 mm of the midline on each side.

    Then its centroid, which may lie a few millimetres off the midline, tells no side.
    """
    x = places_lps_mm(patch, geometry)[:, 0] - midline_x_mm
    return min((x > _WELL_ASIDE_MM).mean(), (x < -_WELL_ASIDE_MM).mean()) >= _BOTH_SIDES_SHARE


def sides_of(patch: Patch, geometry: Geometry, midline_x_mm: float) -> tuple[Side, ...]:
    """Tell right and left where a patch lies on both sides, else its side, or the midline."""
    if on_both_sides(patch, geometry, midline_x_mm):
        return (Side.RIGHT, Side.LEFT)
    return (side_of_lesion(places_lps_mm(patch, geometry)[:, 0], midline_x_mm),)


def extremes_lps_mm(patch: Patch, geometry: Geometry) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find the least and greatest (x, y, z) of the voxel centres, LPS, mm."""
    places = places_lps_mm(patch, geometry)
    return places.min(axis=0), places.max(axis=0)


def distance_mm(first: Patch, second: Patch, geometry: Geometry) -> float:
    """Measure the least distance between voxel centres of two patches."""
    places = [crop_geometry(geometry, p.box).to_lps(np.argwhere(_border(p.mask))) for p in (first, second)]
    if shared_part(first, second) is not None:
        return 0.0
    return float(cKDTree(places[0]).query(places[1])[0].min())


def region(patch: Patch, geometry: Geometry) -> Region:
    """Find where to look: the axial slice that holds most of the patch, and its voxel nearest to the middle there."""
    areas = patch.mask.sum(axis=(1, 2))
    # Of equally full slices the middle one.
    fullest = np.flatnonzero(areas == areas.max())
    plane = int(fullest[len(fullest) // 2])
    points = np.argwhere(patch.mask[plane])
    lengths = geometry.spacing_mm[1:]
    offsets = (points - points.mean(axis=0)) * lengths
    row, column = points[(offsets**2).sum(axis=1).argmin()]
    local = crop_geometry(geometry, patch.box)
    spans = [n * s for n, s in zip(patch.box.shape, geometry.spacing_mm, strict=True)]
    return Region(
        label=patch.words,
        voxels=patch.voxels,
        slice_index=patch.box.start[0] + plane,
        point_lps_mm=_point(local.to_lps((plane, row, column))),
        centroid_lps_mm=_point(centroid_lps_mm(patch, geometry)),
        box_mm=(round(spans[2], 3), round(spans[1], 3), round(spans[0], 3)),
    )


def _point(place: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (round(float(v), 3) for v in place)
    return x, y, z


def _border(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return mask & ~ndimage.binary_erosion(mask)
