"""From cases to the numbers of a protocol: values, counts beside them, intervals over patients.

Keys are flat. A value `GTVp.hd95_medpy_mm` is followed by how it came about: `.n`, `.n_excluded`, `.n_missed`,
`.n_false_positive`, and the limits `.ci95_low`, `.ci95_high`.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hyoid.evaluation.case_results import DISTANCES, CaseResult, ClassResult
from hyoid.evaluation.protocols import Measure, Protocol
from hyoid.metrics.comparison import Interval, Ratio, bootstrap_interval
from hyoid.metrics.detection import CONNECTIVITIES, Detection, Matcher, set_f1
from hyoid.metrics.overlap import EmptyRule, dice, pooled_dice

Summary = dict[str, float | int | str | None]


@dataclass(frozen=True)
class Table:
    """A small table of a report.

    Parameters
    ----------
    title : str
        Words above the table.
    columns : tuple of str
        Heads of the columns.
    rows : tuple of tuple
        Cells, row by row.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float | int | None, ...], ...]


def ratios(cases: Sequence[CaseResult], protocol: Protocol) -> dict[str, tuple[Ratio, ...]]:
    """Compute every pooled number of a protocol as ratios of sums over cases; several are averaged (`mean.*`).

    Parameters
    ----------
    cases : sequence of CaseResult
        Measured cases, all by this protocol.
    protocol : Protocol
        Which masks are scored, by which rules.
    """
    table: dict[str, tuple[Ratio, ...]] = {}
    for index, mask_class in enumerate(protocol.classes):
        items = [case.classes[index] for case in cases]
        diagonals = [case.diagonal_mm for case in cases]
        for name, ratio in _class_ratios(items, diagonals, protocol).items():
            table[f"{mask_class.name}.{name}"] = (ratio,)
    for metric in protocol.averaged:
        parts = [table.get(f"{mask_class.name}.{metric}", ()) for mask_class in protocol.classes]
        table[f"mean.{metric}"] = tuple(ratio for part in parts for ratio in part if ratio.value is not None)
    return table


def summarise(
    cases: Sequence[CaseResult], protocol: Protocol, *, seed: int = 0, patients: Sequence[str] | None = None
) -> Summary:
    """Compute the numbers of a protocol with their counts and intervals.

    Parameters
    ----------
    cases : sequence of CaseResult
        Measured cases, all by this protocol.
    protocol : Protocol
        Which masks are scored, by which rules.
    seed : int
        Of the bootstrap; the same cases in any order give the same summary.
    patients : sequence of str, optional
        Patient of each case; by default every case is a patient of its own.

    Returns
    -------
    dict
        None where a number is undefined: no case takes part in it.
    """
    order = sorted(range(len(cases)), key=lambda i: cases[i].case)
    cases = [cases[i] for i in order]
    patients = None if patients is None else [patients[i] for i in order]
    summary: Summary = {"n_cases": len(cases), "n_predictions_missing": sum(case.prediction_missing for case in cases)}
    for key, parts in ratios(cases, protocol).items():
        values = [ratio.value for ratio in parts]
        summary[key] = float(np.mean([v for v in values if v is not None])) if values and None not in values else None
        if not key.startswith("mean."):
            index = [mask_class.name for mask_class in protocol.classes].index(key.rsplit(".", 1)[0])
            summary.update(_counts(key, [case.classes[index] for case in cases], parts[0], protocol))
        interval = None
        if summary[key] is not None:
            # A generator of its own for every key, so that one number does not depend on which others are asked for.
            rng = np.random.default_rng([seed, zlib.crc32(key.encode())])
            interval = bootstrap_interval(parts, rng, patients=patients)
        summary.update(_limits(key, interval))
    return summary


def empty_rule_table(cases: Sequence[CaseResult], protocol: Protocol) -> Table:
    """Tabulate the mean Dice per class under every rule for empty masks."""
    rows = []
    for rule in EmptyRule:
        means = []
        for index in range(len(protocol.classes)):
            values = [dice(case.classes[index].overlap, rule) for case in cases]
            means.append(Ratio.mean_of(values).value)
        chosen = " (this protocol)" if rule is protocol.dice_empty else ""
        rows.append((rule.replace("_", " ") + chosen, *means))
    return Table(
        "Mean Dice under other rules for empty masks", ("rule", *(c.name for c in protocol.classes)), tuple(rows)
    )


