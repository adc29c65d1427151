"""Primary tumours and involved nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from hyoid.anatomy.subsites import SUBSITE_BY_NAME
from hyoid.errors import UsageError
from hyoid.phantom.anatomy.canvas import Canvas, Slices, Tissue
from hyoid.phantom.anatomy.frame import smooth_noise
from hyoid.phantom.anatomy.solids import ellipsoid
from hyoid.phantom.disease.lymphatics import involved_levels, lymphatic_site

# How readily a tumour grows into a tissue, per step of the front. Bone, teeth and air stop it.
_SPEED = {
    Tissue.MUCOSA: 1.0, Tissue.LYMPHOID: 1.0, Tissue.TONGUE: 0.8, Tissue.MUSCLE: 0.55, Tissue.FAT: 0.5,
    Tissue.SUBMANDIBULAR: 0.35, Tissue.PAROTID: 0.35, Tissue.THYROID: 0.3, Tissue.VEIN: 0.15, Tissue.CARTILAGE: 0.12,
    Tissue.SKIN: 0.05, Tissue.ARTERY: 0.03,
}  # fmt: skip

# Where primaries arise, and how often (shares of the oral, oropharyngeal, laryngeal and hypopharyngeal cancers in
# `2023-isb-multisite` and `2023-clb-multisite` of lyDATA, rounded; split within a site by judgement).
PRIMARY_SITES: dict[str, float] = {
    "tonsil_left": 0.11, "tonsil_right": 0.11, "base_of_tongue": 0.16, "soft_palate": 0.03, "valleculae": 0.03,
    "oral_tongue": 0.11, "floor_of_mouth": 0.06, "buccal_mucosa_and_gingiva_left": 0.02,
    "buccal_mucosa_and_gingiva_right": 0.02, "retromolar_trigone_left": 0.015, "retromolar_trigone_right": 0.015,
    "lip": 0.01, "epiglottis": 0.05, "false_cords": 0.03, "aryepiglottic_folds": 0.04, "true_vocal_cords": 0.06,
    "subglottis": 0.01, "pyriform_sinus_left": 0.05, "pyriform_sinus_right": 0.05, "post_cricoid_region": 0.02,
}  # fmt: skip

# Centre of the left group of nodes (z, y, x) in the common frame, well inside the borders of the level
# (`hyoid.report.content.levels`): the hyoid's lower edge lies at -40, the cricoid's at -84.
NODE_SITES: dict[str, tuple[float, float, float]] = {
    "Ia": (-34, -12, 1), "Ib": (-30, 14, 38), "IIa": (-18, 46, 40), "IIb": (-12, 66, 46), "III": (-56, 50, 41),
    "IV": (-98, 47, 36), "Va": (-46, 76, 50), "Vb": (-99, 74, 48), "VIIa": (4, 46, 17),
}  # fmt: skip


_NO_ROOM = 0.85  # what a node without room shrinks by before the next try


@dataclass(frozen=True)
class DrawnNode:
    """A node as it was placed; sizes are measured later on the label map."""

    level: str
    side: str
    necrotic: bool


def check_primary(name: str) -> None:
    """Refuse a sub-site in which no primary can be grown.

    Raises
    ------
    UsageError
        When the name is not a labelled sub-site.
    """
    if name not in SUBSITE_BY_NAME:
        raise UsageError(f"There is no sub-site {name!r}.", f"Choose one of {', '.join(sorted(SUBSITE_BY_NAME))}.")


def draw_primary_site(rng: np.random.Generator) -> str:
    """Draw the sub-site of a new primary."""
    names = list(PRIMARY_SITES)
    share = np.array([PRIMARY_SITES[n] for n in names])
    return str(rng.choice(names, p=share / share.sum()))


def grow_primary(
    canvas: Canvas,
    site: str,
    diameter_mm: float | None,
    voxel_mm: tuple[float, float, float],
    rng: np.random.Generator,
    *,
    volume_ml: float = 0.0,
) -> NDArray[np.bool_]:
    """Grow a tumour mask from one point of a sub-site.

    A front moves outward in random steps, faster through mucosa than through muscle and fat, until the tumour is as
    long or as large as wanted, or can grow no more.

    Parameters
    ----------
    canvas : Canvas
        Tissues and sub-sites of the patient; stays as it is.
    site : str
        Name of the sub-site in which the tumour begins.
    diameter_mm : float or None
        Longest extent to reach; None grows to a volume.
    voxel_mm : spacing of the canvas
        Voxel spacing along slice, row, column.
    volume_ml : float
        Volume to reach where no extent is given.

    Raises
    ------
    UsageError
        When the sub-site has no voxel at this spacing.
    """
    label = SUBSITE_BY_NAME[site].label
    speed_of = np.zeros(32, np.float32)
    for tissue, value in _SPEED.items():
        speed_of[tissue] = value
    soft = np.argwhere((canvas.subsites == label) & (speed_of[canvas.tissue] > 0.1))
    if not len(soft):
        raise UsageError(
            f"The sub-site {site} has no soft tissue at this spacing.", "Choose a finer spacing or another sub-site."
        )
    seed = soft[rng.integers(len(soft))]
    # A tumour along the mucosa is up to twice as long as a ball of its volume.
    longest = 2 * (6000 * volume_ml / np.pi) ** (1 / 3) if diameter_mm is None else diameter_mm
    reach = np.ceil(0.75 * longest / np.array(voxel_mm)).astype(int) + 2
    start, stop = np.maximum(seed - reach, 0), np.minimum(seed + reach + 1, canvas.shape)
    where: Slices = tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))  # type: ignore[assignment]
    speed = speed_of[canvas.tissue[where]]
    grain = smooth_noise(speed.shape, 4.0 / float(np.mean(voxel_mm)), rng)
    time_of = _arrival(speed * np.exp(0.35 * grain), tuple(seed - start), voxel_mm, longest)
    if diameter_mm is None:
        mask = time_of <= _time_for_volume(time_of, volume_ml, voxel_mm)
    else:
        mask = time_of <= _time_for(time_of, diameter_mm, voxel_mm)
    mask = ndi.binary_opening(mask) if mask.sum() > 200 else mask
    mask &= speed > 0
    mask = largest(mask)
    out = np.zeros(canvas.shape, bool)
    out[where] = mask if mask.any() else time_of <= 0
    return out


def _arrival(
    speed: NDArray[np.float32], seed: tuple[int, ...], voxel_mm: tuple[float, float, float], diameter_mm: float
) -> NDArray[np.float32]:
    """Time at which a front that starts at the seed reaches each voxel (relaxation over the 26 neighbours)."""
    time = np.full(speed.shape, np.inf, np.float32)
    time[seed] = 0
    slow = np.where(speed > 0, 1 / np.maximum(speed, 1e-3), np.inf).astype(np.float32)
    steps = [(i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1) if (i, j, k) > (0, 0, 0)]
    for _ in range(int(2.2 * diameter_mm / min(voxel_mm)) + 4):
        before = np.isfinite(time).sum(), float(time[np.isfinite(time)].sum())
        for step in steps:
            length = np.float32(np.linalg.norm(np.array(step) * voxel_mm))
            a = tuple(slice(max(s, 0), min(s, 0) or None) for s in step)
            b = tuple(slice(max(-s, 0), min(-s, 0) or None) for s in step)
            np.minimum(time[a], time[b] + length * slow[a], out=time[a])
            np.minimum(time[b], time[a] + length * slow[b], out=time[b])
        if (np.isfinite(time).sum(), float(time[np.isfinite(time)].sum())) == before:
            break
    return time


def _time_for(time: NDArray[np.float32], diameter_mm: float, voxel_mm: tuple[float, float, float]) -> float:
    """Time at which the grown part is as long as wanted (its box's diagonal over 1.3, or the box's longest edge)."""
    order = np.sort(time[np.isfinite(time)])
    low, high = 0, len(order) - 1
    while low < high:
        middle = (low + high) // 2
        index = np.argwhere(time <= order[middle])
        extent = (np.ptp(index, axis=0) + 1) * voxel_mm
        if max(float(extent.max()), float(np.linalg.norm(extent)) / 1.3) < diameter_mm:
            low = middle + 1
        else:
            high = middle
    return float(order[low])


def _time_for_volume(time: NDArray[np.float32], volume_ml: float, voxel_mm: tuple[float, float, float]) -> float:
    """Time at which the grown part is as large as wanted, or when all is grown that can be."""
    order = np.sort(time[np.isfinite(time)])
    wanted = round(1000 * volume_ml / float(np.prod(voxel_mm)))
    return float(order[min(max(wanted, 1), len(order)) - 1])


def largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep the largest component of a mask (26-connectivity)."""
    labels = cc3d.connected_components(mask.astype(np.uint8), connectivity=26)
    sizes = np.bincount(labels.ravel())
    if len(sizes) < 2:
        return mask
    return labels == 1 + int(np.argmax(sizes[1:]))


