"""From before treatment to its middle: how each lesion changes, how the neck moves, and the pair of MR images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from hyoid.phantom.anatomy.canvas import Canvas, Tissue
from hyoid.phantom.anatomy.frame import smooth_noise
from hyoid.phantom.anatomy.lattice import Lattice, resample_numbers
from hyoid.phantom.anatomy.motion import Field, draw_field
from hyoid.phantom.disease.growth import largest
from hyoid.phantom.disease.looks import Look
from hyoid.phantom.images.mr import draw_mr_scanner, mr_geometry, render_mr, signal_map, tissue_signal
from hyoid.volume import Geometry, Quantity, Volume

# Volume in mid-treatment over volume before, by share of the patients: 135 real ones with a primary, of whom 21 lost it
# and in 2 of whom it grew by more than a tenth; 130 with nodes, of whom 1 lost them and in 11 of whom they grew by more
# than a tenth. The largest growth is a guess.
_RATIOS = {
    "gtvp": (
        (21 / 135, 0.25, 0.50, 0.75, 0.90, 0.95, 133 / 135, 1.0),
        (0.0, 0.135, 0.301, 0.505, 0.744, 0.787, 1.1, 1.5),
    ),
    "gtvn": (
        (1 / 130, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 119 / 130, 0.95, 1.0),
        (0.0, 0.219, 0.361, 0.555, 0.779, 0.946, 1.08, 1.1, 1.153, 1.5),
    ),
}
_LEAST_LEFT = 0.02  # of a lesion that does not vanish
_SMALLEST_ML = 0.03
_STABLE = 0.2
_SOFT = (
    Tissue.FAT, Tissue.MUSCLE, Tissue.MUCOSA, Tissue.LYMPHOID, Tissue.TONGUE, Tissue.SUBMANDIBULAR, Tissue.PAROTID,
    Tissue.VEIN,
)  # fmt: skip


@dataclass(frozen=True)
class LesionChange:
    """One lesion at both times.

    Parameters
    ----------
    number : int
        Number of the lesion in `lesion_ids`.
    target : {"gtvp", "gtvn"}
        Gross tumour volume that the lesion belongs to: primary or node.
    before_ml, after_ml : float
        Volumes on the masks of the MR images.
    response : {"vanished", "shrunk", "stable", "grown"}
        Vanished: nothing left. Stable: volume changed by 20 % or less.
    """

    number: int
    target: str
    before_ml: float
    after_ml: float
    response: str


@dataclass(frozen=True, eq=False)
class MrPair:
    """T2w fat-saturated MR before and in the middle of treatment.

    Parameters
    ----------
    pre, mid : Volume
        Signal, each on its own grid and in its own world; `field` connects them.
    pre_ids, mid_ids : Volume
        Lesion numbers, the same at both times.
    pre_lesions, mid_lesions : Volume
        Tumour labels: 1 GTVp, 2 GTVn.
    field : Field
        Where each point of the later image lay before treatment.
    changes : tuple of LesionChange
        Every lesion's volumes and response, in the order of the lesion numbers.
    """

    pre: Volume
    mid: Volume
    pre_ids: Volume
    mid_ids: Volume
    pre_lesions: Volume
    mid_lesions: Volume
    field: Field
    changes: tuple[LesionChange, ...]

    @cached_property
    def pre_registered(self) -> Volume:
        """Image from before treatment, carried onto the grid of the later one by the true field."""
        return self._carried(self.pre, order=1)

    @cached_property
    def pre_ids_registered(self) -> Volume:
        """Lesion numbers from before on the grid of the later image, nearest neighbour."""
        return self._carried(self.pre_ids, order=0)

    @cached_property
    def pre_lesions_registered(self) -> Volume:
        """1 GTVp, 2 GTVn from before on the grid of the later image, nearest neighbour."""
        return self._carried(self.pre_lesions, order=0)

    def _carried(self, volume: Volume, order: int) -> Volume:
        grid = self.mid.geometry
        out = np.zeros(grid.shape, volume.array.dtype)
        inverse = np.linalg.inv(volume.geometry.ijk_to_lps)
        slab = 8
        lines = Lattice.of_grid(grid)
        for first in range(0, grid.shape[0], slab):
            part = Lattice(lines.z[first : first + slab], lines.y, lines.x)
            origin = (float(part.x[0]), float(part.y[0]), float(part.z[0]))
            piece = Geometry.axial(part.shape, grid.spacing_mm, origin)
            x, y, z = self.field.at(piece)
            z += part.z[:, None, None].astype(np.float32)
            y += part.y[:, None].astype(np.float32)
            x += part.x.astype(np.float32)
            index = [
                sum(np.float32(m) * c for m, c in zip(row[:3], (x, y, z), strict=True)) + np.float32(row[3])
                for row in inverse[:3]
            ]
            out[first : first + slab] = ndi.map_coordinates(volume.array, index, order=order, mode="constant", cval=0)
        return Volume(out, grid, volume.quantity)


def draw_ratio(target: str, rng: np.random.Generator) -> float:
    """Draw the volume in mid-treatment over that before, as often as in real pairs; 0 when the lesion vanishes.

    Parameters
    ----------
    target : {"gtvp", "gtvn"}
        Primary or node; nodes and primaries shrink differently.
    """
    share = rng.random()
    shares, ratios = _RATIOS[target]
    return 0.0 if share < shares[0] else float(max(np.interp(share, shares, ratios), _LEAST_LEFT))


def make_pair(
    canvas: Canvas,
    before: NDArray[np.uint8],
    numbers: NDArray[np.uint8],
    targets: Sequence[str],
    looks: list[Look],
    lattice: Lattice,
    rng: np.random.Generator,
    *,
    spacing_mm: tuple[float, float, float] | None = None,
    centre: str = "",
) -> MrPair:
    """Make both MR images of a painted patient.

    Parameters
    ----------
    canvas : Canvas
        Tissues of the patient with tumour, before treatment.
    before : ndarray
        Tissue of the canvas before there was disease: what comes back where tumour goes.
    numbers : ndarray
        Lesion numbers on the canvas, from 1.
    targets : sequence of {"gtvp", "gtvn"}
        Gross tumour volume of lesion 1, 2, ...
    looks : list of Look
        MR signal of lesion 1, 2, ...
    lattice : Lattice
        Lattice of the canvas.
    spacing_mm : (slice, row, column), optional
        Voxel spacing of both images; drawn like scanners' when not given.
    centre : str
        See `hyoid.phantom.images.mr.MR_SCANNERS`; any when empty.
    """
    draw, image_rng = rng.spawn(2)
    ratios = [draw_ratio(target, draw) for target in targets]
    offset = np.round(draw.uniform((-40, -40, -60), (40, 40, 60)), 1)[::-1]  # z, y, x of the other day's couch
    field, kept = draw_field(canvas, numbers, ratios, lattice, offset, draw)
    numbers_then, tissue_then = _edited(canvas, before, numbers, ratios, kept, lattice, draw)
    later = Lattice(*(line + o for line, o in zip(lattice.lines, offset, strict=True)))
    index = _gather_index(field, lattice, later)
    tissue_mid, ids_mid = (_gathered(a, index) for a in (tissue_then, numbers_then))
    healed = _gathered((numbers > 0) & (numbers_then == 0), index)
    del index

    scanner = draw_mr_scanner(image_rng, centre, spacing_mm)
    second = scanner if image_rng.random() < 0.85 else draw_mr_scanner(image_rng, centre, spacing_mm)
    lut = tissue_signal(image_rng)
    low, high = _box(numbers, lattice)
    pre_grid = mr_geometry(lattice, scanner, low, high, image_rng)
    signal = signal_map(canvas, canvas.tissue, numbers, looks, lut, image_rng)
    pre = render_mr(signal, lattice, pre_grid, scanner, image_rng)

    low, high = _box(np.where(healed, 1, ids_mid), later)
    mid_grid = mr_geometry(later, second, low, high, image_rng)
    lut[Tissue.MUCOSA] *= np.float32(image_rng.uniform(1.0, 1.35))  # mucositis
    for gland in (Tissue.PAROTID, Tissue.SUBMANDIBULAR):
        lut[gland] *= np.float32(image_rng.uniform(1.0, 1.5))
    looks_then = [_changed(look, image_rng) for look in looks]
    signal = signal_map(canvas, tissue_mid, ids_mid, looks_then, lut, image_rng, healed)
    mid = render_mr(signal, later, mid_grid, second, image_rng)
    pre_ids, mid_ids = (
        Volume(resample_numbers(n, a, Lattice.of_grid(g)), g, Quantity.LABEL)
        for n, a, g in ((numbers, lattice, pre_grid), (ids_mid, later, mid_grid))
    )
    table = np.array([0, *(1 if t == "gtvp" else 2 for t in targets)], np.uint8)
    pre_lesions, mid_lesions = (Volume(table[v.array], v.geometry, Quantity.LABEL) for v in (pre_ids, mid_ids))
    changes = tuple(_change(k, t, pre_ids, mid_ids) for k, t in enumerate(targets, start=1))
    return MrPair(
        Volume(pre, pre_grid, Quantity.MR),
        Volume(mid, mid_grid, Quantity.MR),
        pre_ids,
        mid_ids,
        pre_lesions,
        mid_lesions,
        field,
        changes,
    )


def _edited(
    canvas: Canvas,
    before: NDArray[np.uint8],
    numbers: NDArray[np.uint8],
    ratios: list[float],
    kept: list[float],
    lattice: Lattice,
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Lesion numbers and tissue in mid-treatment, still where they were before."""
    out, tissue = numbers.copy(), canvas.tissue.copy()
    voxel_ml = float(np.prod(lattice.voxel_mm)) / 1000
    for number, (ratio, keep) in enumerate(zip(ratios, kept, strict=True), start=1):
        found = ndi.find_objects((numbers == number).astype(np.uint8))
        if not found:
            continue
        where = tuple(
            slice(max(0, s.start - round(12 / v)), s.stop + round(12 / v))
            for s, v in zip(found[0], lattice.voxel_mm, strict=True)
        )
        mask = numbers[where] == number
        wanted = ratio / keep * int(mask.sum())
        if wanted * keep * voxel_ml < _SMALLEST_ML:
            wanted = 0
        ragged = 0.8 * smooth_noise(mask.shape, 4 / min(lattice.voxel_mm), rng)
        if wanted <= mask.sum():
            left = _deepest(mask, ndi.distance_transform_edt(mask, sampling=lattice.voxel_mm) + ragged, int(wanted))
            left = largest(left) if left.any() else left
            gone = mask & ~left
            tissue[where][gone] = before[where][gone]
            out[where][gone] = 0
            continue
        room = np.isin(tissue[where], _SOFT) & (out[where] == 0)
        others = (out[where] > 0) & ~mask
        if others.any():
            room &= ndi.distance_transform_edt(~others, sampling=lattice.voxel_mm) > 2.3 * max(lattice.voxel_mm)
        outside = ndi.distance_transform_edt(~mask, sampling=lattice.voxel_mm) + ragged
        added = _deepest(room & (outside < 12), -outside, int(wanted - mask.sum()))
        grown = largest(mask | added)
        out[where][grown] = number
        tissue[where][grown & ~mask] = Tissue.TUMOUR
    return out, tissue


