"""DICOM Segmentation objects: masks in the form that viewers and archives understand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, generate_uid

from hyoid import __version__
from hyoid.anatomy.codes import SIDES
from hyoid.anatomy.structures import BY_LABEL, Structure, is_target
from hyoid.errors import GeometryError, UnreadableFileError
from hyoid.io.atomic import atomic_write
from hyoid.io.dicom import headers as tolerant
from hyoid.io.dicom.output import (
    MANUFACTURER,
    PLAIN_EXPORT,
    Export,
    about_outline,
    completed,
    decimals,
    declare_characters,
    derived_series_number,
    derived_uid,
    described,
    outline_names,
    stamp,
    tracking_uid,
)
from hyoid.io.dicom.seg_frames import SEGMENTATION_CLASSES, Segmentation, bits_of, segmentation_of
from hyoid.io.masks import Masks, Outline, Written, digest, shared_lattice, to_write
from hyoid.provenance import program
from hyoid.volume import Geometry, Volume

# CID 7150 Segmentation Property Categories, SNOMED CT.
_ANATOMY = ("123037004", "SCT", "Anatomical Structure")
_ABNORMAL = ("49755003", "SCT", "Morphologically Abnormal Structure")
_AI = ("123109", "DCM", "Artificial Intelligence")


def write_seg(
    path: str | Path,
    masks: Masks,
    headers: Sequence[Dataset],
    geometry: Geometry | None = None,
    *,
    algorithm: str = "hyoid",
    version: str = __version__,
    description: str = "hyoid segmentation",
    structures: Mapping[int, Structure] = BY_LABEL,
    export: Export = PLAIN_EXPORT,
) -> Written:
    """Write outlines as one binary DICOM SEG, a segment per structure with its code, side, colour and provenance.

    Segments may overlap. Empty structures get no segment, because viewers fail on them. BINARY is written and not the
    newer LABELMAP, which few viewers read; the file is deflated, which every toolkit reads.

    UIDs are functions of the images and of what is written: the same run twice makes the same object.

    Parameters
    ----------
    path : path
        DICOM file to write.
    masks : Masks
        Outlines, each with its provenance; or a label map, or arrays by label, made by `algorithm`.
    headers : sequence of Dataset
        Headers of the study (`Study.headers`, or `synthetic_headers` for a study that was no DICOM).
    geometry : Geometry, optional
        Grid of the file, for arrays and for outlines on boxes of it.
    algorithm, version : str
        What made a label map or arrays; outlines say so themselves.
    description : str
        SeriesDescription; "Research use only." is added.
    structures : mapping of int to Structure
        What the labels of a label map mean; hyoid's own table by default.
    export : Export
        Names, numbers, dates, packing.

    Returns
    -------
    Written

    Raises
    ------
    UsageError
        When a label is not in the table of structures, or two outlines share a label or a name.
    OutputError
        When all masks are empty, or the file cannot be written.
    """
    found, empty, grid = to_write(masks, geometry, structures, program(algorithm, version))
    with tolerant.quiet_highdicom():
        sources = [completed(h) for h in headers]
        labels = outline_names(found, export.names)
        about = [f"{o.structure.name} {labels[o.structure.label]} {o.provenance} {o.note}" for o in found]
        series_uid = derived_uid(sources, "SEG", __version__, description, *about)
        descriptions = [_describe(o, n, labels[o.structure.label], sources) for n, o in enumerate(found, start=1)]
        layers = [
            _segmentation(layer, grid, sources, descriptions, described(description)) for layer in _layers(found, grid)
        ]
        seg = _merged(layers)
        seg.SeriesInstanceUID = series_uid
        seg.SeriesNumber = derived_series_number(sources[0], 300, export.taken_numbers)
        seg.SOPInstanceUID = derived_uid(sources, series_uid, *(digest(o.mask) for o in found))
        seg.file_meta.MediaStorageSOPInstanceUID = seg.SOPInstanceUID
        _fix_dimension_uid(seg, derived_uid(sources, series_uid, "dimensions"))
        now = export.now or datetime.now()
        stamp(seg, now, "InstanceCreation", "Content", "Series")
        for equipment in seg.get("ContributingEquipmentSequence") or []:
            equipment.ContributionDateTime = now.strftime("%Y%m%d%H%M%S")
        declare_characters(seg, [description, *about])
        if export.deflated:
            seg.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        with atomic_write(path) as unfinished:
            seg.save_as(unfinished)
    return Written(tuple(o.structure.label for o in found), empty)


def read_seg(path: str | Path, structures: Mapping[int, Structure] = BY_LABEL) -> Segmentation:
    """Read a DICOM SEG (BINARY, FRACTIONAL above one half, or LABELMAP) on its own grid.

    Frames without a segment may be absent, in any order, and a hair off their plane; segments may overlap.

    Parameters
    ----------
    path : path
        DICOM SEG file.
    structures : mapping of int to Structure
        Structures by label; segments that were written with their names get these labels.

    Raises
    ------
    UnreadableFileError
        When the file is truncated, corrupt, or no DICOM SEG.
    GeometryError
        When its frames do not lie on one regular grid.
    """
    try:
        dataset = tolerant.parse(Path(path).read_bytes(), pixels=True)
    except OSError as error:
        raise UnreadableFileError(f"The SEG cannot be opened ({error.strerror}).", "Check the path.") from None
    if dataset is None or tolerant.text(dataset, "SOPClassUID") not in SEGMENTATION_CLASSES:
        raise UnreadableFileError("The file is no DICOM SEG.", "Give a DICOM Segmentation object.")
    return segmentation_of(dataset, structures)


def seg_masks(path: str | Path, structures: Mapping[int, Structure] = BY_LABEL) -> dict[int, Volume]:
    """Read masks of known structures in a DICOM SEG, by label, each cut to its box: for `verify_written`.

    Raises
    ------
    UnreadableFileError, GeometryError
        As `read_seg`.
    """
    return {s.label: s.mask for s in read_seg(path, structures).segments if s.label is not None}


def _describe(outline: Outline, number: int, label: str, sources: Sequence[Dataset]) -> hd.seg.SegmentDescription:
    structure, made = outline.structure, outline.provenance.outline
    manual = made.generation == "MANUAL"
    item = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=label,
        segmented_property_category=hd.sr.CodedConcept(*(_ABNORMAL if is_target(structure) else _ANATOMY)),
        segmented_property_type=hd.sr.CodedConcept(*structure.code),
        algorithm_type=made.generation,
        algorithm_identification=None
        if manual
        else hd.AlgorithmIdentificationSequence(
            name=made.name[:64] or "hyoid", version=made.version[:64] or __version__, family=hd.sr.CodedConcept(*_AI)
        ),
        tracking_id=structure.name,
        tracking_uid=tracking_uid(sources, structure, made),
        display_color=hd.color.CIELabColor.from_rgb(*structure.rgb),
    )
    item.SegmentDescription = about_outline(outline)
    if structure.side in SIDES:
        # PS3.3 C.8.20.4: the modifier stands inside the item of the property type.
        property_type = item.SegmentedPropertyTypeCodeSequence[0]
        modifier = hd.sr.CodedConcept(*SIDES[structure.side])
        property_type.SegmentedPropertyTypeModifierCodeSequence = DicomSequence([modifier])
    return item


def _fix_dimension_uid(seg: Dataset, uid: str) -> None:
    for holder in (*seg.DimensionOrganizationSequence, *seg.DimensionIndexSequence):
        holder.DimensionOrganizationUID = uid


def _layers(found: Sequence[Outline], grid: Geometry) -> list[NDArray[np.uint8]]:
    """Segment-number maps, as few as hold every mask without overlap.

    highdicom takes overlapping segments as one array per segment: 0.9 GB and 8 s for 28 organs. A map takes 1 s.
    """
    layers: list[NDArray[np.uint8]] = []
    for number, mask in enumerate((outline.mask for outline in found), start=1):
        start = shared_lattice(mask.geometry, grid)
        if start is None:
            raise GeometryError("A mask does not lie on the grid it is written on.", "Use one grid.")
        place = tuple(slice(a, a + n) for a, n in zip(start, mask.array.shape, strict=True))
        if min(start) < 0 or any(s.stop > n for s, n in zip(place, grid.shape, strict=True)):
            raise GeometryError("A mask reaches beyond the grid it is written on.", "Use one grid.")
        free = next((layer for layer in layers if not layer[place][mask.array].any()), None)
        if free is None:
            free = np.zeros(grid.shape, np.uint8)
            layers.append(free)
        free[place][mask.array] = number
    return layers


def _segmentation(
    layer: NDArray[np.uint8],
    grid: Geometry,
    sources: list[Dataset],
    descriptions: list[hd.seg.SegmentDescription],
    description: str,
) -> hd.seg.Segmentation:
    filled = np.flatnonzero(layer.any(axis=(1, 2)))
    system = hd.CoordinateSystemNames.PATIENT
    spacing = decimals(grid.spacing_mm)
    return hd.seg.Segmentation(
        source_images=sources,
        pixel_array=layer[filled],
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=descriptions,
        series_instance_uid=generate_uid(),
        series_number=300,
        series_description=description,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MANUFACTURER,
        software_versions=__version__,
        device_serial_number="0",
        content_label="HYOID",
        transfer_syntax_uid=ExplicitVRLittleEndian,
        plane_positions=[
            hd.PlanePositionSequence(system, grid.to_lps((int(i), 0, 0)).round(6).tolist()) for i in filled
        ],
        plane_orientation=hd.PlaneOrientationSequence(system, grid.directions[:, [2, 1]].T.ravel().round(10).tolist()),
        pixel_measures=hd.PixelMeasuresSequence(
            pixel_spacing=[float(s) for s in spacing[1:]],
            slice_thickness=float(spacing[0]),
            spacing_between_slices=float(spacing[0]),
        ),
    )


def _merged(layers: list[hd.seg.Segmentation]) -> hd.seg.Segmentation:
    """First layer with the frames of the others behind its own."""
    merged = layers[0]
    if len(layers) == 1:
        return merged
    frames = [frame for layer in layers for frame in layer.PerFrameFunctionalGroupsSequence]
    normal = hd.spatial.get_normal_vector(
        merged.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient
    )
    along = [float(np.dot(normal, f.PlanePositionSequence[0].ImagePositionPatient)) for f in frames]
    order = {position: rank + 1 for rank, position in enumerate(sorted({round(a, 3) for a in along}))}
    for frame, position in zip(frames, along, strict=True):
        # Dimensions are segment number and position, as highdicom declares them.
        number = frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        frame.FrameContentSequence[0].DimensionIndexValues = [int(number), order[round(position, 3)]]
    bits = np.concatenate([bits_of(layer) for layer in layers])
    packed = np.packbits(bits, bitorder="little")
    merged.PixelData = packed.tobytes() + bytes(len(packed) % 2)
    merged.PerFrameFunctionalGroupsSequence = DicomSequence(frames)
    merged.NumberOfFrames = len(frames)
    return merged
