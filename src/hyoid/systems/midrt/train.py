"""Lightning module, patches and loss of the mid-treatment network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from hyoid.errors import UsageError
from hyoid.io.cohorts.hntsmrg import find_hntsmrg_cases
from hyoid.io.packages.model_package import LearnedFrom
from hyoid.models.build import build_network
from hyoid.preprocess.midrt_input import OUTLINES, map_channel
from hyoid.systems.midrt.cases import FOLDS, MAP_MAX, MidrtCase, load_midrt_cases
from hyoid.training.augmentation import coarsened, with_gamma
from hyoid.training.averaged import Contents, WatchedTraining
from hyoid.training.folds import divided, shuffled_folds
from hyoid.training.losses import deep_dice_ce
from hyoid.training.patches import patch_voxels, random_map, sampling_grid
from hyoid.training.recipe import MidrtRecipe
from hyoid.training.run import Run, train

LABELS = ("background", "gtvp", "gtvn")


class MidrtPatches(Dataset):
    """Patches of one epoch; patch k of epoch e is drawn with the generator (seed, e, k)."""

    def __init__(self, cases: Sequence[MidrtCase], recipe: MidrtRecipe, epoch: int) -> None:
        self.cases, self.recipe, self.epoch = cases, recipe, epoch

    def __len__(self) -> int:
        return self.recipe.optimiser.steps_per_epoch * self.recipe.optimiser.batch

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Image (channels, d, h, w) and labels (d, h, w)."""
        rng = np.random.default_rng((self.recipe.seed, self.epoch, index))
        case = self.cases[int(rng.integers(len(self.cases)))]
        draw = int(rng.integers(len(case.outlines)))
        centre = patch_centre(case, draw, self.recipe, rng)
        return sampled_patch(case, draw, centre, self.recipe, rng)


def patch_centre(case: MidrtCase, draw: int, recipe: MidrtRecipe, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a patch centre: a voxel of tumour, of an outline or anywhere, moved by up to an eighth of the patch."""
    fate = rng.random()
    where: NDArray | None = None
    if fate < recipe.tumour_share:
        present = [int(v) for v in np.unique(case.target) if v]
        where = case.target == present[rng.integers(len(present))] if present else case.outlines[draw] > 0
    elif fate < recipe.tumour_share + recipe.outline_share:
        where = case.outlines[draw] > 0
    shape = np.array(case.t2.shape)
    voxels = np.flatnonzero(where) if where is not None else np.empty(0, int)
    if not len(voxels):
        return rng.uniform(0, shape - 1)
    voxel = np.array(np.unravel_index(voxels[rng.integers(len(voxels))], case.t2.shape))
    return np.clip(voxel + rng.uniform(-0.125, 0.125, 3) * recipe.patch, 0, shape - 1)


def sampled_patch(
    case: MidrtCase, draw: int, centre: NDArray[np.float64], recipe: MidrtRecipe, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Sample channels and labels in a rotated, scaled, perhaps mirrored box around a voxel; zero outside the image."""
    change = recipe.augmentation
    matrix = random_map(recipe.spacing_mm, change.rotation_deg, change.scale, rng)
    for axis in change.mirror:
        if rng.random() < 0.5:
            matrix[:, axis] *= -1
    voxels = patch_voxels(recipe.patch, matrix, centre)
    # Only the voxels under the patch are converted to floats.
    shape = np.array(case.t2.shape)
    low = np.clip(np.floor(voxels.min(axis=(0, 1, 2))).astype(int), 0, shape - 2)
    high = np.clip(np.ceil(voxels.max(axis=(0, 1, 2))).astype(int) + 1, low + 2, shape)
    part = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    grid = sampling_grid(voxels - low, high - low)

    def sample(array: NDArray, mode: str) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array[part]).astype(np.float32))[None, None]
        return functional.grid_sample(tensor, grid, mode=mode, align_corners=True)[0, 0]

    outlines = sample(case.outlines[draw], "nearest")
    image = torch.empty((len(recipe.channels), *recipe.patch))
    for channel, name in enumerate(recipe.channels):
        if name == "t2":
            image[channel] = _changed_t2(sample(case.t2, "bilinear"), recipe, rng)
        elif name == "gradient":
            values = sample(case.maps[draw], "bilinear").numpy() / MAP_MAX
            image[channel] = torch.from_numpy(map_channel(values, recipe.form, case.map_moments[draw]))
        else:
            image[channel] = (outlines == OUTLINES[name]).float()
    return image, sample(case.target, "nearest").long()


