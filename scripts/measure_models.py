"""Measure the default networks on patients no training saw, and write manifests, cards and docs/validation.md.

    python scripts/measure_models.py ../shared/data/openkbp/validation WORK/sgrnet-ct-only/package

The second argument is the baseline of Table 1 (`hyoid train sgrnet --preset ct_only`), which is not shipped.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from hyoid.interfaces.places import WEIGHTS, cache_folder
from hyoid.io.model_package import read_manifest, read_package, write_manifest
from hyoid.pipelines import measurement
from hyoid.pipelines.structured_report import Machine, ReportModels, localise_tumour, outline_organs, target_mask

BF16_CASES = 8
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
WRONG_CORDS = ("pt_215", "pt_216")


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
            labels_of=lambda ct, where: target_mask(localise_tumour(ct, models.tumour, where)[0], ct),
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


if __name__ == "__main__":
    main()
