"""Measure the PET/CT system on held-out patients and write cards and manifests of its packages.

    python scripts/measure_petct.py RUNS TEST WEIGHTS

RUNS holds `run_head`, `run_coarse`, `run_resenc`, `run_segresnet` of `hyoid train`; TEST is a folder of cases that no
network saw; packages, measured, are copied to WEIGHTS. Trivial baseline: everything at or above SUV 4 outside the
brain's height is a target, the largest part GTVp, the others GTVn.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import cc3d
import numpy as np

from hyoid.geometry.resample import resample
from hyoid.io.files import read_labels
from hyoid.io.model_package import CARD, ModelPackage, read_package, write_manifest
from hyoid.io.petct import PetRequest, read_petct
from hyoid.metrics.case_results import measure_case
from hyoid.metrics.masks import CaseMasks
from hyoid.metrics.protocols import HECKTOR_2025_STYLE
from hyoid.metrics.summaries import summarise
from hyoid.pipelines.petct import PetCtModels, find_targets, head_mask
from hyoid.pipelines.structured_report import Machine
from hyoid.preprocess.pet import on_ct
from hyoid.training.targets_cases import find_targets_cases, head_of

KEYS = ("GTVp.dsc_mean", "GTVn.dsc_agg", "GTVn.f1")
STAGES = {name: f"petct-{name}" for name in ("head", "coarse", "resenc", "segresnet", "plain")}
BASELINE_SUV, BELOW_CRICOID_MM = 4.0, 50.0
WHOLE, BASELINE = "the whole system", f"SUV >= {BASELINE_SUV:g} below the brain"


def main() -> None:
    """Measure, print, copy."""
    arguments = options()
    folders = {key: arguments.runs / f"run_{key}" / "package" for key in STAGES}
    packages = {key: read_package(folder) for key, folder in folders.items() if folder.is_dir()}
    packages.pop("plain", None)
    head, coarse = packages["head"], packages["coarse"]
    fine = tuple(package for key, package in packages.items() if key not in ("head", "coarse"))
    machine = Machine("cpu", arguments.cache, "f32")
    systems = {WHOLE: (fine, True), "without PET": (fine, False), "coarse network alone": ((as_fine(coarse),), True)}
    systems = {name: system for name, system in systems.items() if system[0]}
    results: dict[str, list] = {name: [] for name in (*systems, BASELINE)}
    head_dice: list[float] = []
    centre_mm: list[float] = []
    for files in find_targets_cases(arguments.test)[: arguments.most]:
        study = read_petct(files.ct, PetRequest(file=files.pet, units="suv"))
        ct, pet = study.ct.volume, study.pet.volume
        organs, truth = read_labels(files.organs), read_labels(files.targets)
        reference = CaseMasks(truth.geometry, labels=truth.array)
        found, _ = head_mask(ct, head, machine)
        wanted = resample(head_of(ct, organs, BELOW_CRICOID_MM), found.geometry).array > 0
        head_dice.append(2 * (wanted & (found.array > 0)).sum() / (wanted.sum() + (found.array > 0).sum()))
        for name, (networks, with_pet) in systems.items():
            run = find_targets(ct, pet if with_pet else None, PetCtModels(head, coarse, networks), machine)
            masks = CaseMasks(ct.geometry, labels=run.labels.array)
            results[name].append(measure_case(files.name, reference, masks, HECKTOR_2025_STYLE))
            centre = run.facts["fine_centre_lps_mm"]
            if with_pet and centre is not None and len(centre_mm) < len(head_dice):
                middle = truth.geometry.to_lps(np.argwhere(truth.array > 0).mean(axis=0))
                centre_mm.append(float(np.linalg.norm(middle - np.array(centre))))
        simple = threshold(on_ct(pet, ct.geometry, interpolation="linear").array, organs.array)
        masks = CaseMasks(ct.geometry, labels=simple)
        results[BASELINE].append(measure_case(files.name, reference, masks, HECKTOR_2025_STYLE))
        print(files.name, f"head {head_dice[-1]:.3f}", flush=True)
    table = {name: summarise(rows, HECKTOR_2025_STYLE) for name, rows in results.items()}
    numbers = {
        name: {key: [None if v is None else round(v, 4) for v in interval(summary, key)] for key in KEYS}
        for name, summary in table.items()
    }
    text, cases = card_table(table), len(head_dice)
    if not fine:
        packages["plain"] = as_fine(coarse)
        folders["plain"] = folders["coarse"]
    extra = (
        f"Head region: mean Dice {np.mean(head_dice):.3f}, lowest {min(head_dice):.3f}. Centre of the fine cube: "
        f"{np.median(centre_mm) if centre_mm else np.nan:.1f} mm (median) from the true one, at most "
        f"{max(centre_mm, default=np.nan):.1f} mm, found in {len(centre_mm)} of {cases}; the cube reaches 72 mm."
    )
    print(json.dumps(numbers, indent=1), text, extra, sep="\n")
    metrics = {
        "patients": cases,
        "data": "virtual patients of centres e and f, unseen in training",
        "head_dice": round(float(np.mean(head_dice)), 4),
        "systems": numbers,
    }
    for key, package in packages.items():
        deliver(package, folders[key], arguments.weights / STAGES[key], metrics, f"{text}\n\n{extra}")


def options() -> argparse.Namespace:
    """What the user asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("work/cache"))
    parser.add_argument("--most", type=int, default=100, help="patients")
    return parser.parse_args()


