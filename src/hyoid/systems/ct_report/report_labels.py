"""Labels of involvement from the report that a radiologist wrote of a CT: involved, not involved, or not told.

::

    report.txt -- `structure_text` --+--> template, line by line --> fields of the classifier --> 1, 0, unknown
    report.json ---------------------+

Lines that a network said teach nothing: only what stands in a text, or what a reader answered, counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from hyoid.anatomy.structures import BY_NAME, Side
from hyoid.anatomy.subsites import FIELD_BY_KEY, FIELDS
from hyoid.errors import InputRefusedError, UnreadableFileError
from hyoid.io.cohorts.case_files import CaseFiles
from hyoid.io.dicom import headers
from hyoid.report.content.schema import Line, Report
from hyoid.report.content.versions import open_report
from hyoid.report.free_text.assertions import State
from hyoid.report.free_text.guard import state_in
from hyoid.report.free_text.identity import stated_identity
from hyoid.report.free_text.structure import structure_text
from hyoid.systems.ct_report.labels import UNKNOWN

Unmentioned = Literal["unknown", "not_involved"]
_TOLD_BY = ("text", "reader", "measured")
_LARYNX = tuple(field.key for field in FIELDS if field.region in ("Larynx", "Glottis"))
# Organs that are no line of the template: involved where one of these lines is, spared where all are.
_LINES_OF_ORGAN: dict[str, tuple[str, ...]] = {
    "tongue": ("oral_tongue", "base_of_tongue"),
    "larynx": _LARYNX,
    "larynx_air": _LARYNX,
    "hypopharynx": ("pyriform_sinus", "post_cricoid_region"),
    "oropharynx": ("base_of_tongue", "tonsil", "valleculae", "soft_palate"),
    "trachea": ("tracheal_cartilages",),
}


def labels_of_report(
    report: Report, fields: Sequence[str], unmentioned: Unmentioned = "unknown"
) -> NDArray[np.float32]:
    """Tell which fields a report calls involved: 1 involved, 0 not, `UNKNOWN`, shape (N,).

    Parameters
    ----------
    report : Report
        Template read from text, or answered by a reader.
    fields : sequence of str
        Keys of the template, and organs.
    unmentioned : {"unknown", "not_involved"}
        What a line means that the report does not answer: radiologists leave out much of what is normal. What is
        equivocal, or changed by treatment, is unknown in any case.
    """
    lines = {line.key: line for line in report.lines}
    return np.array([_label(name, lines, unmentioned) for name in fields], np.float32)


def lines_of(name: str) -> tuple[str, ...]:
    """List the lines of the template that speak of a field; none where no line does.

    Examples
    --------
    >>> lines_of("tongue"), lines_of("parotid_left"), lines_of("mandible")
    (('oral_tongue', 'base_of_tongue'), ('parotid_gland',), ())
    """
    if name in FIELD_BY_KEY:
        return (name,)
    return _LINES_OF_ORGAN.get(name) or tuple(field.key for field in FIELDS if name in field.organs)


def read_case_report(case: CaseFiles, scan: Sequence[Dataset], fingerprint: str) -> Report:
    """Read the report of a case as the template, and refuse one of another patient.

    Parameters
    ----------
    case : CaseFiles
        Case with a report.
    scan : sequence of Dataset
        Headers of the CT; empty where it is no DICOM.
    fingerprint : str
        Of the CT, see `hyoid.io.study`.

    Raises
    ------
    InputRefusedError
        When name, number or birth date in the report are not those of the scan, or a report.json is of another scan.
    UnreadableFileError
        When the report is no text.
    """
    assert case.report is not None
    try:
        text = case.report.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFileError(
            f"The report of case {case.name} is no UTF-8 text.", "Save the report as plain text in UTF-8."
        ) from error
    if case.report.suffix == ".json":
        report = open_report(text)
        if report.study is not None and report.study.fingerprint not in ("", fingerprint):
            raise _another_patient(case)
        return report
    if scan and _differs(stated_identity(text), scan[0]):
        raise _another_patient(case)
    return structure_text(text)


def _another_patient(case: CaseFiles) -> InputRefusedError:
    return InputRefusedError(
        f"The report of case {case.name} is not of its CT.", "Pair every CT with its own report, or leave the case out."
    )


def _differs(stated: dict[str, str], scan: Dataset) -> bool:
    """Whether a report states another name, number or birth date than the scan's header."""
    name, number, born = (headers.text(scan, tag) for tag in ("PatientName", "PatientID", "PatientBirthDate"))
    of_text, of_scan = _words(stated.get("name", "")), _words(name)
    if of_text and of_scan and not of_text & of_scan:
        return True
    if "number" in stated and number and _plain(stated["number"]) != _plain(number):
        return True
    digits = [int(part) for part in re.findall(r"\d+", stated.get("birth", ""))]
    if len(digits) == 1 and digits[0] > 10_000_000:
        digits = _parts(str(digits[0]))
    # A month in words, or two digits of a year, could be any.
    return len(digits) == 3 and max(digits) > 1000 and len(born) == 8 and sorted(digits) != sorted(_parts(born))


def _parts(date: str) -> list[int]:
    return [int(date[:4]), int(date[4:6]), int(date[6:8])]


def _plain(number: str) -> str:
    return re.sub(r"\W+", "", number).lower().lstrip("0")


def _words(name: str) -> set[str]:
    return set(re.findall(r"[^\W\d_]{2,}", name.lower()))


def _label(name: str, lines: dict[str, Line], unmentioned: Unmentioned) -> float:
    """One field's label from the lines that speak of it."""
    side = BY_NAME[name].side if name in BY_NAME else Side.MIDLINE
    states = [_state(lines.get(key), side) for key in lines_of(name)]
    if State.INVOLVED in states:
        return 1.0
    spared = {State.NOT_INVOLVED} if unmentioned == "unknown" else {State.NOT_INVOLVED, None}
    return 0.0 if states and set(states) <= spared else UNKNOWN


def _state(line: Line | None, side: Side) -> State | None:
    """What a line says of one side, or of any; None where it says nothing."""
    if line is None or line.status not in _TOLD_BY:
        return None
    told = [state_in(part) for part in line.value.split("; ")]
    mine = [state for state, sides in told if side is Side.MIDLINE or not sides or side in sides]
    if not mine and any(state is State.INVOLVED for state, _ in told):
        return State.NOT_INVOLVED  # only the other side is involved
    return next((state for state in (State.INVOLVED, State.EQUIVOCAL, *State) if state in mine), None)
