"""Whether outlines belong to a scan: by frame of reference, patient, study and the series that they name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydicom.dataset import Dataset

from hyoid.errors import GeometryError, InputRefusedError
from hyoid.io.dicom import headers as tolerant
from hyoid.volume import Geometry


@dataclass(frozen=True)
class Identity:
    """Whose an object is; compared, never shown.

    Parameters
    ----------
    patient_id, study_uid : str
        PatientID (0010,0020) and StudyInstanceUID (0020,000D); '' where absent.
    series_uids : frozenset of str
        Series that the object was drawn on, as far as it says.
    birth_date : str
        PatientBirthDate (0010,0030); '' where absent.
    """

    patient_id: str = ""
    study_uid: str = ""
    series_uids: frozenset[str] = frozenset()
    birth_date: str = ""


def identity_of(dataset: Dataset) -> Identity:
    """Read the identity of an RTSTRUCT or SEG, with the series that it refers to."""
    series: set[str] = set()
    try:
        with tolerant.quiet_pydicom():
            series |= {
                tolerant.text(item, "SeriesInstanceUID") for item in dataset.get("ReferencedSeriesSequence") or []
            }
            for frame in dataset.get("ReferencedFrameOfReferenceSequence") or []:
                for study in frame.get("RTReferencedStudySequence") or []:
                    items = study.get("RTReferencedSeriesSequence") or []
                    series |= {tolerant.text(item, "SeriesInstanceUID") for item in items}
    except tolerant.PARSE_ERRORS:
        pass  # References are a help; without any, the frame of reference decides.
    return replace(_patient_and_study(dataset), series_uids=frozenset(series - {""}))


def _patient_and_study(header: Dataset) -> Identity:
    return Identity(
        tolerant.text(header, "PatientID"),
        tolerant.text(header, "StudyInstanceUID"),
        birth_date=tolerant.text(header, "PatientBirthDate"),
    )


def refuse_another_patient(outlines: Identity, headers: Sequence[Dataset]) -> tuple[str, ...]:
    """Refuse outlines of another patient than the scan's, and say where they were drawn on another series of it.

    Parameters
    ----------
    outlines : Identity
        Patient, study and series that the outlines' file names.
    headers : sequence of Dataset
        Headers of the scan; empty for a scan that was no DICOM, of which nothing is known.

    Returns
    -------
    tuple of str
        Notes.

    Raises
    ------
    InputRefusedError
        When patient and study differ, and the outlines do not name the scan's series.
    """
    if not headers:
        return ()
    scan = _patient_and_study(headers[0])
    if tolerant.text(headers[0], "SeriesInstanceUID") in outlines.series_uids:
        return ()
    # De-identified files of many patients may share one PatientID.
    named = (outlines.patient_id, scan.patient_id), (outlines.birth_date, scan.birth_date)
    another_patient = any(one and other and one != other for one, other in named)
    same_study = bool(scan.study_uid) and outlines.study_uid == scan.study_uid
    if another_patient and not same_study:
        raise InputRefusedError(
            "The outlines are of another patient than the scan: patient, study and series differ.",
            "Give the outlines of this study.",
        )
    if another_patient:
        return ("The outlines are of the scan's study, and name its patient otherwise.",)
    if outlines.study_uid and not same_study:
        return ("The outlines were drawn on another study of the patient.",)
    return ("The outlines were drawn on another series of the study.",) if outlines.series_uids else ()


def refuse_other_frame(frame_of_reference_uid: str, geometry: Geometry, whose: str = "the scan") -> None:
    """Refuse outlines in another frame of reference; where one side does not say, positions are trusted.

    Raises
    ------
    GeometryError
        When both say, and differ.
    """
    frames = frame_of_reference_uid, geometry.frame_of_reference_uid
    if all(frames) and frames[0] != frames[1]:
        raise GeometryError(
            f"The outlines were drawn in another frame of reference than {whose}.",
            "Give the outlines of this scan, or register them first.",
        )
