"""Lesions of a type, drawn so that their attributes can be measured back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from hyoid.anatomy.structures import BY_NAME
from hyoid.anatomy.subsites import SUBSITE_BY_NAME
from hyoid.errors import UsageError
from hyoid.phantom.anatomy.canvas import Canvas, Slices, Tissue
from hyoid.phantom.anatomy.frame import smooth_noise
from hyoid.phantom.disease.attributes import CLOSE_SHARE, PUNCTATE_MM, Attributes, contact_share, shape_of, signed_depth
from hyoid.phantom.disease.growth import NODE_SITES, largest
from hyoid.phantom.disease.lesion_types import LESION_TYPES, LesionType, draw_attributes
from hyoid.phantom.disease.looks import Look, Overlay, draw_look

# What a lesion may replace, and what counts as a structure it may be in close relationship with.
_SOFT = (
    Tissue.FAT, Tissue.MUSCLE, Tissue.MUCOSA, Tissue.LYMPHOID, Tissue.TONGUE, Tissue.SUBMANDIBULAR, Tissue.PAROTID,
    Tissue.THYROID, Tissue.VEIN, Tissue.CARTILAGE,
)  # fmt: skip
STRUCTURES = (
    Tissue.BONE, Tissue.DENSE_BONE, Tissue.TOOTH, Tissue.CARTILAGE, Tissue.ARTERY, Tissue.VEIN, Tissue.THYROID,
    Tissue.SUBMANDIBULAR, Tissue.PAROTID, Tissue.CORD, Tissue.EYE, Tissue.TONGUE, Tissue.METAL,
)  # fmt: skip
# Against which borders are seen: what is lighter than lesions of muscle's density, and what is denser than light ones.
_LIGHT, _HEAVY = (Tissue.FAT, Tissue.PAROTID), (Tissue.MUSCLE, Tissue.TONGUE, Tissue.BONE)
_TRIES = 14


@dataclass(frozen=True, eq=False)
class DrawnLesion:
    """A lesion as it was placed."""

    kind: LesionType
    attributes: Attributes
    look: Look
    overlay: Overlay
    place: str


def check_kinds(kinds: Sequence[str]) -> None:
    """Refuse what is neither a type nor `any` nor `zero_shot`.

    Raises
    ------
    UsageError
        With the names there are.
    """
    for name in kinds:
        if name not in LESION_TYPES and name not in ("any", "zero_shot"):
            raise UsageError(
                f"There is no lesion type {name!r}.", f"Choose any, zero_shot, or one of {', '.join(LESION_TYPES)}."
            )


def place_lesions(
    canvas: Canvas,
    kinds: Sequence[str],
    wanted: Attributes | None,
    gap_mm: float,
    voxel_mm: tuple[float, float, float],
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], list[DrawnLesion]]:
    """Paint one lesion of each kind; those for which there is no room beside the others are left out.

    Parameters
    ----------
    kinds : sequence of str
        Names of `LESION_TYPES`, `any` (one of those not reserved) or `zero_shot` (one of those reserved).
    wanted : Attributes, optional
        Attributes of every lesion; drawn by type when not given.
    gap_mm : float
        Least distance between two lesions.
    voxel_mm : spacing of the canvas
        Voxel spacing along slice, row, column.

    Returns
    -------
    ndarray
        Lesion numbers 1, 2, ... on the canvas.
    list of DrawnLesion

    Raises
    ------
    UsageError
        When not even the first can be placed.
    """
    numbers, drawn = np.zeros(canvas.shape, np.uint8), list[DrawnLesion]()
    for name in kinds:
        if name in LESION_TYPES:
            kind = LESION_TYPES[name]
        else:
            kind = rng.choice([k for k in LESION_TYPES.values() if k.zero_shot == (name == "zero_shot")])  # type: ignore[arg-type]
        lesion = _place(canvas, numbers, kind, wanted, len(drawn) + 1, gap_mm, voxel_mm, rng)
        if lesion is not None:
            drawn.append(lesion)
    if not drawn:
        raise UsageError(
            f"No lesion of the kinds {', '.join(kinds)}{' with the wanted attributes' if wanted else ''} fits in this "
            "patient.",
            "Choose a finer spacing, other attributes, or another seed.",
        )
    return numbers, drawn


def _place(
    canvas: Canvas,
    numbers: NDArray[np.uint8],
    kind: LesionType,
    wanted: Attributes | None,
    number: int,
    gap_mm: float,
    voxel_mm: tuple[float, float, float],
    rng: np.random.Generator,
) -> DrawnLesion | None:
    """Try places, shapes and sizes until what is drawn is what was chosen."""
    attributes = wanted or draw_attributes(kind, rng)
    for attempt in range(3 * _TRIES):
        if attempt and not attempt % _TRIES and wanted is None:
            attributes = draw_attributes(kind, rng)
        shrink = 1 - 0.5 * (attempt % _TRIES) / _TRIES
        diameter = float(np.exp(rng.uniform(*np.log(kind.diameter_mm)))) * shrink
        if attributes.shape == "punctate_nodular":
            diameter = float(rng.uniform(0.5, 0.88)) * PUNCTATE_MM
        else:
            diameter = max(diameter, 1.25 * PUNCTATE_MM)
        place = str(rng.choice(kind.places))
        seed = _seed(canvas, place, rng)
        if seed is None:
            continue
        where = _around(seed, 0.9 * diameter + 8, voxel_mm, canvas.shape)
        mask = _mask(canvas, where, seed, diameter, attributes, kind, place, voxel_mm, rng)
        others = numbers[where] > 0
        if mask is not None and others.any():
            mask &= ndi.distance_transform_edt(~others, sampling=voxel_mm) > gap_mm
            mask = largest(mask)
        if mask is None or not _as_chosen(canvas.tissue[where], mask, diameter, attributes, kind, place, voxel_mm):
            continue
        overlay = _paint(canvas, where, mask, kind, attributes, voxel_mm, rng)
        numbers[where][mask] = number
        return DrawnLesion(kind, attributes, draw_look(rng, *kind.suv, t2=kind.t2), overlay, place)
    return None


def _around(seed: NDArray, reach_mm: float, voxel_mm: tuple[float, float, float], shape: Sequence[int]) -> Slices:
    d, h, w = (
        slice(max(0, int(s - np.ceil(reach_mm / v))), min(n, int(s + np.ceil(reach_mm / v)) + 1))
        for s, v, n in zip(seed, voxel_mm, shape, strict=True)
    )
    return d, h, w


def _seed(canvas: Canvas, place: str, rng: np.random.Generator) -> NDArray | None:
    """A voxel of a place; None where this patient's field does not hold it."""
    kind, name = place.split(":")
    if kind in ("node", "point"):
        point = np.array(NODE_SITES[name] if kind == "node" else [float(v) for v in name.split(",")])
        point = point + np.clip(rng.standard_normal(3), -2, 2) * (6, 3, 2)
        point[2] *= rng.choice([-1, 1])
        far = ((canvas.coarse - point.astype(np.float32)[:, None, None, None]) ** 2).sum(0)
        nearest = np.array(np.unravel_index(int(np.argmin(far)), far.shape))
        if far.min() > 36:
            return None
        return np.round(nearest / (np.array(far.shape) - 1) * (np.array(canvas.shape) - 1)).astype(int)
    if kind == "subsite":
        region = (canvas.subsites == SUBSITE_BY_NAME[name].label) & np.isin(canvas.tissue, _SOFT)
    elif kind == "organ":
        region = canvas.organs == BY_NAME[name].label
    else:
        region = canvas.tissue == Tissue[name]
    voxels = np.flatnonzero(region)
    if not len(voxels):
        return None
    return np.array(np.unravel_index(int(voxels[rng.integers(len(voxels))]), canvas.shape))


