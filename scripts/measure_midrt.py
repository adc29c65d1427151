"""Measure a mid-treatment package on virtual patients that no training saw, calibrate it, and write its card.

    python scripts/measure_midrt.py PACKAGE --data FOLDER --work FOLDER [--beside NAME=PACKAGE ...] [--n 11] [--write]

Every patient is registered by hyoid itself. The presence curve of each patient is fitted on all the others; the curve
that is written into the manifest, on all. Beside the package stand the registered outlines without any network.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from hyoid.interfaces.places import cache_folder
from hyoid.io.hntsmrg import find_hntsmrg_cases
from hyoid.io.model_package import CARD, read_manifest, read_package, write_manifest
from hyoid.pipelines.midrt_ablation import interval, number, outside_recall
from hyoid.pipelines.midrt_scores import (
    NULL,
    Answer,
    answers_of,
    cross_fitted,
    fitted_curve,
    score_table,
    scored,
    without_vanished,
)
from hyoid.pipelines.structured_report import Machine

NEW_AT_LEAST = 0.9  # a lesion without earlier outline is believed only when the network is sure
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
    arguments = parser.parse_args()
    cases = find_hntsmrg_cases(arguments.data)[: arguments.n]
    machine, priors = Machine("cpu", cache_folder(), "f32"), arguments.work / "priors"
    systems = {"package": arguments.package} | {k: Path(v) for k, v in (b.split("=") for b in arguments.beside)}
    answers = {NULL: answers_of(cases, None, priors, arguments.work / NULL, machine)}
    for name, folder in systems.items():
        answers[name] = answers_of(cases, [read_package(folder)], priors, arguments.work / name, machine)
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
        "outside_boxes": outside_recall(answers["package"]),
    }
    text = page(arguments.package, numbers)
    print(text)
    if arguments.write:
        curve = fitted_curve(answers["package"], new_at_least=NEW_AT_LEAST)
        manifest = read_manifest(arguments.package)
        constants = {**manifest.preprocessing, "presence": asdict(curve)}
        write_manifest(
            arguments.package,
            manifest.model_copy(update={"preprocessing": constants, "metrics": json.loads(json.dumps(numbers))}),
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


def page(package: Path, numbers: dict) -> str:
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
        cells = [interval(row, f"{kind}.dsc_{what}") for what in ("mean", "agg") for kind in ("GTVp", "GTVn")]
        cells += [number(row.get(f"{kind}.hd95_medpy_mm"), 1) for kind in ("GTVp", "GTVn")]
        cells.append(f"{row.get('GTVp.dsc_mean.n_missed')}, {row.get('GTVp.dsc_mean.n_false_positive')}")
        lines.append(f"| {words.get(name, name)} | {' | '.join(cells)} |")
    lines += ["", "Lesions that had vanished, and lesions that had not, that came out empty:", ""]
    for name, c in numbers["vanished"].items():
        lines.append(
            f"- {words.get(name, name)}: {c['vanished_called_empty']} of {c['vanished']} vanished; "
            f"{c['left_called_empty']} of {c['left']} others."
        )
    outside = numbers["outside_boxes"]
    lines += ["", f"Tumour outside every box of the map: {outside['voxels']} voxels"
              + ("." if outside["found"] is None else f", of which {outside['found']:.0%} were outlined.")]  # fmt: skip
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
