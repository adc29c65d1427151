"""Free text -> template: precision and recall per field on reports of virtual patients.

    python benchmarks/structure.py --style left-alone|held-out|tuning|NAME [--reports 300] [--seed 2] [--errors]
    python benchmarks/structure.py [--reports 300] [--seed 2] [--phrasing held-out] [--cohort DIR] [--errors]

With `--style` the reports are composed (`benchmarks/written`), one table row a style. Otherwise they are
written by `hyoid.phantom.text`, by default in the phrasing templates that the rules were not tuned on. With
`--cohort` the truths are those of a cohort made by `hyoid phantom`; otherwise they are drawn without images.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from hyoid.phantom.cohort.truth import NodeTruth, Truth
from hyoid.phantom.text.free_text import WrittenReport, write_report
from hyoid.phantom.text.phrasings import TUNING_1, TUNING_2
from hyoid.report.content.schema import Report
from hyoid.report.content.template import BY_KEY, FIELDS, Kind
from hyoid.report.free_text.node_levels import levels_in
from hyoid.report.free_text.sizes import sizes_in
from hyoid.report.free_text.structure import structure_text
from written.composed import compose_report
from written.phrasings import HELD_OUT, TUNING_3, TUNING_4, TUNING_5
from written.styles import GERMAN, LEFT_ALONE
from written.styles import HELD_OUT as HELD_OUT_STYLES
from written.styles import TUNING as TUNING_STYLES
from written.truths import draw_truth

PHRASINGS = {
    "held-out": HELD_OUT,
    "tuning-1": TUNING_1,
    "tuning-2": TUNING_2,
    "tuning-3": TUNING_3,
    "tuning-4": TUNING_4,
    "tuning-5": TUNING_5,
}
STATES = {
    "involved": "involved", "present": "involved", "y": "involved",
    "not involved": "not involved", "absent": "not involved", "n": "not involved",
    "equivocal": "equivocal", "changed, likely by treatment": "treated", "changed, tumour not stated": "changed",
}  # fmt: skip
SIDES = {"r": "right", "l": "left", "both": "both", "right": "right", "left": "left", "both sides": "both"}
INVOLVEMENT = (Kind.INVOLVEMENT, Kind.SIDED_INVOLVEMENT, Kind.FINDING, Kind.YES_NO)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--reports", type=int, default=300)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--phrasing", choices=tuple(PHRASINGS), default="held-out")
    parser.add_argument("--cohort", type=Path)
    parser.add_argument("--errors", action="store_true", help="print every wrong line with its report's sentences")
    parser.add_argument("--style", help="composed reports: left-alone, held-out, tuning, or the name of one style")
    given = parser.parse_args()
    if given.style:
        by_style(given.style, given.reports, given.seed, show=given.errors)
        return
    phrasing = PHRASINGS[given.phrasing]
    truths = read_truths(given.cohort) if given.cohort else []
    began = time.perf_counter()
    scores = Scores()
    for number in range(given.reports):
        rng = np.random.default_rng([given.seed, number])
        truth = truths[number % len(truths)] if truths else draw_truth(rng)
        written = write_report(truth, phrasing, rng)
        for error in scores.add(written, structure_text(written.text)):
            if given.errors:
                print(error)
    print(f"{given.reports} reports, phrasing {given.phrasing}, {time.perf_counter() - began:.1f} s")
    print(scores.table())


def by_style(name: str, reports: int, seed: int, *, show: bool) -> None:
    """Print one row a style, and the kinds of statement of all together."""
    sets = {"held-out": HELD_OUT_STYLES, "tuning": TUNING_STYLES, "left-alone": LEFT_ALONE}
    styles = sets.get(name) or tuple(
        s for s in (*TUNING_STYLES, *HELD_OUT_STYLES, *LEFT_ALONE, GERMAN) if s.name == name
    )
    rows = [
        "| style | involved F1 | not involved F1 | equivocal F1 | treated F1 | inverted | site | size "
        "| nodes: number | levels | side | size | without support | reports a minute |",
        "|---|" + "---|" * 13,
    ]
    together = Scores()
    for style in styles:
        scores = Scores()
        spent = 0.0
        for number in range(reports):
            rng = np.random.default_rng([seed, number])
            written = compose_report(draw_truth(rng), style, rng)
            began = time.process_time()
            report = structure_text(written.text)
            spent += time.process_time() - began
            for error in scores.add(written, report):
                if show:
                    print(error)
            together.add(written, report)
        rows.append(f"| {style.name} | {scores.row()} | {60 * reports / spent:.0f} |")
    if len(styles) > 1:
        rows.append(f"| **all** | {together.row()} | |")
    print("\n".join(rows))


def read_truths(cohort: Path) -> list[Truth]:
    """Truths with a primary that a cohort's folders hold."""
    truths = []
    for path in sorted(cohort.glob("*/truth.json")):
        known = json.loads(path.read_text(encoding="utf-8"))
        known["nodes"] = tuple(NodeTruth(**node) for node in known["nodes"])
        truth = Truth(**{**known, "involved_subsites": tuple(known["involved_subsites"])})
        if truth.primary:
            truths.append(truth)
    return truths


