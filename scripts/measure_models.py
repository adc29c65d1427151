"""Measure a trained network on patients no training saw, and write its manifest and card.

    python scripts/measure_models.py organs WORK VALIDATION
    python scripts/measure_models.py tumour WORK VALIDATION
    python scripts/measure_models.py sgrnet WORK VALIDATION [--figure FILE.svg] [--against PACKAGE]
    python scripts/measure_models.py template WORK VALIDATION [--figure FILE.svg]

WORK is the folder of `make weights`, VALIDATION `../shared/data/openkbp/validation`. `organs` measures the packages
`organs` and `neck` together, as they are used, and before SGRNet is trained: a structure that was not learned is taken
from the package here, and SGRNet must see the organ maps it will meet in use. `sgrnet` and `template` come after
`hyoid calibrate`, which puts temperatures, thresholds and bands of doubt into the manifest.
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
from hyoid.interfaces.installed import OUTLINING, TEMPLATE, load_model
from hyoid.interfaces.places import cache_folder
from hyoid.io.packages.model_package import CARD, Manifest, ModelPackage, read_manifest, read_package, write_manifest
from hyoid.metrics.calibration import reliability
from hyoid.metrics.ranking import average_precision
from hyoid.report.pages.reliability import Reliability, reliability_svg
from hyoid.systems import measure_outlines as measurement
from hyoid.systems.ct_report import measure as involvement_measurement
from hyoid.systems.ct_report.calibrate import (
    BINS,
    EVERY_FIELD,
    HELD_OUT,
    before_and_after,
    calibration_rows,
    read_held_out,
    uncalibrated,
)
from hyoid.systems.ct_report.pipeline import ReportModels
from hyoid.systems.machine import Machine
from hyoid.systems.organs import localise_tumour, outline_organs, target_mask
from hyoid.training.involvement import UNKNOWN

BF16_CASES = 4
SEED = 0
LOWEST_DICE = 0.3  # below it a structure counts as not learned
LOWEST_PRECISION = 0.5  # average precision out of fold; below it a sub-site counts as not learned
MIN_VOLUME_ML = 1.0  # of a part of the predicted target, as in the recipe of SGRNet
MACHINE = Machine("cpu", cache_folder(), "f32")
BALLS = ("larynx", "mandible", "parotid_left", "parotid_right", "brainstem")
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
    "sgrnet-template": (
        "No label of a real patient was to be had for these lines: on real scans only gross errors of place could be "
        "seen.",
        "It answers from where an outlined tumour lies among outlined organs and never looks at the CT. It cannot see "
        "that a muscle is infiltrated or a cartilage is destroyed.",
        "Virtual sub-sites have sharp borders, those of radiologists do not; neighbouring lines of the larynx are told "
        "apart by millimetres.",
        "It needs an outline of the primary tumour. Of the predicted high-dose target (median in planning CTs 290 ml, "
        "of virtual primaries 3.5 ml) it is not asked.",
    ),
}
_DATA = "../shared/data/openkbp/train"
_ORGANS = "--organs work/organs/package --organs work/neck/package"
COMMANDS = {
    "organs": f"hyoid train organs --data {_DATA} --out work/organs",
    "neck": f"""hyoid phantom --n 100 --seed 1 --spacing 3,4,4 --out work/virtual
hyoid train organs --preset neck --data {_DATA} --data work/virtual --start work/organs/package --out work/neck""",
    "tumour": f"hyoid train tumour --data {_DATA} --start work/organs/package --out work/tumour",
    "sgrnet": f"""for fold in 0 1; do
    hyoid train tumour --preset half --fold $fold --data {_DATA} --start work/organs/package \\
        --out work/tumour-$fold
done
priors="{_ORGANS} --tumour work/tumour-0/package"
priors="$priors --tumour work/tumour-1/package --priors work/priors"
hyoid train ct_report PRESET--data {_DATA} $priors --out work/sgrnet""",
    "sgrnet-template": f"""hyoid phantom --n 300 --seed 11 --spacing 3,4,4 --out work/virtual-template
priors="{_ORGANS} --priors work/priors"
hyoid train ct_report --preset template --data work/virtual-template $priors --out work/sgrnet-template
for fold in 0 1 2 3 4; do
    hyoid train ct_report --preset template --fold $fold --data work/virtual-template $priors \\
        --out work/sgrnet-template-$fold
