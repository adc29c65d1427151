"""Small pictures of virtual patients: three planes each, and the contact sheet of a cohort."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hyoid.phantom.anatomy.lattice import Lattice, resample_numbers
from hyoid.phantom.patient import VirtualPatient
from hyoid.volume import Volume

_COLOURS = {1: (255, 40, 160), 2: (255, 150, 0)}
_TILE = 150
SHEET_PATIENTS = 12


def preview(patient: VirtualPatient, images: Sequence[str]) -> Image.Image:
    """Draw axial, coronal and sagittal planes through the middle of the lesions, a row per image, lesions outlined.

    Parameters
    ----------
    patient : VirtualPatient
        Images and lesions to show.
    images : sequence of {"ct", "pet", "mr"}
        PET is shown inverted from SUV 0 to 10, CT from -160 to 240 HU, MR to its 99.5th percentile;
        `mr` gives two rows.
    """
    rows = []
    for name in images:
        if name == "ct":
            rows.append(_row(patient.ct, patient.lesions.array, -160, 240))
        elif name == "pet" and patient.pet is not None:
            grids = (Lattice.of_grid(v.geometry) for v in (patient.ct, patient.pet))
            rows.append(_row(patient.pet, resample_numbers(patient.lesions.array, *grids), 10, 0))
        elif name == "mr" and patient.mr is not None:
            pair = patient.mr
            for image, lesions in ((pair.pre, pair.pre_lesions), (pair.mid, pair.mid_lesions)):
                rows.append(_row(image, lesions.array, 0, max(float(np.quantile(image.array, 0.995)), 1)))
    return Image.fromarray(np.concatenate(rows))


def contact_sheet(previews: Sequence[Path], out: Path, columns: int = 3) -> Path:
    """Write the previews of up to twelve patients on one PNG.

    Parameters
    ----------
    previews : sequence of Path
        PNG file of each patient; those after the twelfth are left out.
    out : Path
        PNG file to write.
    columns : int
        Previews side by side.
    """
    pictures = []
    for path in previews[:SHEET_PATIENTS]:
        with Image.open(path) as file:
            pictures.append(file.convert("RGB"))
    width, height = max(p.width for p in pictures) + 6, max(p.height for p in pictures) + 6
    lines = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (width * min(columns, len(pictures)), height * lines), (40, 40, 40))
    for k, picture in enumerate(pictures):
        sheet.paste(picture, (3 + k % columns * width, 3 + k // columns * height))
    sheet.save(out)
    return out


def _row(volume: Volume, lesions: NDArray[np.uint8], black: float, white: float) -> NDArray[np.uint8]:
    """Three planes beside each other; `black` and `white` are the ends of the window."""
    found = np.argwhere(lesions > 0)
    centre = np.array(volume.array.shape) // 2
    if len(found):
        centre = found[np.argmin(((found - found.mean(0)) ** 2).sum(1))]
    tiles = []
    for axis in range(3):
        values, labels = (np.take(a, int(centre[axis]), axis) for a in (volume.array, lesions))
        shown = np.clip((values.astype(np.float32) - black) / (white - black), 0, 1)
        rgb = np.repeat((255 * shown).astype(np.uint8)[..., None], 3, -1)
        for label, colour in _COLOURS.items():
            mask = labels == label
            inner = mask.copy()
            for shift in (-1, 1):
                for side in (0, 1):
                    inner &= np.roll(mask, shift, side)
            rgb[mask & ~inner] = colour
        spacing = [s for a, s in enumerate(volume.geometry.spacing_mm) if a != axis]
        tiles.append(_tile(rgb if axis == 0 else rgb[::-1], spacing))
    return np.concatenate(tiles, 1)


def _tile(rgb: NDArray[np.uint8], spacing_mm: Sequence[float]) -> NDArray[np.uint8]:
    """Scaled to 300 mm across, centred on black."""
    scale = _TILE / 300
    size = [max(1, round(n * s * scale)) for n, s in zip(rgb.shape, spacing_mm, strict=False)]
    small = Image.fromarray(rgb).resize((size[1], size[0]), Image.Resampling.BILINEAR)
    tile = Image.new("RGB", (_TILE, _TILE))
    tile.paste(small, ((_TILE - size[1]) // 2, (_TILE - size[0]) // 2))
    return np.asarray(tile)
