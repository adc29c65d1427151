"""Frames of a DICOM SEG back to masks: which segment each belongs to, and where it lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from hyoid.anatomy.structures import BY_LABEL, Structure
from hyoid.errors import GeometryError, HyoidError, UnreadableFileError
from hyoid.io.dicom import headers as tolerant
from hyoid.io.dicom.identity import Identity, identity_of
from hyoid.io.dicom.slice import normal_of
from hyoid.io.masks import boxed
from hyoid.volume import Geometry, Quantity, Volume

SEGMENTATION_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
# Positions of one plane differ by the rounding of decimal strings, segment by segment.
_SAME_PLANE_MM = 0.01
# A frame may lie this far (in slices) from its plane on the regular grid.
_OFF_PLANE_SLICES = 0.1
# A declared step that differs by more than this share from what frames show is another step.
_OFF_STEP = 0.02
_OFF_LINE_MM = 0.1
_ORIENTATION = 1e-3
_SAME_SPACING_MM = 1e-4
_MOST_SLICES = 20_000


@dataclass(frozen=True, eq=False)
class Segment:
    """Segment of a DICOM SEG.

    Parameters
    ----------
    name : str
        SegmentLabel (0062,0005).
    label : int or None
        hyoid's label, where the segment's tracking identifier names one of its structures.
    mask : Volume
        Boolean, cut to the segment's slices. On a tilted acquisition its slices are sheared against each other, as the
        images are.
    """

    name: str
    label: int | None
    mask: Volume


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Content of a DICOM SEG.

    Parameters
    ----------
    segments : tuple of Segment
        Segments in the order of the file; those without voxels are kept.
    identity : Identity
        Patient, study and series that it was drawn on.
    notes : tuple of str
        What was left out or decided.
    """

    segments: tuple[Segment, ...]
    identity: Identity
    notes: tuple[str, ...] = ()


def segmentation_of(dataset: Dataset, structures: Mapping[int, Structure] = BY_LABEL) -> Segmentation:
    """Read the segments of a DICOM SEG dataset with pixels; see `seg.read_seg`.

    Raises
    ------
    UnreadableFileError
        When the object is truncated, corrupt or incomplete, or two segments share a number.
    GeometryError
        When its frames do not lie on one regular grid.
    """
    try:
        with tolerant.quiet_pydicom():
            if tolerant.is_cut_short(dataset):
                raise EOFError
            return _segmentation_of(dataset, structures)
    except HyoidError:
        raise
    except tolerant.PARSE_ERRORS as error:
        raise UnreadableFileError(
            f"The SEG cannot be read ({type(error).__name__}): it is truncated, corrupt or incomplete.",
            "Export it again.",
        ) from None


def bits_of(dataset: Dataset) -> NDArray[np.uint8]:
    """Unpack the pixels of a one-bit dataset, flat.

    Raises
    ------
    ValueError
        When the pixel data are shorter than the header says.
    """
    count = int(dataset.NumberOfFrames) * int(dataset.Rows) * int(dataset.Columns)
    stored = np.frombuffer(dataset.PixelData, np.uint8)
    if len(stored) * 8 < count:
        raise ValueError("pixel data are truncated")
    return np.unpackbits(stored, count=count, bitorder="little")