class Scores:
    """Counts over many reports."""

    def __init__(self) -> None:
        self.said: dict[str, Counter[str]] = defaultdict(Counter)
        self.exact: dict[str, Counter[bool]] = defaultdict(Counter)
        self.unsupported: Counter[str] = Counter()

    def add(self, written: WrittenReport, report: Report) -> list[str]:
        """Count one report; what was wrong in words."""
        errors = []
        for row in FIELDS:
            line = report.line(row.key)
            if row.kind in INVOLVEMENT:
                errors += self._involvement(written, row.key, line.value, missing=line.status == "Missing")
        errors += self._mass(written, report)
        errors += self._nodes(written, report)
        return [f"{error}\n    {written.text!r}" for error in errors]

    def row(self) -> str:
        """Cells of one table row: F1 of each state, inverted, shares of exact values, lines without support."""
        total: Counter[str] = Counter()
        for counts in self.said.values():
            total.update(counts)
        f1 = [
            f"{2 * total[f'{s} right'] / max(1, total[f'{s} true'] + total[f'{s} found']):.3f}"
            for s in ("involved", "not involved", "equivocal", "treated")
        ]
        exact = [
            f"{counts[True] / max(1, sum(counts.values())):.3f}"
            for counts in (
                self.exact[name]
                for name in (
                    "site of the mass", "size of the mass", "number of nodes", "levels of nodes", "side of nodes",
                    "size of the largest node",
                )
            )
        ]  # fmt: skip
        return " | ".join([*f1, str(total["inverted"]), *exact, str(sum(self.unsupported.values()))])

    def table(self) -> str:
        """Markdown tables: presence or absence per field, then exact values."""
        rows = [
            "| field | present: n | precision | recall | F1 | absent: n | precision | recall | F1 |",
            "|---|" + "---|" * 8,
        ]
        total: Counter[str] = Counter()
        for row in FIELDS:
            counts = self.said.get(row.key)
            if counts:
                total.update(counts)
                rows.append(f"| {row.words} | {_prf(counts, 'involved')} | {_prf(counts, 'not involved')} |")
        rows.append(f"| **all fields** | {_prf(total, 'involved')} | {_prf(total, 'not involved')} |")
        rows += ["", "| other states | n | precision | recall | F1 |", "|---|---|---|---|---|"]
        rows += [f"| {state} | {_prf(total, state)} |" for state in ("equivocal", "treated")]
        rows += ["", "| exact values | n | right | share |", "|---|---|---|---|"]
        for name, counts in self.exact.items():
            n = sum(counts.values())
            rows.append(f"| {name} | {n} | {counts[True]} | {counts[True] / n:.3f} |")
        rows += ["", f"Lines filled without support: {sum(self.unsupported.values())} {dict(self.unsupported) or ''}"]
        return "\n".join(rows)

    def _involvement(self, written: WrittenReport, key: str, value: str, *, missing: bool) -> list[str]:
        truth = written.stated.get(key)
        state, side = ("", "") if missing else read_state(value)
        counts = self.said[key]
        errors = []
        for name in ("involved", "not involved", "equivocal", "treated"):
            counts[f"{name} true"] += bool(truth and truth.state == name)
            counts[f"{name} found"] += state == name
            counts[f"{name} right"] += bool(truth and truth.state == name == state)
        counts["inverted"] += bool(truth) and {truth.state, state} == {"involved", "not involved"}
        if truth is None and not missing:
            self.unsupported[key] += 1
        if (truth.state if truth else "") != state:
            errors.append(f"{key}: {value!r} for {truth}")
        elif truth and truth.state == "involved" and truth.side:
            name = "side of the tonsil" if key == "tonsil" else "side of other fields"
            self.exact[name][side == truth.side] += 1
            errors += [] if side == truth.side else [f"{key} side: {value!r} for {truth}"]
        return errors

    def _mass(self, written: WrittenReport, report: Report) -> list[str]:
        errors = []
        place = report.line("primary_location_of_the_mass").value
        site = BY_KEY[written.site].words.partition(" (")[0]
        right = place.split(",")[0] == site
        self.exact["site of the mass"][right] += 1
        errors += [] if right else [f"site: {place!r} for {site}"]
        if written.site_side:
            right = f"{written.site_side} side" in place
            self.exact["side of the mass"][right] += 1
            errors += [] if right else [f"site side: {place!r} for {written.site_side}"]
        size = report.line("size_of_the_mass").value
        right = same_size(size, written.size_cm)
        self.exact["size of the mass"][right] += 1
        return errors + ([] if right else [f"size: {size!r} for {written.size_cm}"])

    def _nodes(self, written: WrittenReport, report: Report) -> list[str]:
        errors = []
        number = report.line("number_of_nodes").value
        side = report.line("side").value
        size = report.line("max_size").value
        told = number.split(" (")[0]
        checks = {"number of nodes": told == ("Multiple" if written.nodes == -1 else str(written.nodes))}
        if written.nodes:
            levels = {level for *_, found in levels_in(number.lower()) for level in found}
            checks["levels of nodes"] = levels == written.node_levels
            checks["side of nodes"] = read_side(side) == written.node_side
            checks["size of the largest node"] = same_size(size, written.node_size_cm)
        else:
            checks["no nodes said of side and size"] = side.startswith("Not applicable") and size.startswith("Not app")
        for name, right in checks.items():
            self.exact[name][right] += 1
            errors += (
                []
                if right
                else [
                    f"{name}: {number!r} {side!r} {size!r} for {written.nodes} {written.node_side} "
                    f"{sorted(written.node_levels)} {written.node_size_cm}"
                ]
            )
        return errors


