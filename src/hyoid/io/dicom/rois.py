"""Regions of interest of an RT Structure Set: contours as they were drawn, and the voxels they enclose.

One rule for every reader: a voxel belongs to a region when its centre lies inside the slab of a contour. A contour's
slab reaches half-way to the neighbouring planes of the same region, and half the region's usual step beyond its first
and last plane; where a plane is missing, the slices between stay empty and the reader is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import RTStructureSetStorage
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from hyoid.anatomy.outline_names import safe_name
from hyoid.errors import GeometryError, UnreadableFileError
from hyoid.geometry.boxes import Box, bounding_box, crop_geometry
from hyoid.io.dicom import headers as tolerant
from hyoid.io.dicom.contours import fill
from hyoid.io.dicom.identity import Identity, identity_of
from hyoid.volume import Geometry, Quantity, Volume

CONTOUR_DATA = Tag(0x30060050)
_CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR", "")
_OPEN = ("POINT", "OPEN_PLANAR", "OPEN_NONPLANAR")
# A contour farther than this from the plane of its slice was drawn on planes of another direction.
_PLANARITY_MM = 0.5
# Contours of one plane differ by the rounding of their decimal strings and by a tenth of a slice.
_SAME_PLANE_MM = 0.02
_SAME_PLANE_SLICES = 0.1
_SAME_PLANE_MOST_MM = 0.3
# Planes farther apart than this many steps have a gap between them.
_GAP_STEPS = 1.5
# A slice whose centre lies this near to the border of a slab (in slices) lies on it.
_ON_BORDER_SLICES = 0.01


@dataclass(frozen=True, eq=False)
class Roi:
    """Contours of one region of interest.

    Parameters
    ----------
    name : str
        ROIName (3006,0026).
    contours : tuple of ndarray, each of shape (N, 3)
        Closed planar polygons, LPS mm.
    exclusive : bool
        Whether contours of one plane exclude each other (CLOSEDPLANAR_XOR).
    frame_of_reference_uid : str
        Frame of reference in which the contours were drawn; '' where the file does not say.
    step_mm : float
        Distance of the planes that the region was drawn on, where the file says so (3006,004A); else 0.
    problem : str
        Why the contours cannot be used; '' where they can.
    notes : tuple of str
        What was left out.
    """

    name: str
    contours: tuple[NDArray[np.float64], ...]
    exclusive: bool = False
    frame_of_reference_uid: str = ""
    step_mm: float = 0.0
    problem: str = ""
    notes: tuple[str, ...] = ()

    @property
    def holds_something(self) -> bool:
        """Whether there is a contour, or a fault that hides one."""
        return bool(self.contours or self.problem)


@dataclass(frozen=True, eq=False)
class StructureSet:
    """Content of an RT Structure Set.

    Parameters
    ----------
    rois : tuple of Roi
        Regions in the order of the file; those without contours are kept.
    identity : Identity
        Patient, study and series that it was drawn on.
    notes : tuple of str
        What was left out because it belongs to no region.
    """

    rois: tuple[Roi, ...]
    identity: Identity
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Rasterised:
    """Voxels that one region of interest encloses on a grid.

    Parameters
    ----------
    mask : Volume
        Boolean, cut to the region's box.
    notes : tuple of str
        Missing planes, planes that stand for several slices, and the like.
    """

    mask: Volume
    notes: tuple[str, ...] = ()


def read_structure_set(path: str | Path) -> StructureSet:
    """Read the regions of an RT Structure Set.

    Raises
    ------
    UnreadableFileError
        When the file is truncated, corrupt, or no RT Structure Set.
    """
    try:
        dataset = tolerant.parse(Path(path).read_bytes())
    except OSError as error:
        raise UnreadableFileError(
            f"The structure set cannot be opened ({error.strerror}).", "Check the path."
        ) from None
    if dataset is None or tolerant.text(dataset, "SOPClassUID") != RTStructureSetStorage:
        raise UnreadableFileError("The file is no RT Structure Set.", "Give a DICOM RTSTRUCT.")
    return structure_set_of(dataset)


def structure_set_of(dataset: Dataset) -> StructureSet:
    """Read the regions of an RT Structure Set dataset; see `read_structure_set`.

    Contours of a number that several regions share cannot be told apart, and those of a number that no region has
    belong to nobody: the former make their regions unusable, the latter are left out. Points and open contours enclose
    nothing.
    """
    try:
        with tolerant.quiet_pydicom():
            if tolerant.is_cut_short(dataset):
                raise EOFError
            listed = [
                (str(item.ROINumber), tolerant.text(item, "ROIName"), _frame_of(item, dataset))
                for item in dataset.StructureSetROISequence
            ]
            items: dict[str, list[Dataset]] = {}
            for item in dataset.get("ROIContourSequence") or []:
                items.setdefault(tolerant.text(item, "ReferencedROINumber"), []).append(item)
            rois = _rois(listed, items)
    except tolerant.PARSE_ERRORS as error:
        raise UnreadableFileError(
            f"The structure set cannot be read ({type(error).__name__}): it is truncated, corrupt or incomplete.",
            "Export it again.",
        ) from None
    nobodys = len(set(items) - {number for number, _, _ in listed})
    notes = (f"Contours of {nobodys} region(s) that the structure set does not list were left out.",) if nobodys else ()
    return StructureSet(rois, identity_of(dataset), notes)


def rasterise(roi: Roi, geometry: Geometry) -> Rasterised:
    """Mark the voxels of one region of interest on a grid, cut to its box; see the top of this module for the rule.

    Contours of one plane leave a hole where one lies inside another, and are joined where they overlap in part, unless
    the file says that they exclude each other.

    Parameters
    ----------
    roi : Roi
        Region of interest with its contours in LPS, mm.
    geometry : Geometry
        Grid of the voxels, whose slices must be parallel to the contours.

    Raises
    ------
    UnreadableFileError
        When the region has a problem.
    GeometryError
        When a contour does not lie in a plane parallel to the slices.
    """
    name = safe_name(roi.name)
    if roi.problem:
        raise UnreadableFileError(f"{_sentence(name)} cannot be used: {roi.problem}", "Export the structure set again.")
    slice_mm = geometry.spacing_mm[0]
    placed = [geometry.to_ijk(points) for points in roi.contours]
    for points in placed:
        if np.ptp(points[:, 0]) * slice_mm > _PLANARITY_MM:
            raise GeometryError(
                f"A contour of {name} crosses {np.ptp(points[:, 0]) * slice_mm:.1f} mm of slices: it was drawn on "
                "planes of another direction.",
                "Give the structure set of this series.",
            )
    polygons, notes = [], list(roi.notes)
    stacks = _stacks(placed, slice_mm)
    step_mm = roi.step_mm or _usual_step_mm(stacks)
    missing, gaps, thin = 0, 0, False
    for stack in stacks:
        slabs, lost = stack.slabs_mm(step_mm if roi.step_mm else 0.0, step_mm, slice_mm)
        missing, gaps = missing + sum(lost), gaps + len(lost)
        found = []
        for members, (low, high) in zip(stack.members, slabs, strict=True):
            first, stop = (int(np.ceil(edge / slice_mm - _ON_BORDER_SLICES)) for edge in (low, high))
            found += [(index, members) for index in range(max(first, 0), min(stop, geometry.shape[0]))]
        if not found and stack.between_slices(slabs, slice_mm, geometry.shape[0]):
            middle = len(stack.planes_mm) // 2
            found, thin = [(round(stack.planes_mm[middle] / slice_mm), stack.members[middle])], True
        polygons += found
    if gaps:
        notes.append(
            f"{_sentence(name)} has no contour on {missing} plane(s) in {gaps} gap(s): these slices were left empty."
        )
    if step_mm > _GAP_STEPS * slice_mm:
        notes.append(
            f"{_sentence(name)} was drawn every {step_mm:.1f} mm: each contour stands for the slices around it."
        )
    if thin:
        notes.append(f"A part of {name} lies between two slices and was drawn on the nearest.")
    mask, joined = _filled(polygons, placed, roi.exclusive, geometry)
    if joined:
        notes.append(f"Contours of {name} that overlap on one plane were joined.")
    return Rasterised(mask, tuple(notes))


@dataclass(frozen=True, eq=False)
class _Stack:
    """Contours above one another: their planes (mm along the slices), and which contours lie on each."""

    planes_mm: NDArray[np.float64]
    members: tuple[tuple[int, ...], ...]

    def slabs_mm(self, told_mm: float, usual_mm: float, slice_mm: float) -> tuple[list[tuple[float, float]], list[int]]:
        """Slab of every plane, and how many planes are missing in each gap."""
        steps = np.diff(self.planes_mm)
        if told_mm:
            step = told_mm
        elif len(steps) > 1:
            step = _lower_median(steps)
        else:
            near = steps[steps < _GAP_STEPS * slice_mm]
            step = float(near[0]) if len(near) else (usual_mm or slice_mm)
        slabs, lost = [], []
        for index, plane in enumerate(self.planes_mm):
            low = high = step / 2
            if index > 0 and steps[index - 1] <= _GAP_STEPS * step:
                low = steps[index - 1] / 2
            if index < len(steps):
                if steps[index] <= _GAP_STEPS * step:
                    high = steps[index] / 2
                else:
                    lost.append(max(round(float(steps[index]) / step) - 1, 1))
            slabs.append((plane - low, plane + high))
        return slabs, lost

    def between_slices(self, slabs: list[tuple[float, float]], slice_mm: float, count: int) -> bool:
        """Whether the stack reaches no slice although it lies within the grid."""
        low, high = slabs[0][0] / slice_mm, slabs[-1][1] / slice_mm
        return bool(low > -0.5 and high < count - 0.5)


def _rois(listed: Sequence[tuple[str, str, str]], items: dict[str, list[Dataset]]) -> tuple[Roi, ...]:
    """Region of every listed number; several entries of one number and name are one region."""
    rois = []
    for index, (number, name, frame) in enumerate(listed):
        names = [other for at, other, _ in listed if at == number]
        if number in [at for at, _, _ in listed[:index]] and len(set(names)) == 1:
            continue
        shown = name or f"ROI {number}"
        if len(set(names)) > 1:
            problem = f"{len(names)} regions of the file share its number, so that their contours cannot be told apart."
            rois.append(Roi(shown, (), frame_of_reference_uid=frame, problem=problem))
        else:
            rois.append(_roi(shown, frame, items.get(number, [])))
    return tuple(rois)


def _roi(name: str, frame: str, items: Sequence[Dataset]) -> Roi:
    """Region with the contours of its items; what encloses nothing is counted."""
    contours, exclusive, nothing, problem, step_mm, miscounted = [], False, 0, "", 0.0, 0
    for item in items:
        planes = item.get("SourcePixelPlanesCharacteristicsSequence") or []
        step_mm = float(planes[0].get("SpacingBetweenSlices") or 0.0) if planes else step_mm
        for contour in item.get("ContourSequence") or []:
            kind = tolerant.text(contour, "ContourGeometricType").upper()
            try:
                points = _points(contour)
            except (ValueError, TypeError):
                problem = "a contour has coordinates that are no points."
                continue
            miscounted += len(points) != (tolerant.integer(contour, "NumberOfContourPoints") or len(points))
            if kind in _OPEN or len(points) < 3:
                nothing += 1
            elif kind not in _CLOSED:
                problem = "it has contours of a kind that DICOM does not know."
            else:
                exclusive |= kind == "CLOSEDPLANAR_XOR"
                contours.append(points)
    notes = []
    if nothing and contours:
        notes.append(f"{nothing} contour(s) of {safe_name(name)} enclose nothing (points, lines) and were left out.")
    if miscounted:
        notes.append(f"{miscounted} contour(s) of {safe_name(name)} have more or fewer points than they say.")
    return Roi(name, tuple(contours), exclusive, frame, step_mm, problem, tuple(notes))


def _frame_of(item: Dataset, dataset: Dataset) -> str:
    """Frame of reference of a region: its own, else that of the object, else the only one that it refers to."""
    own = tolerant.text(item, "ReferencedFrameOfReferenceUID") or tolerant.text(dataset, "FrameOfReferenceUID")
    if own:
        return own
    frames = {tolerant.text(f, "FrameOfReferenceUID") for f in dataset.get("ReferencedFrameOfReferenceSequence") or []}
    return frames.pop() if len(frames) == 1 else ""


def _points(contour: Dataset) -> NDArray[np.float64]:
    """Points of a contour, shape (N, 3); none where the contour is empty.

    Raises
    ------
    ValueError
        When the coordinates are no finite triples.
    """
    if CONTOUR_DATA not in contour:
        return np.empty((0, 3))
    # Converting 100,000 decimal strings one by one takes seconds; their bytes are parsed at once.
    value = contour.get_item(CONTOUR_DATA).value
    if isinstance(value, bytes):
        value = value.rstrip(b"\0 ").split(b"\\")
    if value is None or len(value) == 0 or (len(value) == 1 and not value[0]):
        return np.empty((0, 3))
    points = np.array(value, dtype=np.float64).reshape(-1, 3)
    if not np.isfinite(points).all():
        raise ValueError("not finite")
    return points


def _stacks(placed: list[NDArray[np.float64]], slice_mm: float) -> list[_Stack]:
    """Contours in stacks: those whose boxes overlap when seen from above, directly or over others."""
    if not placed:
        return []
    low = np.array([points[:, 1:].min(axis=0) for points in placed])
    high = np.array([points[:, 1:].max(axis=0) for points in placed])
    overlap = ((low[:, None] <= high[None]) & (low[None] <= high[:, None])).all(axis=2)
    _, stack_of = connected_components(csr_matrix(overlap), directed=False)
    depths_mm = np.array([points[:, 0].mean() for points in placed]) * slice_mm
    apart = min(max(_SAME_PLANE_MM, _SAME_PLANE_SLICES * slice_mm), _SAME_PLANE_MOST_MM)
    stacks = []
    for stack in range(stack_of.max() + 1):
        mine = np.flatnonzero(stack_of == stack)
        mine = mine[np.argsort(depths_mm[mine], kind="stable")]
        plane = np.cumsum(np.diff(depths_mm[mine], prepend=depths_mm[mine[0]]) > apart)
        groups = [mine[plane == number] for number in range(plane.max() + 1)]
        planes_mm = np.array([depths_mm[group].mean() for group in groups])
        stacks.append(_Stack(planes_mm, tuple(tuple(group.tolist()) for group in groups)))
    return stacks


def _usual_step_mm(stacks: Sequence[_Stack]) -> float:
    """Usual distance between planes of a region, from stacks of three and more planes; 0 where too few tell."""
    steps = [np.diff(stack.planes_mm) for stack in stacks if len(stack.planes_mm) > 2]
    return _lower_median(np.concatenate(steps)) if steps else 0.0


def _lower_median(steps: NDArray[np.float64]) -> float:
    return float(np.sort(steps)[(len(steps) - 1) // 2])


def _filled(
    polygons: Sequence[tuple[int, tuple[int, ...]]],
    placed: list[NDArray[np.float64]],
    exclusive: bool,
    geometry: Geometry,
) -> tuple[Volume, bool]:
    """Mask of (slice, contours on it), cut to its box, and whether overlapping contours were joined."""
    used = sorted({member for _, members in polygons for member in members})
    box = _box([placed[member] for member in used], [index for index, _ in polygons], geometry.shape)
    if box is None:
        return Volume(np.zeros(geometry.shape, bool), geometry, Quantity.LABEL), False
    start = np.array(box.start)
    flat = {member: placed[member][:, 1:] - start[1:] for member in used}
    mask = fill([(i - box.start[0], flat[m]) for i, members in polygons for m in members], box.shape)
    joined = False
    plane_of: dict[tuple[int, ...], NDArray[np.bool_]] = {}
    for index, members in polygons:
        if exclusive or len(members) == 1:
            continue
        if members not in plane_of:
            plane_of[members], overlapping = _plane([flat[m] for m in members], box.shape[1:])
            joined |= overlapping
        mask[index - box.start[0]] = plane_of[members]
    tight = bounding_box(mask)
    if tight is None:
        return Volume(mask, crop_geometry(geometry, box), Quantity.LABEL), joined
    return Volume(mask[tight.slices], crop_geometry(crop_geometry(geometry, box), tight), Quantity.LABEL), joined


def _plane(contours: Sequence[NDArray[np.float64]], shape: tuple[int, int]) -> tuple[NDArray[np.bool_], bool]:
    """Pixels of the contours on one plane: nested ones leave holes, equal ones count once, others are joined."""
    masks: list[NDArray[np.bool_]] = []
    joined = False
    for contour in contours:
        mask = fill([(0, contour)], (1, *shape))[0]
        while True:
            # A union may reach further contours.
            partly = next((other for other in masks if _overlap_in_part(mask, other)), None)
            if partly is None:
                break
            masks = [other for other in masks if other is not partly]
            mask, joined = mask | partly, True
        if not any(np.array_equal(mask, other) for other in masks):
            masks.append(mask)
    total = np.zeros(shape, bool)
    for mask in masks:
        total ^= mask
    return total, joined


def _sentence(name: str) -> str:
    return name[0].upper() + name[1:]


def _overlap_in_part(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> bool:
    both = one & other
    return bool(both.any() and (one & ~other).any() and (other & ~one).any())


def _box(placed: list[NDArray[np.float64]], slices: Sequence[int], shape: tuple[int, int, int]) -> Box | None:
    """Box of voxels around contours (ijk) drawn on these slices; None when outside the grid."""
    if not placed or not slices:
        return None
    points = np.concatenate(placed)[:, 1:]
    low = np.maximum([min(slices), *np.floor(points.min(axis=0))], 0).astype(int)
    high = np.minimum([max(slices) + 1, *(np.ceil(points.max(axis=0)) + 1)], shape).astype(int)
    return Box(tuple(low.tolist()), tuple(high.tolist())) if (low < high).all() else None
