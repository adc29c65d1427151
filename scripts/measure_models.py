"""Measure a trained network on patients no training saw, and write its manifest and card.

    python scripts/measure_models.py organs WORK VALIDATION
    python scripts/measure_models.py tumour WORK VALIDATION
    python scripts/measure_models.py sgrnet WORK VALIDATION [--figure FILE.svg] [--against PACKAGE]

WORK is the folder of `make weights`, VALIDATION `../shared/data/openkbp/validation`. `organs` measures the packages
`organs` and `neck` together, as they are used, and before SGRNet is trained: a structure that was not learned is taken
from the package here, and SGRNet must see the organ maps it will meet in use. `sgrnet` comes after `hyoid calibrate`,
which puts temperatures, thresholds and bands of doubt into the manifest.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hyoid.anatomy.involvement import words_of_field
from hyoid.anatomy.structures import BY_NAME
from hyoid.interfaces.installed import OUTLINING
from hyoid.interfaces.places import cache_folder
from hyoid.io.model_package import CARD, Manifest, ModelPackage, read_manifest, read_package, write_manifest
from hyoid.metrics.calibration import reliability
from hyoid.pipelines import measurement
from hyoid.pipelines.sgrnet_calibration import BINS, EVERY_FIELD, before_and_after, calibration_rows, uncalibrated
from hyoid.pipelines.structured_report import Machine, ReportModels, localise_tumour, outline_organs, target_mask
from hyoid.report.reliability import Reliability, reliability_svg
from hyoid.training.involvement import UNKNOWN

BF16_CASES = 4
SEED = 0
LOWEST_DICE = 0.3  # below it a structure counts as not learned
MIN_VOLUME_ML = 1.0  # of a part of the predicted target, as in the recipe of SGRNet
MACHINE = Machine("cpu", cache_folder(), "f32")
# Bars of ../shared/data/README.md: a 2.7 M-parameter U-Net at 4 mm, 30 minutes on two CPU cores.
BAR = {
    "mandible": 0.790,
    "parotid_right": 0.707,
    "parotid_left": 0.715,
    "brainstem": 0.706,
    "spinal_cord": 0.651,
    "larynx": 0.598,
    "oesophagus": 0.0,
    "target_region": 0.514,
}
LIMITS = {
    "organs": (
        "Trained at 3 x 4 x 4 mm on scans of about 4 mm: outlines are coarse, and thin structures suffer most.",
        "Two of the 33 cords it is scored against are contoured wrongly (over 400 mL) and count in the mean.",
        "Planning CTs only, head straight in a mask. Children, large defects, flaps and metal are untested.",
    ),
    "neck": (
        "Nobody has compared these outlines with contours of real patients: none were to be had.",
        "A virtual neck is simpler than a real one: parametric muscles and vessels, smooth shapes, little variation.",
        "Small muscles at 3 x 4 x 4 mm are a few voxels: take them for a place, not for a shape.",
        "Its outlines of the organs of package `organs` are worse than theirs and are not used.",
    ),
    "tumour": (
        "It localises a planning target (tumour and nodes with margin), not the tumour; it cannot tell them apart.",
        "It has seen only patients who have such a target: on a healthy neck it will often find one.",
        "Primary sites and protocols follow OpenKBP; laryngeal and postoperative targets are under-represented.",
    ),
    "sgrnet": (
        "Its labels are overlap with a planning target, a stand-in for involvement by tumour.",
        "33 patients are few: where intervals overlap, no order of the columns is established by them.",
        "It is as good as the predicted target: it begins at a rule read off that, and images add little to it.",
        "Heatmaps of training patients came from localisers trained on the other half of them, those in use from one "
        "trained on all: a little better.",
    ),
}
_DATA = "../shared/data/openkbp/train"
COMMANDS = {
    "organs": f"hyoid train organs --data {_DATA} --out work/organs",
    "neck": f"""hyoid phantom --n 100 --seed 1 --spacing 3,4,4 --out work/virtual
hyoid train organs --preset neck --data {_DATA} --data work/virtual --start work/organs/package --out work/neck""",
    "tumour": f"hyoid train tumour --data {_DATA} --start work/organs/package --out work/tumour",
    "sgrnet": f"""for fold in 0 1; do
    hyoid train tumour --preset half --fold $fold --data {_DATA} --start work/organs/package \\
        --out work/tumour-$fold
done
priors="--organs work/organs/package --organs work/neck/package --tumour work/tumour-0/package"
priors="$priors --tumour work/tumour-1/package --priors work/priors"
hyoid train sgrnet PRESET--data {_DATA} $priors --out work/sgrnet""",
    "calibrated": f"""for fold in 0 1 2 3 4; do
    hyoid train sgrnet PRESET--fold $fold --data {_DATA} $priors --out work/sgrnet-fold-$fold