def read_state(value: str) -> tuple[str, str]:
    """State and side of an answer: "R - involved", "Involved, left", "Absent"."""
    side = ""
    head, dash, rest = value.partition(" - ")
    if dash:
        side, value = SIDES[head.lower()], rest
    before, _, last = value.rpartition(", ")
    if last in SIDES and before:
        side, value = SIDES[last], before
    return STATES.get(value.lower(), "contradictory"), side


def read_side(value: str) -> str:
    """Side of the nodes: "Ipsi (right)", "Bi", "Left, side of the primary not stated"."""
    if value == "Bi":
        return "both"
    return next((side for side in ("right", "left") if side in value.lower().replace("side of the primary", "")), "")


def same_size(value: str, size_cm: tuple[float, ...]) -> bool:
    """Whether a value holds exactly this size."""
    found = sizes_in(value.lower())
    return len(found) == 1 and np.allclose(found[0].axes_cm, size_cm) if found else not size_cm


def _prf(counts: Counter[str], state: str) -> str:
    n, found, right = (counts[f"{state} {what}"] for what in ("true", "found", "right"))
    if n + found == 0:
        return "0 | - | - | -"
    precision = f"{right / found:.3f}" if found else "-"
    recall = f"{right / n:.3f}" if n else "-"
    return f"{n} | {precision} | {recall} | {2 * right / (n + found):.3f}"


if __name__ == "__main__":
    main()
