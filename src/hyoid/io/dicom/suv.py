"""Standardised uptake values from DICOM PET headers; whatever is missing is a refusal that names its tag.

SUV = activity concentration (Bq/mL) x body weight (g) / dose (Bq), the dose decayed to the moment for which the image
is corrected. The rules are those of the vendor-neutral pseudo-code of the Quantitative Imaging Biomarkers Alliance
(RSNA, FDG-PET/CT profile), with refusals where it falls back to a guess.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from hyoid.errors import InputRefusedError, MissingTagError, SeriesError, UnsuitableScanError
from hyoid.io.dicom import headers

# Philips' private block: factor to SUV and factor to Bq/mL.
_PHILIPS, _PHILIPS_CREATOR = 0x7053, "Philips PET Private Group"
# GE's own note of when the scan began, which survives post-processing.
_GE, _GE_CREATOR, _GE_SCAN_DATETIME = 0x0009, "GEMS_PETD_01", 0x0D
_WEIGHT_KG = (1.0, 400.0)
# Below, the dose was written in MBq; above, nobody is scanned.
_DOSE_BQ = (1e6, 1e11)
_MOST_HALF_LIVES = 4.0
# Half-lives (s) of the tracers that live for minutes: fluorine's 110 min, written for seconds, are none of these.
_SHORT_LIVED_S = {"Rb-82": 75.45, "O-15": 122.24, "Cu-62": 580.2, "N-13": 597.9}
_SHORT_S = 1000.0
# Fluorine-18 in RadionuclideCodeSequence (0054,0300), SNOMED's former and present code (CID 4020).
_FLUORINE_CODES, _FLUORINE_S = ("C-111A1", "77004003"), 6586.2
_SAME_HALF_LIFE = 0.05
# A scan of one patient is shorter; times farther apart are dates that were not turned at midnight.
_LONGEST_SCAN_S = 12 * 3600.0
# Where both are stated, date-and-time and time of the injection are one moment to the minute.
_SAME_MOMENT_S = 60.0
# Longer than any scan is waited for after an injection.
_LONGEST_UPTAKE_MIN = 12 * 60.0
_CURE = "Export the series again with complete headers, or give SUV in a file with --pet-units suv."
_TAGS = {
    "Units": "(0054,1001)",
    "DecayCorrection": "(0054,1102)",
    "CorrectedImage": "(0028,0051)",
    "PatientWeight": "(0010,1030)",
    "RadionuclideTotalDose": "(0018,1074)",
    "RadionuclideHalfLife": "(0018,1075)",
    "RadiopharmaceuticalStartTime": "(0018,1072)",
    "RadiopharmaceuticalStartDateTime": "(0018,1078)",
    "SeriesDate": "(0008,0021)",
    "SeriesTime": "(0008,0031)",
    "AcquisitionDate": "(0008,0022)",
    "AcquisitionTime": "(0008,0032)",
    "AcquisitionDateTime": "(0008,002A)",
    "ActualFrameDuration": "(0018,1242)",
    "SUVType": "(0054,1006)",
    "RadiopharmaceuticalInformationSequence": "(0054,0016)",
}


_ENHANCED_PET = {
    "1.2.840.10008.5.1.4.1.1.130": "an Enhanced PET image (multi-frame)",
    "1.2.840.10008.5.1.4.1.1.128.1": "a Legacy Converted Enhanced PET image (multi-frame)",
}


@dataclass(frozen=True, eq=False)
class SuvScale:
    """Factors that turn the rescaled pixels of each image of a series into SUV.

    Parameters
    ----------
    factors : ndarray, shape (n,)
        One per image, in the order of the headers.
    words : str
        The rule that was applied, with its numbers.
    warnings : tuple of str
        What had to be decided.
    """

    factors: NDArray[np.float64]
    words: str
    warnings: tuple[str, ...] = ()


def suv_scale(series: Sequence[Dataset]) -> SuvScale:
    """Compute the factors from rescaled pixels to body-weight SUV.

    Parameters
    ----------
    series : sequence of Dataset
        Headers of every image of one PET series.

    Raises
    ------
    MissingTagError
        When a tag that the answer depends on is absent or malformed; it is named.
    UnsuitableScanError
        When the values are not attenuation-corrected, or dose, weight or times are impossible.

    Notes
    -----
    BQML: weight (g) / decayed dose. CNTS: Philips' SUV factor (7053,1000), else its activity factor (7053,1009) and
    then as BQML. GML: 1 for body weight, refused for other SUV types; an absent SUVType means body weight (PS3.3
    C.8.9.1.1.3).
    """
    first = series[0]
    refuse_enhanced_pet(first)
    _require_one_examination(series)
    _require_corrections(first)
    units = _text(first, "Units")
    if units == "GML":
        kind = headers.text(first, "SUVType") or "BW"
        if kind != "BW":
            raise UnsuitableScanError(
                f"The PET holds SUV of type {kind} (SUVType (0054,1006)); the networks know body-weight SUV.",
                "Export the series in BQML, or as SUV by body weight.",
            )
        return SuvScale(np.ones(len(series)), "stored as body-weight SUV (Units GML)")
    if units == "BQML":
        return _from_activity(series, np.ones(len(series)), "Bq/mL")
    if units == "CNTS":
        to_suv = _philips(series, 0x00)
        if to_suv is not None:
            return SuvScale(to_suv, "counts x the scanner's SUV factor (7053,1000)")
        to_activity = _philips(series, 0x09)
        if to_activity is not None:
            return _from_activity(series, to_activity, "counts x the scanner's activity factor (7053,1009)")
        raise MissingTagError(
            "The PET is in counts (Units CNTS), and neither (7053,1000) SUV factor nor (7053,1009) activity factor of "
            "the scanner is there.",
            _CURE,
        )
    raise UnsuitableScanError(
        f"The PET has Units (0054,1001) {units}; BQML, GML and Philips' CNTS can be turned into SUV.", _CURE
    )


def refuse_enhanced_pet(header: Dataset) -> None:
    """Refuse the multi-frame kinds of PET by their names.

    Raises
    ------
    SeriesError
        When the object is an Enhanced or Legacy Converted Enhanced PET image.
    """
    name = _ENHANCED_PET.get(headers.text(header, "SOPClassUID"))
    if name:
        raise SeriesError(
            f"The PET is stored as {name}, whose tracer and times hyoid does not read.",
            "Export it as PET Image Storage (one file per slice), or give SUV in a file with --pet-units suv.",
        )


def uptake_minutes(series: Sequence[Dataset]) -> float | None:
    """Compute the minutes from injection to the start of the scan, by the same rules as the SUV.

    Parameters
    ----------
    series : sequence of Dataset
        Headers of every image of one PET series.

    Returns
    -------
    float or None
        None where times are absent or contradict each other.
    """
    if not series or not headers.items(series[0], "RadiopharmaceuticalInformationSequence"):
        return None
    try:
        began, _ = _scan_start(series)
        injected, _ = _injection(_drug(series[0]), series[0], began)
    except InputRefusedError:
        return None
    minutes = (began - injected).total_seconds() / 60
    return minutes if 0 < minutes < _LONGEST_UPTAKE_MIN else None


def is_attenuation_corrected(header: Dataset) -> bool:
    """Tell whether CorrectedImage (0028,0051) lists the correction for attenuation."""
    return "ATTN" in headers.words(header, "CorrectedImage")


def dose_at(dose_bq: float, half_life_s: float, elapsed_s: float) -> float:
    """Compute the activity that is left of a dose.

    Examples
    --------
    >>> dose_at(400e6, 6588.0, 6588.0) / 1e6
    200.0
    """
    return float(dose_bq * 2.0 ** (-elapsed_s / half_life_s))


def mean_count_delay_s(duration_s: float, half_life_s: float) -> float:
    """Compute the time after the start of a frame at which the activity equals its mean over the frame.

    Notes
    -----
    ln(x / (1 - exp(-x))) / lambda with x = lambda T; half the frame for short ones.

    Examples
    --------
    >>> round(mean_count_delay_s(240.0, 6588.0), 2)
    119.75
    """
    decay = math.log(2) / half_life_s
    x = decay * duration_s
    return 0.0 if x == 0 else math.log(x / -math.expm1(-x)) / decay


def _from_activity(series: Sequence[Dataset], to_bq_per_ml: NDArray[np.float64], unit: str) -> SuvScale:
    """Weight over decayed dose, for each image."""
    first = series[0]
    weight_kg = _number(first, "PatientWeight")
    _require_between(weight_kg, _WEIGHT_KG, "PatientWeight (0010,1030)", "kg")
    drug = _drug(first)
    dose_bq, half_life_s = _number(drug, "RadionuclideTotalDose"), _number(drug, "RadionuclideHalfLife")
    _require_between(dose_bq, _DOSE_BQ, "RadionuclideTotalDose (0018,1074)", "Bq")
    _require_half_life(drug, half_life_s)
    rule = _text(first, "DecayCorrection")
    grams = 1000.0 * weight_kg
    warnings: tuple[str, ...] = ()
    if rule == "ADMIN":
        elapsed_s = np.zeros(len(series))
        words = "corrected to the injection"
    elif rule == "START":
        began, notes = _scan_start(series)
        injected, more = _injection(drug, first, began)
        elapsed_s = np.full(len(series), (began - injected).total_seconds())
        words, warnings = "corrected to the start of the scan", (*notes, *more)
    elif rule == "NONE":
        began, _ = _scan_start(series)
        injected, warnings = _injection(drug, first, began)
        elapsed_s = np.array([(_middle(image, half_life_s) - injected).total_seconds() for image in series])
        words = "not corrected for decay, each image at its own time"
    else:
        raise UnsuitableScanError(f"DecayCorrection (0054,1102) is {rule!r}; START, ADMIN and NONE are known.", _CURE)
    _require_elapsed(elapsed_s, half_life_s)
    factors = np.array([grams / dose_at(dose_bq, half_life_s, float(t)) for t in elapsed_s]) * to_bq_per_ml
    minutes = f", {elapsed_s.mean() / 60:.0f} min after injection" if rule != "ADMIN" else ""
    return SuvScale(factors, f"{unit}, {words}{minutes}", warnings)


def _scan_start(series: Sequence[Dataset]) -> tuple[datetime, tuple[str, ...]]:
    """Moment for which START-corrected images hold, and what had to be decided."""
    acquired_at = [_acquired(image) for image in series]
    acquired = min(acquired_at)
    if (max(acquired_at) - acquired).total_seconds() > _LONGEST_SCAN_S:
        raise UnsuitableScanError(
            "The images were acquired more than 12 hours apart, by AcquisitionDate (0008,0022) and AcquisitionTime "
            "(0008,0032): the date may not have turned at midnight.",
            _CURE,
        )
    stated = _moment(series[0], "SeriesDate", "SeriesTime")
    if stated <= acquired:
        return stated, ()
    # A series made later, by post-processing, carries its own time: the scan's is elsewhere.
    private = _private(series[0], _GE, _GE_CREATOR, _GE_SCAN_DATETIME)
    if private is not None:
        began = _parsed_datetime(str(private), "GE's scan time (0009,100D)")
        return began, ("The series was made after the scan: the scan's start is from GE's (0009,100D).",)
    note = (
        "SeriesTime (0008,0031) lies after the acquisition, as in a post-processed series: the earliest "
        "AcquisitionTime (0008,0032) counts as the start."
    )
    return acquired, (note,)


def _injection(drug: Dataset, header: Dataset, began: datetime) -> tuple[datetime, tuple[str, ...]]:
    """When the dose was measured; from the date and time, or from the time alone on the day of the scan."""
    stated = headers.text(drug, "RadiopharmaceuticalStartDateTime")
    if stated:
        injected = _parsed_datetime(stated, "RadiopharmaceuticalStartDateTime (0018,1078)", _offset(header))
        _require_one_injection(drug, stated, injected, _offset(header))
        return injected, ()
    clock = _text(drug, "RadiopharmaceuticalStartTime")
    day = began.strftime("%Y%m%d")
    injected = _parsed(day, clock, "RadiopharmaceuticalStartTime (0018,1072)")
    if injected > began:
        note = (
            "RadiopharmaceuticalStartTime (0018,1072) has no date and lies after the scan's start: the injection was "
            "on the day before."
        )
        return injected - timedelta(days=1), (note,)
    return injected, ()


def _require_one_injection(drug: Dataset, stated: str, injected: datetime, offset_min: int | None) -> None:
    """Refuse a time of injection that contradicts its date and time; times of unknown zones cannot be compared."""
    clock = headers.text(drug, "RadiopharmaceuticalStartTime")
    if not clock or (offset_min is None and re.search(r"[+-]\d{4}$", stated)):
        return
    what = "RadiopharmaceuticalStartTime (0018,1072)"
    apart = abs((_parsed(injected.strftime("%Y%m%d"), clock, what) - injected).total_seconds())
    if min(apart, 86400 - apart) > _SAME_MOMENT_S:
        raise UnsuitableScanError(
            f"{what} and RadiopharmaceuticalStartDateTime (0018,1078) are {apart / 60:.0f} min apart.",
            "Correct the header, or give SUV in a file with --pet-units suv.",
        )


def _require_half_life(drug: Dataset, half_life_s: float) -> None:
    """Refuse a half-life that is not that of the stated tracer, or of any."""
    codes = {headers.text(item, "CodeValue") for item in headers.items(drug, "RadionuclideCodeSequence")}
    known = [_FLUORINE_S] if codes & set(_FLUORINE_CODES) else _SHORT_LIVED_S.values()
    if any(abs(half_life_s / k - 1) < _SAME_HALF_LIFE for k in known) or (len(known) > 1 and half_life_s > _SHORT_S):
        return
    raise UnsuitableScanError(
        f"RadionuclideHalfLife (0018,1075) is {half_life_s:g} s, which the tracer cannot have (fluorine-18: 6586 s).",
        "Correct the header, or give SUV in a file with --pet-units suv.",
    )


def _require_one_examination(series: Sequence[Dataset]) -> None:
    """Refuse images that differ in what one injection has one of."""
    for keyword in ("Units", "DecayCorrection", "PatientWeight"):
        if len({headers.text(image, keyword) for image in series}) > 1:
            raise UnsuitableScanError(f"The images of the PET differ in {keyword} {_TAGS[keyword]}.", _CURE)
    for keyword in ("RadionuclideTotalDose", "RadionuclideHalfLife", "RadiopharmaceuticalStartTime"):
        drugs = [headers.items(image, "RadiopharmaceuticalInformationSequence") for image in series]
        if len({headers.text(drug[0], keyword) for drug in drugs if drug}) > 1:
            raise UnsuitableScanError(f"The images of the PET differ in {keyword} {_TAGS[keyword]}.", _CURE)


def _acquired(image: Dataset) -> datetime:
    """When an image was acquired: date and time, or the one attribute that holds both."""
    together = headers.text(image, "AcquisitionDateTime")
    if together and not (headers.text(image, "AcquisitionDate") and headers.text(image, "AcquisitionTime")):
        return _parsed_datetime(together, "AcquisitionDateTime (0008,002A)", _offset(image))
    return _moment(image, "AcquisitionDate", "AcquisitionTime")


def _middle(image: Dataset, half_life_s: float) -> datetime:
    """Moment at which an uncorrected frame shows its activity."""
    duration_s = _number(image, "ActualFrameDuration") / 1000.0
    return _acquired(image) + timedelta(seconds=mean_count_delay_s(duration_s, half_life_s))


def _require_corrections(header: Dataset) -> None:
    corrections = headers.words(header, "CorrectedImage")
    if not corrections:
        raise _missing("CorrectedImage")
    if "ATTN" not in corrections:
        raise UnsuitableScanError(
            "The PET is not corrected for attenuation (CorrectedImage (0028,0051) has no ATTN): its SUV mean nothing.",
            "Give the attenuation-corrected series.",
        )
    said = headers.text(header, "DecayCorrection")
    if said in ("START", "ADMIN") and "DECY" not in corrections:
        raise UnsuitableScanError(
            f"DecayCorrection (0054,1102) is {said}, but CorrectedImage (0028,0051) has no DECY.", _CURE
        )


def _require_between(value: float, limits: tuple[float, float], name: str, unit: str) -> None:
    if not limits[0] <= value <= limits[1]:
        hint = " It may have been written in MBq." if unit == "Bq" and value < limits[0] else ""
        raise UnsuitableScanError(
            f"{name} is {value:g} {unit}; {limits[0]:g} to {limits[1]:g} {unit} are possible.{hint}",
            "Correct the header, or give SUV in a file with --pet-units suv.",
        )


def _require_elapsed(elapsed_s: NDArray[np.float64], half_life_s: float) -> None:
    low, high = float(elapsed_s.min()), float(elapsed_s.max())
    if low < 0 or high > _MOST_HALF_LIVES * half_life_s:
        raise UnsuitableScanError(
            f"The scan began {low / 60:.0f} min after the injection by RadiopharmaceuticalStartDateTime (0018,1078) or "
            f"-StartTime (0018,1072) and the series' dates and times; 0 to {_MOST_HALF_LIVES:g} half-lives "
            f"({_MOST_HALF_LIVES * half_life_s / 60:.0f} min) are possible.",
            "De-identification may have shifted one of the dates: correct the header, or give SUV in a file.",
        )


def _drug(header: Dataset) -> Dataset:
    sequence = header.get("RadiopharmaceuticalInformationSequence")
    if not sequence:
        raise _missing("RadiopharmaceuticalInformationSequence")
    if len(sequence) > 1:
        raise UnsuitableScanError(
            "RadiopharmaceuticalInformationSequence (0054,0016) lists several injections.", "Give SUV in a file."
        )
    drug: Dataset = sequence[0]
    return drug


def _philips(series: Sequence[Dataset], element: int) -> NDArray[np.float64] | None:
    """Positive private factors of every image; None where one is absent or zero."""
    found = [_private(image, _PHILIPS, _PHILIPS_CREATOR, element) for image in series]
    try:
        factors = np.array([math.nan if f is None else float(f) for f in found])
    except (TypeError, ValueError):
        return None
    return factors if np.all(np.isfinite(factors)) and np.all(factors > 0) else None


def _private(header: Dataset, group: int, creator: str, element: int) -> Any:
    try:
        with headers.quiet_pydicom():
            value = header.private_block(group, creator)[element].value
    except KeyError:
        return None
    if isinstance(value, bytes):  # private tags of an unknown dictionary stay raw
        value = value.decode("ascii", "ignore")
    return value.strip() if isinstance(value, str) else value


def _moment(header: Dataset, day: str, clock: str) -> datetime:
    return _parsed(_text(header, day), _text(header, clock), f"{day} {_TAGS[day]} or {clock} {_TAGS[clock]}")


def _parsed(day: str, clock: str, what: str) -> datetime:
    return _parsed_datetime(f"{day.replace('.', '')}{clock.replace(':', '')}", what)


def _parsed_datetime(text: str, what: str, offset_min: int | None = None) -> datetime:
    """Date and time of DICOM's DT, with the scanner's own offset from UTC where both say one."""
    found = re.fullmatch(r"(\d{8})(\d{2})(\d{2})?(\d{2})?(?:\.(\d{1,6}))?(?:([+-])(\d{2})(\d{2}))?", text.strip())
    try:
        if found is None:
            raise ValueError
        day, hour, minute, second, fraction, sign, hours, minutes = found.groups()
        parsed = datetime.strptime(f"{day}{hour}{minute or '00'}{second or '00'}", "%Y%m%d%H%M%S")
    except ValueError:
        raise MissingTagError(f"{what} is no date and time.", _CURE) from None
    parsed += timedelta(microseconds=int((fraction or "0").ljust(6, "0")))
    if sign and offset_min is not None:
        own = (1 if sign == "+" else -1) * (60 * int(hours) + int(minutes))
        parsed += timedelta(minutes=offset_min - own)
    return parsed


def _offset(header: Dataset) -> int | None:
    """TimezoneOffsetFromUTC (0008,0201) in minutes."""
    found = re.fullmatch(r"([+-])(\d{2})(\d{2})", headers.text(header, "TimezoneOffsetFromUTC"))
    if found is None:
        return None
    return (1 if found[1] == "+" else -1) * (60 * int(found[2]) + int(found[3]))


def _text(dataset: Dataset, keyword: str) -> str:
    found = headers.text(dataset, keyword)
    if not found:
        raise _missing(keyword)
    return found


def _number(dataset: Dataset, keyword: str) -> float:
    found = headers.numbers(dataset, keyword, 1)
    if found is None:
        raise _missing(keyword)
    return float(found[0])


def _missing(keyword: str) -> MissingTagError:
    return MissingTagError(
        f"{keyword} {_TAGS[keyword]} is absent or malformed in the PET series: its SUV cannot be known.", _CURE
    )
