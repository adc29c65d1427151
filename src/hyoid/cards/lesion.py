"""Cards of interactive networks: what clicks buy, and which attributes are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyoid.anatomy.lesion_attributes import ATTRIBUTES
from hyoid.cards.page import VIRTUAL_ONLY, teachers
from hyoid.cards.table_cells import number, with_limits
from hyoid.io.packages.model_package import Manifest

SHOWN = (1, 3, 5, 10)
"""Clicks after which Dice stands in the card."""
TRUE_MASK = "true mask"
DESCRIBED = "attributes"
"""Key of the manifest's metrics under which attributes were measured."""


def lesion_measured(manifest: Manifest) -> list[str]:
    """Tell what clicks and attributes were measured to be worth, in Markdown.

    Parameters
    ----------
    manifest : Manifest
        Whose `metrics` hold one entry per set of lesions, and `attributes` where these were measured.
    """
    sets = {name: result for name, result in manifest.metrics.items() if name != DESCRIBED}
    described = manifest.metrics.get(DESCRIBED, {})
    parts = [
        "Mean Dice on the scan's own grid after simulated clicks; 95 % intervals: bootstrap over patients. The "
        "deterministic user clicks the innermost voxel of the largest error, the noisy one anywhere near it. Ball: the "
        "median lesion volume of the row as a ball around the first click, without any network."
    ]
    if sets:
        parts.append(click_rows(sets))
    last = {name: result["users"]["deterministic"]["attributes"] for name, result in sets.items()
            if "deterministic" in result["users"]}  # fmt: skip
    if any(last.values()) and not described:
        parts += ["Attributes after the last click: accuracy / most frequent class / balanced accuracy.",
                  last_click_rows(last)]  # fmt: skip
    if described:
        parts += ["Attributes: accuracy, 95 % interval over patients, beside the most frequent class.",
                  attribute_rows(described)]  # fmt: skip
    return parts


def lesion_limits(manifest: Manifest) -> list[str]:
    """Tell where an interactive network fails, as far as its manifest shows.

    Parameters
    ----------
    manifest : Manifest
        Of the package.
    """
    untaught = [name for name in ATTRIBUTES if name not in manifest.supported]
    limits = []
    if teachers(manifest):
        limits.append(f"It learned from {VIRTUAL_ONLY}; on real tumours it may need more clicks than on these.")
    limits += [
        "MR and PET were never shown to it, only CT with grey values remapped at random.",
        "One lesion at a time: a click between two lesions may take both.",
        "The expected overlap that the network gives with each mask is not calibrated.",
    ]
    if untaught:
        limits.append(f"It does not tell {', '.join(untaught)}: reports say `Missing`.")
    return limits


def click_rows(sets: Mapping[str, Mapping[str, Any]]) -> str:
    """Write a Markdown table of Dice by number of clicks, one row per set of lesions and user.

    Parameters
    ----------
    sets : mapping of str to mapping
        Words for the lesions to what `hyoid.systems.lesion.measure.measure_clicks` found.
    """
    clicks = [k for k in SHOWN if all(k <= len(user["dice"]) for r in sets.values() for user in r["users"].values())]
    heads = " | ".join(f"{k} click{'s' * (k > 1)}" for k in clicks)
    rows = [
        f"| lesions | n (patients) | user | ball | {heads} | clicks to Dice 0.8 (never) | HD95 mm (missed) |",
        "|---" * (6 + len(clicks)) + "|",
    ]
    for name, result in sets.items():
        for user, found in result["users"].items():
            cells = " | ".join(mean_cell(found["dice"][k - 1]) for k in clicks)
            rows.append(
                f"| {name} | {result['n']} ({result['patients']}) | {user} | {mean_cell(result['ball'])} | {cells} | "
                f"{found['noc']['mean']:.1f} ({found['noc']['failures']}) | {number(found['hd95_mm']['mean'], 1)} "
                f"({found['hd95_mm']['missed']}) |"
            )
    return "\n".join(rows)


def last_click_rows(sets: Mapping[str, Mapping[str, Any]]) -> str:
    """Write a Markdown table of attributes after the last click.

    Parameters
    ----------
    sets : mapping of str to mapping
        Words for the lesions to attribute to its score.
    """
    rows = ["| lesions | " + " | ".join(ATTRIBUTES) + " |", "|---" * (1 + len(ATTRIBUTES)) + "|"]
    for name, scores in sets.items():
        cells = [
            f"{s['accuracy']:.2f} / {s['majority']:.2f} / {s['balanced']:.2f} (n {s['n']})" if s else "-"
            for s in (scores.get(attribute) for attribute in ATTRIBUTES)
        ]
        if scores:
            rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def attribute_rows(sets: Mapping[str, Any]) -> str:
    """Write a Markdown table of the accuracy of every attribute beside its most frequent class.

    Parameters
    ----------
    sets : mapping of str to mapping
        Words for the lesions to `n`, `patients` and `scores`: kind of mask to attribute to its score.
    """
    rows = [f"| lesions | n (patients) | mask | {' | '.join(ATTRIBUTES)} |", "|---" * (3 + len(ATTRIBUTES)) + "|"]
    for name, found in sets.items():
        n = f"{found['n']} ({found['patients']})"
        first = next(iter(found["scores"].values()))
        most = " | ".join(number(None if a not in first else first[a]["majority"], 2) for a in ATTRIBUTES)
        rows.append(f"| {name} | {n} | always the most frequent | {most} |")
        for mask, scores in found["scores"].items():
            cells = " | ".join(_accuracy_cell(scores.get(a)) for a in ATTRIBUTES)
            rows.append(f"| {name} | {n} | {mask} | {cells} |")
    return "\n".join(rows)


def mean_cell(value: Mapping[str, float | None]) -> str:
    """Write a mean with the limits of its interval.

    Parameters
    ----------
    value : mapping
        `mean`, `low` and `high`; limits may be None.
    """
    return with_limits(value["mean"], value["low"], value["high"])


def _accuracy_cell(score: Mapping[str, Any] | None) -> str:
    if score is None:
        return "-"
    limits = "" if score["low"] is None else f" ({score['low']:.2f} to {score['high']:.2f})"
    return f"{score['accuracy']:.2f}{limits}"
