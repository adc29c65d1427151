"""Reading back a template that was printed or filled by hand."""

from __future__ import annotations

import re

from hyoid.report.content.schema import IDENTIFIERS, MISSING, NOT_ASSESSED, Evidence, Line
from hyoid.report.content.template import FIELDS, Kind
from hyoid.report.free_text.answers import blank

_LEAST_LINES = 0.6  # of the template's lines; a free report names far fewer of them with its exact words
_TOLD = re.compile(r"^(?P<value>.*?)(?: \[(?:text|model|measured|reader)(?:, [^\]]*)?\])(?: \((?P<flags>.*)\))?$")
_MISSING = re.compile(rf"^(?:{MISSING}|{NOT_ASSESSED}(?:: [^()]*)?)(?: \((?P<flags>.*)\))?$")


def is_template(text: str) -> bool:
    """Tell whether a text is the template, printed by `hyoid.report.pages.text.template_text` or filled by hand.

    Parameters
    ----------
    text : str
        Text of any kind.
    """
    return len(_rows(text)) >= _LEAST_LINES * len(FIELDS)


def read_template(text: str) -> dict[str, Line]:
    """Read the lines of a printed template by key, each quoting itself; the patient's line is never read.

    Parameters
    ----------
    text : str
        Template that was printed or filled by hand.
    """
    lines = {}
    for key, (row, rest) in _rows(text).items():
        line = blank(next(field for field in FIELDS if field.key == key))
        empty = _MISSING.match(rest)
        told = _TOLD.match(rest)
        flags = (empty or told).group("flags") if empty or told else None  # type: ignore[union-attr]
        cautions = tuple(flags.split("; ")) if flags else ()
        if row is Kind.IDENTITY:
            cautions = (IDENTIFIERS,)
        elif rest and not empty:
            value = told.group("value") if told else rest
            quoted = next(raw.strip() for raw in text.splitlines() if raw.strip().startswith(f"{line.words}:"))
            evidence = Evidence(status="text", source=" ".join(quoted.split()))
            line = line.model_copy(update={"value": value, "status": "text", "evidence": (evidence,)})
        lines[key] = line.model_copy(update={"flags": cautions})
    return lines


def _rows(text: str) -> dict[str, tuple[Kind, str]]:
    """What stands behind each of the template's words, first come."""
    found: dict[str, tuple[Kind, str]] = {}
    by_words = {row.words: row for row in FIELDS}
    for raw in text.splitlines():
        words, colon, rest = raw.strip().partition(":")
        row = by_words.get(words.strip()) if colon else None
        if row is not None and row.key not in found:
            found[row.key] = (row.kind, " ".join(rest.split()))
    return found
