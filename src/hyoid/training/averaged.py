"""What every training shares: averaged weights, optimiser with schedule, data drawn anew for every epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset

from hyoid.errors import ModelUnusableError
from hyoid.io.packages.model_package import LearnedFrom
from hyoid.training.recipe import OptimiserRecipe
from hyoid.training.schedule import optimiser_and_schedule

_MOST_IN_A_ROW = 25


@dataclass(frozen=True)
class Skipped:
    """Steps that were left out because a gradient was not a number.

    Parameters
    ----------
    steps : int
        Steps left out since the run began or was resumed.
    in_a_row : int
        Steps left out one after the other up to now.
    """

    steps: int = 0
    in_a_row: int = 0


def clip_or_drop(optimiser: torch.optim.Optimizer, longest: float, skipped: Skipped) -> Skipped:
    """Scale gradients down to a length; drop all gradients of a step, which then changes nothing, if one is no number.

    Parameters
    ----------
    optimiser : Optimizer
        Its parameters' gradients are changed in place.
    longest : float
        Largest length of all gradients together.
    skipped : Skipped
        Counts before this step.

    Returns
    -------
    Skipped
        With this step.
    """
    parameters = [p for group in optimiser.param_groups for p in group["params"] if p.grad is not None]
    length = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    if torch.isfinite(length):
        torch.nn.utils.clip_grads_with_norm_(parameters, longest, length)
        return Skipped(skipped.steps)
    optimiser.zero_grad(set_to_none=True)
    return Skipped(skipped.steps + 1, skipped.in_a_row + 1)


@dataclass(frozen=True)
class Contents:
    """What the manifest of a trained package says about its network.

    Parameters
    ----------
    task : {"segmentation", "ct_report", "lesion"}
        What the network answers.
    network : dict
        Description for `hyoid.models.build.build_network`.
    labels, supported : tuple of str
        One name per output channel, and those that were taught.
    patch : (d, h, w)
        Voxels of the network's input.
    preprocessing : dict
        Constants of the input, by name.
    learned_from : LearnedFrom
        Labels that real and virtual patients taught.
    """

    task: str
    network: dict[str, Any]
    labels: tuple[str, ...]
    supported: tuple[str, ...]
    patch: tuple[int, int, int]
    preprocessing: dict[str, Any]
    learned_from: LearnedFrom


class AveragedTraining(lightning.LightningModule):
    """Training of one network; the exponentially averaged weights are the result.

    `workers` processes draw the samples; held-out cases, where a subclass has some, are looked at every
    `validate_every` epochs.

    Parameters
    ----------
    network : Module
        Network to train; its weights change at every step.
    optimiser : OptimiserRecipe
        Optimiser, learning rates, batch, number of steps, and decay of the averaged weights.
    layout : torch.memory_format
        Order of the weights in memory.
    """

    workers = 0
    validate_every = 1

    def __init__(
        self,
        network: nn.Module,
        optimiser: OptimiserRecipe,
        *,
        layout: torch.memory_format = torch.channels_last_3d,
    ) -> None:
        super().__init__()
        self.optimiser = optimiser
        self.network = network.to(memory_format=layout)
        average = get_ema_multi_avg_fn(optimiser.ema_decay)
        self.average = AveragedModel(self.network, multi_avg_fn=average)
        self.skipped = Skipped()

    def epoch_data(self, epoch: int) -> Dataset:
        """Draw the samples of one epoch; a subclass says which."""
        raise NotImplementedError

    def contents(self) -> Contents:
        """Describe the network for a manifest; a subclass knows how."""
        raise NotImplementedError

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Shorten long gradients, and leave out a step whose gradients are not numbers.

        Lightning's own clipping refuses the fused optimiser under autocast. A scaler of float16 does both by itself.

        Raises
        ------
        ModelUnusableError
            When no step has been taken for long.
        """
        if self.trainer.precision == "16-mixed":
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
            return
        self.skipped = clip_or_drop(optimizer, gradient_clip_val or math.inf, self.skipped)
        self.log("skipped_steps", float(self.skipped.steps), on_step=False, on_epoch=True, reduce_fx="max")
        if self.skipped.in_a_row >= _MOST_IN_A_ROW:
            raise ModelUnusableError(
                f"The gradients of {self.skipped.in_a_row} steps in a row are no numbers: the training has failed.",
                "Begin again in another folder, with precision 32-true or a smaller learning rate in the recipe.",
            )

    def on_train_batch_end(self, *_: Any) -> None:
        """Move the averaged weights towards those of the step just taken."""
        self.average.update_parameters(self.network)

    def configure_optimizers(self) -> dict[str, Any]:
        """Build the recipe's optimiser and learning-rate schedule."""
        return optimiser_and_schedule(self.network.parameters(), self.optimiser)

    def train_dataloader(self) -> DataLoader:
        """Load the samples of the current epoch; Lightning asks again for every epoch."""
        return DataLoader(
            self.epoch_data(self.current_epoch),
            batch_size=self.optimiser.batch,
            num_workers=self.workers,
            prefetch_factor=4 if self.workers else None,
        )

    def result(self) -> dict[str, Tensor]:
        """Return the averaged weights under the network's own names."""
        return dict(self.average.module.state_dict())


class WatchedTraining(AveragedTraining):
    """Training of a network that chooses a class for every voxel, watched on held-out patches.

    A subclass loads the patches by `val_dataloader`; the Dice of the averaged weights over all of them is logged.

    Parameters
    ----------
    network : Module
        Network to train; one output channel per class.
    optimiser : OptimiserRecipe
        As `AveragedTraining` takes it.
    labels : sequence of str
        Names of the classes, background first.
    """

    def __init__(self, network: nn.Module, optimiser: OptimiserRecipe, labels: Sequence[str]) -> None:
        super().__init__(network, optimiser)
        self.labels = tuple(labels)
        self._counts = torch.zeros(2, len(self.labels))

    def on_validation_epoch_start(self) -> None:
        """Forget the last validation."""
        self._counts = torch.zeros(2, len(self.labels))

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        """Count voxels by the averaged weights."""
        image, labels = batch
        self.compared(image, labels)

    def compared(self, image: Tensor, labels: Tensor) -> Tensor:
        """Choose the classes of one batch by the averaged weights, and count their voxels and the true ones.

        Parameters
        ----------
        image : Tensor, shape (B, channels, D, H, W)
            Prepared input of the network.
        labels : Tensor of int, shape (B, D, H, W)
            True classes; 0 is the background, which is not counted.

        Returns
        -------
        Tensor of int, shape (B, D, H, W)
        """
        predicted = self.average(image.to(memory_format=torch.channels_last_3d)).argmax(dim=1)
        for k in range(1, len(self.labels)):
            ours, true = predicted == k, labels == k
            self._counts[0, k] += 2 * float((ours & true).sum())
            self._counts[1, k] += float(ours.sum() + true.sum())
        return predicted

    def on_validation_epoch_end(self) -> None:
        """Log Dice over all voxels of all held-out patches, by class, of all processes."""
        counts = self.trainer.strategy.reduce(self._counts, reduce_op="sum")
        for k, name in enumerate(self.labels):
            if k and counts[1, k]:
                self.log(f"validation_dice_{name}", counts[0, k] / counts[1, k], sync_dist=True)
