"""The table of tasks: what can be trained, on which cases, in how many folds, and which options each task takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from hyoid.errors import UsageError
from hyoid.io.cohorts.hntsmrg import find_hntsmrg_cases
from hyoid.io.packages.model_package import ModelPackage
from hyoid.io.packages.nnunet_source import Source
from hyoid.systems.ct_report.cases import find_ct_report_cases, prepared_cases
from hyoid.systems.ct_report.train import FOLDS as CT_REPORT_FOLDS
from hyoid.systems.ct_report.train import train_ct_report
from hyoid.systems.lesion.cases import find_lesion_patients
from hyoid.systems.lesion.train import train_lesion
from hyoid.systems.machine import Machine
from hyoid.systems.midrt.cases import FOLDS as MIDRT_FOLDS
from hyoid.systems.midrt.train import train_midrt
from hyoid.systems.petct.cases import find_petct_cases
from hyoid.systems.petct.train import head_finder, train_petct
from hyoid.training.cases import find_cases
from hyoid.training.recipe import CtReportRecipe, PetctRecipe, Recipe, load_recipe
from hyoid.training.run import ONE, Run
from hyoid.training.segmentation import train_segmentation


@dataclass(frozen=True)
class Task:
    """Kind of training, with what it takes and how its cases are found.

    Parameters
    ----------
    words : str
        What networks of the task do, in words.
    find : callable
        Finds the cases in a folder; refuses a folder without any.
    train : callable
        Called with (recipe, folders, run) and the options by name; returns the package.
    options : tuple of str
        Names of the options that the task takes, of those of `hyoid train` that not every task takes.
    folds : callable
        Tells the number of folds into which a recipe divides cases; 0 for a task without folds.
    workers : int
        Processes that draw samples beside the one that learns.
    """

    words: str
    find: Callable[[Path], Sequence[Any]]
    train: Callable[..., Path]
    options: tuple[str, ...]
    folds: Callable[[Any], int]
    workers: int = 0


def _train_ct_report(
    recipe: CtReportRecipe,
    folders: Sequence[Path],
    run: Run,
    *,
    fold: int | None,
    start: Mapping[str, Tensor] | None,
    organs: Sequence[Source],
    tumour: Sequence[Source],
    priors: Path | None,
) -> Path:
    """Prepare the cases with the networks in use, and train on them; see `prepared_cases` and `train_ct_report`."""
    cases = prepared_cases(
        recipe,
        folders,
        priors or run.out / "priors",
        organs=organs,
        tumours=tumour,
        cache=run.graphs,
        on_progress=run.on_progress,
    )
    return train_ct_report(recipe, cases, run, fold=fold, start=start)


def _train_petct(
    recipe: PetctRecipe, folders: Sequence[Path], run: Run, *, fold: int | None, head: ModelPackage | None
) -> Path:
    """Train with a package that finds heads where no head is outlined; see `train_petct`."""
    find_head = None if head is None else head_finder(head, Machine("cpu", run.graphs))
    return train_petct(recipe, folders, run, fold=fold, find_head=find_head)


TASKS: dict[str, Task] = {
    "segmentation": Task(
        "outline structures or localise the target on CT",
        find_cases,
        train_segmentation,
        ("fold", "start"),
        lambda recipe: recipe.folds,
        workers=1,
    ),
    "ct_report": Task(
        "say which structures a tumour involves",
        find_ct_report_cases,
        _train_ct_report,
        ("fold", "start", "organs", "tumour", "priors"),
        lambda recipe: CT_REPORT_FOLDS,
    ),
    "petct": Task(
        "find the head, tumour and nodes on PET/CT",
        find_petct_cases,
        _train_petct,
        ("fold", "head", "processes"),
        lambda recipe: recipe.folds,
    ),
    "lesion": Task(
        "outline and describe a lesion from clicks", find_lesion_patients, train_lesion, ("start",), lambda recipe: 0
    ),
    "midrt": Task(
        "outline tumour and nodes on MR during treatment",
        find_hntsmrg_cases,
        train_midrt,
        ("fold",),
        lambda recipe: MIDRT_FOLDS,
    ),
}


ENSEMBLES = {"petct": ("petct-resenc", "petct-segresnet")}
"""Recipes that are trained together, fold by fold, by the word of their system: ten networks of the PET/CT system."""


def every_fold(name: str, preset: str) -> list[tuple[Recipe, int]]:
    """List the trainings of all folds, of one recipe or of all recipes of an ensemble; every network has its own name.

    Parameters
    ----------
    name : str
        Recipe, or word of a system in `ENSEMBLES`.
    preset : str
        Preset of each recipe.

    Returns
    -------
    list of (recipe, fold to hold out)

    Raises
    ------
    UsageError
        When there is no such recipe or preset, or its task has no folds.
    """
    found: list[tuple[Recipe, int]] = []
    for member in ENSEMBLES.get(name, (name,)):
        recipe = load_recipe(member, preset)
        folds = TASKS[recipe.task].folds(recipe)
        if not folds or "fold" not in TASKS[recipe.task].options:
            raise UsageError(f"Recipe {recipe.name!r} has no folds.", "Leave out --all-folds.")
        found += [(recipe.model_copy(update={"name": f"{recipe.name}-{fold}"}), fold) for fold in range(folds)]
    return found


def require_taken(recipe: Recipe, asked: Mapping[str, Any]) -> None:
    """Refuse options that a recipe's task does not take, which would otherwise change nothing without a word.

    Parameters
    ----------
    recipe : Recipe
        Recipe whose task is asked.
    asked : mapping of str to object
        Options by name; None or empty where not asked for.

    Raises
    ------
    UsageError
        When one is not taken, or there is no fold of that number.
    """
    task = TASKS[recipe.task]
    for name, value in asked.items():
        if value not in (None, (), [], ONE) and name not in task.options:
            taken = ", ".join(_named(option) for option in task.options) or "no such options"
            raise UsageError(
                f"Networks that {task.words} take no {_named(name)}.",
                f"Leave it out; recipe {recipe.name!r} takes {taken}.",
            )
    fold, folds = asked.get("fold"), task.folds(recipe)
    if fold is not None and fold >= folds:
        raise UsageError(
            f"Recipe {recipe.name!r} divides its cases into {folds} folds: there is no fold {fold}.",
            f"Give --fold 0 to {folds - 1}.",
        )


def _named(option: str) -> str:
    """Name an option for people."""
    return "several processes" if option == "processes" else f"--{option}"
