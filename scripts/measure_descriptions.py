"""Measure the attributes that the interactive network tells of a lesion, and choose those that a report may say.

    python scripts/measure_descriptions.py PACKAGE [--described DIR] [--zero-shot DIR] [--held-out DIR]

Virtual cohorts of layout `plain` whose lesions are described. `--described` is what the lesion head was taught on,
divided as in its recipe; without it nothing is chosen. `--held-out` is a cohort of another seed, measured whole.
An attribute is supported where its accuracy on the validation part beats the most frequent class by more than chance
(the lower end of its 95 % interval lies above it) with the true masks and after every number of clicks measured: a
report is shown after every click. Nothing is chosen on the test part, the reserved types and the cohort held out.
Adds the figures (and, where it chose, `supported`) to the manifest, and prints tables.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hyoid.anatomy.lesion_attributes import ATTRIBUTES
from hyoid.inference.click_network import ClickNetwork
from hyoid.io.packages.model_package import ModelPackage, read_package, write_manifest
from hyoid.systems.lesion.ablate import click_cases
from hyoid.systems.lesion.measure import CLICKS, ClickCase, attribute_scores, simulate, words_of_masks
from hyoid.training.lesion_cases import load_lesions, of_part

SHOWN = (1, 3, 10)
TRUE = "true mask"

Scores = dict[str, dict[str, float | int | None]]


def speaking(package: ModelPackage) -> ClickNetwork:
    """The network, saying all attributes."""
    named = package.manifest.model_copy(update={"supported": ("lesion", *ATTRIBUTES)})
    return ClickNetwork(replace(package, manifest=named))


def measured(cases: Sequence[ClickCase], network: ClickNetwork) -> dict[str, Scores]:
    """Scores with the true masks, and with the network's own after clicks of the steady user."""
    runs = [simulate(case, network, "deterministic", clicks=CLICKS) for case in cases]
    after = {
        f"after {k} click{'s' * (k > 1)}": attribute_scores(cases, [run.attributes[k - 1] for run in runs])
        for k in SHOWN
    }
    return {TRUE: attribute_scores(cases, words_of_masks(cases, network))} | after


def beats_the_majority(score: dict[str, Any] | None) -> bool:
    """Whether the lower end of the interval lies above the most frequent class."""
    return score is not None and score["low"] is not None and score["low"] > score["majority"]


def table(results: dict[str, Any]) -> str:
    """Accuracy (95 % interval) of every attribute, beside the most frequent class."""
    lines = [f"| lesions | n (patients) | mask | {' | '.join(ATTRIBUTES)} |", "|---" * (3 + len(ATTRIBUTES)) + "|"]
    for name, of in results.items():
        n = f"{of['n']} ({of['patients']})"
        of_any = of["scores"][TRUE]
        cells = " | ".join(f"{of_any[a]['majority']:.2f}" for a in ATTRIBUTES)
        lines.append(f"| {name} | {n} | always the most frequent | {cells} |")
        for mask, scores in of["scores"].items():
            cells = " | ".join(
                f"{s['accuracy']:.2f} ({s['low']:.2f} to {s['high']:.2f})" for s in (scores[a] for a in ATTRIBUTES)
            )
            lines.append(f"| {name} | {n} | {mask} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, choose, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path)
    parser.add_argument("--described", type=Path)
    parser.add_argument("--zero-shot", type=Path)
    parser.add_argument("--held-out", type=Path)
    chosen = parser.parse_args()
    package = read_package(chosen.package)
    recipe, network = package.manifest.recipe, speaking(package)
    sets = {}
    if chosen.described:
        lesions = load_lesions([chosen.described])
        for part in ("validation", "test"):
            sets[part] = click_cases(of_part(lesions, recipe["split"], recipe["seed"], part))
    if chosen.zero_shot:
        sets["types never trained on"] = click_cases([c for c in load_lesions([chosen.zero_shot]) if c.zero_shot])
    if chosen.held_out:
        sets["another seed"] = click_cases(load_lesions([chosen.held_out]))
    results: dict[str, Any] = {}
    for name, cases in sets.items():
        results[name] = {
            "n": len(cases), "patients": len({case.patient for case in cases}), "scores": measured(cases, network),
        }  # fmt: skip
        print(table({name: results[name]}), flush=True)
    before = package.manifest.metrics
    changes: dict[str, Any] = {"metrics": before | {"attributes": before.get("attributes", {}) | results}}
    if chosen.described:
        of_validation = results["validation"]["scores"].values()
        learned = [name for name in ATTRIBUTES if all(beats_the_majority(scores.get(name)) for scores in of_validation)]
        print("supported:", ", ".join(learned) or "none")
        changes["supported"] = ("lesion", *learned)
    write_manifest(chosen.package, package.manifest.model_copy(update=changes))


if __name__ == "__main__":
    main()
