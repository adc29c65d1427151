"""Tumour contours that a reader drew, from whatever the reader's software exports, on the grid of the study."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import RTStructureSetStorage

from hyoid.anatomy.structures import GTVN, GTVP
from hyoid.errors import GeometryError, UnreadableFileError, WrongQuantityError
from hyoid.io.dicom import headers as tolerant
from hyoid.io.dicom.rtstruct import rasterise, rois_of, slab_thickness_mm
from hyoid.io.dicom.seg import SEGMENTATION_CLASSES, segments_of
from hyoid.io.files.volumes import image_suffix, read_labels
from hyoid.io.masks import on_grid
from hyoid.volume import Geometry, Quantity, Volume

PRIMARY, NODE = 1, 2
# A contour may leave the field of view by a rounded voxel, no more.
_OUTSIDE_SHARE = 0.01
_PRIMARY_NAME = re.compile(r"gtv(p|t|prim|primary|tumou?r|primarytumou?r)\d*((left|right|ct|mr|pet)\d*)?|.*primary.*")
_NODE_NAME = re.compile(r"gtv(n|ln|lk|node|nodal)s?\d*.*|.*(node|nodal|lymph).*|ln\d*")
_MARGIN_NAME = re.compile(r".*(ctv|ptv|itv|margin|expan|ring|minus|dose).*")


@dataclass(frozen=True, eq=False)
class ReaderMasks:
    """A reader's targets on the grid of the study.

    Parameters
    ----------
    volume : Volume, LABEL
        1 primary tumour (GTVp), 2 nodes (GTVn); where both were drawn, the primary.
    used : tuple of str
        What was taken, as 'name -> GTVp'.
    unmatched : tuple of str
        Names in the file that say neither.
    """

    volume: Volume
    used: tuple[str, ...]
    unmatched: tuple[str, ...]


def read_reader_masks(path: str | Path, geometry: Geometry) -> Volume:
    """Label volume of a reader's targets on a grid: 1 GTVp, 2 GTVn. See `find_reader_masks`."""
    return find_reader_masks(path, geometry).volume


def find_reader_masks(path: str | Path, geometry: Geometry) -> ReaderMasks:
    """A reader's targets on a grid, with what was taken from the file and what was not.

    Parameters
    ----------
    path : path
        Label map in NIfTI, NRRD, MHA or MHD with 1 GTVp and 2 GTVn (or hyoid's 101 and 102), on any grid; DICOM
        RTSTRUCT; or DICOM SEG. Regions and segments are told by name: GTVp, GTV-T, primary ...; GTVn, GTV_LN, node ....
    geometry : Geometry
        Of the study.

    Raises
    ------
    UnreadableFileError
        When the file cannot be read.
    WrongQuantityError
        When a label map has other labels, or no name says GTVp or GTVn; the message lists what is there.
    GeometryError
        When masks lie outside the study's field of view, or in another frame of reference.
    """
    path = Path(path)
    if image_suffix(path):
        return _from_labels(read_labels(path), geometry)
    try:
        dataset = tolerant.parse(path.read_bytes(), pixels=True)
    except OSError as error:
        raise UnreadableFileError(f"The masks cannot be opened ({error.strerror}).", "Check the path.") from None
    sop_class = "" if dataset is None else tolerant.text(dataset, "SOPClassUID")
    if dataset is not None and sop_class == RTStructureSetStorage:
        rois, frame = rois_of(dataset)
        _refuse_other_frame(frame, geometry)
        found, names = [], [r.name for r in rois]
        slab_mm = slab_thickness_mm(rois, geometry)
        for roi in rois:
            role = _role(roi.name)
            if role and roi.contours:
                _refuse_outside(np.concatenate(roi.contours), geometry, roi.name)
                found.append((roi.name, role, on_grid(rasterise(roi, geometry, slab_mm), geometry)))
    elif dataset is not None and sop_class in SEGMENTATION_CLASSES:
        segments = segments_of(dataset)
        found, names = [], [s.name for s in segments]
        for segment in segments:
            role = {GTVP: PRIMARY, GTVN: NODE}.get(segment.label or 0) or _role(segment.name)
            if role and segment.mask.array.any():
                _refuse_other_frame(segment.mask.geometry.frame_of_reference_uid, geometry)
                _refuse_outside(_points(segment.mask), geometry, segment.name)
                found.append((segment.name, role, on_grid(segment.mask, geometry)))
    else:
        raise UnreadableFileError(
            "The masks are neither a label map nor a DICOM RTSTRUCT or SEG.", "Export them in one of these forms."
        )
    return _combined(found, names, geometry)


