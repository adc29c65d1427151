"""What identifies a patient leaves the text before anything is read or quoted; two patients in one text are refused."""

from __future__ import annotations

import re

from hyoid.errors import InputRefusedError
from hyoid.report.content.schema import MISSING

REMOVED = "[removed]"

_NAME = r"(?:patient(?:'s)?\s+name|name\s+of\s+(?:the\s+)?patient|name|pt\.?\s+name|patient(?!\s*\d))"
_NUMBER = (
    r"(?:m\.?r\.?n\.?|mr\s+no\.?|uhid|crno|cr\s+no\.?|nhs\s+(?:no\.?|number)|ssn|(?:patient|hospital|case|visit|study|"
    r"accession|reg(?:istration)?|ip|op)\s*(?:id|no\.?|number|#)|id|accession)"
)
_BIRTH = r"(?:d\.?o\.?b\.?|date\s+of\s+birth|birth\s*date)"
_OTHER = (
    r"(?:age(?:\s*(?:/|and)\s*(?:sex|gender))?|sex|gender|address|phone|mobile|tel(?:ephone)?|e-?mail|"
    r"ref(?:erred|erring)?\.?\s+(?:by|physician|doctor|clinician|dr\.?)|consultant|physician|"
    r"(?:reported|dictated|signed|verified|approved|read)\s+by|"
    r"electronically\s+signed(?:\s+by)?|radiologist|(?:scan|study|exam(?:ination)?|"
    r"report)?\s*date(?:\s+of\s+(?:scan|study|exam\w*|report))?)"
)
# A label stands at the start of a line, or behind another field of the same header line.
_HEADER = re.compile(
    rf"(?im)(?:^|(?<=\s\s)|(?<=[|;,\t] ))[ \t*]*({_NAME}|{_NUMBER}|{_BIRTH}|{_OTHER})\s*[:=#][ \t]*(.*)$"
)
_LABEL = re.compile(rf"(?i)(?<![\w])(?:{_NAME}|{_NUMBER}|{_BIRTH}|{_OTHER})\s*[:=#]")
_SECRET_LABEL = re.compile(rf"(?i)^(?:{_NAME}|{_NUMBER}|{_BIRTH})$")
_BODY_LABEL = re.compile(
    r"(?i)\b(?:procedure|examination|exam|technique|clinical\s+\w+|history|indication|findings?|observations?|"
    r"impression|"
    r"conclusion|comparison|report)\s*:"
)
_TITLED = re.compile(r"\b(?:Mr|Mrs|Ms|Miss|Dr|Prof|Shri|Smt)\.?\s+[A-Z][\w'-]+(?:\s+[A-Z][\w'-]+)*")
_LONG_NUMBER = re.compile(r"\b[A-Z]{0,4}\d{6,}\b")
_NUMBERED_PATIENT = re.compile(r"(?im)^\s*(?:patient|case)\s*#?\s*(\d+)\s*:?\s*$")
_START = re.compile(r"(?im)^\s*(?:procedure|examination|exam|study)\s*:")
_END = re.compile(r"(?im)^\s*(?:impression|conclusion|opinion)\s*:?")
_SAME = {"name": _NAME, "number": r"(?:m\.?r\.?n\.?|mr\s+no\.?|uhid|patient\s*(?:id|no\.?|number))", "birth": _BIRTH}

# A label of the header and its value, up to the next field.
_STATED = r"(?im)(?:^|\s\s|[|;,\t])\s*{label}\s*[:=#][ \t]*([^\n|;]+?)(?=\s{{2,}}|[|;\n]|$)"


def without_identifiers(text: str) -> str:
    """Remove header lines such as name, number, date of birth, age and referring doctor from a text.

    What such a header gave as name, number or birth date is also removed wherever it returns in the text, as are
    titled names ("Mrs. Roe") and numbers of six and more digits.

    Parameters
    ----------
    text : str
        Report as it came in.

    Examples
    --------
    >>> without_identifiers("Name: Jane Roe   MRN: 4711\\nFindings: Mrs. Roe has a mass.")
    '\\nFindings: [removed] has a mass.'
    """
    secrets: set[str] = set()
    kept = []
    lines = text.splitlines()
    skip_value = False
    for line in lines:
        if skip_value and line.strip() and not _LABEL.match(line.strip()) and not _BODY_LABEL.match(line.strip()):
            secrets.update(_secrets_of(line))
            skip_value = False
            continue
        skip_value = False
        header = _HEADER.search(line)
        if header is None or (header.start(1) > 0 and line[: header.start(1)].strip(" \t*")):
            kept.append(line)
            continue
        body = _BODY_LABEL.search(line, header.start(2))
        secrets.update(_values(line[: body.start()] if body else line))
        skip_value = not header.group(2).strip() and _SECRET_LABEL.match(header.group(1)) is not None
        kept.append(line[body.start() :] if body else "")
    clean = _LONG_NUMBER.sub(REMOVED, _TITLED.sub(REMOVED, "\n".join(kept)))
    for secret in sorted(secrets, key=len, reverse=True):
        clean = re.sub(rf"(?i)(?<!\w){re.escape(secret)}(?!\w)", REMOVED, clean)
    return clean


def refuse_two_patients(text: str) -> None:
    """Refuse a text that holds the reports of two patients.

    Raises
    ------
    InputRefusedError
        When a name, number or birth date is given twice and differs, when numbered patients follow each other, or when
        a second examination starts behind the first one's impression.
    """
    several = len(set(_NUMBERED_PATIENT.findall(text))) > 1
    for label in _SAME.values():
        values = re.findall(_STATED.format(label=label), text)
        several = several or len({re.sub(r"\W+", " ", value).strip().lower() for value in values if value.strip()}) > 1
    ends = [match.start() for match in _END.finditer(text)]
    starts = [match.start() for match in _START.finditer(text)]
    several = several or any(end > starts[0] and start > end for end in ends for start in starts[1:])
    if several:
        raise InputRefusedError(
            "The text holds more than one patient or more than one examination.", "Give one report in one file."
        )


def stated_identity(text: str) -> dict[str, str]:
    """Read what the header of a report states of the patient, to compare with a scan's header; never written anywhere.

    Parameters
    ----------
    text : str
        Report as it came in.

    Returns
    -------
    dict of str to str
        "name", "number" and "birth" as written, those that are stated.

    Examples
    --------
    >>> stated_identity("Name: Jane Roe   MRN: 4711\\nFindings: mass.")
    {'name': 'Jane Roe', 'number': '4711'}
    """
    found = {}
    for kind, label in _SAME.items():
        if match := re.search(_STATED.format(label=label), text):
            found[kind] = match.group(1).strip()
    return {kind: value for kind, value in found.items() if value and not value.startswith(MISSING)}


def _values(header: str) -> set[str]:
    """Names, numbers and birth dates of one header line, as they may return in the text."""
    found: set[str] = set()
    labels = list(_LABEL.finditer(header))
    for label, following in zip(labels, [*labels[1:], None], strict=True):
        if _SECRET_LABEL.match(label.group().rstrip(":=# ").strip()):
            value = header[label.end() : following.start() if following else len(header)]
            found |= set() if value.strip().startswith(MISSING) else _secrets_of(value)
    return found


def _secrets_of(value: str) -> set[str]:
    """A value and the parts of a name in it; words shorter than three letters could be anything."""
    value = value.strip(" \t,;|*")
    parts = re.findall(r"[^\W\d_][\w'-]{2,}", value)
    return {part for part in (value, *parts) if len(part) > 2}
