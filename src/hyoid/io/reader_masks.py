"""Tumour contours that a reader drew, from whatever the reader's software exports, on the grid of the study."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import RTStructureSetStorage

from hyoid.anatomy.outline_names import Choice, Role, choose_targets, listed, role_of, safe_name
from hyoid.anatomy.structures import BY_LABEL, GTVN, GTVP, NODE, PRIMARY
from hyoid.errors import GeometryError, UnreadableFileError, WrongQuantityError
from hyoid.io.dicom import headers as tolerant
from hyoid.io.dicom.identity import refuse_another_patient, refuse_other_frame
from hyoid.io.dicom.rois import Roi, rasterise, structure_set_of
from hyoid.io.dicom.seg_frames import SEGMENTATION_CLASSES, Segment, segmentation_of
from hyoid.io.files.label_names import read_named_labels
from hyoid.io.files.volumes import image_suffix
from hyoid.io.masks import boxed, on_grid
from hyoid.volume import Geometry, Quantity, Volume

# A contour may leave the field of view by a rounded voxel, no more.
_OUTSIDE_SHARE = 0.01
_NUMBERED = re.compile(r"label \d+")
_VALUE_OF = {Role.PRIMARY: PRIMARY, Role.NODE: NODE}
_UNNAMED = {1: Role.PRIMARY, 2: Role.NODE, GTVP: Role.PRIMARY, GTVN: Role.NODE}


@dataclass(frozen=True, eq=False)
class ReaderMasks:
    """A reader's targets on the grid of the study.

    Parameters
    ----------
    volume : Volume, LABEL
        1 primary tumour (GTVp), 2 nodes (GTVn); where both were drawn, the primary.
    used : tuple of str
        What was taken, as "'GTVp' -> GTVp", in words that may stand in a report: names that could identify somebody are
        not in it.
    unmatched : tuple of str
        Names in the file that say neither, as the file has them: for the user alone, never for a report.
    notes : tuple of str
        What was left out, filled or taken by convention.
    masks : mapping of int to Volume
        Each target whole, by the values above; they may overlap.
    """

    volume: Volume
    used: tuple[str, ...]
    unmatched: tuple[str, ...]
    notes: tuple[str, ...] = ()
    masks: Mapping[int, Volume] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.masks:
            object.__setattr__(self, "masks", boxed(self.volume)[0])

    @property
    def left_aside(self) -> tuple[str, ...]:
        """How much of the file was not used, and notes, in words that may stand in a report."""
        count = len(self.unmatched)
        lines = [f"Not used from the reader's masks: {count} outline(s) that are no GTVp or GTVn."] if count else []
        return (*lines, *self.notes)

    @property
    def said(self) -> tuple[str, ...]:
        """What a report says of the file: what was taken, how much was not, and notes."""
        return (*([f"Reader's masks: {', '.join(self.used)}."] if self.used else []), *self.left_aside)


def read_reader_masks(path: str | Path, geometry: Geometry) -> Volume:
    """Read a reader's targets as a label volume on a grid: 1 GTVp, 2 GTVn. See `find_reader_masks`."""
    return find_reader_masks(path, geometry).volume


@dataclass(frozen=True, eq=False)
class _Candidate:
    """One outline in the file: how to draw it on a grid, with notes, and its frame of reference."""

    name: str
    draw: Callable[[Geometry], tuple[Volume, tuple[str, ...]]]
    frame: str = ""


@dataclass(frozen=True, eq=False)
class _Found:
    """What a file holds: outlines, names of empty ones, notes, and roles where the file's kind decides them."""

    candidates: list[_Candidate]
    empty: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    roles: tuple[Role, ...] = ()


