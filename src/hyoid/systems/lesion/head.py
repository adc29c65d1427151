"""Training of the lesion head on a network that stays as it is.

The masks of a frozen network do not change while its head learns, so every view is looked at once: what the head is
given of it is kept, and learning from that takes seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hyoid.errors import UsageError
from hyoid.models.build import build_network
from hyoid.models.isrg import ISRG
from hyoid.models.lesion_head import lesion_features
from hyoid.systems.lesion.cases import LesionCase
from hyoid.systems.lesion.rounds import Clicks, attribute_loss
from hyoid.systems.lesion.samples import LesionDataset
from hyoid.training.averaged import Contents
from hyoid.training.recipe import HeadRecipe, LesionRecipe
from hyoid.training.run import Progress
from hyoid.training.segmentation import load_matching


class HeadTraining:
    """The network of a recipe with the weights of another; its lesion head alone learns.

    Parameters
    ----------
    recipe : LesionRecipe
        Recipe of the lesion system whose section `head` is filled in.
    described : Contents
        Network with a lesion head.
    start : mapping of str to Tensor, optional
        Weights of the network; the head's may lack.

    Raises
    ------
    UsageError
        When there is no lesion head, or no network that it could be added to, or one of another shape.
    """

    def __init__(self, recipe: LesionRecipe, described: Contents, start: Mapping[str, Tensor] | None) -> None:
        if start is None or not described.network.get("lesion_head"):
            raise UsageError(
                "Only the lesion head is to learn; the head is missing, or the network that it is added to.",
                "Give --start, a variant of ISRG and network.lesion_head: true.",
            )
        network = build_network(described.network)
        left_out = [name for name in load_matching(network, start) if not name.startswith("lesion_head.")]
        if left_out:
            raise UsageError(
                f"{len(left_out)} weights beside the lesion head do not fit the recipe's network, {left_out[0]} first.",
                "Give a --start that was trained with the same network: the lesion head alone learns.",
            )
        assert isinstance(network, ISRG)
        self.recipe, self.described, self.network = recipe, described, network.eval()

    def learn(self, cases: Sequence[LesionCase], on_progress: Progress) -> None:
        """Collect the head's inputs from views of all lesions, then train the head."""
        assert self.recipe.head is not None
        views = range(self.recipe.head.views)
        features, classes = looked_at(self.network, self.recipe, cases, views, on_progress)
        fit_head(self.network, features, classes, self.recipe.head, self.recipe.seed)

    def contents(self) -> Contents:
        """Describe the network as it was given."""
        return self.described

    def result(self) -> dict[str, Tensor]:
        """Return all weights, those of the start among them untouched."""
        return dict(self.network.state_dict())


@torch.no_grad()
def looked_at(
    network: ISRG, recipe: LesionRecipe, cases: Sequence[LesionCase], views: Sequence[int], on_progress: Progress
) -> tuple[Tensor, Tensor]:
    """Collect the head's inputs from views of lesions: with the true mask and the mask after every round of clicks.

    Returns
    -------
    features : Tensor, shape (views * (rounds + 1), `feature_count`)
    classes : Tensor of int, shape (views * (rounds + 1), attributes)
        `UNKNOWN` where a view does not show it.
    """
    rows, classes = [], []
    for count, view in enumerate(views):
        drawn = LesionDataset(cases, recipe, view, np.arange(len(cases)))
        for number in range(len(cases)):
            image, mask, known, spacing_mm = (part[None] for part in drawn[number])
            features, finer = network.encode(image)
            rng = np.random.default_rng((recipe.seed, view, number, 1))
            clicks, previous = Clicks.empty(mask, recipe.box_share, rng), None
            wrong = torch.ones_like(mask, dtype=torch.bool)
            masks = [functional.adaptive_avg_pool3d(mask, finer[0].shape[2:]) - 0.5]
            for _ in range(recipe.rounds):
                clicks = clicks.with_next(mask, wrong, rng, recipe.random_click_share)
                previous = network.decode(features, finer, clicks.points, clicks.kinds, previous).mask
                logits = functional.interpolate(previous, size=mask.shape[2:], mode="trilinear")
                wrong = (logits > 0) != (mask > 0)
                masks.append(previous)
            cell_mm = (spacing_mm * mask.shape[2] / masks[0].shape[2]).expand(len(masks))
            rows.append(lesion_features(finer[0].expand(len(masks), -1, -1, -1, -1), torch.cat(masks), cell_mm))
            classes.append(known.expand(len(masks), -1))
            on_progress("views", count * len(cases) + number + 1, len(views) * len(cases), "")
    return torch.cat(rows), torch.cat(classes)


def fit_head(network: ISRG, features: Tensor, classes: Tensor, recipe: HeadRecipe, seed: int) -> float:
    """Train the head on collected features and return the mean loss of the last tenth of the steps."""
    head, generator = network.lesion_head.train(), torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    optimiser = torch.optim.AdamW(head.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.steps)
    losses = []
    for _ in range(recipe.steps):
        rows = torch.randint(len(features), (recipe.batch,), generator=generator)
        loss = attribute_loss(head.words(features[rows]), classes[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
    head.eval()
    return float(np.mean(losses[-max(1, recipe.steps // 10) :]))
