"""Deformable registration by coupled convex optimisation and Adam, without learning (convexAdam).

Siebert, Hansen, Heinrich: Fast 3D registration with accurate optimisation and little learning for Learn2Reg 2021
(DOI 10.1007/978-3-030-97281-3_25); the convex part after Heinrich et al. 2014 (DOI 10.1007/978-3-319-08554-8_6);
features MIND-SSC after Heinrich et al. 2013 (DOI 10.1007/978-3-642-40811-3_24). Written from the papers, in numpy.

::

    images -> self-similarity (12 channels) -> cost of every displacement on a coarse grid -> smooth minimum (convex)
                                            \\-> trilinear look-up, cost and bending, gradient by hand -> Adam
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hyoid.progress import Steps, ignore_steps

Field = NDArray[np.float32]
"""Displacement, shape (3, d, h, w), in voxels of the images along (slice, row, column)."""

# The six neighbours; patches around two of them are compared when these touch at an edge (twelve pairs).
_NEIGHBOURS = ((-1, 0, 0), (1, 0, 0), (0, -1, 0), (0, 1, 0), (0, 0, -1), (0, 0, 1))
_PAIRS = tuple((a, b) for a, b in itertools.combinations(_NEIGHBOURS, 2) if np.dot(a, b) == 0)
_COUPLING = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)  # of the convex steps, from the authors' settings


@dataclass(frozen=True)
class Settings:
    """Of the registration; defaults suit images of 2 mm.

    Parameters
    ----------
    patch_radius, distance : int
        Of the self-similarity, voxels.
    convex_step : int
        Voxels per node of the convex part; displacements are tried in steps of as many voxels.
    convex_reach : int
        Steps tried along each axis, on both sides.
    adam_step : int
        Voxels per node of the Adam part.
    iterations : int
        Number of Adam's steps.
    rate : float
        Learning rate of Adam, nodes per step.
    smoothness : float
        Weight of squared differences between neighbouring displacements.
    """

    patch_radius: int = 1
    distance: int = 2
    convex_step: int = 3
    convex_reach: int = 3
    adam_step: int = 2
    iterations: int = 50
    rate: float = 0.5
    smoothness: float = 1.0


def convex_adam(
    fixed: NDArray[np.float32],
    moving: NDArray[np.float32],
    settings: Settings = Settings(),
    *,
    mask: NDArray[np.bool_] | None = None,
    on_progress: Steps = ignore_steps,
) -> Field:
    """Compute the field that carries `moving` onto `fixed`: fixed(x) looks like moving(x + field(x)).

    Parameters
    ----------
    fixed, moving : ndarray, shape (D, H, W)
        On one grid of equal spacing along all axes, roughly aligned.
    settings : Settings
        Grids, weights and iterations.
    mask : ndarray of bool, shape (D, H, W), optional
        Where the fixed image counts in the Adam part; elsewhere the field is only smooth.
    on_progress : callable
        Called with (steps done, steps in all).

    Returns
    -------
    ndarray, shape (3, D, H, W), float32
        Voxels along (slice, row, column).
    """
    total = settings.iterations + 2
    own, other = (self_similarity(image, settings.patch_radius, settings.distance) for image in (fixed, moving))
    on_progress(1, total)
    step = settings.convex_step
    field = smooth_minimum(
        displacement_cost(pool(own, step), pool(other, step), settings.convex_reach), settings.convex_reach
    )
    field *= settings.convex_step
    on_progress(2, total)
    step = settings.adam_step
    own, other = pool(own, step), pool(other, step)
    counted = None if mask is None else pool(mask[None].astype(np.float32), step)[0] > 0
    start = (enlarged(field, own.shape[1:]) / step).astype(np.float32)
    nodes = adam(own, other, start, settings, mask=counted, on_step=lambda done: on_progress(2 + done, total))
    return enlarged(nodes * settings.adam_step, fixed.shape)


def self_similarity(image: NDArray, radius: int, distance: int) -> NDArray[np.float32]:
    """Compute MIND-SSC: how alike patches around a voxel are, the same for any contrast; shape (12, D, H, W), 0..1.

    Parameters
    ----------
    image : ndarray, shape (D, H, W)
        Grey values.
    radius, distance : int
        Of a patch, and from the voxel to the patches' centres.

    Notes
    -----
    exp(-(d_k - min d) / v) for the twelve mean squared differences d_k; v is their mean, kept within a factor of a
    thousand of its average over the image.
    """
    values = np.asarray(image, np.float32)
    shifted = {n: _shifted(values, tuple(distance * s for s in n)) for n in _NEIGHBOURS}
    width = 2 * radius + 1
    differences = np.stack(
        [ndimage.uniform_filter((shifted[a] - shifted[b]) ** 2, width, mode="nearest") for a, b in _PAIRS]
    )
    differences -= differences.min(axis=0)
    variance = differences.mean(axis=0)
    usual = max(float(variance.mean()), float(np.finfo(np.float32).tiny))
    differences /= np.clip(variance, usual * 1e-3, usual * 1e3)
    np.negative(differences, out=differences)
    np.exp(differences, out=differences)
    return differences


def pool(features: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Average blocks of `step` voxels; the last, incomplete block repeats its last voxel."""
    short = [(0, 0), *[(0, -n % step) for n in features.shape[1:]]]
    padded = np.pad(features, short, mode="edge")
    c, d, h, w = padded.shape
    blocks = padded.reshape(c, d // step, step, h // step, step, w // step, step)
    return np.ascontiguousarray(blocks.mean(axis=(2, 4, 6), dtype=np.float32))


def displacement_cost(fixed: NDArray[np.float32], moving: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    """Compute the smoothed squared difference of features for every displacement of up to `reach` nodes, shape (n^3,
    d, h, w)."""
    n = 2 * reach + 1
    shape = fixed.shape[1:]
    padded = np.pad(moving, [(0, 0), *[(reach, reach)] * 3], mode="edge")
    cost = np.empty((n**3, *shape), np.float32)
    for k, offset in enumerate(itertools.product(range(n), repeat=3)):
        part = padded[(slice(None), *(slice(o, o + s) for o, s in zip(offset, shape, strict=True)))]
        difference = fixed - part
        cost[k] = ndimage.uniform_filter(np.einsum("cijk,cijk->ijk", difference, difference), 3, mode="nearest")
    return cost


def smooth_minimum(cost: NDArray[np.float32], reach: int) -> Field:
    """Compute the field of small cost and small differences: the minimum is drawn ever closer to its smoothed self.

    Parameters
    ----------
    cost : ndarray, shape (n^3, d, h, w)
        From `displacement_cost`.
    reach : int
        Voxels over which the minimum is taken, each way.
    """
    offsets = np.array(list(itertools.product(range(-reach, reach + 1), repeat=3)), np.float32)
    field = np.zeros((3, *cost.shape[1:]), np.float32)
    for number, weight in enumerate((0.0, *_COUPLING)):
        best = np.full(cost.shape[1:], np.inf, np.float32)
        chosen = np.zeros(cost.shape[1:], np.int32)
        for k, offset in enumerate(offsets):
            value = cost[k]
            if number:
                value = value + weight * ((field - offset[:, None, None, None]) ** 2).sum(axis=0)
            better = value < best
            best[better] = value[better]
            chosen[better] = k
        picked = offsets[chosen].transpose(3, 0, 1, 2)
        field = np.stack([ndimage.uniform_filter(p, 3, mode="nearest") for p in picked])
    return field


def adam(
    fixed: NDArray[np.float32],
    moving: NDArray[np.float32],
    start: Field,
    settings: Settings,
    *,
    mask: NDArray[np.bool_] | None = None,
    on_step: Callable[[int], None] = lambda done: None,
) -> Field:
    """Refine a field by gradient descent on feature differences and roughness; displacements in nodes.

    Parameters
    ----------
    fixed, moving : ndarray, shape (12, d, h, w)
        Self-similarity of both images on the coarse grid.
    start : ndarray, shape (3, d, h, w)
        Displacement to begin with, voxels of the coarse grid.
    settings : Settings
        Grids, weights and iterations.
    mask : ndarray of bool, shape (d, h, w), optional
        Nodes whose features count; all by default.

    Notes
    -----
    The field is the parameters smoothed three times over 3 x 3 x 3 nodes, as in the paper. That smoothing with zeros
    outside is its own transpose, so it also carries the gradient back.
    """
    own, other = (np.ascontiguousarray(f.transpose(1, 2, 3, 0)).reshape(-1, f.shape[0]) for f in (fixed, moving))
    shape = fixed.shape[1:]
    counted = np.arange(fixed[0].size) if mask is None else np.flatnonzero(mask)
    grid = np.indices(shape, dtype=np.float32).reshape(3, -1)[:, counted]
    own = own[counted]
    parameters = start.astype(np.float32).copy()
    mean, spread = np.zeros_like(parameters), np.zeros_like(parameters)
    for step in range(1, settings.iterations + 1):
        field = _smoothed(parameters)
        slope = settings.smoothness * _roughness_slope(field)
        found = _feature_slope(own, other, shape, grid, field.reshape(3, -1)[:, counted])
        slope.reshape(3, -1)[:, counted] += found
        slope = _smoothed(slope)
        mean = 0.9 * mean + 0.1 * slope
        spread = 0.999 * spread + 0.001 * slope**2
        parameters -= settings.rate * (mean / (1 - 0.9**step)) / (np.sqrt(spread / (1 - 0.999**step)) + 1e-8)
        on_step(step)
    return _smoothed(parameters)


def enlarged(field: Field, shape: tuple[int, ...]) -> Field:
    """Interpolate a field on a finer grid of the same extent (cells of equal size), linear; its numbers stay as they
    are."""
    out = field
    for axis, (n, new) in enumerate(zip(field.shape[1:], shape, strict=True), start=1):
        step = max(1, -(-new // n))
        place = np.clip((np.arange(new) + 0.5) / step - 0.5, 0, n - 1)
        low = np.minimum(place.astype(int), max(0, n - 2))
        share = (place - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(4)])
        out = np.take(out, low, axis) * (1 - share) + np.take(out, np.minimum(low + 1, n - 1), axis) * share
    return out.astype(np.float32)


def folding_share(field: Field) -> float:
    """Compute the share of voxels at which the mapping x -> x + field(x) turns space inside out (Jacobian not above
    0)."""
    gradient = np.stack([np.stack(np.gradient(component)) for component in field])
    matrices = np.moveaxis(gradient, (0, 1), (-2, -1)) + np.eye(3, dtype=np.float32)
    return float((np.linalg.det(matrices) <= 0).mean())


def _shifted(values: NDArray[np.float32], offset: tuple[int, ...]) -> NDArray[np.float32]:
    """values(x + offset), the edge repeated."""
    reach = max(abs(o) for o in offset)
    padded = np.pad(values, reach, mode="edge")
    return padded[tuple(slice(reach + o, reach + o + n) for o, n in zip(offset, values.shape, strict=True))]


def _smoothed(field: NDArray[np.float32]) -> NDArray[np.float32]:
    for _ in range(3):
        field = np.stack([ndimage.uniform_filter(f, 3, mode="constant") for f in field])
    return field


def _feature_slope(
    fixed: NDArray[np.float32],
    moving: NDArray[np.float32],
    shape: tuple[int, ...],
    grid: NDArray[np.float32],
    field: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Gradient of the mean over nodes of the summed squared feature differences, shape (3, nodes)."""
    edges = np.array(shape, np.float32)[:, None] - 1
    wanted = grid + field
    place = np.clip(wanted, 0, edges)
    inside = wanted == place
    low = np.minimum(place.astype(np.int32), np.maximum(0, np.array(shape, np.int32)[:, None] - 2))
    share = place - low
    strides = np.array([shape[1] * shape[2], shape[2], 1], np.int32)
    further = [min(1, n - 1) * s for n, s in zip(shape, strides, strict=True)]
    base = strides @ low
    corner = {
        c: moving[base + sum(o * f for o, f in zip(c, further, strict=True))]
        for c in itertools.product((0, 1), repeat=3)
    }
    a, b, c = (s[:, None] for s in share)
    # One axis at a time: along columns, rows, slices; differences before means, so that slopes come for free.
    along_c = {(i, j): corner[i, j, 0] + c * (corner[i, j, 1] - corner[i, j, 0]) for i in (0, 1) for j in (0, 1)}
    along_b = {i: along_c[i, 0] + b * (along_c[i, 1] - along_c[i, 0]) for i in (0, 1)}
    residual = along_b[0] + a * (along_b[1] - along_b[0]) - fixed
    slope_a = along_b[1] - along_b[0]
    step_b = {i: along_c[i, 1] - along_c[i, 0] for i in (0, 1)}
    slope_b = step_b[0] + a * (step_b[1] - step_b[0])
    step_c = {(i, j): corner[i, j, 1] - corner[i, j, 0] for i in (0, 1) for j in (0, 1)}
    row_c = {i: step_c[i, 0] + b * (step_c[i, 1] - step_c[i, 0]) for i in (0, 1)}
    slope_c = row_c[0] + a * (row_c[1] - row_c[0])
    slopes = np.stack([np.einsum("nc,nc->n", residual, s) for s in (slope_a, slope_b, slope_c)])
    return 2 * slopes * inside / len(base)


def _roughness_slope(field: Field) -> Field:
    """Gradient of the mean squared difference between neighbouring displacements, summed over axes and components."""
    slope = np.zeros_like(field)
    for axis in (1, 2, 3):
        difference = np.diff(field, axis=axis) * (2 / field[0].size)
        before = [slice(None)] * 4
        after = [slice(None)] * 4
        before[axis], after[axis] = slice(None, -1), slice(1, None)
        slope[tuple(before)] -= difference
        slope[tuple(after)] += difference
    return slope
