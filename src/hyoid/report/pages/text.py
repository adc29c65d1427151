"""The full template as plain text, and lines sorted as pages show them."""

from __future__ import annotations

from collections.abc import Sequence

from hyoid.characters import printable
from hyoid.report.content.scale import Likelihood, Predicted, predicted
from hyoid.report.content.schema import NOT_ASSESSED, Line, Report
from hyoid.report.content.template import FIELDS, FRONT, TEMPLATE

REGIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Primary tumour", (FRONT,)),
    ("Oral cavity", ("Oral Cavity",)),
    ("Oropharynx", ("Oropharynx",)),
    ("Larynx", ("Larynx", "Glottis")),
    ("Other structures", ("Other Structures",)),
    ("Lymph nodes", ("Lymph Node Metastases",)),
)
"""Regions of the findings, and the sections of the template that each takes."""


def template_text(report: Report) -> str:
    """Write the whole template line by line, each with who said it, and what lies outside of it.

    Parameters
    ----------
    report : Report
        Report to print.
    """
    own = {field.key for field in FIELDS}
    by_key = {line.key: line for line in report.lines if line.key in own}
    rows = [report.statement, "", *(f"WARNING: {warning}" for warning in report.warnings)]
    rows += ["", f"Impression: {report.summary}", ""]
    for field in TEMPLATE:
        if field.is_heading:
            rows += ["", template_heading(report) if field.words == FRONT else field.words]
        else:
            rows.append(line_text(by_key[field.key]))
    others = [line for line in report.lines if line.key not in own]
    for section in dict.fromkeys(line.section for line in others):
        rows += ["", section, *(line_text(line) for line in others if line.section == section)]
    if report.addendum:
        rows += ["", report.addendum[0].section, *map(line_text, report.addendum)]
    rows += ["", "Sources"]
    rows += [model.source_words for model in report.models]
    if any(e.status == "reader" for line in report.lines for e in line.evidence) or not report.models:
        rows.append("Outlines drawn by a reader")
    return printable("\n".join(rows)).replace("\n\n\n", "\n\n").strip() + "\n"


def quoted_text(report: Report) -> str:
    """Write the whole template, and under it the sentences that its lines rest on.

    Parameters
    ----------
    report : Report
        Report that was read from free text.
    """
    rows = [template_text(report), "Sentences"]
    for line in report.lines:
        rows += [f'{line.words}: "{evidence.source}"' for evidence in line.evidence]
    return "\n".join(rows)


def template_heading(report: Report) -> str:
    """Choose the first heading of the template: its own for a CT, the title of the report for another scan."""
    of_ct = report.study is not None and report.study.modality == "CT"
    return FRONT if of_ct or not report.title else report.title


def line_text(line: Line) -> str:
    """Write a line: words, value, who said it with what probability, and the cautions.

    Examples
    --------
    >>> line_text(Line(key="lip", words="Lip", section="Oral Cavity"))
    'Lip: Missing'
    """
    said: list[str] = [] if line.status == "Missing" else [line.status]
    if line.probability is not None:
        said.append(f"probability {line.probability:.2f}")
    if line.region is not None:
        said.append(f"slice {line.region.slice_index + 1}")
    told = f" [{', '.join(said)}]" if said else ""
    flags = f" ({'; '.join(line.flags)})" if line.flags else ""
    return f"{line.words}: {line.value}{told}{flags}"


def grouped(
    lines: Sequence[Line],
) -> tuple[tuple[Line, ...], dict[str, tuple[Line, ...]], dict[str, list[Line]]]:
    """Sort lines into those to print each, those that a classifier answers by likelihood, and unassessed by reason.

    Parameters
    ----------
    lines : sequence of Line
        Lines of one region, in the order of the template.
    """
    own: list[Line] = []
    likely: dict[str, list[Line]] = {f"{what} {word}": [] for what in Predicted for word in Likelihood}
    unknown: dict[str, list[Line]] = {}
    for line in lines:
        said = predicted(line.value)
        if line.status == "Missing":
            reason = line.value.removeprefix(NOT_ASSESSED).removeprefix(": ")
            unknown.setdefault("" if reason == line.value else reason, []).append(line)
        elif said is not None:
            likely[" ".join(said)].append(line)
        else:
            own.append(line)
    return tuple(own), {word: tuple(found) for word, found in likely.items() if found}, unknown


def together(lines: Sequence[Line]) -> tuple[tuple[Line, ...], ...]:
    """Put lines that say "not involved" in the same words together, at the end; others stay one by one.

    Parameters
    ----------
    lines : sequence of Line
        Lines to print, in the order of the template.
    """
    alike: dict[tuple[str, str], list[Line]] = {}
    found: list[tuple[Line, ...]] = []
    for line in lines:
        if line.value.startswith("Not involved") and not line.flags:
            alike.setdefault((line.value, line.status), []).append(line)
        else:
            found.append((line,))
    return (*found, *map(tuple, alike.values()))


def plain_words(words: str) -> str:
    """Write the words of a line as they stand inside a sentence.

    Examples
    --------
    >>> plain_words("Tonsil (R/L/Both)"), plain_words("ET tube in-situ (Y/N)")
    ('tonsil', 'ET tube in-situ')
    """
    plain = words.partition(" (")[0].replace("/ ", "/")
    return plain if plain[:2].isupper() else f"{plain[0].lower()}{plain[1:]}"
