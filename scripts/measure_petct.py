"""Measure the PET/CT system on held-out patients and write cards and manifests of its packages.

    python scripts/measure_petct.py RUNS TEST WEIGHTS [--plain]

RUNS holds `run_head`, `run_coarse`, `run_resenc`, `run_segresnet` of `hyoid train`; TEST is a folder of cases that no
network saw; packages, measured, are copied to WEIGHTS. Trivial baseline: everything at or above SUV 4 outside the
brain's height is a target, the largest part GTVp, the others GTVn. With `--plain` the coarse network is delivered in
the place of the fine ones, as `petct-plain`.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cc3d
import numpy as np

from hyoid.evaluation.case_results import CaseResult, measure_case
from hyoid.evaluation.masks import CaseMasks
from hyoid.evaluation.protocols import HECKTOR_2025_STYLE
from hyoid.evaluation.summaries import summarise
from hyoid.geometry.resample import resample
from hyoid.io.files.volumes import read_labels
from hyoid.io.packages.model_package import CARD, Manifest, ModelPackage, read_package, write_manifest
from hyoid.io.petct import PetRequest, read_petct
from hyoid.preprocess.pet import on_ct
from hyoid.systems.machine import Machine
from hyoid.systems.petct.pipeline import PetCtModels, head_mask, locate_targets, outline_targets
from hyoid.training.petct_cases import PetctFiles, find_petct_cases, head_of
from hyoid.volume import Volume

KEYS = ("GTVp.dsc_mean", "GTVn.dsc_agg", "GTVn.f1")
STAGES = {name: f"petct-{name}" for name in ("head", "coarse", "resenc", "segresnet")}
FINE, PLAIN = ("resenc", "segresnet"), "petct-plain"
BASELINE_SUV, BELOW_CRICOID_MM = 4.0, 50.0
WHOLE, WITHOUT_PET, COARSE = (
    "the whole system",
    "the whole system, without PET",
    "coarse network in the fine one's place",
)
ALONE = {
    "resenc": "residual-encoder U-Net as the only fine network",
    "segresnet": "SegResNetDS as the only fine network",
}
BASELINE = f"SUV >= {BASELINE_SUV:g} below the brain, without any network"


class Measured:
    """What is counted, patient by patient.

    Parameters
    ----------
    packages : mapping of stage to ModelPackage
    machine : Machine
    plain : bool
        The coarse network is the system's fine one.
    """

    def __init__(self, packages: Mapping[str, ModelPackage], machine: Machine, *, plain: bool) -> None:
        self.head, self.coarse, self.machine = packages["head"], packages["coarse"], machine
        fine = [] if plain else [packages[name] for name in FINE if name in packages]
        alone = as_fine(self.coarse)
        self.systems: dict[str, tuple[ModelPackage, ...]] = {WHOLE: tuple(fine) or (alone,)}
        if fine:
            self.systems |= {ALONE[name]: (packages[name],) for name in FINE if name in packages}
            self.systems[COARSE] = (alone,)
        self.results: dict[str, list[CaseResult]] = {name: [] for name in (*self.systems, WITHOUT_PET, BASELINE)}
        self.head_dice: list[float] = []
        self.centre_mm: list[float] = []

    def add(self, files: PetctFiles) -> None:
        """One more patient."""
        assert files.organs is not None and files.targets is not None
        study = read_petct(files.ct, PetRequest(file=files.pet, units="suv"))
        assert study.pet is not None
        ct, pet = study.ct.volume, study.pet.volume
        organs, truth = read_labels(files.organs), read_labels(files.targets)
        reference = CaseMasks(truth.geometry, labels=truth.array)

        def score(name: str, labels: np.ndarray) -> None:
            found = CaseMasks(ct.geometry, labels=labels)
            self.results[name].append(measure_case(files.name, reference, found, HECKTOR_2025_STYLE))

        found, _ = head_mask(ct, self.head, self.machine)
        wanted = resample(head_of(ct, organs, BELOW_CRICOID_MM), found.geometry).array > 0
        both = (wanted & (found.array > 0)).sum()
        self.head_dice.append(float(2 * both / (wanted.sum() + (found.array > 0).sum())))
        located = locate_targets(ct, pet, self.models(WHOLE), self.machine)
        if located.centre is not None:
            middle = truth.geometry.to_lps(np.argwhere(truth.array > 0).mean(axis=0))
            self.centre_mm.append(float(np.linalg.norm(middle - located.centre)))
        for name in self.systems:
            score(name, outline_targets(located, self.models(name), self.machine).labels.array)
        alone = locate_targets(ct, None, self.models(WHOLE), self.machine)
        score(WITHOUT_PET, outline_targets(alone, self.models(WHOLE), self.machine).labels.array)
        score(BASELINE, threshold(on_ct(pet, ct.geometry, interpolation="linear"), organs))

    def metrics(self) -> dict[str, Any]:
        """What the manifests hold."""
        systems = {name: summarise(rows, HECKTOR_2025_STYLE) for name, rows in self.results.items()}
        primaries = [case.classes[0].overlap for case in self.results[WHOLE]]
        centre_mm = self.centre_mm
        return {
            "patients": len(self.head_dice),
            "data": "virtual patients whose scanner settings (centres e and f) were never seen in training",
            "head_dice": round(float(np.mean(self.head_dice)), 4),
            "head_dice_lowest": round(min(self.head_dice), 4),
            "centres_found": len(centre_mm),
            "centre_mm_median": round(float(np.median(centre_mm)), 1) if centre_mm else None,
            "centre_mm_most": round(max(centre_mm), 1) if centre_mm else None,
            "primaries_untouched": sum(o.reference_voxels > 0 and o.shared_voxels == 0 for o in primaries),
            "systems": {n: {key: interval(summary, key) for key in KEYS} for n, summary in systems.items()},
        }

    def models(self, name: str) -> PetCtModels:
        """Networks of one row."""
        return PetCtModels(self.head, self.coarse, self.systems[name])


def main() -> None:
    """Measure, print, copy."""
    arguments = options()
    folders = {key: arguments.runs / f"run_{key}" / "package" for key in STAGES}
    packages = {key: read_package(folder) for key, folder in folders.items() if folder.is_dir()}
    measured = Measured(packages, Machine("cpu", arguments.cache, "f32"), plain=arguments.plain)
    for files in find_petct_cases(arguments.test)[: arguments.most]:
        measured.add(files)
        print(files.name, f"head {measured.head_dice[-1]:.3f}", flush=True)
    metrics = measured.metrics()
    print(json.dumps(metrics, indent=1))
    sources = {STAGES[key]: (package, folders[key]) for key, package in packages.items()}
    if arguments.plain:
        sources = {name: sources[name] for name in (STAGES["head"], STAGES["coarse"])}
        sources[PLAIN] = (as_fine(packages["coarse"]), folders["coarse"])
    for name, (package, folder) in sources.items():
        deliver(package, folder, arguments.weights / name, metrics)


def options() -> argparse.Namespace:
    """What the user asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("work/cache"))
    parser.add_argument("--most", type=int, default=100, help="patients")
    parser.add_argument("--plain", action="store_true")
    return parser.parse_args()


