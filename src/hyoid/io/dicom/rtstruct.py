"""RT Structure Sets: contours of masks, as planning systems read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.tag import Tag
from pydicom.uid import ImplicitVRLittleEndian, RTStructureSetStorage

from hyoid import __version__
from hyoid.anatomy.structures import BY_LABEL, HYOID_NAMES, Structure, exported_name, is_target, is_tumour
from hyoid.errors import GeometryError, UnreadableFileError
from hyoid.geometry.boxes import Box, crop_geometry
from hyoid.io.atomic import atomic_write
from hyoid.io.dicom import headers as tolerant
from hyoid.io.dicom.contours import fill, outlines
from hyoid.io.dicom.output import (
    LATERALITY,
    MANUFACTURER,
    PLAIN_EXPORT,
    RESEARCH_ONLY,
    Export,
    about_outline,
    completed,
    copy_study,
    derived_series_number,
    derived_uid,
    described,
    outline_names,
    stamp,
)
from hyoid.io.masks import Masks, Outline, Written, digest, on_grid, to_write
from hyoid.provenance import program
from hyoid.volume import Geometry, Quantity, Volume

_CONTOUR_DATA = Tag(0x30060050)
_PLANAR = {"CLOSED_PLANAR", "CLOSEDPLANAR_XOR"}
# A contour farther than this from the plane of its slice was drawn on planes of another direction.
_PLANARITY_MM = 0.5
# Contours of one plane differ by the rounding of their decimal strings.
_SAME_PLANE_MM = 0.02


@dataclass(frozen=True, eq=False)
class Roi:
    """Contours of one region of interest.

    Parameters
    ----------
    name : str
        ROIName (3006,0026).
    contours : tuple of ndarray, each of shape (N, 3)
        Closed planar polygons, LPS mm.
    """

    name: str
    contours: tuple[NDArray[np.float64], ...]


def write_rtstruct(
    path: str | Path,
    masks: Masks,
    headers: Sequence[Dataset],
    geometry: Geometry | None = None,
    *,
    algorithm: str = "hyoid",
    version: str = __version__,
    description: str = "hyoid structures",
    structures: Mapping[int, Structure] = BY_LABEL,
    export: Export = PLAIN_EXPORT,
) -> Written:
    """Write outlines as an RT Structure Set: a region per structure with its code, side, colour and provenance.

    Contours lie in the planes of the slices, half-way between voxels inside and outside; holes are joined to the
    contour around them by a keyhole. Regions may overlap; empty structures are left out.

    UIDs are functions of the images and of what is written: the same run twice makes the same object.

    Parameters
    ----------
    path : path
    masks : Masks
        Outlines, each with its provenance; or a label map, or arrays by label, made by `algorithm`.
    headers : sequence of Dataset
        Of the study (`Study.headers`, or `synthetic_headers`); contours refer to the image in whose plane they lie.
    geometry : Geometry, optional
        Grid of the arrays in a mapping, and of outlines on boxes of it.
    algorithm, version : str
        What made a label map or arrays; outlines say so themselves.
    description : str
        SeriesDescription; "Research use only." is added.
    structures : mapping of int to Structure
        What the labels of a label map mean; hyoid's own table by default.
    export : Export
        Names, numbers, dates, packing.

    Raises
    ------
    UsageError
        When a label is not in the table of structures, or two outlines share a label or a name.
    OutputError
        When all masks are empty, or the file cannot be written.
    """
    found, empty, grid = to_write(masks, geometry, structures, program(algorithm, version))
    with tolerant.quiet_pydicom():
        sources = [completed(h) for h in headers]
        labels = outline_names(found, HYOID_NAMES if export.names is None else export.names)
        about = [f"{o.structure.name} {labels[o.structure.label]} {o.provenance} {o.note}" for o in found]
        series_uid = derived_uid(sources, "RTSTRUCT", __version__, description, *about)
        dataset = _structure_set(
            sources, series_uid, derived_uid(sources, series_uid, *(digest(o.mask) for o in found))
        )
        dataset.SeriesDescription = described(description)
        dataset.SeriesNumber = derived_series_number(sources[0], 301, export.taken_numbers)
        makers = dict.fromkeys(str(o.provenance.outline) for o in found)
        dataset.StructureSetDescription = f"{'; '.join(makers)}. {RESEARCH_ONLY}"[:1024]
        stamp(dataset, export.now or datetime.now(), "InstanceCreation", "StructureSet", "Series")
        planes = _image_of_plane(sources, grid)
        for number, outline in enumerate(found, start=1):
            contours = [_contour(points_lps, planes) for points_lps in _outlines_lps(outline.mask)]
            _add_roi(dataset, number, outline, labels[outline.structure.label], contours)
        with atomic_write(path) as unfinished:
            dataset.save_as(unfinished, enforce_file_format=True)
    return Written(tuple(o.structure.label for o in found), empty)


def read_rtstruct(path: str | Path, geometry: Geometry) -> dict[str, NDArray[np.bool_]]:
    """Masks of the regions of interest on a grid, by name.

    A voxel belongs to a region when its centre lies inside by the even-odd rule, so holes may be nested contours or
    keyholes. Where contours are drawn on fewer planes than the grid has, each slice takes the nearest plane.

    Parameters
    ----------
    path : path
    geometry : Geometry
        Its slices must be parallel to the contours.

    Raises
    ------
    UnreadableFileError
        When the file is truncated, corrupt, or no RT Structure Set.
    GeometryError
        When contours are drawn in another frame of reference, or across the slices of the grid.
    """
    rois, frame = read_rois(path)
    if frame and geometry.frame_of_reference_uid and frame != geometry.frame_of_reference_uid:
        raise GeometryError(
            "The structure set was drawn in another frame of reference than the scan.",
            "Give the structure set of this scan, or register them first.",
        )
    slab_mm = slab_thickness_mm(rois, geometry)
    return {roi.name: on_grid(rasterise(roi, geometry, slab_mm), geometry) for roi in rois if roi.contours}


def rtstruct_masks(
    path: str | Path,
    geometry: Geometry,
    structures: Mapping[int, Structure] = BY_LABEL,
    names: Mapping[str, str] | None = None,
) -> dict[int, Volume]:
    """Masks of known structures in a structure set, by label, each cut to its box: for `verify_written`.

    hyoid draws a contour on every slice, so none stands for its neighbours here.

    Raises
    ------
    UnreadableFileError, GeometryError
        As `read_rtstruct`.
    """
    rois, _ = read_rois(path)
    exported = HYOID_NAMES if names is None else names
    label_of = {exported_name(structure, exported)[:64]: label for label, structure in structures.items()}
    return {label_of[r.name]: rasterise(r, geometry) for r in rois if r.name in label_of}


def read_rois(path: str | Path) -> tuple[tuple[Roi, ...], str]:
    """Contours of an RT Structure Set, and its frame of reference ('' where it names several or none).

    Regions without contours are kept, with none. Points and open contours are left out: they enclose nothing.

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
    return rois_of(dataset)


