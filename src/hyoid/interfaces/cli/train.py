"""`hyoid train`: from a recipe and cases to a model package. Needs the extra `train`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hyoid.errors import UsageError
from hyoid.interfaces.chosen_models import outlining_named, tumour_source
from hyoid.interfaces.cli.options import AsJson, DeviceName, DryRun
from hyoid.interfaces.extras import needs_extra
from hyoid.interfaces.installed import (
    load_model,
    package_folder,
    packages,
    public_models,
    pulled_folder,
)
from hyoid.interfaces.places import cache_folder, device_named
from hyoid.interfaces.terminal import Terminal
from hyoid.io.packages.models_file import Entry

if TYPE_CHECKING:
    from hyoid.systems.tasks import Task
    from hyoid.training.recipe import Recipe

MOST_FOLDS = 5


def train(
    recipe: Annotated[
        str,
        typer.Argument(
            help="Recipe name (organs, tumour, ct_report, lesion, midrt, petct-head …) or a YAML file; petct with "
            "--all-folds."
        ),
    ],
    data: Annotated[list[Path], typer.Option(help="Folder of training cases; repeat for several.")],
    out: Annotated[Path, typer.Option(help="Folder for the run; a stopped run is resumed from there.")],
    preset: Annotated[
        str, typer.Option(help="Preset of the recipe to train; several joined by + are applied in order.")
    ] = "small",
    fold: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=MOST_FOLDS - 1,
            help="Fold of the cases to hold out: 0 or 1 (organs, tumour), else 0 to 4; lesion has no folds.",
        ),
    ] = None,
    all_folds: Annotated[
        bool,
        typer.Option(
            "--all-folds",
            help="Train one network per fold, in turn, into OUT/<name>-<fold>; finished ones are skipped. "
            "petct: the ten fine networks.",
        ),
    ] = False,
    start: Annotated[
        str | None,
        typer.Option(
            help="Package whose weights to begin with (organs, tumour, lesion); ct_fm for ct_report, preset ct_fm."
        ),
    ] = None,
    organs: Annotated[
        list[str] | None,
        typer.Option(
            help="ct_report: networks that outline organs (packages, nnU-Net folders, fetched weights); by default "
            "organs and neck."
        ),
    ] = None,
    tumour: Annotated[
        list[str] | None,
        typer.Option(help="ct_report: tumour packages, one per fold, each for the cases it never saw."),
    ] = None,
    priors: Annotated[
        Path | None,
        typer.Option(help="ct_report: folder of prepared cases, kept between runs; OUT/priors by default."),
    ] = None,
    head: Annotated[
        str | None, typer.Option(help="petct: package that finds the head in cases without an outline of it.")
    ] = None,
    logger: Annotated[str, typer.Option(help="Logger beside metrics.jsonl: tensorboard or mlflow.")] = "",
    device: DeviceName = "auto",
    threads: Annotated[int, typer.Option(help="Number of CPU threads; 0 takes all.")] = 0,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Train one network, or one per fold, and write each package to a folder `package`."""
    with needs_extra("train", "Training"):
        import torch

        from hyoid.systems.ablation import finished_package
        from hyoid.systems.tasks import TASKS, every_fold, require_taken
        from hyoid.training.recipe import load_recipe
        from hyoid.training.run import Processes, Run, keep_order, require_same_order
    if all_folds and fold is not None:
        raise UsageError("--fold holds one fold out, and --all-folds each in turn.", "Give --fold or --all-folds.")
    trainings: list[tuple[Recipe, int | None, Path]] = (
        [(chosen, k, out / chosen.name) for chosen, k in every_fold(recipe, preset)]
        if all_folds
        else [(load_recipe(recipe, preset), fold, out)]
    )
    terminal = Terminal(as_json=as_json)
    # torchrun's words
    processes = Processes(int(os.environ.get("LOCAL_WORLD_SIZE", "1")), int(os.environ.get("GROUP_WORLD_SIZE", "1")))
    if threads:
        torch.set_num_threads(threads)
    for chosen, held_out, place in trainings:
        task = TASKS[chosen.task]
        asked = {"fold": held_out, "start": start, "organs": organs, "tumour": tumour, "priors": priors, "head": head}
        # Names of data, not paths: a run may go on elsewhere.
        order = {"data": [folder.resolve().name for folder in data], "fold": held_out, "start": start}
        order |= {"organs": organs, "tumour": tumour, "head": head}
        require_same_order(place, order)
        require_taken(chosen, asked | {"processes": processes})
        if dry_run:
            _tell_plan(terminal, task, chosen, data, place, held_out)
            continue
        if all_folds and finished_package(place, chosen) is not None:
            terminal.say(f"Finished before: {place / 'package'}")
            continue
        run = Run(place, device_named(device), task.workers, processes, logger, cache_folder(), terminal.progress)
        keep_order(place, order)
        with terminal.bars():
            options = {name: _RESOLVED[name](asked[name]) for name in task.options if name in _RESOLVED}
            package = task.train(chosen, data, run, **options)
        terminal.event("done", package=str(package))
        terminal.say(f"Package: {package}")


def start_weights(name: str) -> dict[str, Any]:
    """Read the weights that a training begins with: published ones that were pulled, or those of a package.

    Parameters
    ----------
    name : str
        Name of public weights, or name or folder of a package.

    Raises
    ------
    UsageError
        When neither is here.
    """
    from safetensors.torch import load_file

    from hyoid.training.run import package_weights

    folder = pulled_folder(name)
    files = sorted(folder.rglob("*.safetensors")) if folder else []
    if files:
        return load_file(files[0])
    if name not in packages() and name in public_models():
        raise UsageError(f"There are no pulled weights {name!r}.", f"Run: hyoid models pull {name}")
    return package_weights(package_folder(name))


_RESOLVED: dict[str, Callable[[Any], Any]] = {
    "fold": lambda fold: fold,
    "start": lambda name: None if name is None else start_weights(name),
    "organs": lambda names: outlining_named(names or ()),
    "tumour": lambda names: [tumour_source(Entry(model=name)) for name in names or ("tumour",)],
    "priors": lambda folder: folder,
    "head": lambda name: None if name is None else load_model(name),
}
"""From an option of the command line to what a task's training takes."""


def _tell_plan(terminal: Terminal, task: Task, recipe: Recipe, data: list[Path], out: Path, fold: int | None) -> None:
    """Tell what a run would read, do and write."""
    from hyoid.training.run import stopped_run

    counts = {folder.name: len(task.find(folder)) for folder in data}
    optimiser = recipe.optimiser
    terminal.event("plan", recipe=recipe.name, cases=counts, steps=optimiser.steps, batch=optimiser.batch, out=str(out))
    cases = ", ".join(f"{n} cases in {name}" for name, n in counts.items())
    left_out = "" if fold is None else f", fold {fold} left out"
    terminal.say(
        f"{recipe.name}: {optimiser.steps} steps of batch {optimiser.batch} on {cases}{left_out} -> {out}/package."
    )
    resumed = stopped_run(out, recipe) is not None
    terminal.say("A stopped run is there and would go on." if resumed else "A new run would begin.")