def _segmentation_of(dataset: Dataset, structures: Mapping[int, Structure]) -> Segmentation:
    label_of = {structure.name: label for label, structure in structures.items()}
    kind = tolerant.text(dataset, "SegmentationType")
    listed = [int(item.SegmentNumber) for item in dataset.SegmentSequence]
    if len(set(listed)) < len(listed):
        raise UnreadableFileError(
            "Several segments of the SEG share one number, so that their voxels cannot be told apart.",
            "Export it again.",
        )
    frames = _pixels(dataset, kind)
    groups = _groups(dataset, len(frames))
    grid, slices = _grid(dataset, groups, frames.shape[1:])
    notes = ["Voxels of the fractional SEG above one half count as inside."] if kind == "FRACTIONAL" else []
    numbers = None if kind == "LABELMAP" else _numbers(groups)
    present = set(np.unique(frames).tolist() if numbers is None else numbers.tolist()) - {0}
    if nobodys := present - set(listed):
        notes.append(f"Voxels of {len(nobodys)} segment(s) that the SEG does not list were left out.")
    segments = []
    for item, number in zip(dataset.SegmentSequence, listed, strict=True):
        if number == 0:
            continue  # The background of a label map may be listed.
        mine = np.arange(len(frames)) if numbers is None else np.flatnonzero(numbers == number)
        masks = [frames[index] == number if numbers is None else frames[index] > 0 for index in mine]
        mask = _mask(slices[mine], masks, grid)
        name = tolerant.text(item, "SegmentLabel") or f"segment {number}"
        segments.append(Segment(name, label_of.get(tolerant.text(item, "TrackingID")), mask))
    return Segmentation(tuple(segments), identity_of(dataset), tuple(notes))


def _mask(slices: NDArray[np.int64], masks: list[NDArray[np.bool_]], grid: Geometry) -> Volume:
    """Mask of one segment, cut to its box."""
    if not any(mask.any() for mask in masks):
        return Volume(np.zeros(grid.shape, bool), grid, Quantity.LABEL)
    first = int(slices.min())
    part = np.zeros((int(slices.max()) - first + 1, *grid.shape[1:]), bool)
    for index, mask in zip(slices, masks, strict=True):
        part[index - first] |= mask
    matrix = grid.ijk_to_lps.copy()
    matrix[:3, 3] = grid.to_lps((first, 0, 0))
    found, _ = boxed({0: part}, Geometry(part.shape, matrix, grid.frame_of_reference_uid))
    return found[0]


def _pixels(dataset: Dataset, kind: str) -> NDArray:
    """Frames, shape (n, rows, columns); of a fractional SEG, whether above one half."""
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    if int(dataset.BitsAllocated) == 1 and not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        frames = bits_of(dataset).reshape(-1, rows, columns)
    else:
        frames = tolerant.decode_pixels(dataset, "the SEG").reshape(-1, rows, columns)
    if kind == "FRACTIONAL":
        return (frames > 0.5 * int(dataset.get("MaximumFractionalValue") or 255)).astype(np.uint8)
    return frames


@dataclass(frozen=True, eq=False)
class _Group:
    """Functional groups of one frame, with those that all frames share."""

    own: Dataset
    shared: Dataset

    def macro(self, name: str) -> Dataset:
        return (self.own if name in self.own else self.shared)[name].value[0]


def _groups(dataset: Dataset, count: int) -> list[_Group]:
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    groups = [_Group(own, shared) for own in dataset.PerFrameFunctionalGroupsSequence]
    if len(groups) != count:
        raise ValueError("frames and their functional groups differ in number")
    return groups


def _numbers(groups: list[_Group]) -> NDArray[np.int64]:
    return np.array([int(g.macro("SegmentIdentificationSequence").ReferencedSegmentNumber) for g in groups], np.int64)


