"""Losses of the trainings: sigmoids with a place for what is not known, and softmax; at every stage of a decoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.losses import DeepSupervisionLoss, DiceCELoss
from torch import Tensor
from torch.nn import functional


def heaviest_at(progress: float, rare_weight: float) -> float:
    """Compute the largest weight of a true voxel when a share `progress` of the training is done.

    It falls from `rare_weight` to 1 by a constant factor per step: first nothing is missed, then the edges, which
    weighted voxels push outwards, come to lie where they belong.
    """
    return rare_weight ** (1 - min(1.0, progress))


def partial_dice_bce(logits: Tensor, target: Tensor, *, smooth: float = 1.0, heaviest: float = 1.0) -> Tensor:
    """Sum soft Dice loss and binary cross-entropy over the structures that a case teaches.

    Parameters
    ----------
    logits, target : Tensor, shape (B, K, D, H, W)
        A target below zero says nothing about that voxel and structure.
    smooth : float
        Added to numerator and denominator of Dice.
    heaviest : float
        Largest weight of a true voxel in the cross-entropy; 1 weighs all voxels alike.

    Returns
    -------
    Tensor, scalar; zero where nothing is known

    Notes
    -----
    Mean over structures with a known voxel of cross-entropy + (1 - Dice), Dice only for structures with a true voxel.
    """
    known = (target >= 0).float()
    wanted, z = target.clamp(min=0), logits.float()
    space = tuple(range(2, target.ndim))
    counted, present = known.sum(dim=space), wanted.sum(dim=space)
    # An organ of a few hundred voxels drowns in a mean over the patch, its probability falls to nothing, and there the
    # gradient of Dice vanishes too: its voxels count more, up to `heaviest` times.
    weight = (0.05 * counted / present.clamp(min=1)).clamp(1, heaviest)
    weight = weight.reshape(*weight.shape, *[1] * len(space))
    cross_entropy = functional.binary_cross_entropy_with_logits(
        z, wanted, weight=known * (1 + (weight - 1) * wanted), reduction="none"
    )
    cross_entropy = cross_entropy.sum(dim=space) / counted.clamp(min=1)
    p = torch.sigmoid(z) * known
    overlap = (p * wanted).sum(dim=space)
    dice = (2 * overlap + smooth) / (p.sum(dim=space) + present + smooth)
    # A structure that is known and not in the patch is left to the cross-entropy: Dice would push every faint trace of
    # it to nothing, and a small organ is absent from most patches.
    loss = cross_entropy + (1 - dice) * (present > 0)
    return loss.sum() / (counted > 0).sum().clamp(min=1)


def deep_dice_bce(outputs: Sequence[Tensor], target: Tensor, *, heaviest: float = 1.0) -> Tensor:
    """Sum `partial_dice_bce` over decoder stages, each with half the weight of the next finer one.

    Parameters
    ----------
    outputs : sequence of Tensor, shape (B, K, d, h, w)
        Logits, finest first; each stage has half the edges of the one before.
    target : Tensor, shape (B, K, D, H, W)
        Truth on the finest grid, 1 inside and 0 outside a structure; below zero where unknown.
    heaviest : float
        Largest weight of a true voxel in the cross-entropy; 1 weighs all voxels alike.
    """
    loss = target.new_zeros(())
    for stage, weight in enumerate(stage_weights(len(outputs))):
        if stage:
            # A block that holds an unknown voxel comes out below zero: unknown.
            target = functional.avg_pool3d(target, 2)
        loss = loss + weight * partial_dice_bce(outputs[stage], target, heaviest=heaviest)
    return loss


def stage_weights(stages: int, *, drop_coarsest: bool = False) -> list[float]:
    """Compute weights of a decoder's stages, finest first: each half of the one before, together 1.

    Parameters
    ----------
    stages : int
        Number of decoder stages.
    drop_coarsest : bool
        Give the coarsest of several stages no weight, as nnU-Net does.

    Examples
    --------
    >>> stage_weights(3, drop_coarsest=True)
    [0.6666666666666666, 0.3333333333333333, 0.0]
    """
    weights = [0.5**k for k in range(stages)]
    if drop_coarsest and stages > 1:
        weights[-1] = 0.0
    return [w / sum(weights) for w in weights]


def deep_dice_ce(
    outputs: Sequence[Tensor],
    labels: Tensor,
    *,
    squared: bool = False,
    background: bool = False,
    drop_coarsest: bool = True,
    batch: bool = False,
    smooth: float = 1e-5,
) -> Tensor:
    """Add cross-entropy and one minus the mean soft Dice over classes, by softmax, at every stage of a decoder.

    Parameters
    ----------
    outputs : sequence of Tensor, shape (B, K, d, h, w)
        Logits, finest first; labels are reduced to each stage by the nearest voxel.
    labels : Tensor of int, shape (B, D, H, W)
        True class of every voxel, 0 to K - 1, on the finest grid.
    squared : bool
        Square the probabilities in the denominator of Dice.
    background : bool
        Count class 0 in Dice.
    drop_coarsest : bool
        Give the coarsest of several stages no weight, as nnU-Net does.
    batch : bool
        Take one Dice over all patches of the batch in place of one for every patch.
    smooth : float
        Voxels added to numerator and denominator: a class absent from patch and prediction counts as perfect.

    Notes
    -----
    Dice = 2 sum(p g) / (sum p + sum g), or with squares sum p^2 + sum g^2.
    """
    weights = [w for w in stage_weights(len(outputs), drop_coarsest=drop_coarsest) if w]
    logits = [z.float() for z in outputs[: len(weights)]]
    one = DiceCELoss(
        include_background=background,
        to_onehot_y=True,
        softmax=True,
        squared_pred=squared,
        batch=batch,
        smooth_nr=smooth,
        smooth_dr=smooth,
    )
    return DeepSupervisionLoss(one, weights=weights)(logits, labels[:, None].float())


def asymmetric_loss(
    logits: Tensor, target: Tensor, *, gamma_positive: float = 1.0, gamma_negative: float = 2.0
) -> Tensor:
    """Compute the asymmetric loss of SGRNet, section 5.1, averaged over the known labels.

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
