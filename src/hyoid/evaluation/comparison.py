"""Two systems on the same cases: paired differences with intervals, and which cases changed."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from hyoid.errors import InputRefusedError
from hyoid.evaluation.case_results import DISTANCES, CaseResult
from hyoid.evaluation.protocols import Protocol
from hyoid.evaluation.result import Evaluation
from hyoid.evaluation.summaries import Summary, Table, ratios
from hyoid.metrics.comparison import paired_difference, wilcoxon_p
from hyoid.metrics.overlap import EmptyRule, dice

CHANGED = 0.01
"""Difference of Dice from which a case is listed as changed."""


def compare_systems(
    a: Sequence[CaseResult], b: Sequence[CaseResult], protocol: Protocol, *, seed: int = 0
) -> Evaluation:
    """Compare two systems: A minus B, number by number and case by case.

    Parameters
    ----------
    a, b : sequence of CaseResult
        The same cases. Cases of one name are one patient seen several times (by several trainings, say) and are drawn
        together; the n-th of A is compared with the n-th of B.
    protocol : Protocol
        Which masks are scored, by which rules.
    seed : int
        Of the bootstrap.

    Raises
    ------
    InputRefusedError
        When the cases differ.
    """
    a, b = sorted(a, key=lambda result: result.case), sorted(b, key=lambda result: result.case)
    if [result.case for result in a] != [result.case for result in b]:
        raise InputRefusedError("The two systems were scored on different cases.", "Score both on one reference.")
    summary: Summary = {"n_cases": len(a)}
    ratios_a, ratios_b = ratios(a, protocol), ratios(b, protocol)
    patients = [result.case for result in a]
    for key in ratios_a:
        # A length that leaves missed structures out is over other cases in A than in B.
        if key.rpartition(".")[2] in DISTANCES or not ratios_a[key]:
            continue
        rng = np.random.default_rng([seed, zlib.crc32(key.encode())])
        paired = paired_difference(ratios_a[key], ratios_b[key], rng, patients=patients)
        if paired is None:
            continue
        summary |= {
            f"{key}.a": float(np.mean([ratio.value for ratio in ratios_a[key]])),
            f"{key}.b": float(np.mean([ratio.value for ratio in ratios_b[key]])),
            f"{key}.difference": paired.difference,
            f"{key}.difference.ci95_low": None if paired.interval is None else paired.interval.low,
            f"{key}.difference.ci95_high": None if paired.interval is None else paired.interval.high,
            f"{key}.p_bootstrap": paired.p_bootstrap,
        }
    for index, mask_class in enumerate(protocol.classes):
        pairs = _dice_pairs(a, b, index)
        summary[f"{mask_class.name}.dsc_mean.p_wilcoxon"] = wilcoxon_p(*zip(*pairs, strict=True)) if pairs else None
        summary[f"{mask_class.name}.dsc_mean.n_pairs"] = len(pairs)
    cases = tuple(row for results in zip(a, b, strict=True) for row in _case_rows(*results))
    changed = sorted((row for row in cases if row["changed"]), key=lambda row: -abs(row["difference"]))
    columns = ("case", "class", "a", "b", "difference", "status_a", "status_b")
    summary["n_changed"] = len({row["case"] for row in changed})
    return Evaluation(
        protocol.name,
        f"System A minus system B by protocol {protocol.name}.",
        tuple(f"{key}.difference" for key in protocol.headline if f"{key}.difference" in summary),
        summary,
        cases,
        (),
        (
            "difference: A minus B on the same cases; intervals 95 %, both systems scored on the same drawn patients, "
            "2000 draws, fixed seed; p_bootstrap: two-sided, from the same draws.",
            "p_wilcoxon: signed-rank test of per-case Dice; cases where reference and both predictions are empty are "
            "left out, an empty mask on one side counts 0.",
            "Lengths are compared with missed structures charged with the image diagonal: leaving them out would "
            "compare different cases.",
            f"Changed: Dice differs by at least {CHANGED}, or a structure is missed or invented by one system only.",
        ),
        (
            _beside(summary),
            Table("Which cases changed", columns, tuple(tuple(row[c] for c in columns) for row in changed)),
        ),
    )


def _beside(summary: Summary) -> Table:
    """Both systems, their difference and its limits, number by number."""
    keys = [key.removesuffix(".difference") for key in summary if key.endswith(".difference")]
    parts = (".a", ".b", ".difference", ".difference.ci95_low", ".difference.ci95_high", ".p_bootstrap")
    rows = tuple((key, *(summary[f"{key}{part}"] for part in parts)) for key in keys)
    return Table("A beside B", ("number", "A", "B", "A - B", "from", "to", "p"), rows)


def _dice_pairs(a: Sequence[CaseResult], b: Sequence[CaseResult], index: int) -> list[tuple[float, float]]:
    """Dice of a class in A and B, patient by patient: a signed-rank test takes each of its pairs for a patient."""
    pairs: dict[str, list[tuple[float, float]]] = {}
    for first, second in zip(a, b, strict=True):
        overlaps = first.classes[index].overlap, second.classes[index].overlap
        if not (overlaps[0].both_empty and overlaps[1].both_empty):
            values = [dice(overlap, EmptyRule.BOTH_EMPTY_IS_ONE) for overlap in overlaps]
            pairs.setdefault(first.case, []).append((float(values[0] or 0.0), float(values[1] or 0.0)))
    return [(float(np.mean([x for x, _ in seen])), float(np.mean([y for _, y in seen]))) for seen in pairs.values()]


def _case_rows(a: CaseResult, b: CaseResult) -> list[dict[str, Any]]:
    rows = []
    for first, second in zip(a.classes, b.classes, strict=True):
        values = [dice(item.overlap, EmptyRule.BOTH_EMPTY_IS_ONE) or 0.0 for item in (first, second)]
        difference = values[0] - values[1]
        rows.append(
            {
                "case": a.case,
                "class": first.name,
                "a": values[0],
                "b": values[1],
                "difference": difference,
                "status_a": first.status,
                "status_b": second.status,
                "changed": abs(difference) >= CHANGED or first.status != second.status,
            }
        )
    return rows
