"""A name planted in every header and path of a study, and the search for that name in what a command leaves."""

import gzip
import zlib
from pathlib import Path

import pydicom

NAME = "Zyxwvut"
HOSTILE = f"{NAME} [/5mm] [bold]recon"
# DICOM objects belong to the patient's study and carry the patient: they are asked for, and go where the scan is.
OF_THE_PATIENT = {"seg.dcm", "rtstruct.dcm", "sr.dcm", "lesions.dcm", "report_pdf.dcm"}
PLANTED = (
    "PatientName", "PatientID", "OtherPatientIDs", "PatientAddress", "PatientComments", "StudyDescription",
    "SeriesDescription", "ProtocolName", "InstitutionName", "ReferringPhysicianName", "AccessionNumber", "StudyID",
    "ImageComments", "StationName", "RequestedProcedureDescription",
)  # fmt: skip


def plant(folder: Path) -> Path:
    """Write the name into every header and every file name below a folder."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        dataset = pydicom.dcmread(path)
        for keyword in PLANTED:
            limit = 16 if keyword in ("AccessionNumber", "StudyID", "StationName") else 64
            setattr(dataset, keyword, (NAME if limit == 16 else HOSTILE))
        dataset.save_as(path.with_name(f"{NAME}_{path.name}"))
        path.unlink()
    return folder


def texts(path: Path):
    """Bytes of a file as they are and unpacked."""
    content = path.read_bytes()
    yield content
    if path.name.endswith(".gz"):
        yield gzip.decompress(content)
    elif not path.suffix:
        try:
            yield zlib.decompress(content)
        except zlib.error:
            return


def found_in(folder: Path) -> list[str]:
    """Files below a folder that hold the name, or are called by it."""
    files = [p for p in folder.rglob("*") if p.is_file() and p.name not in OF_THE_PATIENT]
    assert files
    return [
        p.name for p in files
        if NAME in str(p.relative_to(folder)) or any(NAME.encode() in text for text in texts(p))
    ]  # fmt: skip
