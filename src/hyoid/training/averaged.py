"""What every training shares: averaged weights, optimiser with schedule, data drawn anew for every epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset

from hyoid.errors import ModelUnusableError
from hyoid.training.recipe import OptimiserRecipe
from hyoid.training.schedule import optimiser_and_schedule

_MOST_IN_A_ROW = 25


@dataclass(frozen=True)
class Skipped:
    """Steps that were left out because a gradient was not a number.

    Parameters
    ----------
    steps : int
        Since the run began or went on.
    in_a_row : int
        Up to now.
    """

    steps: int = 0
    in_a_row: int = 0


def clip_or_drop(optimiser: torch.optim.Optimizer, longest: float, skipped: Skipped) -> Skipped:
    """Scale gradients down to a length, or drop all of them, so that the step changes nothing, where one is no number.

    Parameters
    ----------
    optimiser : Optimizer
        Its parameters' gradients are changed in place.
    longest : float
        Largest length of all gradients together.
    skipped : Skipped
        Before this step.

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


class AveragedTraining(lightning.LightningModule):
    """Training of one network; the exponentially averaged weights are the result.

    Parameters
    ----------
    network : Module
    optimiser : OptimiserRecipe
    layout : torch.memory_format
        Of weights in memory.
    workers : int
        Processes that draw samples; 0 draws them in this one. They are forked, which is not safe in a process that
        has run OpenVINO.
    """

    def __init__(
        self,
        network: nn.Module,
        optimiser: OptimiserRecipe,
        *,
        layout: torch.memory_format = torch.channels_last_3d,
        workers: int = 0,
    ) -> None:
        super().__init__()
        self.optimiser, self.workers = optimiser, workers
        self.network = network.to(memory_format=layout)
        average = get_ema_multi_avg_fn(optimiser.ema_decay)
        self.average = AveragedModel(self.network, multi_avg_fn=average)
        self.skipped = Skipped()

    def epoch_data(self, epoch: int) -> Dataset:
        """Samples of one epoch; a subclass says which."""
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
        """Move the averaged weights."""
        self.average.update_parameters(self.network)

    def configure_optimizers(self) -> dict[str, Any]:
        """The recipe's optimiser and schedule."""
        return optimiser_and_schedule(self.network.parameters(), self.optimiser)

    def train_dataloader(self) -> DataLoader:
        """Samples of the current epoch; read again for every epoch."""
        return DataLoader(
            self.epoch_data(self.current_epoch),
            batch_size=self.optimiser.batch,
            num_workers=self.workers,
            prefetch_factor=4 if self.workers else None,
        )

    def result(self) -> dict[str, Tensor]:
        """Averaged weights under the network's own names."""
        return dict(self.average.module.state_dict())