def detection_table(cases: Sequence[CaseResult], protocol: Protocol, class_index: int) -> Table:
    """Tabulate F1 of one class over connectivity and matcher."""
    rows = []
    for connectivity in CONNECTIVITIES:
        for matcher in Matcher:
            found = [case.classes[class_index].detections[connectivity, matcher] for case in cases]
            total = sum(found, Detection(0, 0, 0))
            chosen = (connectivity, matcher) == (protocol.connectivity, protocol.matcher)
            rows.append(
                (
                    f"{connectivity}-connectivity, {matcher.replace('_', ' ')}{' (this protocol)' if chosen else ''}",
                    total.true_positive,
                    total.false_positive,
                    total.false_negative,
                    set_f1(found),
                )
            )
    name = protocol.classes[class_index].name
    columns = ("choice", "found", "false positive", "missed", "F1")
    return Table(
        f"{name}: F1 under other connectivities and matchers (IoU > {protocol.iou_above:g})", columns, tuple(rows)
    )


def sensitivity_tables(cases: Sequence[CaseResult], protocol: Protocol) -> tuple[Table, ...]:
    """Tell what other choices would give, where a protocol leaves a choice."""
    tables = [empty_rule_table(cases, protocol)]
    if Measure.DETECTION in protocol.measures:
        tables += [detection_table(cases, protocol, index) for index in range(len(protocol.classes))]
    return tuple(tables)


def sentences(summary: Mapping[str, float | int | str | None], protocol: Protocol) -> tuple[str, ...]:
    """Tell how empties, connectivity and pooling were treated, one plain sentence per kind of number.

    Parameters
    ----------
    summary : mapping
        Result of `summarise`.
    protocol : Protocol
        Which masks are scored, by which rules.
    """
    rule = {
        EmptyRule.BOTH_EMPTY_IS_ONE: "a case where both masks are empty counts 1, one where only one is counts 0",
        EmptyRule.EMPTY_IS_ZERO: "a case where any mask is empty counts 0, also where both are",
        EmptyRule.BOTH_EMPTY_EXCLUDED: "a case where both masks are empty is left out, one where only one is counts 0",
        EmptyRule.REFERENCE_EMPTY_EXCLUDED: "a case without reference is left out, one without prediction counts 0",
        EmptyRule.ANY_EMPTY_EXCLUDED: "a case where any mask is empty is left out, so a missed structure costs nothing",
    }[protocol.dice_empty]
    surface = (
        "It is the mean over cases where both masks are present; missed and invented structures are infinite, counted "
        "beside it, and charged with the image diagonal in *_with_missed; cases where both are empty are left out."
    )
    lines = [
        "dsc_agg: twice the shared volume over the summed volumes of all cases, in cubic millimetres; a case where "
        "both masks are empty has no effect, one without reference adds to the denominator only.",
        f"dsc_mean, dsc_sd, dsc_median: per-case Dice; {rule}; the standard deviation divides by n.",
        "volume_difference_ml: prediction minus reference, mean over all cases.",
    ]
    if Measure.DETECTION in protocol.measures:
        lines.append(
            f"f1: lesions of all cases together; components by {protocol.connectivity}-connectivity, no size filter, "
            f"matcher {protocol.matcher.replace('_', ' ')}, found when IoU > {protocol.iou_above:g} (strict)."
        )
    if Measure.SURFACE_MEDPY in protocol.measures:
        lines.append(
            "hd95_medpy_mm, assd_medpy_mm, assd_medpy_040_mm: MedPy family, border voxels; 95th percentile or mean of "
            f"both directions concatenated (040: mean of two means). {surface}"
        )
    if Measure.SURFACE_SURFEL in protocol.measures:
        lines.append(
            "hd95_surfel_mm, mean_surfel_mm: surfel family (DeepMind), weighted by area; larger of two directional "
            f"percentiles, mean of two directional means. {surface}"
        )
        lines.append(
            f"surface_dice: share of the surface area within {protocol.surface_tolerance_mm:g} mm; a missed or "
            "invented structure counts 0, a case where both masks are empty is left out."
        )
    lines.append(
        "Intervals: 95 %, percentile bootstrap over patients, 2000 draws, fixed seed; prevalence: share of cases whose "
        "reference is not empty."
    )
    if summary.get("n_predictions_missing"):
        lines.append(
            f"{summary['n_predictions_missing']} of {summary['n_cases']} cases have no prediction: everything in their "
            "reference counts as missed."
        )
    return (*lines, *protocol.caveats)


