"""Early stopping of a classifier on the mean average precision of patients set aside; the best weights are kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from hyoid.training.averaged import AveragedTraining

Score = Callable[[AveragedTraining], float]
"""Larger is better; of the averaged weights."""


class StopOnScore(Callback):
    """Stops when the score has not risen for `patience` looks; one look every `every` epochs.

    Its state is in the checkpoints, so a run that was stopped by hand goes on counting, and one that stopped by itself
    stays stopped.

    Parameters
    ----------
    score : callable
        Measures a training by its averaged weights; larger is better.
    every, patience : int
        Epochs from one look at the score to the next, and looks without a rise after which training stops.
    journal : Path
        Gets one line of JSON per look.
    """

    def __init__(self, score: Score, *, every: int, patience: int, journal: Path) -> None:
        self.score, self.every, self.patience, self.journal = score, every, patience, journal
        self.best: float | None = None
        self.waited = 0
        self.weights: dict[str, Tensor] = {}

    def on_train_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Stop a resumed run at once when its patience had run out before."""
        trainer.should_stop = trainer.should_stop or self.waited >= self.patience

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Measure the score when a look is due, keep the best weights, and stop when patience has run out."""
        if (trainer.current_epoch + 1) % self.every:
            return
        assert isinstance(module, AveragedTraining)
        value = self.score(module)
        if self.best is None or value > self.best:
            self.best, self.waited = value, 0
            self.weights = {name: t.detach().cpu().clone() for name, t in module.result().items()}
        else:
            self.waited += 1
        with self.journal.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"epoch": trainer.current_epoch, "score": value, "best": self.best}) + "\n")
        trainer.should_stop = trainer.should_stop or self.waited >= self.patience

    def restore(self, module: AveragedTraining) -> None:
        """Put the weights of the best look into a training; without any look its weights stay."""
        if self.weights:
            with torch.no_grad():
                module.average.module.load_state_dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        """Return the best score, the looks since then and the best weights for a checkpoint."""
        return {"best": self.best, "waited": self.waited, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the best score, the looks since then and the best weights from a checkpoint."""
        self.best, self.waited, self.weights = state_dict["best"], state_dict["waited"], state_dict["weights"]
