"""DICOM bytes to headers, tolerantly: malformed values are set aside and named, never quoted and never fatal."""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
import pydicom.config
from numpy.typing import NDArray
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pydicom.valuerep import DA, DT, TM

from hyoid.errors import MissingTagError, UnreadableFileError

_UNDEFINED_LENGTH = 0xFFFFFFFF
_DICOMDIR = "1.2.840.10008.1.3.10"
_DATE_LIKE = {
    "DA": re.compile(r"(\d{8})?"),
    "TM": re.compile(r"(\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?)?"),
    "DT": re.compile(r"(\d{4,14}(\.\d{1,6})?([+-]\d{4})?)?"),
    "AS": re.compile(r"(\d{3}[DWMY])?"),
}
_CALENDAR: dict[str, Callable[[str], Any]] = {"DA": DA, "TM": TM, "DT": DT}
_TEXT = {"PN", "LO", "SH", "ST", "LT", "UT"}
# Identity and date of an examination, which every new object of the study repeats: one value each.
_SINGLE = {
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
    "AccessionNumber", "ReferringPhysicianName", "StudyDescription", "FrameOfReferenceUID",
    "PositionReferenceIndicator", "SliceThickness", "SpacingBetweenSlices",
}  # fmt: skip
_SEXES = ("", "M", "F", "O")
# Character sets of one code table, PS3.3 C.12.1.1.2: understood by every writer as they are.
_PLAIN_SETS = {
    "ISO_IR 6", "ISO_IR 13", "ISO_IR 100", "ISO_IR 101", "ISO_IR 109", "ISO_IR 110", "ISO_IR 144", "ISO_IR 127",
    "ISO_IR 126", "ISO_IR 138", "ISO_IR 148", "ISO_IR 166", "ISO_IR 192", "GB18030", "GBK",
}  # fmt: skip
_SWITCHED_SET = re.compile(r"ISO 2022 IR (6|13|58|87|100|101|109|110|126|127|138|144|148|149|159|166)")
_UNICODE = "ISO_IR 192"
# Damaged bytes raise whatever the decoder in charge happens to raise, pydicom's own kinds among them; each use below
# turns it into a refusal or into "absent".
PARSE_ERRORS = (Exception,)


