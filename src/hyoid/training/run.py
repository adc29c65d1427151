"""`train`: from a recipe and folders of cases to a model package; a killed run goes on where it was."""

from __future__ import annotations

import copy
import json
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Protocol, TypeVar

import lightning
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import MLFlowLogger, TensorBoardLogger
from torch import Tensor
from torch.utils.data import DataLoader

from hyoid.errors import ModelUnusableError, UsageError
from hyoid.io.atomic import write_text
from hyoid.io.packages.model_package import read_package, write_package
from hyoid.training.averaged import AveragedTraining, Contents
from hyoid.training.precision import Bfloat16Probe, precision_of, probe_bfloat16
from hyoid.training.recipe import Recipe, require_same_recipe

CHECKPOINTS = "checkpoints"
KEPT_RECIPE = "recipe.json"
KEPT_PRECISION = "precision.txt"
KEPT_ORDER = "order.json"
Progress = Callable[[str, int, int, str], None]
"""Called with (stage, done, total, words)."""


class Trained(Protocol):
    """Training that has ended, as `save_package` needs it."""

    def result(self) -> dict[str, Tensor]:
        """Return the weights under the network's own names."""

    def contents(self) -> Contents:
        """Describe the network for a manifest."""


@dataclass(frozen=True)
class Processes:
    """Data-parallel training under `torchrun`; every process takes the recipe's batch.

    Parameters
    ----------
    on_each : int
        Processes on each machine.
    machines : int
        Machines that train together.
    """

    on_each: int = 1
    machines: int = 1


ONE = Processes()


def quiet(stage: str, done: int, total: int, words: str) -> None:
    """Tell nobody about progress."""


@dataclass(frozen=True)
class Run:
    """Where and how a network is trained, whatever its task.

    Parameters
    ----------
    out : Path
        Folder of the run. Gets `package/`, `metrics.jsonl` and `checkpoints/`; a stopped run is resumed from there.
    device : {"auto", "cpu", "cuda"}
        Where to train; "auto" takes CUDA where there is a GPU.
    workers : int
        Processes that draw samples; 0 draws them in this one. They are forked, which is not safe in a process that has
        run OpenVINO.
    processes : Processes
        Machines and processes of data-parallel training.
    logger : {"", "tensorboard", "mlflow"}
        Logger beside `metrics.jsonl`.
    cache : Path, optional
        Folder for compiled graphs of networks that prepare the cases; `graphs` in `out` without one.
    on_progress : callable
        Called with (stage, steps done, steps in all, words).
    """

    out: Path
    device: str = "auto"
    workers: int = 0
    processes: Processes = ONE
    logger: str = ""
    cache: Path | None = None
    on_progress: Progress = quiet

    @property
    def graphs(self) -> Path:
        """Folder for compiled graphs."""
        return self.cache or self.out / "graphs"

    def read(self, done: int, total: int) -> None:
        """Tell how many of the cases are read."""
        self.on_progress("cases", done, total, "")


def train(recipe: Recipe, run: Run, make: Callable[[], AveragedTraining]) -> Path:
    """Train a network to the recipe's last step and write its package.

    Parameters
    ----------
    recipe : Recipe
        Every hyper-parameter, and the name, version and licence that the package carries.
    run : Run
        Output folder, device, processes and progress.
    make : callable
        Builds the training, with first weights drawn from the recipe's seed.

    Returns
    -------
    Path
        The package, `run.out / "package"`.

    Raises
    ------
    UsageError, ModelUnusableError
        As `fit`.
    """
    return save_package(recipe, fit(recipe, run, make), run.out)


def package_weights(folder: Path) -> dict[str, Tensor]:
    """Read the weights of a package that another training begins with.

    Raises
    ------
    ModelUnusableError
        When the package is damaged.
    """
    return {name: torch.from_numpy(array) for name, array in read_package(folder).arrays().items()}


