"""Measure a mid-treatment package on virtual patients that no training saw, calibrate it, and write its card.

    python scripts/measure_midrt.py PACKAGE --data FOLDER --work FOLDER [--beside NAME=PACKAGE ...] [--n 26] [--write]

Every patient is registered by hyoid itself. The presence curve of each patient is fitted on all the others; the curve
that is written into the manifest, on all. Beside the package stand the registered outlines without any network.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from hyoid.cards.table_cells import number, summary_cell
from hyoid.interfaces.places import cache_folder
from hyoid.io.cohorts.hntsmrg import find_hntsmrg_cases
from hyoid.io.packages.model_package import CARD, read_manifest, read_package, write_manifest
from hyoid.metrics.response import change_of
from hyoid.systems.machine import Machine
from hyoid.systems.midrt.ablate import outside_recall
from hyoid.systems.midrt.measure import (
    NULL,
    Answer,
    answers_of,
    cross_fitted,
    fitted_curve,
    score_table,
    scored,
    without_vanished,
)

NEW_AT_LEAST = 0.9  # a lesion without earlier outline is believed only when the network is sure
BF16_CASES = 3
VANISHED = "package, vanished lesions removed"


def main() -> None:
    """Measure, print, and with --write put curve, numbers and card into the package."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--beside", action="append", default=[])
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--made-by", action="append", default=[], help="commands that made the package, for its card")
    arguments = parser.parse_args()
    cases = find_hntsmrg_cases(arguments.data)[: arguments.n]
    machine, priors = Machine("cpu", cache_folder(), "f32"), arguments.work / "priors"
    systems = {"package": arguments.package} | {k: Path(v) for k, v in (b.split("=") for b in arguments.beside)}
    answers = {NULL: answers_of(cases, None, priors, arguments.work / NULL, machine)}
    for name, folder in systems.items():
        answers[name] = answers_of(cases, [read_package(folder)], priors, arguments.work / name, machine)
    short = answers_of(
        cases[:BF16_CASES],
        [read_package(arguments.package)],
        priors,
        arguments.work / "package-bf16",
        Machine("cpu", cache_folder(), "bf16"),
    )
    results = {name: scored(cases, {a.case: a.labels for a in said}) for name, said in answers.items()}
    results[VANISHED] = scored(cases, cross_fitted(answers["package"], new_at_least=NEW_AT_LEAST))
    table = score_table(results, NULL)
    vanished = {
        NULL: vanishing(answers[NULL], answers[NULL]),
        "package": vanishing(answers["package"], answers["package"]),
        VANISHED: vanishing(answers["package"], removed(answers["package"])),
    }
    numbers = {
        "data": f"{len(cases)} virtual patients that no training saw, registered by hyoid",
        "systems": table,
        "vanished": vanished,
        "volumes": {NULL: volumes(answers[NULL]), VANISHED: volumes(removed(answers["package"]))},
        "outside_boxes": outside_recall(answers["package"]),
        "bf16_agreement": agreement(answers["package"], short),
    }
    text = page(arguments.package, numbers, arguments.made_by)
    print(text)
    if arguments.write:
        curve = fitted_curve(answers["package"], new_at_least=NEW_AT_LEAST)
        manifest = read_manifest(arguments.package)
        constants = {**manifest.preprocessing, "presence": asdict(curve)}
        write_manifest(
            arguments.package,
            manifest.model_copy(
                update={
                    "preprocessing": constants,
                    "metrics": json.loads(json.dumps(numbers)),
                    "bf16_agreement": numbers["bf16_agreement"],
                }
            ),
        )
        (arguments.package / CARD).write_text(text, encoding="utf-8")


def removed(answers: tuple[Answer, ...]) -> tuple[Answer, ...]:
    """The answers as they are after removal, each by the curve of the others."""
    kept = []
    for answer in answers:
        curve = fitted_curve([a for a in answers if a is not answer], new_at_least=NEW_AT_LEAST)
        labels = without_vanished(answer, curve)
        kept.append(Answer(**{**vars(answer), "labels": labels, "followed": answer.followed * (labels > 0)}))
    return tuple(kept)


def vanishing(answers: tuple[Answer, ...], said: tuple[Answer, ...]) -> dict[str, int]:
    """Of the lesions that vanished and of those that did not, how many came out empty."""
    counts = {"vanished": 0, "vanished_called_empty": 0, "left": 0, "left_called_empty": 0}
    for answer, after in zip(answers, said, strict=True):
        for row in answer.lesions:
            kind = "left" if row.true_ml > 0 else "vanished"
            counts[kind] += 1
            counts[f"{kind}_called_empty"] += not bool((after.followed == row.number).any())
    return counts


def volumes(answers: tuple[Answer, ...]) -> dict[str, float | int]:
    """How far the volume now is from the true one, over all earlier lesions, and how many get the right category."""
    pairs = [
        (row.before_ml, row.true_ml, float((answer.followed == row.number).sum() * answer.voxel_ml))
        for answer in answers
        for row in answer.lesions
    ]
    changes = [abs(found - true) / before for before, true, found in pairs]
    shrunk = [found / true for before, true, found in pairs if 0 < true < before / 4]
    return {
        "lesions": len(pairs),
        "median_error": round(float(np.median(changes)), 3),
        "category_right": sum(change_of(before, true) == change_of(before, found) for before, true, found in pairs),
        "shrunk_to_a_quarter": len(shrunk),
        "found_over_true_of_these": round(float(np.median(shrunk)), 2) if shrunk else 0.0,
    }