def rois_of(dataset: Dataset) -> tuple[tuple[Roi, ...], str]:
    """Contours of an RT Structure Set dataset; see `read_rois`."""
    try:
        with tolerant.quiet_pydicom():
            names, frames = {}, set()
            for item in dataset.StructureSetROISequence:
                names[int(item.ROINumber)] = tolerant.text(item, "ROIName") or f"ROI {item.ROINumber}"
                frames.add(tolerant.text(item, "ReferencedFrameOfReferenceUID"))
            contours: dict[int, list[NDArray[np.float64]]] = {number: [] for number in names}
            for item in dataset.get("ROIContourSequence") or []:
                for contour in item.get("ContourSequence") or []:
                    points = _points(contour)
                    if tolerant.text(contour, "ContourGeometricType") in _PLANAR and len(points) > 2:
                        contours[int(item.ReferencedROINumber)].append(points)
    except tolerant.PARSE_ERRORS as error:
        raise UnreadableFileError(
            f"The structure set cannot be read ({type(error).__name__}): it is truncated, corrupt or incomplete.",
            "Export it again.",
        ) from None
    rois = tuple(Roi(names[number], tuple(contours[number])) for number in names)
    return rois, frames.pop() if len(frames) == 1 else ""


def rasterise(roi: Roi, geometry: Geometry, slab_mm: float = 0.0) -> Volume:
    """Mask of one region of interest on a grid, cut to its box; see `read_rtstruct`.

    Parameters
    ----------
    roi : Roi
    geometry : Geometry
    slab_mm : float
        Thickness that each contour stands for, from `slab_thickness_mm`; never less than a slice.

    Raises
    ------
    GeometryError
        When a contour does not lie in a plane parallel to the slices.
    """
    step_mm = geometry.spacing_mm[0]
    placed = [geometry.to_ijk(points) for points in roi.contours]
    for points in placed:
        if np.ptp(points[:, 0]) * step_mm > _PLANARITY_MM:
            raise GeometryError(
                f"A contour of {roi.name!r} crosses {np.ptp(points[:, 0]) * step_mm:.1f} mm of slices: it was drawn on "
                "planes of another direction.",
                "Give the structure set of this series.",
            )
    reach = max(slab_mm / step_mm, 1.0) / 2
    box = _box(placed, reach, geometry.shape)
    if box is None:
        return Volume(np.zeros(geometry.shape, bool), geometry, Quantity.LABEL)
    planes = _planes_mm([roi], geometry) / step_mm
    depths = np.array([points[:, 0].mean() for points in placed])
    polygons = []
    for index in range(box.start[0], box.stop[0]):
        nearest = planes[np.argmin(np.abs(planes - index))]
        if abs(nearest - index) <= reach + 1e-6:
            members = np.flatnonzero(np.abs(depths - nearest) * step_mm < _SAME_PLANE_MM)
            polygons += [(index - box.start[0], placed[m][:, 1:] - box.start[1:]) for m in members]
    return Volume(fill(polygons, box.shape), crop_geometry(geometry, box), Quantity.LABEL)


