"""SGRNet: CT features steered by an organ map and a tumour heatmap (Gupta et al., sections 4.3.1 to 4.3.4).

One builder makes every row of the paper's Tables 1 and 2 for both backbones; `variant` says how the priors enter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from monai.networks.nets import DenseNet121, EfficientNetBNFeatures
from monai.networks.nets.efficientnet import EfficientNetBN
from torch import Tensor, nn
from torch.nn import functional

Variant = Literal["ct_only", "organ_add", "organ_modulation", "organ_tumour_add", "organ_tumour_modulation"]


@dataclass(frozen=True)
class SGRNetShape:
    """Sizes of SGRNet.

    Parameters
    ----------
    variant : str
        "ct_only" is the backbone with its own classifier (Table 1); the others differ in which priors enter (organs,
        or organs and tumour) and how (added, or modulating).
    backbone : {"densenet121", "efficientnet-b0"}
    outputs : int
        Labels N.
    organ_labels : int
        Highest label of the organ map; 0 is background.
    embedding : int
        d_e, 8 in the paper.
    channels : int
        Channels of every encoder at quarter resolution, 64 in the paper.
    """

    variant: Variant
    backbone: Literal["densenet121", "efficientnet-b0"]
    outputs: int
    organ_labels: int
    embedding: int = 8
    channels: int = 64


def build_sgrnet(shape: SGRNetShape) -> nn.Module:
    """Network of a shape; all take (ct, organs, heatmap) and return logits (B, N)."""
    return CTOnly(shape) if shape.variant == "ct_only" else SGRNet(shape)


class CTOnly(nn.Module):
    """The backbone with its own classifier; the priors are taken and ignored."""

    def __init__(self, shape: SGRNetShape) -> None:
        super().__init__()
        if shape.backbone == "densenet121":
            self.backbone: nn.Module = DenseNet121(spatial_dims=3, in_channels=1, out_channels=shape.outputs)
        else:
            self.backbone = EfficientNetBN(
                "efficientnet-b0", pretrained=False, spatial_dims=3, in_channels=1, num_classes=shape.outputs
            )

    def forward(self, ct: Tensor, organs: Tensor, heatmap: Tensor) -> Tensor:
        """Logits (B, N) of (B, 1, D, H, W)."""
        return self.backbone(ct)


class SGRNet(nn.Module):
    """Three encoders, spatial modulation, fusion, pooling, classifier."""

    def __init__(self, shape: SGRNetShape) -> None:
        super().__init__()
        self.modulates = shape.variant.endswith("modulation")
        self.uses_tumour = "tumour" in shape.variant
        c = shape.channels
        self.ct_encoder = QuarterResolution(shape.backbone, c)
        self.organ_embedding = nn.Embedding(shape.organ_labels + 1, shape.embedding)
        self.organ_encoder = prior_encoder(shape.embedding, c)
        self.organ_attention = spatial_attention(c)
        if self.uses_tumour:
            self.tumour_encoder = prior_encoder(1, c)
            self.tumour_attention = spatial_attention(c)
        streams = 1 + 1 + int(self.uses_tumour) if self.modulates else 1
        self.fusion = nn.Sequential(
            nn.Conv3d(streams * c, c, 3, padding=1), nn.InstanceNorm3d(c, affine=True), nn.ReLU(),
            nn.Conv3d(c, c, 3, padding=1), nn.InstanceNorm3d(c, affine=True), nn.ReLU(),
        )  # fmt: skip
        self.classifier = nn.Sequential(nn.Linear(c, c), nn.ReLU(), nn.Dropout(0.2), nn.Linear(c, shape.outputs))

    def forward(self, ct: Tensor, organs: Tensor, heatmap: Tensor) -> Tensor:
        """Logits (B, N).

        Parameters
        ----------
        ct : Tensor, shape (B, 1, D, H, W), normalised
        organs : Tensor, shape (B, 1, D, H, W), labels as integers
        heatmap : Tensor, shape (B, 1, D, H, W), 0..1
        """
        f_ct = self.ct_encoder(ct)
        f_organs, f_tumour = self.prior_features(organs, heatmap, f_ct.shape[2:])
        if not self.modulates:
            fused = f_ct + f_organs if f_tumour is None else f_ct + f_organs + f_tumour
        else:
            f_ct = f_ct * (1 + self.modulation(f_organs, f_tumour))
            fused = torch.cat([f for f in (f_ct, f_organs, f_tumour) if f is not None], dim=1)
        return self.classifier(self.fusion(fused).mean(dim=(2, 3, 4)))

    def prior_features(self, organs: Tensor, heatmap: Tensor, size: torch.Size) -> tuple[Tensor, Tensor | None]:
        """f_seg and f_g, brought to the size of the CT features."""
        embedded = self.organ_embedding(organs[:, 0].long()).permute(0, 4, 1, 2, 3)
        f_organs = _to_size(self.organ_encoder(embedded), size)
        return f_organs, _to_size(self.tumour_encoder(heatmap), size) if self.uses_tumour else None

    def modulation(self, f_organs: Tensor, f_tumour: Tensor | None) -> Tensor:
        """m = A(f_seg) + A(f_g), shape (B, 1, d, h, w)."""
        m = self.organ_attention(f_organs)
        return m if f_tumour is None else m + self.tumour_attention(f_tumour)


class QuarterResolution(nn.Module):
    """The whole backbone as a feature map at quarter resolution.

    The paper gives f_CECT 64 channels at a quarter of the input and does not say how a backbone that ends at 1/32
    gets there; here its levels from 1/4 down are projected to the same channels and added up from the coarsest.
    """

    def __init__(self, backbone: str, channels: int) -> None:
        super().__init__()
        if backbone == "densenet121":
            features = DenseNet121(spatial_dims=3, in_channels=1, out_channels=1).features
            stem = ("conv0", "norm0", "relu0", "pool0")
            names = [(*stem, "denseblock1"), *[(f"transition{i}", f"denseblock{i + 1}") for i in (1, 2, 3)]]
            self.levels = nn.ModuleList(
                nn.Sequential(*[features.get_submodule(name) for name in level]) for level in names
            )
            widths = (256, 512, 1024, 1024)
        else:
            self.efficientnet = EfficientNetBNFeatures(
                "efficientnet-b0", pretrained=False, spatial_dims=3, in_channels=1
            )
            widths = (24, 40, 112, 320)
        self.projections = nn.ModuleList(nn.Conv3d(width, channels, 1) for width in widths)
        self.norm = nn.InstanceNorm3d(channels, affine=True)

    def forward(self, ct: Tensor) -> Tensor:
        """(B, 1, D, H, W) to (B, channels, D/4, H/4, W/4)."""
        maps = []
        if hasattr(self, "efficientnet"):
            maps = list(self.efficientnet(ct))[1:]
        else:
            x = ct
            for level in self.levels:
                x = level(x)
                maps.append(x)
        total = self.projections[-1](maps[-1])
        for projection, level_map in zip(reversed(self.projections[:-1]), reversed(maps[:-1]), strict=True):
            total = _to_size(total, level_map.shape[2:]) + projection(level_map)
        return functional.relu(self.norm(total))


def prior_encoder(channels_in: int, channels: int) -> nn.Sequential:
    """Two convolutions of stride two: full to quarter resolution."""
    half = channels // 2
    return nn.Sequential(
        nn.Conv3d(channels_in, half, 3, stride=2, padding=1), nn.InstanceNorm3d(half, affine=True), nn.ReLU(),
        nn.Conv3d(half, channels, 3, stride=2, padding=1), nn.InstanceNorm3d(channels, affine=True), nn.ReLU(),
    )  # fmt: skip


def spatial_attention(channels: int) -> nn.Sequential:
    """A: 1x1x1 convolutions and a sigmoid, one channel out."""
    half = channels // 2
    return nn.Sequential(nn.Conv3d(channels, half, 1), nn.ReLU(), nn.Conv3d(half, 1, 1), nn.Sigmoid())


def _to_size(x: Tensor, size: torch.Size) -> Tensor:
    """Trilinear to `size` where it differs."""
    return x if x.shape[2:] == size else functional.interpolate(x, size=tuple(size), mode="trilinear")
