"""Interactive lesion report (ISRG): an image and clicks to a mask, its expected IoU and five attributes (Gu et al.).

::

    image --- vision encoder --> I --+-------------- once per region, kept
                                     |
    clicks -- refinement, prompt --> P --+
    mask tokens M0, IoU token ------------+--> hybrid token encoder --> Z --+--> mask head ------> M --+
    previous mask --> added to I                                            |                         synergy
                                                                            +--> attribute head -> A --+

One builder makes the four variants of the paper's Tables 2 and 3 and both sizes. What the paper does not have is an
option: attributes described from the mask (`describe`) in place of those from the tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from hyoid.models.lesion_head import LesionHead, lesion_maps
from hyoid.models.prompts import PromptEncoder, click_maps, refine_points
from hyoid.models.vision import Attention, ChannelNorm, Size, VisionEncoder, VisionShape, mlp

Variant = Literal["vanilla", "refinement", "synergy", "full"]
Activation = Literal["softmax", "sigmoid"]


@dataclass(frozen=True)
class ISRGShape:
    """Sizes of the network.

    Parameters
    ----------
    variant : {"vanilla", "refinement", "synergy", "full"}
        Which of point refinement and inter-task synergy are there.
    vision : mapping
        Arguments of `VisionShape`.
    heads : int
        Of every attention behind the vision encoder.
    hybrid_layers, mask_layers : int
        Transformer layers of the hybrid token encoder, and of the mask head.
    refinement_window, refinement_clusters : int
        Edge of the cube of tokens around a click, and number of points that it adds.
    groups : sequence of int
        Answers per attribute; the paper's Table 1 has 4, 2, 3, 2, 2.
    fine_clicks : bool
        Give the mask head maps of the clicks and of the previous mask at its own resolution.
    lesion_head : bool
        Describe attributes from the mask, see `hyoid.models.lesion_head`; masks stay as they are without it.
    mask_tokens : int
        Number of mask tokens; the first one draws the mask. The attributes attend to all of them (equation 3): over one
        token alone that attention is a constant, as in packages made before there were several.
    refined_alone : bool
        Give the prompt encoder the refined points alone, P = E_P(q*), in place of the clicks followed by them.
    attribute_activation : {"softmax", "sigmoid"}
        What turns the logits of an attribute's classes into probabilities; the paper's text says sigmoid, its
        equation 6 is a categorical cross-entropy.
    """

    variant: Variant
    vision: Mapping[str, Any]
    heads: int = 8
    hybrid_layers: int = 2
    mask_layers: int = 2
    refinement_window: int = 3
    refinement_clusters: int = 3
    groups: Sequence[int] = (4, 2, 3, 2, 2)
    fine_clicks: bool = False
    lesion_head: bool = False
    mask_tokens: int = 1
    refined_alone: bool = False
    attribute_activation: Activation = "softmax"

    def __post_init__(self) -> None:
        if self.variant not in ("vanilla", "refinement", "synergy", "full"):
            raise ValueError(f"There is no variant {self.variant!r}.")
        if self.mask_tokens < 1:
            raise ValueError("A mask needs a token.")
        if self.attribute_activation not in ("softmax", "sigmoid"):
            raise ValueError(f"There is no activation {self.attribute_activation!r}.")
        if self.lesion_head and self.attribute_activation != "softmax":
            raise ValueError("The lesion head answers by softmax.")

    @property
    def refines(self) -> bool:
        """Whether clicks are refined."""
        return self.variant in ("refinement", "full")

    @property
    def has_synergy(self) -> bool:
        """Whether mask and attributes inform each other."""
        return self.variant in ("synergy", "full")


@dataclass(frozen=True)
class Answer:
    """What the network says after a click.

    Parameters
    ----------
    mask : Tensor, shape (B, 1, 4 d, 4 h, 4 w)
        Logits at four times the grid of tokens.
    iou : Tensor, shape (B, 1)
        Expected intersection over union of that mask with the truth.
    attributes : Tensor, shape (B, sum of groups)
        Logits, group after group.
    """

    mask: Tensor
    iou: Tensor
    attributes: Tensor


class ISRG(nn.Module):
    """The network; `encode` once, `decode` at every click."""

    def __init__(self, shape: ISRGShape) -> None:
        super().__init__()
        self.shape = shape
        vision = VisionShape(**shape.vision)
        self.image: Size = (vision.image[0], vision.image[1], vision.image[2])
        self.tokens = vision.tokens
        c = vision.channels
        self.vision = VisionEncoder(vision)
        self.prompts = PromptEncoder(c, self.image, self.tokens)
        self.mask_token, self.iou_token = (nn.Parameter(0.02 * torch.randn(1, n, c)) for n in (shape.mask_tokens, 1))
        self.hybrid = HybridTokenEncoder(c, shape.heads, shape.hybrid_layers)
        self.mask_layers = nn.ModuleList(MaskLayer(c, shape.heads) for _ in range(shape.mask_layers))
        self.attributes = AttributeHead(c, shape.heads, len(shape.groups))
        if shape.has_synergy:
            self.synergy = Synergy(c, shape.heads)
        stem = tuple(vision.stem_channels) if vision.stem == "convolution" else ()
        self.upsampling = Upsampling(c, stem, fine_clicks=shape.fine_clicks)
        self.iou_head = mlp(c, c, 1)
        self.classifiers = nn.ModuleList(nn.Linear(c, n) for n in shape.groups)
        if shape.lesion_head:
            self.lesion_head = LesionHead(vision.in_channels, shape.groups)

    def encode(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Compute the features of the image, the slow part, see `VisionEncoder`; before its finer maps those of the
        lesion head."""
        features, finer = self.vision(image)
        if self.shape.lesion_head:
            finer = [lesion_maps(image, [4 * n for n in self.tokens]), *finer]
        return features, finer

    def decode(
        self, features: Tensor, finer: Sequence[Tensor], points: Tensor, kinds: Tensor, previous: Tensor | None
    ) -> Answer:
        """Compute the mask, IoU and attributes.

        Parameters
        ----------
        features, finer
            From `encode`.
        points : Tensor, shape (B, N, 3)
            (slice, row, column) in voxels of the image.
        kinds : Tensor of int, shape (B, N)
            `PointKind`.
        previous : Tensor, shape (B, 1, 4 d, 4 h, 4 w), optional
            Logits of the mask before this click.
        """
        batch = len(features)
        maps = self._fine_prompts(points, kinds, previous) if self.shape.fine_clicks else None
        if self.shape.refines:
            points, kinds = refine_points(
                features, points, kinds, self.image, window=self.shape.refinement_window,
                clusters=self.shape.refinement_clusters, alone=self.shape.refined_alone,
            )  # fmt: skip
        own = torch.cat([self.iou_token, self.mask_token], dim=1).expand(batch, -1, -1)
        tokens = torch.cat([own, self.prompts(points, kinds)], dim=1)
        image = (features + self.prompts.previous(previous, batch)).flatten(2).transpose(1, 2)
        position = self.prompts.position.grid(self.tokens)[None]
        tokens, image = self.hybrid(tokens, image, position)
        mask, iou = tokens[:, 1 : 1 + self.shape.mask_tokens], tokens[:, 0]
        for layer in self.mask_layers:
            mask = layer(mask, tokens, image, position)
        attributes = self.attributes(image, self.tokens)
        if self.shape.has_synergy:
            mask, attributes = self.synergy(mask, attributes)
        logits = self.upsampling(image.transpose(1, 2).unflatten(2, self.tokens), mask[:, 0], finer, maps)
        words = [classify(attributes[:, k]) for k, classify in enumerate(self.classifiers)]
        return Answer(logits, self.iou_head(iou).sigmoid(), torch.cat(words, dim=1))

    def describe(self, finer: Sequence[Tensor], mask: Tensor, spacing_mm: Tensor) -> Tensor:
        """Compute attributes of a mask, the reader's or the network's own: logits (B, sum of groups).

        Parameters
        ----------
        finer
            From `encode`.
        mask : Tensor, shape (B, 1, 4 d, 4 h, 4 w)
            Logits.
        spacing_mm : Tensor, shape (B,)
            Of the image's voxels.
        """
        return self.lesion_head(finer[0], mask, spacing_mm * self.image[0] / mask.shape[2])

    def forward(self, image: Tensor, points: Tensor, kinds: Tensor) -> Answer:
        """Answer clicks on an image without a previous mask."""
        features, finer = self.encode(image)
        return self.decode(features, finer, points, kinds, None)

    def _fine_prompts(self, points: Tensor, kinds: Tensor, previous: Tensor | None) -> Tensor:
        size = tuple(4 * n for n in self.tokens)
        maps = click_maps(points, kinds, self.image, size)  # type: ignore[arg-type]
        mask = maps.new_zeros(len(maps), 1, *size) if previous is None else previous.clamp(-8, 8) / 4
        return torch.cat([maps, mask], dim=1)


