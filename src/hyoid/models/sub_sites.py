"""Sub-sites that an outlined tumour overlaps, from the organ map and the outline alone.

A U-Net draws on the organ map where each sub-site lies; two numbers of its overlap with the outline give the logit. No
CT: virtual patients teach this network, and where an outlined tumour lies among outlined organs carries over to real
patients, while what it looks like on a virtual CT need not.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hyoid.models.unet import UNet, UNetShape


class SubSites(nn.Module):
    """Maps of sub-sites, and how much of each the outline shares.

    Parameters
    ----------
    outputs : int
        Sub-sites K.
    organ_labels : int
        Highest label of the organ map; 0 is background.
    embedding : int
        Channels in which the organ map enters.
    channels : int
        Of the U-Net's coarsest of three stages; the finer ones have a half and a quarter.
    """

    SHARED, SHARE = 0.1, 0.01  # added to voxels and share before their logarithm: nothing shared stays finite

    def __init__(self, outputs: int, organ_labels: int, embedding: int, channels: int) -> None:
        super().__init__()
        features = (channels // 4, channels // 2, channels)
        self.register_buffer("usual", torch.zeros(organ_labels + 1, outputs + 1))
        self.organ_embedding = nn.Embedding(organ_labels + 1, embedding)
        self.places = UNet(UNetShape.cubic("plain", embedding, outputs + 1, features, (1, 2, 2), (1, 1)))
        self.per_voxels = nn.Parameter(torch.full((outputs,), 0.5))
        self.per_share = nn.Parameter(torch.full((outputs,), 0.5))
        self.bias = nn.Parameter(torch.ones(outputs))

    def forward(self, ct: Tensor, organs: Tensor, heatmap: Tensor) -> Tensor:
        """Compute the logits (B, K) from organs as integers and the outline 0..1, each (B, 1, D, H, W); the CT is
        ignored."""
        return self.involved(self.place(self.drawn(organs)), heatmap)

    def drawn(self, organs: Tensor) -> Tensor:
        """Compute the logits of where sub-sites lie, (B, 1 + K, D, H, W): none of them, then each; no place belongs to
        two."""
        labels = organs[:, 0].long()
        usual, seen = (table.movedim(-1, 1) for table in (self.usual[labels], self.organ_embedding(labels)))
        return usual + self.places(seen)

    def begin_at(self, usual: Tensor, slopes: tuple[float, float], intercepts: Tensor) -> None:
        """Start without a drawing of its own: at how often the voxels of each organ are each sub-site, and at a rule.

        Parameters
        ----------
        usual : Tensor, shape (organ labels + 1, 1 + K)
            Frequencies; rows sum to 1.
        slopes : (per logarithm of shared voxels, per logarithm of the share)
            Slopes of the logit over both logarithms, one pair for all fields.
        intercepts : Tensor, shape (K,)
            Logit of each field where both logarithms are 0.
        """
        last = self.places.decoder.seg_layers[-1]
        with torch.no_grad():
            self.usual.copy_(torch.log(usual))
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            self.per_voxels.fill_(slopes[0])
            self.per_share.fill_(slopes[1])
            self.bias.copy_(intercepts)

    @staticmethod
    def place(drawn: Tensor) -> Tensor:
        """Compute the probability of every sub-site at every place, (B, K, D, H, W)."""
        return torch.softmax(drawn, dim=1)[:, 1:]

    def involved(self, place: Tensor, heatmap: Tensor) -> Tensor:
        """Compute the logits (B, K) from `place` and the outline."""
        voxels, share = self.read_off(place, heatmap)
        return self.per_voxels * voxels + self.per_share * share + self.bias

    def read_off(self, place: Tensor, heatmap: Tensor) -> tuple[Tensor, Tensor]:
        """Read the logarithms of the voxels that outline and sub-site share, and of their share of the sub-site, each
        (B, K)."""
        place = place.flatten(2)
        shared = (place * heatmap.flatten(2)).sum(dim=2)
        share = shared / (place.sum(dim=2) + 1)
        return torch.log(shared + self.SHARED), torch.log(share + self.SHARE)


class ExplainedSubSites(SubSites):
    """The same network with the places as a second output, brighter where the outline meets them."""

    FAINT = 0.2

    def forward(self, ct: Tensor, organs: Tensor, heatmap: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the logits (B, K) and maps (B, K, D, H, W), 0..1."""
        place = self.place(self.drawn(organs))
        meets = self.FAINT + (1 - self.FAINT) * heatmap
        return self.involved(place, heatmap), place * meets
