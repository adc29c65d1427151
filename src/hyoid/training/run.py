"""`train`: from a recipe and folders of cases to a model package; a killed run goes on where it was."""

from __future__ import annotations

import copy
import json
import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

import lightning
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import MLFlowLogger, TensorBoardLogger
from torch import Tensor
from torch.utils.data import DataLoader

from hyoid.errors import ModelUnusableError, UsageError
from hyoid.io.atomic import write_text
from hyoid.io.packages.model_package import LearnedFrom, read_package, write_package
from hyoid.training.averaged import AveragedTraining
from hyoid.training.cases import Case, load_cases
from hyoid.training.packed import is_packed, read_packed
from hyoid.training.petct import PetctTraining, ValidationPictures
from hyoid.training.petct import network_description as petct_network
from hyoid.training.petct_cases import FindHead, load_petct_cases
from hyoid.training.precision import Bfloat16Probe, precision_of, probe_bfloat16
from hyoid.training.recipe import PetctRecipe, Recipe, SegmentationRecipe, require_same_recipe
from hyoid.training.segmentation import SegmentationTraining, network_description

CHECKPOINTS = "checkpoints"
KEPT_RECIPE = "recipe.json"
KEPT_ORDER = "order.json"
Progress = Callable[[str, int, int, str], None]
"""Called with (stage, done, total, words)."""


class Trained(Protocol):
    """Whatever learned something."""

    def result(self) -> dict[str, torch.Tensor]:
        """Weights under the network's own names."""


@dataclass(frozen=True)
class Processes:
    """Data-parallel training under `torchrun`; every process takes the recipe's batch.

    Parameters
    ----------
    on_each : int
        Processes on each machine.
    machines : int
    """

    on_each: int = 1
    machines: int = 1


ONE = Processes()


def quiet(stage: str, done: int, total: int, words: str) -> None:
    """Progress for nobody."""


def train_segmentation(
    recipe: SegmentationRecipe,
    folders: Sequence[Path],
    out: Path,
    *,
    start: Path | None = None,
    keep: Callable[[int], bool] = lambda index: True,
    device: str = "auto",
    workers: int = 0,
    on_progress: Progress = quiet,
) -> Path:
    """Train one segmentation network and write its package to `out`.

    Parameters
    ----------
    recipe : SegmentationRecipe
    folders : sequence of Path
        Cases to learn from.
    out : Path
        Gets `package/`, `metrics.jsonl` and `checkpoints/`; a run that was stopped is taken up from there.
    start : Path, optional
        Package whose weights to begin with.
    keep : callable
        Which cases (by their number in order of name) take part: for cross-fitting. Beside real cases, virtual ones
        always take part.
    device : {"auto", "cpu", "cuda"}
    workers : int
        Processes that draw patches, see `AveragedTraining`.
    on_progress : Progress

    Returns
    -------
    Path
        The package.

    Raises
    ------
    UsageError
        When the folders hold no case that teaches any of the recipe's structures.
    """
    cases = segmentation_cases(recipe, folders, on_progress)
    # Where real patients are divided, every virtual one helps; among virtual ones alone they are divided.
    divided = not all(case.virtual for case in cases)
    cases = tuple(case for index, case in enumerate(cases) if (divided and case.virtual) or keep(index))
    require_lessons(cases, recipe)
    lightning.seed_everything(recipe.seed, verbose=False)
    module = SegmentationTraining(recipe, cases, start_weights(start), workers)
    fit(module, recipe, out, device=device, on_progress=on_progress)
    return save_package(
        recipe,
        module,
        out,
        network=network_description(recipe),
        labels=recipe.labels,
        supported=tuple(taught(cases, recipe)),
        patch=recipe.patch,
        preprocessing={"windows_hu": recipe.windows_hu},
        learned_from=LearnedFrom(
            real=tuple(taught([case for case in cases if not case.virtual], recipe)),
            virtual=tuple(name for name in taught(cases, recipe) if _shown_by_virtual(cases, recipe, name)),
        ),
    )


