"""Vision encoder of the interactive lesion report: a 3D ViT with window attention and interleaved global layers.

Gu et al., section 2.1; sizes as in Segment Anything's image encoder, carried to three dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Size = tuple[int, int, int]


@dataclass(frozen=True)
class VisionShape:
    """Sizes of the encoder.

    Parameters
    ----------
    image : (D, H, W)
        Voxels of the input, each a multiple of `patch`.
    in_channels : int
        Number of image channels.
    patch : int
        Edge of the cube that becomes one token.
    dim, depth, heads : int
        Of the transformer.
    window : int
        Edge of an attention window in tokens, smaller than the grid of tokens.
    global_layers : sequence of int
        Layers whose attention sees every token.
    channels : int
        After the neck.
    stem : {"patch", "convolution"}
        "patch": one linear map per cube, as in the paper. "convolution": strided convolutions down to the same grid,
        whose finer maps are handed on to the mask head.
    stem_channels : sequence of int
        "convolution": channels at 1/2, 1/4, ... of the image, finest first; the grid of tokens is the next level.
    """

    image: Size
    in_channels: int
    patch: int
    dim: int
    depth: int
    heads: int
    window: int
    global_layers: Sequence[int]
    channels: int
    stem: Literal["patch", "convolution"] = "patch"
    stem_channels: Sequence[int] = ()

    def __post_init__(self) -> None:
        if any(n % self.patch for n in self.image):
            raise ValueError(f"Image {self.image} is not a multiple of the patch {self.patch}.")
        if self.stem == "convolution" and 2 ** (len(self.stem_channels) + 1) != self.patch:
            raise ValueError(f"{len(self.stem_channels)} levels above the tokens do not make a patch of {self.patch}.")
        local = len(set(self.global_layers) & set(range(self.depth))) < self.depth
        if local and self.window >= max(self.tokens):
            raise ValueError(
                f"A window of {self.window} holds the whole grid of tokens {self.tokens}: it is no window."
            )

    @property
    def tokens(self) -> Size:
        """Grid of tokens (d, h, w)."""
        d, h, w = (n // self.patch for n in self.image)
        return d, h, w


class VisionEncoder(nn.Module):
    """Image to one feature map of constant width, and the stem's finer maps where it has any."""

    def __init__(self, shape: VisionShape) -> None:
        super().__init__()
        self.shape = shape
        if shape.stem == "patch":
            self.stem: nn.Module = nn.Conv3d(shape.in_channels, shape.dim, shape.patch, stride=shape.patch)
        else:
            self.stem = ConvolutionStem(shape.in_channels, (*shape.stem_channels, shape.dim))
        self.position = nn.Parameter(torch.zeros(1, shape.dim, *shape.tokens))
        nn.init.trunc_normal_(self.position, std=0.02)
        self.blocks = nn.ModuleList(
            Block(shape.dim, shape.heads, 0 if layer in shape.global_layers else shape.window)
            for layer in range(shape.depth)
        )
        self.neck = nn.Sequential(
            nn.Conv3d(shape.dim, shape.channels, 1, bias=False), ChannelNorm(shape.channels),
            nn.Conv3d(shape.channels, shape.channels, 3, padding=1, bias=False), ChannelNorm(shape.channels),
        )  # fmt: skip

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Compute the features (B, channels, d, h, w), and finer maps, finest first.

        Parameters
        ----------
        image : Tensor, shape (B, in_channels, D, H, W)
            Image channels of the region.
        """
        if self.shape.stem == "patch":
            x, finer = self.stem(image), []
        else:
            *finer, x = self.stem(image)
        x = (x + self.position).permute(0, 2, 3, 4, 1)
        for block in self.blocks:
            x = block(x)
        return self.neck(x.permute(0, 4, 1, 2, 3)), finer


class ConvolutionStem(nn.Module):
    """Strided convolutions: maps at 1/2, 1/4, ... of the image, finest first."""

    def __init__(self, in_channels: int, channels: Sequence[int]) -> None:
        super().__init__()
        widths = (in_channels, *channels)
        self.levels = nn.ModuleList(
            nn.Sequential(
                nn.Conv3d(before, after, 3, stride=2, padding=1), nn.InstanceNorm3d(after, affine=True), nn.GELU(),
                nn.Conv3d(after, after, 3, padding=1), nn.InstanceNorm3d(after, affine=True), nn.GELU(),
            )
            for before, after in pairwise(widths)
        )  # fmt: skip

    def forward(self, image: Tensor) -> list[Tensor]:
        """Compute one map per level."""
        maps, x = [], image
        for level in self.levels:
            x = level(x)
            maps.append(x)
        return maps


class Block(nn.Module):
    """Transformer block on a grid of tokens (B, d, h, w, C); `window` 0 attends to all of them."""

    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = Attention(dim, heads)
        self.mlp = mlp(dim, 4 * dim)

    def forward(self, x: Tensor) -> Tensor:
        """Transform tokens; the shape stays."""
        size = [int(n) for n in x.shape[1:4]]
        y = self.norm1(x)
        if self.window:
            windows, real = windows_of(y, self.window)
            y = from_windows(self.attention(windows, windows, windows, real), self.window, size)
        else:
            tokens = y.flatten(1, 3)
            y = self.attention(tokens, tokens, tokens).unflatten(1, size)
        x = x + y
        return x + self.mlp(self.norm2(x))


def windows_of(x: Tensor, window: int) -> tuple[Tensor, Tensor | None]:
    """Cut a grid into windows as sequences, and say which of their tokens are real.

    Parameters
    ----------
    x : Tensor, shape (B, d, h, w, C)
        Tokens on their grid.
    window : int
        Edge; the grid is padded at its high ends to a multiple of it.

    Returns
    -------
    windows : Tensor, shape (B * n, window ** 3, C)
    real : Tensor of bool, shape (B * n, window ** 3), or None where nothing was padded
    """
    b, d, h, w, _ = x.shape
    pad = [-n % window for n in (d, h, w)]
    real = None
    if any(pad):
        real = functional.pad(x.new_ones(b, d, h, w), (0, pad[2], 0, pad[1], 0, pad[0]))
        real = _cut(real[..., None], window)[..., 0] > 0
        x = functional.pad(x, (0, 0, 0, pad[2], 0, pad[1], 0, pad[0]))
    return _cut(x, window), real


def from_windows(windows: Tensor, window: int, size: Sequence[int]) -> Tensor:
    """Undo `windows_of`: (B, d, h, w, C)."""
    n = [-(-s // window) for s in size]
    x = windows.reshape(-1, *n, window, window, window, windows.shape[-1])
    x = x.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(-1, *(k * window for k in n), windows.shape[-1])
    return x[:, : size[0], : size[1], : size[2]]


def _cut(x: Tensor, window: int) -> Tensor:
    b, d, h, w, c = x.shape
    x = x.reshape(b, d // window, window, h // window, window, w // window, window, c)
    return x.permute(0, 1, 3, 5, 2, 4, 6, 7).reshape(-1, window**3, c)


class Attention(nn.Module):
    """Multi-head attention with projections; keys that are not real are not attended to."""

    def __init__(self, dim: int, heads: int, inner: int | None = None) -> None:
        super().__init__()
        inner = inner or dim
        self.heads = heads
        self.q, self.k, self.v = (nn.Linear(dim, inner) for _ in range(3))
        self.out = nn.Linear(inner, dim)

    def forward(self, q: Tensor, k: Tensor, v: Tensor, real: Tensor | None = None) -> Tensor:
        """Compute attention (B, N, C) from queries (B, N, C), keys and values (B, M, C), `real` (B, M)."""
        q, k, v = (
            f(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for f, x in ((self.q, q), (self.k, k), (self.v, v))
        )
        mask = None if real is None else real[:, None, None, :]
        y = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.out(y.transpose(1, 2).flatten(2))


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of (B, C, d, h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise channels; the shape stays."""
        return self.norm(x.movedim(1, -1)).movedim(-1, 1)


def mlp(dim: int, hidden: int, out: int | None = None) -> nn.Sequential:
    """Build two linear layers with a GELU between them."""
    return nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, out or dim))
