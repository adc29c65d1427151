"""Masks of structures, each kept only in the box that it fills."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hyoid.anatomy.structures import BY_LABEL, Structure
from hyoid.errors import GeometryError, OutputError, UsageError
from hyoid.geometry.boxes import Box, bounding_box, box_of, crop_geometry
from hyoid.geometry.resample import resample
from hyoid.provenance import Provenance
from hyoid.volume import Geometry, Quantity, Volume


@dataclass(frozen=True, eq=False)
class Outline:
    """Structure as it leaves hyoid: where it is, what it is, who drew it.

    Outlines of one file may overlap.

    Parameters
    ----------
    structure : Structure
        Label and name are unique in a file; several lesions get a structure each.
    mask : Volume
        Boolean, on the grid of the file or any box of it.
    provenance : Provenance
        Reader, network or program that drew the outline.
    note : str
        What a reader of the file must know of this outline, such as a volume outside the plausible range.
    """

    structure: Structure
    mask: Volume
    provenance: Provenance
    note: str = ""


Masks = Volume | Mapping[int, NDArray[np.bool_]] | Sequence[Outline]
"""What writers take: outlines; or a label map, or arrays by label, all of one provenance."""


@dataclass(frozen=True)
class Written:
    """Record of what a writer of masks wrote.

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
    """Cut each structure to its box as a boolean volume, and list the labels of empty ones.

    Parameters
    ----------
    masks : label Volume, or mapping of label to boolean array on `geometry`
        Structures by label; in a label map 0 is background.
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
        boxes = {n: box_of(place) for n, (place, _) in cuts.items()}
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


def outlines_of(
    masks: Volume | Mapping[int, NDArray[np.bool_]],
    provenance: Provenance | Mapping[int, Provenance],
    geometry: Geometry | None = None,
    *,
    structures: Mapping[int, Structure] = BY_LABEL,
    notes: Mapping[int, str] | None = None,
) -> tuple[Outline, ...]:
    """Make an outline of every structure in a label map that has a voxel; several maps are joined by `+`.

    Parameters
    ----------
    masks : label Volume, or mapping of label to boolean array
        Structures by label; in a label map 0 is background.
    provenance : Provenance, or mapping of label to Provenance
        Who drew all structures, or each by label.
    geometry : Geometry, optional
        Grid of the arrays in a mapping.
    structures : mapping of int to Structure
        What the labels mean.
    notes : mapping of int to str, optional
        `Outline.note` of labels.

    Raises
    ------
    UsageError
        When a label is not in the table of structures.
    GeometryError
        As `boxed`.
    """
    found, _ = boxed(masks, geometry)
    if unknown := sorted(label for label in found if label not in structures):
        raise UsageError(f"Labels {unknown} name no structure.", "Use the labels of hyoid.anatomy.structures.")
    return tuple(
        Outline(
            structures[label],
            mask,
            provenance if isinstance(provenance, Provenance) else provenance[label],
            (notes or {}).get(label, ""),
        )
        for label, mask in found.items()
    )


def to_write(
    masks: Masks, geometry: Geometry | None, structures: Mapping[int, Structure], provenance: Provenance
) -> tuple[tuple[Outline, ...], tuple[int, ...], Geometry]:
    """Gather outlines in the order of labels, each cut to its box; labels of empty ones; and the grid of the file.

    Parameters
    ----------
    masks : Masks
        Outlines, or a label map, or boolean arrays by label.
    geometry : Geometry, optional
        Grid of the file; needed for arrays, and for outlines that lie on boxes of it.
    structures : mapping of int to Structure
        What the labels of a label map or of arrays mean.
    provenance : Provenance
        Who drew a label map or arrays; outlines say so themselves.

    Raises
    ------
    UsageError
        When a label names no structure, or two outlines share a label or a name.
    GeometryError
        When the grid is not known.
    OutputError
        When all masks are empty.
    """
    if isinstance(masks, Volume | Mapping):
        _, empty = boxed(masks, geometry)
        found = outlines_of(masks, provenance, geometry, structures=structures)
        grid = masks.geometry if isinstance(masks, Volume) else geometry
    else:
        found, empty, grid = _filled(masks, geometry)
    if not found or grid is None:
        raise OutputError("There is nothing to write: all masks are empty.", "See the report for the reason.")
    return tuple(sorted(found, key=lambda outline: outline.structure.label)), empty, grid


def _filled(
    outlines: Sequence[Outline], geometry: Geometry | None
) -> tuple[tuple[Outline, ...], tuple[int, ...], Geometry | None]:
    """Outlines that have voxels, cut to their boxes, and the labels of the others."""
    for what in ("label", "name"):
        values = [getattr(outline.structure, what) for outline in outlines]
        if twice := sorted({str(value) for value in values if values.count(value) > 1}):
            raise UsageError(
                f"Several outlines share the {what} {', '.join(twice)}.", "Give every outline a structure of its own."
            )
    grids = [outline.mask.geometry for outline in outlines]
    if geometry is None and any(not grid.same_grid(grids[0]) for grid in grids[1:]):
        raise GeometryError("Outlines lie on boxes, and the grid of the file is not said.", "Give the geometry too.")
    found, empty = [], []
    for outline in outlines:
        box = bounding_box(outline.mask.array)
        if box is None:
            empty.append(outline.structure.label)
        else:
            cut = _volume(outline.mask.array[box.slices].astype(bool), outline.mask.geometry, box)
            found.append(replace(outline, mask=cut))
    return tuple(found), tuple(sorted(empty)), geometry or (grids[0] if grids else None)


def digest(mask: Volume) -> str:
    """Hash a boolean mask and where it lies with SHA-256, the same whatever box the mask is cut to."""
    box = bounding_box(mask.array)
    if box is None:
        return "empty"
    place = crop_geometry(mask.geometry, box).ijk_to_lps.round(4) + 0.0
    packed = np.packbits(mask.array[box.slices].astype(bool))
    return hashlib.sha256(repr((box.shape, place.tolist())).encode() + packed.tobytes()).hexdigest()


def on_grid(mask: Volume, geometry: Geometry) -> NDArray[np.bool_]:
    """Bring a boolean mask onto another grid: moved where the grids share their lattice, else the nearest voxel.

    Parameters
    ----------
    mask : Volume
        Boolean mask, on a grid of its own.
    geometry : Geometry
        Grid to bring the mask onto.

    Raises
    ------
    GeometryError
        When the frames of reference differ.
    """
    start = shared_lattice(mask.geometry, geometry)
    if start is None and _is_sheared(mask.geometry):
        return _straightened(mask, geometry)
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
    """Find the index in `whole` of the first voxel of `part`, if axes agree and offsets are whole voxels; else None."""
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


def straight(geometry: Geometry) -> Geometry:
    """Make a grid whose slices lie above one another: that of a tilted acquisition with its shear taken out."""
    if not _is_sheared(geometry):
        return geometry
    matrix = geometry.ijk_to_lps.copy()
    normal = np.cross(geometry.directions[:, 1], geometry.directions[:, 2])
    matrix[:3, 0] = normal * float(normal @ matrix[:3, 0])
    return Geometry(geometry.shape, matrix, geometry.frame_of_reference_uid)


def _is_sheared(geometry: Geometry) -> bool:
    """Whether slices are shifted against each other, as on a tilted gantry."""
    return float(np.abs(geometry.directions.T @ geometry.directions - np.eye(3)).max()) > 1e-4


def _straightened(mask: Volume, geometry: Geometry) -> NDArray[np.bool_]:
    """Sheared mask on another grid, nearest voxel."""
    frames = mask.geometry.frame_of_reference_uid, geometry.frame_of_reference_uid
    if all(frames) and frames[0] != frames[1]:
        raise GeometryError(
            "The outlines were drawn in another frame of reference than the scan.",
            "Give the outlines of this scan, or register them first.",
        )
    full = np.zeros(geometry.shape, bool)
    corners = np.array(list(np.ndindex(2, 2, 2))) * np.array(mask.array.shape) - 0.5
    place = geometry.to_ijk(mask.geometry.to_lps(corners))
    low = np.maximum(np.floor(place.min(axis=0)) - 1, 0).astype(int)
    high = np.minimum(np.ceil(place.max(axis=0)) + 2, geometry.shape).astype(int)
    if (low >= high).any():
        return full
    to_mask = np.linalg.inv(mask.geometry.ijk_to_lps) @ geometry.ijk_to_lps
    part = ndimage.affine_transform(
        mask.array.astype(np.uint8),
        to_mask[:3, :3],
        to_mask[:3, :3] @ low + to_mask[:3, 3],
        tuple((high - low).tolist()),
        order=0,
        # "constant" would lose voxels whose centres rounding puts a hair beyond the border.
        mode="grid-constant",
    )
    full[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = part > 0
    return full


def _volume(mask: NDArray[np.bool_], geometry: Geometry, box: Box) -> Volume:
    return Volume(mask, crop_geometry(geometry, box), Quantity.LABEL)
