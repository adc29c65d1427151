"""Motion between two days of one patient: where each point of the later image lay before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from hyoid.phantom.anatomy.canvas import Canvas
from hyoid.phantom.anatomy.frame import COARSE_MM, smooth_noise, smoothstep
from hyoid.phantom.anatomy.lattice import Lattice, linear_weights, resample
from hyoid.volume import Geometry


@dataclass(frozen=True, eq=False)
class Field:
    """Where each point of the mid-treatment image lay before treatment.

    Parameters
    ----------
    vectors_mm : ndarray, shape (3, d, h, w)
        Components (x, y, z), LPS: the mid-treatment point p shows what lies at p + v(p) in the image from before.
    geometry : Geometry
        Grid of the vectors, about 4 mm, in the world of the mid-treatment image; linear in between, constant outside.
    """

    vectors_mm: NDArray[np.float32]
    geometry: Geometry

    def at(self, geometry: Geometry) -> NDArray[np.float32]:
        """Interpolate the vectors to an axial grid, shape (3, D, H, W), mm."""
        source, target = Lattice.of_grid(self.geometry), Lattice.of_grid(geometry)
        lines = [linear_weights(a, np.clip(b, a[0], a[-1])) for a, b in zip(source.lines, target.lines, strict=True)]
        return np.stack([resample(component, lines) for component in self.vectors_mm])


def draw_field(
    canvas: Canvas,
    numbers: NDArray[np.uint8],
    ratios: list[float],
    lattice: Lattice,
    offset: NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[Field, list[float]]:
    """Draw the motion between two days: couch, head, neck, loss of weight, and tissue that follows shrinking lesions.

    Returns
    -------
    Field
    list of float
        Volume that each lesion keeps by the motion alone (1: the motion leaves its volume as it is).
    """
    shape = canvas.coarse.shape[1:]
    lines = [np.linspace(line[0], line[-1], n) for line, n in zip(lattice.lines, shape, strict=True)]
    points = np.stack(np.meshgrid(*lines, indexing="ij"))
    centre = np.array([np.mean(line) for line in lines])
    moved = np.tensordot(_rotation(np.radians(rng.normal(0, 2.0, 3))), points - centre[:, None, None, None], 1)
    moved += (centre + rng.normal(0, 2.0, 3))[:, None, None, None]
    broad, fine = rng.uniform(0.6, 2.0), rng.uniform(0.2, 0.6)
    for axis in range(3):
        moved[axis] += broad * smooth_noise(shape, 26 / COARSE_MM, rng) + fine * smooth_noise(
            shape, 11 / COARSE_MM, rng
        )
    lost_mm = float(np.clip(rng.normal(1.5, 1.5), -0.5, 5))
    z, y, x = canvas.coarse
    reach = np.hypot(y - 40, x)
    weight = lost_mm * smoothstep(reach, 25, 75) * (1 - smoothstep(z, 10, 60)) / np.maximum(reach, 1)
    moved[1] += weight * (y - 40)
    moved[2] += weight * x
    kept = []
    for number, ratio in enumerate(ratios, start=1):
        keep = float(np.clip(max(ratio, 0.05) ** rng.uniform(0.15, 0.6), 0.35, 1.0))
        moved, done = _contracted(moved, points, numbers == number, lattice, keep)
        kept.append(done)
    vectors = moved - points - np.array(offset)[:, None, None, None]
    steps = tuple(float(line[1] - line[0]) for line in lines)
    origin = tuple(float(line[0] + o) for line, o in zip(lines, offset, strict=True))
    geometry = Geometry.axial(shape, steps, (origin[2], origin[1], origin[0]))  # type: ignore[arg-type]
    return Field(np.ascontiguousarray(vectors[::-1], np.float32), geometry), kept


def _rotation(angles_rad: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation of (z, y, x) vectors about the three axes, one after the other."""
    out = np.eye(3)
    for axis, angle in enumerate(angles_rad):
        a, b = (i for i in range(3) if i != axis)
        turn = np.eye(3)
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        out = turn @ out
    return out


def _contracted(
    moved: NDArray, points: NDArray, mask: NDArray[np.bool_], lattice: Lattice, keep: float
) -> tuple[NDArray, float]:
    """Motion with tissue drawn in towards a lesion, and the volume that is kept; unchanged where it would fold."""
    found = ndi.find_objects(mask.astype(np.uint8))
    if not found or keep > 0.97:
        return moved, 1.0
    local = np.argwhere(mask[found[0]]).mean(0)
    centre = np.array(
        [
            line[s.start] + v * step
            for line, s, v, step in zip(lattice.lines, found[0], local, lattice.voxel_mm, strict=True)
        ]
    )
    radius = (3 * mask[found[0]].sum() * np.prod(lattice.voxel_mm) / (4 * np.pi)) ** (1 / 3)
    while keep <= 0.97:
        scale = keep ** (1 / 3)
        nearest = np.argmin(((moved - centre[:, None, None, None]) ** 2).sum(0))
        middle = points.reshape(3, -1)[:, nearest] - (moved.reshape(3, -1)[:, nearest] - centre)
        away = points - middle[:, None, None, None]
        distance = np.sqrt((away**2).sum(0))
        pull = (1 / scale - 1) * (1 - smoothstep(distance, scale * radius, 3 * scale * radius + 8))
        tried = moved + away * pull
        steps = [float(points[a].flat[-1] - points[a].flat[0]) / (points.shape[a + 1] - 1) for a in range(3)]
        gradient = np.stack([np.stack(np.gradient(c, *steps), -1) for c in tried], -2)
        if np.linalg.det(gradient).min() > 0.15:
            return tried, keep
        keep = keep**0.5
    return moved, 1.0