def find_reader_masks(
    path: str | Path,
    geometry: Geometry,
    *,
    headers: Sequence[Dataset] = (),
    primary: Iterable[str] = (),
    node: Iterable[str] = (),
) -> ReaderMasks:
    """Find a reader's targets in a file and bring them onto a grid, with what was taken from the file and what was not.

    Parameters
    ----------
    path : path
        Label map in NIfTI, NRRD, MHA or MHD on any grid, whose labels are named in its header (3D Slicer) or in a table
        beside it, else 1 GTVp and 2 GTVn (or hyoid's 101 and 102); DICOM RTSTRUCT; or DICOM SEG. Names decide:
        `outline_names.role_of`.
    geometry : Geometry
        Grid of the study.
    headers : sequence of Dataset
        Headers of the study, so that outlines of another patient are refused.
    primary, node : iterables of str
        Names of outlines that the user chose ("label 3" for a label without name); then names that do not say their
        role are left aside.

    Raises
    ------
    UnreadableFileError
        When the file cannot be read.
    WrongQuantityError
        When a label map has other labels, no name says GTVp or GTVn, or a name may be a target and does not say which;
        the message lists what is there.
    InputRefusedError
        When the outlines are of another patient.
    GeometryError
        When masks lie outside the study's field of view, or in another frame of reference.
    UsageError
        When a chosen name is not in the file.
    """
    path = Path(path)
    primary, node = tuple(primary), tuple(node)
    found = _from_labels(path, chosen=bool(primary or node)) if image_suffix(path) else _from_dicom(path, headers)
    names = [candidate.name for candidate in found.candidates]
    _refuse_empty(names, found.empty, (*primary, *node))
    choice = Choice(found.roles) if found.roles else choose_targets(names, primary, node)
    masks: dict[int, NDArray[np.bool_]] = {}
    targets = (*_VALUE_OF, Role.TUMOUR)
    vanished = [name for name in found.empty if role_of(name) in targets and name not in names]
    used, notes = [], [*found.notes, *choice.notes]
    notes += [f"The masks list {safe_name(name)} without any outline: nothing was taken from it." for name in vanished]
    for candidate, role in zip(found.candidates, choice.roles, strict=True):
        if role is None:
            continue
        shown = candidate.name if _NUMBERED.fullmatch(candidate.name) else safe_name(candidate.name)
        refuse_other_frame(candidate.frame, geometry)
        mask, said = candidate.draw(geometry)
        _refuse_outside(mask, geometry, shown)
        placed = on_grid(mask, geometry)
        if not placed.any():
            raise GeometryError(
                f"{shown} is smaller than a voxel of the study and would vanish.",
                "Check that it belongs to this study.",
            )
        value = _VALUE_OF[role]
        masks[value] = masks[value] | placed if value in masks else placed
        used.append(f"{shown} -> {role.value}")
        notes += said
    unmatched = [name for name, role in zip(names, choice.roles, strict=True) if role is None]
    labels = np.zeros(geometry.shape, np.uint8)
    for value in sorted(masks, reverse=True):
        labels[masks[value]] = value
    whole, _ = boxed(masks, geometry)
    return ReaderMasks(
        Volume(labels, geometry, Quantity.LABEL),
        tuple(used),
        (*unmatched, *(name for name in found.empty if name not in vanished)),
        tuple(dict.fromkeys(notes)),
        whole,
    )


def _from_labels(path: Path, *, chosen: bool) -> _Found:
    """Labels of a label map; where none has a name and the user chose none, their numbers are their roles."""
    every = read_named_labels(path)
    labels = [label for label in every if label.mask.array.any()]
    if not every:
        raise WrongQuantityError("The label map holds no labels.", "Give the file in which the tumour is outlined.")
    candidates = [_Candidate(label.name or f"label {label.value}", _drawer(label.mask)) for label in labels]
    if chosen or any(label.name for label in every):
        return _Found(candidates, tuple(label.name for label in every if not label.mask.array.any()))
    if other := [label.value for label in labels if label.value not in _UNNAMED]:
        raise WrongQuantityError(
            f"The label map holds labels {other[:10]}; a reader's masks have 1 for the primary tumour and 2 for nodes.",
            'Renumber the labels, or choose with --primary "label 3" and --node "label 4".',
        )
    return _Found(candidates, roles=tuple(_UNNAMED[label.value] for label in labels))


