"""Virtual patients: a contrast-enhanced CT of a head and neck whose truth is known exactly.

Stages: pose and shape (`frame`, `shape_model`) -> anatomy (`background`, `head`, `neck`) -> disease (`disease`) ->
image (`image`) -> truth (`truth`). All randomness comes from the generator that is given: same seed, same bytes.

`organs` holds one label per voxel, the finest one: cartilages and air of the larynx cover label 28. The larynx as a
radiation oncologist outlines it (one label in OpenKBP) is what `larynx_mask` returns. Organs are outlined as if there
were no disease: where a tumour overlaps one, it involves it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyoid.anatomy.structures import BY_NAME
from hyoid.errors import UsageError
from hyoid.phantom import disease
from hyoid.phantom.background import paint_background
from hyoid.phantom.canvas import Canvas, Tissue
from hyoid.phantom.frame import COARSE_MM, Pose, coarse_coordinates, draw_pose
from hyoid.phantom.head import paint_head, paint_pharynx
from hyoid.phantom.image import block_mean, render
from hyoid.phantom.larynx import draw_neck
from hyoid.phantom.neck import paint_neck, paint_neck_muscles
from hyoid.phantom.shape_model import draw_organs, load_shape_model
from hyoid.phantom.truth import Truth, measure_truth
from hyoid.volume import Geometry, Quantity, Volume

LARYNX_PARTS = (1, 2, 3, 28)
GTVP, GTVN = 1, 2
_COARSEST_MM, _FINEST_MM = 5.0, 0.6


@dataclass(frozen=True)
class PhantomOptions:
    """What kind of patient.

    Parameters
    ----------
    disease : bool
        Without disease there are neither tumour nor nodes.
    primary : str, optional
        Sub-site of the primary (a name in `hyoid.anatomy.subsites`); drawn when empty.
    diameter_mm : (low, high)
        Longest extent of the primary, from T1 to T4.
    nodes : (low, high)
        Number of involved nodes, both included; fewer are placed only where there is no room.
    wide_hu : bool
        Vary attenuation more than patients do.
    whole_width : bool
        Scan field wide enough for the shoulders; otherwise drawn.

    Raises
    ------
    UsageError
        When the sub-site does not exist or a range is empty.
    """

    disease: bool = True
    primary: str = ""
    diameter_mm: tuple[float, float] = (10.0, 60.0)
    nodes: tuple[int, int] = (0, 5)
    wide_hu: bool = True
    whole_width: bool = False

    def __post_init__(self) -> None:
        if self.primary:
            disease.check_primary(self.primary)
        if not 0 < self.diameter_mm[0] <= self.diameter_mm[1] or not 0 <= self.nodes[0] <= self.nodes[1]:
            raise UsageError(
                f"The ranges {self.diameter_mm} mm and {self.nodes} nodes are not low to high.", "Give (low, high)."
            )


@dataclass(frozen=True, eq=False)
class VirtualPatient:
    """A CT and everything that is true about it, on one grid.

    Parameters
    ----------
    ct : Volume
        HU, int16.
    organs, subsites : Volume
        Labels of `hyoid.anatomy.structures` (1-28) and `hyoid.anatomy.subsites`.
    lesions : Volume
        1 GTVp, 2 GTVn. No two lesions touch, so components (26-connectivity) count them.
    truth : Truth
    """

    ct: Volume
    organs: Volume
    subsites: Volume
    lesions: Volume
    truth: Truth


def virtual_patient(
    rng: np.random.Generator,
    *,
    spacing_mm: tuple[float, float, float] = (3.0, 1.5, 1.5),
    options: PhantomOptions | None = None,
) -> VirtualPatient:
    """Make one patient.

    Parameters
    ----------
    rng : numpy.random.Generator
    spacing_mm : (slice, row, column)
    options : PhantomOptions, optional

    Raises
    ------
    UsageError
        When the spacing cannot hold the anatomy (coarser than 5 mm) or the memory (finer than 0.6 mm), or the chosen
        sub-site has no voxel.

    Examples
    --------
    >>> patient = virtual_patient(np.random.default_rng(1), spacing_mm=(5, 5, 5))
    >>> patient.ct.quantity, patient.ct.array.dtype
    (<Quantity.HU: 'HU'>, dtype('int16'))
    """
    options = options or PhantomOptions()
    if not all(_FINEST_MM <= s <= _COARSEST_MM for s in spacing_mm):
        raise UsageError(
            f"A spacing of {spacing_mm} mm cannot hold a neck.",
            f"Choose {_FINEST_MM} to {_COARSEST_MM} mm along every axis.",
        )
    female, fat = bool(rng.random() < 0.27), float(np.clip(rng.standard_normal(), -1.8, 2.2))
    model = load_shape_model()
    pose = draw_pose(model, rng, 0.97 if female else 1.01)
    geometry, lines, block = _grid(pose, spacing_mm, options, rng)
    fine = (geometry.shape[0] * block[0], geometry.shape[1] * block[1], geometry.shape[2] * block[2])
    canvas = Canvas(fine, coarse_coordinates(lines, model, pose, rng))

    learned = draw_organs(model, rng)
    bone = paint_background(canvas, model, learned["brain"], learned["mandible"], rng, fat)
    paint_neck_muscles(canvas, rng, fat)
    paint_head(canvas, model, learned, rng)
    paint_pharynx(canvas, rng)
    paint_neck(canvas, draw_neck(rng, female), rng)

    fine_mm = tuple(s / b for s, b in zip(spacing_mm, block, strict=True))
    site, ids, drawn = _disease(canvas, fine_mm, spacing_mm, options, rng)  # type: ignore[arg-type]
    ct = render(canvas, bone, rng, wide=options.wide_hu, block=block, voxel_mm=spacing_mm)

    organs, subsites = (block_mode(a, block) for a in (canvas.organs, canvas.subsites))
    ids = _coarser_lesions(ids, block)
    truth = measure_truth(organs, subsites, ids, geometry, site, drawn, "F" if female else "M", fat)
    lesions = np.where(ids > 1, GTVN, ids).astype(np.uint8)

    def labels(array: NDArray) -> Volume:
        return Volume(array, geometry, Quantity.LABEL)

    return VirtualPatient(Volume(ct, geometry, Quantity.HU), labels(organs), labels(subsites), labels(lesions), truth)


def iter_patients(
    seed: int,
    n: int,
    *,
    spacing_mm: tuple[float, float, float] = (3.0, 1.5, 1.5),
    options: PhantomOptions | None = None,
) -> Iterator[VirtualPatient]:
    """Patients 0 to n - 1 of a seed; patient k is the same however many are made."""
    for k in range(n):
        yield virtual_patient(np.random.default_rng([seed, k]), spacing_mm=spacing_mm, options=options)


def larynx_mask(organs: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The larynx as radiation oncologists outline it, with its air and cartilages.

    Parameters
    ----------
    organs : ndarray, shape (D, H, W)
        Labels of `hyoid.anatomy.structures`.

    Returns
    -------
    ndarray of bool
        Labels 1, 2, 3 and 28 between the lowest and the highest slice of label 28.
    """
    levels = np.flatnonzero((organs == BY_NAME["larynx"].label).any((1, 2)))
    mask = np.isin(organs, LARYNX_PARTS)
    if len(levels):
        mask[: levels[0]] = mask[levels[-1] + 1 :] = False
    return mask


