"""The isrg protocol: lesion masks and attributes after each click."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hyoid.evaluation.case_results import CaseResult
from hyoid.evaluation.protocols import Anchor, MaskClass, Measure, Protocol
from hyoid.evaluation.summaries import Summary, Table
from hyoid.metrics.clicks import MAX_CLICKS, click_area, clicks_to_reach, normalised_click_area, number_of_clicks
from hyoid.metrics.comparison import Ratio, bootstrap_interval
from hyoid.metrics.overlap import EmptyRule, dice
from hyoid.metrics.ranking import accuracy, balanced_accuracy, majority_accuracy

ATTRIBUTES = ("shape", "invasion", "density", "heterogeneity", "surface")
"""In the order of the paper's Table 1. The last column header of its Table 3 repeats "Invasion": heterogeneity."""

DICE_TARGETS = (0.80, 0.85, 0.90)

ISRG = Protocol(
    name="isrg",
    words="Interactive lesion report: Dice and HD95 of the lesion, accuracy of five attributes, per click.",
    classes=(MaskClass("lesion", (1,)),),
    dice_empty=EmptyRule.BOTH_EMPTY_EXCLUDED,
    headline=("lesion.dsc_mean", "lesion.hd95_medpy_mm", "mean.accuracy"),
    measures=(Measure.SURFACE_MEDPY,),
    averaged=(),
    anchors=(
        Anchor("paper, test set", "lesion.dsc_mean", 0.794),
        Anchor("paper, test set", "lesion.hd95_medpy_mm", 4.303),
        Anchor("paper, test set", "mean.accuracy", 0.759),
        Anchor("paper, zero-shot", "lesion.dsc_mean", 0.735),
        Anchor("paper, zero-shot", "lesion.hd95_medpy_mm", 2.001),
        Anchor("paper, zero-shot", "mean.accuracy", 0.583),
    ),
)


@dataclass(frozen=True, eq=False)
class ClickResult:
    """All cases after one click.

    Parameters
    ----------
    click : int
        From 1.
    cases : tuple of CaseResult
        The same cases in the same order after every click.
    attributes : mapping of str to (mapping of str to str)
        Case -> attribute -> predicted word; empty where none were predicted.
    """

    click: int
    cases: tuple[CaseResult, ...]
    attributes: Mapping[str, Mapping[str, str]]


def summarise_clicks(
    clicks: Sequence[ClickResult], reference_attributes: Mapping[str, Mapping[str, str]], *, seed: int = 0
) -> Summary:
    """Compute the number of clicks, area under Dice over clicks, and the attributes after the last click.

    Parameters
    ----------
    clicks : sequence of ClickResult
        In the order of the clicks.
    reference_attributes : mapping
        As `ClickResult.attributes`. A case or attribute without a prediction counts as wrong.
    seed : int
        Seed of the bootstrap.
    """
    curves = _curves(clicks)
    summary: Summary = {"n_clicks": len(clicks)}
    for target in DICE_TARGETS:
        needed = number_of_clicks(curves, target)
        summary[f"noc@{target:.2f}"] = needed.mean
        summary[f"noc@{target:.2f}.failures"] = needed.failures
        summary[f"noc@{target:.2f}.n"] = needed.n
        counted = [clicks_to_reach(curve, target) or MAX_CLICKS for curve in curves]
        summary |= _limits(f"noc@{target:.2f}", [Ratio.mean_of(counted)], seed)
    if len(clicks) > 1 and curves:
        for key, values in (
            ("click_auc", [normalised_click_area(curve) for curve in curves]),
            ("click_auc_unnormalised", [click_area(curve) for curve in curves]),
        ):
            summary[key] = float(np.mean(values))
            summary |= _limits(key, [Ratio.mean_of(values)], seed)
    summary |= attribute_summary(reference_attributes, clicks[-1].attributes, seed=seed)
    return summary