class HybridTokenEncoder(nn.Module):
    """Z: tokens attend to each other and to the image, the image to the tokens, layer by layer."""

    def __init__(self, channels: int, heads: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TwoWayLayer(channels, heads) for _ in range(layers))
        self.last = Attention(channels, heads)
        self.norm = nn.LayerNorm(channels)

    def forward(self, tokens: Tensor, image: Tensor, position: Tensor) -> tuple[Tensor, Tensor]:
        """Inform tokens (B, N, C) and image (B, d h w, C) by each other."""
        prompt = tokens
        for layer in self.layers:
            tokens, image = layer(tokens, image, prompt, position)
        tokens = self.norm(tokens + self.last(tokens + prompt, image + position, image))
        return tokens, image


class TwoWayLayer(nn.Module):
    """Self-attention of tokens, tokens to image, MLP, image to tokens."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.own, self.to_image, self.to_tokens = (Attention(channels, heads) for _ in range(3))
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(4))
        self.mlp = mlp(channels, 4 * channels)

    def forward(self, tokens: Tensor, image: Tensor, prompt: Tensor, position: Tensor) -> tuple[Tensor, Tensor]:
        """Inform tokens and image by each other; shapes stay."""
        q = tokens + prompt
        tokens = self.norms[0](tokens + self.own(q, q, tokens))
        tokens = self.norms[1](tokens + self.to_image(tokens + prompt, image + position, image))
        tokens = self.norms[2](tokens + self.mlp(tokens))
        image = self.norms[3](image + self.to_tokens(image + position, tokens + prompt, tokens))
        return tokens, image


class MaskLayer(nn.Module):
    """Mask tokens look at Z: its tokens, then its image part."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.to_tokens, self.to_image = Attention(channels, heads), Attention(channels, heads)
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(3))
        self.mlp = mlp(channels, 2 * channels)

    def forward(self, mask: Tensor, tokens: Tensor, image: Tensor, position: Tensor) -> Tensor:
        """Compute the mask tokens, (B, m, C)."""
        mask = self.norms[0](mask + self.to_tokens(mask, tokens, tokens))
        mask = self.norms[1](mask + self.to_image(mask, image + position, image))
        return self.norms[2](mask + self.mlp(mask))


