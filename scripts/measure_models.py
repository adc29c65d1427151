"""Measure the default networks on patients no training saw, and write their manifests and cards.

    python scripts/measure_models.py ../shared/data/openkbp/validation WORK/sgrnet-ct-only/package

The second argument is the baseline of Table 1 (`hyoid train sgrnet --preset ct_only`), which is not shipped.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from hyoid.anatomy.structures import BY_NAME
from hyoid.interfaces.places import WEIGHTS, cache_folder
from hyoid.io.model_package import CARD, Manifest, read_manifest, read_package, write_manifest
from hyoid.pipelines import measurement
from hyoid.pipelines.structured_report import Machine, ReportModels, localise_tumour, outline_organs, target_mask

BF16_CASES = 4
SEED = 0
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
        "The structures learned from virtual patients have not been checked against real contours.",
    ),
    "tumour": (
        "It localises a planning target (tumour and nodes with margin), not the tumour; it cannot tell them apart.",
        "It has seen only patients who have such a target: on a healthy neck it will often find one.",
        "Primary sites and protocols follow OpenKBP; laryngeal and postoperative targets are under-represented.",
    ),
    "sgrnet": (
        "Its labels are overlap with a planning target, a stand-in for involvement by tumour.",
        "33 patients are few: the intervals overlap, and no ranking of the three columns is established by them.",
        "Heatmaps of training patients came from a localiser that had seen them; in use they are a little worse.",
        "Probabilities are not calibrated.",
    ),
}
_DATA = "../shared/data/openkbp/train"
COMMANDS = {
    "organs": f"""hyoid train organs --preset real --data {_DATA} --out work/organs-real
hyoid phantom --n 100 --seed 1 --spacing 3,4,4 --out work/virtual
hyoid train organs --data {_DATA} --data work/virtual --start work/organs-real/package --out work/organs""",
    "tumour": f"hyoid train tumour --data {_DATA} --start work/organs-real/package --out work/tumour",
    "sgrnet": f"""hyoid train sgrnet --data {_DATA} --organs work/organs/package --tumour work/tumour/package \\
    --out work/sgrnet""",
}


def main() -> None:
    """Measure, save, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("validation", type=Path)
    parser.add_argument("ct_only", type=Path)
    arguments = parser.parse_args()
    models = ReportModels(*(read_package(WEIGHTS / name) for name in ("organs", "tumour", "sgrnet")))
    machine = Machine("cpu", cache_folder(), "f32")
    rows = measurement.measure_models(arguments.validation, models, read_package(arguments.ct_only), machine, tell)
    rng = np.random.default_rng(SEED)
    dice = measurement.dice_table(rows, rng)
    ranking = measurement.ranking_table(rows, models.sgrnet.manifest.labels, rng)
    agreement = {
        "organs": measurement.bf16_agreement(
            arguments.validation,
            models.organs,
            cache_folder(),
            cases=BF16_CASES,
            labels_of=lambda ct, where: outline_organs(ct, models.organs, where)[0],
        ),
        "tumour": measurement.bf16_agreement(
            arguments.validation,
            models.tumour,
            cache_folder(),
            cases=BF16_CASES,
            labels_of=lambda ct, where: target_mask(localise_tumour(ct, models.tumour, where)[0], ct, 0.0),
        ),
    }
    target = dice.pop("target_region")
    save("organs", {"data": data_words(rows), "dice": dice}, agreement["organs"])
    save("tumour", {"data": data_words(rows), "dice": {"target_region": target}}, agreement["tumour"])
    save("sgrnet", {"data": data_words(rows), "average_precision": ranking}, {})
    print(json.dumps({"dice": dice, "target_region": target, "ranking": ranking, "bf16": agreement}, indent=1))


def tell(done: int, total: int) -> None:
    """Say how far it is."""
    print(f"{done} of {total}", flush=True)


def data_words(rows: Any) -> str:
    """Which patients were measured."""
    return f"{len(rows)} patients of OpenKBP's validation split; no training or choice used them"