def save_package(recipe: Recipe, trained: Trained, out: Path) -> Path:
    """Write what a training learned to `out/package`; the card says that nothing was measured yet.

    Of several processes only the first writes.
    """
    package = out / "package"
    if getattr(trained, "global_rank", 0):
        return package
    write_package(
        package,
        {
            "name": recipe.name,
            "version": recipe.version,
            "words": recipe.words,
            **asdict(trained.contents()),
            "spacing_mm": (recipe.spacing_mm,) * 3 if isinstance(recipe.spacing_mm, float) else recipe.spacing_mm,
            "training_data": recipe.training_data,
            "licence": recipe.licence,
            "recipe": recipe.model_dump(mode="json"),
        },
        {name: tensor.cpu().numpy() for name, tensor in trained.result().items()},
        licence=licence_text(),
        card=f"# {recipe.name} {recipe.version}\n\n{recipe.words}\n\nNot yet measured.\n",
    )
    return package


T = TypeVar("T", bound=AveragedTraining)


def fit(recipe: Recipe, run: Run, make: Callable[[], T], callbacks: Sequence[Callback] = ()) -> T:
    """Run Lightning's loop to the recipe's last step, from the last checkpoint when there is one.

    Parameters
    ----------
    recipe : Recipe
        Every hyper-parameter, seed included.
    run : Run
        Output folder, device, processes and progress.
    make : callable
        Builds the training, with first weights drawn from the recipe's seed.
    callbacks : sequence of Callback
        Callbacks of this training, beside those of every training.

    Returns
    -------
    AveragedTraining
        The training at its end.

    Raises
    ------
    UsageError
        When the checkpoint is of another recipe.
    ModelUnusableError
        When the loss is no longer a number: what came after it would be worth nothing.
    """
    lightning.seed_everything(recipe.seed, verbose=False)
    module = make()
    module.workers = run.workers
    out, device, on_progress = run.out, run.device, run.on_progress
    last = stopped_run(out, recipe)
    if last is None:
        write_text(out / KEPT_RECIPE, json.dumps(recipe.model_dump(mode="json"), indent=1))
    optimiser = recipe.optimiser
    precision = _precision(module, run, resumed=last is not None)
    checkpoints = ModelCheckpoint(
        out / CHECKPOINTS, filename="last", save_top_k=1, enable_version_counter=False, save_on_train_epoch_end=True
    )
    trainer = lightning.Trainer(
        accelerator=device,
        devices=run.processes.on_each,
        num_nodes=run.processes.machines,
        # The averaged copy of the weights never meets the loss.
        strategy="auto" if run.processes == ONE else "ddp_find_unused_parameters_true",
        precision=precision,
        # Steps alone end a run: every time one is taken up, Lightning counts the epoch it stopped in again.
        max_epochs=-1,
        max_steps=optimiser.steps,
        gradient_clip_val=optimiser.gradient_clip,
        reload_dataloaders_every_n_epochs=1,
        check_val_every_n_epoch=module.validate_every,
        num_sanity_val_steps=0,
        callbacks=[checkpoints, _Journal(out / "metrics.jsonl", optimiser.steps, on_progress), *callbacks],
        logger=_logger(run.logger, out),
        enable_progress_bar=False,
        enable_model_summary=False,
        deterministic="warn",
        default_root_dir=out,
    )
    trainer.fit(module, ckpt_path=last, weights_only=True)
    return module


def _precision(module: AveragedTraining, run: Run, *, resumed: bool) -> str:
    """Decide the number format once per run: a resumed run goes on in the one that it began with."""
    kept = run.out / KEPT_PRECISION
    if resumed and kept.is_file():
        return kept.read_text(encoding="utf-8")
    found = precision_of(module.optimiser.precision, run.device, lambda: _probe(module, run.on_progress))
    write_text(kept, found)
    return found


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
    """Find the checkpoint of a stopped run to resume; None when the folder holds no checkpoint.

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
    """Refuse to resume a run with other cases: those held out now would be among those the run learned from.

    Parameters
    ----------
    out : Path
        Folder of the run; without a checkpoint a new run begins, whatever else lies there.
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


def licence_text() -> str:
    """Read the licence of weights trained by hyoid: Apache-2.0, as the code, and the attribution the data asks for."""
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
