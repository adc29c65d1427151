"""The report as one self-contained page: no script, no network, readable on a phone and on paper."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from hyoid.report.content.schema import Line, Report
from hyoid.report.content.template import FRONT, SECTIONS, TEMPLATE, Kind
from hyoid.report.pages.attention import Attention, looks_of
from hyoid.report.pages.environment import page_template
from hyoid.report.pages.figures import Figure, make_backdrop, make_figure
from hyoid.report.pages.pictures import Picture, choose_pictures
from hyoid.report.pages.text import template_heading
from hyoid.volume import Volume


@dataclass(frozen=True)
class Section:
    """A heading of the template and the lines under it."""

    words: str
    is_subheading: bool
    lines: tuple[Line, ...]


def to_html(report: Report, image: Volume, labels: Volume, attention: Attention | None = None) -> str:
    """The whole page.

    Parameters
    ----------
    report : Report
    image : Volume
        The scan.
    labels : Volume
        Organs and targets (labels of `hyoid.anatomy.structures`), on the grid of the scan.
    attention : Attention, optional
        Where the classifier looked; shown at the lines it answers.

    Raises
    ------
    GeometryError
        When scan and labels lie on different grids.
    """
    backdrop = make_backdrop(image, labels)
    pictures, links = choose_pictures(report, backdrop)
    figures = {picture.key: make_figure(backdrop, picture.point_lps_mm) for picture in pictures}
    return page_template("report.html.j2").render(
        report=report,
        sections=_sections(report),
        headline=[report.line(key) for key in ("primary_location_of_the_mass", "size_of_the_mass", "number_of_nodes")],
        pictures=[_shown(picture, figures[picture.key]) for picture in pictures],
        links=links,
        looks={
            line.key: [
                {"url": _data_url(look.jpeg), "words": look.words, "alt": look.alt}
                for look in looks_of(line, attention, backdrop)
            ]
            for line in report.lines
        },
        slice_of={picture.key: picture.slice_index + 1 for picture in pictures},
        answered=sum(line.status != "Missing" for line in report.lines),
    )


def _sections(report: Report) -> list[Section]:
    """Lines under the template's headings, in its order; what it does not name comes last."""
    sections: list[Section] = []
    for field in TEMPLATE:
        if field.is_heading:
            words = template_heading(report) if field.words == FRONT else field.words
            sections.append(Section(words, field.kind is Kind.SUBHEADING, ()))
        else:
            last = sections.pop()
            sections.append(Section(last.words, last.is_subheading, (*last.lines, report.line(field.key))))
    for section in SECTIONS:
        others = tuple(line for line in report.lines if line.section == section)
        if others:
            sections.append(Section(section, False, others))
    if report.addendum:
        sections.append(Section(report.addendum[0].section, False, report.addendum))
    return sections


def _shown(picture: Picture, figure: Figure) -> dict[str, object]:
    """A picture with its panels as data URLs."""
    return {
        "key": picture.key,
        "title": picture.title,
        "slice": picture.slice_index + 1,
        "lines": picture.lines,
        "legend": figure.legend,
        "panels": [{"url": _data_url(panel.jpeg), "alt": panel.alt} for panel in figure.panels],
    }


def _data_url(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
