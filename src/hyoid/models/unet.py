"""U-Nets with nnU-Net's parameter names, so that published nnU-Net weights load without nnU-Net.

Two encoders share one decoder: plain convolutions (`PlainConvUNet`) and residual blocks (`ResidualEncoderUNet`).
Shapes and names follow Isensee et al., Nature Methods 2021 (DOI 10.1038/s41592-020-01008-z) and nnU-Net revisited
(arXiv 2404.09556); a state dictionary of nnU-Net v2 loads after `canonical_state` has dropped its aliases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

_CONV = {2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_EPS = 1e-5  # of nnU-Net's norms
_POOL = {2: nn.AvgPool2d, 3: nn.AvgPool3d}


@dataclass(frozen=True)
class UNetShape:
    """Everything that fixes a U-Net; one entry per resolution stage, finest first.

    Parameters
    ----------
    encoder : {"plain", "residual"}
        Kind of the encoder's blocks.
    in_channels, out_channels : int
        Number of image channels, and of output channels.
    features : sequence of int
        Channels of every stage, finest first.
    kernels, strides : sequence of tuples
        Two or three numbers each; stride of stage 0 is usually all ones.
    encoder_blocks : sequence of int
        Convolutions (plain) or residual blocks (residual) per stage.
    decoder_convs : sequence of int
        One fewer than the stages.
    """

    encoder: Literal["plain", "residual"]
    in_channels: int
    out_channels: int
    features: Sequence[int]
    kernels: Sequence[Sequence[int]]
    strides: Sequence[Sequence[int]]
    encoder_blocks: Sequence[int]
    decoder_convs: Sequence[int]
    conv_bias: bool = True

    def __post_init__(self) -> None:
        stages = len(self.features)
        lengths = (len(self.kernels), len(self.strides), len(self.encoder_blocks), len(self.decoder_convs) + 1)
        if any(n != stages for n in lengths):
            raise ValueError(f"{stages} feature counts need as many kernels, strides and blocks, got {lengths}.")

    @classmethod
    def cubic(
        cls,
        encoder: Literal["plain", "residual"],
        in_channels: int,
        out_channels: int,
        features: Sequence[int],
        encoder_blocks: Sequence[int],
        decoder_convs: Sequence[int],
    ) -> UNetShape:
        """3D network with kernels of 3 everywhere and strides of 2 below the first stage."""
        stages = len(features)
        strides = [(1, 1, 1)] + [(2, 2, 2)] * (stages - 1)
        kernels = [(3, 3, 3)] * stages
        return cls(encoder, in_channels, out_channels, features, kernels, strides, encoder_blocks, decoder_convs)

    @property
    def dimensions(self) -> int:
        """2 or 3."""
        return len(self.kernels[0])

    @property
    def divisor(self) -> tuple[int, ...]:
        """Input edges must be multiples of these."""
        total = [1] * self.dimensions
        for stride in self.strides:
            total = [t * s for t, s in zip(total, stride, strict=True)]
        return tuple(total)


class InstanceNorm(nn.Module):
    """Instance normalisation with scale and shift, for any number of dimensions.

    For a batch of one it is batch normalisation without memory, which PyTorch computes on channels-last tensors
    without the two copies that its own instance normalisation makes (a sixth of a training step on a CPU).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, ...) to the same shape."""
        if self.training and x.shape[0] == 1:
            return functional.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=_EPS)
        return functional.instance_norm(x, weight=self.weight, bias=self.bias, eps=_EPS)


class ConvNorm(nn.Module):
    """Convolution, instance norm and, unless told otherwise, leaky ReLU."""

    def __init__(
        self, c_in: int, c_out: int, kernel: Sequence[int], stride: Sequence[int], *, bias: bool, nonlin: bool = True
    ) -> None:
        super().__init__()
        dims = len(kernel)
        padding = tuple((k - 1) // 2 for k in kernel)
        self.conv = _CONV[dims](c_in, c_out, tuple(kernel), tuple(stride), padding, bias=bias)
        self.norm = InstanceNorm(c_out)
        self.nonlin = nn.LeakyReLU(0.01, inplace=True) if nonlin else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, c_in, ...) to (B, c_out, ...)."""
        return self.nonlin(self.norm(self.conv(x)))


class ConvStack(nn.Module):
    """Several `ConvNorm` in a row; only the first may change the resolution."""

    def __init__(
        self, n: int, c_in: int, c_out: int, kernel: Sequence[int], stride: Sequence[int], *, bias: bool
    ) -> None:
        super().__init__()
        ones = (1,) * len(kernel)
        self.convs = nn.Sequential(
            ConvNorm(c_in, c_out, kernel, stride, bias=bias),
            *[ConvNorm(c_out, c_out, kernel, ones, bias=bias) for _ in range(n - 1)],
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, c_in, ...) to (B, c_out, ...)."""
        return self.convs(x)


class ResidualBlock(nn.Module):
    """Two convolutions beside a skip path that pools and projects where shapes differ (ResNet-D)."""

    def __init__(self, c_in: int, c_out: int, kernel: Sequence[int], stride: Sequence[int], *, bias: bool) -> None:
        super().__init__()
        ones = (1,) * len(kernel)
        self.conv1 = ConvNorm(c_in, c_out, kernel, stride, bias=bias)
        self.conv2 = ConvNorm(c_out, c_out, kernel, ones, bias=bias, nonlin=False)
        self.nonlin2 = nn.LeakyReLU(0.01, inplace=True)
        skip: list[nn.Module] = []
        if any(s != 1 for s in stride):
            skip.append(_POOL[len(kernel)](tuple(stride), tuple(stride)))
        if c_in != c_out:
            skip.append(ConvNorm(c_in, c_out, ones, ones, bias=False, nonlin=False))
        self.skip = nn.Sequential(*skip)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, c_in, ...) to (B, c_out, ...)."""
        return self.nonlin2(self.conv2(self.conv1(x)) + self.skip(x))