def save(name: str, metrics: dict[str, Any], agreement: dict[str, float]) -> None:
    """Put measurements into a package's manifest and card."""
    folder = WEIGHTS / name
    manifest = read_manifest(folder).model_copy(update={"metrics": metrics, "bf16_agreement": agreement})
    write_manifest(folder, manifest)
    (folder / CARD).write_text(card(manifest), encoding="utf-8")


def card(manifest: Manifest) -> str:
    """Card of a model: what it does, what it was measured to do, on whom, and where it fails."""
    never = sorted(set(manifest.labels) - set(manifest.metrics.get("dice", {})))
    parts = [
        f"# {manifest.name} {manifest.version}",
        manifest.words.strip(),
        "Research use only. Not a medical device.",
        "## Training data",
        f"{manifest.training_data.strip()}. Licence of the weights: {manifest.licence}.",
        "## Measured",
        f"{manifest.metrics['data'].capitalize()}. 95 % intervals: bootstrap over patients.",
    ]
    if "dice" in manifest.metrics:
        parts.append(dice_rows(manifest.metrics["dice"]))
    if "average_precision" in manifest.metrics:
        parts.append(ranking_rows(manifest.metrics["average_precision"]))
    if manifest.name == "organs" and never:
        parts.append(
            "Learned from virtual patients only, and not measured on real scans, for want of contours: "
            f"{', '.join(BY_NAME[n].words for n in never if n in manifest.supported)}."
        )
    unlearned = [n for n in manifest.labels if n not in manifest.supported]
    if unlearned:
        parts.append(f"Not learned well enough, so never outlined: {', '.join(BY_NAME[n].words for n in unlearned)}.")
    if manifest.bf16_agreement:
        lowest = min(manifest.bf16_agreement, key=lambda n: manifest.bf16_agreement[n])
        parts.append(
            f"bfloat16 against float32 on {BF16_CASES} scans: lowest Dice {manifest.bf16_agreement[lowest]:.4f} "
            f"({lowest}); bfloat16 is used where every structure reaches 0.999."
        )
    parts += ["## Where it fails", *[f"- {limit}" for limit in LIMITS[manifest.name]]]
    parts += [
        "## Made by",
        f"```\n{COMMANDS[manifest.name]}\n```",
        "Same seed, same patches; the sums of a CPU differ in",
    ]
    parts[-1] += " the last digits with the number of threads, so weights agree closely, not to the bit."
    return "\n\n".join(parts) + "\n"


def dice_rows(table: dict[str, dict[str, Any]]) -> str:
    """Markdown rows of Dice."""
    rows = ["| structure | Dice | 95 % interval | n | plain network |", "|---|---|---|---|---|"]
    for name, row in table.items():
        interval = f"{row['low']:.3f} to {row['high']:.3f}"
        rows.append(f"| {BY_NAME[name].words} | {row['dice']:.3f} | {interval} | {row['n']} | {BAR[name]:.3f} |")
    rows.append("\nPlain network: a 2.7 M-parameter U-Net at 4 mm, trained for 30 minutes on two CPU cores.")
    return "\n".join(rows)


def ranking_rows(table: dict[str, dict[str, Any]]) -> str:
    """Markdown rows of average precision."""
    rows = ["| label | n | prevalence | SGRNet | CT only | plain overlap |", "|---|---|---|---|---|---|"]
    for name, row in table.items():
        words = "**mean**" if name == "mean" else BY_NAME[name].words
        values = []
        for scorer in measurement.SCORERS:
            interval = row.get(f"{scorer}_interval")
            tail = f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
            values.append(("undefined" if row[scorer] is None else f"{row[scorer]:.3f}") + tail)
        rows.append(f"| {words} | {row['n']} | {row['prevalence']:.2f} | {' | '.join(values)} |")
    rows.append(
        "\nAverage precision. CT only: DenseNet121 trained the same way without priors. Plain overlap: share of the "
        "predicted organ that the predicted target covers, no classifier."
    )
    return "\n".join(rows)


if __name__ == "__main__":
    main()
