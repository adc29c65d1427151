"""Nodal levels of the neck, drawn between landmarks that are outlined.

Borders are those of the consensus of DAHANCA, EORTC, HKNPCSG, NCIC CTG, NCRI, RTOG and TROG (Gregoire et al. 2014, DOI
10.1016/j.radonc.2013.10.010), as far as outlined organs show them. Every border is a height or an edge in one axial
slice, so a level is a rule over (midline distance, y, z); a level whose landmark is not outlined is never guessed.

===================  ===============================================================================================
border               landmark
===================  ===============================================================================================
I from II            back edge of the submandibular gland
Ia from Ib           medial edge of the anterior belly of the digastric muscle
II from III          lower edge of the hyoid bone
III from IV          lower edge of the cricoid cartilage, and so Va from Vb
IIa from IIb         back edge of the internal jugular vein
II-IV from V         back edge of the sternocleidomastoid; below the cricoid the scalene muscles, which lie about 10 mm
                     behind the jugular vein
II from VIIa         medial edge of the internal carotid artery, behind its front
III, IV from VI      medial edge of the carotid artery
II from VIIb         transverse process of the atlas: not outlined, above the brainstem's lower end both are named
===================  ===============================================================================================

Where a landmark is not outlined, a structure that ends at the same border stands in for it, and the level says so: the
thyrohyoid muscles end at the lower edge of the hyoid bone, the trachea begins at that of the cricoid cartilage, and the
carotid artery lies beside the jugular vein. On virtual patients these borders agree within one slice of 3 mm.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hyoid.anatomy.levels import LEVELS
from hyoid.anatomy.structures import Side
from hyoid.report.content.patches import Patch, extremes_lps_mm, places_lps_mm
from hyoid.volume import Geometry

UNKNOWN_LEVEL = "level not determined"
LANDMARKS = ("hyoid_bone", "cricoid_cartilage")
"""Structures of the midline that every level needs."""
SIDED_LANDMARKS = ("submandibular", "digastric", "jugular", "carotid", "sternocleidomastoid")
"""Structures of each side that levels need."""

# Without an outlined digastric muscle: its anterior bellies lie about so far from the midline.
_SUBMENTAL_HALF_WIDTH_MM = 15.0
# Without an outlined sternocleidomastoid: its back edge lies about so far behind the jugular vein.
_BEHIND_JUGULAR_MM = 20.0
_SCALENE_MM = 10.0
# A vessel or muscle says something of slices up to so far from where it was outlined.
_SAME_HEIGHT_MM = 10.0
# How far beyond the error of the outlines a stand-in may be off.
_STAND_IN_ERROR_MM = 5.0
_HYOID_HEIGHT_MM = 10.0
# Of the carotid artery's medial edge, towards the midline from that of the jugular vein: about the artery's width.
_CAROTID_WIDTH_MM = 7.0
# Both thyrohyoid muscles end at one height, and the trachea begins where the larynx ends; else an outline is wrong.
_TOP_DIFFERENCE_MM = 10.0
_TRACHEA_FROM_LARYNX_MM = 20.0
# Level V ends at the upper edge of the hyoid; a node that reaches a little above it still belongs there.
_ABOVE_V_MM = 15.0
# Levels whose number alone says little to most readers.
_NAMED = {level.name: level.words for level in LEVELS if level.name in ("VI", "VIIa", "VIIb")}
# Landmarks for want of which a level is coarse, or is not told.
_NEEDED = {
    "": LANDMARKS,
    "III or IV": ("cricoid_cartilage",),
    "V": ("cricoid_cartilage",),
    "I or II": ("submandibular",),
    "II": ("jugular",),
}
PREDICTED_ERROR_MM = 5.0
"""How far off the borders of a network's outlines are taken to be: more than one voxel of its grid."""
# Share of a node that a second level must hold to be named beside the first.
_SECOND_SHARE = 0.35