def _grid(dataset: Dataset, groups: list[_Group], size: tuple[int, ...]) -> tuple[Geometry, NDArray[np.int64]]:
    """Grid on which the frames lie, and the slice of each; its slice axis is the line of their corners."""
    origins = np.array([g.macro("PlanePositionSequence").ImagePositionPatient for g in groups], np.float64)
    orientations = np.array([g.macro("PlaneOrientationSequence").ImageOrientationPatient for g in groups], np.float64)
    measures = groups[0].macro("PixelMeasuresSequence")
    spacings = np.array([g.macro("PixelMeasuresSequence").PixelSpacing for g in groups], np.float64)
    spacing = spacings[0]
    if np.ptp(spacings, axis=0).max() > _SAME_SPACING_MM:
        raise GeometryError("The frames of the SEG differ in pixel spacing.", "Export one SEG for each series.")
    if np.ptp(orientations, axis=0).max() > _ORIENTATION:
        raise GeometryError("The frames of the SEG lie in several directions.", "Export one SEG for each series.")
    across, down = _unit(orientations[0, :3]), orientations[0, 3:]
    down = _unit(down - (down @ across) * across)
    normal = normal_of(np.concatenate([across, down]))
    along = origins @ normal
    first, last = int(np.argmin(along)), int(np.argmax(along))
    step = _step_mm(along, measures)
    slices = np.rint((along - along[first]) / step).astype(np.int64)
    if slices.max() >= _MOST_SLICES or np.abs((along - along[first]) / step - slices).max() > _OFF_PLANE_SLICES:
        raise GeometryError(
            "The frames of the SEG do not lie on one regular grid.", "Export it from the series itself."
        )
    # Tilted gantry: corners lie on a line that is not the normal.
    extent = along[last] - along[first]
    line = (origins[last] - origins[first]) / extent if extent > _SAME_PLANE_MM else normal
    line = normal if np.abs(line - normal).max() * max(extent, step) <= _OFF_LINE_MM else line
    off_line = origins - origins[first] - np.outer(along - along[first], line)
    if np.abs(off_line).max() > _OFF_LINE_MM:
        raise GeometryError(
            "The frames of the SEG are shifted sideways and do not lie on one regular grid.",
            "Export it from the series itself.",
        )
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([line * step, down * spacing[0], across * spacing[1]], axis=1)
    matrix[:3, 3] = origins[first]
    shape = (int(slices.max()) + 1, int(size[0]), int(size[1]))
    return Geometry(shape, matrix, tolerant.text(dataset, "FrameOfReferenceUID")), slices


def _step_mm(along_mm: NDArray[np.float64], measures: Dataset) -> float:
    """Distance between slices: what the file declares where all frames fit it, else what the frames tell.

    Frames without a segment are left out, so the smallest distance between frames may be several slices.
    """
    declared = [float(measures.get(keyword) or 0.0) for keyword in ("SpacingBetweenSlices", "SliceThickness")]
    least = min((value for value in declared if value > 0), default=0.0)
    levels, spread_mm = _levels(np.sort(along_mm), max(_SAME_PLANE_MM, _OFF_PLANE_SLICES * least))
    steps = np.diff(levels)
    if not len(steps):
        return next((value for value in declared if value > 0), 1.0)
    spacing, thickness = declared

    def fits(step: float) -> bool:
        ratios = steps / step if step > 0 else steps * 0
        return bool(
            step > 0 and (np.abs(ratios - np.rint(ratios)) <= _OFF_STEP * np.rint(ratios) + spread_mm / step).all()
        )

    if spacing > 0 and fits(spacing):
        return spacing
    smallest = float(steps.min())
    # Even steps over three and more planes are those of the images, whatever thickness says.
    even = len(steps) > 1 and float(np.ptp(steps)) <= _OFF_PLANE_SLICES * smallest
    if thickness > 0 and not even and fits(thickness):
        return thickness
    if smallest < _OFF_PLANE_SLICES * least:
        raise GeometryError(
            "The frames of the SEG lie much closer together than its slices.", "Export it from the series itself."
        )
    return float((levels[-1] - levels[0]) / np.rint((levels[-1] - levels[0]) / smallest))


def _levels(along_mm: NDArray[np.float64], apart_mm: float) -> tuple[NDArray[np.float64], float]:
    """Planes of sorted frame positions, and how far frames of one plane lie apart."""
    for apart in (apart_mm, _SAME_PLANE_MM):
        plane = np.cumsum(np.diff(along_mm, prepend=along_mm[0]) > apart)
        groups = [along_mm[plane == number] for number in range(int(plane[-1]) + 1)]
        spread_mm = max(float(np.ptp(group)) for group in groups)
        if spread_mm <= apart:
            break
    return np.array([group.mean() for group in groups]), spread_mm


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return vector / np.linalg.norm(vector)
