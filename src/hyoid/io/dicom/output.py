"""What every DICOM object that hyoid writes shares: the study it belongs to, and who made it."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import pydicom.uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
    generate_uid,
)

from hyoid.volume import Geometry

MANUFACTURER = "hyoid"
_SOP_CLASSES = {"CT": CTImageStorage, "MR": MRImageStorage, "PT": PositronEmissionTomographyImageStorage}
# Patient and study attributes that DICOM wants present, empty where unknown (type 2).
_PATIENT_AND_STUDY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)


def synthetic_headers(geometry: Geometry, *, modality: str = "CT", seed: str = "") -> tuple[Dataset, ...]:
    """Minimal anonymous slice headers for a volume that did not come from DICOM.

    Call it once per run and give the result to every writer, so that their objects refer to one study.

    Parameters
    ----------
    geometry : Geometry
    modality : {"CT", "MR", "PT"}
    seed : str, optional
        The same seed gives the same identifiers: the study's fingerprint, say.

    Returns
    -------
    tuple of Dataset
        One per slice, in slice order.
    """
    study, series, frame = (_uid(seed, part) for part in ("study", "series", "frame"))
    headers = []
    for index in range(geometry.shape[0]):
        header = Dataset()
        header.file_meta = FileMetaDataset()
        header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        header.SOPClassUID = _SOP_CLASSES[modality]
        header.SOPInstanceUID = _uid(seed, str(index))
        header.Modality = modality
        header.StudyInstanceUID, header.SeriesInstanceUID = study, series
        header.FrameOfReferenceUID = geometry.frame_of_reference_uid or frame
        header.InstanceNumber, header.SeriesNumber = index + 1, 1
        header.PatientName, header.PatientID = "Anonymous", "ANONYMOUS"
        header.PositionReferenceIndicator = ""
        header.ImagePositionPatient = decimals(geometry.to_lps((index, 0, 0)).tolist())
        header.ImageOrientationPatient = decimals(geometry.directions[:, [2, 1]].T.ravel().tolist())
        header.PixelSpacing = decimals(geometry.spacing_mm[1:])
        header.SliceThickness = decimals(geometry.spacing_mm[:1])[0]
        header.Rows, header.Columns = geometry.shape[1:]
        headers.append(completed(header))
    return tuple(headers)


def completed(header: Dataset) -> Dataset:
    """Copy of a header in which every attribute exists that a new object of the study must carry."""
    header = copy.copy(header) if "PixelData" not in header else copy.deepcopy(header)
    for keyword in (*_PATIENT_AND_STUDY, "PositionReferenceIndicator"):
        if keyword not in header:
            setattr(header, keyword, "")
    return header


def copy_study(header: Dataset, target: Dataset) -> None:
    """Give a new object the patient and study of a header."""
    for keyword in (*_PATIENT_AND_STUDY, "SpecificCharacterSet", "StudyInstanceUID", "StudyDescription"):
        if keyword in header:
            setattr(target, keyword, getattr(header, keyword))


def decimals(values: Sequence[float]) -> list[str]:
    """Decimal strings of at most 16 characters, the longest that DICOM's DS allows.

    Examples
    --------
    >>> decimals([1.0, -1 / 3, 1.172000050544738, -0.0])
    ['1', '-0.3333333333', '1.1720000505', '0']
    """
    return [f"{round(v, 10) + 0.0:.10f}".rstrip("0").rstrip(".")[:16] for v in values]


def _uid(seed: str, part: str) -> pydicom.uid.UID:
    return generate_uid(entropy_srcs=[seed, part]) if seed else generate_uid()
