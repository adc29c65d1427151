"""What every training shares: averaged weights, optimiser with schedule, data drawn anew for every epoch."""

from __future__ import annotations

from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset

from hyoid.training.recipe import OptimiserRecipe
from hyoid.training.schedule import optimiser_and_schedule


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

    def epoch_data(self, epoch: int) -> Dataset:
        """Samples of one epoch; a subclass says which."""
        raise NotImplementedError

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
