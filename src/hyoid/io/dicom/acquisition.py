"""How a scan was made, as its headers say: contrast, slice thickness, kernel, tracer."""

from __future__ import annotations

import re
from datetime import datetime

from pydicom.dataset import Dataset

from hyoid.io.dicom import headers

# Kernels for bone, lung and the inner ear: Siemens by their sharpness from 55 on (B70s, Hr64h, Bl57d), Canon FC30 to
# FC38, FC50 to FC56 and FC80 to FC86, Philips and GE by their names.
_SHARP = re.compile(r"[A-Z]{1,2}(5[5-9]|[6-9]\d)[A-Z]?|FC(3|5|8)\d.*|Y[B-E]|BONE.*|LUNG.*|EDGE.*|ULTRA.*")
_T2_ECHO_MS = 50.0  # below are the echo times of spin and gradient echoes that are weighted for T1


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


def is_sharp(header: Dataset) -> bool:
    """Tell whether a CT was reconstructed for bone or lung, by the name of its kernel (0018,1210).

    Examples
    --------
    >>> bone, soft = Dataset(), Dataset()
    >>> bone.ConvolutionKernel, soft.ConvolutionKernel = ["Hr64h", "3"], "B30f"
    >>> is_sharp(bone), is_sharp(soft), is_sharp(Dataset())
    (True, False, False)
    """
    return any(_SHARP.fullmatch(word) for word in headers.words(header, "ConvolutionKernel")[:1])


def is_t2_weighted(header: Dataset) -> bool:
    """Tell whether an MR is weighted for T2: an echo time (0018,0081) of 50 ms or more, and no diffusion weighting."""
    echo, diffusion = (headers.numbers(header, name, 1) for name in ("EchoTime", "DiffusionBValue"))
    return echo is not None and bool(echo[0] >= _T2_ECHO_MS) and (diffusion is None or not diffusion[0])


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