def _mask(
    canvas: Canvas,
    where: Slices,
    seed: NDArray,
    diameter_mm: float,
    attributes: Attributes,
    kind: LesionType,
    place: str,
    voxel_mm: tuple[float, float, float],
    rng: np.random.Generator,
) -> NDArray[np.bool_] | None:
    """The lesion around its seed, in what it may replace, away from structures when it is to keep away."""
    tissue = canvas.tissue[where]
    allowed = (*_SOFT, Tissue.BONE, Tissue.DENSE_BONE, Tissue.DISC) if kind.in_bone else _SOFT
    room = np.isin(tissue, allowed) & canvas.inside[where]
    lines = [(np.arange(s.start, s.stop) - c) * v for s, c, v in zip(where, seed, voxel_mm, strict=True)]
    z, y, x = np.meshgrid(*lines, indexing="ij", sparse=True)
    radius = diameter_mm / 2
    if attributes.shape == "wall_thickening":
        air = tissue == Tissue.AIR
        if not air.any():
            return None
        from_air = ndi.distance_transform_edt(~air, sampling=voxel_mm)
        thick = float(np.clip(rng.uniform(0.18, 0.3) * diameter_mm, 3.0, 9.0)) + 0.6 * smooth_noise(
            tissue.shape, 3 / min(voxel_mm), rng
        )
        depth = np.minimum(thick - from_air, radius - np.sqrt(z**2 + y**2 + x**2))
    elif attributes.shape == "irregular":
        depth = _ragged(z, y, x, radius, rng) + 0.12 * radius * smooth_noise(
            tissue.shape, tuple(0.22 * radius / v for v in voxel_mm), rng
        )
    else:
        axes = radius * np.array([rng.uniform(0.85, 1.0), rng.uniform(0.75, 1.0), rng.uniform(0.75, 1.0)])
        depth = _ellipsoid(z, y, x, (0, 0, 0), axes) + 0.3 * smooth_noise(tissue.shape, 3 / min(voxel_mm), rng)
    mask = (depth > 0) & room
    if attributes.invasion == "no_close_relationship":
        structures = structures_for(tissue, place)
        if structures.any():
            mask &= ndi.distance_transform_edt(~structures, sampling=voxel_mm) > max(2.6, 1.6 * max(voxel_mm))
    return largest(mask) if mask.any() else None


