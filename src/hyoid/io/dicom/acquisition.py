"""How a scan was made, as its headers say: contrast, slice thickness, kernel, tracer."""

from __future__ import annotations

from datetime import datetime

from pydicom.dataset import Dataset

from hyoid.io.dicom import headers


def contrast_agent(header: Dataset) -> str | None:
    """Read the contrast agent (0018,0010), "given" where no agent is named; None where the header is silent."""
    agent = headers.text(header, "ContrastBolusAgent")
    if agent:
        return agent[:40]
    route = headers.text(header, "ContrastBolusRoute")
    return "given" if route else None


def slice_thickness_mm(header: Dataset) -> float | None:
    """Read the slice thickness (0018,0050) in mm."""
    found = headers.numbers(header, "SliceThickness", 1)
    return None if found is None or found[0] <= 0 else float(found[0])


def kernel(header: Dataset) -> str:
    """Read the reconstruction kernel (0018,1210); empty where the header is silent."""
    return ", ".join(headers.words(header, "ConvolutionKernel"))[:40]


def tracer(header: Dataset) -> str:
    """Read the radiopharmaceutical (0018,0031) of a PET; empty where the header is silent."""
    drug = _drug(header)
    return "" if drug is None else headers.text(drug, "Radiopharmaceutical")[:40]


def patient_key(header: Dataset) -> tuple[str, str]:
    """Join patient ID and birth date, to compare two objects of one run; never written anywhere."""
    return headers.text(header, "PatientID"), headers.text(header, "PatientBirthDate")


def study_day(header: Dataset) -> datetime | None:
    """Read the day of the study; None where the header does not state the day."""
    try:
        return datetime.strptime(headers.text(header, "StudyDate"), "%Y%m%d")
    except ValueError:
        return None


def _drug(header: Dataset) -> Dataset | None:
    sequence = header.get("RadiopharmaceuticalInformationSequence")
    return sequence[0] if sequence else None