done
hyoid calibrate work/sgrnet-template/package --out work/calibration-template \\
    $(for fold in 0 1 2 3 4; do echo --held-out work/sgrnet-template-$fold/held_out.json; done)""",
    "calibrated": f"""for fold in 0 1 2 3 4; do
    hyoid train ct_report PRESET--fold $fold --data {_DATA} $priors --out work/sgrnet-fold-$fold
done
hyoid calibrate work/sgrnet/package --out work/calibration \\
    $(for fold in 0 1 2 3 4; do echo --held-out work/sgrnet-fold-$fold/held_out.json; done)""",
}


def main() -> None:
    """Measure, save, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=("organs", "tumour", "sgrnet", "template"))
    parser.add_argument("work", type=Path)
    parser.add_argument("validation", type=Path)
    parser.add_argument("--figure", type=Path, help="Write the reliability diagram of these patients here")
    parser.add_argument("--against", type=Path, help="sgrnet: package of an earlier model, for a paired difference")
    arguments = parser.parse_args()
    measure = {"organs": organs, "tumour": tumour, "sgrnet": sgrnet, "template": template}[arguments.model]
    measured = measure(arguments)
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
    models = ReportModels(organs, neck, tumour, package, load_model(TEMPLATE))
    others = {"ct_only": ct_only}
    if arguments.against is not None:
        others["before"] = read_package(arguments.against)
    rows = involvement_measurement.measure_involvement(arguments.validation, models, others, MACHINE, tell)
    fields, rows = involvement_measurement.told_of(rows, manifest.supported)
    metrics: dict[str, Any] = {
        "data": data_words(rows),
        "average_precision": involvement_measurement.ranking_table(rows, fields, np.random.default_rng(SEED)),
    }
    for scorer in (*others, "overlap"):
        gain = involvement_measurement.paired_gain(rows, "sgrnet", scorer, np.random.default_rng(SEED))
        metrics.setdefault("gain", {})[scorer] = gain
    return {"sgrnet": {"metrics": metrics | calibration(manifest, fields, rows, "sgrnet", arguments.figure)}}


