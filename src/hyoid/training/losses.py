"""Losses with a place for what is not known."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def partial_dice_bce(logits: Tensor, target: Tensor, *, smooth: float = 1.0) -> Tensor:
    """Soft Dice plus binary cross-entropy over the structures that a case teaches.

    Parameters
    ----------
    logits, target : Tensor, shape (B, K, D, H, W)
        A target below zero says nothing about that voxel and structure.
    smooth : float
        Added to numerator and denominator of Dice.

    Returns
    -------
    Tensor, scalar; zero where nothing is known
    """
    terms = []
    for logit, wanted in zip(logits.flatten(0, 1), target.flatten(0, 1), strict=True):
        known = wanted >= 0
        if not bool(known.any()):
            continue
        entire = bool(known.all())
        z, y = (logit.float(), wanted) if entire else (logit[known].float(), wanted[known])
        cross_entropy = functional.binary_cross_entropy_with_logits(z, y)
        if not entire:
            # Only negatives are known here (a voxel of another organ): Dice has no positives to compare with.
            terms.append(cross_entropy)
            continue
        p = torch.sigmoid(z)
        dice = (2 * (p * y).sum() + smooth) / (p.sum() + y.sum() + smooth)
        terms.append(cross_entropy + 1 - dice)
    return torch.stack(terms).mean() if terms else logits.sum() * 0


def asymmetric_loss(
    logits: Tensor, target: Tensor, *, gamma_positive: float = 1.0, gamma_negative: float = 2.0
) -> Tensor:
    """Asymmetric loss of SGRNet, section 5.1, averaged over the known labels.

    Parameters
    ----------
    logits, target : Tensor, shape (B, K)
        A target below zero is not known and does not count.

    Notes
    -----
    L = -[y (1 - p)^gamma+ log p + (1 - y) p^gamma- log(1 - p)].
    """
    known = target >= 0
    p = torch.sigmoid(logits)
    positive = target * (1 - p) ** gamma_positive * functional.logsigmoid(logits)
    negative = (1 - target) * p**gamma_negative * functional.logsigmoid(-logits)
    return -((positive + negative) * known).sum() / known.sum().clamp(min=1)