def _deepest(mask: NDArray[np.bool_], depth: NDArray, count: int) -> NDArray[np.bool_]:
    """The `count` voxels of a mask with the greatest depth."""
    if count <= 0 or not mask.any():
        return np.zeros(mask.shape, bool)
    values = np.sort(depth[mask])
    return np.asarray(mask & (depth >= values[max(0, len(values) - count)]))


def _gather_index(field: Field, lattice: Lattice, later: Lattice) -> tuple[NDArray[np.intp], ...]:
    """For each voxel of the later lattice the nearest voxel of the earlier one; -1 outside."""
    grid = Geometry.axial(later.shape, later.voxel_mm, (float(later.x[0]), float(later.y[0]), float(later.z[0])))
    vectors = field.at(grid)[::-1]
    index = []
    for axis, (line, start, step, n) in enumerate(
        zip(later.lines, (v[0] for v in lattice.lines), lattice.voxel_mm, lattice.shape, strict=True)
    ):
        shape = [1, 1, 1]
        shape[axis] = len(line)
        position = (vectors[axis] + line.reshape(shape).astype(np.float32) - np.float32(start)) / np.float32(step)
        rounded = np.round(position).astype(np.int32)
        rounded[(rounded < 0) | (rounded >= n)] = -1
        index.append(rounded)
    return tuple(index)