def slab_thickness_mm(rois: Sequence[Roi], geometry: Geometry) -> float:
    """Distance between neighbouring contour planes of a whole structure set, 0 where too few tell.

    Readers who contour every second slice mean the slices between as well.
    """
    planes = _planes_mm(rois, geometry)
    return float(np.diff(planes).min()) if len(planes) > 2 else 0.0


def _planes_mm(rois: Sequence[Roi], geometry: Geometry) -> NDArray[np.float64]:
    """Positions of the contours along the slice axis, ascending, those of one plane once."""
    depths = [geometry.to_ijk(points)[:, 0].mean() for roi in rois for points in roi.contours]
    positions = np.sort(np.array(depths) * geometry.spacing_mm[0])
    return positions[np.diff(positions, prepend=-np.inf) > _SAME_PLANE_MM]


def _box(placed: list[NDArray[np.float64]], reach: float, shape: tuple[int, int, int]) -> Box | None:
    """Box of voxels around contours (ijk) that reach so many slices up and down; None when outside the grid."""
    if not placed:
        return None
    points = np.concatenate(placed)
    margin = np.array([reach, 0.0, 0.0])
    low, high = np.floor(points.min(axis=0) - margin), np.ceil(points.max(axis=0) + margin) + 1
    low, high = np.maximum(low, 0).astype(int), np.minimum(high, shape).astype(int)
    return Box(tuple(low.tolist()), tuple(high.tolist())) if (low < high).all() else None


def _points(contour: Dataset) -> NDArray[np.float64]:
    # Converting 100,000 decimal strings one by one takes seconds; their bytes are parsed at once.
    element = contour.get_item(_CONTOUR_DATA)
    value = element.value
    if isinstance(value, bytes):
        return np.array(value.rstrip(b"\0 ").split(b"\\"), dtype=np.float64).reshape(-1, 3)
    return np.array(value, dtype=np.float64).reshape(-1, 3)


def _outlines_lps(mask: Volume) -> list[NDArray[np.float64]]:
    found = []
    for index, points in outlines(mask.array):
        ijk = np.column_stack([np.full(len(points), index), points])
        found.append(mask.geometry.to_lps(ijk))
    return found


