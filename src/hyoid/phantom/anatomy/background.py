"""The scene before any organ: body, fat and muscle, bones, air, from the population maps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from scipy.special import ndtri

from hyoid.phantom.anatomy.canvas import Canvas, Tissue
from hyoid.phantom.anatomy.frame import COARSE_MM, smooth_noise, smoothstep
from hyoid.phantom.anatomy.shape_model import Organ, ShapeModel, draw_normal
from hyoid.phantom.anatomy.solids import Array, ellipsoid, from_organ, tube

# Mean bone of these parts is a blur of mandible, hyoid and larynx, which are painted one by one.
_JAW_TOP_MM, _JAW_BACK_MM, _RAMUS_TOP_MM, _RAMUS_X_MM = 20.0, 46.0, 42.0, 34.0
# Hyoid bone, larynx, trachea and thyroid gland with what covers them in a thin neck.
_THROAT = tube([(-36, 26, 0), (-62, 33, 0), (-84, 40, 0), (-108, 51, 0), (-130, 62, 0)], [25, 25, 22, 27, 34])


def paint_background(
    canvas: Canvas, model: ShapeModel, brain: Organ, mandible: Organ, rng: np.random.Generator, fat: float
) -> NDArray[np.float32]:
    """Paint body, skin, fat, muscle, bones, lungs and sinuses.

    Parameters
    ----------
    brain, mandible : Organ
        Skin covers them, and the skull's vault surrounds the brain.
    fat : float
        Standard deviations more (or less) fat than usual.

    Returns
    -------
    ndarray
        How dense bone is, on the coarse grid: depth in compact bone (mm, at most 4), below zero in spongy bone.
    """
    z, y, x = canvas.coarse
    spine, base = _Spine.drawn(canvas, model, rng), _pneumatised(canvas)
    in_brain = from_organ(_reaching_far(brain)).depth(z, y, x)
    scalp_mm = 11 + 0.8 * min(max(fat, -1), 1)
    body = np.maximum(_body(canvas, model, rng, fat), in_brain + np.float32(scalp_mm))
    body = np.where((z > 95) & (y > 0), np.minimum(body, in_brain + np.float32(scalp_mm + 3)), body)
    body = np.maximum(body, from_organ(_reaching_far(mandible)).depth(z, y, x) + np.float32(rng.uniform(6, 10)))
    body = np.maximum(body, _THROAT.depth(z, y, x) + np.float32(max(fat, 0)))
    bone = canvas.map_field(model, "bone") + 0.7 * smooth_noise(z.shape, 8 / COARSE_MM, rng)
    bone -= np.float32(rng.normal(0, 0.25))
    bone -= base * (np.float32(3.2) + np.float32(1.8) * smooth_noise(z.shape, 5 / COARSE_MM, rng))
    bone -= 6 * spine.gaps
    bone[(z > 75) & (y > 25)] = -10
    bone[(z < _JAW_TOP_MM) & (y < _JAW_BACK_MM) & (z > -95)] = -10
    bone[(np.abs(x) > _RAMUS_X_MM) & (y < _JAW_BACK_MM) & (z < _RAMUS_TOP_MM) & (z > -60)] = -10
    air = canvas.map_field(model, "air") + 0.6 * smooth_noise(z.shape, 10 / COARSE_MM, rng)
    air[(z < 12) & (z > -88)] = -10
    air[(z < 12) & (np.abs(x) < 16) & (np.abs(y - np.interp(z, model.cord_z, model.cord_y) + 40) < 22)] = -10

    air = np.where(z < 0, np.minimum(air, body - 14), air)

    canvas.inside = canvas.refine(body) > 0
    probit = ndtri(np.clip(canvas.map_field(model, "fat"), 0.02, 0.98)).astype(np.float32)
    under_skin = np.exp(-np.maximum(body - 2, 0) / np.float32(3 + max(fat, -1)))
    # Fat lies in planes between muscles, longer along the neck than across: near the zeros of a random field.
    planes = np.abs(smooth_noise(z.shape, (12 / COARSE_MM, 5 / COARSE_MM, 5 / COARSE_MM), rng))
    texture = 0.6 * smooth_noise(z.shape, (8 / COARSE_MM, 3.5 / COARSE_MM, 3.5 / COARSE_MM), rng)
    texture += (planes - 0.8) / 0.75
    level = 2.0 * probit + 0.4 * fat + 1.3 * under_skin - 0.1 - texture
    tissue = np.where(canvas.refine(level) > 0, Tissue.FAT, Tissue.MUSCLE).astype(np.uint8)
    fine_body = canvas.refine(body)
    tissue[fine_body < rng.uniform(1.5, 2.4)] = Tissue.SKIN
    fine_z = canvas.refine(z)
    fine_air = canvas.refine(air) > 0
    tissue[fine_air & (fine_z > 0)] = Tissue.AIR
    tissue[fine_air & (fine_z <= 0)] = Tissue.LUNG
    del fine_z
    tissue[canvas.refine(bone) > 0] = Tissue.BONE
    vault = _vault(canvas, in_brain, rng)
    tissue[vault > 0] = Tissue.DENSE_BONE
    tissue[vault > 1.8] = Tissue.BONE
    del vault
    cells = base * (smooth_noise(z.shape, 3.5 / COARSE_MM, rng) - 0.9)
    tissue[(canvas.refine(cells.astype(np.float32)) > 0) & (tissue == Tissue.BONE)] = Tissue.AIR
    tissue[canvas.refine(np.where(spine.discs > 0, np.minimum(spine.discs, bone + 1), -1).astype(np.float32)) > 0] = (
        Tissue.DISC
    )
    tissue[~canvas.inside] = Tissue.OUTSIDE
    canvas.tissue = tissue
    sinus = ellipsoid(
        (52 + rng.uniform(-4, 4), 37, rng.uniform(-3, 3)), tuple(rng.uniform(0.7, 1.2) * np.array([9, 11, 12]))
    )
    canvas.paint(sinus, Tissue.AIR, only=(Tissue.BONE, Tissue.MUSCLE, Tissue.FAT))
    _shoulders(canvas, rng)
    # Bodies of vertebrae and what holds air are a thin shell around spongy bone, which the mean of patients hides.
    shell = np.clip(3 * (1.8 - bone), -1.1, rng.uniform(3.5, 7.5)) + 0.6 * smooth_noise(z.shape, 4 / COARSE_MM, rng)
    spongy = np.maximum(spine.column, 0.7 * base)
    return ((1 - spongy) * np.clip(bone, 0, 4) + spongy * shell).astype(np.float32)


def _body(canvas: Canvas, model: ShapeModel, rng: np.random.Generator, fat: float) -> Array:
    """Depth below the skin on the coarse grid, mm."""
    body = canvas.map_field(model, "body")
    weights = 0.8 * draw_normal(rng, len(model.body_modes)).astype(np.float32)
    change = np.tensordot(weights, model.body_modes, 1)
    body += canvas.sample_map(change, model.grid_low_mm, 2 * model.grid_mm)
    body += np.float32(1.2 * fat) + 0.6 * smooth_noise(body.shape, 12 / COARSE_MM, rng)
    body = np.minimum(body, 184 - canvas.coarse[1])  # the map ends there
    parts, _ = ndi.label(body > 0)
    largest = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
    return np.where(largest, body, np.minimum(body, -2)).astype(np.float32)


def _shoulders(canvas: Canvas, rng: np.random.Generator) -> None:
    """Collar bones and heads of the upper arms, which differ too much between patients to survive in the mean."""
    lift, forward = rng.normal(0, 6), rng.normal(0, 4)
    collar = tube([(-124, 24, 14), (-114, 20, 45), (-100, 40, 95), (-94, 64, 140)], [7, 5.5, 5.5, 6])
    arm = ellipsoid((-112, 74, 166), (25, 22, 22))
    for solid, shell_mm in ((collar, 2.0), (arm, 1.5)):
        moved = solid.moved((-124, 24, 14), 1.0, (lift, forward, 0))
        for half in (moved, moved.mirrored()):
            canvas.paint(half, Tissue.DENSE_BONE, spare=(Tissue.LUNG, Tissue.SKIN))
            canvas.paint(half.grown(-shell_mm), Tissue.BONE, spare=(Tissue.LUNG, Tissue.SKIN))


def _vault(canvas: Canvas, in_brain: Array, rng: np.random.Generator) -> Array:
    """Depth in the skull from the eyes up and around the cerebellum, mm: a shell, which the mean of patients loses."""
    z, y, _ = canvas.coarse
    half = rng.uniform(1.7, 3.2) + 0.4 * smooth_noise(z.shape, 16 / COARSE_MM, rng)
    covered = ((z > 40) & ((y > 20) | (z > 100))) | ((z > 16) & (y > 84))  # the latter: the squama behind the foramen
    thick = canvas.refine(np.where(covered, half, -10).astype(np.float32))
    shell = canvas.refine(in_brain) + np.float32(2.5) + thick
    return thick - np.abs(shell, out=shell)


def _reaching_far(organ: Organ) -> Organ:
    """The organ with true distances far outside it, where the learned map is cut off."""
    near = np.pad(organ.distance_mm, 4, mode="edge")
    far = ndi.distance_transform_edt(near < 0) * organ.grid_mm
    return replace(organ, distance_mm=np.where(far > 7, np.minimum(near, -far), near).astype(np.float32))


@dataclass(frozen=True, eq=False)
class _Spine:
    """Where vertebrae are not one bar of bone, on the coarse grid.

    Parameters
    ----------
    discs : ndarray
        Positive in the discs between the bodies, which are about 17 mm apart in the neck.
    gaps : ndarray
        1 between arches, between spinous processes (which point backwards and down) and in the foramina, 0 elsewhere.
    column : ndarray
        1 in and around the vertebrae, 0 in the skull.
    """

    discs: Array
    gaps: Array
    column: Array

    @classmethod
    def drawn(cls, canvas: Canvas, model: ShapeModel, rng: np.random.Generator) -> _Spine:
        z, y, x = canvas.coarse
        front = np.interp(z, model.cord_z, model.cord_y) - y
        start, period = rng.uniform(0, 17), rng.uniform(15.5, 18.5)
        phase = (z + start - 0.3 * front) / period
        ripple = np.cos(2 * np.pi * phase) - 0.55
        body = np.minimum(np.minimum(front - 9, 32 - front), 13 - np.abs(x))
        discs = np.where(z < -8, np.minimum(8 * ripple, body), -1).astype(np.float32)
        # Arches lie half a step below the discs.
        behind = np.cos(2 * np.pi * ((z + start + np.maximum(-front - 8, 0) * 0.6) / period - rng.uniform(0, 0.3)))
        share = rng.uniform(-0.1, 0.4)
        arches = smoothstep(behind, share, share + 0.5) * smoothstep(-front, 5, 9) * smoothstep(-np.abs(x), -13, -9)
        side = smoothstep(np.abs(x), 9, 12) * smoothstep(front, -9, -5) * smoothstep(-front, -16, -11)
        foramina = smoothstep(ripple, -0.3, 0.2) * side
        neck = smoothstep(-z, 2, 10)
        column = smoothstep(-z, -8, 6) * smoothstep(y, 20, 32) * smoothstep(-np.abs(x), -42, -34)
        gaps = (neck * np.maximum(arches, foramina)).astype(np.float32)
        return cls(discs, gaps, column.astype(np.float32))


def _pneumatised(canvas: Canvas) -> Array:
    """1 in the base of the skull with its mastoids, whose bone holds air and soft parts, 0 elsewhere."""
    z, y, x = canvas.coarse
    inside = smoothstep(z, 18, 28) * smoothstep(-z, -72, -60) * smoothstep(y, 24, 34) * smoothstep(-y, -104, -92)
    return (inside * smoothstep(-np.abs(x), -64, -56)).astype(np.float32)