def _from_dicom(path: Path, headers: Sequence[Dataset]) -> _Found:
    """Regions of an RTSTRUCT or segments of a SEG."""
    if path.is_dir():
        raise UnreadableFileError("The masks are a folder.", "Give the file of the RTSTRUCT, SEG or label map in it.")
    try:
        dataset = tolerant.parse(path.read_bytes(), pixels=True)
    except OSError as error:
        raise UnreadableFileError(f"The masks cannot be opened ({error.strerror}).", "Check the path.") from None
    sop_class = "" if dataset is None else tolerant.text(dataset, "SOPClassUID")
    if dataset is not None and sop_class == RTStructureSetStorage:
        found = structure_set_of(dataset)
        drawn = [roi for roi in found.rois if roi.holds_something]
        return _Found(
            [_Candidate(roi.name, _roi_drawer(roi), roi.frame_of_reference_uid) for roi in drawn],
            tuple(roi.name for roi in found.rois if not roi.holds_something),
            (*found.notes, *refuse_another_patient(found.identity, headers)),
        )
    if dataset is not None and sop_class in SEGMENTATION_CLASSES:
        segmentation = segmentation_of(dataset)
        filled = [segment for segment in segmentation.segments if segment.mask.array.any()]
        return _Found(
            [_Candidate(_name_of(s), _drawer(s.mask), s.mask.geometry.frame_of_reference_uid) for s in filled],
            tuple(s.name for s in segmentation.segments if not s.mask.array.any()),
            (*segmentation.notes, *refuse_another_patient(segmentation.identity, headers)),
        )
    raise UnreadableFileError(
        "The masks are neither a label map nor a DICOM RTSTRUCT or SEG.", "Export them in one of these forms."
    )


def _refuse_empty(names: Sequence[str], empty: Sequence[str], chosen: Sequence[str]) -> None:
    """Refuse a file in which every outline, or one that the user chose, is empty."""
    asked = [name for name in chosen if name in empty and name not in names]
    if asked or (empty and not names):
        raise WrongQuantityError(
            f"{listed(asked or empty)} {'is' if len(asked or empty) == 1 else 'are'} in the file, and empty.",
            "Give the file in which the tumour is outlined.",
        )


def _name_of(segment: Segment) -> str:
    """Name of a segment; that of hyoid's own structure where hyoid wrote it."""
    return segment.name if segment.label is None else BY_LABEL[segment.label].name


def _drawer(mask: Volume) -> Callable[[Geometry], tuple[Volume, tuple[str, ...]]]:
    return lambda geometry: (mask, ())


def _roi_drawer(roi: Roi) -> Callable[[Geometry], tuple[Volume, tuple[str, ...]]]:
    def draw(geometry: Geometry) -> tuple[Volume, tuple[str, ...]]:
        if roi.contours:
            _refuse_points_outside(np.concatenate(roi.contours), geometry, safe_name(roi.name))
        rasterised = rasterise(roi, geometry)
        return rasterised.mask, rasterised.notes

    return draw


def _refuse_outside(mask: Volume, geometry: Geometry, name: str) -> None:
    if mask.array.any():
        _refuse_points_outside(mask.geometry.to_lps(np.argwhere(mask.array)), geometry, name)


def _refuse_points_outside(points_lps_mm: NDArray[np.float64], geometry: Geometry, name: str) -> None:
    ijk = geometry.to_ijk(points_lps_mm)
    outside = ((ijk < -0.5) | (ijk > np.array(geometry.shape) - 0.5)).any(axis=1).mean()
    if outside > _OUTSIDE_SHARE:
        raise GeometryError(
            f"{outside:.0%} of {name} lie outside the field of view of the scan.",
            "Check that the masks belong to this study and series.",
        )
