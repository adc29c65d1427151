"""Attributes of a lesion from its mask: its form, and the scan inside it, at its border and around it.

The attribute head of Gu et al. is given all tokens and must find the lesion among them by attention alone. This one is
told where the lesion is: another synergy of the two tasks, from the mask to the attributes, which the paper does not
have. What is measured is what radiologists name when they describe a lesion: size and form, grey values within against
muscle, their unevenness, and how the grey value falls off at the border.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from hyoid.anatomy.lesion_attributes import ATTRIBUTES

# Of the first window (soft tissue), in its own range -1..1.
_BINS = 13
_BIN_WIDTH = 0.12
# Soft tissue of muscle's kind in the first window of -160 to 240 HU: 10 to 110 HU.
_MUSCLE = (-0.15, 0.35)
BANDS = ("deep", "inside", "inner border", "outer border", "shell", "surroundings")
_DEEP_SHARE = 0.5
# Outer ends of the last four, mm from the surface; every band is a cell wide at least.
_ENDS_MM = (3.0, 3.0, 8.0, 14.0)
_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
_FORM, _MUSCLE_NOISE = 10, 3
_DENSITY = list(ATTRIBUTES).index("density")
# Brings grey values, which differ by tenths of their range, to the size of the numbers that tell the form.
_SCALE = 4.0
MAPS = 2
"""Maps beside the mean of every channel: gradient and spread of the first."""


def feature_count(channels: int) -> int:
    """Compute the length of `lesion_features` for an image of so many channels."""
    grey = len(BANDS) * (channels + MAPS + 1 + _BINS + 1) + 2 * len(_QUANTILES)
    return _FORM + grey + _MUSCLE_NOISE


def lesion_maps(image: Tensor, size: Sequence[int]) -> Tensor:
    """Compute what `lesion_features` reads of an image: mean of every channel, gradient and spread of the first.

    Parameters
    ----------
    image : Tensor, shape (B, C, D, H, W)
        Image channels of the region.
    size : (d, h, w)
        Grid of the masks; divides that of the image.

    Returns
    -------
    Tensor, shape (B, C + 2, d, h, w)
        Gradient and spread are taken at the image's own resolution; the spread is the standard deviation over the cell
        and half a cell on every side.
    """
    factor = [n // m for n, m in zip(image.shape[2:], size, strict=True)]
    first = image[:, :1]
    steps = torch.gradient(first, dim=(2, 3, 4))
    gradient = torch.stack(steps).square().sum(0).sqrt()
    half = [f // 2 for f in factor]
    edge = [f + 2 * h for f, h in zip(factor, half, strict=True)]
    # Replicated, so that the end of the region is no step.
    wide = functional.pad(first, (half[2], half[2], half[1], half[1], half[0], half[0]), mode="replicate")
    mean, square = (functional.avg_pool3d(x, edge, factor) for x in (wide, wide.square()))
    spread = (square - mean.square()).clamp(min=0).sqrt()
    return torch.cat([functional.avg_pool3d(torch.cat([image, gradient], dim=1), factor), spread], dim=1)


def lesion_features(maps: Tensor, mask: Tensor, cell_mm: Tensor) -> Tensor:
    """Compute the form of a mask, and what the maps hold in its bands.

    Parameters
    ----------
    maps : Tensor, shape (B, C + 2, d, h, w)
        From `lesion_maps`.
    mask : Tensor, shape (B, 1, d, h, w)
        Logits.
    cell_mm : Tensor, shape (B,)
        Edge of a cell of that grid.

    Returns
    -------
    Tensor, shape (B, `feature_count(C)`)
        All zero where the mask is empty. No gradient reaches the mask.
    """
    inside = mask.detach() > 0
    depth_mm = signed_depth(inside) * cell_mm.reshape(-1, 1, 1, 1, 1)
    bands = _bands(depth_mm, cell_mm)
    grey = maps[:, :1]
    means = _mean_in(torch.cat([maps, _histogram(grey)], dim=1), bands)  # (B, bands, channels)
    spread = (_mean_in(grey.square(), bands) - _mean_in(grey, bands).square()).clamp(min=0).sqrt()
    muscle = ((grey > _MUSCLE[0]) & (grey < _MUSCLE[1]) & ~inside).to(maps.dtype)
    noise = _mean_in(maps[:, [0, -2, -1]], muscle)[:, 0]  # its grey value, gradient and spread
    level = noise[:, :1]
    ranked = torch.cat([_quantiles(grey, bands[:, k : k + 1]) - level for k in range(2)], dim=1)
    grey_features = torch.cat([means.flatten(1), means[:, :, 0] - level, ranked, noise], dim=1)
    form = _form(inside.to(maps.dtype), depth_mm, cell_mm)
    there = inside.flatten(1).any(dim=1, keepdim=True).to(maps.dtype)
    return there * torch.cat([form, _SCALE * grey_features, (spread + 0.02).log().flatten(1)], dim=1)


class LesionHead(nn.Module):
    """From `lesion_features` to logits of the attributes.

    Density is told from the grey values inside over muscle alone: given all features, it was learned from what usually
    goes with a density too, and a plain bright ball in muscle was called hypodense.

    Parameters
    ----------
    channels : int
        Of the image.
    groups : sequence of int
        Answers per attribute, in the order of `hyoid.anatomy.lesion_attributes.ATTRIBUTES`.
    hidden : int
        Width of the perceptron.
    dropout : float
        Share of its inputs that is dropped in training.
    """

    def __init__(self, channels: int, groups: Sequence[int], hidden: int = 64, dropout: float = 0.3) -> None:
        super().__init__()
        self.groups = tuple(groups)
        # The quantiles lie before the numbers of muscle and the spreads, which end the row.
        end = feature_count(channels) - _MUSCLE_NOISE - len(BANDS)
        self.of_density = slice(end - 2 * len(_QUANTILES), end)
        self.density = nn.Sequential(
            nn.Linear(2 * len(_QUANTILES), hidden // 2), nn.GELU(), nn.Linear(hidden // 2, self.groups[_DENSITY])
        )
        self.body = nn.Sequential(
            nn.Linear(feature_count(channels), hidden), nn.LayerNorm(hidden), nn.GELU(), nn.Dropout(dropout),
        )  # fmt: skip
        self.classify = nn.Linear(hidden, sum(groups))

    def forward(self, maps: Tensor, mask: Tensor, cell_mm: Tensor) -> Tensor:
        """Compute the logits (B, sum of groups), group after group; parameters as of `lesion_features`."""
        return self.words(lesion_features(maps, mask, cell_mm))

    def words(self, features: Tensor) -> Tensor:
        """Compute the logits (B, sum of groups) of `lesion_features`."""
        words = list(self.classify(self.body(features)).split(self.groups, dim=1))
        words[_DENSITY] = self.density(features[:, self.of_density])
        return torch.cat(words, dim=1)


def signed_depth(inside: Tensor) -> Tensor:
    """Compute the distance from the surface in cells, positive inside: half a cell for the cells on either side of it.

    Parameters
    ----------
    inside : Tensor of bool, shape (B, 1, d, h, w)
        Mask of the lesion.

    Examples
    --------
    >>> row = torch.tensor([False, True, True, True, False, False]).reshape(1, 1, 1, 1, 6)
    >>> signed_depth(row).flatten().tolist()
    [-0.5, 0.5, 1.5, 0.5, -0.5, -1.5]
    """
    return torch.where(inside, _distance(~inside), -_distance(inside)) + torch.where(inside, -0.5, 0.5)


def _distance(there: Tensor) -> Tensor:
    """Distance to the nearest cell that is there, cells; the grid's length where there is none.

    Squared distances are joined axis by axis (Felzenszwalb and Huttenlocher 2012, without their envelope: the grids are
    small).
    """
    far = float(max(there.shape[2:])) ** 2
    squared = torch.where(there, 0.0, far)
    for axis in (2, 3, 4):
        n = there.shape[axis]
        steps = torch.arange(n, device=there.device, dtype=squared.dtype)
        away = (steps[:, None] - steps).square()
        lines = squared.movedim(axis, -1)
        squared = (lines[..., None, :] + away).amin(dim=-1).movedim(-1, axis)
    return squared.clamp(max=far).sqrt()


def _bands(depth_mm: Tensor, cell_mm: Tensor) -> Tensor:
    """(B, bands, d, h, w), 0 or 1: the deeper half, the inside, and four bands by distance from the surface."""
    cell = cell_mm.reshape(-1, 1, 1, 1, 1)
    inside = depth_mm > 0
    deep = depth_mm >= _DEEP_SHARE * depth_mm.flatten(1).amax(dim=1).reshape(-1, 1, 1, 1, 1)
    inner_mm, outer_mm, shell_mm, most_mm = _ENDS_MM
    first = cell.clamp(min=outer_mm)
    second = (first + cell).clamp(min=shell_mm)
    third = (second + cell).clamp(min=most_mm)
    away = -depth_mm
    bands = [
        deep & inside, inside, inside & (depth_mm < cell.clamp(min=inner_mm)), ~inside & (away < first),
        (away >= first) & (away < second), (away >= second) & (away < third),
    ]  # fmt: skip
    return torch.cat(bands, dim=1).to(depth_mm.dtype)


def _mean_in(values: Tensor, weights: Tensor) -> Tensor:
    """Mean of every channel of values (B, C, ...) over every weight map (B, K, ...): (B, K, C), 0 over nothing."""
    v, w = values.flatten(2), weights.flatten(2)
    return (w @ v.transpose(1, 2)) / w.sum(dim=2, keepdim=True).clamp(min=1e-6)


def _quantiles(grey: Tensor, band: Tensor) -> Tensor:
    """Quantiles of the values (B, 1, ...) where the band (B, 1, ...) is 1: (B, quantiles); the nearest lower value."""
    there = band.flatten(1) > 0
    ordered = torch.where(there, grey.flatten(1), torch.inf).sort(dim=1).values
    last = (there.sum(dim=1, keepdim=True) - 1).clamp(min=0)
    index = (last * last.new_tensor(_QUANTILES, dtype=torch.float32)).long()
    return torch.nan_to_num(ordered.gather(1, index), posinf=0.0)


def _histogram(grey: Tensor) -> Tensor:
    """Soft membership of every cell in bins of grey value: (B, bins, d, h, w)."""
    centres = torch.linspace(-1, 1, _BINS, device=grey.device, dtype=grey.dtype).reshape(1, -1, 1, 1, 1)
    return torch.exp(-0.5 * ((grey - centres) / _BIN_WIDTH) ** 2)


def _form(inside: Tensor, depth_mm: Tensor, cell_mm: Tensor) -> Tensor:
    """(B, 10): size, half axes of the ellipsoid with the same second moments, how full it is, surface, depth, cell."""
    _, _, *size = inside.shape
    weight = inside.flatten(1)
    count = weight.sum(dim=1).clamp(min=1)
    axes = [torch.arange(n, device=inside.device, dtype=inside.dtype) for n in size]
    places = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(1, -1, 3)
    middle = (weight[..., None] * places).sum(dim=1) / count[:, None]
    away = places - middle[:, None]
    moments = (weight[..., None] * away).transpose(1, 2) @ away / count[:, None, None]
    # A cell is a cube, not a point.
    moments = moments + torch.eye(3, device=inside.device, dtype=inside.dtype) / 12
    half = (5 * torch.linalg.eigvalsh(moments).clamp(min=1e-6)).sqrt() * cell_mm[:, None]
    volume = count * cell_mm**3
    ellipsoid = 4 / 3 * torch.pi * half.prod(dim=1)
    # Cells next to the surface, as an area, over that of the lesion's size: 1 or so for a ball.
    inner, outer = (
        ((depth_mm * side > 0) & (depth_mm * side < cell_mm.reshape(-1, 1, 1, 1, 1))).flatten(1).sum(dim=1).clamp(min=1)
        for side in (1, -1)
    )
    area = cell_mm**2 / volume ** (2 / 3)
    deepest = depth_mm.flatten(1).amax(dim=1).clamp(min=0.1)
    return torch.stack(
        [
            (volume / 4000).log(), *(half / 8).log().unbind(dim=1), 3 * (volume / ellipsoid).log(),
            2 * (half[:, 0] / half[:, 2]).log(), 2 * (inner * area / 5).log(), 2 * (outer * area / 9).log(),
            2 * (deepest / half[:, 1]).log(), (cell_mm / 2.5).log(),
        ],
        dim=1,
    )  # fmt: skip
