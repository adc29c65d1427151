"""RT Structure Sets: contours of masks, as planning systems read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import ImplicitVRLittleEndian, RTStructureSetStorage

from hyoid import __version__
from hyoid.anatomy.codes import SIDES
from hyoid.anatomy.structures import BY_LABEL, HYOID_NAMES, Structure, exported_name, is_target, is_tumour
from hyoid.io.atomic import atomic_write
from hyoid.io.dicom import headers as tolerant
from hyoid.io.dicom.contours import outlines
from hyoid.io.dicom.identity import refuse_other_frame
from hyoid.io.dicom.output import (
    MANUFACTURER,
    PLAIN_EXPORT,
    RESEARCH_ONLY,
    Export,
    about_outline,
    completed,
    copy_study,
    decimals,
    declare_characters,
    derived_series_number,
    derived_uid,
    described,
    outline_names,
    reference_to,
    stamp,
)
from hyoid.io.dicom.rois import CONTOUR_DATA, rasterise, read_structure_set
from hyoid.io.masks import Masks, Outline, Written, digest, on_grid, to_write
from hyoid.provenance import program
from hyoid.volume import Geometry, Volume


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
        DICOM file to write.
    masks : Masks
        Outlines, each with its provenance; or a label map, or arrays by label, made by `algorithm`.
    headers : sequence of Dataset
        Headers of the study (`Study.headers`, or `synthetic_headers`); contours refer to the image in whose plane they
        lie.
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
        planes, about_planes = _image_of_plane(sources, grid), _source_planes(grid)
        for number, outline in enumerate(found, start=1):
            contours = [_contour(points_lps, planes) for points_lps in _outlines_lps(outline.mask)]
            _add_roi(dataset, number, outline, labels[outline.structure.label], contours)
            dataset.ROIContourSequence[-1].SourcePixelPlanesCharacteristicsSequence = DicomSequence([about_planes])
        declare_characters(dataset, [description, *about])
        with atomic_write(path) as unfinished:
            dataset.save_as(unfinished, enforce_file_format=True)
    return Written(tuple(o.structure.label for o in found), empty)


def read_rtstruct(path: str | Path, geometry: Geometry) -> dict[str, NDArray[np.bool_]]:
    """Read the regions of interest as masks on a grid, by name; regions of one name are one. See `rois` for the rule.

    Parameters
    ----------
    path : path
        RT Structure Set, a DICOM file.
    geometry : Geometry
        Grid of the masks, whose slices must be parallel to the contours.

    Raises
    ------
    UnreadableFileError
        When the file is truncated, corrupt, or no RT Structure Set, or a region in it cannot be told from others.
    GeometryError
        When contours are drawn in another frame of reference, or across the slices of the grid.
    """
    masks: dict[str, NDArray[np.bool_]] = {}
    for roi in read_structure_set(path).rois:
        if roi.holds_something:
            refuse_other_frame(roi.frame_of_reference_uid, geometry)
            mask = on_grid(rasterise(roi, geometry).mask, geometry)
            masks[roi.name] = masks[roi.name] | mask if roi.name in masks else mask
    return masks


def rtstruct_masks(
    path: str | Path,
    geometry: Geometry,
    structures: Mapping[int, Structure] = BY_LABEL,
    names: Mapping[str, str] | None = None,
) -> dict[int, Volume]:
    """Read masks of known structures in a structure set that hyoid wrote, by label: for `verify_written`.

    Parameters
    ----------
    path : path
        RT Structure Set that hyoid wrote.
    geometry : Geometry
        Grid on which the structure set was drawn.
    structures : mapping of int to Structure
        Structures to look for, by label.
    names : mapping of str to str, optional
        Exported name of each structure, as in `Export`; by default hyoid's own names.

    Raises
    ------
    UnreadableFileError, GeometryError
        As `read_rtstruct`.
    """
    exported = HYOID_NAMES if names is None else names
    label_of = {exported_name(structure, exported)[:64]: label for label, structure in structures.items()}
    rois = [roi for roi in read_structure_set(path).rois if roi.name in label_of]
    # hyoid joins holes by keyholes, so that no two contours of a plane overlap.
    return {label_of[roi.name]: rasterise(replace(roi, exclusive=True), geometry).mask for roi in rois}


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
    series.ContourImageSequence = DicomSequence([reference_to(s) for s in sources])
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
    if structure.side in SIDES:
        side = Dataset()
        side.CodeValue, side.CodingSchemeDesignator, side.CodeMeaning = SIDES[structure.side]
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
    # As bytes, which implicit VR does not tell from DS: pydicom would turn every number into an object and back.
    contour[CONTOUR_DATA] = DataElement(CONTOUR_DATA, "OB", text)
    return contour


def _image_of_plane(sources: list[Dataset], grid: Geometry) -> list[tuple[NDArray[np.float64], float, Dataset]]:
    """(normal, position along it in mm, reference) of the images that lie in planes parallel to the slices."""
    normal = np.cross(grid.directions[:, 1], grid.directions[:, 2])
    planes = []
    for source in sources:
        position = tolerant.numbers(source, "ImagePositionPatient", 3)
        if position is not None:
            planes.append((normal, float(normal @ position), reference_to(source)))
    return planes


def _source_planes(grid: Geometry) -> Dataset:
    """Planes that regions were drawn on, every slice of the grid: none stands for its neighbours."""
    planes = Dataset()
    planes.PixelSpacing, planes.SpacingBetweenSlices = decimals(grid.spacing_mm[1:]), decimals(grid.spacing_mm[:1])[0]
    planes.ImageOrientationPatient = decimals(grid.directions[:, [2, 1]].T.ravel().tolist())
    planes.ImagePositionPatient = decimals(grid.origin_lps_mm.tolist())
    planes.NumberOfFrames, planes.Rows, planes.Columns = grid.shape
    return planes
