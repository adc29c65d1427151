"""Measure the interactive network and write what came out into its package: metrics and card.

    python scripts/measure_clicks.py PACKAGE [--trained DIR ...] [--virtual DIR] [--zero-shot DIR] [--real DIR]

Virtual cohorts are of layout `plain`. Of the cohorts trained on, give all: the test part of the recipe's split over all
of them is measured (patients that the starting weights alone were trained on may lie in it: leave those out). Of
`--virtual`, which no training saw, every patient. Real lesions are read for checking only. Which attributes a report
may tell is chosen by `scripts/measure_descriptions.py`, whose figures stay as they are.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from hyoid.anatomy.lesion_attributes import ATTRIBUTES
from hyoid.geometry.orientation import to_canonical
from hyoid.inference.click_network import ClickNetwork
from hyoid.io.files.volumes import read_image, read_labels
from hyoid.io.packages.model_package import CARD, read_manifest, read_package, write_manifest
from hyoid.io.study import fingerprint
from hyoid.systems.lesion.ablate import click_cases
from hyoid.systems.lesion.measure import ClickCase, measured
from hyoid.systems.lesion.pipeline import Scan
from hyoid.training.lesion_cases import load_lesions, of_part
from hyoid.volume import Quantity, Volume

MODALITIES = {"CT": Quantity.HU, "PET": Quantity.SUV, "MR_T1": Quantity.MR}
SHOWN = (1, 3, 5, 10)


def of_training(folders: list[Path], recipe: dict[str, Any]) -> dict[str, list[ClickCase]]:
    """Lesions of the test part, per cohort; the split runs over all cohorts together, as in training."""
    test = of_part(load_lesions(folders), recipe["split"], recipe["seed"], "test")
    return {
        f"virtual CT, test part of {folder.name}": click_cases(
            [case for case in test if (folder / case.patient.name).is_dir()]
        )
        for folder in folders
    }


def real(folder: Path, modality: str) -> list[ClickCase]:
    """Real tumours of one modality."""
    rows = []
    for patient in sorted(folder.glob("STS_*")):
        image = to_canonical(read_image(patient / f"{modality}_image.nii.gz", MODALITIES[modality]))
        mask = to_canonical(read_labels(patient / f"{modality}_mask.nii.gz"))
        scan = Scan(Volume(image.array.astype(np.float32), image.geometry, image.quantity), fingerprint(image))
        rows.append(ClickCase(patient.name, patient.name, scan, mask.array > 0))
    return rows


def number(value: dict[str, float | None]) -> str:
    """Mean with its interval."""
    if value["low"] is None:
        return f"{value['mean']:.3f}"
    return f"{value['mean']:.3f} ({value['low']:.3f} to {value['high']:.3f})"


def card(manifest: Any, results: dict[str, Any], command: str) -> str:
    """Text of CARD.md."""
    lines = [
        f"# {manifest.name} {manifest.version}", "", manifest.words, "", "Research use only. Not a medical device.", "",
        "## Training data", "",
        f"{manifest.training_data}. No real scan was trained on. Licence of the weights: {manifest.licence}.", "",
        "## Measured", "",
        "Mean Dice on the scan's own grid after simulated clicks; 95 % intervals: bootstrap over patients. The "
        "deterministic user clicks the innermost voxel of the largest error, the noisy one anywhere near it. Ball: the "
        "median lesion volume of the row as a ball around the first click, without any network.", "",
        "| lesions | n (patients) | user | ball | " + " | ".join(f"{k} click{'s' * (k > 1)}" for k in SHOWN)
        + " | clicks to Dice 0.8 (never) | HD95 mm (missed) |",
        "|---" * (6 + len(SHOWN)) + "|",
    ]  # fmt: skip
    for name, result in results.items():
        for user, of in result["users"].items():
            cells = " | ".join(number(of["dice"][k - 1]) for k in SHOWN)
            hd95 = "-" if of["hd95_mm"]["mean"] is None else f"{of['hd95_mm']['mean']:.1f}"
            lines.append(
                f"| {name} | {result['n']} ({result['patients']}) | {user} | {number(result['ball'])} | {cells} | "
                f"{of['noc']['mean']:.1f} ({of['noc']['failures']}) | {hd95} ({of['hd95_mm']['missed']}) |"
            )
    described = {name: result["users"]["deterministic"]["attributes"] for name, result in results.items()}
    if any(described.values()):
        lines += ["", "Attributes after the last click: accuracy / most frequent class / balanced accuracy.", "",
                  "| lesions | " + " | ".join(ATTRIBUTES) + " |", "|---" * (1 + len(ATTRIBUTES)) + "|"]  # fmt: skip
        for name, scores in described.items():
            if scores:
                cells = [
                    f"{s['accuracy']:.2f} / {s['majority']:.2f} / {s['balanced']:.2f} (n {s['n']})" if s else "-"
                    for s in (scores.get(attribute) for attribute in ATTRIBUTES)
                ]
                lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += [
        "", "## Where it fails", "",
        "- It learned from virtual patients only; on real tumours it needs more clicks, as the table shows.",
        "- MR and PET were never shown to it, only CT with grey values remapped at random.",
        "- One lesion at a time: a click between two lesions may take both.",
        "- The expected overlap that the network gives with each mask is not calibrated.", "",
        "## Made by", "", "```", command, "```",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path)
    parser.add_argument("--trained", type=Path, action="append", default=[], help="A cohort it was trained on.")
    parser.add_argument("--virtual", type=Path, action="append", default=[])
    parser.add_argument("--zero-shot", type=Path)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--user", action="append", help="deterministic or noisy; both when not given.")
    parser.add_argument("--most", type=int, default=0, help="Only so many lesions of each virtual cohort; 0: all.")
    parser.add_argument("--made-by", default="hyoid train lesion --data COHORT --out OUT")
    parser.add_argument("--out", type=Path, help="Also write everything, case by case, to this JSON file.")
    chosen = parser.parse_args()
    manifest = read_manifest(chosen.package)
    network = ClickNetwork(read_package(chosen.package))
    sets: dict[str, list[ClickCase]] = {}
    if chosen.trained:
        sets |= of_training(chosen.trained, manifest.recipe)
    for folder in chosen.virtual:
        sets[f"virtual CT, {folder.name}"] = click_cases([c for c in load_lesions([folder]) if not c.zero_shot])
    if chosen.most:
        sets = {name: rows[: chosen.most] for name, rows in sets.items()}
    if chosen.zero_shot:
        reserved = [case for case in load_lesions([chosen.zero_shot]) if case.zero_shot]
        sets["virtual CT, types never trained on"] = click_cases(reserved)
    if chosen.real:
        sets |= {f"real soft-tissue sarcoma, {m.replace('_', ' ')}": real(chosen.real, m) for m in MODALITIES}
    results = {}
    for name, rows in sets.items():
        results[name] = measured(rows, network, users=chosen.user or ("deterministic", "noisy"))
        of = results[name]["users"]["deterministic"]
        print(name, "ball", number(results[name]["ball"]), [round(d["mean"], 3) for d in of["dice"]], flush=True)
    short = {
        name: {"n": r["n"], "patients": r["patients"], "ball": r["ball"],
               "users": {u: {k: v for k, v in of.items() if k != "cases"} for u, of in r["users"].items()}}
        for name, r in results.items()
    }  # fmt: skip
    kept = {name: of for name, of in manifest.metrics.items() if name == "attributes"}
    write_manifest(chosen.package, manifest.model_copy(update={"metrics": short | kept}))
    (chosen.package / CARD).write_text(card(manifest, results, chosen.made_by), encoding="utf-8")
    if chosen.out:
        chosen.out.write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