def _grid(
    pose: Pose, spacing_mm: tuple[float, float, float], options: PhantomOptions, rng: np.random.Generator
) -> tuple[Geometry, tuple[NDArray, NDArray, NDArray], tuple[int, int, int]]:
    """Scan field around the mandible: output grid, coarse grid lines (mm from the mandible), painting finer than it."""
    top = pose.size * rng.uniform(95, 165)
    bottom = pose.size * (pose.apex_z_mm - rng.uniform(22, 75))
    half = pose.size * (235 if options.whole_width else rng.uniform(115, 235))
    low = np.array([bottom, -rng.uniform(80, 110), -half + rng.normal(0, 4)])
    high = np.array([top, rng.uniform(170, 210), half])
    n = np.ceil((high - low) / spacing_mm).astype(int)
    origin = np.round(rng.uniform((-300, -300, -1200), (0, 0, 200)), 2)
    geometry = Geometry.axial((int(n[0]), int(n[1]), int(n[2])), spacing_mm, tuple(origin.tolist()))
    block = tuple(2 if s > 2.2 else 1 for s in spacing_mm)
    lines = []
    for a, count, s, b in zip(low, n, spacing_mm, block, strict=True):
        first, last = a + s / b / 2, a + count * s - s / b / 2
        lines.append(np.linspace(first, last, max(2, int(np.ceil((last - first) / COARSE_MM)) + 1)))
    return geometry, (lines[0], lines[1], lines[2]), (block[0], block[1], block[2])


