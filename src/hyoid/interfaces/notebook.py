"""How answers look in a notebook: one picture, a few lines, everything escaped."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape

import numpy as np

from hyoid.anatomy.structures import GTVP
from hyoid.evaluation.page import number
from hyoid.evaluation.result import Evaluation
from hyoid.geometry.orientation import to_canonical
from hyoid.report.content.response import ResponseReport
from hyoid.report.content.schema import STATEMENT, Report
from hyoid.report.pages.figures import Panel, make_backdrop, make_panel
from hyoid.volume import Quantity, Volume

_MOST_LINES = 12


def report_html(report: Report | ResponseReport, image: Volume | None = None, labels: Volume | None = None) -> str:
    """Write the impression of a report beside one picture.

    Parameters
    ----------
    report : Report or ResponseReport
        Report whose impression, warnings and statement of use are shown.
    image : Volume, optional
        The scan; no picture without one.
    labels : Volume, optional
        Outlines on the grid of the scan, in the labels of `hyoid.anatomy.structures`.
    """
    sentences = [c.words for c in report.impression] if isinstance(report, Report) else [report.summary]
    title = (report.title if isinstance(report, Report) else "Response in mid-treatment") or "Structured report"
    rows = "".join(f"<li>{escape(words)}</li>" for words in sentences)
    warnings = "".join(f"<li>{escape(words)}</li>" for words in report.warnings[:_MOST_LINES])
    more = (
        f"<details><summary>{len(report.warnings)} note(s)</summary><ul>{warnings}</ul></details>" if warnings else ""
    )
    return _page(title, f"<ul>{rows}</ul>{more}", image, labels, report.statement)


def facts_html(title: str, facts: Mapping[str, str], image: Volume | None = None, labels: Volume | None = None) -> str:
    """Write a small table of facts beside one picture.

    Parameters
    ----------
    title : str
        Words above the table.
    facts : mapping of str to str
        Rows of the table.
    image : Volume, optional
        The scan; no picture without one.
    labels : Volume, optional
        Outlines on the grid of the scan, in the labels of `hyoid.anatomy.structures`.
    """
    return _page(title, _table(facts), image, labels, STATEMENT)


def headline_html(evaluation: Evaluation) -> str:
    """Write the numbers by which a protocol ranks, with their intervals, and how they were counted.

    Parameters
    ----------
    evaluation : Evaluation
        Numbers and sentences of one evaluation.
    """
    summary, rows = evaluation.summary, {}
    for key in evaluation.headline:
        low, high = summary.get(f"{key}.ci95_low"), summary.get(f"{key}.ci95_high")
        interval = "" if low is None or high is None else f" ({number(low)} to {number(high)})"
        rows[key] = f"{number(summary.get(key))}{interval}"
    notes = "".join(f"<li>{escape(note)}</li>" for note in evaluation.notes[:_MOST_LINES])
    return _page(evaluation.words or evaluation.protocol, f"{_table(rows)}<ul>{notes}</ul>", None, None, STATEMENT)


def picture_of(image: Volume, labels: Volume | None = None) -> Panel:
    """Draw the axial plane that shows most of the targets, else most of the organs, else the middle.

    Parameters
    ----------
    image : Volume
        The scan.
    labels : Volume, optional
        Outlines on the grid of the scan, in the labels of `hyoid.anatomy.structures`.
    """
    if labels is None:
        labels = Volume(np.zeros(image.geometry.shape, np.uint8), image.geometry, Quantity.LABEL)
    canonical = to_canonical(labels)
    wanted = canonical.array >= GTVP  # organs lie below
    if not wanted.any():
        wanted = canonical.array > 0
    middle = [n // 2 for n in canonical.geometry.shape]
    if wanted.any():
        place = int(wanted.sum(axis=(1, 2)).argmax())
        middle = [place, *np.argwhere(wanted[place]).mean(axis=0).tolist()]
    x, y, z = canonical.geometry.to_lps(middle).tolist()
    return make_panel(make_backdrop(image, labels), (x, y, z))


def _table(facts: Mapping[str, str]) -> str:
    rows = (f"<tr><th style='text-align:left'>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in facts.items())
    return f"<table>{''.join(rows)}</table>"


def _page(title: str, body: str, image: Volume | None, labels: Volume | None, statement: str) -> str:
    """One flex row: picture, words; `body` is escaped already."""
    figure = ""
    if image is not None:
        panel = picture_of(image, labels)
        data = base64.b64encode(panel.jpeg).decode()
        figure = f"<img width='320' alt='{escape(panel.alt)}' src='data:image/jpeg;base64,{data}'>"
    words = f"<div><h4>{escape(title)}</h4>{body}<p><small>{escape(statement)}</small></p></div>"
    return f"<div style='display:flex;gap:1em;align-items:flex-start'>{figure}{words}</div>"