def segmentation_cases(recipe: SegmentationRecipe, folders: Sequence[Path], on_progress: Progress) -> tuple[Case, ...]:
    """Cases of every folder on the recipe's grid, packed ones first; errors as of both readers."""
    packed = [case for folder in folders if is_packed(folder) for case in read_packed(folder, recipe.spacing_mm)]
    others = [folder for folder in folders if not is_packed(folder)]
    report = lambda done, total: on_progress("cases", done, total, "")  # noqa: E731
    return (
        *packed,
        *load_cases(others, recipe.spacing_mm, report, recipe.target, recipe.virtual_target_margin_mm),
    )


def train_petct(
    recipe: PetctRecipe,
    folders: Sequence[Path],
    out: Path,
    *,
    fold: int | None = None,
    find_head: FindHead | None = None,
    device: str = "auto",
    processes: Processes = ONE,
    logger: str = "",
    on_progress: Progress = quiet,
) -> Path:
    """Train one network of the PET/CT system and write its package to `out`.

    Parameters
    ----------
    recipe : PetctRecipe
    folders : sequence of Path
        Cases to learn from, see `find_petct_cases`.
    out : Path
        Gets `package/`, `metrics.jsonl`, `pictures/` and `checkpoints/`; a run that was stopped is taken up from there.
    fold : int, optional
        Cases whose number leaves this remainder by `recipe.folds` are held out to validate on.
    find_head : callable, optional
        For cases whose head is not outlined; without it the whole scan is searched.
    device : {"auto", "cpu", "cuda"}
    processes : Processes
    logger : {"", "tensorboard", "mlflow"}
        Beside `metrics.jsonl`.
    on_progress : Progress

    Returns
    -------
    Path
        The package.

    Raises
    ------
    UsageError
        When a case lacks what the stage learns from, or nothing is left to learn from.
    """
    report = lambda done, total: on_progress("cases", done, total, "")  # noqa: E731
    cases = load_petct_cases(folders, recipe, find_head, report)
    learned = [case for index, case in enumerate(cases) if fold is None or index % recipe.folds != fold]
    held_out = [case for index, case in enumerate(cases) if fold is not None and index % recipe.folds == fold]
    if not any(case.voxels for case in learned):
        raise UsageError("No case is left to learn from.", "Give more cases, or leave out --fold.")
    lightning.seed_everything(recipe.seed, verbose=False)
    module = PetctTraining(recipe, learned, held_out)
    fit(
        module,
        recipe,
        out,
        device=device,
        on_progress=on_progress,
        callbacks=[ValidationPictures(out / "pictures")],
        validate_every=recipe.validate_every,
        processes=processes,
        logger=logger,
    )
    if module.global_rank:
        return out / "package"  # the first process writes it
    return save_package(
        recipe,
        module,
        out,
        network=petct_network(recipe),
        labels=recipe.labels,
        supported=recipe.labels[1:],
        patch=recipe.patch,
        preprocessing={
            "stage": recipe.stage,
            "input": recipe.input.model_dump(mode="json"),
            "region": recipe.region.model_dump(mode="json"),
        },
        learned_from=LearnedFrom(**{recipe.patients: recipe.labels[1:]}),
    )


def start_weights(package: Path | None) -> dict[str, Tensor] | None:
    """Weights of the package that a training begins with; None without one.

    Raises
    ------
    ModelUnusableError
        When the package is damaged.
    """
    return None if package is None else {n: torch.from_numpy(a) for n, a in read_package(package).arrays().items()}


def save_package(
    recipe: Recipe,
    module: Trained,
    out: Path,
    *,
    network: dict[str, Any],
    labels: tuple[str, ...],
    supported: tuple[str, ...],
    patch: tuple[int, int, int],
    preprocessing: dict[str, Any],
    learned_from: LearnedFrom,
) -> Path:
    """Write what a training learned to `out/package`; its card says that nothing was measured yet."""
    package = out / "package"
    write_package(
        package,
        {
            "name": recipe.name,
            "version": recipe.version,
            "words": recipe.words,
            "task": "segmentation" if recipe.task in ("petct", "midrt") else recipe.task,
            "network": network,
            "labels": labels,
            "supported": supported,
            "spacing_mm": (recipe.spacing_mm,) * 3 if isinstance(recipe.spacing_mm, float) else recipe.spacing_mm,
            "patch": patch,
            "preprocessing": preprocessing,
            "learned_from": learned_from,
            "training_data": recipe.training_data,
            "licence": recipe.licence,
            "recipe": recipe.model_dump(mode="json"),
        },
        {name: tensor.cpu().numpy() for name, tensor in module.result().items()},
        licence=licence_text(),
        card=f"# {recipe.name} {recipe.version}\n\n{recipe.words}\n\nNot yet measured.\n",
    )
    return package