def attribute_summary(
    reference: Mapping[str, Mapping[str, str]], prediction: Mapping[str, Mapping[str, str]], *, seed: int = 0
) -> Summary:
    """Compute the accuracy per attribute beside majority-class and balanced accuracy, and the mean over attributes."""
    summary: Summary = {}
    rights = []
    for attribute in ATTRIBUTES:
        cases = [case for case in reference if reference[case].get(attribute)]
        truth = [_word(reference[case][attribute]) for case in cases]
        answers = [_word(prediction.get(case, {}).get(attribute, "")) for case in cases]
        if not truth:
            continue
        right = np.array([float(t == a) for t, a in zip(truth, answers, strict=True)])
        of_class = [np.array([float(t == word) for t in truth]) for word in sorted(set(truth))]
        summary |= {
            f"{attribute}.accuracy": accuracy(truth, answers),
            **_limits(f"{attribute}.accuracy", [Ratio(right, np.ones(len(right)))], seed),
            f"{attribute}.balanced_accuracy": balanced_accuracy(truth, answers),
            **_limits(f"{attribute}.balanced_accuracy", [Ratio(right * inside, inside) for inside in of_class], seed),
            f"{attribute}.majority_accuracy": majority_accuracy(truth),
            f"{attribute}.n": len(truth),
            f"{attribute}.n_missing": sum(not answer for answer in answers),
        }
        rights.append(summary[f"{attribute}.accuracy"])
    summary["mean.accuracy"] = float(np.mean([r for r in rights if r is not None])) if rights else None
    return summary


def click_table(clicks: Sequence[ClickResult], reference_attributes: Mapping[str, Mapping[str, str]]) -> Table:
    """Tabulate Dice, HD95 and mean attribute accuracy after every click."""
    rows: list[tuple[str | float | int | None, ...]] = []
    for click, values in zip(clicks, np.array(_curves(clicks)).T.reshape(len(clicks), -1), strict=True):
        lengths = [case.classes[0].distances_mm["hd95_medpy_mm"] for case in click.cases]
        finite = [length for length in lengths if length is not None and np.isfinite(length)]
        rows.append(
            (
                click.click,
                float(values.mean()) if len(values) else None,
                float(np.mean(finite)) if finite else None,
                sum(case.classes[0].overlap.missed for case in click.cases),
                attribute_summary(reference_attributes, click.attributes)["mean.accuracy"],
            )
        )
    columns = ("click", "mean Dice", "HD95 (MedPy), mm", "missed", "mean accuracy of attributes")
    return Table("After each click", columns, tuple(rows))


def click_sentences() -> tuple[str, ...]:
    """Tell how failures, missing answers and areas were treated."""
    return (
        "lesion.*: after the last click; the table has every click.",
        f"noc@x: first click after which Dice is at least x; a case that never gets there counts {MAX_CLICKS} and is "
        "listed as a failure.",
        "click_auc: trapezoid area of Dice over clicks divided by the number of intervals (0..1); "
        "click_auc_unnormalised: not divided.",
        "accuracy: an attribute without an answer is wrong; majority_accuracy: always the most frequent word; "
        "balanced_accuracy: mean over the words that occur in the reference.",
    )


def _limits(key: str, ratios: Sequence[Ratio], seed: int) -> Summary:
    interval = bootstrap_interval(ratios, np.random.default_rng(seed)) if len(ratios[0].numerators) else None
    return {
        f"{key}.ci95_low": None if interval is None else interval.low,
        f"{key}.ci95_high": None if interval is None else interval.high,
    }


def _curves(clicks: Sequence[ClickResult]) -> list[list[float]]:
    """Dice of every case after every click; a case without any lesion on either side is left out."""
    curves = []
    for index in range(len(clicks[0].cases)):
        overlaps = [click.cases[index].classes[0].overlap for click in clicks]
        if overlaps[0].reference_voxels:
            curves.append([dice(overlap, EmptyRule.EMPTY_IS_ZERO) or 0.0 for overlap in overlaps])
    return curves


def _word(answer: str) -> str:
    return " ".join(answer.lower().split())
