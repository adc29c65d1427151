"""FDG PET in SUV, in register with the CT: uptake, point spread, grid, noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from hyoid.anatomy.structures import BY_NAME
from hyoid.anatomy.subsites import SUBSITE_BY_NAME
from hyoid.phantom.anatomy.canvas import Canvas, Tissue
from hyoid.phantom.anatomy.frame import COARSE_MM, smooth_noise
from hyoid.phantom.anatomy.lattice import Array, Lattice, gaussian_weights, resample
from hyoid.phantom.disease.looks import Look
from hyoid.volume import Geometry

# Physiological uptake of tissues, SUV: mean and standard deviation between patients.
_SUV: dict[Tissue, tuple[float, float]] = {
    Tissue.OUTSIDE: (0.0, 0.0), Tissue.FAT: (0.3, 0.08), Tissue.MUSCLE: (0.75, 0.15), Tissue.SKIN: (0.5, 0.12),
    Tissue.AIR: (0.02, 0.01), Tissue.LUNG: (0.45, 0.1), Tissue.BONE: (1.3, 0.4), Tissue.BRAIN: (8.5, 2.0),
    Tissue.CORD: (1.8, 0.4), Tissue.FLUID: (0.5, 0.15), Tissue.EYE: (0.6, 0.15), Tissue.PAROTID: (1.9, 0.6),
    Tissue.SUBMANDIBULAR: (2.1, 0.7), Tissue.THYROID: (1.4, 0.4), Tissue.ARTERY: (1.7, 0.3), Tissue.VEIN: (1.7, 0.3),
    Tissue.CARTILAGE: (0.7, 0.2), Tissue.MUCOSA: (1.8, 0.5), Tissue.TONGUE: (1.8, 0.5), Tissue.DENSE_BONE: (0.8, 0.2),
    Tissue.TOOTH: (0.3, 0.1), Tissue.LENS: (0.5, 0.1), Tissue.DISC: (0.6, 0.15), Tissue.LYMPHOID: (3.2, 0.9),
    Tissue.TUMOUR: (8.0, 0.0), Tissue.NODE: (6.0, 0.0), Tissue.NECROSIS: (1.2, 0.0), Tissue.METAL: (0.3, 0.1),
}  # fmt: skip


@dataclass(frozen=True)
class PetScanner:
    """PET acquisition and reconstruction: spacing, point spread and noise.

    Parameters
    ----------
    spacing_mm : (slice, row, column)
        Voxel spacing of the PET.
    fwhm_mm : float
        Point spread of scanner and reconstruction together.
    noise : float
        Coefficient of variation per voxel where the SUV is 2.
    """

    spacing_mm: tuple[float, float, float]
    fwhm_mm: float
    noise: float


# Grids of real scanners (slice, row, column, mm) with the resolution and noise of their generation; one per "centre".
PET_SCANNERS: dict[str, PetScanner] = {
    "a": PetScanner((3.27, 5.47, 5.47), 6.5, 0.10),
    "b": PetScanner((4.0, 4.0, 4.0), 6.0, 0.12),
    "c": PetScanner((5.0, 4.07, 4.07), 6.5, 0.15),
    "d": PetScanner((3.0, 4.07, 4.07), 5.5, 0.10),
    "e": PetScanner((3.27, 3.65, 3.65), 5.5, 0.18),
    "f": PetScanner((2.0, 3.0, 3.0), 4.5, 0.20),
}


def draw_pet_scanner(
    rng: np.random.Generator, centre: str = "", spacing_mm: tuple[float, float, float] | None = None
) -> PetScanner:
    """Draw a scanner of a centre (of any, when empty), a little different from patient to patient."""
    base = PET_SCANNERS[centre or str(rng.choice(sorted(PET_SCANNERS)))]
    fwhm = base.fwhm_mm * float(rng.uniform(0.85, 1.2))
    return PetScanner(spacing_mm or base.spacing_mm, fwhm, base.noise * float(rng.uniform(0.6, 1.6)))


def uptake_map(canvas: Canvas, numbers: NDArray[np.uint8], looks: list[Look], rng: np.random.Generator) -> Array:
    """Compute the SUV on the canvas before the scanner blurs it.

    Parameters
    ----------
    numbers : ndarray
        Lesion numbers on the canvas, from 1.
    looks : list of Look
        Uptake of lesion 1, 2, ...
    """
    lut = np.zeros(len(Tissue), np.float32)
    for tissue, (mean, sd) in _SUV.items():
        lut[tissue] = max(0.0, mean + sd * float(np.clip(rng.standard_normal(), -2, 2)))
    if rng.random() < 0.08:  # thyroiditis
        lut[Tissue.THYROID] = rng.uniform(4, 8)
    suv = lut[canvas.tissue]
    _regions(canvas, suv, rng)
    shape = canvas.coarse.shape[1:]
    grain = np.exp(
        0.12 * smooth_noise(shape, 10 / COARSE_MM, rng) + 0.1 * smooth_noise(shape, 4 / COARSE_MM, rng)
    ).astype(np.float32)
    suv *= canvas.refine(grain)
    patchy = smooth_noise(shape, 5 / COARSE_MM, rng)
    for number, look in enumerate(looks, start=1):
        mask = numbers == number
        core = canvas.tissue[mask] == Tissue.NECROSIS
        suv[mask] = np.where(core, look.suv_core, look.suv)
        suv[mask] *= np.exp(look.patchy * np.clip(canvas.refine(patchy)[mask], -2, 2))
    return suv


def _regions(canvas: Canvas, suv: Array, rng: np.random.Generator) -> None:
    """Uptake that differs within a tissue: cortex, tonsils, vocal cords, muscles in use, inflamed teeth."""
    cortex = canvas.tissue == Tissue.BRAIN
    if cortex.any():
        stem = canvas.organs == BY_NAME["brainstem"].label
        suv[stem] *= np.float32(0.55)
        folds = np.abs(smooth_noise(canvas.coarse.shape[1:], 6 / COARSE_MM, rng))
        white = (canvas.refine(folds.astype(np.float32)) > 0.75) & cortex & ~stem
        suv[white] *= np.float32(rng.uniform(0.35, 0.5))
    cords = canvas.subsites == SUBSITE_BY_NAME["true_vocal_cords"].label
    suv[cords & (canvas.tissue != Tissue.AIR)] *= np.float32(rng.uniform(0.8, 2.2))
    for name in ("tonsil_left", "tonsil_right"):
        part = (canvas.subsites == SUBSITE_BY_NAME[name].label) & (canvas.tissue == Tissue.LYMPHOID)
        suv[part] *= np.float32(rng.uniform(0.7, 1.3))
    for name in ("parotid_left", "parotid_right", "submandibular_left", "submandibular_right"):
        part = canvas.organs == BY_NAME[name].label
        suv[part] *= np.float32(rng.uniform(0.85, 1.15))
    if rng.random() < 0.3:  # muscles used during uptake, often of one side
        side = canvas.refine(canvas.coarse[2]) > 0 if rng.random() < 0.5 else np.ones(canvas.shape, bool)
        busy = canvas.refine(smooth_noise(canvas.coarse.shape[1:], 14 / COARSE_MM, rng)) > 0.6
        suv[side & busy & (canvas.tissue == Tissue.MUSCLE)] *= np.float32(rng.uniform(1.3, 3.0))
    tongue = canvas.subsites == SUBSITE_BY_NAME["oral_tongue"].label
    suv[tongue & (canvas.tissue == Tissue.TONGUE)] *= np.float32(rng.uniform(0.6, 1.6))
    teeth = np.argwhere(canvas.tissue == Tissue.TOOTH)
    if len(teeth) and rng.random() < 0.35:
        _hot_spot(canvas, suv, teeth[rng.integers(len(teeth))], float(rng.uniform(2, 5)), float(rng.uniform(2.5, 5)))


def _hot_spot(canvas: Canvas, suv: Array, index: NDArray, value: float, radius_mm: float) -> None:
    """Inflammation around a point, in soft tissue and bone."""
    at = [canvas.refine(c, tuple(slice(int(i), int(i) + 1) for i in index))[0, 0, 0] for c in canvas.coarse]  # type: ignore[arg-type]
    low = tuple(slice(max(0, int(i) - 12), int(i) + 13) for i in index)
    near = sum((canvas.refine(c, low) - v) ** 2 for c, v in zip(canvas.coarse, at, strict=True))  # type: ignore[arg-type]
    spot = (near < radius_mm**2) & (canvas.tissue[low] != Tissue.AIR) & canvas.inside[low]
    suv[low][spot] = np.maximum(suv[low][spot], value)


def pet_geometry(lattice: Lattice, spacing_mm: tuple[float, float, float], rng: np.random.Generator) -> Geometry:
    """Lay out the grid of the PET: covers the CT with some air beside; its voxels are not aligned with the CT's."""
    low, n = [], []
    for line, s, margin in zip(lattice.lines, spacing_mm, (0.0, 30.0, 30.0), strict=True):
        room = rng.uniform(0, s) if not margin else rng.uniform(0.3, 1) * margin
        low.append(line[0] - room)
        n.append(int(np.ceil((line[-1] + room - low[-1]) / s)) + 1)
    return Geometry.axial((n[0], n[1], n[2]), spacing_mm, (low[2], low[1], low[0]))


