"""SegResNetDS (Myronenko, arXiv 1810.11654, as in MONAI's Auto3DSeg) behind the same two calls as the U-Nets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monai.networks.nets import SegResNetDS
from torch import Tensor


@dataclass(frozen=True)
class SegResNetShape:
    """Everything that fixes a SegResNetDS.

    Parameters
    ----------
    in_channels, out_channels : int
        Number of image channels, and of output channels.
    init_filters : int
        Features of the finest stage; they double at every coarser one.
    blocks_down : sequence of int
        Residual blocks per stage, finest first.
    dsdepth : int
        Stages with logits of their own, for deep supervision.
    act : str
        MONAI's name of the activation.
    """

    in_channels: int
    out_channels: int
    init_filters: int
    blocks_down: Sequence[int]
    dsdepth: int
    act: str = "relu"

    @property
    def divisor(self) -> tuple[int, int, int]:
        """Input edges must be multiples of these."""
        edge: int = 2 ** (len(self.blocks_down) - 1)
        return edge, edge, edge


class SegResNet(SegResNetDS):
    """MONAI's network with instance normalisation; its weights load under MONAI's own names.

    Parameters
    ----------
    shape : SegResNetShape
        Channels and blocks of every stage.
    """

    def __init__(self, shape: SegResNetShape) -> None:
        super().__init__(
            init_filters=shape.init_filters,
            in_channels=shape.in_channels,
            out_channels=shape.out_channels,
            norm="INSTANCE",
            act=shape.act,
            blocks_down=tuple(shape.blocks_down),
            dsdepth=shape.dsdepth,
        )
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        """Compute the logits (B, out_channels, ...) at full resolution."""
        return self.deep(x)[0] if self.training else self._forward(x)

    def deep(self, x: Tensor) -> list[Tensor]:
        """Compute the logits of the finest `dsdepth` stages, finest first; outside training only of the finest."""
        outputs = self._forward(x)
        return outputs if isinstance(outputs, list) else [outputs]