@dataclass(frozen=True, eq=False)
class SideLandmarks:
    """Edges on one side of the neck, slice by slice; NaN where nothing is outlined.

    Parameters
    ----------
    jugular_back_mm, carotid_front_mm, muscle_back_mm : ndarray, shape (D,)
        LPS y of the back edge of the internal jugular vein, of the front edge of the carotid artery, and of the back
        edge of the sternocleidomastoid.
    carotid_medial_mm : ndarray, shape (D,)
        Distance of the carotid artery's medial edge from the midline.
    gland_back_mm, gland_bottom_mm : float
        LPS y of the back edge of the submandibular gland, and LPS z of its lower edge.
    """

    jugular_back_mm: NDArray[np.float64]
    carotid_front_mm: NDArray[np.float64]
    muscle_back_mm: NDArray[np.float64]
    carotid_medial_mm: NDArray[np.float64]
    gland_back_mm: float
    gland_bottom_mm: float


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Landmarks that divide the neck into levels, measured once per scan.

    Parameters
    ----------
    geometry : Geometry
        Canonical grid of the organs (slices feet to head).
    midline_x_mm : float
        LPS x of the body midline.
    hyoid_mm : (float, float)
        LPS z of the hyoid bone's lower and upper edge; NaN when it is not outlined.
    cricoid_mm, brainstem_mm : float
        LPS z of the lower edge of the cricoid cartilage and of the brainstem; NaN when not outlined.
    submental_mm : float
        Distance of the digastric muscles' anterior bellies from the midline.
    sides : mapping of Side to SideLandmarks
        Landmarks of the right and of the left side.
    missing : tuple of str
        Names of the landmarks that are not outlined.
    error_mm : float
        How far off the landmarks may be; 0 where a reader or the truth drew them.
    stand_ins : mapping of str to str
        Landmarks that are not outlined, and the structure that stands in for each.
    """

    geometry: Geometry
    midline_x_mm: float
    hyoid_mm: tuple[float, float]
    cricoid_mm: float
    brainstem_mm: float
    submental_mm: float
    sides: Mapping[Side, SideLandmarks]
    missing: tuple[str, ...]
    error_mm: float = 0.0
    stand_ins: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NodeLevel:
    """Nodal level in which one node lies, and the landmarks that were missing.

    Parameters
    ----------
    names : tuple of str
        Names of `hyoid.anatomy.levels`, or coarser ones ("II", "V"), the one that holds most of the node first;
        empty when no level can be told.
    missing : tuple of str
        Names of the landmarks for want of which the answer is coarse, or the level is not told.
    alternatives : tuple of str
        Further levels that may hold the node, as far off as its landmarks may be.
    stand_ins : mapping of str to str
        Landmarks that are not outlined, and the structure that stood in for each.
    """

    names: tuple[str, ...]
    missing: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    stand_ins: Mapping[str, str] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """The level as a report writes it.

        Examples
        --------
        >>> NodeLevel(("IIa",)).words, NodeLevel(("IIa", "III")).words
        ('level IIa', 'levels IIa and III')
        >>> NodeLevel(("VIIa",)).words, NodeLevel(()).words
        ('level VIIa (retropharyngeal)', 'level not determined')
        >>> NodeLevel(("Ib",), alternatives=("IIa",)).words
        'level Ib or IIa'
        """
        if not self.names:
            return UNKNOWN_LEVEL
        said = [f"{name} ({_NAMED[name]})" if name in _NAMED else name for name in (*self.names, *self.alternatives)]
        if self.alternatives:
            return f"level {', '.join(said[:-1])} or {said[-1]}"
        return f"{'level' if len(said) == 1 else 'levels'} {' and '.join(said)}"


def level_names(words: str) -> tuple[str, ...]:
    """Find the levels that `NodeLevel.words` names.

    Examples
    --------
    >>> level_names("levels IIa and III"), level_names("level VIIa (retropharyngeal) or IIb"), level_names("")
    (('IIa', 'III'), ('VIIa', 'IIb'), ())
    """
    return tuple(re.findall(r"\b(?:VII|VI|IV|V|III|II|I)[ab]?\b", words))


def find_landmarks(
    organs: Mapping[str, Patch], geometry: Geometry, midline_x_mm: float, *, error_mm: float = 0.0
) -> Landmarks:
    """Measure the landmarks of nodal levels on outlined organs.

    Parameters
    ----------
    organs : mapping of str to Patch
        Organs by name of `hyoid.anatomy.structures`, on a canonical grid.
    geometry : Geometry
        Grid of the organs.
    midline_x_mm : float
        LPS x of the body midline, mm.
    error_mm : float
        How far off the outlines may be, mm; 0 where a reader drew them.
    """
    heights = {name: _heights(organs.get(name), geometry) for name in (*LANDMARKS, "brainstem")}
    stood_in = _heights_stood_in(organs, geometry)
    stand_ins = {name: by for name, (_, by) in stood_in.items()}
    heights |= {name: height for name, (height, _) in stood_in.items()}
    sides = {side: _side(organs, geometry, midline_x_mm, side) for side in (Side.LEFT, Side.RIGHT)}
    sided = tuple(f"{name}_{side.value}" for name in SIDED_LANDMARKS for side in sides)
    stand_ins |= {
        f"carotid_{side.value}": f"jugular_{side.value}"
        for side in sides
        if f"carotid_{side.value}" not in organs and f"jugular_{side.value}" in organs
    }
    return Landmarks(
        geometry=geometry,
        midline_x_mm=midline_x_mm,
        hyoid_mm=heights["hyoid_bone"],
        cricoid_mm=heights["cricoid_cartilage"][0],
        brainstem_mm=heights["brainstem"][0],
        submental_mm=_submental_mm(organs, geometry, midline_x_mm),
        sides=sides,
        missing=tuple(name for name in (*LANDMARKS, *sided) if name not in organs and name not in stand_ins),
        error_mm=error_mm + _STAND_IN_ERROR_MM * bool(stand_ins),
        stand_ins=stand_ins,
    )


def levels_at(points_lps_mm: NDArray[np.floating], landmarks: Landmarks) -> NDArray[np.str_]:
    """Tell the nodal level of every point; an empty name where none can be told.

    Parameters
    ----------
    points_lps_mm : ndarray, shape (N, 3)
        LPS (x, y, z), mm.
    landmarks : Landmarks
        Landmarks of the same scan.

    Returns
    -------
    ndarray of str, shape (N,)
        Names of `hyoid.anatomy.levels`, or coarser ones where a landmark is absent.
    """
    points = np.asarray(points_lps_mm, float).reshape(-1, 3)
    names = np.full(len(points), "", dtype="<U10")
    slices = np.clip(np.round(landmarks.geometry.to_ijk(points)[:, 0]).astype(int), 0, landmarks.geometry.shape[0] - 1)
    for side, edges in landmarks.sides.items():
        here = (points[:, 0] >= landmarks.midline_x_mm) == (side is Side.LEFT)
        names[here] = _levels_on_side(points[here], slices[here], edges, landmarks)
    return names


def level_of_node(node: Patch, landmarks: Landmarks) -> NodeLevel:
    """Tell in which nodal level a node lies: where most of its voxels are, and a second one that holds a third or more.

    Where the landmarks may be off, every level that would hold most of the node with the landmarks so far up, down, to
    the front or back is an alternative: it is not told which of them is right.

    Parameters
    ----------
    node : Patch
        Outline of the node, on the grid of the landmarks.
    landmarks : Landmarks
        Landmarks of the same scan.
    """
    points = places_lps_mm(node, landmarks.geometry)
    found, counts = np.unique(levels_at(points, landmarks), return_counts=True)
    told = sorted(((int(n), str(name)) for name, n in zip(found, counts, strict=True) if name), reverse=True)
    names = tuple(name for at, (n, name) in enumerate(told[:2]) if at == 0 or n >= _SECOND_SHARE * len(points))
    side = Side.LEFT if points[:, 0].mean() >= landmarks.midline_x_mm else Side.RIGHT
    needed = {
        need if need in LANDMARKS else f"{need}_{side.value}"
        for name in names or ("",)
        for need in _NEEDED.get(name, ())
    }
    others = _with_landmarks_off(points, landmarks) if landmarks.error_mm else []
    if others:
        # Where a border may be off, a node across it may as well lie on one side.
        names, others = names[:1], [*names[1:], *others]
    alternatives = tuple(dict.fromkeys(name for name in others if name and name not in names)) if names else ()
    stand_ins = {
        name: by
        for name, by in landmarks.stand_ins.items()
        if names and (name in LANDMARKS or name.endswith(f"_{side.value}"))
    }
    missing = tuple(name for name in landmarks.missing if name in needed)
    return NodeLevel(names, missing, alternatives, stand_ins)


def _with_landmarks_off(points: NDArray[np.float64], landmarks: Landmarks) -> list[str]:
    """Level of most of the points, for landmarks that are off along each axis, sideways where a carotid is stood in."""
    found = []
    for axis in (1, 2) if not any(name.startswith("carotid") for name in landmarks.stand_ins) else (0, 1, 2):
        for shift in (-landmarks.error_mm, landmarks.error_mm):
            moved = points.copy()
            moved[:, axis] += shift
            names, counts = np.unique(levels_at(moved, landmarks), return_counts=True)
            found.append(str(names[counts.argmax()]))
    return found


def level_map(inside: NDArray[np.bool_], landmarks: Landmarks) -> NDArray[np.uint8]:
    """Draw the nodal levels as a label map.

    Parameters
    ----------
    inside : ndarray of bool, shape (D, H, W)
        Where levels may lie, on the landmarks' grid: soft tissue of the neck.
    landmarks : Landmarks
        Landmarks of the same scan.

    Returns
    -------
    ndarray of uint8, shape (D, H, W)
        Number of the level in `hyoid.anatomy.levels.LEVELS` from 1; 0 where there is none, or only a coarse one.
    """
    voxels = np.argwhere(inside)
    names = levels_at(landmarks.geometry.to_lps(voxels), landmarks)
    number = {level.name: at for at, level in enumerate(LEVELS, start=1)}
    drawn = np.zeros(inside.shape, np.uint8)
    drawn[tuple(voxels.T)] = [number.get(str(name), 0) for name in names]
    return drawn


def _levels_on_side(
    points: NDArray[np.float64], slices: NDArray[np.int_], edges: SideLandmarks, landmarks: Landmarks
) -> NDArray[np.str_]:
    """Levels of points on one side of the neck."""
    y, z = points[:, 1], points[:, 2]
    aside = np.abs(points[:, 0] - landmarks.midline_x_mm)
    hyoid, hyoid_top = landmarks.hyoid_mm
    below_cricoid = z < landmarks.cricoid_mm
    # Comparisons with NaN are false: what is not outlined decides nothing.
    back = edges.muscle_back_mm[slices]
    jugular = edges.jugular_back_mm[slices]
    back = np.where(np.isnan(back), jugular + _BEHIND_JUGULAR_MM, back)
    behind = y > np.where(below_cricoid, np.fmax(back, jugular + _SCALENE_MM), back)
    medial = aside < edges.carotid_medial_mm[slices]
    before_gland = y < edges.gland_back_mm
    upper, cricoid_known = z >= hyoid, not np.isnan(landmarks.cricoid_mm)
    submandibular = before_gland & (upper | (z >= edges.gland_bottom_mm)) & ~_between_carotids(z, hyoid, medial)
    middle = (z < hyoid) & ~below_cricoid
    gland_known, vein_known = not np.isnan(edges.gland_back_mm), ~np.isnan(jugular)
    rules: list[tuple[NDArray[np.bool_], str]] = [
        (submandibular & (aside <= landmarks.submental_mm), "Ia"),
        (submandibular, "Ib"),
        (below_cricoid & behind, "Vb"),
        (below_cricoid & medial, "VI"),
        (below_cricoid, "IV"),
        (middle & behind, "Va" if cricoid_known else "V"),
        (middle & medial, "VI"),
        (middle, "III" if cricoid_known else "III or IV"),
        (upper & behind & (z < hyoid_top + _ABOVE_V_MM), "Va"),
        (upper & behind, ""),
        (upper & medial & (y > edges.carotid_front_mm[slices]), "VIIa"),
        (upper & np.full(len(z), not gland_known), "I or II"),
        (upper & (z > landmarks.brainstem_mm), "II or VIIb"),
        (upper & vein_known & (y > jugular), "IIb"),
        (upper & vein_known, "IIa"),
        (upper, "II"),
    ]
    names = np.full(len(points), "", dtype="<U10")
    told = np.zeros(len(points), bool)
    for where, name in rules:
        names[where & ~told] = name
        told |= where
    return names


def _between_carotids(z: NDArray[np.float64], hyoid_mm: float, medial: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell which points below the hyoid lie between the carotids: there the gland's back edge says nothing.

    Parameters
    ----------
    z : ndarray, shape (N,)
        LPS z, mm.
    hyoid_mm : float
        LPS z of the hyoid's lower edge.
    medial : ndarray of bool, shape (N,)
        Between the medial edges of the carotid arteries.
    """
    return medial & (z < hyoid_mm)