def _structure_set(sources: list[Dataset], series_uid: str, instance_uid: str) -> FileDataset:
    """Structure set without regions, which refers to the images of the study."""
    first = sources[0]
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = RTStructureSetStorage
    meta.MediaStorageSOPInstanceUID = instance_uid
    # Explicit VR limits a contour to 64 kB of text.
    meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    copy_study(first, dataset)
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.Modality, dataset.SeriesInstanceUID = "RTSTRUCT", series_uid
    dataset.Manufacturer = dataset.ManufacturerModelName = MANUFACTURER
    dataset.SoftwareVersions, dataset.InstanceNumber, dataset.OperatorsName = __version__, 1, ""
    dataset.StructureSetLabel, dataset.ApprovalStatus = "HYOID", "UNAPPROVED"
    dataset.StructureSetROISequence, dataset.ROIContourSequence = DicomSequence(), DicomSequence()
    dataset.RTROIObservationsSequence = DicomSequence()
    dataset.FrameOfReferenceUID = first.FrameOfReferenceUID
    dataset.PositionReferenceIndicator = ""

    frame, study, series = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID = first.SeriesInstanceUID
    series.ContourImageSequence = DicomSequence([_reference(s) for s in sources])
    study.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.1"  # Detached Study Management, as PS3.3 C.8.8.5 asks
    study.ReferencedSOPInstanceUID = first.StudyInstanceUID
    study.RTReferencedSeriesSequence = DicomSequence([series])
    frame.FrameOfReferenceUID = first.FrameOfReferenceUID
    frame.RTReferencedStudySequence = DicomSequence([study])
    dataset.ReferencedFrameOfReferenceSequence = DicomSequence([frame])
    return dataset


def _add_roi(dataset: Dataset, number: int, outline: Outline, name: str, contours: list[Dataset]) -> None:
    roi, holder, observation, code = Dataset(), Dataset(), Dataset(), Dataset()
    structure, made = outline.structure, outline.provenance.outline
    roi.ROINumber, roi.ROIName = number, name
    roi.ReferencedFrameOfReferenceUID = dataset.FrameOfReferenceUID
    roi.ROIGenerationAlgorithm, roi.ROIGenerationDescription = made.generation, str(made)[:64]
    roi.ROIDescription = about_outline(outline)
    holder.ReferencedROINumber, holder.ROIDisplayColor = number, list(structure.rgb)
    holder.ContourSequence = DicomSequence(contours)
    observation.ObservationNumber, observation.ReferencedROINumber = number, number
    observation.RTROIInterpretedType = "GTV" if is_tumour(structure) else "CONTROL" if is_target(structure) else "ORGAN"
    observation.ROIInterpreter = made.reader
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = structure.code
    if structure.side in LATERALITY:
        side = Dataset()
        side.CodeValue, side.CodingSchemeDesignator, side.CodeMeaning = LATERALITY[structure.side]
        code.SegmentedPropertyTypeModifierCodeSequence = DicomSequence([side])
    observation.RTROIIdentificationCodeSequence = DicomSequence([code])
    dataset.StructureSetROISequence.append(roi)
    dataset.ROIContourSequence.append(holder)
    dataset.RTROIObservationsSequence.append(observation)


def _contour(points_lps_mm: NDArray[np.float64], planes: list[tuple[NDArray[np.float64], float, Dataset]]) -> Dataset:
    contour = Dataset()
    nearest = min(planes, key=lambda plane: abs(float(plane[0] @ points_lps_mm[0]) - plane[1]), default=None)
    # Interpolated slices have no image of their own.
    if nearest is not None and abs(float(nearest[0] @ points_lps_mm[0]) - nearest[1]) < 0.1:
        contour.ContourImageSequence = DicomSequence([nearest[2]])
    contour.ContourGeometricType, contour.NumberOfContourPoints = "CLOSED_PLANAR", len(points_lps_mm)
    text = "\\".join(f"{v:.3f}" for v in (points_lps_mm.ravel() + 0.0).tolist()).encode()
    text += b" " * (len(text) % 2)
    contour[_CONTOUR_DATA] = RawDataElement(_CONTOUR_DATA, "DS", len(text), text, 0, True, True)
    return contour


def _image_of_plane(sources: list[Dataset], grid: Geometry) -> list[tuple[NDArray[np.float64], float, Dataset]]:
    """(normal, position along it in mm, reference) of the images that lie in planes parallel to the slices."""
    normal = np.cross(grid.directions[:, 1], grid.directions[:, 2])
    planes = []
    for source in sources:
        position = tolerant.numbers(source, "ImagePositionPatient", 3)
        if position is not None:
            planes.append((normal, float(normal @ position), _reference(source)))
    return planes


def _reference(source: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
    return item