def _class_ratios(items: Sequence[ClassResult], diagonals_mm: Sequence[float], protocol: Protocol) -> dict[str, Ratio]:
    """Ratios of one class, keyed by metric."""
    overlaps = [item.overlap for item in items]
    table = {
        "dsc_agg": pooled_dice(overlaps),
        "dsc_mean": Ratio.mean_of([dice(o, protocol.dice_empty) for o in overlaps]),
        "reference_ml": Ratio.mean_of([o.reference_ml for o in overlaps]),
        "prediction_ml": Ratio.mean_of([o.prediction_ml for o in overlaps]),
        "volume_difference_ml": Ratio.mean_of([o.prediction_ml - o.reference_ml for o in overlaps]),
        "volume_absolute_difference_ml": Ratio.mean_of([abs(o.prediction_ml - o.reference_ml) for o in overlaps]),
    }
    if Measure.DETECTION in protocol.measures:
        found = [item.detections[protocol.connectivity, protocol.matcher] for item in items]
        twice = np.array([2.0 * d.true_positive for d in found])
        table["f1"] = Ratio(twice, twice + np.array([float(d.false_positive + d.false_negative) for d in found]))
    for name in dict.fromkeys(name for item in items for name in item.distances_mm):
        values = [item.distances_mm[name] for item in items]
        table[name] = Ratio.mean_of([v if v is not None and np.isfinite(v) else None for v in values])
        charged = [d if v is not None and np.isinf(v) else v for v, d in zip(values, diagonals_mm, strict=True)]
        table[f"{name}_with_missed"] = Ratio.mean_of(charged)
    if Measure.SURFACE_SURFEL in protocol.measures:
        table["surface_dice"] = Ratio.mean_of([item.surface_dice for item in items])
    return table


def _counts(key: str, items: Sequence[ClassResult], ratio: Ratio, protocol: Protocol) -> Summary:
    """Counts that stand beside one number."""
    metric = key.rsplit(".", 1)[1]
    missed = sum(item.overlap.missed for item in items)
    invented = sum(item.overlap.false_positive for item in items)
    taken = int(np.count_nonzero(ratio.denominators))
    # A length leaves missed and invented structures out of its mean but not out of sight: they have their own counts.
    elsewhere = missed + invented if metric in DISTANCES else 0
    counts: Summary = {
        f"{key}.n": taken,
        f"{key}.n_excluded": len(items) - taken - elsewhere,
        f"{key}.n_missed": missed,
        f"{key}.n_false_positive": invented,
        f"{key}.prevalence": sum(item.overlap.reference_voxels > 0 for item in items) / len(items) if items else None,
    }
    if metric == "f1":
        found = [item.detections[protocol.connectivity, protocol.matcher] for item in items]
        total = sum(found, Detection(0, 0, 0))
        counts |= {
            f"{key}.connectivity": protocol.connectivity,
            f"{key}.matcher": str(protocol.matcher),
            f"{key}.true_positive": total.true_positive,
            f"{key}.false_positive": total.false_positive,
            f"{key}.false_negative": total.false_negative,
        }
    if metric == "dsc_mean":
        values = [v for v in (dice(item.overlap, protocol.dice_empty) for item in items) if v is not None]
        name = key.rsplit(".", 1)[0]
        counts |= {
            f"{name}.dsc_sd": float(np.std(values)) if values else None,
            f"{name}.dsc_median": float(np.median(values)) if values else None,
        }
    return counts


def _limits(key: str, interval: Interval | None) -> Summary:
    low, high = (None, None) if interval is None else (interval.low, interval.high)
    return {f"{key}.ci95_low": low, f"{key}.ci95_high": high}
