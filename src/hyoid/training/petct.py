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

from hyoid.models.build import build_network
from hyoid.training.averaged import AveragedTraining
from hyoid.training.petct_cases import PetctCase
from hyoid.training.petct_losses import deep_loss
from hyoid.training.petct_patches import PetctPatches
from hyoid.training.recipe import PetctRecipe

_SHOWN = 4  # patches in a picture


def network_description(recipe: PetctRecipe) -> dict[str, Any]:
    """What `build_network` needs and a manifest stores."""
    return {
        **recipe.network,
        "in_channels": len(recipe.input.channels),
        "out_channels": len(recipe.labels),
    }


class PetctTraining(AveragedTraining):
    """Training of one network of the PET/CT system.

    Parameters
    ----------
    recipe : PetctRecipe
    cases : sequence of PetctCase
        To learn from.
    held_out : sequence of PetctCase
        To validate on; none: no validation.
    workers : int
        See `AveragedTraining`.
    """

    def __init__(
        self, recipe: PetctRecipe, cases: Sequence[PetctCase], held_out: Sequence[PetctCase], workers: int = 0
    ) -> None:
        super().__init__(build_network(network_description(recipe)), recipe.optimiser, workers=workers)
        self.recipe, self.cases, self.held_out = recipe, cases, held_out
        self.shown: list[tuple[NDArray, NDArray, NDArray]] = []
        self._counts = torch.zeros(2, len(recipe.labels))

    def epoch_data(self, epoch: int) -> PetctPatches:
        """Random patches; Lightning deals them out to the processes, each of which takes all steps."""
        optimiser = self.recipe.optimiser
        processes = 1 if self._trainer is None else self.trainer.world_size
        count = optimiser.steps_per_epoch * optimiser.batch * processes
        return PetctPatches(self.cases, self.recipe, epoch, count)

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """Loss of one batch."""
        image, labels = batch
        outputs = self.network.deep(image.to(memory_format=torch.channels_last_3d))
        loss = deep_loss(outputs, labels, **self.recipe.loss.model_dump())
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(image), sync_dist=True)
        return loss

    def val_dataloader(self) -> DataLoader | list[Any]:
        """One patch of every held-out case, always the same."""
        if not self.held_out:
            return []
        return DataLoader(PetctPatches(self.held_out, self.recipe, 0, len(self.held_out), augment=False))

    def on_validation_epoch_start(self) -> None:
        """Forget the last validation."""
        self.shown.clear()
        self._counts = torch.zeros(2, len(self.recipe.labels))

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        """Count voxels by the averaged weights."""
        image, labels = batch
        predicted = self.average(image.to(memory_format=torch.channels_last_3d)).argmax(dim=1)
        for k in range(len(self.recipe.labels)):
            ours, true = predicted == k, labels == k
            self._counts[0, k] += 2 * float((ours & true).sum())
            self._counts[1, k] += float(ours.sum() + true.sum())
        if len(self.shown) < _SHOWN:
            self.shown.append((image[0, 0].cpu().float().numpy(), labels[0].cpu().numpy(), predicted[0].cpu().numpy()))

    def on_validation_epoch_end(self) -> None:
        """Dice over all voxels of all held-out patches, by class, of all processes."""
        counts = self.trainer.strategy.reduce(self._counts, reduce_op="sum")
        for k, name in enumerate(self.recipe.labels):
            if k and counts[1, k]:
                self.log(f"validation_dice_{name}", counts[0, k] / counts[1, k], sync_dist=True)


class ValidationPictures(Callback):
    """After each validation, a picture: slices of held-out patches, reference left and prediction right.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_validation_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Write it."""
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
