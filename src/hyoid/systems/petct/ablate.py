"""Tables 5 and 6 of the PET/CT paper again, with intervals, on patients of centres that training never saw."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hyoid.cards.table_cells import summary_cell
from hyoid.evaluation.case_results import CaseResult, measure_case
from hyoid.evaluation.comparison import compare_systems
from hyoid.evaluation.masks import CaseMasks
from hyoid.evaluation.protocols import HECKTOR_2025_STYLE
from hyoid.evaluation.summaries import Summary, summarise
from hyoid.io.atomic import write_text
from hyoid.io.cohorts.case_files import CaseFiles
from hyoid.io.files.volumes import read_labels, write_nifti
from hyoid.io.packages.model_package import ModelPackage, read_package
from hyoid.io.petct import PetRequest, read_petct
from hyoid.systems.ablation import chosen_rows, finished_package
from hyoid.systems.machine import Machine
from hyoid.systems.petct.cases import find_petct_cases
from hyoid.systems.petct.pipeline import Located, PetCtModels, locate_targets, outline_targets
from hyoid.systems.petct.train import train_petct
from hyoid.training.recipe import OptimiserRecipe, PetctRecipe, load_recipe
from hyoid.training.run import Progress, Run, quiet
from hyoid.volume import Volume

TABLE5, TABLE6 = "petct-table5", "petct-table6"
HEADLINE = ("GTVp.dsc_mean", "GTVn.dsc_agg", "GTVn.f1")


@dataclass(frozen=True)
class Row:
    """One row: fine networks by recipe, and what the row changes of their preset.

    Parameters
    ----------
    name, words : str
        Key of the row, and what a reader of the table sees.
    networks : tuple of (recipe, change)
        Fine networks whose answers are averaged; a change is a preset that is applied after the one asked for, "" none.
    five : bool
        Train every network five times, each without a fifth of the cases, and average all of them.
    paper : tuple of float
        GTVp DSC, GTVn aggregated DSC and F1 of the paper's row, on its own patients; () where it has none.
    """

    name: str
    words: str
    networks: tuple[tuple[str, str], ...]
    paper: tuple[float, ...] = ()
    five: bool = False


RESENC, SEGRESNET = ("petct-resenc", ""), ("petct-segresnet", "")
PLAIN = ("petct-resenc", "plain_ct")
TABLES = {
    TABLE5: (
        Row("full", "nL-RU + SRN + CTE", (RESENC, SEGRESNET), (0.8851, 0.7973, 0.8000)),
        Row("segresnet_enhanced", "SRN + CTE", (("petct-segresnet", "enhanced_ct"),), (0.8778, 0.7755, 0.8000)),
        Row("segresnet", "SRN on CT and PET, as section 2.3 says", (SEGRESNET,)),
        Row("resenc", "nL-RU + CTE", (RESENC,), (0.8727, 0.7503, 0.8000)),
        Row("baseline", "nL-RU (baseline)", (PLAIN,), (0.8718, 0.7222, 0.7500)),
        Row("resenc_five", "nL-RU + CTE, five folds", (RESENC,), five=True),
        Row("segresnet_five", "SRN, five folds", (SEGRESNET,), five=True),
        Row(
            "minmax_pet",
            "full, PET scaled to its own range as the authors do",
            (("petct-resenc", "minmax_pet"), ("petct-segresnet", "minmax_pet")),
        ),
        Row(
            "resampled_source",
            "full, fine region cut from windowed, resampled images as the authors do",
            (("petct-resenc", "resampled_source"), ("petct-segresnet", "resampled_source")),
        ),
    ),
    TABLE6: (
        Row("ten", "nL-RU + SRN + CTE, ten models", (RESENC, SEGRESNET), (0.7547, 0.7743, 0.6235), five=True),
        Row("ten_plain", "nL-RU + SRN, ten models", (PLAIN, SEGRESNET), (0.7217, 0.7820, 0.5975), five=True),
        Row("full", "nL-RU + SRN + CTE, one model of each", (RESENC, SEGRESNET)),
        Row("no_enhancement", "nL-RU + SRN, one model of each", (PLAIN, SEGRESNET)),
    ),
}
"""Rows of each table; the others are compared with the first."""
FOLDS = 5
# The authors' first step has 3 x 2 x 2 mm for a fine region at 1 mm.
_SOURCE_OF_SPACING = (3.0, 2.0, 2.0)


@dataclass(frozen=True, eq=False)
class Setting:
    """Data, networks and budget that all rows share.

    Parameters
    ----------
    train, test : Path
        Folders of cases, see `find_petct_cases`.
    out : Path
        Folder of trained networks, predictions and the table.
    head, coarse : ModelPackage
        Networks of the first two stages, the same for every row.
    machine : Machine
        Device, precision and folder for compiled graphs of prediction.
    seeds : int
        Trainings of each network.
    steps : int, optional
        Steps of each training; the recipe's when not given.
    table : str
        Which of `TABLES`.
    preset : str
        Preset of every network's recipe, to which a row's change is added.
    """

    train: Path
    test: Path
    out: Path
    head: ModelPackage
    coarse: ModelPackage
    machine: Machine
    seeds: int = 3
    steps: int | None = None
    table: str = TABLE5
    preset: str = "small"


def ablate(setting: Setting, only: Sequence[str] = (), on_progress: Progress = quiet) -> dict[str, Summary]:
    """Train what the rows need, predict the test patients, and write `table.json` and `table.md`.

    Networks and predictions that are there are not made again.

    Parameters
    ----------
    setting : Setting
        Cases, output folder, first two networks, seeds, steps, table and preset.
    only : sequence of str
        Names of rows; all when empty.
    on_progress : callable
        Called with (stage, steps done, steps in all, words).

    Returns
    -------
    dict of str to Summary
        Numbers of each row over all seeds; intervals by bootstrap over patients.

    Raises
    ------
    UsageError
        When a row does not exist, a folder holds no cases, or a finished network is of another recipe.
    """
    rows = chosen_rows(setting.table, TABLES, only)
    jobs = [(seed, *one) for seed in range(setting.seeds) for one in needed(rows)]
    packages = {}
    for number, (seed, network, fold) in enumerate(jobs):
        on_progress("ablation", number, len(jobs), f"{network[0]} {network[1]}, seed {seed}")
        packages[network, fold, seed] = _trained(setting, network, seed, fold)
    on_progress("ablation", len(jobs), len(jobs), "")
    files = [f for f in find_petct_cases(setting.test) if f.targets is not None]
    results: dict[str, list[CaseResult]] = {row.name: [] for row in rows}
    for number, case in enumerate(files):
        on_progress("predict", number, len(files), "")
        predict = _predictor(setting, case)
        for seed in range(setting.seeds):
            for row in rows:
                fine = tuple(packages[network, fold, seed] for network, fold in needed([row]))
                results[row.name].append(_measured(setting, row, seed, case, partial(predict, fine)))
    on_progress("predict", len(files), len(files), "")
    table = {
        name: summarise(found, HECKTOR_2025_STYLE, patients=[result.case for result in found])
        for name, found in results.items()
    }
    first = TABLES[setting.table][0].name
    less = {
        name: compare_systems(found, results[first], HECKTOR_2025_STYLE).summary
        for name, found in results.items()
        if first in results and name != first
    }
    document = {
        "table": setting.table,
        "preset": setting.preset,
        "seeds": setting.seeds,
        "patients": len(files),
        "steps": setting.steps,
        "rows": table,
    }
    write_text(setting.out / "table.json", json.dumps(document | {f"less_{first}": less}, indent=1))
    write_text(setting.out / "table.md", markdown(table, less, rows, setting, len(files)))
    return table


def needed(rows: Sequence[Row]) -> list[tuple[tuple[str, str], int | None]]:
    """List the trainings behind rows, each once: a network, and the fold left out or None.

    Examples
    --------
    >>> needed([Row("a", "", (RESENC,)), Row("b", "", (RESENC, PLAIN))])
    [(('petct-resenc', ''), None), (('petct-resenc', 'plain_ct'), None)]
    """
    every = [
        (network, fold) for row in rows for network in row.networks for fold in (range(FOLDS) if row.five else (None,))
    ]
    return list(dict.fromkeys(every))


def markdown(
    table: dict[str, Summary], less: dict[str, Summary], rows: Sequence[Row], setting: Setting, patients: int
) -> str:
    """Write the table as Markdown, with the paper's numbers and the differences from the full system."""
    steps = "the recipes' steps" if setting.steps is None else f"{setting.steps} steps"
    lines = [
        f"{patients} virtual patients of centres not seen in training, {setting.seeds} seed(s), {steps} for each "
        "network; 95 % bootstrap over patients. The paper's numbers are its own, on other patients, and no target.",
        "",
        "| row | GTVp DSC | GTVn DSCagg | GTVn F1 | paper |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [summary_cell(table[row.name], key) for key in HEADLINE]
        paper = ", ".join(f"{v:.4f}" for v in row.paper) or "none"
        lines.append(f"| {row.words} | {' | '.join(cells)} | {paper} |")
    if less:
        lines += ["", f"| less {rows[0].words} | GTVp DSC | GTVn DSCagg | GTVn F1 |", "|---|---|---|---|"]
    for row in rows:
        if row.name in less:
            cells = [summary_cell(less[row.name], f"{key}.difference", sign="+") for key in HEADLINE]
            lines.append(f"| {row.words} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def shortened(optimiser: OptimiserRecipe, steps: int) -> OptimiserRecipe:
    """Fit a schedule to other steps: warm-up and the window of the averaged weights keep their share.

    Parameters
    ----------
    optimiser : OptimiserRecipe
        Optimiser with the recipe's steps.
    steps : int
        Steps to train instead.
    """
    share = steps / optimiser.steps
    return optimiser.model_copy(
        update={
            "steps": steps,
            "steps_per_epoch": min(optimiser.steps_per_epoch, steps),
            "warmup_steps": round(optimiser.warmup_steps * share),
            "ema_decay": max(0.0, 1 - (1 - optimiser.ema_decay) / share) if optimiser.ema_decay else 0.0,
        }
    )


def row_recipe(setting: Setting, network: tuple[str, str], seed: int) -> PetctRecipe:
    """Load a network's recipe with the preset asked for, the row's change, seed and steps."""
    name, change = network
    recipe = load_recipe(name, f"{setting.preset}+{change}" if change else setting.preset)
    assert isinstance(recipe, PetctRecipe)
    optimiser = recipe.optimiser if setting.steps is None else shortened(recipe.optimiser, setting.steps)
    region = recipe.region
    if region.source_mm is not None:
        source = tuple(k * mm for k, mm in zip(_SOURCE_OF_SPACING, recipe.spacing_mm, strict=True))
        region = region.model_copy(update={"source_mm": source})
    return recipe.model_copy(update={"seed": recipe.seed + 1000 * seed, "optimiser": optimiser, "region": region})


def _trained(setting: Setting, network: tuple[str, str], seed: int, fold: int | None) -> ModelPackage:
    """One network by recipe, change, seed and fold left out."""
    recipe = row_recipe(setting, network, seed)
    if fold is not None:
        recipe = recipe.model_copy(update={"name": f"{recipe.name}-{fold}"})
    folder = setting.out / "networks" / f"{recipe.name}-{setting.preset}-{seed}"
    package = finished_package(folder, recipe)
    if package is None:
        package = read_package(train_petct(recipe, [setting.train], Run(folder, setting.machine.device), fold=fold))
    return package


def _predictor(setting: Setting, case: CaseFiles) -> Callable[[tuple[ModelPackage, ...]], Volume]:
    """Fine networks to labels of one patient; the two stages that all rows share run once, when first asked."""
    located: list[Located] = []

    def predict(fine: tuple[ModelPackage, ...]) -> Volume:
        models = PetCtModels(setting.head, setting.coarse, fine)
        if not located:
            study = read_petct(case.ct, PetRequest(file=case.pet, units="suv"))
            pet = None if study.pet is None else study.pet.volume
            located.append(locate_targets(study.ct.volume, pet, models, setting.machine))
        return outline_targets(located[0], models, setting.machine).labels

    return predict


def _measured(setting: Setting, row: Row, seed: int, case: CaseFiles, predict: Callable[[], Volume]) -> CaseResult:
    """One patient by one row; the prediction is kept."""
    file = setting.out / "predictions" / f"{row.name}-{seed}" / f"{case.name}.nii.gz"
    if not file.is_file():
        write_nifti(predict(), file)
    assert case.targets is not None
    reference, prediction = (_masks(path) for path in (case.targets, file))
    return measure_case(case.name, reference, prediction, HECKTOR_2025_STYLE)


def _masks(path: Path) -> CaseMasks:
    volume = read_labels(path)
    return CaseMasks(volume.geometry, labels=volume.array)