def template(arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """What is delivered, average precision and calibration on virtual patients, and balls placed in real anatomy."""
    organs, neck, package = (read_package(package_of(arguments.work, name)) for name in (*OUTLINING, TEMPLATE))
    answers = read_held_out(sorted(arguments.work.glob(f"{TEMPLATE}-?/{HELD_OUT}")), package.manifest)
    precision = {
        name: average_precision(answers.truth[:, k], answers.scores[:, k]) for k, name in enumerate(answers.fields)
    }
    learned = [name for name in package.manifest.supported if (precision[name] or 0) >= LOWEST_PRECISION]
    package = only(package, learned)
    manifest, rng = package.manifest, np.random.default_rng(SEED)
    rows = involvement_measurement.measure_outlined(
        arguments.work / "virtual-template-held-out", (organs, neck), package, MACHINE, tell
    )
    balls = involvement_measurement.measure_balls(arguments.validation, (organs, neck), package, BALLS, MACHINE, tell)
    metrics: dict[str, Any] = {
        "data": f"{len(rows)} virtual patients; no training used them",
        "average_precision_held_out": {name: round(precision[name] or 0.0, 3) for name in manifest.labels},
        "average_precision": involvement_measurement.ranking_table(rows, manifest.supported, rng),
        "gain": {"overlap": involvement_measurement.paired_gain(rows, "template", "overlap", rng)},
        "balls": involvement_measurement.region_table(balls),
    }
    found = metrics | calibration(manifest, manifest.supported, rows, "template", arguments.figure)
    return {manifest.name: {"metrics": found, "supported": manifest.supported}}


def calibration(
    manifest: Manifest,
    fields: Sequence[str],
    rows: Sequence[involvement_measurement.InvolvementScores],
    scorer: str,
    figure: Path | None,
) -> dict[str, Any]:
    """What the probabilities are worth out of fold (as `hyoid calibrate` found it) and on these patients."""
    metrics = {name: manifest.metrics[name] for name in ("calibration_held_out",) if name in manifest.metrics}
    truth = np.stack([row.truth for row in rows])
    after = np.stack([row.scores[scorer] for row in rows])
    before = uncalibrated(after, fields, manifest.temperatures)
    metrics["calibration"] = before_and_after(fields, truth, before, after, np.random.default_rng(SEED))
    if figure is not None:
        known = truth != UNKNOWN
        panels = [("Uncalibrated", before)] + ([("Calibrated", after)] if manifest.temperatures else [])
        drawn = [
            Reliability(f"{words} ({known.sum()} answers)", reliability(truth[known], s[known], n_bins=BINS))
            for words, s in panels
        ]
        figure.write_text(reliability_svg(drawn), encoding="utf-8")
    return metrics


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
    if "balls" in manifest.metrics:
        parts.append(ball_rows(manifest.metrics["balls"]))
    if manifest.task == "ct_report":
        parts += calibration_parts(manifest)
    if "transfer" in manifest.metrics:
        parts.append(transfer_rows(manifest.metrics))
    unlearned = [n for n in manifest.labels if n not in manifest.supported]
    if unlearned:
        answers = manifest.task == "ct_report"
        why = "Not learned well enough, so never outlined"
        if answers:
            why = "Too few examples"
            if "average_precision_held_out" in manifest.metrics:
                why += f", or an average precision below {LOWEST_PRECISION} out of fold"
            why += ", so never answered"
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
    if manifest.temperatures and manifest.name == "sgrnet":
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


SCORERS = {
    "sgrnet": "this network",
    "template": "this network",
    "ct_only": "CT only",
    "overlap": "plain overlap",
}
"""Columns of the table of average precision, in their order."""


def ranking_rows(table: dict[str, dict[str, Any]], gain: dict[str, Any]) -> str:
    """Markdown rows of average precision."""
    columns = {name: words for name, words in SCORERS.items() if name in table["mean"]}
    rows = [
        f"| label | n | prevalence | {' | '.join(columns.values())} |",
        "|---|---|---" + "|---" * len(columns) + "|",
    ]
    for name, row in table.items():
        words = "**mean**" if name == "mean" else words_of_field(name)
        values = []
        for scorer in columns:
            interval = row.get(f"{scorer}_interval")
            tail = f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
            values.append(("-" if row[scorer] is None else f"{row[scorer]:.3f}") + tail)
        rows.append(f"| {words} | {row['n']} | {row['prevalence']:.2f} | {' | '.join(values)} |")
    if gain:
        words = SCORERS | {"before": "the default network before this one"}
        told = [
            f"{words[name]} {row['difference']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f})"
            for name, row in gain.items()
            if row is not None
        ]
        rows.append(f"\nDifference of the mean, paired by patient: against {', against '.join(told)}.")
    said = ["\nAverage precision."]
    if "ct_only" in columns:
        said.append("CT only: DenseNet121 without priors, on the same patients for at least as many steps.")
    outline = "outlined primary" if "template" in columns else "predicted target"
    said.append(f"Plain overlap: share of the predicted organ that the {outline} covers, no classifier.")
    rows.append(" ".join(said))
    return "\n".join(rows)


def ball_rows(table: dict[str, dict[str, Any]]) -> str:
    """Markdown: what was answered about balls in real anatomy."""
    regions = list(next(iter(table.values()))["yes"])
    rows = [
        "Real scans have no label for these lines. What could be checked is the place: a ball of 10 mm radius in the "
        "middle of a real contour, given as the outline of a primary. Share of patients of OpenKBP's validation split "
        "with at least one line answered yes, by heading of the template:\n",
        f"| ball in | n | {' | '.join(regions)} |",
        "|---|---" + "|---" * len(regions) + "|",
    ]
    for organ, row in table.items():
        shares = " | ".join(f"{row['yes'][region]:.2f}" for region in regions)
        rows.append(f"| {BY_NAME[organ].words} | {row['n']} | {shares} |")
    return "\n".join(rows)


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
        "Temperature, threshold (best F1) and band of doubt (a fifth of the patients where half are positive, fewer "
        "where most are clear) were fitted on out-of-fold predictions of the training patients. The last column "
        "promises everybody the share of positives.",
        calibration_rows(manifest, held_out["table"], held_out["data"]),
        calibration_rows(manifest, here, f"{manifest.metrics['data']}; they chose nothing."),
    ]


if __name__ == "__main__":
    main()