def place_nodes(
    canvas: Canvas,
    lesions: NDArray[np.uint8],
    count: int,
    primary: str,
    main_side: str,
    gap_mm: float,
    voxel_mm: tuple[float, float, float],
    rng: np.random.Generator,
    volumes_ml: Sequence[float] = (),
) -> list[DrawnNode]:
    """Add nodes to a map of lesions (1 is the primary; nodes get 2, 3, ...), at least `gap_mm` apart.

    Parameters
    ----------
    primary, main_side : str
        Its sub-site and side ("left" or "right"): levels and sides are drawn as often as real patients with a primary
        of that site have them involved.
    volumes_ml : sequence of float
        Volume of every node; drawn when not given. A node for which there is no room becomes smaller.
    """
    shares = involved_levels(lymphatic_site(primary))
    places, share = list(shares), np.array(list(shares.values()))
    drawn: list[DrawnNode] = []
    shrunk = 1.0
    for _ in range(6 * count):
        if len(drawn) == count:
            break
        level, same_side = places[rng.choice(len(places), p=share / share.sum())]
        side = "left" if (main_side == "left") == same_side else "right"
        volume = shrunk * volumes_ml[len(drawn)] if volumes_ml else None
        node = _place_node(canvas, lesions, level, side, 2 + len(drawn), gap_mm, voxel_mm, rng, volume)
        shrunk = 1.0 if node is not None else _NO_ROOM * shrunk
        if node is not None:
            drawn.append(node)
    return drawn


