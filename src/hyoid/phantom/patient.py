"""Virtual patients: a contrast-enhanced CT of a head and neck whose truth is known exactly.

Stages: pose and shape (`frame`, `shape_model`) -> anatomy (`background`, `head`, `neck`) -> disease (`disease`) ->
image (`image`) -> truth (`truth`). All randomness comes from the generator that is given: same seed, same bytes.

`organs` holds one label per voxel, the finest one: cartilages and air of the larynx cover label 28. Organs are outlined
as if there were no disease: where a tumour overlaps one, it involves it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hyoid.anatomy.structures import NODE as GTVN
from hyoid.anatomy.structures import PRIMARY as GTVP
from hyoid.errors import UsageError
from hyoid.phantom.anatomy.background import paint_background
from hyoid.phantom.anatomy.canvas import Canvas, Tissue
from hyoid.phantom.anatomy.frame import COARSE_MM, Pose, coarse_coordinates, draw_pose
from hyoid.phantom.anatomy.head import paint_head, paint_pharynx
from hyoid.phantom.anatomy.larynx import draw_neck
from hyoid.phantom.anatomy.lattice import Lattice
from hyoid.phantom.anatomy.neck import paint_neck, paint_neck_muscles
from hyoid.phantom.anatomy.shape_model import draw_organs, load_shape_model
from hyoid.phantom.cohort.truth import Truth, measure_truth
from hyoid.phantom.disease import growth as disease
from hyoid.phantom.disease.attributes import Attributes
from hyoid.phantom.disease.described import Disease, describe, draw_types, with_looks
from hyoid.phantom.disease.followup import MrPair, make_pair
from hyoid.phantom.disease.lesions import check_kinds
from hyoid.phantom.disease.lymphatics import draw_pattern, lymphatic_site
from hyoid.phantom.disease.sizes import draw_volume_ml, split_volume_ml
from hyoid.phantom.images.ct import block_mean, render
from hyoid.phantom.images.mr import MR_SCANNERS
from hyoid.phantom.images.pet import PET_SCANNERS, draw_pet_scanner, pet_geometry, render_pet, uptake_map
from hyoid.volume import Geometry, Quantity, Volume

# Of the virtual patients: goes up when the bytes of a seed change (docs/phantom.md says what changed).
VERSION = 6
MODALITIES = ("ct", "pet", "mr")
_COARSEST_MM, _FINEST_MM = 5.0, 0.6
_COARSEST_OTHER_MM = 8.0


@dataclass(frozen=True)
class PhantomOptions:
    """Kind of patient, disease and images to make.

    Parameters
    ----------
    disease : bool
        Whether the patient has any disease: primary and nodes, or `lesion_kinds`.
    primary : str, optional
        Sub-site of the primary (a name in `hyoid.anatomy.subsites`); drawn when empty.
    diameter_mm : (low, high)
        Longest extent of the primary, from T1 to T4.
    nodes : (low, high) or None
        Number of involved nodes, both included; fewer are placed only where there is no room. None: the levels of a
        real patient with a primary of that site and size.
    real_sizes : bool
        Volumes of primary and nodes as often as in real patients before treatment, in place of `diameter_mm`.
    wide_hu : bool
        Vary attenuation more than patients do.
    whole_width : bool
        Scan field wide enough for the shoulders; otherwise drawn.
    modalities : tuple of str
        Images to make: `ct` (always made), `pet`, `mr` (a pair, before and in the middle of treatment).
    lesion_kinds : tuple of str
        Such lesions, one each, in place of primary and nodes: names of
        `hyoid.phantom.disease.lesion_types.LESION_TYPES`, `any` of those not reserved, or `zero_shot`, any of those
        reserved.
    attributes : Attributes, optional
        Attributes of all lesions of `lesion_kinds`; drawn by type when not given.
    pet_spacing_mm, mr_spacing_mm : (slice, row, column), optional
        Drawn like real scanners' when not given.
    centre : str
        Scanners of one centre, `a` to `f`, for PET and MR; any when empty.

    Raises
    ------
    UsageError
        When a sub-site, type, modality or centre does not exist, a range is empty, or a spacing cannot hold a node.
    """

    disease: bool = True
    primary: str = ""
    diameter_mm: tuple[float, float] = (10.0, 60.0)
    nodes: tuple[int, int] | None = (0, 5)
    real_sizes: bool = False
    wide_hu: bool = True
    whole_width: bool = False
    modalities: tuple[str, ...] = ("ct",)
    lesion_kinds: tuple[str, ...] = ()
    attributes: Attributes | None = None
    pet_spacing_mm: tuple[float, float, float] | None = None
    mr_spacing_mm: tuple[float, float, float] | None = None
    centre: str = ""

    def __post_init__(self) -> None:
        if self.primary:
            disease.check_primary(self.primary)
        check_kinds(self.lesion_kinds)
        self._check_images()
        low, high = self.nodes or (0, 0)
        if not 0 < self.diameter_mm[0] <= self.diameter_mm[1] or not 0 <= low <= high:
            raise UsageError(
                f"The ranges {self.diameter_mm} mm and {self.nodes} nodes are not low to high.", "Give (low, high)."
            )
        if self.lesion_kinds and (self.primary or not self.disease):
            raise UsageError(
                "Lesion types stand in place of a primary and its nodes.", "Leave out the primary, or the lesion types."
            )
        if self.attributes and not self.lesion_kinds:
            raise UsageError("Attributes are chosen for lesions of a type.", "Say which with lesion_kinds.")

    def _check_images(self) -> None:
        for name in self.modalities:
            if name not in MODALITIES:
                raise UsageError(f"There is no modality {name!r}.", f"Choose from {', '.join(MODALITIES)}.")
        if self.centre and self.centre not in PET_SCANNERS:
            raise UsageError(f"There is no centre {self.centre!r}.", f"Choose one of {', '.join(MR_SCANNERS)}.")
        for words, spacing in (("PET", self.pet_spacing_mm), ("MR", self.mr_spacing_mm)):
            if spacing and not (len(spacing) == 3 and all(0.3 <= s <= _COARSEST_OTHER_MM for s in spacing)):
                raise UsageError(
                    f"{words} with a spacing of {spacing} mm cannot hold a node.",
                    f"Choose 0.3 to {_COARSEST_OTHER_MM} mm along every axis.",
                )


@dataclass(frozen=True, eq=False)
class VirtualPatient:
    """A CT and everything that is true about it, on one grid; other images on grids of their own.

    Parameters
    ----------
    ct : Volume
        CT in HU, int16.
    organs, subsites : Volume
        Labels of `hyoid.anatomy.structures` (1-30) and `hyoid.anatomy.subsites`.
    lesions : Volume
        1 GTVp, 2 GTVn. No two lesions touch, so components (26-connectivity) count them.
    truth : Truth
        Sex, primary, nodes, lesions and involved fields of the template.
    lesion_ids : Volume
        Number of each lesion: 1 the primary, 2, 3, ... the nodes in the order of `truth.nodes`.
    pet : Volume, optional
        SUV, float32, on a grid of its own in the same world.
    mr : MrPair, optional
        T2w MR before and in mid-treatment, when asked for.
    """

    ct: Volume
    organs: Volume
    subsites: Volume
    lesions: Volume
    truth: Truth
    lesion_ids: Volume
    pet: Volume | None = None
    mr: MrPair | None = None


def check_spacing(spacing_mm: tuple[float, float, float]) -> None:
    """Refuse a spacing that cannot hold the anatomy, or the memory.

    Raises
    ------
    UsageError
        With the range that can.
    """
    if len(spacing_mm) != 3 or not all(_FINEST_MM <= s <= _COARSEST_MM for s in spacing_mm):
        raise UsageError(
            f"A spacing of {spacing_mm} mm cannot hold a neck.",
            f"Choose {_FINEST_MM} to {_COARSEST_MM} mm along every axis.",
        )


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
        Source of all chance: anatomy, disease, noise.
    spacing_mm : (slice, row, column)
        Voxel spacing of the CT and its masks.
    options : PhantomOptions, optional
        Kind of disease and images; the usual ones when not given.

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
    check_spacing(spacing_mm)
    # Generators of their own: the CT of a seed is the same with and without the other images.
    looks_rng, pet_rng, mr_rng = rng.spawn(3)
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

    healthy = canvas.tissue.copy()
    fine_mm = tuple(s / b for s, b in zip(spacing_mm, block, strict=True))
    drawn = _disease(canvas, fine_mm, spacing_mm, options, rng, looks_rng)  # type: ignore[arg-type]
    ct = render(
        canvas, bone, rng, wide=options.wide_hu, block=block, voxel_mm=spacing_mm, overlays=drawn.overlays
    )  # fmt: skip
    organs, subsites, tissue = (block_mode(a, block) for a in (canvas.organs, canvas.subsites, healthy))
    ids = _coarser_lesions(drawn.numbers, block)

    lattice = Lattice.of_blocks(geometry, block)
    pet = _pet(canvas, drawn, lattice, options, pet_rng) if "pet" in options.modalities else None
    mr = None
    if "mr" in options.modalities:
        mr = make_pair(
            canvas, healthy, drawn.numbers, drawn.targets, drawn.looks, lattice, mr_rng,
            spacing_mm=options.mr_spacing_mm, centre=options.centre,
        )  # fmt: skip
    truth = measure_truth(organs, subsites, ids, geometry, drawn.site, drawn.nodes, "F" if female else "M", fat)
    truth = replace(truth, lesions=describe(drawn, ct, ids, tissue, geometry, pet, lattice))
    table = np.array([0, *(GTVP if t == "gtvp" else GTVN for t in drawn.targets)], np.uint8)

    def labels(array: NDArray) -> Volume:
        return Volume(array, geometry, Quantity.LABEL)

    return VirtualPatient(
        Volume(ct, geometry, Quantity.HU), labels(organs), labels(subsites), labels(table[ids]), truth, labels(ids),
        pet, mr,
    )  # fmt: skip


def iter_patients(
    seed: int,
    n: int,
    *,
    spacing_mm: tuple[float, float, float] = (3.0, 1.5, 1.5),
    options: PhantomOptions | None = None,
) -> Iterator[VirtualPatient]:
    """Make patients 0 to n - 1 of a seed one by one; patient k is the same however many are made."""
    for k in range(n):
        yield virtual_patient(np.random.default_rng([seed, k]), spacing_mm=spacing_mm, options=options)


def _grid(
    pose: Pose, spacing_mm: tuple[float, float, float], options: PhantomOptions, rng: np.random.Generator
) -> tuple[Geometry, tuple[NDArray, NDArray, NDArray], tuple[int, int, int]]:
    """Scan field around the mandible: output grid, coarse grid lines (mm from the mandible), painting finer than it."""
    top = pose.size * rng.uniform(72, 160)
    bottom = pose.size * (pose.apex_z_mm - rng.uniform(22, 75))
    low, high = (115, 180) if rng.random() < 0.3 else (180, 240)
    half = pose.size * (235 if options.whole_width else rng.uniform(low, high))
    first = np.array([bottom, -rng.uniform(80, 110), -half + rng.normal(0, 4)])
    last = np.array([top, rng.uniform(170, 210), half])
    n = np.ceil((last - first) / spacing_mm).astype(int)
    origin = np.round(rng.uniform((-300, -300, -1200), (0, 0, 200)), 2)
    geometry = Geometry.axial((int(n[0]), int(n[1]), int(n[2])), spacing_mm, tuple(origin.tolist()))
    block = tuple(2 if s > 2.2 else 1 for s in spacing_mm)
    lines = []
    for a, count, s, b in zip(first, n, spacing_mm, block, strict=True):
        begin, end = a + s / b / 2, a + count * s - s / b / 2
        lines.append(np.linspace(begin, end, max(2, int(np.ceil((end - begin) / COARSE_MM)) + 1)))
    return geometry, (lines[0], lines[1], lines[2]), (block[0], block[1], block[2])


def _disease(
    canvas: Canvas,
    fine_mm: tuple[float, float, float],
    spacing_mm: tuple[float, float, float],
    options: PhantomOptions,
    rng: np.random.Generator,
    looks_rng: np.random.Generator,
) -> Disease:
    """Paint the disease: lesions of chosen types, or a primary (number 1) with its nodes (2, 3, ...)."""
    gap = 2.3 * max(spacing_mm)
    if options.lesion_kinds:
        return draw_types(canvas, options.lesion_kinds, options.attributes, gap, fine_mm, rng)
    ids = np.zeros(canvas.shape, np.uint8)
    if not options.disease:
        return Disease(ids)
    site = options.primary or disease.draw_primary_site(rng)
    if options.real_sizes:
        volume = draw_volume_ml("gtvp", rng)
        ids[disease.grow_primary(canvas, site, None, fine_mm, rng, volume_ml=volume)] = 1
        diameter = float((np.ptp(np.argwhere(ids == 1), axis=0) * fine_mm).max())
    else:
        diameter = float(np.exp(rng.uniform(*np.log(options.diameter_mm))))
        ids[disease.grow_primary(canvas, site, diameter, fine_mm, rng)] = 1
    canvas.tissue[ids == 1] = Tissue.TUMOUR
    x = _common_x(canvas, ids == 1)
    side = "left" if x > 0 else "right"
    if options.nodes is None:
        places = draw_pattern(lymphatic_site(site), diameter, looks_rng)
        sizes = _nodal_volumes_ml(options, len(places), rng)
        nodes = disease.place_pattern(canvas, ids, places, side, gap, fine_mm, rng, sizes)
    else:
        count = int(rng.integers(options.nodes[0], options.nodes[1] + 1))
        sizes = _nodal_volumes_ml(options, count, rng)
        nodes = disease.place_nodes(canvas, ids, count, site, side, gap, fine_mm, rng, sizes)
    return with_looks(site, ids, nodes, looks_rng)


def _nodal_volumes_ml(options: PhantomOptions, count: int, rng: np.random.Generator) -> list[float]:
    """Volume of every node of a patient with nodes of real sizes; nothing where sizes are drawn node by node."""
    return split_volume_ml(draw_volume_ml("gtvn", rng), count, rng) if options.real_sizes else []


def _pet(canvas: Canvas, drawn: Disease, lattice: Lattice, options: PhantomOptions, rng: np.random.Generator) -> Volume:
    """The PET of the painted patient."""
    scanner = draw_pet_scanner(rng, options.centre, options.pet_spacing_mm)
    grid = pet_geometry(lattice, scanner.spacing_mm, rng)
    uptake = uptake_map(canvas, drawn.numbers, drawn.looks, rng)
    return Volume(render_pet(uptake, lattice, grid, scanner, rng), grid, Quantity.SUV)


def _common_x(canvas: Canvas, mask: NDArray[np.bool_]) -> float:
    """Mean distance from the mid-plane to the left, mm."""
    centre = np.argwhere(mask).mean(0) / (np.array(canvas.shape) - 1) * (np.array(canvas.coarse.shape[1:]) - 1)
    k, i, j = np.round(centre).astype(int)
    return float(canvas.coarse[2, k, i, j])


def block_mode(labels: NDArray[np.uint8], block: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Find the most frequent label of each block; of equally frequent ones the first that is not background.

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
