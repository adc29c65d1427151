"""From the scanner's grid to the common frame: pose, neck curve, size, and a smooth random deformation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from hyoid.phantom.anatomy.shape_model import ShapeModel, draw_normal

COARSE_MM = 4.0


@dataclass(frozen=True, eq=False)
class Pose:
    """How one patient lies in the scanner.

    Parameters
    ----------
    cord_shift_mm : ndarray
        Displacement of the spinal cord from its mean course, at the model's `cord_z`.
    larynx_z_mm, apex_z_mm : float
        Levels of larynx and lung tops below the centre of the mandible.
    size : float
        Patient size over mean size.
    angles_rad : ndarray
        Pitch, yaw, roll of the head.
    bend_mm : float
        Sideways bend of the neck.
    """

    cord_shift_mm: NDArray[np.float64]
    larynx_z_mm: float
    apex_z_mm: float
    size: float
    angles_rad: NDArray[np.float64]
    bend_mm: float


def draw_pose(model: ShapeModel, rng: np.random.Generator, size: float) -> Pose:
    """Draw a pose from the joint statistics of the real scans; `size` multiplies the drawn size."""
    drawn = model.pose_mean + 0.95 * draw_normal(rng, len(model.pose_root)) @ model.pose_root
    n = len(model.cord_z)
    larynx = min(float(drawn[n]), -46.0)
    apex = min(float(drawn[n + 1]), larynx - 28)
    angles = np.array([drawn[n + 3], *np.radians(2.5) * draw_normal(rng, 2)])
    shift = drawn[:n] - drawn[np.argmin(np.abs(model.cord_z))] * 0.3
    # The frame is scaled by jaw and glands, which vary more than the whole head does.
    whole = size * (1.02 + 0.45 * float(np.clip(drawn[n + 2] - model.pose_mean[n + 2], -0.15, 0.15)))
    return Pose(shift, larynx, apex, whole, angles, 3 * float(draw_normal(rng, 1)[0]))


def coarse_coordinates(
    points_mm: tuple[NDArray, NDArray, NDArray], model: ShapeModel, pose: Pose, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Compute the common-frame coordinates (z, y, x) of a grid of points.

    Parameters
    ----------
    points_mm : three 1D arrays
        z, y, x of the grid lines relative to the patient's mandible, mm, about `COARSE_MM` apart.

    Returns
    -------
    ndarray, shape (3, n_z, n_y, n_x), mm
    """
    z, y, x = np.meshgrid(*points_mm, indexing="ij")
    pitch, yaw, roll = pose.angles_rad
    x, y = x * np.cos(yaw) - y * np.sin(yaw), x * np.sin(yaw) + y * np.cos(yaw)
    x, z = x * np.cos(roll) - z * np.sin(roll), x * np.sin(roll) + z * np.cos(roll)
    z, y = np.cos(pitch) * z - np.sin(pitch) * y, np.sin(pitch) * z + np.cos(pitch) * y
    z, y, x = z / pose.size, y / pose.size, x / pose.size

    jaw, larynx, apex = model.knots_z
    levels = [pose.apex_z_mm - 200, pose.apex_z_mm, pose.larynx_z_mm, jaw, 300]
    level = np.interp(z, levels, [apex - 200, apex, larynx, jaw, 300])
    mean_y = np.interp(level, model.cord_z, model.cord_y)
    shift = np.interp(z, model.cord_z, model.cord_y + pose.cord_shift_mm) - mean_y
    back = y
    for _ in range(3):
        back = y - shift * shift_weight(level, back)
    side = x - pose.bend_mm * (1 - smoothstep(level, -120, -20))
    coordinates = np.stack([level, back, side]).astype(np.float32)
    return coordinates + _random_field(coordinates.shape[1:], rng)


def shift_weight(z: NDArray, y: NDArray) -> NDArray:
    """Weigh how far a point follows the spine, 0 to 1: the neck wholly, and in the head what lies behind."""
    return np.maximum(1 - smoothstep(z, -40, -10), smoothstep(y, 30, 60) * (1 - smoothstep(z, 30, 70)))


def smoothstep(x: NDArray, low: float, high: float) -> NDArray:
    """Compute a smooth step: 0 below `low`, 1 above `high`."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def smooth_noise(
    shape: tuple[int, ...], sigma: float | tuple[float, ...], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Draw a Gaussian random field with standard deviation 1 and correlation length `sigma` voxels."""
    noise = ndi.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), sigma, mode="wrap", truncate=3)
    return noise / max(float(noise.std()), 1e-6)


def _random_field(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """Smooth displacement, mm: broad and fine part; slopes stay far below 1, so nothing folds."""
    broad, fine = rng.uniform(1.0, 2.5), rng.uniform(0.3, 0.9)
    out = [
        broad * smooth_noise(shape, 24 / COARSE_MM, rng) + fine * smooth_noise(shape, 10 / COARSE_MM, rng)
        for _ in range(3)
    ]
    return np.stack(out).astype(np.float32)
