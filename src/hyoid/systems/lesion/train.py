"""Lightning module of the interactive lesion report: simulated clicks over rounds, mask and attributes together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hyoid.anatomy.lesion_attributes import ATTRIBUTES
from hyoid.errors import UsageError
from hyoid.io.packages.model_package import LearnedFrom
from hyoid.models.build import build_network
from hyoid.models.isrg import Activation, Answer
from hyoid.systems.lesion.cases import UNKNOWN, LesionCase, load_lesions, of_part, require_attributes
from hyoid.systems.lesion.head import HeadTraining
from hyoid.systems.lesion.rounds import GROUPS, Clicks, attribute_loss
from hyoid.systems.lesion.samples import LesionDataset
from hyoid.training.averaged import AveragedTraining, Contents
from hyoid.training.recipe import LesionRecipe
from hyoid.training.run import Run, save_package, train
from hyoid.training.schedule import optimiser_and_schedule
from hyoid.training.segmentation import load_matching

# Of the baseline, above its deepest level, where the recipe's network has no convolutions.
_UNET_CHANNELS = (32, 64, 128)


def network_description(recipe: LesionRecipe) -> dict[str, Any]:
    """Describe the network as `build_network` takes it and a manifest stores it."""
    n = recipe.network
    if recipe.variant == "unet":
        return {
            "kind": "click_unet",
            "image": recipe.region,
            "in_channels": len(recipe.windows_hu),
            "channels": (*(n.stem_channels or _UNET_CHANNELS), n.dim),
            "groups": GROUPS,
        }
    own = (
        "heads", "hybrid_layers", "mask_layers", "refinement_window", "refinement_clusters", "fine_clicks",
        "lesion_head", "mask_tokens", "refined_alone", "attribute_activation",
    )  # fmt: skip
    vision = ("patch", "dim", "depth", "window", "global_layers", "channels", "stem", "stem_channels")
    return {
        "kind": "isrg",
        "variant": recipe.variant,
        "groups": GROUPS,
        **{key: getattr(n, key) for key in own},
        "vision": {
            "image": recipe.region,
            "in_channels": len(recipe.windows_hu),
            "heads": n.vision_heads,
            **{key: getattr(n, key) for key in vision},
        },
    }


class LesionTraining(AveragedTraining):
    """Training of one variant; the averaged weights are the result.

    Parameters
    ----------
    recipe : LesionRecipe
        Variant, shape, rounds of clicks and optimiser.
    cases : sequence of LesionCase
        Lesions to learn from.
    start : mapping of str to Tensor, optional
        Weights to begin with.
    """

    def __init__(
        self,
        recipe: LesionRecipe,
        cases: Sequence[LesionCase],
        start: Mapping[str, Tensor] | None = None,
    ) -> None:
        network = build_network(network_description(recipe))
        if start is not None:
            load_matching(network, start)
        for part in recipe.frozen:
            network.get_submodule(part).requires_grad_(False)
        super().__init__(network, recipe.optimiser)
        self.recipe, self.cases = recipe, cases
        # The baseline has tokens of its own only.
        self.has_lesion_head = recipe.network.lesion_head and recipe.variant != "unet"
        self.activation: Activation = "softmax" if recipe.variant == "unet" else recipe.network.attribute_activation
        # Logarithms of the two variances of Kendall et al. 2018 (CVPR): lambda = exp(first - second).
        self.log_variances = nn.Parameter(torch.zeros(2))

    def epoch_data(self, epoch: int) -> LesionDataset:
        """Draw random views of lesions."""
        return LesionDataset(self.cases, self.recipe, epoch)

    def contents(self) -> Contents:
        """Describe the network; see `lesion_contents`."""
        return lesion_contents(self.recipe, self.cases)

    def configure_optimizers(self) -> dict[str, Any]:
        """Build the recipe's optimiser and schedule, for the network and the weights of the losses."""
        return optimiser_and_schedule([*self.network.parameters(), self.log_variances], self.optimiser)

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor, Tensor], index: int) -> Tensor:
        """Compute the loss of one batch over all rounds of clicks."""
        image, mask, attributes, spacing_mm = batch
        rng = np.random.default_rng((self.recipe.seed, self.global_step, index))
        features, finer = self.network.encode(image.to(memory_format=torch.channels_last_3d))
        clicks = Clicks.empty(mask, self.recipe.box_share, rng)
        previous, wrong = None, torch.ones_like(mask, dtype=torch.bool)
        segmentation, description = image.new_zeros(()), image.new_zeros(())
        for _ in range(self.recipe.rounds):
            clicks = clicks.with_next(mask, wrong, rng, self.recipe.random_click_share)
            answer = self.network.decode(features, finer, clicks.points, clicks.kinds, previous)
            logits = functional.interpolate(answer.mask.float(), size=mask.shape[2:], mode="trilinear")
            segmentation = segmentation + self.segmentation_loss(answer, logits, mask) / self.recipe.rounds
            told = attribute_loss(answer.attributes.float(), attributes, self.activation)
            description = description + told / self.recipe.rounds
            if self.has_lesion_head:
                words = self.network.describe(finer, answer.mask, spacing_mm).float()
                description = description + attribute_loss(words, attributes) / self.recipe.rounds
            previous, wrong = answer.mask.detach().float(), (logits.detach() > 0) != (mask > 0)
        with torch.no_grad():
            shared = 2 * ((logits > 0) & (mask > 0)).sum((1, 2, 3, 4))
            dice = (shared / ((logits > 0).sum((1, 2, 3, 4)) + mask.sum((1, 2, 3, 4)))).mean()
        self.log("dice", dice, on_step=False, on_epoch=True, batch_size=len(mask))
        self.log("attribute_loss", description, on_step=False, on_epoch=True, batch_size=len(mask))
        loss = self.together(segmentation, description) if (attributes != UNKNOWN).any() else segmentation
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(mask))
        return loss

    def segmentation_loss(self, answer: Answer, logits: Tensor, mask: Tensor) -> Tensor:
        """Compute Dice loss (equation 5), and if the recipe asks cross-entropy and the error of the expected IoU."""
        p, space = logits.sigmoid(), (1, 2, 3, 4)
        dice = 2 * (p * mask).sum(space) / (p.sum(space) + mask.sum(space) + 1e-5)
        hard = logits.detach() > 0
        both, either = (hard & (mask > 0)).sum(space), (hard | (mask > 0)).sum(space)
        iou = functional.mse_loss(answer.iou[:, 0].float(), both / either.clamp(min=1))
        # The lesion's voxels and the others weigh alike: a small lesion is a thousandth of its region.
        true = mask.mean(space, keepdim=True).clamp(min=1e-4)
        weight = torch.where(mask > 0, 0.5 / true.sqrt(), 1.0)
        bce = (functional.binary_cross_entropy_with_logits(logits, mask, weight=weight, reduction="none")).mean()
        return (1 - dice).mean() + self.recipe.bce_weight * bce + self.recipe.iou_weight * iou

    def together(self, segmentation: Tensor, description: Tensor) -> Tensor:
        """Add both losses: L_seg + lambda L_attr."""
        if self.recipe.attribute_weight != "uncertainty":
            return segmentation + self.recipe.attribute_weight * description
        a, b = self.log_variances
        return (-a).exp() * segmentation + a + (-b).exp() * description + b