@dataclass(frozen=True, eq=False)
class Instance:
    """One DICOM object: its header, and a way to read it again with its pixels.

    Parameters
    ----------
    header : Dataset
        Without pixels.
    load : callable
        Returns the full dataset.
    """

    header: Dataset
    load: Callable[[], Dataset]


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Keep pydicom from warning or logging: its messages quote header values, which may name the patient."""
    logger = logging.getLogger("pydicom")
    was_disabled, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings(), pydicom.config.disable_value_validation():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = was_disabled


@contextmanager
def quiet_highdicom() -> Iterator[None]:
    """Keep highdicom and pydicom from warning or logging while an object is written."""
    writer = logging.getLogger("highdicom")
    level = writer.level
    writer.setLevel(logging.CRITICAL)  # its modules log below it; a level is too slow to set for every value read
    try:
        with quiet_pydicom():
            yield
    finally:
        writer.setLevel(level)


def looks_like_dicom(start: bytes) -> bool:
    """Tell whether the first 132 bytes are those of a DICOM file, with or without the preamble of part 10.

    Examples
    --------
    >>> looks_like_dicom(bytes(128) + b"DICM"), looks_like_dicom(b"\\x08\\x00\\x05\\x00CS"), looks_like_dicom(b"PK")
    (True, True, False)
    """
    return start[128:132] == b"DICM" or (start[:2] in (b"\x08\x00", b"\x02\x00") and start[3:4] == b"\x00")


def parse(data: bytes, *, pixels: bool = False) -> Dataset | None:
    """Parse the dataset in `data`; None for a DICOMDIR.

    Raises
    ------
    UnreadableFileError
        When the bytes end before the header does, or do not hold a DICOM object.
    """
    try:
        with quiet_pydicom():
            dataset = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=not pixels, force=data[128:132] != b"DICM")
            # pydicom decodes on access: damage must show here, not in the middle of the work.
            kind, sop_class = (
                str(dataset.file_meta.get("MediaStorageSOPClassUID", "")),
                str(dataset.get("SOPClassUID", "")),
            )
            if "TransferSyntaxUID" not in dataset.file_meta:
                implicit = dataset.original_encoding[0]
                dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
            str(dataset.file_meta)
    except PARSE_ERRORS as error:
        raise UnreadableFileError(
            f"A DICOM file cannot be read ({type(error).__name__}): it is truncated or corrupt.",
            "Export the study again.",
        ) from None
    if kind == _DICOMDIR:
        return None
    if not sop_class:
        raise UnreadableFileError(
            "A DICOM file has no SOP Class UID (0008,0016): it is truncated or corrupt.", "Export the study again."
        )
    return dataset


def decode_pixels(dataset: Dataset, what: str) -> NDArray[Any]:
    """Decode the stored values (not rescaled) of a dataset, (rows, columns) or (frames, rows, columns).

    Parameters
    ----------
    dataset : Dataset
        DICOM object with pixels.
    what : str
        How a message names it.

    Raises
    ------
    UnreadableFileError
        When the pixel data are absent, shorter than the header says, or do not decompress.
    """
    try:
        with quiet_pydicom():
            return np.asarray(dataset.pixel_array)
    except PARSE_ERRORS as error:
        syntax = getattr(getattr(dataset, "file_meta", {}).get("TransferSyntaxUID"), "name", "unknown")
        raise UnreadableFileError(
            f"The pixels of {what} cannot be decoded ({type(error).__name__}; transfer syntax {syntax}): the file is "
            "truncated or corrupt.",
            "Export the series again.",
        ) from None


def is_cut_short(dataset: Dataset) -> bool:
    """Tell whether a file ends before the value of its last element does; pydicom keeps such a value silently."""
    last = dataset.get_item(max(dataset.keys())) if dataset else None
    if not isinstance(last, RawDataElement) or last.value is None or last.length == _UNDEFINED_LENGTH:
        return False
    return len(last.value) < last.length


def text(dataset: Dataset, keyword: str) -> str:
    """Read a value as text, '' where the value is absent or unreadable."""
    try:
        with quiet_pydicom():
            value = dataset.get(keyword)
            return "" if value is None else str(value).strip()
    except PARSE_ERRORS:
        return ""


def words(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """Read the value of a multi-valued text as a tuple, in capitals."""
    try:
        with quiet_pydicom():
            value = dataset.get(keyword)
            values = [] if value is None else [value] if isinstance(value, str) else list(value)
    except PARSE_ERRORS:
        return ()
    return tuple(str(v).strip().upper() for v in values)


def integer(dataset: Dataset, keyword: str) -> int | None:
    """Read a value as an integer; None where the value is absent or malformed."""
    found = numbers(dataset, keyword, 1)
    return None if found is None else int(found[0])


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """Read the items of a sequence; an absent sequence, or another kind of value, has no items."""
    try:
        with quiet_pydicom():
            found = dataset.get(keyword)
            return [item for item in found or () if isinstance(item, Dataset)]
    except PARSE_ERRORS:
        return []


def integer_at(dataset: Dataset, tag: tuple[int, int]) -> int | None:
    """Read the value at a tag as an integer; None where the value is absent or malformed."""
    try:
        with quiet_pydicom():
            return int(dataset[tag].value) if tag in dataset else None
    except PARSE_ERRORS:
        return None


def numbers(dataset: Dataset, keyword: str, count: int) -> NDArray[np.float64] | None:
    """Read a value as `count` finite numbers; None where the value is absent or malformed."""
    try:
        with quiet_pydicom():
            value = dataset.get(keyword)
        if value is None:
            return None
        found = np.atleast_1d(np.asarray(value, dtype=np.float64))
    except PARSE_ERRORS:
        return None
    return found if found.shape == (count,) and np.all(np.isfinite(found)) else None


def required_numbers(dataset: Dataset, keyword: str, count: int, what: str) -> NDArray[np.float64]:
    """Read a value as `numbers` does, but refuse where the numbers are absent.

    Raises
    ------
    MissingTagError
        Naming the tag.
    """
    found = numbers(dataset, keyword, count)
    if found is None:
        tag = pydicom.datadict.tag_for_keyword(keyword) or 0
        raise MissingTagError(
            f"{keyword} ({tag >> 16:04X},{tag & 0xFFFF:04X}) is absent or malformed in {what}.",
            "The position of the images depends on it: export the series again with complete headers.",
        )
    return found


def set_aside_malformed(dataset: Dataset) -> tuple[str, ...]:
    """Blank dates, times and numbers that break DICOM's rules, in place, and return their keywords.

    De-identification tools hash dates and names. A date that is no date is blanked, because no writer would accept it;
    text keeps its value, because it ties the result to the study.

    Parameters
    ----------
    dataset : Dataset
        Changed in place: top-level elements only.
    """
    malformed = []
    with quiet_pydicom():
        for tag in list(dataset.keys()):
            name = pydicom.datadict.keyword_for_tag(tag) or "a private element"
            try:
                element = dataset[tag]
                readable = _is_well_formed(element.VR, element.value)
            except PARSE_ERRORS:
                del dataset[tag]
                malformed.append(name)
                continue
            several = name in _SINGLE and isinstance(element.value, pydicom.multival.MultiValue)
            if not readable or several or (name == "PatientSex" and str(element.value or "") not in _SEXES):
                malformed.append(name)
                if several or element.VR not in _TEXT:
                    dataset[tag] = DataElement(tag, element.VR, "")
        if not _unify_characters(dataset):
            malformed.append("SpecificCharacterSet")
    return tuple(malformed)


def _unify_characters(dataset: Dataset) -> bool:
    """Turn texts into Unicode where the character set is switched, unknown or absent; False where it was unknown.

    Writers know the sets of one table alone: the standard Japanese one (an empty first value) stops them.
    """
    stated = words(dataset, "SpecificCharacterSet")
    if not stated and all(_is_ascii(dataset.get(keyword)) for keyword in _SINGLE):
        return True
    if len(stated) == 1 and stated[0] in _PLAIN_SETS:
        return True
    try:
        dataset.decode()  # while the old set is still known
    except PARSE_ERRORS:
        return False
    dataset.SpecificCharacterSet = _UNICODE
    first, *others = stated or ("",)
    return all(s in _PLAIN_SETS or not s or _SWITCHED_SET.fullmatch(s) for s in (first, *others))


def _is_ascii(value: Any) -> bool:
    return value is None or str(value).isascii()


def _exists(vr: str, value: str) -> bool:
    """Whether a date or time is one of the calendar and the clock."""
    try:
        _CALENDAR.get(vr, str)(value.strip())
    except ValueError:
        return False
    return True


def _is_well_formed(vr: str, value: Any) -> bool:
    values = value if isinstance(value, pydicom.multival.MultiValue) else [value]
    if vr in _DATE_LIKE:
        return all(
            v is None or (bool(_DATE_LIKE[vr].fullmatch(str(v).strip())) and _exists(vr, str(v))) for v in values
        )
    if vr in _TEXT:
        longest = {"PN": 64 * 3 + 2, "LO": 64}.get(vr, 10240)
        return all(v is None or ("\ufffd" not in str(v) and len(str(v)) <= longest) for v in values)
    return True
