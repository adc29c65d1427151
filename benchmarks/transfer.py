"""What virtual patients teach about real ones: equal small networks from real, virtual and both kinds of scans.

Run from the project folder, on one thread about a quarter of an hour of CPU per network::

    python benchmarks/transfer.py work/transfer ../shared/data/openkbp

Makes a cohort of virtual CTs in WORK/virtual, trains the preset `transfer` of recipe `organs`
(seven organs and the high-dose target) on `train`, on the cohort, and on both by halves, with the same seed and number
of steps, and scores each on `validation`, on the scans' own grid. What is done already is not done again. Prints a
table in Markdown.
The target of a virtual patient is its tumour and nodes with a planning target's margin (see `hyoid.training.cases`), or
with `--margin-mm`; networks with a margin of their own lie beside the others.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from hyoid.anatomy.structures import BY_NAME
from hyoid.geometry.orientation import to_canonical
from hyoid.geometry.overlap import dice_of_masks
from hyoid.inference.export import labels_from_logits
from hyoid.inference.runtime import load_runtime
from hyoid.inference.segment import segment
from hyoid.interfaces.places import cache_folder
from hyoid.io.cohorts.case_files import CaseFiles
from hyoid.io.cohorts.openkbp import OPENKBP_ORGANS, OPENKBP_PTV70
from hyoid.io.files.volumes import read_image, read_labels
from hyoid.io.packages.model_package import ModelPackage, read_package
from hyoid.metrics.comparison import Ratio, bootstrap_interval, paired_difference
from hyoid.phantom.cohort.make import write_cohort
from hyoid.phantom.patient import PhantomOptions
from hyoid.preprocess.network_grid import body_on_grid
from hyoid.training.cases import VIRTUAL_TARGET_MARGIN_MM, find_cases
from hyoid.training.recipe import SegmentationRecipe, load_recipe
from hyoid.training.run import Run
from hyoid.training.segmentation import train_segmentation
from hyoid.volume import Quantity

ARMS = ("real", "virtual", "both")
COHORT_SEED, SPACING_MM = 1, (3.0, 4.0, 4.0)
# Patients who get 70 Gy have larger tumours than all patients, and the nodes of such tumours.
DISEASE = PhantomOptions(diameter_mm=(25.0, 70.0), nodes=None)
SEED = 0
TARGET = "target_region"
Scores = dict[str, dict[str, float]]


def main() -> None:
    """Make what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("data", type=Path, help="folder that holds train and validation")
    parser.add_argument("--n", type=int, default=60, help="virtual patients")
    parser.add_argument("--cohort", type=Path, help="virtual patients to learn from as they are, instead of new ones")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=ARMS)
    parser.add_argument("--margin-mm", type=float, default=VIRTUAL_TARGET_MARGIN_MM, help="around virtual lesions")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    cohort = arguments.cohort or arguments.work / "virtual"
    if not arguments.cohort and set(arguments.arms) != {"real"}:
        write_cohort(
            cohort, n=arguments.n, seed=COHORT_SEED, spacing_mm=SPACING_MM, options=DISEASE, workers=arguments.threads
        )
    folders = {"real": [arguments.data / "train"], "virtual": [cohort], "both": [arguments.data / "train", cohort]}
    found = {}
    for arm in arguments.arms:
        own = arm != "real" and arguments.margin_mm != VIRTUAL_TARGET_MARGIN_MM
        out = arguments.work / f"network-{arm}{f'-{arguments.margin_mm:g}mm' if own else ''}"
        if not (out / "package").is_dir():
            train_segmentation(arm_recipe(arm, arguments.margin_mm), folders[arm], Run(out, "cpu"))
        found[arm] = scored(read_package(out / "package"), arguments.data / "validation", out / "scores.json")
    print(table(found))


def arm_recipe(arm: str, margin_mm: float) -> SegmentationRecipe:
    """The recipe of one arm; with both kinds, virtual patients teach every structure, in half of the patches."""
    recipe = load_recipe("organs", "transfer")
    assert isinstance(recipe, SegmentationRecipe)
    recipe = recipe.model_copy(update={"virtual_target_margin_mm": margin_mm})
    if arm != "both":
        return recipe
    return recipe.model_copy(update={"virtual_share": 0.5, "virtual_only": recipe.labels})


def scored(package: ModelPackage, folder: Path, path: Path) -> Scores:
    """Dice by structure of every case, kept in a file."""
    if not path.exists():
        path.write_text(json.dumps({c.name: case_dice(package, c) for c in find_cases(folder)}), encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))


def case_dice(package: ModelPackage, case: CaseFiles) -> dict[str, float]:
    """Dice of the contoured structures of one real case, on its own grid."""
    assert case.organs is not None
    assert case.targets is not None
    ct = to_canonical(read_image(case.ct, Quantity.HU))
    manifest = package.manifest
    shape = (1, len(manifest.preprocessing["windows_hu"]), *manifest.patch)
    runtime = load_runtime(package, [shape], device="cpu", precision="f32", cache=cache_folder())
    logits = segment(body_on_grid(ct, manifest.spacing_mm), manifest, runtime)
    organs = [name for name in manifest.labels if name != TARGET]
    channels = [manifest.labels.index(name) for name in organs]
    outlined = labels_from_logits(
        logits.array[channels], logits.geometry, ct.geometry, [BY_NAME[name].label for name in organs]
    ).array
    target = logits.array[[manifest.labels.index(TARGET)]]
    contours = to_canonical(read_labels(case.organs)).array
    ptv = to_canonical(read_labels(case.targets)).array == OPENKBP_PTV70
    found = {
        name: dice_of_masks(outlined == BY_NAME[name].label, contours == value)
        for value, name in OPENKBP_ORGANS.items()
        if (contours == value).any()
    }
    return found | {TARGET: dice_of_masks(labels_from_logits(target, logits.geometry, ct.geometry, [1]).array > 0, ptv)}


def table(found: dict[str, Scores]) -> str:
    """Markdown: mean Dice with 95 % interval over patients by structure and arm, and the gap to real scans."""
    arms = list(found)
    cases = sorted(found[arms[0]])
    gap = "real" in arms and "virtual" in arms
    rows = [f"| | n | {' | '.join(arms)} |{' virtual - real |' if gap else ''}", "|" + "---|" * (2 + len(arms) + gap)]
    organs = sorted(OPENKBP_ORGANS.values())
    for words, names in [(BY_NAME[n].words, [n]) for n in (*organs, TARGET)] + [("**mean of the organs**", organs)]:
        ratios = {arm: [ratio(found[arm], cases, name) for name in names] for arm in arms}
        n = int(ratios[arms[0]][0].denominators.sum()) if len(names) == 1 else len(cases)
        cells = [words, str(n), *(cell(ratios[arm]) for arm in arms)]
        if gap:
            difference = paired_difference(ratios["virtual"], ratios["real"], np.random.default_rng(SEED))
            assert difference is not None and difference.interval is not None
            limits = difference.interval
            cells.append(f"{difference.difference:+.3f} ({limits.low:+.3f} to {limits.high:+.3f})")
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def ratio(scores: Scores, cases: Sequence[str], name: str) -> Ratio:
    """Mean Dice of a structure over the cases in which it is contoured."""
    return Ratio.mean_of([scores[case].get(name) for case in cases])


def cell(ratios: Sequence[Ratio]) -> str:
    """Mean with its interval."""
    interval = bootstrap_interval(ratios, np.random.default_rng(SEED))
    assert interval is not None
    return f"{np.mean([r.value for r in ratios]):.3f} ({interval.low:.3f} to {interval.high:.3f})"


if __name__ == "__main__":
    main()
