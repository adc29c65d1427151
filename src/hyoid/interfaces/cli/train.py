"""`hyoid train`: from a recipe and cases to a model package. Needs the extra `train`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sized
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from hyoid.errors import UsageError
from hyoid.interfaces.extras import needs_extra
from hyoid.interfaces.installed import OUTLINING, load_model, load_models, package_folder, pulled_folder
from hyoid.interfaces.places import cache_folder, device_named
from hyoid.interfaces.terminal import Terminal
from hyoid.io.cohorts.hntsmrg import find_hntsmrg_cases

HALVES = 2  # cross-fitting: fold K leaves out the cases whose number leaves remainder K
FOLDS = 5  # of all systems but the localisers


def train(
    recipe: Annotated[
        str, typer.Argument(help="Recipe name (organs, tumour, ct_report, lesion, midrt, petct-head …) or a YAML file.")
    ],
    data: Annotated[list[Path], typer.Option(help="Folder of cases; may be given several times.")],
    out: Annotated[Path, typer.Option(help="Folder for the run; a stopped run goes on from there.")],
    preset: Annotated[str, typer.Option(help="Preset of the recipe.")] = "small",
    fold: Annotated[
        int | None,
        typer.Option(min=0, max=FOLDS - 1, help="Leave out this half (tumour; else fifth) of them."),
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="Package whose weights to begin with; for preset ct_fm: ct_fm.")
    ] = None,
    organs: Annotated[
        list[str] | None, typer.Option(help="ct_report: packages that outline organs, by default organs and neck.")
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
    logger: Annotated[str, typer.Option(help="petct: tensorboard or mlflow, beside metrics.jsonl.")] = "",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int, typer.Option(help="CPU threads; 0 takes all.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable events.")] = False,
) -> None:
    """Train one network; its package is in OUT/package."""
    with needs_extra("train", "Training"):
        import torch

        from hyoid.systems.ct_report import train as ct_report_training
        from hyoid.training import ct_report as classification
        from hyoid.training import lesion as clicks
        from hyoid.training import midrt as midrt_training
        from hyoid.training import recipe as recipes
        from hyoid.training import run
    chosen = recipes.load_recipe(recipe, preset)
    terminal = Terminal(as_json=as_json)
    # Names of data, not paths: a run may go on elsewhere.
    order = {"data": [folder.resolve().name for folder in data], "fold": fold, "start": start}
    order |= {"organs": organs, "tumour": tumour, "head": head}
    run.require_same_order(out, order)
    if dry_run:
        _say_plan(terminal, chosen, data, out, fold)
        return
    if threads:
        torch.set_num_threads(threads)
    where = device_named(device)
    run.keep_order(out, order)
    with terminal.bars():
        if isinstance(chosen, recipes.PetctRecipe):
            package = run.train_petct(
                chosen,
                data,
                out,
                fold=fold,
                find_head=_head_finder(head),
                device=where,
                processes=run.Processes(  # torchrun's words
                    int(os.environ.get("LOCAL_WORLD_SIZE", "1")), int(os.environ.get("GROUP_WORLD_SIZE", "1"))
                ),
                logger=logger,
                on_progress=terminal.progress,
            )
        elif isinstance(chosen, recipes.SegmentationRecipe):
            package = run.train_segmentation(
                chosen,
                data,
                out,
                start=None if start is None else package_folder(start),
                keep=lambda index: fold is None or index % HALVES != fold,
                device=where,
                workers=1,
                on_progress=terminal.progress,
            )
        elif isinstance(chosen, recipes.LesionRecipe):
            package = clicks.train_lesion(
                chosen,
                data,
                out,
                start=None if start is None else package_folder(start),
                device=where,
                on_progress=terminal.progress,
            )
        elif isinstance(chosen, recipes.MidrtRecipe):
            package = midrt_training.train_midrt(
                chosen, data, out, fold=fold, device=where, on_progress=terminal.progress
            )
        else:
            cases = ct_report_training.prepared_cases(
                chosen,
                data,
                priors or out / "priors",
                organs=load_models(organs or OUTLINING),
                tumours=load_models(tumour or ["tumour"]),
                cache=cache_folder(),
                on_progress=terminal.progress,
            )
            learn = (
                classification.train_ct_report if fold is None else partial(ct_report_training.train_fold, fold=fold)
            )
            package = learn(
                chosen,
                cases,
                out,
                start=None if start is None else encoder_weights(start),
                device=where,
                on_progress=terminal.progress,
            )
    terminal.event("done", package=str(package))
    terminal.say(f"Package: {package}")


def encoder_weights(name: str) -> dict[str, Any]:
    """Published weights by the name of pulled ones, as tensors.

    Raises
    ------
    UsageError
        When they are not here.
    """
    from safetensors.torch import load_file

    folder = pulled_folder(name)
    files = sorted(folder.rglob("*.safetensors")) if folder else []
    if not files:
        raise UsageError(f"There are no pulled weights {name!r}.", f"Run: hyoid models pull {name}")
    return load_file(files[0])


def _head_finder(package: str | None) -> Any:
    """Finds the head in a CT by a package's network; None without one."""
    if package is None:
        return None
    from hyoid.systems.machine import Machine
    from hyoid.systems.petct.pipeline import head_mask

    model, machine = load_model(package), Machine("cpu", cache_folder())
    return lambda ct: head_mask(ct, model, machine)[0]


def _say_plan(terminal: Terminal, recipe: Any, data: list[Path], out: Path, fold: int | None) -> None:
    """What a run would read, do and write."""
    from hyoid.training.cases import find_cases
    from hyoid.training.petct_cases import find_petct_cases
    from hyoid.training.run import stopped_run

    finders: dict[str, Callable[[Path], Sized]] = {"petct": find_petct_cases, "midrt": find_hntsmrg_cases}
    find = finders.get(recipe.task, find_cases)
    counts = {folder.name: len(find(folder)) for folder in data}
    optimiser = recipe.optimiser
    terminal.event("plan", recipe=recipe.name, cases=counts, steps=optimiser.steps, batch=optimiser.batch, out=str(out))
    cases = ", ".join(f"{n} cases in {name}" for name, n in counts.items())
    left_out = "" if fold is None else f", fold {fold} left out"
    terminal.say(
        f"{recipe.name}: {optimiser.steps} steps of batch {optimiser.batch} on {cases}{left_out} -> {out}/package."
    )
    resumed = stopped_run(out, recipe) is not None
    terminal.say("A stopped run is there and would go on." if resumed else "A new run would begin.")