def deliver(package: ModelPackage, source: Path, target: Path, metrics: dict[str, Any]) -> None:
    """Copy a package with what was measured in its manifest and card."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    changed = package.manifest.model_copy(update={"metrics": metrics})
    write_manifest(target, changed)
    (target / CARD).write_text(card(changed), encoding="utf-8")


def as_fine(coarse: ModelPackage) -> ModelPackage:
    """The coarse network in the place of the fine ones, at its own spacing."""
    constants = coarse.manifest.preprocessing
    fine = constants | {"stage": "fine", "region": constants["region"] | {"min_volume_ml": 0.1}}
    words = "Outlines tumour and nodes in the fine region: the coarse network once more, in the place of fine ones."
    changed = {"preprocessing": fine, "name": PLAIN, "words": words}
    return ModelPackage(coarse.manifest.model_copy(update=changed), coarse.weights)


def threshold(suv: Volume, organs: Volume) -> np.ndarray:
    """The baseline's labels: SUV at or above the limit below the lowest slice of the brainstem."""
    labels = np.zeros(suv.array.shape, np.uint8)
    stem = np.flatnonzero((organs.array == 25).any(axis=(1, 2)))
    hot = suv.array >= BASELINE_SUV
    if len(stem):
        hot[int(stem[0]) :] = False
    parts = cc3d.connected_components(hot.astype(np.uint8), connectivity=26)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    labels[hot] = 2
    if sizes.any():
        labels[parts == int(sizes.argmax())] = 1
    return labels