def _disease(
    canvas: Canvas,
    fine_mm: tuple[float, float, float],
    spacing_mm: tuple[float, float, float],
    options: PhantomOptions,
    rng: np.random.Generator,
) -> tuple[str, NDArray[np.uint8], list[disease.DrawnNode]]:
    """Sub-site, lesion numbers on the canvas (1 the primary, 2, 3, ... nodes), and the nodes."""
    ids = np.zeros(canvas.shape, np.uint8)
    if not options.disease:
        return "", ids, []
    site = options.primary or disease.draw_primary_site(rng)
    diameter = float(np.exp(rng.uniform(*np.log(options.diameter_mm))))
    ids[disease.grow_primary(canvas, site, diameter, fine_mm, rng)] = 1
    canvas.tissue[ids == 1] = Tissue.TUMOUR
    x = _common_x(canvas, ids == 1)
    side = "left" if x > 0 else "right"
    count = int(rng.integers(options.nodes[0], options.nodes[1] + 1))
    gap = 2.3 * max(spacing_mm)
    return site, ids, disease.place_nodes(canvas, ids, count, site, side, gap, fine_mm, rng)


def _common_x(canvas: Canvas, mask: NDArray[np.bool_]) -> float:
    """Mean distance from the mid-plane to the left, mm."""
    centre = np.argwhere(mask).mean(0) / (np.array(canvas.shape) - 1) * (np.array(canvas.coarse.shape[1:]) - 1)
    k, i, j = np.round(centre).astype(int)
    return float(canvas.coarse[2, k, i, j])


def block_mode(labels: NDArray[np.uint8], block: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Most frequent label of each block; of equally frequent ones the first that is not background.

    Examples
    --------
    >>> block_mode(np.array([[[0, 0, 3, 3]], [[0, 7, 3, 0]]], np.uint8), (2, 1, 2)).tolist()
    [[[0, 3]]]
    """
    parts = [
        labels[i :: block[0], j :: block[1], k :: block[2]]
        for i in range(block[0])
        for j in range(block[1])
        for k in range(block[2])
    ]
    best, votes = parts[0].copy(), np.zeros(parts[0].shape, np.uint8)
    for candidate in parts:
        count = sum((candidate == other).astype(np.uint8) for other in parts) * 2 + (candidate > 0)
        better = count > votes
        best[better], votes[better] = candidate[better], count[better]
    return best


def _coarser_lesions(fine: NDArray[np.uint8], block: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Lesion numbers on the output grid: each in one piece, and at least the voxel that holds most of it."""
    coarse = block_mode(fine, block)
    out = np.zeros_like(coarse)
    for lesion in range(1, int(fine.max()) + 1):
        mask = coarse == lesion
        if mask.any():
            out[disease.largest(mask)] = lesion
        else:
            share = block_mean((fine == lesion).astype(np.float32), block)
            out[np.unravel_index(int(np.argmax(share)), share.shape)] = lesion
    return out
