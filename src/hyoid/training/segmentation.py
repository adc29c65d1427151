"""Lightning module and data for segmentation recipes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from hyoid.errors import ModelUnusableError
from hyoid.models.build import build_network
from hyoid.training.averaged import AveragedTraining
from hyoid.training.cases import Case
from hyoid.training.losses import deep_dice_bce, heaviest_at
from hyoid.training.patches import PatchDataset
from hyoid.training.recipe import SegmentationRecipe


def network_description(recipe: SegmentationRecipe) -> dict[str, Any]:
    """What `build_network` needs and a manifest stores."""
    return {
        "kind": "unet",
        "in_channels": len(recipe.windows_hu),
        "out_channels": len(recipe.labels),
        **recipe.network.model_dump(),
    }


class SegmentationTraining(AveragedTraining):
    """Training of one U-Net; the averaged weights are the result.

    Parameters
    ----------
    recipe : SegmentationRecipe
    cases : sequence of Case
    start : mapping of str to Tensor, optional
        Weights to begin with.
    workers : int
        See `AveragedTraining`.
    """

    def __init__(
        self, recipe: SegmentationRecipe, cases: Sequence[Case], start: Mapping[str, Tensor] | None, workers: int = 0
    ) -> None:
        network = build_network(network_description(recipe))
        if start is not None:
            load_matching(network, start)
        super().__init__(network, recipe.optimiser, workers=workers)
        self.recipe, self.cases = recipe, cases

    def epoch_data(self, epoch: int) -> PatchDataset:
        """Random patches."""
        return PatchDataset(self.cases, self.recipe, epoch)

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """Loss of one batch."""
        image, target = batch
        image = image.to(memory_format=torch.channels_last_3d)
        stages = self.recipe.supervised_stages
        outputs = self.network.deep(image)[:stages] if stages > 1 else [self.network(image)]
        progress = self.global_step / self.optimiser.steps
        loss = deep_dice_bce(outputs, target, heaviest=heaviest_at(progress, self.recipe.rare_weight))
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(image))
        return loss


def load_matching(network: torch.nn.Module, start: Mapping[str, Tensor]) -> list[str]:
    """Copy the weights whose name and shape agree (all but the last layer, usually); the names left out.

    Raises
    ------
    ModelUnusableError
        When not even half of the network's weights are there.
    """
    own = network.state_dict()
    fitting = {name: w for name, w in start.items() if name in own and own[name].shape == w.shape}
    if len(fitting) < len(own) / 2:
        raise ModelUnusableError(
            f"Only {len(fitting)} of {len(own)} weights of the start package fit this network.",
            "Start from a package of the same recipe family, or without --start.",
        )
    network.load_state_dict(fitting, strict=False)
    return sorted(set(own) - set(fitting))
