"""Virtual patients: a contrast-enhanced CT of a head and neck whose truth is known exactly.

Stages: pose and shape (`frame`, `shape_model`) -> anatomy (`background`, `head`, `neck`) -> disease (`disease`) ->
image (`image`) -> truth (here). All randomness comes from the generator that is given: same seed, same bytes.

`organs` holds one label per voxel, the finest one: cartilages and air of the larynx cover label 28. The larynx as a
radiation oncologist outlines it (one label in OpenKBP) is what `larynx_mask` returns. Organs are outlined as if there
were no disease: where a tumour overlaps one, it involves it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist

from hyoid.anatomy.structures import BY_NAME
from hyoid.anatomy.subsites import FIELDS, SUBSITES
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
from hyoid.volume import Geometry, Quantity, Volume

LARYNX_PARTS = (1, 2, 3, 28)
GTVP, GTVN = 1, 2
_COARSEST_MM, _FINEST_MM = 5.0, 0.6
_INVOLVED_ML, _INVOLVED_SHARE = 0.05, 0.1


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


@dataclass(frozen=True)
class NodeTruth:
    """One involved node, measured on the label map.

    Parameters
    ----------
    level, side : str
    longest_mm, axial_short_mm : float
        Between the outermost voxel centres plus one voxel.
    necrotic : bool
    """

    level: str
    side: str
    longest_mm: float
    axial_short_mm: float
    necrotic: bool


@dataclass(frozen=True)
class Truth:
    """What is known about a virtual patient.

    Parameters
    ----------
    sex : {"F", "M"}
    fat : float
        Standard deviations more fat than usual.
    primary : str
        Sub-site in which the primary arose; empty without disease.
    side : str
        "left", "right" or "midline": where the tumour's centre lies, more than 5 mm off the airway's mid-plane or not.
    size_cm : float
        Longest diameter of the primary.
    involved : dict of bool
        Per field of the template that is a place in the body: whether the primary overlaps it.
    involved_subsites : tuple of str
        Names of the sub-sites that it overlaps, with their side; the one in which it arose is always among them.
    nodes : tuple of NodeTruth
    """

    sex: str
    fat: float
    primary: str = ""
    side: str = ""
    size_cm: float = 0.0
    involved: dict[str, bool] = field(default_factory=dict)
    involved_subsites: tuple[str, ...] = ()
    nodes: tuple[NodeTruth, ...] = ()


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
    truth = _truth(organs, subsites, ids, geometry, site, drawn, "F" if female else "M", fat)
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


def _truth(
    organs: NDArray[np.uint8],
    subsites: NDArray[np.uint8],
    ids: NDArray[np.uint8],
    geometry: Geometry,
    site: str,
    drawn: list[disease.DrawnNode],
    sex: str,
    fat: float,
) -> Truth:
    nodes = []
    for number, node in enumerate(drawn, start=2):
        mask = ids == number
        if mask.any():
            longest, short = longest_diameter_mm(mask, geometry), axial_short_mm(mask, geometry)
            nodes.append(NodeTruth(node.level, node.side, round(longest, 1), round(short, 1), node.necrotic))
    primary = ids == 1
    if not primary.any():
        return Truth(sex, fat, nodes=tuple(nodes))

    def overlaps(region: NDArray[np.bool_]) -> bool:
        shared = int((region & primary).sum())
        return shared * geometry.voxel_ml > _INVOLVED_ML or shared > _INVOLVED_SHARE * max(int(region.sum()), 1)

    touched = tuple(row.name for row in SUBSITES if row.name == site or overlaps(subsites == row.label))
    involved = {}
    for item in FIELDS:
        names = [row.name for row in SUBSITES if row.field == item.key]
        if names:
            involved[item.key] = any(name in touched for name in names)
        elif item.organs and item.key != "airway_compromise":  # a narrowed airway is not an overlap
            involved[item.key] = any(overlaps(organs == BY_NAME[name].label) for name in item.organs)
    size = longest_diameter_mm(primary, geometry) / 10
    return Truth(sex, fat, site, _side(primary, organs, geometry), round(size, 2), involved, touched, tuple(nodes))


def _side(primary: NDArray[np.bool_], organs: NDArray[np.uint8], geometry: Geometry) -> str:
    """Side of the tumour against the mid-plane between left and right parotid gland."""
    glands = [
        geometry.to_lps(np.argwhere(organs == BY_NAME[f"parotid_{s}"].label))[:, 0].mean() for s in ("left", "right")
    ]
    offset = geometry.to_lps(np.argwhere(primary))[:, 0].mean() - np.mean(glands)
    return "midline" if abs(offset) < 5 else "left" if offset > 0 else "right"


def longest_diameter_mm(mask: NDArray[np.bool_], geometry: Geometry) -> float:
    """Largest distance between voxel centres of a mask, plus one voxel along that direction, mm."""
    index = np.argwhere(mask)
    points = index * np.array(geometry.spacing_mm)
    if len(points) > 50:
        try:
            points = points[ConvexHull(points).vertices]
        except QhullError:  # flat lesions have no hull in three dimensions
            points = points[np.linalg.norm(points - points.mean(0), axis=1).argsort()[-200:]]
    if len(points) == 1:
        return float(max(geometry.spacing_mm))
    pairs = np.array(np.triu_indices(len(points), 1)).T
    first, second = points[pairs[np.argmax(pdist(points))]]
    return float(np.linalg.norm(first - second)) + _one_voxel(first - second, geometry)


def axial_short_mm(mask: NDArray[np.bool_], geometry: Geometry) -> float:
    """Shortest width within the slice in which the lesion is largest, mm."""
    k = int(np.argmax(mask.sum((1, 2))))
    points = np.argwhere(mask[k]) * np.array(geometry.spacing_mm[1:])
    widths = []
    for angle in np.radians(np.arange(0, 180, 5)):
        direction = np.array([np.cos(angle), np.sin(angle)])
        widths.append(float(np.ptp(points @ direction)) + _one_voxel(np.array([0, *direction]), geometry))
    return min(widths)


def _one_voxel(direction: NDArray, geometry: Geometry) -> float:
    """Size of a voxel along a direction: the length of the line through its centre, mm."""
    unit = np.abs(direction) / np.linalg.norm(direction)
    return float(1 / np.max(unit / np.array(geometry.spacing_mm)))


def count_lesions(lesions: NDArray[np.uint8], label: int) -> int:
    """Number of lesions of a label (components, 26-connectivity)."""
    return int(cc3d.connected_components((lesions == label).astype(np.uint8), connectivity=26).max())