def _ellipsoid(z: NDArray, y: NDArray, x: NDArray, centre: Sequence[float], axes: NDArray) -> NDArray:
    q = sum(((v - c) / a) ** 2 for v, c, a in zip((z, y, x), centre, axes, strict=True))
    return (1 - np.sqrt(q)) * float(axes.min())


def _ragged(z: NDArray, y: NDArray, x: NDArray, radius: float, rng: np.random.Generator) -> NDArray:
    """Several lobes that reach out of a common middle."""
    depth = _ellipsoid(z, y, x, (0, 0, 0), np.full(3, 0.5 * radius))
    for _ in range(int(rng.integers(4, 7))):
        direction = rng.standard_normal(3)
        direction /= np.linalg.norm(direction)
        centre = direction * radius * rng.uniform(0.45, 0.75)
        depth = np.maximum(depth, _ellipsoid(z, y, x, centre.tolist(), radius * rng.uniform(0.22, 0.42, 3)))
    return depth


def structures_for(tissue: NDArray[np.uint8], place: str) -> NDArray[np.bool_]:
    """Mark the structures that a lesion which arose at a place may be in close relationship with.

    Parameters
    ----------
    tissue : ndarray
        Tissue of every voxel before disease.
    place : str
        Place of origin as in `LesionType.places`.
    """
    host = _HOST.get(place.split(":")[1].removesuffix("_left").removesuffix("_right"))
    return np.isin(tissue, [t for t in STRUCTURES if t != host])


_HOST = {
    "parotid": Tissue.PAROTID, "submandibular": Tissue.SUBMANDIBULAR, "thyroid_gland": Tissue.THYROID,
    "oral_tongue": Tissue.TONGUE, "base_of_tongue": Tissue.TONGUE,
}  # fmt: skip