class MidrtTraining(WatchedTraining):
    """Training of one network; the averaged weights are the result (with a decay of 0, the last ones).

    Parameters
    ----------
    recipe : MidrtRecipe
        Channels, stages of the network, random changes and optimiser.
    cases : sequence of MidrtCase
        Cases to learn from.
    held_out : sequence of MidrtCase
        Mid-treatment images to validate on every few epochs; when empty, validation is left out.
    """

    validate_every = 5

    def __init__(self, recipe: MidrtRecipe, cases: Sequence[MidrtCase], held_out: Sequence[MidrtCase] = ()) -> None:
        super().__init__(build_network(network_description(recipe)), recipe.optimiser, LABELS)
        self.recipe, self.cases, self.held_out = recipe, cases, held_out

    def epoch_data(self, epoch: int) -> MidrtPatches:
        """Draw the random patches of one epoch."""
        return MidrtPatches(self.cases, self.recipe, epoch)

    def contents(self) -> Contents:
        """Describe the network and its input."""
        form = self.recipe.form
        return Contents(
            task="segmentation",
            network=network_description(self.recipe),
            labels=LABELS,
            supported=LABELS[1:],
            patch=self.recipe.patch,
            preprocessing={
                "channels": list(form.channels),
                "gradient": form.gradient,
                "zscore": form.zscore,
                "zscore_map": form.zscore_map,
                "postprocessing": self.recipe.postprocessing,
            },
            learned_from=LearnedFrom(**{self.recipe.patients: LABELS[1:]}),
        )

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """Compute the loss of one batch."""
        image, labels = batch
        image = image.to(memory_format=torch.channels_last_3d)
        outputs = self.network.deep(image) if self.recipe.deep_supervision else [self.network(image)]
        loss = deep_dice_ce(outputs, labels, batch=True, smooth=1.0)
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(image))
        return loss

    def val_dataloader(self) -> DataLoader | list[Any]:
        """Load one patch around the tumour of every held-out image, always the same."""
        if not self.held_out:
            return []
        still = {"rotation_deg": 0.0, "scale": (1.0, 1.0), "mirror": (), "gamma": (1.0, 1.0), "contrast": (1.0, 1.0)}
        change = self.recipe.augmentation.model_copy(update=still | {"noise": 0.0, "blur_probability": 0.0})
        recipe = self.recipe.model_copy(update={"augmentation": change, "tumour_share": 1.0})
        return DataLoader(ValidationPatches(self.held_out, recipe))


class ValidationPatches(Dataset):
    """One patch of every held-out image, around its tumour as far as it has any.

    Parameters
    ----------
    cases : sequence of MidrtCase
        Mid-treatment images.
    recipe : MidrtRecipe
        Patch and channels; its random changes must change nothing.
    """

    def __init__(self, cases: Sequence[MidrtCase], recipe: MidrtRecipe) -> None:
        self.cases, self.recipe = cases, recipe

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Image (channels, d, h, w) and labels (d, h, w)."""
        case = self.cases[index]
        rng = np.random.default_rng((self.recipe.seed, index))
        return sampled_patch(case, 0, patch_centre(case, 0, self.recipe, rng), self.recipe, rng)


def network_description(recipe: MidrtRecipe) -> dict[str, Any]:
    """Describe the network as `build_network` takes it and a manifest stores it."""
    return {
        "kind": "unet_stages",
        "in_channels": len(recipe.channels),
        "out_channels": len(LABELS),
        **recipe.network.model_dump(mode="json"),
    }


def train_midrt(recipe: MidrtRecipe, folders: Sequence[Path], run: Run, *, fold: int | None = None) -> Path:
    """Train one network on folders of the HNTS-MRG layout and write its package.

    Parameters
    ----------
    recipe : MidrtRecipe
        Channels, stages of the network, random changes and optimiser.
    folders : sequence of Path
        Folders of the HNTS-MRG layout.
    run : Run
        Output folder, device, processes and progress.
    fold : int, optional
        Fifth of the patients to hold out, 0 to 4, with all their images; the Dice on their mid-treatment images goes to
        `metrics.jsonl`.

    Returns
    -------
    Path
        The package.

    Raises
    ------
    UsageError
        When no patient is left to train on.
    InputRefusedError
        When a folder or case is not complete.
    """
    files = [case for folder in folders for case in find_hntsmrg_cases(folder)]
    learned, held_out = divided(files, shuffled_folds([case.name for case in files], FOLDS, recipe.seed), fold)
    if not learned:
        raise UsageError("No patient is left to train on.", "Give more patients, or train without --fold.")
    # Validation is on mid-treatment images only, with the outlines as they were registered.
    once = {"doubled": False, "outlines": recipe.outlines.model_copy(update={"draws": 1})}
    watched = load_midrt_cases(held_out, recipe.model_copy(update=once))
    return train_on(recipe, load_midrt_cases(learned, recipe, run.read), run, watched)


def train_on(recipe: MidrtRecipe, cases: Sequence[MidrtCase], run: Run, held_out: Sequence[MidrtCase] = ()) -> Path:
    """Train on cases in memory and write the package; see `train_midrt`."""
    return train(recipe, run, lambda: MidrtTraining(recipe, cases, held_out))


def _changed_t2(values: Tensor, recipe: MidrtRecipe, rng: np.random.Generator) -> Tensor:
    """Gamma, contrast, blur and noise that scanners and protocols bring."""
    change = recipe.augmentation
    if values.max() > values.min():
        values = with_gamma(values, float(rng.uniform(*change.gamma)))
    values = values * float(rng.uniform(*change.contrast))
    if rng.random() < change.blur_probability:
        values = coarsened(values, float(rng.uniform(0.6, 0.9)))
    noise = rng.normal(0, rng.uniform(0, change.noise), recipe.patch).astype(np.float32)
    return values + torch.from_numpy(noise)
