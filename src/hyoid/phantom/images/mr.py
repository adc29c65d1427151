"""T2-weighted fat-saturated MR of a painted patient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyoid.phantom.anatomy.canvas import Canvas, Tissue
from hyoid.phantom.anatomy.frame import COARSE_MM, smooth_noise, smoothstep
from hyoid.phantom.anatomy.lattice import Array, Lattice, gaussian_weights, resample
from hyoid.phantom.disease.looks import Look
from hyoid.volume import Geometry

# Signal of tissues, muscle near 0.25: mean, and relative standard deviation between patients. Marrow is fatty; flowing
# blood is void in arteries and anything in veins.
_SIGNAL: dict[Tissue, tuple[float, float]] = {
    Tissue.OUTSIDE: (0.0, 0.0), Tissue.FAT: (0.13, 0.3), Tissue.MUSCLE: (0.25, 0.15), Tissue.SKIN: (0.35, 0.25),
    Tissue.AIR: (0.0, 0.0), Tissue.LUNG: (0.04, 0.3), Tissue.BONE: (0.16, 0.3), Tissue.BRAIN: (0.6, 0.12),
    Tissue.CORD: (0.5, 0.12), Tissue.FLUID: (1.35, 0.15), Tissue.EYE: (1.3, 0.12), Tissue.PAROTID: (0.38, 0.25),
    Tissue.SUBMANDIBULAR: (0.55, 0.2), Tissue.THYROID: (0.5, 0.2), Tissue.ARTERY: (0.1, 0.5), Tissue.VEIN: (0.45, 0.6),
    Tissue.CARTILAGE: (0.25, 0.4), Tissue.MUCOSA: (0.75, 0.15), Tissue.TONGUE: (0.33, 0.2),
    Tissue.DENSE_BONE: (0.04, 0.3), Tissue.TOOTH: (0.02, 0.3), Tissue.LENS: (0.15, 0.3), Tissue.DISC: (0.35, 0.4),
    Tissue.TUMOUR: (0.65, 0.0), Tissue.NODE: (0.7, 0.0), Tissue.NECROSIS: (1.1, 0.0), Tissue.LYMPHOID: (0.75, 0.15),
    Tissue.METAL: (0.0, 0.0),
}  # fmt: skip


@dataclass(frozen=True)
class MrScanner:
    """MR acquisition: spacing, resolution, field of view and noise.

    Parameters
    ----------
    spacing_mm : (slice, row, column)
        Voxel spacing of the reconstructed image.
    acquired_mm : float
        Resolution in the plane; reconstruction interpolates to `spacing_mm`.
    field_mm : float
        Field of view in the plane.
    noise : float
        Standard deviation relative to muscle's signal.
    """

    spacing_mm: tuple[float, float, float]
    acquired_mm: float
    field_mm: float
    noise: float


# Grids met in HNTS-MRG 2024 (most often 0.5 x 0.5 x 2 mm), one per "centre".
MR_SCANNERS: dict[str, MrScanner] = {
    "a": MrScanner((2.0, 0.5, 0.5), 0.8, 256, 0.10),
    "b": MrScanner((2.0, 0.5, 0.5), 1.0, 256, 0.15),
    "c": MrScanner((1.2, 0.985, 0.985), 1.1, 520, 0.15),
    "d": MrScanner((1.0, 0.83, 0.83), 1.0, 400, 0.20),
    "e": MrScanner((1.1, 0.68, 0.68), 0.9, 520, 0.18),
    "f": MrScanner((3.0, 0.6, 0.6), 0.9, 230, 0.10),
}
_FREQUENT = {"a": 0.4, "b": 0.25, "c": 0.12, "d": 0.07, "e": 0.06, "f": 0.1}


def draw_mr_scanner(
    rng: np.random.Generator, centre: str = "", spacing_mm: tuple[float, float, float] | None = None
) -> MrScanner:
    """Draw a scanner of a centre (of any, when empty), a little different from patient to patient."""
    names = sorted(_FREQUENT)
    base = MR_SCANNERS[centre or str(rng.choice(names, p=[_FREQUENT[n] for n in names]))]
    acquired = base.acquired_mm * float(rng.uniform(0.85, 1.2))
    return MrScanner(spacing_mm or base.spacing_mm, acquired, base.field_mm, base.noise * float(rng.uniform(0.5, 1.8)))


def tissue_signal(rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw the signal of every tissue in one patient, index = `Tissue`."""
    lut = np.zeros(len(Tissue), np.float32)
    for tissue, (mean, spread) in _SIGNAL.items():
        lut[tissue] = mean * np.exp(spread * np.clip(rng.standard_normal(), -2, 2))
    return lut


