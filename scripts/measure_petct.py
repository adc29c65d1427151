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
from hyoid.io.model_package import CARD, read_manifest, read_package, write_manifest
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
STAGES = {"head": "petct-head", "coarse": "petct-coarse", "resenc": "petct-resenc", "segresnet": "petct-segresnet"}
BASELINE_SUV = 4.0


def main() -> None:
    """Measure, print, copy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("work/cache"))
    arguments = parser.parse_args()
    packages = {key: read_package(arguments.runs / f"run_{key}" / "package") for key in STAGES}
    head, coarse, resenc, segresnet = packages.values()
    machine = Machine("cpu", arguments.cache, "f32")
    systems = {
        "both fine networks": ((resenc, segresnet), True),
        "petct-resenc alone": ((resenc,), True),
        "petct-segresnet alone": ((segresnet,), True),
        "both, without PET": ((resenc, segresnet), False),
        f"SUV >= {BASELINE_SUV:g} below the brain": ((), True),
    }
    results: dict[str, list] = {name: [] for name in systems}
    head_dice: list[float] = []
    centre_mm: list[float] = []
    cases = 0
    for files in find_targets_cases(arguments.test):
        cases += 1
        study = read_petct(files.ct, PetRequest(file=files.pet, units="suv"))
        ct, pet = study.ct.volume, study.pet.volume
        organs, truth = read_labels(files.organs), read_labels(files.targets)
        reference = CaseMasks(truth.geometry, labels=truth.array)
        found, _ = head_mask(ct, head, machine)
        true = head_of(ct, organs, 50.0)
        wanted = resample(true, found.geometry).array > 0
        head_dice.append(2 * (wanted & (found.array > 0)).sum() / (wanted.sum() + (found.array > 0).sum()))
        for name, (fine, with_pet) in systems.items():
            if fine:
                run = find_targets(ct, pet if with_pet else None, PetCtModels(head, coarse, fine), machine)
                labels = run.labels.array
                if name == "both fine networks" and run.facts["fine_centre_lps_mm"] is not None:
                    middle = truth.geometry.to_lps(np.argwhere(truth.array > 0).mean(axis=0))
                    centre_mm.append(float(np.linalg.norm(middle - np.array(run.facts["fine_centre_lps_mm"]))))
            else:
                labels = threshold(on_ct(pet, ct.geometry, interpolation="linear").array, organs.array)
            masks = CaseMasks(ct.geometry, labels=labels)
            results[name].append(measure_case(files.name, reference, masks, HECKTOR_2025_STYLE))
        print(files.name, f"head {head_dice[-1]:.3f}", flush=True)
    table = {name: summarise(rows, HECKTOR_2025_STYLE) for name, rows in results.items()}
    numbers = {
        name: {key: [round(v, 4) if v is not None else None for v in interval(summary, key)] for key in KEYS}
        for name, summary in table.items()
    }
    print(json.dumps(numbers, indent=1))
    text = card_table(table, cases)
    extra = (
        f"Head region: Dice {np.mean(head_dice):.3f} (lowest {min(head_dice):.3f}). Coarse stage: its centroid lies "
        f"{np.median(centre_mm) if centre_mm else np.nan:.1f} mm (median; largest {max(centre_mm, default=0):.1f}) "
        "from the true one; the cube reaches 72 mm to each side."
    )
    print(text, extra)
    for key, name in STAGES.items():
        target = arguments.weights / name
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(arguments.runs / f"run_{key}" / "package", target)
        manifest = read_manifest(target)
        metrics = {"patients": cases, "data": "virtual patients of centres e and f, unseen", "systems": numbers}
        changed = manifest.model_copy(update={"metrics": metrics | {"head_dice": round(float(np.mean(head_dice)), 4)}})
        write_manifest(target, changed)
        (target / CARD).write_text(card(changed, text, extra), encoding="utf-8")


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


def card_table(table: dict, cases: int) -> str:
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


def card(manifest, table: str, extra: str) -> str:
    """CARD.md of one package."""
    return (
        f"# {manifest.name} {manifest.version}\n\n{manifest.words} One network of the PET/CT system; small, made to "
        "show that the system works, not to be relied on.\n\n"
        f"Trained on: {manifest.training_data}.\n\n"
        f"## Measured\n\nThe whole system on {manifest.metrics['patients']} virtual patients whose scanner settings "
        "(centres e and f) were never seen in training; protocol hecktor2025-style, 95 % bootstrap over patients. The "
        "last row is the trivial baseline: every part at or above SUV 4 below the brain, the largest one GTVp.\n\n"
        f"{table}\n\n{extra}\n\n"
        "## Limits\n\nNo real PET/CT was seen in training or measurement, so nothing is known of real patients. Few "
        "virtual patients, one fold, one seed. The scans held head and neck alone, no whole body. Research use only.\n"
    )


if __name__ == "__main__":
    main()
