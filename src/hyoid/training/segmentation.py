"""Lightning module and data for segmentation recipes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hyoid.errors import ModelUnusableError, UsageError
from hyoid.io.packages.model_package import LearnedFrom
from hyoid.models.build import build_network
from hyoid.progress import Steps, ignore_steps
from hyoid.training.averaged import AveragedTraining, Contents
from hyoid.training.cases import Case, load_cases
from hyoid.training.folds import divided, folds_in_turn
from hyoid.training.losses import deep_dice_bce, heaviest_at
from hyoid.training.packed import is_packed, read_packed
from hyoid.training.patches import PatchDataset
from hyoid.training.recipe import SegmentationRecipe
from hyoid.training.run import Run, train

_ALWAYS = -1  # fold of cases that are never held out


def network_description(recipe: SegmentationRecipe) -> dict[str, Any]:
    """Describe the network as `build_network` takes it and a manifest stores it."""
    return {
        "kind": "unet",
        "in_channels": len(recipe.windows_hu),
        "out_channels": len(recipe.labels),
        **recipe.network.model_dump(),
    }


class SegmentationTraining(AveragedTraining):
    """Training of one U-Net; the averaged weights are the result.

    Parameters
    ----------
    recipe : SegmentationRecipe
        Network, structures, patches and optimiser.
    cases : sequence of Case
        Cases to learn from, held-out ones left out.
    start : mapping of str to Tensor, optional
        Weights to begin with.
    """

    def __init__(
        self, recipe: SegmentationRecipe, cases: Sequence[Case], start: Mapping[str, Tensor] | None = None
    ) -> None:
        network = build_network(network_description(recipe))
        if start is not None:
            load_matching(network, start)
        super().__init__(network, recipe.optimiser)
        self.recipe, self.cases = recipe, cases

    def epoch_data(self, epoch: int) -> PatchDataset:
        """Draw the random patches of one epoch."""
        return PatchDataset(self.cases, self.recipe, epoch)

    def contents(self) -> Contents:
        """Describe the network; what no case teaches is not supported."""
        return Contents(
            task="segmentation",
            network=network_description(self.recipe),
            labels=self.recipe.labels,
            supported=tuple(taught(self.cases, self.recipe)),
            patch=self.recipe.patch,
            preprocessing={"windows_hu": self.recipe.windows_hu},
            learned_from=LearnedFrom(
                real=tuple(taught([case for case in self.cases if not case.virtual], self.recipe)),
                virtual=tuple(
                    name for name in taught(self.cases, self.recipe) if _shown_by_virtual(self.cases, self.recipe, name)
                ),
            ),
        )

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """Compute the loss of one batch."""
        image, target = batch
        image = image.to(memory_format=torch.channels_last_3d)
        stages = self.recipe.supervised_stages
        outputs = self.network.deep(image)[:stages] if stages > 1 else [self.network(image)]
        progress = self.global_step / self.optimiser.steps
        loss = deep_dice_bce(outputs, target, heaviest=heaviest_at(progress, self.recipe.rare_weight))
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(image))
        return loss


def load_matching(network: torch.nn.Module, start: Mapping[str, Tensor]) -> list[str]:
    """Copy the weights whose name and shape agree, usually all but the last layer; return the names left out.

    Raises
    ------
    ModelUnusableError
        When not even half of the network's weights are there.
    """
    own = network.state_dict()
    fitting = {name: w for name, w in start.items() if name in own and own[name].shape == w.shape}
    if len(fitting) < len(own) / 2:
        raise ModelUnusableError(
            f"Only {len(fitting)} of {len(own)} weights of the start package fit this network.",
            "Start from a package of the same recipe family, or without --start.",
        )
    network.load_state_dict(fitting, strict=False)
    return sorted(set(own) - set(fitting))


def train_segmentation(
    recipe: SegmentationRecipe,
    folders: Sequence[Path],
    run: Run,
    *,
    fold: int | None = None,
    start: Mapping[str, Tensor] | None = None,
) -> Path:
    """Train one segmentation network and write its package.

    Parameters
    ----------
    recipe : SegmentationRecipe
        Every hyper-parameter and the structures to learn.
    folders : sequence of Path
        Cases to learn from.
    run : Run
        Output folder, device, processes and progress.
    fold : int, optional
        Fold of the recipe's to hold out, for cross-fitting; where there are real cases, only real ones are held out.
    start : mapping of str to Tensor, optional
        Weights to begin with.

    Returns
    -------
    Path
        The package.

    Raises
    ------
    UsageError
        When the folders hold no case that teaches any of the recipe's structures.
    """
    cases = segmentation_cases(recipe, folders, run.read)
    learned, _ = divided(cases, folds_of_cases(cases, recipe), fold)
    require_lessons(learned, recipe)
    return train(recipe, run, lambda: SegmentationTraining(recipe, learned, start))


def folds_of_cases(cases: Sequence[Case], recipe: SegmentationRecipe) -> list[int]:
    """Deal cases out to the recipe's folds in turn; beside real cases, virtual ones are never held out."""
    divide = all(case.virtual for case in cases)
    turns = folds_in_turn([case.name for case in cases], recipe.folds)
    return [turn if divide or not case.virtual else _ALWAYS for case, turn in zip(cases, turns, strict=True)]


def segmentation_cases(
    recipe: SegmentationRecipe,
    folders: Sequence[Path],
    on_progress: Steps = ignore_steps,
) -> tuple[Case, ...]:
    """Read the cases of every folder on the recipe's grid, packed ones first; raises what either reader raises.

    Parameters
    ----------
    recipe : SegmentationRecipe
        Voxel spacing of the grid, and the kind and margin of the target.
    folders : sequence of Path
        See `find_cases`; or folders of packed cases, see `pack_cases`.
    on_progress : callable
        Called with (cases read, cases in all) for those that are not packed.
    """
    packed = [case for folder in folders if is_packed(folder) for case in read_packed(folder, recipe.spacing_mm)]
    others = [folder for folder in folders if not is_packed(folder)]
    found = load_cases(others, recipe.spacing_mm, on_progress, recipe.target, recipe.virtual_target_margin_mm)
    return (*packed, *found)


def require_lessons(cases: Sequence[Case], recipe: SegmentationRecipe) -> None:
    """Refuse folders in which no structure of the recipe is contoured."""
    if not taught(cases, recipe):
        raise UsageError(
            f"None of the {len(cases)} cases has a contour that recipe {recipe.name!r} learns.",
            "Give folders whose cases have contours of its structures.",
        )


def taught(cases: Sequence[Case], recipe: SegmentationRecipe) -> list[str]:
    """List the structures of a recipe that at least one case teaches."""
    real = any(not case.virtual for case in cases)
    known: set[str] = set()
    for case in cases:
        usable = set(recipe.virtual_only) if case.virtual and real else set(recipe.labels)
        known |= case.known & usable
    return [name for name in recipe.labels if name in known]


def _shown_by_virtual(cases: Sequence[Case], recipe: SegmentationRecipe, name: str) -> bool:
    """Whether a virtual case teaches a structure; beside real cases they teach those of `virtual_only` alone."""
    alone = all(case.virtual for case in cases) or name in recipe.virtual_only
    return alone and any(case.virtual and name in case.known for case in cases)
