"""SGRNet: CT features steered by an organ map and a tumour heatmap (Gupta et al., sections 4.3.1 to 4.3.4).

One builder makes every row of the paper's Tables 1 and 2 for both backbones, and hyoid's own two: each label read off
its own organ, and sub-sites from the priors alone. `variant` says how the priors enter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from monai.networks.nets import DenseNet121, EfficientNetBNFeatures
from monai.networks.nets.efficientnet import EfficientNetBN
from torch import Tensor, nn
from torch.nn import functional

from hyoid.models.ct_fm import CTFMClassifier
from hyoid.models.sub_sites import ExplainedSubSites, SubSites
from hyoid.models.variants import ATTENDING, Backbone, Variant


@dataclass(frozen=True)
class SGRNetShape:
    """Sizes of SGRNet.

    Parameters
    ----------
    variant : str
        "ct_only" is the backbone with its own classifier (Table 1); the others differ in which priors enter (organs,
        or organs and tumour) and how (added, or modulating). "organ_pooling" is "organ_tumour_modulation" with
        `OrganPooling` in place of global pooling and classifier; "sub_sites" is `SubSites`, without CT.
    backbone : {"densenet121", "efficientnet-b0", "ct-fm", "none"}
        Of the CT. "ct-fm" only without priors, "none" with "sub_sites" and only there.
    outputs : int
        Labels N.
    organ_labels : int
        Highest label of the organ map; 0 is background.
    embedding : int
        d_e, 8 in the paper.
    channels : int
        Channels of every encoder at quarter resolution, 64 in the paper.
    field_labels : sequence of sequences of int
        "organ_pooling": labels of the organ that each output asks about.
    """

    variant: Variant
    backbone: Backbone
    outputs: int
    organ_labels: int
    embedding: int = 8
    channels: int = 64
    field_labels: Sequence[Sequence[int]] = ()

    def __post_init__(self) -> None:
        if self.variant == "organ_pooling" and len(self.field_labels) != self.outputs:
            raise ValueError(f"{self.outputs} outputs need as many organs, got {len(self.field_labels)}.")
        if self.backbone == "ct-fm" and self.variant != "ct_only":
            raise ValueError("CT-FM has no row with priors.")
        if (self.backbone == "none") != (self.variant == "sub_sites"):
            raise ValueError(f"Variant {self.variant!r} does not go with backbone {self.backbone!r}.")


def build_explained_sgrnet(shape: SGRNetShape) -> nn.Module:
    """Build the network of `build_sgrnet`, with the same weights, that returns (logits, attention); see
    `SGRNet.explained`.

    Raises
    ------
    ValueError
        When the variant has no attention.
    """
    if shape.variant not in ATTENDING:
        raise ValueError(f"Variant {shape.variant!r} has no attention; those that have: {', '.join(ATTENDING)}.")
    return _sub_sites(ExplainedSubSites, shape) if shape.variant == "sub_sites" else ExplainedSGRNet(shape)


def build_sgrnet(shape: SGRNetShape) -> nn.Module:
    """Build the network of a shape; all take (ct, organs, heatmap) and return logits (B, N)."""
    if shape.backbone == "ct-fm":
        return CTFMClassifier(shape.outputs)
    if shape.variant == "sub_sites":
        return _sub_sites(SubSites, shape)
    return CTOnly(shape) if shape.variant == "ct_only" else SGRNet(shape)


def _sub_sites(kind: type[SubSites], shape: SGRNetShape) -> SubSites:
    return kind(shape.outputs, shape.organ_labels, shape.embedding, shape.channels)


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
            # MONAI draws this layer from +-1/sqrt(outputs): logits begin at +-7, and a short training never comes back.
            self.backbone._fc.reset_parameters()

    def forward(self, ct: Tensor, organs: Tensor, heatmap: Tensor) -> Tensor:
        """Compute the logits (B, N) of (B, 1, D, H, W)."""
        return self.backbone(ct)


class SGRNet(nn.Module):
    """Three encoders, spatial modulation, fusion, pooling, classifier."""

    def __init__(self, shape: SGRNetShape) -> None:
        super().__init__()
        pools = shape.variant == "organ_pooling"
        self.modulates = pools or shape.variant.endswith("modulation")
        self.uses_tumour = pools or "tumour" in shape.variant
        c = shape.channels
        self.ct_encoder = QuarterResolution(shape.backbone, c)
        self.organ_embedding = nn.Embedding(shape.organ_labels + 1, shape.embedding)
        self.organ_encoder = prior_encoder(shape.embedding, c)
        self.organ_attention = spatial_attention(c)
        if self.uses_tumour:
            self.tumour_encoder = prior_encoder(1, c)
            self.tumour_attention = spatial_attention(c)
        streams = 1 + 1 + int(self.uses_tumour) if self.modulates else 1
        # No normalisation over the volume here: the mean that follows would be the same for every patient.
        self.fusion = nn.Sequential(
            nn.Conv3d(streams * c, c, 3, padding=1), nn.ReLU(), nn.Conv3d(c, c, 3, padding=1), nn.ReLU()
        )
        if pools:
            self.organ_pooling = OrganPooling(c, shape.field_labels)
        else:
            self.classifier = nn.Sequential(nn.Linear(c, c), nn.ReLU(), nn.Dropout(0.2), nn.Linear(c, shape.outputs))

    def forward(self, ct: Tensor, organs: Tensor, heatmap: Tensor) -> Tensor:
        """Compute the logits (B, N).

        Parameters
        ----------
        ct : Tensor, shape (B, 1, D, H, W), normalised
            The scan, normalised.
        organs : Tensor, shape (B, 1, D, H, W), labels as integers
            Organ labels of `hyoid.anatomy.structures`.
        heatmap : Tensor, shape (B, 1, D, H, W), 0..1
            Weak map of the tumour.
        """
        return self.explained(ct, organs, heatmap)[0]

    def explained(self, ct: Tensor, organs: Tensor, heatmap: Tensor) -> tuple[Tensor, Tensor | None]:
        """Compute logits (B, N), and where the network looked, at quarter resolution; None where nothing tells.

        The modulating variants look at the same places for every label: m of section 4.3.3, shape (B, 1, d, h, w), up
        to 1 with organs, up to 2 with organs and tumour. "organ_pooling" has one map per label, (B, N, d, h, w), which
        sums to 1.
        """
        f_ct = self.ct_encoder(ct)
        f_organs, f_tumour = self.prior_features(organs, heatmap, f_ct.shape[2:])
        attention: Tensor | None = None
        if not self.modulates:
            fused = f_ct + f_organs if f_tumour is None else f_ct + f_organs + f_tumour
        else:
            attention = self.modulation(f_organs, f_tumour)
            f_ct = f_ct * (1 + attention)
            fused = torch.cat([f for f in (f_ct, f_organs, f_tumour) if f is not None], dim=1)
        features = self.fusion(fused)
        if hasattr(self, "organ_pooling"):
            return self.organ_pooling.explained(features, organs, heatmap)
        return self.classifier(features.mean(dim=(2, 3, 4))), attention

    def prior_features(self, organs: Tensor, heatmap: Tensor, size: torch.Size) -> tuple[Tensor, Tensor | None]:
        """Bring f_seg and f_g to the size of the CT features."""
        embedded = self.organ_embedding(organs[:, 0].long()).permute(0, 4, 1, 2, 3)
        f_organs = _to_size(self.organ_encoder(embedded), size)
        return f_organs, _to_size(self.tumour_encoder(heatmap), size) if self.uses_tumour else None

    def modulation(self, f_organs: Tensor, f_tumour: Tensor | None) -> Tensor:
        """Compute m = A(f_seg) + A(f_g), shape (B, 1, d, h, w)."""
        m = self.organ_attention(f_organs)
        return m if f_tumour is None else m + self.tumour_attention(f_tumour)


class ExplainedSGRNet(SGRNet):
    """The same network with its attention as a second output."""

    def forward(self, ct: Tensor, organs: Tensor, heatmap: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the logits (B, N) and attention (B, 1 or N, d, h, w)."""
        logits, attention = self.explained(ct, organs, heatmap)
        assert attention is not None
        return logits, attention