def _gathered(array: NDArray, index: tuple[NDArray, ...]) -> NDArray:
    """Values at an index; zero where it is -1."""
    out = array[index]
    out[np.logical_or.reduce([i < 0 for i in index])] = 0
    return out


def _box(numbers: NDArray, lattice: Lattice) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest coordinates (z, y, x) of all lesions; the centre of the lattice without any."""
    found = ndi.find_objects((numbers > 0).astype(np.uint8))
    if not found:
        middle = np.array([np.mean(line) for line in lattice.lines])
        return middle, middle
    pairs = [(line[s.start], line[s.stop - 1]) for line, s in zip(lattice.lines, found[0], strict=True)]
    low, high = np.array(pairs).T
    return low, high


def _changed(look: Look, rng: np.random.Generator) -> Look:
    """The look of a treated lesion: signal up or down, more varied."""
    factor = float(np.exp(rng.normal(-0.1, 0.15)))
    return Look(look.suv, look.suv_core, look.t2 * factor, look.t2_core, min(0.5, look.patchy * 1.3))


def _change(number: int, target: str, pre: Volume, mid: Volume) -> LesionChange:
    before, after = (float((v.array == number).sum()) * v.geometry.voxel_ml for v in (pre, mid))
    ratio = after / before if before else 1.0
    if not after:
        response = "vanished"
    elif ratio > 1 + _STABLE:
        response = "grown"
    else:
        response = "stable" if ratio >= 1 - _STABLE else "shrunk"
    return LesionChange(number, target, round(before, 4), round(after, 4), response)