def _heights_stood_in(organs: Mapping[str, Patch], geometry: Geometry) -> dict[str, tuple[tuple[float, float], str]]:
    """Lower and upper edge of the hyoid and cricoid where these are not outlined, and the structure that says so."""
    found: dict[str, tuple[tuple[float, float], str]] = {}
    tops = [_heights(organs[name], geometry)[1] for name in ("thyrohyoid_left", "thyrohyoid_right") if name in organs]
    if "hyoid_bone" not in organs and tops and max(tops) - min(tops) <= _TOP_DIFFERENCE_MM:
        low = float(np.mean(tops))
        found["hyoid_bone"] = (low, low + _HYOID_HEIGHT_MM), "thyrohyoid"
    if "cricoid_cartilage" not in organs and "trachea" in organs:
        low = _heights(organs["trachea"], geometry)[1]
        larynx = _heights(organs.get("larynx"), geometry)[0]
        if np.isnan(larynx) or abs(low - larynx) <= _TRACHEA_FROM_LARYNX_MM:
            found["cricoid_cartilage"] = (low, low), "trachea"
    return found


def _side(organs: Mapping[str, Patch], geometry: Geometry, midline_x_mm: float, side: Side) -> SideLandmarks:
    """Edges of the organs of one side."""
    gland = organs.get(f"submandibular_{side.value}")
    low, high = (np.full(3, np.nan),) * 2 if gland is None else extremes_lps_mm(gland, geometry)
    jugular, carotid, muscle = (
        organs.get(f"{name}_{side.value}") for name in ("jugular", "carotid", "sternocleidomastoid")
    )
    medial = _track(carotid, geometry, np.minimum, lambda p: np.abs(p[:, 0] - midline_x_mm))
    front = _track(carotid, geometry, np.minimum, lambda p: p[:, 1])
    if carotid is None:
        medial = _track(jugular, geometry, np.minimum, lambda p: np.abs(p[:, 0] - midline_x_mm)) - _CAROTID_WIDTH_MM
        front = _track(jugular, geometry, np.minimum, lambda p: p[:, 1])
    return SideLandmarks(
        jugular_back_mm=_track(jugular, geometry, np.maximum, lambda p: p[:, 1]),
        carotid_front_mm=front,
        muscle_back_mm=_track(muscle, geometry, np.maximum, lambda p: p[:, 1]),
        carotid_medial_mm=medial,
        gland_back_mm=float(high[1]),
        gland_bottom_mm=float(low[2]),
    )