def signal_map(
    canvas: Canvas,
    tissue: NDArray[np.uint8],
    numbers: NDArray[np.uint8],
    looks: list[Look],
    lut: NDArray[np.float32],
    rng: np.random.Generator,
    healed: NDArray[np.bool_] | None = None,
) -> Array:
    """Compute the signal on the canvas before coil profile and noise.

    Parameters
    ----------
    tissue, numbers : ndarray
        Tissues and lesion numbers at the time of the image; those of the canvas before treatment.
    lut : ndarray
        Signal of every tissue, see `tissue_signal`.
    healed : ndarray of bool, optional
        Where tumour was: swollen or scarred.
    """
    signal = lut[tissue]
    shape = canvas.coarse.shape[1:]
    grain = 0.12 * smooth_noise(shape, 6 / COARSE_MM, rng) + 0.1 * smooth_noise(shape, 3 / COARSE_MM, rng)
    signal *= canvas.refine((1 + np.clip(grain, -0.6, 0.6)).astype(np.float32))
    # Fat saturation fails where the field is inhomogeneous: low in the neck, near shoulders and fillings.
    unsaturated = (
        smooth_noise(shape, 30 / COARSE_MM, rng) - smoothstep(canvas.coarse[0], -150, -60) + rng.normal(-1, 0.6)
    )
    fat = (tissue == Tissue.FAT) | (tissue == Tissue.BONE)
    failing = canvas.refine(smoothstep(unsaturated, 0, 1.5).astype(np.float32))
    signal[fat] += np.float32(rng.uniform(0.3, 0.8)) * failing[fat]
    if healed is not None and healed.any():
        part = np.float32(rng.uniform(0.2, 0.7))
        signal[healed] = (1 - part) * signal[healed] + part * np.float32(rng.uniform(0.35, 0.7))
    patchy = smooth_noise(shape, 5 / COARSE_MM, rng)
    for number, look in enumerate(looks, start=1):
        mask = numbers == number
        if not mask.any():
            continue
        signal[mask] = np.where(tissue[mask] == Tissue.NECROSIS, look.t2_core, look.t2)
        signal[mask] *= np.exp(0.7 * look.patchy * np.clip(canvas.refine(patchy)[mask], -2, 2))
    return signal


def mr_geometry(
    lattice: Lattice,
    scanner: MrScanner,
    low_mm: NDArray[np.float64],
    high_mm: NDArray[np.float64],
    rng: np.random.Generator,
) -> Geometry:
    """Lay out the grid of one MR: in the plane a square around the patient, slices around the lesions.

    Parameters
    ----------
    lattice : Lattice
        Lattice of the canvas at that time.
    low_mm, high_mm : ndarray
        Box of the lesions (z, y, x), which lies inside the field with a margin.
    """
    # Slices of real pairs cover 118 to 180 mm, more where lesions need it.
    margin = float(rng.uniform(10, 25))
    need = float(high_mm[0] - low_mm[0]) + 2 * margin
    extent = max(float(rng.uniform(118, 180)), need)
    start = float(low_mm[0]) - margin - rng.uniform(0, 1) * (extent - need)
    bottom = min(max(lattice.z[0], start), max(lattice.z[0], lattice.z[-1] - extent))
    top = min(lattice.z[-1], bottom + extent)
    n = [max(8, int((top - bottom) / scanner.spacing_mm[0]))]
    low = [bottom]
    for line, s, a, b in zip(lattice.lines[1:], scanner.spacing_mm[1:], low_mm[1:], high_mm[1:], strict=True):
        field = max(min(scanner.field_mm, float(np.ptp(line)) + 20), float(b - a) + 20)
        centre = float(np.mean(line[[0, -1]])) + rng.normal(0, 4)
        centre = float(np.clip(centre, b + 8 - field / 2, a - 8 + field / 2))
        n.append(round(field / s))
        low.append(centre - field / 2)
    return Geometry.axial((n[0], n[1], n[2]), scanner.spacing_mm, (low[2], low[1], low[0]))


def render_mr(
    signal: Array, lattice: Lattice, geometry: Geometry, scanner: MrScanner, rng: np.random.Generator
) -> Array:
    """Render the MR image in arbitrary units, whole numbers from 0 to a few thousand.

    Parameters
    ----------
    signal : ndarray
        Signal on the canvas.
    lattice : Lattice
        Lattice of the canvas.
    geometry : Geometry
        Grid of the image.
    scanner : MrScanner
        Resolution and noise of the acquisition.

    Returns
    -------
    ndarray, float32
        With Rician noise of the acquired resolution, coil profile and bias field.
    """
    target = Lattice.of_grid(geometry)
    thick, *_ = geometry.spacing_mm
    blur = (0.35 * thick, scanner.acquired_mm / 2.3548, scanner.acquired_mm / 2.3548)
    weights = [gaussian_weights(a, b, s) for a, b, s in zip(lattice.lines, target.lines, blur, strict=True)]
    image = resample(signal, weights)
    body = image > 0.03
    image *= _coil(geometry.shape, rng)
    grid = tuple(0.45 * scanner.acquired_mm / s for s in geometry.spacing_mm[1:])
    noise = np.float32(0.25 * scanner.noise) * smooth_noise(geometry.shape, (0.3, *grid), rng)
    other = np.roll(noise, (1, 17, 31), (0, 1, 2))
    image = np.sqrt((image + noise) ** 2 + other**2)
    if rng.random() < 0.4:  # some vendors blank the air
        image[~body] *= np.float32(0.05)
    gain = float(np.exp(rng.uniform(np.log(250), np.log(1500))))
    return np.round(image * np.float32(gain)).astype(np.float32)


def _coil(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Sensitivity: falls off towards the ends of the coil, rises towards its surface, drifts."""
    z, y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in shape)
    along = np.exp(-0.5 * ((z - rng.normal(0, 0.2)) / rng.uniform(0.9, 2.5)) ** 2)
    across = 1 + np.float32(rng.uniform(0, 0.5)) * x**2
    front = 1 + np.float32(rng.normal(0, 0.2)) * y + np.float32(rng.uniform(0, 0.4)) * y**2
    slope = 1 + np.float32(rng.normal(0, 0.12)) * x
    return (along[:, None, None] * front[:, None] * (across * slope)).astype(np.float32)
