"""The report as one page of plain text, to paste into a report of the hospital's own."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hyoid.anatomy.involvement import FIELDS_OF_NODES
from hyoid.characters import printable
from hyoid.report.content.build import OUTSIDE_THE_NECK, SIZES_OF_PREDICTIONS
from hyoid.report.content.change import CHANGE_DEFINITION
from hyoid.report.content.involvement import COVERED_BY_TARGET, HOLDING_TUMOURS, ORGANS_OF_FIELD
from hyoid.report.content.nodes import perhaps_a_gland
from hyoid.report.content.primary import cm
from hyoid.report.content.scale import (
    LIKELY_FROM,
    STATUS_WORDS,
    UNLIKELY_BELOW,
    VESSEL_GRADES,
    Likelihood,
    degrees_words,
)
from hyoid.report.content.schema import NOT_ASSESSED, Contact, Fact, Lesion, Line, Report
from hyoid.report.content.template import SECTIONS, UPTAKE
from hyoid.report.pages.text import REGIONS, grouped, plain_words, together

MOST_LINES, WIDTH = 66, 100
"""Size of the page, in lines and in characters a line: eleven inches at six lines an inch."""
_ELSEWHERE = "in report.html"
_PRIMARY, _OTHER, _NODES = "Primary tumour", "Other structures", "Lymph nodes"
_IN_THE_TEMPLATE = tuple(words for words, _ in REGIONS)
_TUBE = "et_tube_in_situ"
_AIRWAY = ("airway_compromise", _TUBE)
_OF_THE_PRIMARY = ("fdg_uptake_of_the_primary", "midline_crossing")
_NODE_SECTION = "Lymph Node Metastases"
_SILENT = ("not stated", "the header does not say")
_FEW_REASONS = 2  # why nothing of a region is assessed; more are left to report.html
_MET_BY_NODES = frozenset(organ for key in FIELDS_OF_NODES for organ in ORGANS_OF_FIELD[key])
_LARGE_SHARE = 0.1  # of an organ; less is within the spread of outlines
_DARK_SHARE = 0.1  # of a node; less is the rim and noise


@dataclass(frozen=True)
class _Limits:
    """Numbers of things that the page names before it counts the rest; of cautions the least that it names."""

    nodes: int
    cautions: int
    changes: int
    foci: int
    organs: int
    touching: int
    names_the_unlikely: bool
    one_paragraph: bool


_AMPLE = _Limits(
    nodes=MOST_LINES,
    cautions=MOST_LINES,
    changes=8,
    foci=6,
    organs=12,
    touching=6,
    names_the_unlikely=True,
    one_paragraph=False,
)
_TIGHT = _Limits(
    nodes=8, cautions=1, changes=0, foci=2, organs=1, touching=1, names_the_unlikely=False, one_paragraph=True
)


def one_page(report: Report) -> str:
    """Write one page to paste: impression, how the scan was made, findings by region, cautions.

    What is not assessed stands in one line per region. Where a report says more than the page holds, each region is one
    paragraph, and of small nodes, contacts, unlikely sub-sites and late cautions the number is said: these stand in
    `report.html`, the whole template in `template_text`.

    Parameters
    ----------
    report : Report
        Report to print.
    """
    ample = _page(report, _AMPLE)
    return "\n".join(ample if len(ample) <= MOST_LINES else _page(report, _TIGHT)) + "\n"


def _page(report: Report, limits: _Limits) -> list[str]:
    """Write the lines of the page; cautions fill what the rest leaves."""
    head = [*_wrapped(report.statement), "", *_front(report), "", "IMPRESSION"]
    for number, sentence in enumerate(report.impression, 1):
        head += _wrapped(f"{number}. {sentence.words}", "   ")
    if report.changes:
        head += ["", *_changes(report, limits)]
    head += ["", *_wrapped(f"FINDINGS ({_who_measured(report)})")]
    region = _Region(_mark(report), tuple(_met(report)), limits)
    before: list[str] = []
    for words, sections in REGIONS:
        lines = [line for line in report.lines if line.section in sections and line.key != "patient"]
        if words == _PRIMARY:
            before += _primary(lines, report, region)
        elif words == _NODES:
            before += _nodes(lines, report, region)
        else:
            before += region.rows(words, lines)
    after = _after_the_nodes(report, region)
    for section in SECTIONS:
        lines = [line for line in report.lines if line.section == section and line.key not in _OF_THE_PRIMARY]
        after += _uptake(lines, report, region) if section == UPTAKE else region.rows(section, lines)
    after += region.rows("Addendum", report.addendum)
    legend = [row for words in _legend(report) for row in _wrapped(words)]
    said_above = (SIZES_OF_PREDICTIONS, *((OUTSIDE_THE_NECK,) if "outside the neck" in " ".join(after) else ()))
    cautions = [_wrapped(f"- {words}") for words in report.warnings if not words.endswith(said_above)]
    nodes = _node_rows([lesion for lesion in report.lesions if lesion.role == "node"], limits)
    room = MOST_LINES - sum(map(len, (head, before, *nodes, after, legend))) - bool(legend) - 2 * bool(cautions)
    shown = len(cautions)
    while shown > limits.cautions and sum(map(len, cautions[:shown])) + 1 > room:
        shown -= 1
    shown_cautions = [row for caution in cautions[:shown] for row in caution]
    if shown < len(cautions):
        shown_cautions.append(f"- {len(cautions) - shown} more {_ELSEWHERE}")
    rows = [*head, *before, *(row for node in nodes for row in node), *after]
    rows += ["", "CAUTIONS", *shown_cautions] if cautions else []
    if limits.one_paragraph:
        # Blank lines stand before the impression, the findings and the cautions alone.
        kept = ("IMPRESSION", "FINDINGS", "CAUTIONS")
        rows = [row for row, after in zip(rows, [*rows[1:], ""], strict=True) if row or after.startswith(kept)]
        return [*rows, *legend]
    return [*rows, "", *legend] if legend else rows


def _wrapped(words: str, indent: str = "  ", first: str = "") -> list[str]:
    """One paragraph, its further lines indented."""
    return textwrap.wrap(
        printable(words), WIDTH, initial_indent=first, subsequent_indent=indent, break_on_hyphens=False
    )


def _row(words: str) -> list[str]:
    """One paragraph under a heading."""
    return _wrapped(words, "    ", "  ")


def _front(report: Report) -> list[str]:
    """Title, clinical question, treatment, technique, and what limits the reading."""
    rows = _wrapped(report.title) if report.title else []
    for fact in report.context:
        rows += _wrapped(f"{fact.words}: {fact.value}")
    if report.technique:
        silent = [plain_words(fact.words) for fact in report.technique if fact.value.startswith(_SILENT)]
        told = [fact for fact in report.technique if not fact.value.startswith(_SILENT)]
        more = f"; not stated: {', '.join(silent)}" * bool(silent)
        rows += _wrapped(f"Technique: {_facts(told)}{more}")
    if limits := [fact for fact in report.quality if fact.caution]:
        rows += _wrapped(f"Quality: {_facts(limits)}")
    return rows


def _facts(facts: Iterable[Fact]) -> str:
    return "; ".join(f"{plain_words(fact.words)} {fact.value}" for fact in facts)


def _changes(report: Report, limits: _Limits) -> list[str]:
    """Each lesion before and now; the impression tells of the primary tumour and counts the nodes."""
    rows = [row for change in report.changes[: limits.changes] for row in _wrapped(change.words)]
    left = len(report.changes) - limits.changes
    heading = f"CHANGE ({left} lesions{' more' * bool(rows)}, one by one, {_ELSEWHERE})" if left > 0 else "CHANGE"
    return [heading, *rows, *_wrapped(f"{CHANGE_DEFINITION}.")]


def _who_measured(report: Report) -> str:
    """Who stands behind the numbers, once for the page."""
    found = {line.status for line in report.lines} & {"measured", "model, measured"}
    if len(found) == 2:
        return f"* {STATUS_WORDS['model, measured']}; without *: {STATUS_WORDS['measured']}"
    return next((STATUS_WORDS[status] for status in found), "nothing is measured")


def _mark(report: Report) -> str:
    """What stands behind a line on a network's outlines, where other lines rest on a reader's."""
    return " *" if {"measured", "model, measured"} <= {line.status for line in report.lines} else ""


@dataclass(frozen=True)
class _Region:
    """What every region of the page is written with.

    Parameters
    ----------
    mark : str
        Mark behind what is measured on a network's outlines, where other lines rest on a reader's.
    met : tuple of (Lesion, Contact)
        Contacts of lesions and organs, told together.
    limits : _Limits
        How much is named.
    """

    mark: str
    met: tuple[tuple[Lesion, Contact], ...]
    limits: _Limits

    def said(self, line: Line) -> str:
        """The value of a line with its mark."""
        marks = {"model, measured": self.mark, "reader": " [reader]"}
        return f"{line.value}{marks.get(line.status, '')}"

    def rows(self, words: str, lines: Sequence[Line]) -> list[str]:
        """Findings first, then what a network predicts, then what is not assessed in one line."""
        own, likely, unknown = grouped([line for line in lines if not _told_by_contacts(line, self.met)])
        parts = []
        airway = [line for line in own if line.key in _AIRWAY]
        if airway:
            parts.append(f"airway: {'; '.join(_airway(line, self.said(line)) for line in airway)}")
        for alike in together([line.model_copy(update={"flags": ()}) for line in own if line not in airway]):
            said = _lower(self.said(alike[0]))
            if said.startswith("not involved"):
                parts.append(f"{said}: {', '.join(plain_words(line.words) for line in alike)}")
            else:
                parts.append(f"{_lower(alike[0].words)}: {said}")
        if self.met and words == _OTHER:
            parts.append(f"in contact{self.mark}: {_contacts(self.met, self.limits)}")
        if likely:
            parts.append(_likelihoods(likely, self.limits))
        if unknown:
            reasons = "; ".join(reason for reason in unknown if reason)
            if not parts and len(unknown) <= _FEW_REASONS and words in _IN_THE_TEMPLATE:
                return _wrapped(f"{words}: not assessed{f' ({reasons})' if reasons else ''}")
            names = ", ".join(plain_words(line.words) for found in unknown.values() for line in found)
            parts.append(f"{NOT_ASSESSED if parts else _lower(NOT_ASSESSED)}: {names}")
        return self.paragraph(words, parts)

    def paragraph(self, words: str, parts: Sequence[str]) -> list[str]:
        """What is said of a region, a row each, or in one paragraph where the page is full."""
        if not parts or self.limits.one_paragraph:
            told = [*parts[:1], *(f"{part[0].upper()}{part[1:]}" for part in parts[1:])]
            return _wrapped(f"{words}: {'. '.join(told)}") if parts else []
        return [*_wrapped(f"{words}: {parts[0]}"), *(row for part in parts[1:] for row in _row(part))]


def _primary(lines: Sequence[Line], report: Report, region: _Region) -> list[str]:
    """Site, size, uptake and crossing of the midline in one paragraph."""
    told = [line for line in lines if line.status != "Missing"]
    if not told:
        return region.rows(_PRIMARY, lines)
    by_key = {line.key: line for line in report.lines}
    parts = [region.said(line) for line in told]
    for key in _OF_THE_PRIMARY:
        if key in by_key and by_key[key].status != "Missing":
            said = region.said(by_key[key])
            parts.append(f"midline {_lower(said)}" if key == "midline_crossing" else said)
    return _wrapped(f"{_PRIMARY}: {'; '.join(parts)}")


def _airway(line: Line, said: str) -> str:
    """The narrowest place of the airway with its slice, or whether a tube is seen."""
    if line.key == _TUBE:
        return f"tube in situ: {said}"
    return f"{_lower(said)}{f' (slice {line.region.slice_index + 1})' if line.region else ''}"


def _likelihoods(likely: Mapping[str, Sequence[Line]], limits: _Limits) -> str:
    """What a network calls likely and possible, each with its probability; of the unlikely only the highest."""
    told, before = [], ""
    for word, found in likely.items():
        what, _, degree = word.partition(" ")
        said = degree if what == before else f"{_lower(what)} {degree}"
        if degree == Likelihood.UNLIKELY:
            said += f" (at most {max(line.probability or 0.0 for line in found):.2f})"
            named = limits.names_the_unlikely or len(found) == 1
            told.append(f"{said}: {', '.join(map(_with_side, found)) if named else f'{len(found)} structures'}")
        else:
            told.append(f"{said}: {', '.join(f'{_with_side(x)} ({x.probability or 0.0:.2f})' for x in found)}")
        before = what
    return "; ".join(told)


def _with_side(line: Line) -> str:
    side = line.value.partition(", ")[2]
    return f"{f'{side} ' if side else ''}{plain_words(line.words.removeprefix(COVERED_BY_TARGET))}"


def _told_by_contacts(line: Line, met: Sequence[tuple[Lesion, Contact]]) -> bool:
    """Whether the row of contacts says all that this line says."""
    structures = {contact.structure for _, contact in met}
    return line.value.startswith(("In contact: ", "Primary tumour ", "Node ")) and not structures.isdisjoint(
        (line.key, *ORGANS_OF_FIELD.get(line.key, ()))
    )


def _met(report: Report) -> list[tuple[Lesion, Contact]]:
    """What each lesion of the neck meets; of nodes only what the template asks of nodes."""
    return [
        (lesion, contact)
        for lesion in report.lesions
        for contact in lesion.contacts
        if (lesion.role == "index lesion" and contact.structure not in HOLDING_TUMOURS)
        or (lesion.role == "node" and contact.structure in _MET_BY_NODES)
    ]


def _contacts(met: Sequence[tuple[Lesion, Contact]], limits: _Limits) -> str:
    """Contacts organ by organ, vessels first: with their degrees, other organs with the share that a lesion holds."""
    by_organ: dict[str, list[str]] = {}
    for lesion, contact in sorted(met, key=lambda pair: (pair[1].degrees is None, -(pair[1].degrees or 0))):
        base, comma, side = contact.words.rpartition(", ")
        words = f"{side} {_lower(base)}" if comma and side in ("left", "right") else _lower(contact.words)
        by_organ.setdefault(words, []).append(f"{_lower(lesion.name)}{_how_much(contact)}")
    told = []
    for words, lesions in [*by_organ.items()][: limits.organs]:
        more = f" and {len(lesions) - limits.touching} more" * (len(lesions) > limits.touching)
        told.append(f"{words} with {', '.join(lesions[: limits.touching])}{more}")
    if len(by_organ) > limits.organs:
        told.append(f"{len(by_organ) - limits.organs} more {_ELSEWHERE}")
    return "; ".join(told)


def _how_much(contact: Contact) -> str:
    if contact.degrees is not None:
        term = f"{contact.term}, " if contact.term not in ("touches", "overlaps") else ""
        return f" ({term}{degrees_words(contact.degrees)})"
    return f" ({contact.share:.0%} of the organ)" if contact.share >= _LARGE_SHARE else ""


def _nodes(lines: Sequence[Line], report: Report, region: _Region) -> list[str]:
    """Number and sides of the nodes, the largest, and by which landmarks their levels are told."""
    nodes = [lesion for lesion in report.lesions if lesion.role == "node"]
    if not nodes:
        told = [x.value for x in lines if x.key == "number_of_nodes" and x.status != "Missing"]
        return _wrapped(f"{_NODES}: {_lower(told[0])}") if told else region.rows(_NODES, lines)
    by_key = {line.key: line for line in lines}
    number = by_key["number_of_nodes"].value.partition(" (")[0]
    parts = [number, by_key["side"].value]
    if len(nodes) > 1:
        parts.append(f"largest: {_lower(max(nodes, key=lambda node: node.longest_diameter_mm).name)}")
    return _wrapped(f"{_NODES}: {'; '.join(parts)}")


def _after_the_nodes(report: Report, region: _Region) -> list[str]:
    """By which landmarks the levels of the nodes are told, and what is not assessed of nodes."""
    nodes = [lesion for lesion in report.lesions if lesion.role == "node"]
    if not nodes:
        return []
    parts = []
    if taken := dict.fromkeys(words for node in nodes for words in node.landmarks_taken):
        parts.append(f"Levels told by {', '.join(taken)}")
    if missing := dict.fromkeys(words for node in nodes for words in node.missing_landmarks):
        parts.append(f"Levels that are not told need {', '.join(missing)}")
    if open_ := [x for x in report.lines if x.section == _NODE_SECTION and x.status == "Missing"]:
        parts.append(f"{NOT_ASSESSED}: {', '.join(plain_words(line.words) for line in open_)}")
    if region.limits.one_paragraph:
        parts = [". ".join(parts)]
    return [row for part in parts for row in _row(part)]


def _node_rows(nodes: Sequence[Lesion], limits: _Limits) -> list[list[str]]:
    """One row a node with all that is measured; one paragraph with level, axes and uptake where the page is full."""
    if not nodes or not limits.one_paragraph:
        return [_row(_node(node)) for node in nodes]
    told = [_short_node(node) for node in nodes[: limits.nodes]]
    told += [f"{len(nodes) - limits.nodes} smaller ones {_ELSEWHERE}"] * (len(nodes) > limits.nodes)
    return [_row("; ".join(told))]


def _node(node: Lesion) -> str:
    parts = [
        f"{node.name}: {node.side}, {node.level.removeprefix('level ')}",
        f"axial {cm(node.axial_long_mm)} x {cm(node.axial_short_mm)} cm",
        f"longest {cm(node.longest_diameter_mm)} cm",
        f"{node.volume_ml:.1f} ml",
    ]
    if node.uptake is not None:
        parts.append(f"SUVmax {node.uptake.suv_max:.1f}")
    if perhaps_a_gland(node):
        parts.append("perhaps a gland")
    elif (dark := node.necrosis.partition(", ")[2]) and float(dark.partition("%")[0]) >= 100 * _DARK_SHARE:
        parts.append(dark)
    if node.extranodal_extension:
        parts.append(f"extranodal extension {node.extranodal_extension}")
    return ", ".join(parts)


def _short_node(node: Lesion) -> str:
    words = f"{node.name}: {node.side}, {node.level.removeprefix('level ')}, {cm(node.axial_long_mm)} x "
    words += f"{cm(node.axial_short_mm)} cm"
    if node.uptake is not None:
        words += f", SUVmax {node.uptake.suv_max:.1f}"
    return f"{words}, perhaps a gland" if perhaps_a_gland(node) else words


def _uptake(lines: Sequence[Line], report: Report, region: _Region) -> list[str]:
    """Totals of uptake, and every further focus; the uptake of primary tumour and nodes stands with these."""
    most = region.limits.foci
    totals = [line for line in lines if line.key.startswith("total_")]
    parts = ["; ".join(f"{line.words}: {region.said(line)}" for line in totals)] if totals else []
    for role, words in (("further focus", "Further foci"), ("focus outside the neck", "Foci outside the neck")):
        own = [lesion for lesion in report.lesions if lesion.role == role]
        told = [_focus(lesion) for lesion in own[:most]]
        told += [f"{len(own) - most} more {_ELSEWHERE}"] * (len(own) > most)
        parts += [f"{words}: {'; '.join(told)}"] * bool(own)
    if region.limits.one_paragraph:
        parts = [". ".join(parts)] if parts else []
    return [row for part in parts for row in _wrapped(part)]


def _focus(lesion: Lesion) -> str:
    uptake = "" if lesion.uptake is None else f", SUVmax {lesion.uptake.suv_max:.1f}"
    place = _lower(lesion.site or "site not determined").replace("next to: ", "next to ")
    return f"{place}, {lesion.side}, {cm(lesion.longest_diameter_mm)} cm{uptake}"


def _legend(report: Report) -> list[str]:
    """Meaning of the numbers and words that this page uses."""
    rows = []
    if any(line.probability is not None for line in report.lines):
        rows.append(
            f"Numbers behind structures are a network's probability: likely from {LIKELY_FROM:.2f}, unlikely below "
            f"{UNLIKELY_BELOW:.2f} and below the network's own threshold, else possible."
        )
    degrees = [c for lesion in report.lesions for c in lesion.contacts if c.degrees is not None]
    if degrees:
        graded = any(c.term not in ("touches", "overlaps") for c in degrees)
        words = f"Vessels: {VESSEL_GRADES}. " if graded else "Degrees are of a vessel's circumference. "
        rows.append(f"{words}Contact of outlines is no invasion.")
    return rows


def _lower(words: str) -> str:
    return words if words[:2].isupper() else f"{words[0].lower()}{words[1:]}"
