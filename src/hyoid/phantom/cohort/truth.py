"""What is true about a virtual patient, measured on its own label maps."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist

from hyoid.anatomy.involvement import INVOLVED_ML, INVOLVED_SHARE
from hyoid.anatomy.structures import BY_NAME
from hyoid.anatomy.subsites import FIELDS, SUBSITES
from hyoid.phantom.disease.attributes import Attributes
from hyoid.phantom.disease.growth import DrawnNode
from hyoid.volume import Geometry


@dataclass(frozen=True)
class NodeTruth:
    """One involved node, measured on the label map.

    Parameters
    ----------
    level, side : str
        Nodal level such as "IIa", and "left" or "right".
    longest_mm, axial_short_mm : float
        Between the outermost voxel centres plus one voxel.
    necrotic : bool
        Whether the node was painted with a necrotic core.
    """

    level: str
    side: str
    longest_mm: float
    axial_short_mm: float
    necrotic: bool


@dataclass(frozen=True)
class LesionTruth:
    """One lesion: what was chosen for it, and what its image shows.

    Parameters
    ----------
    id : int
        Number of the lesion in `lesion_ids`.
    kind : str
        Name in `hyoid.phantom.disease.lesion_types.LESION_TYPES`.
    zero_shot : bool
        Whether the lesion's type is reserved: never for training.
    target : {"gtvp", "gtvn"}
        Gross tumour volume that the lesion belongs to: primary or node.
    attributes, measured : Attributes
        Attributes as drawn, and as measured on CT and mask.
    volume_ml, longest_mm : float
        Size on the grid of the CT.
    suv_max : float, optional
        Largest SUV in the lesion, on the grid of the PET.
    """

    id: int
    kind: str
    zero_shot: bool
    target: str
    attributes: Attributes
    measured: Attributes
    volume_ml: float
    longest_mm: float
    suv_max: float | None = None


@dataclass(frozen=True)
class Truth:
    """What is known about a virtual patient.

    Parameters
    ----------
    sex : {"F", "M"}
        Sex, which shifts the patient's size.
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
        Involved nodes that have a voxel on the output grid.
    lesions : tuple of LesionTruth
        All lesions, in the order of their numbers.
    """

    sex: str
    fat: float
    primary: str = ""
    side: str = ""
    size_cm: float = 0.0
    involved: dict[str, bool] = field(default_factory=dict)
    involved_subsites: tuple[str, ...] = ()
    nodes: tuple[NodeTruth, ...] = ()
    lesions: tuple[LesionTruth, ...] = ()


def measure_truth(
    organs: NDArray[np.uint8],
    subsites: NDArray[np.uint8],
    ids: NDArray[np.uint8],
    geometry: Geometry,
    site: str,
    drawn: list[DrawnNode],
    sex: str,
    fat: float,
) -> Truth:
    """Measure lesions and their overlaps on the output grid.

    Parameters
    ----------
    organs, subsites : ndarray, shape (D, H, W)
        Labels of `hyoid.anatomy.structures` and `hyoid.anatomy.subsites`.
    ids : ndarray
        1 the primary; 2, 3, ... the nodes in the order of `drawn`.
    geometry : Geometry
        Grid of the label maps.
    site : str
        Sub-site of the primary; empty without disease.
    drawn : list of DrawnNode
        Level, side and necrosis of the nodes as they were placed.
    sex : {"F", "M"}
        Sex, copied into the truth.
    fat : float
        Standard deviations more fat than usual, copied into the truth.
    """
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
        return shared * geometry.voxel_ml > INVOLVED_ML or shared > INVOLVED_SHARE * max(int(region.sum()), 1)

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
    """Measure the largest distance between voxel centres of a mask, plus one voxel along that direction, mm."""
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
    """Measure the shortest width within the slice in which a lesion is largest, mm."""
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