def agreement(exact: tuple[Answer, ...], short: tuple[Answer, ...]) -> dict[str, float]:
    """Smallest Dice per label between the labels of both kinds of arithmetic."""
    worst = {"gtvp": 1.0, "gtvn": 1.0}
    for one, other in zip(exact, short, strict=False):
        for label, name in enumerate(worst, start=1):
            a, b = one.labels == label, other.labels == label
            if a.any() or b.any():
                worst[name] = min(worst[name], round(2 * float((a & b).sum()) / float(a.sum() + b.sum()), 5))
    return worst


def page(package: Path, numbers: dict, made_by: list[str]) -> str:
    """The card."""
    manifest = read_manifest(package)
    lines = [
        f"# {manifest.name} {manifest.version}",
        "",
        manifest.words,
        "",
        "Research use only. Not a medical device.",
        "",
        "## Training data",
        "",
        f"{manifest.training_data}. Licence of the weights: {manifest.licence}.",
        "",
        f"{manifest.recipe['optimiser']['steps']} steps of batch {manifest.recipe['optimiser']['batch']}; channels "
        f"{', '.join(manifest.preprocessing['channels'])}.",
        "",
        "## Measured",
        "",
        f"{numbers['data']}. Protocol aarhus2024: DSC over patients in whom neither mask is empty; DSCagg over all. "
        "Intervals of 95 % over patients.",
        "",
        "| | GTVp DSC | GTVn DSC | GTVp DSCagg | GTVn DSCagg | GTVp HD95 mm | GTVn HD95 mm | GTVp missed, invented |",
        "|---|---|---|---|---|---|---|---|",
    ]
    words = {NULL: "registered outlines, no network", "package": "this package, nothing removed",
             VANISHED: "this package as shipped: vanished lesions removed (curve of the other patients)"}  # fmt: skip
    for name, row in numbers["systems"].items():
        cells = [summary_cell(row, f"{kind}.dsc_{what}") for what in ("mean", "agg") for kind in ("GTVp", "GTVn")]
        cells += [number(row.get(f"{kind}.hd95_medpy_mm"), 1) for kind in ("GTVp", "GTVn")]
        cells.append(f"{row.get('GTVp.dsc_mean.n_missed')}, {row.get('GTVp.dsc_mean.n_false_positive')}")
        lines.append(f"| {words.get(name, name)} | {' | '.join(cells)} |")
    lines += ["", "Lesions that had vanished, and lesions that had not, that came out empty:", ""]
    for name, c in numbers["vanished"].items():
        lines.append(
            f"- {words.get(name, name)}: {c['vanished_called_empty']} of {c['vanished']} vanished; "
            f"{c['left_called_empty']} of {c['left']} others."
        )
    difference = numbers["systems"][VANISHED]
    lines += ["", "As shipped against the registered outlines, the same patients, paired: " + "; ".join(
        f"{kind} DSC {signed(difference, f'against.{kind}.dsc_mean.difference')}, "
        f"p = {number(difference.get(f'against.{kind}.dsc_mean.p_wilcoxon'))} (Wilcoxon)"
        for kind in ("GTVp", "GTVn")) + "."]  # fmt: skip
    ours, null = numbers["volumes"][VANISHED], numbers["volumes"][NULL]
    lines += [
        "",
        f"Volume now, over {ours['lesions']} lesions of before: off by {ours['median_error']:.0%} of the volume before "
        f"(median; registered outlines {null['median_error']:.0%}); right category of the report "
        f"{ours['category_right']} of {ours['lesions']} (registered outlines {null['category_right']}).",
    ]
    outside, gone = numbers["outside_boxes"], numbers["vanished"][VANISHED]
    lines += ["", f"Tumour outside every box of the map: {outside['voxels']} voxels"
              + ("." if outside["found"] is None else f", of which {outside['found']:.0%} were outlined.")]  # fmt: skip
    lines += [
        "",
        "## Where it fails",
        "",
        "- No real MR was seen, in training or here. On real patients nothing is known of it.",
        f"- Vanished tumours: {gone['vanished'] - gone['vanished_called_empty']} of {gone['vanished']} still have an "
        "outline. Where a virtual tumour vanished, swollen or scarred tissue is left, and it takes that for tumour.",
        f"- Tumour that shrank to less than a quarter ({ours['shrunk_to_a_quarter']} lesions) is outlined "
        f"{ours['found_over_true_of_these']:g} times as large as it is (median): response is understated.",
        "- No virtual patient has a lesion that is new during treatment: whether it finds one was not measured.",
        "- It leans on the outlines from before. Where these are wrong, or the registration is, it is.",
        "",
        "## Made by",
        "",
        "```",
        *made_by,
        "```",
    ]
    return "\n".join(lines) + "\n"


def signed(row: dict, key: str) -> str:
    """A difference with its limits."""
    low, high = row.get(f"{key}.ci95_low"), row.get(f"{key}.ci95_high")
    limits = "" if low is None or high is None else f" ({low:+.3f} to {high:+.3f})"
    return f"{row[key]:+.3f}{limits}"


if __name__ == "__main__":
    main()