def train_lesion(
    recipe: LesionRecipe, folders: Sequence[Path], run: Run, *, start: Mapping[str, Tensor] | None = None
) -> Path:
    """Train on the training part of cohorts and write the package.

    Parameters
    ----------
    recipe : LesionRecipe
        Variant, shape, rounds of clicks, split and optimiser.
    folders : sequence of Path
        Cohorts; their patients are split by the recipe, and only the training part is used.
    run : Run
        Output folder, device, processes and progress.
    start : mapping of str to Tensor, optional
        Weights to begin with.

    Returns
    -------
    Path
        The package.

    Raises
    ------
    UsageError
        When the folders hold no lesion to learn from.
    """
    cases = of_part(load_lesions(folders, run.read, recipe.lesions), recipe.split, recipe.seed, "training")
    if not cases:
        raise UsageError("No lesion is left for training.", "Give more patients, or another split.")
    if recipe.head is not None:
        require_attributes(cases)
    return train_on(recipe, cases, run, start)


def train_on(
    recipe: LesionRecipe, cases: Sequence[LesionCase], run: Run, start: Mapping[str, Tensor] | None = None
) -> Path:
    """Train on lesions in memory and write the package; see `train_lesion`."""
    if recipe.head is None:
        return train(recipe, run, lambda: LesionTraining(recipe, cases, start))
    head = HeadTraining(recipe, lesion_contents(recipe, cases), start)
    head.learn(cases, run.on_progress)
    return save_package(recipe, head, run.out)


def lesion_contents(recipe: LesionRecipe, cases: Sequence[LesionCase]) -> Contents:
    """Describe the network; an attribute is supported when the cases hold at least two of its classes."""
    taught = [name for k, name in enumerate(ATTRIBUTES) if len({case.attributes[k] for case in cases} - {UNKNOWN}) > 1]
    return Contents(
        task="lesion",
        network=network_description(recipe),
        labels=("lesion", *ATTRIBUTES),
        supported=("lesion", *taught),
        patch=recipe.region,
        preprocessing={"windows_hu": recipe.windows_hu, "spacings_mm": recipe.spacings_mm},
        learned_from=LearnedFrom(
            real=_told([case for case in cases if not case.patient.virtual], taught),
            virtual=_told([case for case in cases if case.patient.virtual], taught),
        ),
    )


def _told(cases: Sequence[LesionCase], taught: Sequence[str]) -> tuple[str, ...]:
    """What some of the cases teach: masks, and those attributes that at least one of their lesions has."""
    if not cases:
        return ()
    known = {name for k, name in enumerate(ATTRIBUTES) if any(case.attributes[k] != UNKNOWN for case in cases)}
    return ("lesion", *(name for name in taught if name in known))
