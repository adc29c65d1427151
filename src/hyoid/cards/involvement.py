"""Cards of classifiers that say which structures a tumour involves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyoid.anatomy.involvement import words_of_field
from hyoid.anatomy.structures import BY_NAME
from hyoid.cards.decisions import LOWEST_PRECISION
from hyoid.cards.outlines import speed_words
from hyoid.cards.table_cells import number, with_limits
from hyoid.io.packages.model_package import Manifest

EVERY_FIELD = "all"
"""Row of a calibration table that pools all fields."""
OWN = "this network"
SCORERS = {"sgrnet": OWN, "template": OWN, "ct_only": "CT only", "overlap": "plain overlap"}
"""Columns of the table of average precision, in their order."""
BEFORE = "before"
"""Scorer that is an earlier default network: compared with, but no column of the table."""
INVOLVEMENT_LIMITS = (
    "Its labels are overlap with a planning target, a stand-in for involvement by tumour.",
    "It is as good as the predicted target: it begins at a rule read off that, and images add little to it.",
    "Heatmaps of training patients came from localisers trained on the other half of them, those in use from one "
    "trained on all: a little better.",
)
SUB_SITES_LIMITS = (
    "It answers from where an outlined tumour lies among outlined organs and never looks at the CT. It cannot see that "
    "a muscle is infiltrated or a cartilage is destroyed.",
    "Sub-sites of virtual patients have sharp borders, those of radiologists do not; neighbouring lines of the larynx "
    "are told apart by millimetres.",
    "It needs an outline of the primary tumour; of the predicted high-dose target it is not asked.",
)


def involvement_measured(manifest: Manifest) -> list[str]:
    """Tell what a classifier was measured to be worth, in Markdown.

    Parameters
    ----------
    manifest : Manifest
        Whose `metrics` hold `data`, `average_precision`, `calibration`, and, where measured, `gain`, `balls` and
        `calibration_held_out`.
    """
    metrics = manifest.metrics
    parts = [
        f"{metrics['data']}. 95 % intervals: bootstrap over patients.",
        ranking_rows(metrics["average_precision"], metrics.get("gain", {})),
    ]
    if metrics.get("balls"):
        parts.append(ball_rows(metrics["balls"]))
    parts += calibration_parts(manifest)
    unlearned = [name for name in manifest.labels if name not in manifest.supported]
    if unlearned:
        rule = (
            f", or an average precision below {LOWEST_PRECISION} out of fold"
            if "average_precision_held_out" in metrics
            else ""
        )
        names = ", ".join(words_of_field(name) for name in unlearned)
        parts.append(f"Too few examples{rule}, so never answered: {names}.")
    return [*parts, *speed_words(manifest)]


def ranking_rows(table: Mapping[str, Mapping[str, Any]], gain: Mapping[str, Any]) -> str:
    """Write a Markdown table of average precision by field and scorer, and the paired differences under it.

    Parameters
    ----------
    table : mapping of str to mapping
        Field, and "mean" for all, to `n`, `prevalence` and the average precision of every scorer.
    gain : mapping of str to mapping
        Scorer to the `difference` of the mean from this network's, with `low` and `high`; None where not defined.
    """
    columns = {name: words for name, words in SCORERS.items() if name in table["mean"]}
    rows = [
        f"| label | n | prevalence | {' | '.join(columns.values())} |",
        "|---|---|---" + "|---" * len(columns) + "|",
    ]
    for name, row in table.items():
        words = "**mean**" if name == "mean" else words_of_field(name)
        values = [with_limits(row[scorer], *(row.get(f"{scorer}_interval") or (None, None))) for scorer in columns]
        rows.append(f"| {words} | {row['n']} | {row['prevalence']:.2f} | {' | '.join(values)} |")
    names = SCORERS | {BEFORE: "the default network before this one"}
    told = [
        f"{names.get(name, name)} {with_limits(row['difference'], row['low'], row['high'], sign='+')}"
        for name, row in gain.items()
        if row is not None
    ]
    if told:
        rows.append(f"\nDifference of the mean, paired by patient: against {', against '.join(told)}.")
    said = ["\nAverage precision."]
    if "ct_only" in columns:
        said.append("CT only: DenseNet121 without priors, on the same patients for at least as many steps.")
    outline = "outlined primary" if "template" in columns else "predicted target"
    said.append(f"Plain overlap: share of the predicted organ that the {outline} covers, no classifier.")
    rows.append(" ".join(said))
    return "\n".join(rows)


def ball_rows(table: Mapping[str, Mapping[str, Any]]) -> str:
    """Write a Markdown table of what was answered about balls placed in real anatomy.

    Parameters
    ----------
    table : mapping of str to mapping
        Organ to `n` balls and `yes`: heading of the template to the share of balls with a line answered yes.
    """
    regions = list(next(iter(table.values()))["yes"])
    rows = [
        "Real scans have no label for these lines. What could be checked is the place: a ball of 10 mm radius in the "
        "middle of a real contour, given as the outline of a primary. Share of real patients with at least one line "
        "answered yes, by heading of the template:\n",
        f"| ball in | n | {' | '.join(regions)} |",
        "|---|---" + "|---" * len(regions) + "|",
    ]
    for organ, row in table.items():
        shares = " | ".join(f"{row['yes'][region]:.2f}" for region in regions)
        rows.append(f"| {BY_NAME[organ].words} | {row['n']} | {shares} |")
    return "\n".join(rows)


def calibration_parts(manifest: Manifest) -> list[str]:
    """Tell what the probabilities are worth, out of fold in the training patients and on those measured.

    Parameters
    ----------
    manifest : Manifest
        Whose `metrics` hold `calibration`, and `calibration_held_out` where `hyoid calibrate` set temperatures.
    """
    here = manifest.metrics["calibration"]
    if not manifest.temperatures:
        row = here[EVERY_FIELD]
        ece, brier = (
            with_limits(row[f"{key}_before"], *(row[f"{key}_before_interval"] or (None, None)))
            for key in ("ece", "brier")
        )
        return [
            f"Probabilities are not calibrated: over all labels of these patients, calibration error (ECE) {ece}, "
            f"Brier score {brier}; the prevalence promised to everybody has a Brier score of "
            f"{number(row['brier_of_prevalence'])}."
        ]
    parts = [
        "### Probabilities",
        "Temperature, threshold (best F1) and band of doubt (a fifth of the patients where half are positive, fewer "
        "where most are clear) were fitted on out-of-fold predictions of the training patients. The last column "
        "promises everybody the share of positives.",
    ]
    held_out = manifest.metrics.get("calibration_held_out")
    if held_out is not None:
        parts.append(calibration_rows(manifest, held_out["table"], held_out["data"]))
    return [*parts, calibration_rows(manifest, here, f"{manifest.metrics['data']}; they chose nothing.")]


def calibration_rows(manifest: Manifest, table: Mapping[str, Mapping[str, Any]], whom: str) -> str:
    """Write a Markdown table of every field's constants, and what its probabilities are worth before and after.

    Parameters
    ----------
    manifest : Manifest
        With its temperatures, thresholds and bands of doubt.
    table : mapping of str to mapping
        Field, and `EVERY_FIELD`, to its row, as `hyoid.systems.ct_report.calibrate.before_and_after` makes it.
    whom : str
        The patients, in words.
    """
    rows = [
        f"{whom}\n",
        "| label | n | temperature | threshold | equivocal | ECE before | ECE after | Brier before | Brier after | "
        "Brier of the prevalence |",
        "|---" * 10 + "|",
    ]
    for name, row in table.items():
        if name == EVERY_FIELD:
            cells = ["**all**", str(row["n"]), "", "", ""]
        else:
            band = manifest.equivocal.get(name)
            cells = [words_of_field(name), str(row["n"]), f"{manifest.temperatures[name]:.2f}"]
            cells += [f"{manifest.thresholds[name]:.2f}", "-" if band is None else f"{band[0]:.2f}-{band[1]:.2f}"]
        for key in ("ece_before", "ece_after", "brier_before", "brier_after"):
            cells.append(with_limits(row[key], *(row[f"{key}_interval"] or (None, None))))
        cells.append(f"{row['brier_of_prevalence']:.3f}")
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)