def _from_labels(labels: Volume, geometry: Geometry) -> ReaderMasks:
    present = [int(v) for v in np.unique(labels.array) if v]
    roles = {1: PRIMARY, 2: NODE, GTVP: PRIMARY, GTVN: NODE}
    other = [v for v in present if v not in roles]
    if other or not present:
        raise WrongQuantityError(
            f"The label map holds {f'labels {other[:10]}' if other else 'no labels'}; a reader's masks have 1 for the "
            "primary tumour and 2 for nodes.",
            "Renumber the labels." if other else "Give the file in which the tumour is outlined.",
        )
    found = []
    for value in present:
        mask = Volume(labels.array == value, labels.geometry, Quantity.LABEL)
        _refuse_outside(_points(mask), geometry, f"label {value}")
        found.append((f"label {value}", roles[value], on_grid(mask, geometry)))
    return _combined(found, [], geometry)


def _combined(found: list[tuple[str, int, NDArray[np.bool_]]], names: list[str], geometry: Geometry) -> ReaderMasks:
    if not found:
        raise WrongQuantityError(
            f"No name in the file says GTVp or GTVn: it holds {', '.join(names) or 'nothing'}.",
            "Rename the regions, GTVp for the primary tumour and GTVn for nodes.",
        )
    labels = np.zeros(geometry.shape, np.uint8)
    for name, role, mask in sorted(found, key=lambda item: -item[1]):
        if not mask.any():
            raise GeometryError(
                f"{name!r} is smaller than a voxel of the study and would vanish.",
                "Check that it belongs to this study.",
            )
        labels[mask] = role
    used = tuple(f"{name} -> {'GTVp' if role == PRIMARY else 'GTVn'}" for name, role, _ in found)
    taken = {name for name, _, _ in found}
    unmatched = tuple(n for n in names if n not in taken)
    return ReaderMasks(Volume(labels, geometry, Quantity.LABEL), used, unmatched)


def _role(name: str) -> int:
    """Which target a name says; 0 when it says neither or is a margin around one."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    if _MARGIN_NAME.fullmatch(plain):
        return 0
    if _NODE_NAME.fullmatch(plain):
        return NODE
    return PRIMARY if _PRIMARY_NAME.fullmatch(plain) else 0


def _points(mask: Volume) -> NDArray[np.float64]:
    return mask.geometry.to_lps(np.argwhere(mask.array))


def _refuse_outside(points_lps_mm: NDArray[np.float64], geometry: Geometry, name: str) -> None:
    ijk = geometry.to_ijk(points_lps_mm)
    outside = ((ijk < -0.5) | (ijk > np.array(geometry.shape) - 0.5)).any(axis=1).mean()
    if outside > _OUTSIDE_SHARE:
        raise GeometryError(
            f"{outside:.0%} of {name!r} lie outside the field of view of the scan.",
            "Check that the masks belong to this study and series.",
        )


def _refuse_other_frame(frame: str, geometry: Geometry) -> None:
    if frame and geometry.frame_of_reference_uid and frame != geometry.frame_of_reference_uid:
        raise GeometryError(
            "The masks were drawn in another frame of reference than the scan.",
            "Give the masks of this scan, or register them first.",
        )
