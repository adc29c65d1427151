"""The contrast-enhanced CT of a painted patient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from hyoid.phantom.anatomy.canvas import Canvas, Tissue
from hyoid.phantom.anatomy.frame import COARSE_MM, smooth_noise
from hyoid.phantom.disease.looks import Overlay

# HU of tissues without contrast medium: mean and spread between patients.
_PLAIN_HU = {
    Tissue.OUTSIDE: (-1000, 3), Tissue.FAT: (-97, 9), Tissue.MUSCLE: (55, 7), Tissue.SKIN: (10, 30),
    Tissue.AIR: (-990, 12), Tissue.LUNG: (-820, 50), Tissue.BONE: (290, 60),
    Tissue.BRAIN: (32, 5), Tissue.CORD: (40, 8), Tissue.FLUID: (15, 7),
    Tissue.EYE: (12, 6), Tissue.PAROTID: (-2, 22), Tissue.SUBMANDIBULAR: (52, 16), Tissue.THYROID: (105, 20),
    Tissue.ARTERY: (45, 5), Tissue.VEIN: (45, 5), Tissue.CARTILAGE: (160, 60), Tissue.MUCOSA: (50, 9),
    Tissue.TONGUE: (50, 11), Tissue.DENSE_BONE: (1150, 200), Tissue.TOOTH: (1700, 250), Tissue.LENS: (95, 15),
    Tissue.DISC: (100, 20), Tissue.TUMOUR: (58, 8), Tissue.NODE: (55, 8), Tissue.NECROSIS: (18, 8),
    Tissue.LYMPHOID: (55, 9), Tissue.METAL: (3000, 10),
}  # fmt: skip

# Gain in HU at full contrast.
_ENHANCEMENT_HU = {
    Tissue.ARTERY: 170, Tissue.VEIN: 140, Tissue.THYROID: 70, Tissue.MUCOSA: 32, Tissue.LYMPHOID: 38, Tissue.TUMOUR: 52,
    Tissue.NODE: 40, Tissue.SUBMANDIBULAR: 35, Tissue.PAROTID: 18, Tissue.MUSCLE: 8, Tissue.TONGUE: 12,
    Tissue.NECROSIS: 3, Tissue.BRAIN: 5,
}  # fmt: skip


def tissue_hu(rng: np.random.Generator, wide: bool) -> NDArray[np.float32]:
    """Draw the attenuation of every tissue in one patient, HU; index = `Tissue`.

    Parameters
    ----------
    wide : bool
        Vary more than patients do, for training networks that must meet unknown scanners.
    """
    contrast = 0.0 if rng.random() < 0.2 else float(rng.uniform(0.35, 1.25))
    spread = 1.5 if wide else 0.7
    lut = np.zeros(len(Tissue), np.float32)
    for tissue, (mean, sd) in _PLAIN_HU.items():
        gain = _ENHANCEMENT_HU.get(tissue, 0) * contrast * rng.uniform(0.7, 1.3)
        lut[tissue] = mean + spread * sd * np.clip(rng.standard_normal(), -1.7, 1.7) + gain
    return lut


def render(
    canvas: Canvas,
    bone_density: NDArray[np.float32],
    rng: np.random.Generator,
    *,
    wide: bool,
    block: tuple[int, int, int],
    voxel_mm: tuple[float, float, float],
    overlays: Sequence[Overlay] = (),
) -> NDArray[np.int16]:
    """Render the CT of a painted patient, HU on the output grid.

    Parameters
    ----------
    canvas : Canvas
        Tissues to show.
    bone_density : ndarray
        How dense bone is on the coarse grid, see `paint_background`.
    wide : bool
        Vary attenuation more than patients do, see `tissue_hu`.
    block : (a, b, c)
        Voxels of the canvas that make one voxel of the image: their mean is the partial volume.
    voxel_mm : spacing of the image
        Voxel spacing along slice, row, column.
    overlays : sequence of Overlay
        Lesions with an attenuation of their own.
    """
    lut = tissue_hu(rng, wide)
    hu = lut[canvas.tissue]
    slope = np.float32(rng.uniform(110, 220))
    bone = canvas.tissue == Tissue.BONE
    hu[bone] += slope * canvas.refine(bone_density)[bone]
    soft = (canvas.tissue != Tissue.OUTSIDE) & (canvas.tissue != Tissue.AIR)
    shape = canvas.coarse.shape[1:]
    grain = rng.uniform(4, 12) * smooth_noise(shape, 5 / COARSE_MM, rng) + 5 * smooth_noise(shape, 2.5 / COARSE_MM, rng)
    hu[soft] += canvas.refine(grain.astype(np.float32))[soft]
    # Fat lies between the fibres of muscles, and vessels, nerves and septa in fat: at 4 mm both are mixtures.
    strands = canvas.refine(np.maximum(smooth_noise(shape, 0.6, rng), 0))
    for tissue, change in ((Tissue.MUSCLE, -rng.uniform(8, 40)), (Tissue.FAT, rng.uniform(10, 50))):
        part = canvas.tissue == tissue
        hu[part] += np.float32(change) * strands[part]
        lut[tissue] = float(np.median(hu[part])) if part.any() else lut[tissue]
    for overlay in overlays:
        part = hu[overlay.where]
        part += overlay.weight * (lut[Tissue.MUSCLE] + overlay.above_muscle_hu - part)
    hu = block_mean(hu, block)
    metal = block_mean((canvas.tissue == Tissue.METAL).astype(np.float32), block)
    outside = np.asarray(block_mean((canvas.tissue == Tissue.OUTSIDE).astype(np.float32), block) > 0.99)
    on_table = rng.random() < 0.45
    if on_table:
        _add_table(hu, outside, voxel_mm[1], rng)

    # The scanner's resolution; grids coarser than it were often made by interpolation, which blurs as well.
    blur_mm = np.array([rng.uniform(0.3, 1.0), *[rng.uniform(0.4, 0.9)] * 2])
    resampling = 0.5 * rng.random() * (np.array(voxel_mm) > 2)
    hu = ndi.gaussian_filter(hu, np.hypot(np.minimum(blur_mm / voxel_mm, 1.2), resampling), truncate=3)
    _add_streaks(hu, metal, rng)
    kernel = rng.uniform(0.3, 1.0)
    noise_hu = rng.uniform(2, 10) if max(voxel_mm) > 2.5 else rng.uniform(4, 18)
    hu += np.float32(noise_hu) * smooth_noise(hu.shape, kernel, rng)
    hu *= np.float32(rng.uniform(0.97, 1.03))
    # Some collections count from -1024 for air, so that all their tissues are 24 HU low (OpenKBP is one).
    offset = -24.0 if rng.random() < 0.7 else 0.0
    hu += np.float32(rng.normal(offset, 5)) + _shading(hu.shape, rng)
    if not on_table and rng.random() < 0.6:
        hu[outside] = -1024
    return np.clip(np.round(hu), -1024, 3071).astype(np.int16)


def block_mean(array: NDArray[np.float32], block: tuple[int, int, int]) -> NDArray[np.float32]:
    """Average an array over blocks of voxels."""
    for axis, n in enumerate(block):
        if n > 1:
            shape = list(array.shape)
            shape[axis : axis + 1] = [shape[axis] // n, n]
            array = array.reshape(shape).mean(axis + 1, dtype=np.float32)
    return array


def _add_table(hu: NDArray[np.float32], outside: NDArray[np.bool_], row_mm: float, rng: np.random.Generator) -> None:
    """A table top behind the patient, flat or curved: foam between two thin shells."""
    shadow = np.asarray(np.logical_not(outside).any(axis=0))
    across = np.linspace(-1, 1, hu.shape[2], dtype=np.float32)
    curve_mm = 0.0 if rng.random() < 0.6 else rng.uniform(20, 60)
    last = np.where(shadow.any(axis=0), hu.shape[1] - 1 - np.argmax(shadow[::-1], axis=0), 0)
    top = float(np.max(last + curve_mm * across**2 / row_mm)) + rng.uniform(1, 6) / row_mm
    depth = (np.arange(hu.shape[1])[:, None] - (top - curve_mm * across**2 / row_mm)) * row_mm
    thick, shell = rng.uniform(12, 60), max(rng.uniform(1.5, 3), row_mm / 2)
    slab = np.full(depth.shape, np.nan, np.float32)
    slab[(depth > 0) & (depth < thick)] = rng.uniform(-980, -850)
    slab[((depth > 0) & (depth < shell)) | ((depth > thick - shell) & (depth < thick))] = rng.uniform(-600, 0)
    slab[:, np.abs(across) > rng.uniform(0.6, 1.1)] = np.nan
    hu[:] = np.where(outside & ~np.isnan(slab), slab, hu)


def _add_streaks(hu: NDArray[np.float32], metal: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Bright and dark rays from dental metal, in the slices that hold it."""
    strength = rng.uniform(80, 500)
    for k in np.flatnonzero((metal > 0.05).any((1, 2))):
        spots, n = ndi.label(metal[k] > 0.05)
        rows, columns = np.mgrid[: hu.shape[1], : hu.shape[2]].astype(np.float32)
        for r, c in ndi.center_of_mass(metal[k], spots, range(1, n + 1)):
            angle = np.arctan2(rows - np.float32(r), columns - np.float32(c))
            distance = np.hypot(rows - np.float32(r), columns - np.float32(c))
            rays = sum(
                np.cos(f * angle + np.float32(p))
                for f, p in zip(rng.integers(3, 14, 4), rng.uniform(0, 6.3, 4), strict=True)
            )
            hu[k] += np.where(hu[k] > -700, strength / 2 * rays / (1 + 0.15 * distance), 0).astype(np.float32)


def _shading(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """Slow drift over the image, HU."""
    axes = [np.linspace(-1, 1, n, dtype=np.float32) for n in shape]
    a, b, c = (np.float32(v) for v in rng.normal(0, 4, 3))
    return a * axes[0][:, None, None] + b * (axes[1] ** 2)[:, None] + c * axes[2]