def _heights(organ: Patch | None, geometry: Geometry) -> tuple[float, float]:
    """Least and greatest LPS z of an organ, mm; NaN without one."""
    if organ is None:
        return float("nan"), float("nan")
    low, high = extremes_lps_mm(organ, geometry)
    return float(low[2]), float(high[2])


def _track(
    organ: Patch | None,
    geometry: Geometry,
    edge: np.ufunc,
    measured: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Measure an edge of an organ in every slice; a slice without the organ takes the nearest one within 10 mm."""
    depth = geometry.shape[0]
    values = np.full(depth, np.nan)
    if organ is None:
        return values
    index = np.argwhere(organ.mask) + organ.box.start
    slices, starts = np.unique(index[:, 0], return_index=True)
    values[slices] = edge.reduceat(measured(geometry.to_lps(index)), starts)
    nearest = slices[np.abs(slices[:, None] - np.arange(depth)).argmin(axis=0)]
    near = np.abs(nearest - np.arange(depth)) * geometry.spacing_mm[0] <= _SAME_HEIGHT_MM
    return np.where(near, values[nearest], np.nan)


def _submental_mm(organs: Mapping[str, Patch], geometry: Geometry, midline_x_mm: float) -> float:
    """Distance from the midline of the anterior bellies of the digastric muscles, at their medial edge."""
    edges = []
    for side in ("left", "right"):
        muscle, gland = organs.get(f"digastric_{side}"), organs.get(f"submandibular_{side}")
        if muscle is None or gland is None:
            continue
        places = places_lps_mm(muscle, geometry)
        front = extremes_lps_mm(gland, geometry)[0][1]
        belly = places[places[:, 1] < front]
        if len(belly):
            edges.append(float(np.quantile(np.abs(belly[:, 0] - midline_x_mm), 0.1)))
    return float(np.mean(edges)) if edges else _SUBMENTAL_HALF_WIDTH_MM
