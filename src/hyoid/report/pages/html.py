"""The report as one self-contained page: no script, no network, readable on a phone and on paper."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hyoid.report.content.change import CHANGE_DEFINITION
from hyoid.report.content.scale import LIKELIHOOD_SCALE, STATUS_WORDS, VESSEL_SCALE
from hyoid.report.content.schema import Line, Report
from hyoid.report.content.template import FRONT, SECTIONS, TARGET, TEMPLATE, Kind
from hyoid.report.pages.attention import Attention, looks_of
from hyoid.report.pages.environment import page_template
from hyoid.report.pages.figures import Backdrop, Figure, Panel, make_backdrop, make_figure
from hyoid.report.pages.pictures import Picture, choose_pictures
from hyoid.report.pages.text import REGIONS, grouped, plain_words, template_heading, together
from hyoid.volume import Volume

FIRST_PICTURES = 3  # sets before the findings; the others come behind a disclosure


@dataclass(frozen=True)
class Section:
    """A heading of the template and the lines under it."""

    words: str
    is_subheading: bool
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Block:
    """Region of the findings, such as a heading's lines.

    Parameters
    ----------
    words : str
        Heading of the region.
    lines : tuple of tuple of Line
        Findings, those that say the same together.
    likely : tuple of (words, tuple of Line)
        What a network predicts, such as "Involvement likely", the likely first.
    unknown : tuple of (reason, words)
        What is not assessed, by reason.
    """

    words: str
    lines: tuple[tuple[Line, ...], ...]
    likely: tuple[tuple[str, tuple[Line, ...]], ...]
    unknown: tuple[tuple[str, str], ...]


def to_html(
    report: Report, image: Volume, labels: Volume, attention: Attention | None = None, pet: Volume | None = None
) -> str:
    """Write the whole page: impression, how the scan was made, pictures, findings by region, template, technical part.

    Parameters
    ----------
    report : Report
        Report to print.
    image : Volume
        The scan.
    labels : Volume
        Organs and targets (labels of `hyoid.anatomy.structures`), on the grid of the scan.
    attention : Attention, optional
        Where the classifier looked; shown in the technical part.
    pet : Volume, optional
        SUV on the grid of the scan, for fused pictures.

    Raises
    ------
    GeometryError
        When scan, labels and PET lie on different grids.
    """
    backdrop = make_backdrop(image, labels, pet=pet)
    pictures, links = choose_pictures(report, backdrop)
    shown = [_shown(p, make_figure(backdrop, p.point_lps_mm, only=p.labels, rulers=p.rulers)) for p in pictures]
    own = [p for p in shown if p["role"] not in ("", "target region")]
    return page_template("report.html.j2").render(
        report=report,
        blocks=_blocks(report),
        target=_target(report),
        sections=_sections(report),
        pictures=own[:FIRST_PICTURES],
        more_pictures=own[FIRST_PICTURES:],
        target_pictures=[p for p in shown if p["role"] == "target region"],
        overview=_overview(backdrop),
        links=links,
        looks=_looks(report, attention, backdrop),
        slice_of={picture.key: picture.slice_index + 1 for picture in pictures},
        answered=sum(line.status != "Missing" for line in report.lines),
        scale=LIKELIHOOD_SCALE,
        change_definition=CHANGE_DEFINITION,
        vessels=VESSEL_SCALE,
        status_words=STATUS_WORDS,
        with_pet=pet is not None,
    )


def _blocks(report: Report) -> list[Block]:
    """Regions of the findings in their order, the target apart."""
    asked = [(words, [x for x in report.lines if x.section in sections]) for words, sections in REGIONS]
    asked += [(section, [x for x in report.lines if x.section == section]) for section in SECTIONS if section != TARGET]
    if report.addendum:
        asked.append((report.addendum[0].section, list(report.addendum)))
    return [_block(words, lines) for words, lines in asked if lines]


def _block(words: str, lines: Sequence[Line]) -> Block:
    own, likely, unknown = grouped([line for line in lines if line.key != "patient"])
    told = tuple((reason, ", ".join(plain_words(line.words) for line in found)) for reason, found in unknown.items())
    return Block(words, together(own), tuple(likely.items()), told)


def _target(report: Report) -> Block | None:
    lines = [line for line in report.lines if line.section == TARGET]
    return _block(TARGET, lines) if lines else None


def _sections(report: Report) -> list[Section]:
    """Lines under the template's headings, in its order."""
    sections: list[Section] = []
    for field in TEMPLATE:
        if field.is_heading:
            words = template_heading(report) if field.words == FRONT else field.words
            sections.append(Section(words, field.kind is Kind.SUBHEADING, ()))
        else:
            last = sections.pop()
            sections.append(Section(last.words, last.is_subheading, (*last.lines, report.line(field.key))))
    return sections


def _looks(report: Report, attention: Attention | None, backdrop: Backdrop) -> list[dict[str, object]]:
    """Pictures of where the classifier looked, by line."""
    found: list[dict[str, object]] = []
    for line in report.lines:
        pictures = looks_of(line, attention, backdrop)
        if pictures:
            urls = [{"url": _data_url(look.jpeg), "words": look.words, "alt": look.alt} for look in pictures]
            found.append({"words": line.words, "pictures": urls})
    return found


def _overview(backdrop: Backdrop) -> dict[str, object]:
    """All outlines in three planes through the middle of what is outlined, to check these at a glance."""
    where = np.argwhere(backdrop.labels[::2, ::4, ::4] > 0) * (2, 4, 4)
    middle = where.mean(axis=0) if len(where) else (np.array(backdrop.geometry.shape) - 1) / 2
    x, y, z = backdrop.geometry.to_lps(middle).tolist()
    picture = Picture("overview", "All outlines", (x, y, z), backdrop.voxel_at((x, y, z))[0])
    return _shown(picture, make_figure(backdrop, picture.point_lps_mm))


def _shown(picture: Picture, figure: Figure) -> dict[str, object]:
    """A picture with its panels as data URLs."""
    return {
        "key": picture.key,
        "title": picture.title,
        "role": picture.role,
        "slice": picture.slice_index + 1,
        "lines": picture.lines,
        "legend": figure.legend,
        "panels": [_inline(panel) for panel in _ordered(figure)],
        "columns": 3 if figure.fused else 4,
    }


def _ordered(figure: Figure) -> list[Panel]:
    """Panels as they stand side by side: without marks, with contours, then with the PET."""
    plain = [figure.plain] if figure.plain is not None else []
    if not figure.fused:
        return [*plain, *figure.panels]
    axial, *others = figure.panels
    return [*plain, axial, figure.fused[0], *others, *figure.fused[1:]]


def _inline(panel: Panel) -> dict[str, str]:
    return {"url": _data_url(panel.jpeg), "alt": panel.alt}


def _data_url(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
