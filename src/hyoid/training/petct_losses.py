"""Losses of the PET/CT system: Dice and cross-entropy over a softmax, at every depth of the decoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

_SMOOTH = 1e-5


def dice_cross_entropy(logits: Tensor, labels: Tensor, *, squared: bool, background: bool) -> Tensor:
    """Cross-entropy plus one minus the mean soft Dice over classes and patches.

    Parameters
    ----------
    logits : Tensor, shape (B, K, D, H, W)
    labels : Tensor of int, shape (B, D, H, W)
    squared : bool
        Squares in Dice's denominator.
    background : bool
        Whether class 0 counts in Dice.

    Notes
    -----
    Dice = 2 sum(p g) / (sum p + sum g), or with squares sum p^2 + sum g^2 (the paper's formula). Every patch has its
    own Dice (batch Dice off); a class absent from a patch and from the prediction counts as perfect.
    """
    z = logits.float()
    cross_entropy = functional.cross_entropy(z, labels)
    p = torch.softmax(z, dim=1)
    g = functional.one_hot(labels, z.shape[1]).movedim(-1, 1).float()
    space = tuple(range(2, z.ndim))
    overlap = (p * g).sum(dim=space)
    size = ((p**2).sum(dim=space) if squared else p.sum(dim=space)) + g.sum(dim=space)
    dice = (2 * overlap + _SMOOTH) / (size + _SMOOTH)
    return cross_entropy + 1 - (dice if background else dice[:, 1:]).mean()


def depth_weights(depths: int, *, drop_coarsest: bool) -> list[float]:
    """Weights of the decoder's stages, finest first: each half of the one before, together 1.

    Examples
    --------
    >>> depth_weights(3, drop_coarsest=True)
    [0.6666666666666666, 0.3333333333333333, 0.0]
    """
    weights = [0.5**k for k in range(depths)]
    if drop_coarsest and depths > 1:
        weights[-1] = 0.0
    return [w / sum(weights) for w in weights]


def deep_loss(
    outputs: Sequence[Tensor], labels: Tensor, *, squared: bool, background: bool, drop_coarsest: bool
) -> Tensor:
    """`dice_cross_entropy` at every depth, labels reduced by the nearest voxel.

    Parameters
    ----------
    outputs : sequence of Tensor
        Logits, finest first.
    labels : Tensor of int, shape (B, D, H, W)
    """
    total = outputs[0].new_zeros((), dtype=torch.float32)
    weights = depth_weights(len(outputs), drop_coarsest=drop_coarsest)
    for weight, logits in zip(weights, outputs, strict=True):
        if weight:
            small = labels
            if logits.shape[2:] != labels.shape[1:]:
                small = functional.interpolate(labels[:, None].float(), logits.shape[2:], mode="nearest-exact")[:, 0]
            total = total + weight * dice_cross_entropy(logits, small.long(), squared=squared, background=background)
    return total