done
hyoid calibrate work/sgrnet/package --out work/calibration \\
    $(for fold in 0 1 2 3 4; do echo --held-out work/sgrnet-fold-$fold/held_out.json; done)""",
}


def main() -> None:
    """Measure, save, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=("organs", "tumour", "sgrnet"))
    parser.add_argument("work", type=Path)
    parser.add_argument("validation", type=Path)
    parser.add_argument("--figure", type=Path, help="sgrnet: write the reliability diagram of these patients here")
    parser.add_argument("--against", type=Path, help="sgrnet: package of an earlier model, for a paired difference")
    arguments = parser.parse_args()
    measured = {"organs": organs, "tumour": tumour, "sgrnet": sgrnet}[arguments.model](arguments)
    for name, found in measured.items():
        folder = package_of(arguments.work, name)
        manifest = read_manifest(folder).model_copy(update=found)
        write_manifest(folder, manifest)
        (folder / CARD).write_text(card(manifest), encoding="utf-8")
    print(json.dumps(measured, indent=1))


def package_of(work: Path, name: str) -> Path:
    """Where `make weights` leaves a package."""
    return work / name / "package"


def organs(arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Dice per organ; which structures were learned well enough to be delivered; agreement of bfloat16."""
    organs, neck = (read_package(package_of(arguments.work, name)) for name in OUTLINING)
    # Judged anew at every measurement, whatever an earlier one left out.
    organs, neck = only(organs, organs.manifest.labels), only(neck, neck.manifest.recipe["virtual_only"])
    rng = np.random.default_rng(SEED)
    real = measurement.measure_organs(arguments.validation, (organs, neck), MACHINE, tell)
    virtual = measurement.measure_organs(arguments.work / "virtual-held-out", (organs, neck), MACHINE, tell)
    dice = measurement.dice_table(real, rng)
    transfer = measurement.transfer_table(real, virtual, neck.manifest.supported, rng)
    organs = only(organs, [name for name, row in dice.items() if row["dice"] >= LOWEST_DICE])
    neck = only(neck, [name for name, row in transfer.items() if delivered(row)])
    found: dict[str, dict[str, Any]] = {
        "organs": {"metrics": {"data": data_words(real), "dice": dice}},
        "neck": {"metrics": {"data": data_words(real), "transfer": transfer, "virtual_n": len(virtual)}},
    }
    for package in (organs, neck):
        supported = package.manifest.supported
        agreement = measurement.bf16_agreement(
            arguments.validation,
            supported,
            cache_folder(),
            cases=BF16_CASES,
            labels_of=lambda ct, where, package=package: outline_organs(ct, [package], where).labels,  # type: ignore[misc]
        )
        found[package.manifest.name] |= {"supported": supported, "bf16_agreement": agreement}
    return found


def only(package: ModelPackage, names: Sequence[str]) -> ModelPackage:
    """The package, delivering these structures."""
    supported = tuple(name for name in package.manifest.labels if name in names)
    return dataclasses.replace(package, manifest=package.manifest.model_copy(update={"supported": supported}))


def delivered(row: dict[str, Any]) -> bool:
    """Whether a structure that only virtual patients teach is good enough to be shown."""
    return row["plausible"] and row["dice"] >= LOWEST_DICE


def tumour(arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Dice of the target region and agreement of bfloat16."""
    package = read_package(package_of(arguments.work, "tumour"))
    rows = measurement.measure_target(arguments.validation, package, MIN_VOLUME_ML, MACHINE, tell)
    agreement = measurement.bf16_agreement(
        arguments.validation,
        package.manifest.supported,
        cache_folder(),
        cases=BF16_CASES,
        labels_of=lambda ct, where: target_mask(localise_tumour(ct, package, where)[0], ct, 0.0),
    )
    dice = measurement.dice_table(rows, np.random.default_rng(SEED))
    return {"tumour": {"metrics": {"data": data_words(rows), "dice": dice}, "bf16_agreement": agreement}}


def sgrnet(arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Average precision beside its baselines; what the probabilities are worth before and after calibration."""
    organs, neck, tumour, package, ct_only = (
        read_package(package_of(arguments.work, name)) for name in (*OUTLINING, "tumour", "sgrnet", "sgrnet-ct-only")
    )
    manifest = package.manifest
    models = ReportModels(organs, neck, tumour, package)
    others = {"ct_only": ct_only}
    if arguments.against is not None:
        others["before"] = read_package(arguments.against)
    rows = measurement.measure_involvement(arguments.validation, models, others, MACHINE, tell)
    fields, rows = measurement.told_of(rows, manifest.supported)
    metrics: dict[str, Any] = {
        "data": data_words(rows),
        "average_precision": measurement.ranking_table(rows, fields, np.random.default_rng(SEED)),
    }
    virtual = [name for name in manifest.preprocessing.get("virtual_only", ()) if name in manifest.supported]
    if virtual:
        there = measurement.measure_involvement(arguments.work / "virtual-held-out", models, {}, MACHINE, tell)
        table = measurement.ranking_table(there, manifest.supported, np.random.default_rng(SEED))
        metrics |= {"virtual_n": len(there), "average_precision_virtual": {name: table[name] for name in virtual}}
    for scorer in (*others, "overlap"):
        gain = measurement.paired_gain(rows, "sgrnet", scorer, np.random.default_rng(SEED))
        metrics.setdefault("gain", {})[scorer] = gain
    if "calibration_held_out" in manifest.metrics:
        metrics["calibration_held_out"] = manifest.metrics["calibration_held_out"]
    truth = np.stack([row.truth for row in rows])
    after = np.stack([row.scores["sgrnet"] for row in rows])
    before = uncalibrated(after, fields, manifest.temperatures)
    metrics["calibration"] = before_and_after(fields, truth, before, after, np.random.default_rng(SEED))
    if arguments.figure is not None:
        known = truth != UNKNOWN
        panels = [("Uncalibrated", before)] + ([("Calibrated", after)] if manifest.temperatures else [])
        drawn = [
            Reliability(f"{words} ({known.sum()} answers)", reliability(truth[known], s[known], n_bins=BINS))
            for words, s in panels
        ]
        arguments.figure.write_text(reliability_svg(drawn), encoding="utf-8")
    return {"sgrnet": {"metrics": metrics}}


def tell(done: int, total: int) -> None:
    """Say how far it is."""
    print(f"{done} of {total}", flush=True)


def data_words(rows: Any) -> str:
    """Which patients were measured."""
    return f"{len(rows)} patients of OpenKBP's validation split; no training used them"


def card(manifest: Manifest) -> str:
    """Card of a model: what it does, what it was measured to do, on whom, and where it fails."""
    parts = [
        f"# {manifest.name} {manifest.version}",
        manifest.words.strip(),
        "Research use only. Not a medical device.",
        "## Training data",
        f"{manifest.training_data.strip()}. Licence of the weights: {manifest.licence}.",
        "## Measured",
        f"{manifest.metrics['data']}. 95 % intervals: bootstrap over patients.",
    ]
    if "dice" in manifest.metrics:
        parts.append(dice_rows(manifest.metrics["dice"]))
    if "average_precision" in manifest.metrics:
        parts.append(ranking_rows(manifest.metrics["average_precision"], manifest.metrics.get("gain", {})))
    if "average_precision_virtual" in manifest.metrics:
        parts += virtual_parts(manifest.metrics)
    if manifest.task == "classification":
        parts += calibration_parts(manifest)
    if "transfer" in manifest.metrics:
        parts.append(transfer_rows(manifest.metrics))
    unlearned = [n for n in manifest.labels if n not in manifest.supported]
    if unlearned:
        answers = manifest.task == "classification"
        why = "Too few examples, so never answered" if answers else "Not learned well enough, so never outlined"
        parts.append(f"{why}: {', '.join(words_of_field(n) for n in unlearned)}.")
    if manifest.bf16_agreement:
        lowest = min(manifest.bf16_agreement, key=lambda n: manifest.bf16_agreement[n])
        parts.append(
            f"bfloat16 against float32 on {BF16_CASES} scans: lowest Dice {manifest.bf16_agreement[lowest]:.4f} "
            f"({lowest}); bfloat16 is used where every structure reaches 0.999."
        )
    parts += ["## Where it fails", *[f"- {limit}" for limit in LIMITS[manifest.name]]]
    parts += [
        "## Made by",
        f"```\n{commands(manifest)}\n```",
        "Same seed, same patches; the sums of a CPU differ in",
    ]
    parts[-1] += " the last digits with the number of threads, so weights agree closely, not to the bit."
    return "\n\n".join(parts) + "\n"


def commands(manifest: Manifest) -> str:
    """How the package was made, as commands."""
    words = COMMANDS[manifest.name]
    if manifest.temperatures:
        words += "\n" + COMMANDS["calibrated"]
    pools = manifest.network.get("variant") == "organ_pooling"
    return words.replace("PRESET", "--preset organ_pooling " if pools else "")


def dice_rows(table: dict[str, dict[str, Any]]) -> str:
    """Markdown rows of Dice."""
    rows = ["| structure | Dice | 95 % interval | n | plain network |", "|---|---|---|---|---|"]
    for name, row in table.items():
        interval = f"{row['low']:.3f} to {row['high']:.3f}"
        rows.append(f"| {BY_NAME[name].words} | {row['dice']:.3f} | {interval} | {row['n']} | {BAR[name]:.3f} |")
    rows.append("\nPlain network: a 2.7 M-parameter U-Net at 4 mm, trained for 30 minutes on two CPU cores.")
    return "\n".join(rows)


def transfer_rows(metrics: dict[str, Any]) -> str:
    """Markdown rows of structures that only virtual patients teach."""
    rows = [
        "Learned from virtual patients only, for want of real contours. Dice is on "
        f"{metrics['virtual_n']} virtual patients that training did not see, an easier task than a real scan; on real "
        "scans only presence and size could be checked. Delivered are structures with a Dice of at least "
        f"{LOWEST_DICE} whose volume is plausible on at least half of the real scans (between half the 10th and twice "
        "the 90th percentile of virtual patients).\n",
        "| structure | Dice, virtual | found on real scans | median there (mL) | virtual 10-90 % (mL) | delivered |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in metrics["transfer"].items():
        low, high = row["virtual_ml"]
        found = f"{row['real_found']} of {row['real_n']}"
        dice = f"{row['dice']:.3f} ({row['low']:.3f} to {row['high']:.3f})"
        cells = (BY_NAME[name].words, dice, found, f"{row['real_median_ml']:.1f}", f"{low:.1f}-{high:.1f}")
        rows.append(f"| {' | '.join(cells)} | {'yes' if delivered(row) else 'no'} |")
    return "\n".join(rows)


def ranking_rows(table: dict[str, dict[str, Any]], gain: dict[str, Any]) -> str:
    """Markdown rows of average precision."""
    rows = ["| label | n | prevalence | this network | CT only | plain overlap |", "|---|---|---|---|---|---|"]
    for name, row in table.items():
        words = "**mean**" if name == "mean" else words_of_field(name)
        values = []
        for scorer in ("sgrnet", "ct_only", "overlap"):
            interval = row.get(f"{scorer}_interval")
            tail = f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
            values.append(("-" if row[scorer] is None else f"{row[scorer]:.3f}") + tail)
        rows.append(f"| {words} | {row['n']} | {row['prevalence']:.2f} | {' | '.join(values)} |")
    if gain:
        words = {"ct_only": "CT only", "before": "the default network before this one", "overlap": "plain overlap"}
        told = [
            f"{words[name]} {row['difference']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f})"
            for name, row in gain.items()
            if name in words and row is not None
        ]
        rows.append(f"\nDifference of the mean, paired by patient: against {', against '.join(told)}.")
    rows.append(
        "\nAverage precision. CT only: DenseNet121 without priors, on the same patients for at least as many steps. "
        "Plain overlap: share of the predicted organ that the predicted target covers, no classifier."
    )
    return "\n".join(rows)


def virtual_parts(metrics: dict[str, Any]) -> list[str]:
    """Markdown: fields that virtual patients alone teach, measured on virtual patients."""
    rows = ["| label | n | prevalence | this network | plain overlap |", "|---|---|---|---|---|"]
    for name, row in metrics["average_precision_virtual"].items():
        values = ["undefined" if row[key] is None else f"{row[key]:.3f}" for key in ("sgrnet", "overlap")]
        rows.append(f"| {words_of_field(name)} | {row['n']} | {row['prevalence']:.2f} | {' | '.join(values)} |")
    return [
        f"Taught by virtual patients only, and measured on {metrics['virtual_n']} virtual patients training did not "
        "see, which says nothing certain of real ones (average precision):",
        "\n".join(rows),
    ]


def calibration_parts(manifest: Manifest) -> list[str]:
    """Markdown: what the probabilities are worth, out of fold inside the training patients and on those above."""
    here = manifest.metrics["calibration"]
    if not manifest.temperatures:
        overall = here[EVERY_FIELD]
        words = {}
        for key in ("ece", "brier"):
            low, high = overall[f"{key}_before_interval"]
            words[key] = f"{overall[f'{key}_before']:.3f} ({low:.3f} to {high:.3f})"
        return [
            f"Probabilities are not calibrated: over all labels of these patients, calibration error (ECE) "
            f"{words['ece']}, Brier score {words['brier']}; promising everybody the prevalence scores "
            f"{overall['brier_of_prevalence']:.3f}."
        ]
    held_out = manifest.metrics["calibration_held_out"]
    return [
        "### Probabilities",
        "Temperature, threshold (best F1) and band of doubt (a fifth of the patients) were fitted on out-of-fold "
        "predictions of the training patients. The last column promises everybody the share of positives.",
        calibration_rows(manifest, held_out["table"], held_out["data"]),
        calibration_rows(manifest, here, f"{manifest.metrics['data']}; they chose nothing."),
    ]


if __name__ == "__main__":
    main()
