"""What the headers of two MR series say: which contrast they have, and whether they can be before and during treatment.

Nothing of the patient is quoted: identifiers and dates are compared and forgotten.
"""

from __future__ import annotations

from hyoid.errors import UnsuitableScanError
from hyoid.io.dicom import headers
from hyoid.io.study import Study

# Echo and repetition times of T1-weighted spin and gradient echoes stay below these, of T2-weighted ones above.
_T1_ECHO_MS, _T1_REPETITION_MS = 40.0, 1200.0
_T2_ECHO_MS = 50.0
_CURE = "Give the T2-weighted, fat-suppressed series of each examination; --series-pre and --series-mid choose one."


def check_contrast(study: Study, which: str) -> tuple[str, ...]:
    """Warn about the sequence of a DICOM series; a volume file, which does not say, gives no warning.

    Parameters
    ----------
    study : Study
        Study with an MR.
    which : str
        "pre" or "mid", for messages.

    Raises
    ------
    UnsuitableScanError
        When echo and repetition time are those of a T1-weighted image, or it is diffusion-weighted.
    """
    if not study.headers:
        return ()
    header = study.headers[len(study.headers) // 2]
    echo, repetition = (headers.numbers(header, name, 1) for name in ("EchoTime", "RepetitionTime"))
    weight = headers.numbers(header, "DiffusionBValue", 1)
    if weight is not None and weight[0] > 0:
        raise UnsuitableScanError(f"The {which}-treatment series is diffusion-weighted (b = {weight[0]:g}).", _CURE)
    if echo is None or repetition is None:
        return (f"The {which}-treatment series does not say its echo and repetition time; it was taken for T2w.",)
    if echo[0] < _T1_ECHO_MS and repetition[0] < _T1_REPETITION_MS:
        raise UnsuitableScanError(
            f"The {which}-treatment series has echo time {echo[0]:g} ms and repetition time {repetition[0]:g} ms: it "
            "is not T2-weighted.",
            _CURE,
        )
    if echo[0] < _T2_ECHO_MS:
        return (f"The {which}-treatment series has an echo time of {echo[0]:g} ms, short for T2 weighting.",)
    return ()


def check_pair(pre: Study, mid: Study) -> tuple[str, ...]:
    """Warn about two studies as a pair; a volume file says little.

    Raises
    ------
    UnsuitableScanError
        When they are of different patients, one image or the same series, or the earlier one was given as the later.
    """
    if pre.fingerprint and pre.fingerprint == mid.fingerprint:
        raise UnsuitableScanError("Both images are the same one.", "Give the examination during treatment second.")
    if not pre.headers or not mid.headers:
        return ()
    first, second = pre.headers[0], mid.headers[0]
    identities = [
        (headers.text(h, "PatientID"), headers.text(h, "PatientBirthDate"), headers.text(h, "PatientSex"))
        for h in (first, second)
    ]
    differ = [name for name, a, b in zip(("PatientID", "PatientBirthDate", "PatientSex"), *identities, strict=True)
              if a and b and a != b]  # fmt: skip
    if differ:
        raise UnsuitableScanError(
            f"The two studies differ in {' and '.join(differ)}: they are of different patients.",
            "Give two examinations of one patient.",
        )
    if headers.text(first, "SeriesInstanceUID") == headers.text(second, "SeriesInstanceUID"):
        raise UnsuitableScanError(
            "Both studies are the same series.",
            "Give the examination during treatment second; in a folder that holds both, --series-pre and --series-mid "
            "choose.",
        )
    moments = []
    for header in (first, second):
        date = next(
            (d for name in ("AcquisitionDate", "SeriesDate", "StudyDate") if (d := headers.text(header, name))), ""
        )
        time = next(
            (t for name in ("AcquisitionTime", "SeriesTime", "StudyTime") if (t := headers.text(header, name))), ""
        )
        moments.append((date, time))
    if moments[0][0] and moments[1][0]:
        if moments[0] > moments[1]:
            raise UnsuitableScanError(
                "The study given as before treatment is later than the other one: they are swapped.",
                "Give the earlier examination first.",
            )
        if moments[0][0] == moments[1][0]:
            return ("Both examinations are of one day.",)
        return ()
    return ("A study says no date, so the order of the two was not checked.",)
