"""Masks of structures, each kept only in the box that it fills."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hyoid.errors import GeometryError, OutputError, UsageError
from hyoid.geometry.boxes import Box, bounding_box, crop_geometry
from hyoid.geometry.resample import resample
from hyoid.volume import Geometry, Quantity, Volume


@dataclass(frozen=True)
class Written:
    """What a writer of masks wrote.

    Parameters
    ----------
    labels : tuple of int
        Structures in the file.
    empty : tuple of int
        Structures that were asked for and have no voxel; they are not in the file.
    """

    labels: tuple[int, ...]
    empty: tuple[int, ...]


def boxed(
    masks: Volume | Mapping[int, NDArray[np.bool_]], geometry: Geometry | None = None
) -> tuple[dict[int, Volume], tuple[int, ...]]:
    """Each structure as a boolean volume cut to its box, and the labels of empty ones.

    Parameters
    ----------
    masks : label Volume, or mapping of label to boolean array on `geometry`
    geometry : Geometry, optional
        Needed for a mapping.

    Raises
    ------
    GeometryError
        When a mapping comes without geometry, or a mask has another shape.

    Examples
    --------
    >>> labels = np.zeros((2, 2, 2), np.uint8); labels[1, 0, 1] = 5
    >>> found, empty = boxed(Volume(labels, Geometry.axial((2, 2, 2), (1, 1, 1)), Quantity.LABEL))
    >>> found[5].array.shape, found[5].geometry.origin_lps_mm.tolist(), empty
    ((1, 1, 1), [1.0, 0.0, 1.0], ())
    """
    if isinstance(masks, Volume):
        masks.require(Quantity.LABEL)
        places = ndimage.find_objects(masks.array.astype(np.uint16, copy=False))
        cuts = {n + 1: (place, masks.array[place] == n + 1) for n, place in enumerate(places) if place is not None}
        boxes = {n: Box(tuple(s.start for s in p), tuple(s.stop for s in p)) for n, (p, _) in cuts.items()}
        return {n: _volume(cuts[n][1], masks.geometry, box) for n, box in boxes.items()}, ()
    if geometry is None:
        raise GeometryError("Masks were given without the grid they lie on.", "Give the geometry too.")
    found, empty = {}, []
    for label, mask in sorted(masks.items()):
        if mask.shape != geometry.shape:
            raise GeometryError(
                f"The mask of label {label} has shape {mask.shape}, its grid {geometry.shape}.", "Use one grid."
            )
        box = bounding_box(mask)
        if box is None:
            empty.append(label)
        else:
            found[label] = _volume(mask[box.slices].astype(bool), geometry, box)
    return found, tuple(empty)


def to_write(
    masks: Volume | Mapping[int, NDArray[np.bool_]], geometry: Geometry | None, structures: Container[int]
) -> tuple[dict[int, Volume], tuple[int, ...], Geometry]:
    """As `boxed`, with the grid, for a file whose structures must all have names.

    Raises
    ------
    UsageError
        When a label is not in the table of structures.
    OutputError
        When all masks are empty.
    """
    found, empty = boxed(masks, geometry)
    grid = masks.geometry if isinstance(masks, Volume) else geometry
    if unknown := sorted(label for label in found if label not in structures):
        raise UsageError(f"Labels {unknown} name no structure.", "Use the labels of hyoid.anatomy.structures.")
    if not found or grid is None:
        raise OutputError("There is nothing to write: all masks are empty.", "See the report for the reason.")
    return found, empty, grid


def on_grid(mask: Volume, geometry: Geometry) -> NDArray[np.bool_]:
    """Boolean mask on another grid: moved where the grids share their lattice, else the nearest voxel.

    Parameters
    ----------
    mask : Volume
        Boolean.
    geometry : Geometry

    Raises
    ------
    GeometryError
        When the frames of reference differ.
    """
    start = shared_lattice(mask.geometry, geometry)
    if start is None:
        moved = resample(Volume(mask.array.astype(np.uint8), mask.geometry, Quantity.LABEL), geometry)
        return moved.array.astype(bool)
    full = np.zeros(geometry.shape, bool)
    into, out_of = [], []
    for first, length, limit in zip(start, mask.array.shape, geometry.shape, strict=True):
        low, high = max(0, first), min(limit, first + length)
        into.append(slice(low, max(low, high)))
        out_of.append(slice(low - first, max(low, high) - first))
    full[tuple(into)] = mask.array[tuple(out_of)]
    return full


def shared_lattice(part: Geometry, whole: Geometry) -> tuple[int, int, int] | None:
    """Index in `whole` of the first voxel of `part`, if both share axes and whole-voxel offset; else None."""
    frames = part.frame_of_reference_uid, whole.frame_of_reference_uid
    if all(frames) and frames[0] != frames[1]:
        return None
    if not np.allclose(part.ijk_to_lps[:3, :3], whole.ijk_to_lps[:3, :3], rtol=1e-4, atol=1e-4):
        return None
    at = whole.to_ijk(part.origin_lps_mm)
    start = np.rint(at)
    if np.abs((at - start) * whole.spacing_mm).max() > 0.01:
        return None
    d, h, w = start.astype(int).tolist()
    return d, h, w


def _volume(mask: NDArray[np.bool_], geometry: Geometry, box: Box) -> Volume:
    return Volume(mask, crop_geometry(geometry, box), Quantity.LABEL)
