"""Lightning module and data for segmentation recipes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import lightning
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from hyoid.models.build import build_network
from hyoid.training.cases import Case
from hyoid.training.losses import partial_dice_bce
from hyoid.training.patches import PatchDataset
from hyoid.training.recipe import SegmentationRecipe
from hyoid.training.schedule import optimiser_and_schedule


def network_description(recipe: SegmentationRecipe) -> dict[str, Any]:
    """What `build_network` needs and a manifest stores."""
    return {
        "kind": "unet",
        "in_channels": len(recipe.windows_hu),
        "out_channels": len(recipe.labels),
        **recipe.network.model_dump(),
    }


class SegmentationTraining(lightning.LightningModule):
    """Training of one U-Net; the averaged weights are the result.

    Parameters
    ----------
    recipe : SegmentationRecipe
    cases : sequence of Case
    start : mapping of str to Tensor, optional
        Weights to begin with.
    """

    def __init__(self, recipe: SegmentationRecipe, cases: Sequence[Case], start: Mapping[str, Tensor] | None) -> None:
        super().__init__()
        self.recipe, self.cases = recipe, cases
        network = build_network(network_description(recipe))
        if start is not None:
            load_matching(network, start)
        self.network = network.to(memory_format=torch.channels_last_3d)
        self.average = AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(recipe.optimiser.ema_decay))

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """Loss of one batch."""
        image, target = batch
        logits = self.network(image.to(memory_format=torch.channels_last_3d))
        loss = partial_dice_bce(logits, target)
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(image))
        return loss

    def on_train_batch_end(self, *_: Any) -> None:
        """Move the averaged weights."""
        self.average.update_parameters(self.network)

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW with warm-up and cosine decay."""
        return optimiser_and_schedule(self.network.parameters(), self.recipe.optimiser)

    def train_dataloader(self) -> DataLoader:
        """Patches of the current epoch; read again for every epoch."""
        patches = PatchDataset(self.cases, self.recipe, self.current_epoch)
        return DataLoader(patches, batch_size=self.recipe.optimiser.batch, num_workers=1, prefetch_factor=4)

    def result(self) -> dict[str, Tensor]:
        """Averaged weights under the network's own names."""
        return dict(self.average.module.state_dict())


def load_matching(network: torch.nn.Module, start: Mapping[str, Tensor]) -> list[str]:
    """Copy the weights whose name and shape agree (all but the last layer, usually); the names left out.

    Raises
    ------
    ValueError
        When not even half of the network's weights are there.
    """
    own = network.state_dict()
    fitting = {name: w for name, w in start.items() if name in own and own[name].shape == w.shape}
    if len(fitting) < len(own) / 2:
        raise ValueError(f"Only {len(fitting)} of {len(own)} weights fit this network.")
    network.load_state_dict(fitting, strict=False)
    return sorted(set(own) - set(fitting))