def fit(
    module: AveragedTraining,
    recipe: Recipe,
    out: Path,
    *,
    device: str,
    on_progress: Progress,
    callbacks: Sequence[Callback] = (),
    validate_every: int = 1,
    processes: Processes = ONE,
    logger: str = "",
) -> None:
    """Run Lightning's loop to the recipe's last step, from the last checkpoint when there is one.

    Raises
    ------
    UsageError
        When the checkpoint is of another recipe.
    ModelUnusableError
        When the loss is no longer a number: what came after it would be worth nothing.
    """
    last = stopped_run(out, recipe)
    if last is None:
        write_text(out / KEPT_RECIPE, json.dumps(recipe.model_dump(mode="json"), indent=1))
    optimiser = recipe.optimiser
    precision = precision_of(optimiser.precision, device, lambda: _probe(module, on_progress))
    epochs = math.ceil(optimiser.steps / optimiser.steps_per_epoch)
    checkpoints = ModelCheckpoint(
        out / CHECKPOINTS, filename="last", save_top_k=1, enable_version_counter=False, save_on_train_epoch_end=True
    )
    trainer = lightning.Trainer(
        accelerator=device,
        devices=processes.on_each,
        num_nodes=processes.machines,
        # The averaged copy of the weights never meets the loss.
        strategy="auto" if processes == ONE else "ddp_find_unused_parameters_true",
        precision=precision,
        max_epochs=epochs,
        max_steps=optimiser.steps,
        gradient_clip_val=optimiser.gradient_clip,
        reload_dataloaders_every_n_epochs=1,
        check_val_every_n_epoch=validate_every,
        num_sanity_val_steps=0,
        callbacks=[checkpoints, _Journal(out / "metrics.jsonl", optimiser.steps, on_progress), *callbacks],
        logger=_logger(logger, out),
        enable_progress_bar=False,
        enable_model_summary=False,
        deterministic="warn",
    )
    trainer.fit(module, ckpt_path=last, weights_only=True)


def _probe(module: AveragedTraining, on_progress: Progress) -> Bfloat16Probe:
    """Try this machine's bfloat16 on the first batch of a training, which stays as it is."""
    kept = copy.deepcopy(module.network.state_dict())
    with torch.random.fork_rng(devices=()), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's: nothing is logged without a trainer
        batch = next(iter(DataLoader(module.epoch_data(0), batch_size=module.optimiser.batch)))
        found = probe_bfloat16(module.network, lambda: module.training_step(batch, 0))
    module.network.load_state_dict(kept)
    on_progress("precision", 1, 1, found.words)
    return found


def stopped_run(out: Path, recipe: Recipe) -> Path | None:
    """Checkpoint of a run that was stopped and goes on; None where a new one begins.

    Raises
    ------
    UsageError
        When it is of another recipe: both would be in the weights, and the package would name one.
    """
    last, kept = _last_checkpoint(out), out / KEPT_RECIPE
    if last is None:
        return None
    require_same_recipe(json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}, recipe, out)
    return last


def require_same_order(out: Path, order: dict[str, Any]) -> None:
    """Refuse to go on with a stopped run for other cases: those held out now would be among those it learned from.

    Parameters
    ----------
    out : Path
        Of the run; without a checkpoint a new one begins, whatever else lies there.
    order : dict
        Options that a recipe does not hold, by name.

    Raises
    ------
    UsageError
        When one differs from what `keep_order` wrote.
    """
    kept = out / KEPT_ORDER
    if _last_checkpoint(out) is None or not kept.is_file():
        return
    before = json.loads(kept.read_text(encoding="utf-8"))
    for name, value in order.items():
        if name in before and before[name] != value:
            raise UsageError(f"The run in {out.name} was begun with another --{name}.", "Choose an empty --out.")


