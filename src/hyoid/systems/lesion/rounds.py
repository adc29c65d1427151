"""What a round of training clicks on, and what an answer to it costs: shared by the network and by its lesion head."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hyoid.anatomy.lesion_attributes import ATTRIBUTES
from hyoid.metrics.simulated_clicks import deterministic_click, random_click
from hyoid.models.isrg import Activation
from hyoid.models.prompts import PointKind
from hyoid.systems.lesion.cases import UNKNOWN

GROUPS = tuple(len(words) for words in ATTRIBUTES.values())


def attribute_loss(logits: Tensor, classes: Tensor, activation: Activation = "softmax") -> Tensor:
    """Compute cross-entropy per attribute (equation 6), mean over known attributes; 0 if no class is known.

    Parameters
    ----------
    logits : Tensor, shape (B, sum of groups)
        Logits of the classes of all attributes, one attribute after the other.
    classes : Tensor of int, shape (B, groups)
        True class of every attribute; `UNKNOWN` does not count.
    activation : {"softmax", "sigmoid"}
        "softmax": categorical. "sigmoid": binary over every class of a known attribute, summed; the terms of classes
        that are not there belong to it, since without these the answer "all of them" would cost nothing.
    """
    if activation == "sigmoid":
        return _binary(logits, classes)
    losses = [
        functional.cross_entropy(part, classes[:, k], ignore_index=UNKNOWN, reduction="sum")
        for k, part in enumerate(logits.split(GROUPS, dim=1))
    ]
    return torch.stack(losses).sum() / (classes != UNKNOWN).sum().clamp(min=1)


def _binary(logits: Tensor, classes: Tensor) -> Tensor:
    """Binary cross-entropy over the classes of known attributes, mean over these attributes."""
    known = classes != UNKNOWN
    true = torch.cat(
        [functional.one_hot(classes[:, k].clamp(min=0), n) for k, n in enumerate(GROUPS)], dim=1
    )  # fmt: skip
    counts = torch.repeat_interleave(known, torch.tensor(GROUPS, device=known.device), dim=1)
    losses = functional.binary_cross_entropy_with_logits(logits, true.to(logits.dtype), reduction="none")
    return (losses * counts).sum() / known.sum().clamp(min=1)


class Clicks:
    """Prompts of a batch: two places for the corners of a box, then one place per round."""

    def __init__(self, points: Tensor, kinds: Tensor) -> None:
        self.points, self.kinds = points, kinds

    @classmethod
    def empty(cls, mask: Tensor, box_share: float, rng: np.random.Generator) -> Clicks:
        """Begin without clicks; a share of the samples has a box around its lesion, not quite tight."""
        points = mask.new_zeros(len(mask), 2, 3)
        kinds = torch.full((len(mask), 2), int(PointKind.NOTHING), device=mask.device)
        for row, of_row in enumerate(mask[:, 0]):
            if rng.random() < box_share:
                inside = of_row.nonzero()
                slack = torch.from_numpy(rng.uniform(0, 3, (2, 3))).to(points)
                points[row, 0] = inside.amin(dim=0) - slack[0]
                points[row, 1] = inside.amax(dim=0) + slack[1]
                kinds[row, 0], kinds[row, 1] = int(PointKind.BOX_LOW), int(PointKind.BOX_HIGH)
        return cls(points, kinds)

    def with_next(self, mask: Tensor, wrong: Tensor, rng: np.random.Generator, random_share: float = 0.5) -> Clicks:
        """Add a click per sample, somewhere in the error of the mask so far.

        A sample without an error gets no click.

        Parameters
        ----------
        mask : Tensor, shape (B, 1, D, H, W)
            True lesion, above 0 inside.
        wrong : Tensor of bool, shape (B, 1, D, H, W)
            Voxels in error; before the first click these are all voxels of the lesion, and no other.
        rng : Generator
            Source of the random draws.
        random_share : float
            Share of the clicks that lie anywhere in the error; the others lie in the middle of its largest part.
        """
        first = self.kinds.shape[1] == 2
        points, kinds = self.points.new_zeros(len(mask), 1, 3), self.kinds.new_full((len(mask), 1), PointKind.NOTHING)
        for row in range(len(mask)):
            reference = mask[row, 0].cpu().numpy() > 0
            prediction = np.zeros_like(reference) if first else reference != wrong[row, 0].cpu().numpy()
            # Gu et al. draw from the whole error; readers, and the users that measure here, aim at its middle.
            user = random_click if rng.random() < random_share else deterministic_click
            click = user(reference, prediction, (1.0, 1.0, 1.0), rng)
            # A box is the whole first prompt.
            boxed = first and int(self.kinds[row, 0]) == PointKind.BOX_LOW
            if click is not None and not boxed:
                points[row, 0] = points.new_tensor(click.point_ijk)
                kinds[row, 0] = int(PointKind.ADD if click.adds else PointKind.REMOVE)
        return Clicks(torch.cat([self.points, points], dim=1), torch.cat([self.kinds, kinds], dim=1))
