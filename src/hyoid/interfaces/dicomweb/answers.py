"""What a DICOMweb server answers: rows in DICOM's JSON, and objects without a file's preamble."""

from __future__ import annotations

import io

from pydicom.dataset import Dataset

from hyoid.io.dicom.headers import quiet_pydicom

STUDY_UID, SERIES_UID, MODALITY, PATIENT_ID = "0020000D", "0020000E", "00080060", "00100020"
COUNT_OF_STUDY, COUNT_OF_SERIES = "00201208", "00201209"


def value_of(row: dict[str, dict], tag: str) -> str:
    """Read the first value of an attribute in DICOM's JSON, '' where it is absent.

    Parameters
    ----------
    row : dict
        Attributes by tag.
    tag : str
        Group and element, eight hexadecimal digits.

    Examples
    --------
    >>> value_of({"00080060": {"vr": "CS", "Value": ["CT"]}}, MODALITY)
    'CT'
    """
    values = row.get(tag, {}).get("Value") or [""]
    return str(values[0])


def file_of(dataset: Dataset) -> bytes:
    """Write an object that came over the web as the bytes of a DICOM file.

    Parameters
    ----------
    dataset : Dataset
        Object with its file meta information.
    """
    buffer = io.BytesIO()
    with quiet_pydicom():
        dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