def _last_checkpoint(out: Path) -> Path | None:
    """What a run left when it stopped, or ended."""
    file = out / CHECKPOINTS / "last.ckpt"
    return file if file.is_file() else None


def keep_order(out: Path, order: dict[str, Any]) -> None:
    """Write down what a run was asked for, beside its recipe."""
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / KEPT_ORDER, json.dumps(order, indent=1))


def _logger(name: str, out: Path) -> Any:
    """Lightning's logger; False for none beside `metrics.jsonl`."""
    try:
        if name == "tensorboard":
            return TensorBoardLogger(out, name="tensorboard")
        if name == "mlflow":
            return MLFlowLogger(tracking_uri=f"file:{out.resolve() / 'mlruns'}")
    except ModuleNotFoundError as error:
        raise UsageError(f"--logger {name} needs a package that is missing.", f"Run: pip install {name}") from error
    if name:
        raise UsageError(
            f"There is no logger {name!r}.", "Choose tensorboard or mlflow; metrics.jsonl is there anyway."
        )
    return False


def require_lessons(cases: Sequence[Case], recipe: SegmentationRecipe) -> None:
    """Refuse folders in which none of the recipe's structures is contoured."""
    if not taught(cases, recipe):
        raise UsageError(
            f"None of the {len(cases)} cases has a contour that recipe {recipe.name!r} learns.",
            "Give folders whose cases have contours of its structures.",
        )


def taught(cases: Sequence[Case], recipe: SegmentationRecipe) -> list[str]:
    """Structures for which at least one case gives positives."""
    real = any(not case.virtual for case in cases)
    known: set[str] = set()
    for case in cases:
        usable = set(recipe.virtual_only) if case.virtual and real else set(recipe.labels)
        known |= case.known & usable
    return [name for name in recipe.labels if name in known]


def _shown_by_virtual(cases: Sequence[Case], recipe: SegmentationRecipe, name: str) -> bool:
    """Whether a virtual case teaches a structure; beside real cases they teach those of `virtual_only` alone."""
    alone = all(case.virtual for case in cases) or name in recipe.virtual_only
    return alone and any(case.virtual and name in case.known for case in cases)


def licence_text() -> str:
    """Licence of weights trained by hyoid: Apache-2.0, as the code, with the attribution the data asks for."""
    return (resources.files("hyoid") / "recipes" / "WEIGHTS_LICENSE.txt").read_text(encoding="utf-8")


class _Journal(Callback):
    """One line of `metrics.jsonl` per epoch, and progress per step."""

    def __init__(self, path: Path, steps: int, on_progress: Progress) -> None:
        self.path, self.steps, self.on_progress = path, steps, on_progress
        self.began = time.monotonic()

    def on_train_batch_end(self, trainer: lightning.Trainer, module: Any, outputs: Any, *_: Any) -> None:
        """Tell how far it is; stop where there is nothing more to learn."""
        now = outputs["loss"] if isinstance(outputs, Mapping) else outputs
        if now is not None and not torch.isfinite(now):
            raise ModelUnusableError(
                f"The loss is no longer a number at step {trainer.global_step}: the training has failed.",
                "Begin again in another folder, with precision 32-true or a smaller learning rate in the recipe.",
            )
        loss = trainer.callback_metrics.get("loss")
        self.on_progress("train", trainer.global_step, self.steps, "" if loss is None else f"loss {float(loss):.3f}")

    def on_train_epoch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Write what the epoch gave."""
        row = {name: float(value) for name, value in trainer.callback_metrics.items()}
        row |= {"epoch": trainer.current_epoch, "step": trainer.global_step}
        row["seconds"] = round(time.monotonic() - self.began, 1)
        if not trainer.is_global_zero:
            return
        with self.path.open("a", encoding="utf-8") as journal:
            journal.write(json.dumps(row) + "\n")
