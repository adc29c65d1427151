"""The baseline of ISRG's tables: a U-Net that is given the clicks as maps and runs as a whole at every click.

Ronneberger et al. 2015, with the clicks beside the image as interactive U-Nets take them. Attributes and expected IoU
come from the mean over its deepest maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from hyoid.models.isrg import Answer
from hyoid.models.prompts import click_maps
from hyoid.models.vision import ConvolutionStem, Size


@dataclass(frozen=True)
class ClickUNetShape:
    """Sizes of the network.

    Parameters
    ----------
    image : (D, H, W)
        Number of voxels of the region.
    in_channels : int
        Of the image, without the maps of the clicks.
    channels : sequence of int
        At 1/2, 1/4, ... of the image, at least two; the mask comes at 1/2.
    groups : sequence of int
        Answers per attribute.
    """

    image: Size
    in_channels: int
    channels: Sequence[int]
    groups: Sequence[int]

    def __post_init__(self) -> None:
        if len(self.channels) < 2:
            raise ValueError("A U-Net needs two levels or more.")


class ClickUNet(nn.Module):
    """`encode` keeps the image as it is, `decode` does all the work: the interface of `hyoid.models.isrg.ISRG`."""

    def __init__(self, shape: ClickUNetShape) -> None:
        super().__init__()
        self.shape = shape
        d, h, w = shape.image
        self.image: Size = (d, h, w)
        channels = tuple(shape.channels)
        # Two maps of clicks and the mask before.
        self.down = ConvolutionStem(shape.in_channels + 3, channels)
        self.up = nn.ModuleList(
            nn.ConvTranspose3d(deep, fine, 2, stride=2) for fine, deep in reversed(list(pairwise(channels)))
        )
        self.fuse = nn.ModuleList(
            nn.Sequential(
                nn.Conv3d(2 * fine, fine, 3, padding=1), nn.InstanceNorm3d(fine, affine=True), nn.GELU(),
                nn.Conv3d(fine, fine, 3, padding=1), nn.InstanceNorm3d(fine, affine=True), nn.GELU(),
            )
            for fine in reversed(channels[:-1])
        )  # fmt: skip
        self.out = nn.Conv3d(channels[0], 1, 1)
        self.iou_head = nn.Linear(channels[-1], 1)
        self.classifiers = nn.ModuleList(nn.Linear(channels[-1], n) for n in shape.groups)

    def encode(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Keep the image; nothing can be computed before the clicks are known."""
        return image, []

    def decode(
        self, features: Tensor, finer: Sequence[Tensor], points: Tensor, kinds: Tensor, previous: Tensor | None
    ) -> Answer:
        """Compute the mask at half the grid of the image, IoU and attributes; parameters as of `ISRG.decode`."""
        maps = click_maps(points, kinds, self.image, self.image)
        before = maps.new_zeros(len(maps), 1, *self.image)
        if previous is not None:
            before = functional.interpolate(previous.clamp(-8, 8) / 4, size=self.image, mode="trilinear")
        *skips, x = self.down(torch.cat([features, maps, before], dim=1))
        deepest = x.mean(dim=(2, 3, 4))
        for up, fuse, skip in zip(self.up, self.fuse, reversed(skips), strict=True):
            x = fuse(torch.cat([up(x), skip], dim=1))
        words = torch.cat([classify(deepest) for classify in self.classifiers], dim=1)
        return Answer(self.out(x), self.iou_head(deepest).sigmoid(), words)
