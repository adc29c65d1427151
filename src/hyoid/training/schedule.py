"""Optimiser and learning rate over the steps."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch.nn import Parameter

from hyoid.training.recipe import OptimiserRecipe

_OPTIMISERS = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}


def optimiser_and_schedule(parameters: Iterable[Parameter], recipe: OptimiserRecipe) -> dict[str, Any]:
    """Build Lightning's pair of optimiser and per-step learning-rate schedule."""
    shared = {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay}
    if recipe.name == "sgd":
        optimiser = torch.optim.SGD(parameters, momentum=recipe.momentum, nesterov=recipe.momentum > 0, **shared)
    else:
        # One pass over the memory of a step instead of ten: a tenth of SGRNet's steps on a CPU.
        optimiser = _OPTIMISERS[recipe.name](parameters, fused=True, **shared)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate(step, recipe))
    return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def rate(step: int, recipe: OptimiserRecipe) -> float:
    """Compute the share of the learning rate at a step: linear warm-up, then the recipe's decay, if any."""
    if step < recipe.warmup_steps:
        return (step + 1) / recipe.warmup_steps
    progress = (step - recipe.warmup_steps) / max(1, recipe.steps - recipe.warmup_steps)
    if recipe.schedule == "constant":
        return 1.0
    if recipe.schedule == "trapezoid":
        return min(1.0, max(0.0, 1 - progress) / recipe.decay_share)
    if recipe.schedule == "poly":
        return (1 - min(1.0, progress)) ** recipe.poly_power
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