class AttributeHead(nn.Module):
    """A: the image part of Z through a residual block, then self-attention with one token per attribute."""

    def __init__(self, channels: int, heads: int, attributes: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv3d(channels, channels, 3, padding=1), ChannelNorm(channels), nn.GELU(),
            nn.Conv3d(channels, channels, 3, padding=1), ChannelNorm(channels),
        )  # fmt: skip
        self.queries = nn.Parameter(0.02 * torch.randn(1, attributes, channels))
        self.attention = Attention(channels, heads)
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.mlp = mlp(channels, 2 * channels)

    def forward(self, image: Tensor, size: Sequence[int]) -> Tensor:
        """Compute attribute tokens (B, attributes, C) of the image part (B, d h w, C)."""
        grid = image.transpose(1, 2).unflatten(2, tuple(size))
        z = functional.gelu(grid + self.residual(grid)).flatten(2).transpose(1, 2)
        queries = self.queries.expand(len(z), -1, -1)
        tokens = torch.cat([queries, z], dim=1)
        # Of the self-attention only the rows of the attributes are read, so only these are computed.
        a = self.norm1(queries + self.attention(queries, tokens, tokens))
        return self.norm2(a + self.mlp(a))


class Synergy(nn.Module):
    """Z_seg = Attn(M, Proj(A)) and Z_attr = Attn(A, Proj(M)), equation 3; both are added to what they refine."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.project_attributes, self.project_mask = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.to_attributes, self.to_mask = Attention(channels, heads), Attention(channels, heads)
        self.norm_mask, self.norm_attributes = nn.LayerNorm(channels), nn.LayerNorm(channels)

    def exchange(self, mask: Tensor, attributes: Tensor) -> tuple[Tensor, Tensor]:
        """Compute Z_seg (B, m, C) and Z_attr (B, a, C) of mask tokens (B, m, C) and attribute tokens (B, a, C)."""
        a, m = self.project_attributes(attributes), self.project_mask(mask)
        return self.to_attributes(mask, a, a), self.to_mask(attributes, m, m)

    def forward(self, mask: Tensor, attributes: Tensor) -> tuple[Tensor, Tensor]:
        """Inform mask tokens (B, m, C) and attribute tokens (B, a, C) by each other."""
        z_mask, z_attributes = self.exchange(mask, attributes)
        return self.norm_mask(mask + z_mask), self.norm_attributes(attributes + z_attributes)


class Upsampling(nn.Module):
    """The image part of Z to four times its grid, and the mask token's answer at every voxel of it."""

    def __init__(self, channels: int, stem: Sequence[int], *, fine_clicks: bool) -> None:
        super().__init__()
        half, fine = channels // 4, channels // 8
        self.up1 = nn.Sequential(nn.ConvTranspose3d(channels, half, 2, stride=2), ChannelNorm(half), nn.GELU())
        self.up2 = nn.Sequential(nn.ConvTranspose3d(half, fine, 2, stride=2), nn.GELU())
        # The stem's maps next above the tokens lie at two and, where there is another, at four times the grid.
        levels = tuple(stem[-2:])
        widths = (fine, half)[-len(levels) :] if levels else ()
        self.finer = nn.ModuleList(nn.Conv3d(width, out, 1) for width, out in zip(levels, widths, strict=True))
        extra = 3 if fine_clicks else 0
        self.fuse = (
            nn.Sequential(
                nn.Conv3d(fine + extra, fine, 3, padding=1), nn.InstanceNorm3d(fine, affine=True), nn.GELU(),
                nn.Conv3d(fine, fine, 3, padding=1), nn.InstanceNorm3d(fine, affine=True), nn.GELU(),
            )
            if extra
            else None
        )  # fmt: skip
        self.hyper = mlp(channels, channels, fine)

    def forward(self, image: Tensor, mask: Tensor, finer: Sequence[Tensor], maps: Tensor | None) -> Tensor:
        """Compute the logits (B, 1, 4 d, 4 h, 4 w) of image (B, C, d, h, w) and mask token (B, C)."""
        x = self.up1(image)
        if len(self.finer) > 0:
            x = x + self.finer[-1](finer[-1])
        x = self.up2(x)
        if len(self.finer) > 1:
            x = x + self.finer[-2](finer[-2])
        if self.fuse is not None and maps is not None:
            x = x + self.fuse(torch.cat([x, maps], dim=1))
        return torch.einsum("bcdhw,bc->bdhw", x, self.hyper(mask))[:, None]
