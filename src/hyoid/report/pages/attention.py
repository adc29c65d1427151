"""Where a classifier looked: its attention beside the masks, and as a small picture at the line it supports."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from hyoid.anatomy.structures import BY_NAME, structure_mask
from hyoid.io.files.volumes import write_nifti
from hyoid.report.content.involvement import ORGANS_OF_FIELD
from hyoid.report.content.schema import Line
from hyoid.report.pages.figures import Backdrop, axial_pixels
from hyoid.volume import Volume

THUMBNAIL = 190  # edge of a picture, in pixels
FOLDER = "attention"
SHARED = "all-fields"  # name of the file when one map serves every field
_STRONGEST = 0.65  # opacity where attention is highest
_COLOUR = np.array((255, 120, 0), np.float32)
_QUALITY = 80


@dataclass(frozen=True, eq=False)
class Attention:
    """Attention of a classifier on its own coarse grid.

    Parameters
    ----------
    maps : mapping of str to Volume
        Attention by field that the classifier answers.
    shared : bool
        The network has one map for all fields, so every field's is the same.
    words : str
        What the map of a field is, for its caption.
    """

    maps: Mapping[str, Volume]
    shared: bool
    words: str = "attention for this field"


@dataclass(frozen=True)
class Look:
    """Picture of one field's attention.

    Parameters
    ----------
    jpeg : bytes
        Axial slice with the attention laid over it.
    words, alt : str
        Caption, and what the picture shows for those who do not see it.
    """

    jpeg: bytes
    words: str
    alt: str


def write_attention(folder: Path, attention: Attention) -> tuple[Path, ...]:
    """Write one NIfTI per field, or one for all, in `folder/attention`; values are the network's own."""
    (folder / FOLDER).mkdir()
    named = {SHARED: next(iter(attention.maps.values()))} if attention.shared else attention.maps
    written = []
    for name, volume in named.items():
        written.append(folder / FOLDER / f"{name}.nii.gz")
        write_nifti(volume, written[-1])
    return tuple(written)


def looks_of(line: Line, attention: Attention | None, backdrop: Backdrop) -> tuple[Look, ...]:
    """Draw pictures for the fields that a line's classifier answered; no picture where no attention is known.

    Parameters
    ----------
    line : Line
        Line of the report whose evidence names a classifier.
    attention : Attention or None
        Where the classifier looked; None where it did not run.
    backdrop : Backdrop
        Scan and outlines to draw on.
    """
    if attention is None or not any(e.status == "model" and e.probability is not None for e in line.evidence):
        return ()
    names = [n for n in (line.key, *ORGANS_OF_FIELD.get(line.key, ())) if n in attention.maps]
    return tuple(_look(name, line.words, attention, backdrop) for name in names)


def highest_point(attention: Volume, inside: NDArray[np.bool_], backdrop: Backdrop) -> tuple[float, float, float]:
    """Find the highest attention inside a mask, a point (LPS, mm); anywhere where the mask is empty."""
    if inside.any():
        voxels = np.argwhere(inside)
        points = backdrop.geometry.to_lps(voxels)
        found = points[int(np.argmax(_sampled(attention, points)))]
    else:
        where = np.unravel_index(int(np.argmax(attention.array)), attention.array.shape)
        found = attention.geometry.to_lps(np.array(where))
    x, y, z = found.tolist()
    return x, y, z


def _look(name: str, words: str, attention: Attention, backdrop: Backdrop) -> Look:
    volume = attention.maps[name]
    organs = [n for n in (name, *ORGANS_OF_FIELD.get(name, ())) if n in BY_NAME]
    masks = [structure_mask(backdrop.labels, n) for n in organs]
    inside = np.logical_or.reduce(masks) if masks and attention.shared else np.zeros(1, bool)
    point = highest_point(volume, inside, backdrop)
    grey, coordinates = axial_pixels(backdrop, point, THUMBNAIL)
    heat = _sampled(volume, backdrop.geometry.to_lps(coordinates.reshape(-1, 3))).reshape(grey.shape)
    # From the median up: a map that is nearly the same everywhere would colour everything.
    low, high = float(np.median(volume.array)), float(volume.array.max())
    alpha = (_STRONGEST * (heat - low) / max(high - low, 1e-12)).clip(0, _STRONGEST)[..., None]
    picture = (1 - alpha) * grey[..., None] + alpha * _COLOUR
    buffer = io.BytesIO()
    Image.fromarray(picture.astype(np.uint8)).save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    number = backdrop.voxel_at(point)[0] + 1
    shown = BY_NAME[name].words if name in BY_NAME else words
    if not attention.shared:
        caption = f"{shown}: {attention.words}, slice {number}"
    elif inside.any():
        caption = f"{shown}: attention shared by all fields, highest here in slice {number}"
    else:
        caption = f"{shown}: not outlined; attention shared by all fields, slice {number}"
    caption += f"; orange from {low:.2g}, its median, to {high:.2g}"
    return Look(buffer.getvalue(), caption, f"{caption}. Axial picture; orange where the map is highest.")


def _sampled(volume: Volume, points_lps_mm: NDArray) -> NDArray[np.float32]:
    """Values at points (n, 3), linear; the edge goes on for half a cell, then 0."""
    ijk = volume.geometry.to_ijk(points_lps_mm).T
    shape = np.array(volume.array.shape)[:, None]
    near = ((ijk >= -0.5) & (ijk <= shape - 0.5)).all(axis=0)
    values = ndimage.map_coordinates(volume.array.astype(np.float32), ijk, order=1, mode="nearest")
    return np.where(near, values, 0).astype(np.float32)
