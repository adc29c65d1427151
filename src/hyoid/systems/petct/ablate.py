"""Table 5 of the PET/CT paper again, with intervals, on patients of centres that training never saw."""

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

TABLE, FULL = "petct-table5", "full"
HEADLINE = ("GTVp.dsc_mean", "GTVn.dsc_agg", "GTVn.f1")


@dataclass(frozen=True)
class Row:
    """One row: fine networks by recipe and preset.

    Parameters
    ----------
    name, words : str
        Key of the row, and what a reader of the table sees.
    networks : tuple of (recipe, preset)
        Fine networks whose answers are averaged.
    paper : tuple of float
        GTVp DSC, GTVn aggregated DSC and F1 of the paper's row, on its own patients; () where it has none.
    """

    name: str
    words: str
    networks: tuple[tuple[str, str], ...]
    paper: tuple[float, ...] = ()


RESENC, SEGRESNET = ("petct-resenc", "small"), ("petct-segresnet", "small")
ROWS = (
    Row(FULL, "nL-RU + SRN + CTE", (RESENC, SEGRESNET), (0.8851, 0.7973, 0.8000)),
    Row(
        "no_enhancement",
        "nL-RU + SRN, CT as it is",
        (("petct-resenc", "plain_ct"), SEGRESNET),
        (0.7217, 0.7820, 0.5975),
    ),
    Row("segresnet", "SRN alone", (SEGRESNET,), (0.8778, 0.7755, 0.8000)),
    Row("resenc", "nL-RU + CTE alone", (RESENC,), (0.8727, 0.7503, 0.8000)),
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
)


TABLES = {TABLE: ROWS}


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
    """

    train: Path
    test: Path
    out: Path
    head: ModelPackage
    coarse: ModelPackage
    machine: Machine
    seeds: int = 3
    steps: int | None = None


def ablate(setting: Setting, only: Sequence[str] = (), on_progress: Progress = quiet) -> dict[str, Summary]:
    """Train what the rows need, predict the test patients, and write `table.json` and `table.md`.

    Networks and predictions that are there are not made again.

    Parameters
    ----------
    setting : Setting
        Cases, output folder, first two networks, seeds and steps.
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
    rows = chosen_rows(TABLE, TABLES, only)
    needed = list(dict.fromkeys(network for row in rows for network in row.networks))
    jobs = [(network, seed) for seed in range(setting.seeds) for network in needed]
    packages = {}
    for number, (network, seed) in enumerate(jobs):
        on_progress("ablation", number, len(jobs), f"{network[0]} {network[1]}, seed {seed}")
        packages[network, seed] = _trained(setting, network, seed)
    on_progress("ablation", len(jobs), len(jobs), "")
    files = [f for f in find_petct_cases(setting.test) if f.targets is not None]
    results: dict[str, list[CaseResult]] = {row.name: [] for row in rows}
    for number, case in enumerate(files):
        on_progress("predict", number, len(files), "")
        predict = _predictor(setting, case)
        for seed in range(setting.seeds):
            for row in rows:
                fine = tuple(packages[network, seed] for network in row.networks)
                results[row.name].append(_measured(setting, row, seed, case, partial(predict, fine)))
    on_progress("predict", len(files), len(files), "")
    table = {
        name: summarise(found, HECKTOR_2025_STYLE, patients=[result.case for result in found])
        for name, found in results.items()
    }
    less = {
        name: compare_systems(found, results[FULL], HECKTOR_2025_STYLE).summary
        for name, found in results.items()
        if FULL in results and name != FULL
    }
    document = {"table": TABLE, "seeds": setting.seeds, "patients": len(files), "steps": setting.steps, "rows": table}
    write_text(setting.out / "table.json", json.dumps(document | {"less_full": less}, indent=1))
    write_text(setting.out / "table.md", markdown(table, less, rows, setting, len(files)))
    return table


def markdown(
    table: dict[str, Summary], less: dict[str, Summary], rows: Sequence[Row], setting: Setting, patients: int
) -> str:
    """Write the table as Markdown, with the paper's numbers and the differences from the full system."""
    steps = "the recipes' steps" if setting.steps is None else f"{setting.steps} steps"
    lines = [
        f"{patients} virtual patients of centres not seen in training, {setting.seeds} seed(s), {steps} for each "
        "network; 95 % bootstrap over patients. The paper's numbers are its own (Table 5; without enhancement Table 6) "
        "on other patients, and no target.",
        "",
        "| row | GTVp DSC | GTVn DSCagg | GTVn F1 | paper |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [summary_cell(table[row.name], key) for key in HEADLINE]
        paper = ", ".join(f"{v:.4f}" for v in row.paper) or "none"
        lines.append(f"| {row.words} | {' | '.join(cells)} | {paper} |")
    if less:
        lines += ["", "| less full | GTVp DSC | GTVn DSCagg | GTVn F1 |", "|---|---|---|---|"]
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


def _trained(setting: Setting, network: tuple[str, str], seed: int) -> ModelPackage:
    """One network by recipe, preset and seed."""
    folder = setting.out / "networks" / f"{network[0]}-{network[1]}-{seed}"
    recipe = load_recipe(*network)
    assert isinstance(recipe, PetctRecipe)
    optimiser = recipe.optimiser if setting.steps is None else shortened(recipe.optimiser, setting.steps)
    changed = recipe.model_copy(update={"seed": recipe.seed + 1000 * seed, "optimiser": optimiser})
    package = finished_package(folder, changed)
    if package is None:
        package = read_package(train_petct(changed, [setting.train], Run(folder, setting.machine.device)))
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