def _as_chosen(
    tissue: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    diameter_mm: float,
    attributes: Attributes,
    kind: LesionType,
    place: str,
    voxel_mm: tuple[float, float, float],
) -> bool:
    """Whether size, shape, neighbourhood and border are what was chosen."""
    volume = mask.sum() * float(np.prod(voxel_mm))
    least = 0.05 if attributes.shape in ("wall_thickening", "irregular") else 0.3
    if volume < max(least * diameter_mm**3 * np.pi / 6, 40.0, 4 * float(np.prod(voxel_mm))):
        return False
    if shape_of(mask, voxel_mm) != attributes.shape:
        return False
    share = contact_share(mask, structures_for(tissue, place), voxel_mm)
    if (share >= CLOSE_SHARE) != (attributes.invasion == "close_relationship") or abs(share / CLOSE_SHARE - 1) < 0.3:
        return False
    # An ill-defined margin is seen only against what differs from the lesion.
    ring = np.asarray(ndi.binary_dilation(mask, iterations=max(1, round(4 / max(voxel_mm)))) & ~mask)
    seen = _LIGHT if attributes.density != "hypodense" else _HEAVY if kind.name == "lipoma" else (*_LIGHT, *_HEAVY)
    return bool(np.isin(tissue[ring], seen).mean() > (0.2 if attributes.surface == "well_defined" else 0.4))


def _paint(
    canvas: Canvas,
    where: Slices,
    mask: NDArray[np.bool_],
    kind: LesionType,
    attributes: Attributes,
    voxel_mm: tuple[float, float, float],
    rng: np.random.Generator,
) -> Overlay:
    """Write the lesion on the canvas; what it adds to the CT."""
    depth = signed_depth(mask, voxel_mm)
    weight = _weight(canvas, where, depth, attributes, rng)
    canvas.tissue[where][mask] = Tissue.NODE if kind.target == "gtvn" else Tissue.TUMOUR
    if kind.cored and attributes.density == "hypodense":
        canvas.tissue[where][mask & (depth > 0.3 * depth.max())] = Tissue.NECROSIS
    return Overlay(where, weight, _texture(depth, kind, attributes, voxel_mm, rng))


def _weight(
    canvas: Canvas, where: Slices, depth: NDArray[np.float32], attributes: Attributes, rng: np.random.Generator
) -> NDArray[np.float32]:
    """How much of each voxel is the lesion's: a step, or a slope over about a centimetre."""
    if attributes.surface == "well_defined":
        return (depth > 0).astype(np.float32)
    half = min(float(rng.uniform(5.5, 8.0)), max(4.0, 1.2 * float(depth.max())))
    soft = np.isin(canvas.tissue[where], (*_SOFT, Tissue.SKIN)) | (depth > 0)
    return (np.clip(0.5 + depth / (2 * half), 0, 1) * soft).astype(np.float32)


def _texture(
    depth: NDArray[np.float32],
    kind: LesionType,
    attributes: Attributes,
    voxel_mm: tuple[float, float, float],
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Attenuation above muscle: its level, and what makes it uneven; the median inside is the level."""
    level = float(rng.uniform(*kind.offset_hu[attributes.density]))
    out = np.full(depth.shape, level, np.float32)
    inside = depth > 0
    if attributes.heterogeneity == "heterogeneous":
        size = float(np.clip(0.3 * depth.max(), 1.6, 4.0))
        uneven = np.clip(smooth_noise(depth.shape, tuple(size / v for v in voxel_mm), rng), -1.6, 1.6)
        deep = depth > 0.4 * float(depth.max())
        uneven *= np.float32(rng.uniform(32, 55) / max(float(uneven[deep].std()), 0.3))
        out += uneven - np.float32(np.median(uneven[inside]))
    if kind.cored and attributes.density == "hypodense":
        rim = inside & (depth < min(1.6, 0.25 * float(depth.max())))
        out[rim] = np.float32(rng.uniform(15, 45))
    return out
