"""The report as plain text, in the template's wording and order."""

from __future__ import annotations

from hyoid.report.content.schema import Line, Report
from hyoid.report.content.template import FRONT, OUTSIDE, TEMPLATE


def to_text(report: Report) -> str:
    """Plain text: statement, warnings and summary, then the template line by line, then who said it.

    Parameters
    ----------
    report : Report
    """
    by_key = {line.key: line for line in report.lines if line.section != OUTSIDE}
    rows = [report.statement, "", *(f"WARNING: {warning}" for warning in report.warnings)]
    rows += ["", f"Summary: {report.summary}", ""]
    for field in TEMPLATE:
        if field.is_heading:
            rows += ["", report.title if report.title and field.words == FRONT else field.words]
        else:
            rows.append(line_text(by_key[field.key]))
    others = [line for line in report.lines if line.section == OUTSIDE]
    if others:
        rows += ["", OUTSIDE, *map(line_text, others)]
    if report.addendum:
        rows += ["", report.addendum[0].section, *map(line_text, report.addendum)]
    rows += ["", "Sources"]
    for model in report.models:
        rows.append(
            f"{model.words}; licence: {model.licence or 'not stated'}; trained on: {model.trained_on or 'not stated'}"
        )
    if any(e.status == "reader" for line in report.lines for e in line.evidence) or not report.models:
        rows.append("Outlines drawn by a reader")
    return "\n".join(rows).replace("\n\n\n", "\n\n").strip() + "\n"


def line_text(line: Line) -> str:
    """One line: words, value, who said it with what probability, and the cautions.

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
