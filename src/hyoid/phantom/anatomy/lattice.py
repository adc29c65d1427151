"""From the painted lattice to other axis-aligned grids: one sparse matrix per axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from scipy import sparse

from hyoid.volume import Geometry

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Lattice:
    """Where the voxels of the canvas lie in the patient: world coordinates (mm, LPS) of planes, rows and columns.

    Parameters
    ----------
    z, y, x : ndarray
        Coordinates of planes, rows and columns, ascending and evenly spaced.
    """

    z: NDArray[np.float64]
    y: NDArray[np.float64]
    x: NDArray[np.float64]

    @classmethod
    def of_blocks(cls, geometry: Geometry, block: tuple[int, int, int]) -> Lattice:
        """Make the lattice of the finer voxels, `block` of which make one voxel of an axial grid."""
        lines = []
        for n, s, start, b in zip(
            geometry.shape, geometry.spacing_mm, geometry.origin_lps_mm[::-1], block, strict=True
        ):
            lines.append(start + ((np.arange(n * b) + 0.5) / b - 0.5) * s)
        return cls(lines[0], lines[1], lines[2])

    @classmethod
    def of_grid(cls, geometry: Geometry) -> Lattice:
        """Make the lattice of an axial grid itself."""
        return cls.of_blocks(geometry, (1, 1, 1))

    @property
    def lines(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Coordinates of the planes, rows and columns, mm."""
        return self.z, self.y, self.x

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of planes, rows, columns."""
        return len(self.z), len(self.y), len(self.x)

    @property
    def voxel_mm(self) -> tuple[float, float, float]:
        """Distance between neighbours."""
        d, h, w = (float(line[1] - line[0]) for line in self.lines)
        return d, h, w

    def part(self, where: Sequence[slice]) -> Lattice:
        """Cut the lattice to a part of the canvas."""
        z, y, x = (line[s] for line, s in zip(self.lines, where, strict=True))
        return Lattice(z, y, x)


def linear_weights(source: NDArray[np.float64], target: NDArray[np.float64]) -> sparse.csr_matrix:
    """Build the matrix of linear interpolation from `source` to `target` points; zero half a step beyond the source."""
    step = source[1] - source[0]
    position = (target - source[0]) / step
    inside = (position >= -0.5) & (position <= len(source) - 0.5)
    position = np.clip(position, 0, len(source) - 1)
    low = np.minimum(position.astype(int), len(source) - 2)
    part = position - low
    rows = np.flatnonzero(inside)
    values = np.concatenate([1 - part[rows], part[rows]]).astype(np.float32)
    columns = np.concatenate([low[rows], low[rows] + 1])
    return sparse.csr_matrix((values, (np.concatenate([rows, rows]), columns)), shape=(len(target), len(source)))


def gaussian_weights(source: NDArray[np.float64], target: NDArray[np.float64], sigma_mm: float) -> sparse.csr_matrix:
    """Build the matrix of a Gaussian point spread from `source` to `target`; zero is spread where no source is.

    A row sums to 1 well inside the source, and to less at its edges.
    """
    step = float(source[1] - source[0])
    if sigma_mm < 0.4 * step:
        return linear_weights(source, target)
    distance = (target[:, None] - source[None]) / sigma_mm
    weights = np.where(np.abs(distance) < 3.5, np.exp(-0.5 * distance**2), 0) * (step / (sigma_mm * np.sqrt(2 * np.pi)))
    return sparse.csr_matrix(weights.astype(np.float32))


def resample(array: Array, weights: Sequence[sparse.csr_matrix]) -> Array:
    """Resample an array by one matrix per axis.

    Parameters
    ----------
    array : ndarray, shape (d, h, w)
        Values on the source points.
    weights : three matrices, shapes (D, d), (H, h), (W, w)
        Map from source to target points along slice, row and column, as `linear_weights` gives them.

    Returns
    -------
    ndarray, shape (D, H, W)
    """
    out = np.ascontiguousarray(array, np.float32)
    for axis in (0, 1, 2):  # slices first: their number usually shrinks
        moved = np.ascontiguousarray(np.moveaxis(out, axis, 0))
        rest = moved.shape[1:]
        out = np.moveaxis((weights[axis] @ moved.reshape(moved.shape[0], -1)).reshape(-1, *rest), 0, axis)
    return np.ascontiguousarray(out)


def resample_numbers(numbers: NDArray[np.uint8], source: Lattice, target: Lattice) -> NDArray[np.uint8]:
    """Resample lesion numbers to another lattice: each mask by linear interpolation, cut at one half.

    A lesion too small for the target's voxels keeps the voxel that holds most of it.
    """
    out = np.zeros(target.shape, np.uint8)
    most = np.zeros(target.shape, np.float32)
    boxes = ndi.find_objects(numbers)
    for number, found in enumerate(boxes, start=1):
        if found is None:
            continue
        grown = tuple(
            slice(max(0, min(s.start - 2, n - 2)), min(n, s.stop + 2))
            for s, n in zip(found, numbers.shape, strict=True)
        )
        part = source.part(grown)
        reach = [
            slice(*np.searchsorted(line, (near[0] - step, near[-1] + step)))
            for line, near, step in zip(target.lines, part.lines, target.voxel_mm, strict=True)
        ]
        if any(s.stop <= s.start for s in reach):
            continue
        weights = [linear_weights(a, b[s]) for a, b, s in zip(part.lines, target.lines, reach, strict=True)]
        share = resample((numbers[grown] == number).astype(np.float32), weights)
        where = tuple(reach)
        better = (share >= 0.5) & (share > most[where])
        if not better.any() and share.max() > 0:
            better[np.unravel_index(int(np.argmax(share)), share.shape)] = True
        out[where][better] = number
        most[where][better] = share[better]
    return out