def interval(summary: Mapping[str, Any], key: str) -> list[float | None]:
    """Value and its limits."""
    values = [summary.get(name) for name in (key, f"{key}.ci95_low", f"{key}.ci95_high")]
    return [None if value is None else round(value, 4) for value in values]


def card(manifest: Manifest) -> str:
    """CARD.md of one package, from what its manifest says."""
    parts = [
        f"# {manifest.name} {manifest.version}",
        f"{manifest.words} One network of the PET/CT system (`hyoid petct`).",
        "Research use only. Not a medical device.",
        "## Training data",
        f"{manifest.training_data.strip()}. 18 of them, on the settings of centres a to d (seed 71, voxels of 3 mm). "
        f"Licence of the weights: {manifest.licence}.",
        "## Measured",
        f"All networks together on {manifest.metrics['patients']} {manifest.metrics['data']}; protocol "
        "hecktor2025-style, 95 % intervals: bootstrap over patients. The last row is the trivial baseline: every part "
        "at or above SUV 4 below the brain, the largest one GTVp.",
        card_table(manifest.metrics["systems"]),
        stages_in_words(manifest.metrics),
        "## Where it fails",
        *[f"- {limit}" for limit in limits(manifest.metrics)],
        "## Made by",
        "```\nmake petct-weights\n```",
        f"which runs `hyoid train {manifest.recipe['name']} --data work/petct-train --threads 1` with seed "
        f"{manifest.recipe['seed']} and then `scripts/measure_petct.py`.",
    ]
    return "\n\n".join(parts) + "\n"


def card_table(systems: Mapping[str, Mapping[str, Sequence[float | None]]]) -> str:
    """Rows of the card."""
    lines = ["| system | GTVp DSC | GTVn DSCagg | GTVn F1 |", "|---|---|---|---|"]
    for name, numbers in systems.items():
        cells = []
        for key in KEYS:
            value, low, high = numbers[key]
            spread = "" if low is None or high is None else f" ({low:.2f} to {high:.2f})"
            cells.append("undefined" if value is None else f"{value:.3f}{spread}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def stages_in_words(metrics: Mapping[str, Any]) -> str:
    """How well the first two stages do."""
    words = f"Head region: mean Dice {metrics['head_dice']:.3f}, lowest {metrics['head_dice_lowest']:.3f}."
    if not metrics["centres_found"]:
        return f"{words} The coarse network found no target in any patient."
    return (
        f"{words} Centre of the fine cube: {metrics['centre_mm_median']:.1f} mm (median) from the true one, at most "
        f"{metrics['centre_mm_most']:.1f} mm, found in {metrics['centres_found']} of {metrics['patients']}; the cube "
        "reaches 72 mm."
    )


def limits(metrics: Mapping[str, Any]) -> list[str]:
    """Where it fails, with counts."""
    alone = ", ".join(
        f"{'undefined' if v is None else format(v, '.3f')}" for v, *_ in metrics["systems"][WITHOUT_PET].values()
    )
    return [
        "No real PET/CT was seen in training or measurement, so nothing is known of real patients.",
        f"In {metrics['primaries_untouched']} of the {metrics['patients']} virtual patients the whole system does not "
        "touch the primary tumour at all.",
        f"It lives on the PET. On CT alone the three numbers are {alone}: an empty answer there says nothing.",
        "18 virtual patients in training and one seed: few, and the intervals above are wide.",
        "It was made small to show that the system works, not to be relied on: the published system has ten networks "
        "of a hundred times the size at a third of the voxel's edge.",
        "The scans held head and neck alone; the head region of a whole-body scan was not measured.",
    ]


if __name__ == "__main__":
    main()
