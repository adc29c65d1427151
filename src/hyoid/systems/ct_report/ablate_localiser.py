"""Does pre-training on the CT of PET/CT help to localise the tumour on CT (SGRNet, section 5.2)?

Both rows are trained on the same folds of cuboids, one from nothing and one from a pre-trained network; each answers
for the patients that it did not see, and the table has the Dice of its cuboids with those of the readers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from hyoid.cards.table_cells import with_limits
from hyoid.errors import UsageError
from hyoid.geometry.orientation import to_canonical
from hyoid.geometry.overlap import dice_of_masks
from hyoid.geometry.resample import resample
from hyoid.io.atomic import write_text
from hyoid.io.cohorts.case_files import CaseFiles
from hyoid.io.files.volumes import read_image
from hyoid.io.packages.model_package import ModelPackage, read_package
from hyoid.metrics.comparison import Ratio, bootstrap_interval
from hyoid.systems.ablation import finished_package, require_known
from hyoid.systems.machine import Machine
from hyoid.systems.organs import localise_tumour, target_mask
from hyoid.training.cases import TARGET, boxed, find_cases, load_case
from hyoid.training.folds import folds_in_turn
from hyoid.training.recipe import SegmentationRecipe
from hyoid.training.run import Progress, Run, quiet
from hyoid.training.segmentation import train_segmentation
from hyoid.volume import Quantity

TABLE = "ct_report-localiser"
ROWS = {"scratch": "nnU-Net from nothing", "pretrained": "pre-trained on the CT of PET/CT"}
PAPER = {"scratch": 0.37, "pretrained": 0.51}
_MIN_ML = 1.0  # smaller parts are no cuboids, as in the heatmap


def ablate_localiser(
    recipe: SegmentationRecipe,
    folder: Path,
    out: Path,
    machine: Machine,
    *,
    pretrained: Mapping[str, Tensor] | None,
    only: Sequence[str] = (),
    device: str = "auto",
    on_progress: Progress = quiet,
) -> dict[str, Any]:
    """Train both rows on every fold, and score each on the patients left out; finished networks are read from `out`.

    Parameters
    ----------
    recipe : SegmentationRecipe
        Recipe `tumour` with a preset of cuboids.
    folder : Path
        CTs with cuboids.
    out : Path
        Gets `runs/`, `table.json` and `table.md`. The packages in `runs/pretrained-K` give out-of-fold heatmaps.
    machine : Machine
        Device, precision and folder for compiled graphs of prediction.
    pretrained : mapping of str to Tensor, optional
        Weights of the network that was pre-trained; needed for its row.
    only : sequence of str
        Names of rows, when not all are wanted.

    Returns
    -------
    dict
        What `table.json` holds.

    Raises
    ------
    UsageError
        When a row does not exist, the pre-trained network is missing, or there are fewer patients than folds.
    """
    require_known("row", only, ROWS)
    rows = [name for name in ROWS if not only or name in only]
    if "pretrained" in rows and pretrained is None:
        raise UsageError(
            "The row of the pre-trained network needs that network.",
            "Give it with --tumour (trained by `hyoid train tumour --preset paper_petct`), or --row scratch.",
        )
    cases = find_cases(folder)
    if len(cases) < recipe.folds:
        raise UsageError(f"{len(cases)} patients cannot make {recipe.folds} folds.", "Give more patients.")
    turns = folds_in_turn([case.name for case in cases], recipe.folds)
    dice: dict[str, dict[str, float]] = {name: {} for name in rows}
    done, total = 0, len(rows) * recipe.folds
    for name in rows:
        for fold in range(recipe.folds):
            on_progress("ablation", done, total, f"{name}, fold {fold}")
            of_run = recipe.model_copy(update={"name": f"{recipe.name}-{name}-{fold}"})
            run = Run(out / "runs" / f"{name}-{fold}", device)
            package = finished_package(run.out, of_run)
            if package is None:
                start = pretrained if name == "pretrained" else None
                package = read_package(train_segmentation(of_run, [folder], run, fold=fold, start=start))
            for case, turn in zip(cases, turns, strict=True):
                if turn == fold:
                    dice[name][case.name] = cuboid_dice(case, package, recipe, machine)
            done += 1
    on_progress("ablation", total, total, "")
    result = {"table": TABLE, "n": len(cases), "folds": recipe.folds, "steps": recipe.optimiser.steps, "dice": dice}
    write_text(out / "table.json", json.dumps(result, indent=1))
    write_text(out / "table.md", markdown(result))
    return result


def cuboid_dice(case: CaseFiles, package: ModelPackage, recipe: SegmentationRecipe, machine: Machine) -> float:
    """Compute Dice of predicted cuboids with those of the reader (appendix G); 0 where only one of both is empty."""
    known = load_case(case, recipe.spacing_mm, "cuboid")
    ct = to_canonical(read_image(case.ct, Quantity.HU))
    logits, _ = localise_tumour(ct, package, machine)
    found = resample(target_mask(logits, ct, _MIN_ML), known.geometry).array
    score = dice_of_masks(known.mask(TARGET), boxed(found.astype(np.uint8)) > 0)
    return 1.0 if score is None else float(score)


def markdown(result: dict[str, Any]) -> str:
    """Write the table as Markdown."""
    lines = [
        f"# {result['table']}",
        "",
        f"n = {result['n']} patients, each answered by the network of {result['folds']} that did not see this patient; "
        f"{result['steps']} steps each. Dice of cuboids, intervals of 95 % over patients.",
        "",
        "| | Dice | paper, its own patients |",
        "|---|---|---|",
    ]
    for name, scores in result["dice"].items():
        values = list(scores.values())
        limits = bootstrap_interval([Ratio.mean_of(values)], np.random.default_rng(0), patients=list(scores))
        low, high = (None, None) if limits is None else (limits.low, limits.high)
        lines.append(f"| {ROWS[name]} | {with_limits(float(np.mean(values)), low, high)} | {PAPER[name]:.2f} |")
    return "\n".join(lines) + "\n"