class ResidualStage(nn.Module):
    """Several `ResidualBlock` in a row."""

    def __init__(
        self, n: int, c_in: int, c_out: int, kernel: Sequence[int], stride: Sequence[int], *, bias: bool
    ) -> None:
        super().__init__()
        ones = (1,) * len(kernel)
        self.blocks = nn.Sequential(
            ResidualBlock(c_in, c_out, kernel, stride, bias=bias),
            *[ResidualBlock(c_out, c_out, kernel, ones, bias=bias) for _ in range(n - 1)],
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, c_in, ...) to (B, c_out, ...)."""
        return self.blocks(x)


class Encoder(nn.Module):
    """Feature maps of every resolution, finest first."""

    def __init__(self, shape: UNetShape) -> None:
        super().__init__()
        residual = shape.encoder == "residual"
        channels = shape.in_channels
        if residual:
            ones = (1,) * shape.dimensions
            self.stem = ConvStack(1, channels, shape.features[0], shape.kernels[0], ones, bias=shape.conv_bias)
            channels = shape.features[0]
        stages: list[nn.Module] = []
        rows = zip(shape.encoder_blocks, shape.features, shape.kernels, shape.strides, strict=True)
        for n, features, kernel, stride in rows:
            if residual:
                stages.append(ResidualStage(n, channels, features, kernel, stride, bias=shape.conv_bias))
            else:
                # nnU-Net wraps each plain stage in a sequence of one; its parameter names carry that index.
                stack = ConvStack(n, channels, features, kernel, stride, bias=shape.conv_bias)
                stages.append(nn.Sequential(stack))
            channels = features
        self.stages = nn.Sequential(*stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map (B, C, ...) to one map per stage."""
        if hasattr(self, "stem"):
            x = self.stem(x)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class Decoder(nn.Module):
    """From the coarsest map back to full resolution, with a segmentation layer at every stage."""

    def __init__(self, shape: UNetShape) -> None:
        super().__init__()
        self.transpconvs, self.stages, self.seg_layers = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        ones = (1,) * shape.dimensions
        for step, n in enumerate(shape.decoder_convs):
            below, skip = shape.features[-1 - step], shape.features[-2 - step]
            stride = tuple(shape.strides[-1 - step])
            self.transpconvs.append(_TRANSPOSED[shape.dimensions](below, skip, stride, stride, bias=shape.conv_bias))
            self.stages.append(ConvStack(n, 2 * skip, skip, shape.kernels[-2 - step], ones, bias=shape.conv_bias))
            self.seg_layers.append(_CONV[shape.dimensions](skip, shape.out_channels, 1, bias=True))

    def forward(self, maps: list[Tensor], *, all_stages: bool) -> list[Tensor]:
        """Compute the logits, finest first; only the finest unless `all_stages`."""
        x, outputs = maps[-1], []
        last = len(self.stages) - 1
        for step, (up, stage) in enumerate(zip(self.transpconvs, self.stages, strict=True)):
            x = stage(torch.cat((up(x), maps[-2 - step]), dim=1))
            if all_stages or step == last:
                outputs.append(self.seg_layers[step](x))
        return outputs[::-1]


class UNet(nn.Module):
    """U-Net of any `UNetShape`.

    Parameters
    ----------
    shape : UNetShape
        Channels, kernels and strides of every stage.
    """

    def __init__(self, shape: UNetShape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = Encoder(shape)
        self.decoder = Decoder(shape)
        self.apply(_he_normal)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the logits (B, out_channels, ...) at full resolution."""
        return self.decoder(self.encoder(x), all_stages=False)[0]

    def deep(self, x: Tensor) -> list[Tensor]:
        """Compute the logits of every decoder stage, finest first, for deep supervision."""
        return self.decoder(self.encoder(x), all_stages=True)


def canonical_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the aliases of nnU-Net's state dictionary.

    nnU-Net stores every convolution twice (`conv` and `all_modules.0`) and the encoder again inside the decoder;
    `torch.compile` and DDP add prefixes.

    Examples
    --------
    >>> sorted(canonical_state({"encoder.stem.convs.0.conv.weight": 1, "encoder.stem.convs.0.all_modules.0.weight": 1,
    ...                         "decoder.encoder.stem.convs.0.conv.weight": 1}))
    ['encoder.stem.convs.0.conv.weight']
    """
    clean = {}
    for name, value in state.items():
        short = name.removeprefix("module.").removeprefix("_orig_mod.")
        if ".all_modules." not in short and not short.startswith("decoder.encoder."):
            clean[short] = value
    return clean


def _he_normal(module: nn.Module) -> None:
    """nnU-Net's initial weights: He normal with slope 0.01, zero bias; residual sums start at the skip path."""
    if isinstance(module, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d):
        nn.init.kaiming_normal_(module.weight, a=0.01)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, ResidualBlock):
        nn.init.zeros_(module.conv2.norm.weight)
