"""Measure lesions on a label map: volume, diameters, side, centroid."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

from hyoid.anatomy.structures import Side
from hyoid.errors import WrongQuantityError
from hyoid.geometry.boxes import Box, bounding_box, crop_geometry
from hyoid.geometry.orientation import to_canonical
from hyoid.volume import Geometry, Quantity, Volume

MIDLINE_MARGIN_MM = 5.0
_ONE_SIDE, _OTHER_SIDE = 0.4, 0.15  # shares of a lesion beyond the margin that tell a side near the midline
_TIE = 1e-9  # relative: lengths closer than this are the same length
_DIRECTIONS = 16  # in which slices are compared before any is measured


@dataclass(frozen=True, eq=False)
class Component:
    """One connected lesion, cut out of its label map.

    Parameters
    ----------
    label : int
        Value in the label map (1 GTVp, 2 GTVn in the challenges' files).
    lesion : int
        1 for the largest lesion of that label, 2 for the next.
    mask : ndarray of bool, shape (d, h, w)
        The box around the lesion, in canonical order (slices feet to head).
    box : Box
        Where `mask` lies in the canonical array.
    geometry : Geometry
        Grid of `mask`.
    """

    label: int
    lesion: int
    mask: NDArray[np.bool_]
    box: Box
    geometry: Geometry

    @property
    def voxels(self) -> int:
        """Number of voxels."""
        return int(np.count_nonzero(self.mask))


@dataclass(frozen=True)
class LesionMeasurement:
    """What `hyoid measure` says of one lesion; lengths in mm, points in LPS.

    Parameters
    ----------
    label, lesion : int
        As in `Component`.
    volume_ml : float
        Volume, mL.
    longest_diameter_mm : float
        In three dimensions.
    axial_long_mm, axial_short_mm : float
        Longest diameter of any axial slice, and the widest extent perpendicular to it in that slice.
    side : Side
        Of the body midline.
    centroid_lps_mm : tuple of float
        Mean of the voxel centres.
    voxels : int
        Number of voxels.
    """

    label: int
    lesion: int
    volume_ml: float
    longest_diameter_mm: float
    axial_long_mm: float
    axial_short_mm: float
    side: Side
    centroid_lps_mm: tuple[float, float, float]
    voxels: int


def measure_labels(
    labels: Volume, *, midline_x_mm: float | None = None, midline_margin_mm: float = MIDLINE_MARGIN_MM
) -> tuple[LesionMeasurement, ...]:
    """Measure every connected component of every label, largest first.

    Components are joined over faces, edges and corners (26-connectivity), within one label only. Lesions are numbered
    per label, so lesion 1 of label 2 is the largest node whatever the primary measures.

    Parameters
    ----------
    labels : Volume
        Label map in any orientation; 0 is background.
    midline_x_mm : float, optional
        Where the body midline lies on the LPS x axis; default the centre of the grid.
    midline_margin_mm : float
        A centroid at most this far from the midline is on neither side, unless `side_of_lesion` tells one.

    Returns
    -------
    tuple of LesionMeasurement

    Raises
    ------
    WrongQuantityError
        When the volume is not a label map.

    Notes
    -----
    A diameter runs between the two voxel centres p, q that are farthest apart, plus one voxel along that direction u::

        diameter = |p - q| + 1 / max_a |v_a|,    v = M^-1 u

    with M the 3 x 3 matrix that turns index steps into mm. The added term is the length of the line inside one voxel
    when it runs through its centre along u (for axes at right angles, the least ``spacing_a / |u_a|``), so the diameter
    is the line through p and q from outer voxel face to outer voxel face: n voxels in a row measure n spacings, and a
    cube its full diagonal. Of several farthest pairs the one with the longest line counts. A single voxel measures its
    longest edge. Axial slices are the planes of the grid nearest to axial. The short axis is measured in the plane of
    its long axis, at right angles to it, by the same rule; of equal long axes the one with the widest short axis
    counts.

    Examples
    --------
    >>> array = np.zeros((3, 8, 8), np.uint8); array[1, 4, 2:5] = 1
    >>> [row] = measure_labels(Volume(array, Geometry.axial((3, 8, 8), (2.0, 2.0, 2.0)), Quantity.LABEL))
    >>> row.longest_diameter_mm, row.axial_short_mm, round(row.volume_ml, 3)
    (6.0, 2.0, 0.024)
    """
    if midline_x_mm is None:
        midline_x_mm = float(labels.geometry.to_lps((np.array(labels.geometry.shape) - 1) / 2)[0])
    return tuple(measure_component(c, midline_x_mm, midline_margin_mm) for c in find_components(labels))


def find_components(labels: Volume) -> tuple[Component, ...]:
    """Find the connected components (26-connectivity) of every label, largest first, in canonical order.

    Parameters
    ----------
    labels : Volume
        Label map in any orientation.

    Raises
    ------
    WrongQuantityError
        When the volume is not a label map of whole, non-negative numbers.
    """
    canonical = to_canonical(labels.require(Quantity.LABEL))
    array = _whole_numbers(canonical.array)
    outer = bounding_box(array > 0)
    if outer is None:
        return ()
    inside = np.ascontiguousarray(array[outer.slices])
    numbered = cc3d.connected_components(inside, connectivity=26)
    statistics = cc3d.statistics(numbered)
    found = []
    for number in range(1, len(statistics["voxel_counts"])):
        slices = statistics["bounding_boxes"][number]
        mask = numbered[slices] == number
        label = int(inside[slices][mask][0])
        start = tuple(int(s.start) + o for s, o in zip(slices, outer.start, strict=True))
        stop = tuple(int(s.stop) + o for s, o in zip(slices, outer.start, strict=True))
        found.append((label, mask, Box(start, stop)))  # type: ignore[arg-type]
    found.sort(key=lambda row: (-int(np.count_nonzero(row[1])), row[0], row[2].start))
    seen: dict[int, int] = {}
    components = []
    for label, mask, box in found:
        seen[label] = seen.get(label, 0) + 1
        components.append(Component(label, seen[label], mask, box, crop_geometry(canonical.geometry, box)))
    return tuple(components)


def measure_component(
    component: Component, midline_x_mm: float, midline_margin_mm: float = MIDLINE_MARGIN_MM
) -> LesionMeasurement:
    """Measure one component; rules as in `measure_labels`.

    Parameters
    ----------
    component : Component
        A connected part of a label map.
    midline_x_mm : float
        Place of the patient's midline, LPS x in mm.
    midline_margin_mm : float
        Distance from the midline, mm, see `side_of_lesion`.
    """
    matrix = component.geometry.ijk_to_lps[:3, :3]
    places = np.argwhere(component.mask)
    centroid = component.geometry.to_lps(places.mean(axis=0))
    long_mm, short_mm = _axial_diameters(component.mask, matrix)
    return LesionMeasurement(
        label=component.label,
        lesion=component.lesion,
        volume_ml=component.voxels * component.geometry.voxel_ml,
        longest_diameter_mm=longest_diameter_mm(component.mask, component.geometry),
        axial_long_mm=long_mm,
        axial_short_mm=short_mm,
        side=side_of_lesion(component.geometry.to_lps(places)[:, 0], midline_x_mm, midline_margin_mm),
        centroid_lps_mm=(float(centroid[0]), float(centroid[1]), float(centroid[2])),
        voxels=component.voxels,
    )


def longest_diameter_mm(mask: NDArray[np.bool_], geometry: Geometry) -> float:
    """Compute the longest diameter of a mask with at least one voxel, in three dimensions; rule as in
    `measure_labels`.

    Parameters
    ----------
    mask : ndarray of bool, shape (D, H, W)
        One lesion.
    geometry : Geometry
        Grid of the mask.
    """
    matrix = geometry.ijk_to_lps[:3, :3]
    distance, directions = _farthest(_outermost(mask), matrix, axes=(0, 1, 2))
    return distance + float(_voxel_chords(directions, matrix).max())


def longest_axial_mm(mask: NDArray[np.bool_], geometry: Geometry) -> float:
    """Compute the longest axial diameter of a lesion with at least one voxel: that of its largest connected part.

    Parameters
    ----------
    mask : ndarray of bool, shape (D, H, W)
        One lesion in canonical order (slices feet to head), perhaps in several parts.
    geometry : Geometry
        Grid of the mask.

    Examples
    --------
    >>> grid = Geometry.axial((1, 3, 8), (3, 2, 2))
    >>> mask = np.zeros((1, 3, 8), bool); mask[0, 1, 1:4] = mask[0, 1, 7] = True
    >>> longest_axial_mm(mask, grid)
    6.0
    """
    parts = cc3d.connected_components(mask, connectivity=26)
    largest = parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    box = bounding_box(largest)
    assert box is not None
    return _axial_diameters(largest[box.slices], geometry.ijk_to_lps[:3, :3])[0]


def side_of(x_mm: float, midline_x_mm: float, margin_mm: float = MIDLINE_MARGIN_MM) -> Side:
    """Find the side of the patient on which an LPS x lies.

    Examples
    --------
    >>> side_of(20.0, midline_x_mm=0.0).value, side_of(-20.0, 0.0).value, side_of(5.0, 0.0).value
    ('left', 'right', 'midline')
    """
    if abs(x_mm - midline_x_mm) <= margin_mm:
        return Side.MIDLINE
    return Side.LEFT if x_mm > midline_x_mm else Side.RIGHT


def side_of_lesion(x_mm: NDArray[np.float64], midline_x_mm: float, margin_mm: float = MIDLINE_MARGIN_MM) -> Side:
    """Find the side of the patient on which a lesion lies.

    That is the side of its centroid. A lesion whose centroid is within the margin lies in the midline, unless two
    fifths of it or more lie beyond the margin on one side, and hardly any of it on the other.

    Parameters
    ----------
    x_mm : ndarray, shape (N,)
        LPS x of the voxel centres of the lesion.
    midline_x_mm : float
        LPS x of the body midline.
    margin_mm : float
        How far off the midline may be.

    Examples
    --------
    >>> side_of_lesion(np.arange(-17.0, 9.0), 0.0).value, side_of_lesion(np.arange(-13.0, 12.0), 0.0).value
    ('right', 'midline')
    """
    aside = x_mm - midline_x_mm
    left, right = float((aside > margin_mm).mean()), float((aside < -margin_mm).mean())
    if max(left, right) >= _ONE_SIDE and min(left, right) <= _OTHER_SIDE:
        return Side.LEFT if left > right else Side.RIGHT
    return side_of(float(aside.mean()), 0.0, margin_mm)


def to_json(measurements: Iterable[LesionMeasurement]) -> dict[str, list[dict[str, object]]]:
    """Write what `hyoid measure` leaves; numbers rounded to a millionth, so that 6 mm reads 6.0.

    Parameters
    ----------
    measurements : iterable of LesionMeasurement
        Measured lesions, in the order of the result.
    """
    rows: list[dict[str, object]] = [
        {
            "label": m.label,
            "lesion": m.lesion,
            "volume_ml": round(m.volume_ml, 6),
            "longest_diameter_mm": round(m.longest_diameter_mm, 6),
            "axial_long_mm": round(m.axial_long_mm, 6),
            "axial_short_mm": round(m.axial_short_mm, 6),
            "side": m.side.value,
            "centroid_lps_mm": [round(x, 6) for x in m.centroid_lps_mm],
        }
        for m in measurements
    ]
    return {"lesions": rows}


def _whole_numbers(array: NDArray[Any]) -> NDArray[Any]:
    """The array as unsigned integers that cc3d takes; refused when a value is negative or broken."""
    if array.dtype == bool:
        return array.astype(np.uint8)
    if array.dtype.kind == "u":
        return array
    whole = np.rint(array).astype(np.int64) if array.dtype.kind == "f" and np.isfinite(array).all() else array
    if not np.array_equal(whole, array) or array.dtype.kind not in "if" or whole.min() < 0 or whole.max() >= 2**32:
        raise WrongQuantityError(
            "A label map holds whole, non-negative numbers, and this one does not.", "Give masks, not probabilities."
        )
    return whole.astype(np.uint32)


def _outermost(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Voxels that can be corners of the convex hull: the first and last on every line along the last axis."""
    lines = np.argwhere(mask.any(axis=-1))
    rows = mask[tuple(lines.T)]
    first = rows.argmax(axis=1)
    last = rows.shape[1] - 1 - rows[:, ::-1].argmax(axis=1)
    points = np.concatenate([np.column_stack([lines, first]), np.column_stack([lines, last])])
    return np.unique(points, axis=0)


def _hull_corners(points: NDArray[np.int64]) -> NDArray[np.int64]:
    """Corners of the convex hull of whole-numbered points; also when these lie in a plane, on a line or in a point."""
    offsets = points - points[0]
    rank = int(np.linalg.matrix_rank(offsets))
    if rank == 0:
        return points[:1]
    if rank == 1:
        along = offsets[:, np.abs(offsets).max(axis=0).argmax()]
        return points[[along.argmin(), along.argmax()]]
    # Dropping the axes that add no rank maps the plane one to one, so corners stay corners.
    for axes in combinations(range(points.shape[1]), rank):
        if np.linalg.matrix_rank(offsets[:, axes]) == rank:
            break
    return points[ConvexHull(points[:, axes]).vertices]


def _farthest(
    points: NDArray[np.int64], matrix: NDArray[np.float64], axes: tuple[int, ...]
) -> tuple[float, NDArray[np.float64]]:
    """Greatest distance (mm) between points given along `axes`, and the unit directions (n, 3) of all such pairs."""
    steps = matrix[:, axes]
    corners = _hull_corners(points)
    if len(corners) == 1:
        return 0.0, (steps / np.linalg.norm(steps, axis=0)).T
    places = corners @ steps.T
    distances = pdist(places)
    greatest = float(distances.max())
    first, second = np.triu_indices(len(places), k=1)
    tied = distances >= greatest * (1 - _TIE)
    return greatest, (places[second[tied]] - places[first[tied]]) / distances[tied, None]


def _voxel_chords(directions: NDArray[np.float64], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Length (mm) inside one voxel of the lines through its centre along unit `directions`, shape (n, 3)."""
    return 1.0 / np.abs(directions @ np.linalg.inv(matrix).T).max(axis=1)


def _axial_diameters(mask: NDArray[np.bool_], matrix: NDArray[np.float64]) -> tuple[float, float]:
    """Longest diameter of any slice, and the widest extent at right angles to it in that slice (mm)."""
    steps = matrix[:, 1:]
    normal = np.cross(steps[:, 0], steps[:, 1])
    normal /= np.linalg.norm(normal)
    best = (-1.0, 0.0, 0.0)  # centre distance, long, short
    for plane in mask[_widest_slices(mask, steps)]:
        points = _outermost(plane)
        distance, directions = _farthest(points, matrix, axes=(1, 2))
        across = np.cross(normal, directions)
        short = np.ptp((points @ steps.T) @ across.T, axis=0) + _voxel_chords(across, matrix)
        for long_mm, short_mm in zip(distance + _voxel_chords(directions, matrix), short, strict=True):
            best = _longer(best, (distance, float(long_mm), float(short_mm)))
    return best[1], best[2]


def _widest_slices(mask: NDArray[np.bool_], steps: NDArray[np.float64]) -> NDArray[np.int64]:
    """Slices whose points may be as far apart as those of any slice.

    The width of a slice in any direction is at most its diameter; the greatest of n directions, evenly spread over half
    a turn, is at least the diameter times cos(pi / 2n).
    """
    lines = np.argwhere(mask.any(axis=-1))
    rows = mask[tuple(lines.T)]
    first, last = rows.argmax(axis=1), rows.shape[1] - 1 - rows[:, ::-1].argmax(axis=1)
    along = steps[:, 0] / np.linalg.norm(steps[:, 0])
    across = steps[:, 1] - along * (steps[:, 1] @ along)
    across /= np.linalg.norm(across)
    angles = np.arange(_DIRECTIONS) * np.pi / _DIRECTIONS
    directions = np.outer(along, np.cos(angles)) + np.outer(across, np.sin(angles))
    # A line's two ends, projected; lines are in order of slice.
    ends = [np.column_stack([lines[:, 1], column]) @ (steps.T @ directions) for column in (first, last)]
    slices, starts = np.unique(lines[:, 0], return_index=True)
    highest = np.maximum.reduceat(np.maximum(*ends), starts)
    lowest = np.minimum.reduceat(np.minimum(*ends), starts)
    widths = (highest - lowest).max(axis=1)
    most = widths / np.cos(np.pi / (2 * _DIRECTIONS)) * (1 + 1e-6)
    return slices[most >= widths.max()]


def _longer(old: tuple[float, float, float], new: tuple[float, float, float]) -> tuple[float, float, float]:
    """The greater of two (distance, long, short), entry by entry, where nearly equal counts as equal."""
    for a, b in zip(old, new, strict=True):
        if abs(a - b) > _TIE * max(abs(a), abs(b)):
            return old if a > b else new
    return old