def place_pattern(
    canvas: Canvas,
    lesions: NDArray[np.uint8],
    places: Sequence[tuple[str, bool]],
    main_side: str,
    gap_mm: float,
    voxel_mm: tuple[float, float, float],
    rng: np.random.Generator,
    volumes_ml: Sequence[float] = (),
) -> list[DrawnNode]:
    """Add one node in each of the given levels; a level in which there is no room after eight tries stays free.

    Parameters
    ----------
    places : sequence of (level, on the side of the primary)
        Levels to fill, in order; the second value is false for the other side.
    volumes_ml : sequence of float
        Volume of the node of every level; drawn when not given. A node for which there is no room becomes smaller.
    """
    drawn: list[DrawnNode] = []
    for number, (level, same_side) in enumerate(places):
        side = "left" if (main_side == "left") == same_side else "right"
        for tried in range(8):
            volume = _NO_ROOM**tried * volumes_ml[number] if volumes_ml else None
            node = _place_node(canvas, lesions, level, side, 2 + len(drawn), gap_mm, voxel_mm, rng, volume)
            if node is not None:
                drawn.append(node)
                break
    return drawn


def _place_node(
    canvas: Canvas,
    lesions: NDArray[np.uint8],
    level: str,
    side: str,
    number: int,
    gap_mm: float,
    voxel_mm: tuple[float, float, float],
    rng: np.random.Generator,
    volume_ml: float | None = None,
) -> DrawnNode | None:
    """Paint a node of a level; None where there is no room for it."""
    centre = np.array(NODE_SITES[level]) + np.clip(rng.standard_normal(3), -2, 2) * (5, 3, 2)
    centre[2] *= 1 if side == "left" else -1
    radius = float(np.clip(np.exp(rng.normal(np.log(8), 0.35)), 4.2, 17))
    radii = radius * np.array([rng.uniform(0.8, 1.0), rng.uniform(0.55, 0.95), rng.uniform(0.55, 0.95)])
    if volume_ml is not None:
        radii *= (750 * volume_ml / (np.pi * float(np.prod(radii)))) ** (1 / 3)
        radius = float(radii.max())
    mask = _node_mask(canvas, lesions, centre, radii, gap_mm, voxel_mm, rng)
    if mask is None:
        return None
    where, inside, depth = mask
    lesions[where][inside] = number
    necrotic = bool(radius > 6 and rng.random() < 0.35)
    canvas.tissue[where][inside] = Tissue.NODE
    if necrotic:
        core = inside & (depth > rng.uniform(0.25, 0.5) * radii.min())
        canvas.tissue[where][core] = Tissue.NECROSIS
    return DrawnNode(level, side, necrotic)


def _node_mask(
    canvas: Canvas,
    lesions: NDArray[np.uint8],
    centre: NDArray,
    radii: NDArray,
    gap_mm: float,
    voxel_mm: tuple[float, float, float],
    rng: np.random.Generator,
) -> tuple[Slices, NDArray[np.bool_], NDArray[np.float32]] | None:
    """Part of the grid, mask and depth of a node; None where there is no room for it."""
    solid = ellipsoid(centre, radii)
    found = canvas.depth(solid.grown(gap_mm))
    if found is None:
        return None
    where, depth = found
    depth = depth - np.float32(gap_mm) + 0.5 * smooth_noise(depth.shape, 3 / min(voxel_mm), rng)
    room = np.isin(canvas.tissue[where], (Tissue.FAT, Tissue.MUSCLE, Tissue.VEIN, Tissue.SUBMANDIBULAR, Tissue.PAROTID))
    others = lesions[where] > 0
    if others.any():
        room &= ndi.distance_transform_edt(~others, sampling=voxel_mm) > gap_mm
    inside = largest((depth > 0) & room)
    wanted = 4 / 3 * np.pi * float(np.prod(radii))
    if inside.sum() * float(np.prod(voxel_mm)) < max(0.55 * wanted, 150.0):
        return None
    return where, inside, depth