class OrganPooling(nn.Module):
    """One logit per organ: a rule read off organ map and heatmap, and what features in and around the organ add to it.

    Global pooling has to learn from a few hundred patients where each organ is; the organ map says so already. The rule
    is a logistic regression on the heatmap's value that `SHARE` of the organ exceeds. Features are averaged with an
    attention that is limited to the organ and its surroundings (everywhere, when the organ was not outlined); they
    begin with no weight, so that training starts at the rule.

    Parameters
    ----------
    channels : int
        Channels of the features that are pooled.
    field_labels : sequence of sequences of int
        Labels of each output's organ.
    """

    OUTSIDE = -12.0  # added to the attention's logits away from the organ
    SHARE = 0.05  # an organ is involved when more of it than this is covered
    SURE = 0.01  # a probability nearer to 0 or 1 counts as this

    def __init__(self, channels: int, field_labels: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.field_labels = [tuple(labels) for labels in field_labels]
        outputs = len(self.field_labels)
        self.score = nn.Conv3d(channels, outputs, 1)
        self.shared = nn.Sequential(nn.Linear(channels + 2, channels), nn.ReLU(), nn.Dropout(0.2))
        self.field_weight = nn.Parameter(torch.zeros(outputs, channels))
        self.field_bias = nn.Parameter(torch.zeros(outputs))
        self.rule_weight = nn.Parameter(torch.ones(outputs))

    def forward(self, features: Tensor, organs: Tensor, heatmap: Tensor) -> Tensor:
        """Compute logits (B, N) from features (B, C, d, h, w), organs and heatmap (B, 1, D, H, W)."""
        return self.explained(features, organs, heatmap)[0]

    def explained(self, features: Tensor, organs: Tensor, heatmap: Tensor) -> tuple[Tensor, Tensor]:
        """Compute logits (B, N), and the attention (B, N, d, h, w) by which features were averaged."""
        masks = self.masks(organs)
        inside = masks.flatten(2)
        covered = (inside * heatmap.flatten(2)).sum(dim=2) / inside.sum(dim=2).clamp(min=1)
        reached = self.reached(masks, heatmap)
        size = [int(n) for n in features.shape[2:]]
        near = functional.max_pool3d(functional.adaptive_max_pool3d(masks, size), 3, stride=1, padding=1)
        absent = (near.amax(dim=(2, 3, 4), keepdim=True) == 0).float()
        logits = self.score(features) + self.OUTSIDE * (1 - near) * (1 - absent)
        attention = torch.softmax(logits.flatten(2), dim=2)
        pooled = torch.bmm(attention, features.flatten(2).transpose(1, 2))
        shared = self.shared(torch.cat([pooled, covered[..., None], reached[..., None]], dim=2))
        rule = self.rule_weight * self.log_odds(reached) + self.field_bias
        return rule + (shared * self.field_weight).sum(dim=2), attention.unflatten(2, size)

    def begin_at(self, slope: float, intercepts: Tensor) -> None:
        """Set the rule to begin with: one slope for all organs, an intercept (N,) for each."""
        with torch.no_grad():
            self.rule_weight.fill_(slope)
            self.field_bias.copy_(intercepts)

    def masks(self, organs: Tensor) -> Tensor:
        """Find every output's organ, (B, N, D, H, W) of 0 and 1."""
        return torch.cat([self.mask(organs, labels) for labels in self.field_labels], dim=1)

    @classmethod
    def reached(cls, masks: Tensor, heatmap: Tensor) -> Tensor:
        """Value of the heatmap that `SHARE` of each organ exceeds, (B, N); 0 without the organ."""
        inside = masks.flatten(2)
        # Inside 1 to 2, outside 0: the organ's values come first.
        ordered = torch.sort(inside * (heatmap.flatten(2) + 1), dim=2, descending=True).values
        rank = (cls.SHARE * inside.sum(dim=2, keepdim=True)).long()
        return (ordered.gather(2, rank)[..., 0] - 1).clamp(min=0)

    @classmethod
    def log_odds(cls, probability: Tensor) -> Tensor:
        """Compute ln(p / (1 - p)), finite for 0 and 1."""
        p = probability.clamp(cls.SURE, 1 - cls.SURE)
        return torch.log(p / (1 - p))

    @staticmethod
    def mask(organs: Tensor, labels: Sequence[int]) -> Tensor:
        """Find where a label map (B, 1, D, H, W) holds one of the labels."""
        if not labels:
            return torch.zeros_like(organs, dtype=torch.float32)
        return torch.stack([(organs == label).float() for label in labels]).amax(dim=0)


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
        """Map (B, 1, D, H, W) to (B, channels, D/4, H/4, W/4)."""
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
    """Build two convolutions of stride two: full to quarter resolution."""
    half = channels // 2
    return nn.Sequential(
        nn.Conv3d(channels_in, half, 3, stride=2, padding=1), nn.InstanceNorm3d(half, affine=True), nn.ReLU(),
        nn.Conv3d(half, channels, 3, stride=2, padding=1), nn.InstanceNorm3d(channels, affine=True), nn.ReLU(),
    )  # fmt: skip


def spatial_attention(channels: int) -> nn.Sequential:
    """Build A: 1x1x1 convolutions and a sigmoid, one channel out."""
    half = channels // 2
    return nn.Sequential(nn.Conv3d(channels, half, 1), nn.ReLU(), nn.Conv3d(half, 1, 1), nn.Sigmoid())


def _to_size(x: Tensor, size: torch.Size) -> Tensor:
    """Trilinear to `size` where it differs."""
    return x if x.shape[2:] == size else functional.interpolate(x, size=tuple(size), mode="trilinear")