def deliver(package: ModelPackage, source: Path, target: Path, metrics: dict, measured: str) -> None:
    """Copy a package with what was measured in its manifest and card."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    changed = package.manifest.model_copy(update={"metrics": metrics})
    write_manifest(target, changed)
    (target / CARD).write_text(card(changed, measured), encoding="utf-8")


def as_fine(coarse: ModelPackage) -> ModelPackage:
    """The coarse network in the place of the fine ones, at its own spacing."""
    constants = coarse.manifest.preprocessing
    fine = constants | {"stage": "fine", "region": constants["region"] | {"min_volume_ml": 0.1}}
    words = "Outlines tumour and nodes in the fine region: the coarse network once more, in the place of fine ones."
    changed = {"preprocessing": fine, "name": STAGES["plain"], "words": words}
    return ModelPackage(coarse.manifest.model_copy(update=changed), coarse.weights)


def threshold(suv: np.ndarray, organs: np.ndarray) -> np.ndarray:
    """The baseline's labels: SUV at or above the limit below the lowest slice of the brainstem."""
    labels = np.zeros(suv.shape, np.uint8)
    stem = np.flatnonzero((organs == 25).any(axis=(1, 2)))
    hot = suv >= BASELINE_SUV
    if len(stem):
        hot[int(stem[0]) :] = False
    parts = cc3d.connected_components(hot.astype(np.uint8), connectivity=26)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    labels[hot] = 2
    if sizes.any():
        labels[parts == int(sizes.argmax())] = 1
    return labels


def interval(summary: dict, key: str) -> tuple:
    """Value and its limits."""
    return tuple(summary.get(name) for name in (key, f"{key}.ci95_low", f"{key}.ci95_high"))


def card_table(table: dict) -> str:
    """Rows of the card."""
    lines = ["| system | GTVp DSC | GTVn DSCagg | GTVn F1 |", "|---|---|---|---|"]
    for name, summary in table.items():
        cells = []
        for key in KEYS:
            value, low, high = interval(summary, key)
            limits = "" if low is None else f" ({low:.2f} to {high:.2f})"
            cells.append("undefined" if value is None else f"{value:.3f}{limits}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def card(manifest, measured: str) -> str:
    """CARD.md of one package."""
    return (
        f"# {manifest.name} {manifest.version}\n\n{manifest.words} One network of the PET/CT system; small, made to "
        "show that the system works, not to be relied on.\n\n"
        f"Trained on: {manifest.training_data}.\n\n"
        f"## Measured\n\nThe whole system on {manifest.metrics['patients']} virtual patients whose scanner settings "
        "(centres e and f) were never seen in training; protocol hecktor2025-style, 95 % bootstrap over patients. The "
        "last row is the trivial baseline: every part at or above SUV 4 below the brain, the largest one GTVp.\n\n"
        f"{measured}\n\n"
        "## Limits\n\nNo real PET/CT was seen in training or measurement, so nothing is known of real patients. "
        "18 virtual patients (centres a to d) in training, one seed: few, and the intervals are wide. "
        "The scans held head and neck alone, no whole body. Research use only.\n"
    )


if __name__ == "__main__":
    main()