def render_pet(
    uptake: Array, lattice: Lattice, geometry: Geometry, scanner: PetScanner, rng: np.random.Generator
) -> Array:
    """Render the PET, SUV with the scanner's point spread and noise.

    Parameters
    ----------
    uptake : ndarray
        SUV on the canvas.
    lattice : Lattice
        Lattice of the canvas.
    geometry : Geometry
        Grid of the PET.
    scanner : PetScanner
        Point spread and noise of the image.

    Returns
    -------
    ndarray, float32, SUV, not negative

    Notes
    -----
    Noise: variance in proportion to the local activity (Poisson) and to the attenuation of the slice (wide shoulders),
    correlated over about half the point spread, as iterative reconstruction with a filter leaves it.
    """
    sigma_mm = scanner.fwhm_mm / 2.3548
    target = Lattice.of_grid(geometry)
    # Half a voxel's width acts like a further blur of 0.29 voxels.
    weights = [
        gaussian_weights(a, b, float(np.hypot(sigma_mm, 0.29 * s)))
        for a, b, s in zip(lattice.lines, target.lines, geometry.spacing_mm, strict=True)
    ]
    clean = resample(uptake, weights)
    width = (clean > 0.1).sum(axis=(1, 2)).astype(np.float32)
    thick = np.sqrt(np.clip(width / max(float(np.median(width)), 1), 0.5, 3))[:, None, None]
    local = ndi.gaussian_filter(clean, 1.0)
    grain = smooth_noise(clean.shape, tuple(0.5 * sigma_mm / s for s in geometry.spacing_mm), rng)
    noisy = clean + np.float32(2 * scanner.noise) * grain * thick * np.sqrt(np.maximum(local, 0) / 2)
    return np.maximum(noisy * np.float32(np.exp(rng.normal(0, 0.08))), 0).astype(np.float32)
