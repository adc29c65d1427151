"""Lightning module of the PET/CT system's networks, its validation, and a picture of what it predicts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from hyoid.errors import UsageError
from hyoid.io.packages.model_package import LearnedFrom, ModelPackage
from hyoid.models.build import build_network
from hyoid.systems.machine import Machine
from hyoid.systems.petct.cases import FindHead, PetctCase, ct_foreground, ct_normalised, load_petct_cases
from hyoid.systems.petct.patches import PetctPatches
from hyoid.systems.petct.pipeline import head_mask
from hyoid.training.averaged import Contents, WatchedTraining
from hyoid.training.folds import divided, folds_in_turn
from hyoid.training.losses import deep_dice_ce
from hyoid.training.recipe import PetctRecipe
from hyoid.training.run import Run, train

_SHOWN = 4  # patches in a picture


def network_description(recipe: PetctRecipe) -> dict[str, Any]:
    """Describe the network as `build_network` takes it and a manifest stores it."""
    return {
        **recipe.network,
        "in_channels": len(recipe.input.channels),
        "out_channels": len(recipe.labels),
    }


class PetctTraining(WatchedTraining):
    """Training of one network of the PET/CT system.

    Parameters
    ----------
    recipe : PetctRecipe
        Stage, network, patches, losses and optimiser.
    cases : sequence of PetctCase
        Cases to learn from.
    held_out : sequence of PetctCase
        Cases to validate on; when empty, validation is left out.
    ct_foreground : tuple of float, optional
        Constants by which the CT of these cases was normalised, see `hyoid.preprocess.petct.ChannelRule`.
    """

    def __init__(
        self,
        recipe: PetctRecipe,
        cases: Sequence[PetctCase],
        held_out: Sequence[PetctCase],
        ct_foreground: tuple[float, float, float, float] | None = None,
    ) -> None:
        super().__init__(build_network(network_description(recipe)), recipe.optimiser, recipe.labels)
        self.validate_every = recipe.validate_every
        self.recipe, self.cases, self.held_out, self.ct_foreground = recipe, cases, held_out, ct_foreground
        self.shown: list[tuple[NDArray, NDArray, NDArray]] = []

    def epoch_data(self, epoch: int) -> PetctPatches:
        """Draw random patches; Lightning deals them out to the processes, each of which takes all steps."""
        optimiser = self.recipe.optimiser
        processes = 1 if self._trainer is None else self.trainer.world_size
        count = optimiser.steps_per_epoch * optimiser.batch * processes
        return PetctPatches(self.cases, self.recipe, epoch, count)

    def configure_callbacks(self) -> list[Callback]:
        """Paint what is predicted for held-out cases."""
        return [ValidationPictures(Path(self.trainer.default_root_dir) / "pictures")]

    def contents(self) -> Contents:
        """Describe the network, its input and where it looks."""
        recipe = self.recipe
        return Contents(
            task="segmentation",
            network=network_description(recipe),
            labels=recipe.labels,
            supported=recipe.labels[1:],
            patch=recipe.patch,
            preprocessing={
                "stage": recipe.stage,
                "input": recipe.input.model_dump(mode="json") | {"ct_foreground": self.ct_foreground},
                "region": recipe.region.model_dump(mode="json"),
            },
            learned_from=LearnedFrom(**{recipe.patients: recipe.labels[1:]}),
        )

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """Compute the loss of one batch."""
        image, labels = batch
        outputs = self.network.deep(image.to(memory_format=torch.channels_last_3d))
        loss = deep_dice_ce(outputs, labels, **self.recipe.loss.model_dump())
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(image), sync_dist=True)
        return loss

    def val_dataloader(self) -> DataLoader | list[Any]:
        """Load one patch of every held-out case, always the same."""
        if not self.held_out:
            return []
        return DataLoader(PetctPatches(self.held_out, self.recipe, 0, len(self.held_out), augment=False))

    def on_validation_epoch_start(self) -> None:
        """Forget the last validation."""
        super().on_validation_epoch_start()
        self.shown.clear()

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        """Count voxels by the averaged weights, and keep the first patches for a picture."""
        image, labels = batch
        predicted = self.compared(image, labels)
        if len(self.shown) < _SHOWN:
            self.shown.append((image[0, 0].cpu().float().numpy(), labels[0].cpu().numpy(), predicted[0].cpu().numpy()))


def train_petct(
    recipe: PetctRecipe,
    folders: Sequence[Path],
    run: Run,
    *,
    fold: int | None = None,
    find_head: FindHead | None = None,
) -> Path:
    """Train one network of the PET/CT system and write its package.

    Parameters
    ----------
    recipe : PetctRecipe
        Stage, network, patches, losses, optimiser and number of folds.
    folders : sequence of Path
        Cases to learn from, see `find_petct_cases`.
    run : Run
        Its folder also gets `pictures/`.
    fold : int, optional
        Fold to hold out and validate on, 0 to `recipe.folds` - 1.
    find_head : callable, optional
        For cases whose head is not outlined; without it the whole scan is searched.

    Returns
    -------
    Path
        The package.

    Raises
    ------
    UsageError
        When a case lacks what the stage learns from, or nothing is left to learn from.
    """
    cases = load_petct_cases(folders, recipe, find_head, run.read)
    learned, held_out = divided(cases, folds_in_turn([case.name for case in cases], recipe.folds), fold)
    if not any(case.voxels for case in learned):
        raise UsageError("No case is left to learn from.", "Give more cases, or leave out --fold.")
    foreground = None
    if recipe.input.zscore and recipe.input.ct_normalisation == "foreground":
        foreground = ct_foreground(learned, recipe)
        learned, held_out = (tuple(ct_normalised(c, recipe, foreground) for c in part) for part in (learned, held_out))
    return train(recipe, run, lambda: PetctTraining(recipe, learned, held_out, foreground))


def head_finder(package: ModelPackage, machine: Machine) -> FindHead:
    """Let a package's network find the head in a CT."""
    return lambda ct: head_mask(ct, package, machine)[0]


class ValidationPictures(Callback):
    """After each validation, a picture: slices of held-out patches, reference left and prediction right.

    Parameters
    ----------
    folder : Path
        Gets one PNG per validation; made when absent.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_validation_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Write the picture of a validation."""
        shown = getattr(module, "shown", [])
        if not shown or not trainer.is_global_zero:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        rows = [np.concatenate([_painted(image, mask) for mask in masks], axis=1) for image, *masks in shown]
        Image.fromarray(np.concatenate(rows)).save(self.folder / f"step_{trainer.global_step:06d}.png")


def _painted(image: NDArray, labels: NDArray) -> NDArray[np.uint8]:
    """The slice with most target voxels, in grey, labels in red and yellow."""
    k = int((labels > 0).sum(axis=(1, 2)).argmax())
    low, high = float(image.min()), float(image.max())
    grey = np.clip((image[k] - low) / max(high - low, 1e-6), 0, 1)
    rgb = np.repeat((200 * grey).astype(np.uint8)[..., None], 3, axis=2)
    for label, colour in ((1, (255, 40, 160)), (2, (255, 140, 0))):
        rgb[labels[k] == label] = colour
    return np.repeat(np.repeat(rgb, 3, axis=0), 3, axis=1)
