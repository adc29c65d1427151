"""Prompts of the interactive lesion report: clicks, boxes and the previous mask, as tokens and maps.

Gu et al., section 2.1. Points are (slice, row, column) in voxels of the input, everywhere; images of tokens are
encoded with the same function, so that one axis order holds for both.
"""

from __future__ import annotations

from enum import IntEnum

import torch
from torch import Tensor, nn

from hyoid.models.vision import ChannelNorm, Size


class PointKind(IntEnum):
    """What a point says."""

    NOTHING = -1
    """Filler, so that a batch has one length."""
    REMOVE = 0
    ADD = 1
    BOX_LOW = 2
    BOX_HIGH = 3


class PositionEncoding(nn.Module):
    """Random Fourier features of a point, shape (..., channels)."""

    def __init__(self, channels: int, scale: float = 1.0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("frequencies", scale * torch.randn(3, channels // 2, generator=generator))
        self.frequencies: Tensor

    def forward(self, points: Tensor) -> Tensor:
        """Encode points (..., 3), each coordinate 0..1 over the image."""
        angles = 2 * torch.pi * ((2 * points - 1) @ self.frequencies)
        return torch.cat([angles.sin(), angles.cos()], dim=-1)

    def grid(self, size: Size) -> Tensor:
        """Encode every cell of a grid, at its centre: (d * h * w, channels), slices slowest."""
        axes = [(torch.arange(n, device=self.frequencies.device) + 0.5) / n for n in size]
        return self(torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, 2))


class PromptEncoder(nn.Module):
    """Points to tokens; the previous mask to a map that is added to the image's features.

    Parameters
    ----------
    channels : int
        Width of a token.
    image, tokens : (D, H, W)
        Voxels of the input, and grid of its features; masks come at four times that grid.
    """

    def __init__(self, channels: int, image: Size, tokens: Size) -> None:
        super().__init__()
        self.image, self.tokens = image, tokens
        self.position = PositionEncoding(channels)
        self.kinds = nn.Embedding(len(PointKind), channels)
        quarter = channels // 4
        self.mask = nn.Sequential(
            nn.Conv3d(1, quarter // 4, 2, stride=2), ChannelNorm(quarter // 4), nn.GELU(),
            nn.Conv3d(quarter // 4, quarter, 2, stride=2), ChannelNorm(quarter), nn.GELU(),
            nn.Conv3d(quarter, channels, 1),
        )  # fmt: skip
        self.no_mask = nn.Parameter(torch.zeros(channels))

    def forward(self, points: Tensor, kinds: Tensor) -> Tensor:
        """Compute the tokens (B, N, C) of points (B, N, 3) in voxels, with `PointKind` (B, N)."""
        size = points.new_tensor(self.image)
        encoded = self.position((points + 0.5) / size)
        filler = (kinds == PointKind.NOTHING)[..., None]
        return torch.where(filler, 0.0, encoded) + self.kinds(kinds + 1)

    def previous(self, logits: Tensor | None, batch: int) -> Tensor:
        """Encode the previous mask's logits (B, 1, 4 d, 4 h, 4 w) as a map (B, C, d, h, w); None: there was none."""
        if logits is None:
            return self.no_mask.reshape(1, -1, 1, 1, 1).expand(batch, -1, *self.tokens)
        return self.mask(logits.clamp(-8, 8) / 4)


@torch.no_grad()
def refine_points(
    features: Tensor,
    points: Tensor,
    kinds: Tensor,
    image: Size,
    *,
    window: int,
    clusters: int,
    rounds: int = 8,
    alone: bool = False,
) -> tuple[Tensor, Tensor]:
    """List the clicks, followed by the points that feature-space clustering adds to each (equations 1 and 2).

    The features in a cube of tokens around a click are clustered by K-means; the token nearest to each centroid
    becomes a point with the click's kind. Corners of a box and fillers add fillers.

    Parameters
    ----------
    features : Tensor, shape (B, C, d, h, w)
        Coarse features of the image.
    points : Tensor, shape (B, N, 3)
        Voxels of the input.
    kinds : Tensor, shape (B, N)
        Kind of each point: added, removed, corner of a box, or padding.
    image : (D, H, W)
        Number of voxels of the region.
    window : int
        Edge of the cube in tokens; at the image's edge it is shifted inwards.
    clusters : int
        Number of representatives that a window is condensed to.
    rounds : int
        Of K-means. It starts from the click's own token and then from the token farthest from all starts so far, so
        that the same click gives the same points.
    alone : bool
        Put the first of its points in the place of each click, as the paper's P = E_P(q*) does.

    Returns
    -------
    points : Tensor, shape (B, N * (1 + clusters), 3); alone (B, N * clusters, 3)
    kinds : Tensor, shape (B, N * (1 + clusters)); alone (B, N * clusters)
    """
    size = features.shape[2:]
    cell = points.new_tensor([n / t for n, t in zip(image, size, strict=True)])
    edge = [min(window, int(n)) for n in size]
    at = ((points + 0.5) / cell).floor().clamp(min=0)
    at = torch.minimum(at, at.new_tensor([n - 1 for n in size]))
    first = (at - at.new_tensor([e // 2 for e in edge])).clamp(min=0)
    first = torch.minimum(first, first.new_tensor([n - e for n, e in zip(size, edge, strict=True)]))
    steps = torch.stack(torch.meshgrid(*[torch.arange(e, device=points.device) for e in edge], indexing="ij"), dim=-1)
    places = first.long()[:, :, None] + steps.flatten(0, 2)
    index = (places[..., 0] * size[1] + places[..., 1]) * size[2] + places[..., 2]
    b, n, w = index.shape
    flat = features.flatten(2).transpose(1, 2).float()
    near = torch.gather(flat, 1, index.reshape(b, n * w, 1).expand(-1, -1, flat.shape[2])).reshape(b * n, w, -1)
    own = (places == at.long()[:, :, None]).all(dim=-1).float().argmax(dim=-1).reshape(b * n)
    chosen = cluster_representatives(near, own, min(clusters, w), rounds).reshape(b, n, -1)
    if chosen.shape[2] < clusters:
        chosen = torch.cat([chosen, chosen[:, :, -1:].expand(-1, -1, clusters - chosen.shape[2])], dim=2)
    found = torch.gather(places, 2, chosen[..., None].expand(-1, -1, -1, 3)).to(points.dtype)
    added = (found + 0.5) * cell - 0.5
    clicked = (kinds == PointKind.ADD) | (kinds == PointKind.REMOVE)
    added_kinds = torch.where(clicked, kinds, int(PointKind.NOTHING))[..., None].expand(-1, -1, clusters)
    if alone:
        points = torch.where(clicked[..., None], added[:, :, 0], points)
        added, added_kinds = added[:, :, 1:], added_kinds[:, :, 1:]
    return torch.cat([points, added.flatten(1, 2)], dim=1), torch.cat([kinds, added_kinds.flatten(1)], dim=1)


def cluster_representatives(x: Tensor, start: Tensor, clusters: int, rounds: int) -> Tensor:
    """Compute the index of the member nearest to each centroid of K-means.

    Parameters
    ----------
    x : Tensor, shape (B, N, C)
        Tokens to condense.
    start : Tensor, shape (B,)
        First starting point.
    clusters, rounds : int
        Number of representatives, and of rounds of k-means.

    Returns
    -------
    Tensor of int, shape (B, clusters)

    Examples
    --------
    >>> x = torch.tensor([[[0.0], [0.2], [0.1], [5.0], [5.2], [5.1]]])
    >>> sorted(cluster_representatives(x, torch.tensor([0]), 2, 8)[0].tolist())
    [2, 5]
    """
    rows = torch.arange(len(x), device=x.device)
    starts = [start]
    nearest = (x - x[rows, start][:, None]).square().sum(-1)
    for _ in range(clusters - 1):
        starts.append(nearest.argmax(dim=1))
        nearest = torch.minimum(nearest, (x - x[rows, starts[-1]][:, None]).square().sum(-1))
    centroids = x[rows[:, None], torch.stack(starts, dim=1)]
    for _ in range(rounds):
        member = torch.nn.functional.one_hot(torch.cdist(x, centroids).argmin(dim=2), clusters).to(x.dtype)
        count = member.sum(dim=1)[..., None]
        # A centroid without members stays where it is.
        centroids = torch.where(count > 0, (member.transpose(1, 2) @ x) / count.clamp(min=1), centroids)
    distances = torch.cdist(x, centroids)
    others = torch.nn.functional.one_hot(distances.argmin(dim=2), clusters) == 0
    inside = distances.masked_fill(others, torch.inf)
    empty = torch.isinf(inside).all(dim=1, keepdim=True)
    return torch.where(empty, distances, inside).argmin(dim=1)


def click_maps(points: Tensor, kinds: Tensor, image: Size, size: Size, sigma: float = 1.0) -> Tensor:
    """Draw Gaussians around clicks on a grid: (B, 2, d, h, w), clicks that add and clicks that remove.

    Parameters
    ----------
    points : Tensor, shape (B, N, 3)
        Voxels of the input.
    kinds : Tensor, shape (B, N)
        Kind of each point: added, removed, corner of a box, or padding.
    image, size : (D, H, W)
        Of the input and of the map.
    sigma : float
        In cells of the map.
    """
    scale = points.new_tensor([n / m for n, m in zip(size, image, strict=True)])
    at = (points + 0.5) * scale - 0.5
    curves = [
        torch.exp(-0.5 * ((torch.arange(n, device=points.device) - at[..., axis : axis + 1]) / sigma) ** 2)
        for axis, n in enumerate(size)
    ]
    maps = []
    for kind in (PointKind.ADD, PointKind.REMOVE):
        of_kind = (kinds == kind).to(points.dtype)[..., None]
        maps.append(torch.einsum("bnd,bnh,bnw->bdhw", curves[0] * of_kind, curves[1], curves[2]).clamp(max=1))
    return torch.stack(maps, dim=1)
