"""Random patches of PET/CT cases, with nnU-Net's augmentation; each a function of seed, epoch and number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from hyoid.systems.petct.cases import PetctCase
from hyoid.training.augmentation import blurred, coarsened, with_gamma
from hyoid.training.patches import patch_voxels, random_map, sampling_grid
from hyoid.training.recipe import PetctAugmentationRecipe, PetctRecipe


class PetctPatches(Dataset):
    """Patches of one epoch, or the fixed ones of validation.

    Parameters
    ----------
    cases : sequence of PetctCase
        Cases to draw patches from.
    recipe : PetctRecipe
        Patch size, random changes and seed.
    epoch : int
        Patch k of epoch e is drawn with the generator (seed, e, k).
    count : int
        Number of patches in the epoch.
    augment : bool
        Validation takes every case in turn, around its targets, unchanged.
    """

    def __init__(
        self, cases: Sequence[PetctCase], recipe: PetctRecipe, epoch: int, count: int, *, augment: bool = True
    ) -> None:
        self.cases, self.recipe, self.epoch, self.count, self.augment = cases, recipe, epoch, count, augment

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Image (channels, d, h, w) and labels (d, h, w)."""
        rng = np.random.default_rng((self.recipe.seed, self.epoch, index))
        recipe = self.recipe.augmentation
        if not self.augment:
            case = self.cases[index % len(self.cases)]
            centre = _centre(case, self.recipe.patch, rng, 1.0, move=False)
            return cut(case, centre, np.eye(3), self.recipe.patch, self.recipe.region.beyond)
        case = self.cases[int(rng.integers(len(self.cases)))]
        centre = _centre(case, self.recipe.patch, rng, self.recipe.oversample, move=True)
        matrix = np.eye(3)
        if rng.random() < recipe.spatial_probability:
            matrix = random_map(self.recipe.spacing_mm, recipe.rotation_deg, recipe.scale, rng)
        image, labels = cut(case, centre, matrix, self.recipe.patch, self.recipe.region.beyond)
        for axis in recipe.mirror_axes:
            if rng.random() < 0.5:
                image, labels = image.flip(axis + 1), labels.flip(axis)
        image = changed(image, recipe, rng)
        if "pet" in self.recipe.input.channels and rng.random() < recipe.without_pet:
            image[self.recipe.input.channels.index("pet")] = 0
        return image, labels


def cut(
    case: PetctCase, centre: np.ndarray, matrix: np.ndarray, patch: Sequence[int], beyond: str = "edge"
) -> tuple[Tensor, Tensor]:
    """Sample image and labels at `matrix` times the patch's offsets around a voxel.

    Parameters
    ----------
    case : PetctCase
        Channels and labels to sample.
    centre : ndarray, shape (3,), voxel indices
        Place of the patch's middle in the case; need not be whole numbers.
    matrix : ndarray, shape (3, 3)
        Map from offsets in the patch to offsets in the case, both in voxels.
    patch : (d, h, w)
        Edges of the patch in voxels.
    beyond : {"edge", "zeros"}
        What lies beyond the case: its outermost values, or 0. No target lies there.
    """
    outside = "zeros" if beyond == "zeros" else "border"
    grid = sampling_grid(patch_voxels(patch, matrix, centre), case.labels.shape)
    image = torch.from_numpy(np.asarray(case.image, np.float32))[None]
    image = functional.grid_sample(image, grid, align_corners=True, padding_mode=outside)[0]
    labels = torch.from_numpy(np.asarray(case.labels, np.float32))[None, None]
    labels = functional.grid_sample(labels, grid, mode="nearest", align_corners=True)[0, 0]
    return image, labels.long()


def changed(image: Tensor, recipe: PetctAugmentationRecipe, rng: np.random.Generator) -> Tensor:
    """Change noise, blur, brightness, level, contrast, resolution and gamma by channel, each with its own chance."""
    out = []
    for channel in image:
        x = channel
        if rng.random() < recipe.noise[0]:
            x = x + float(rng.uniform(0, recipe.noise[1])) * torch.from_numpy(rng.standard_normal(x.shape, np.float32))
        if rng.random() < recipe.blur[0]:
            x = blurred(x, float(rng.uniform(*recipe.blur[1:])))
        if rng.random() < recipe.brightness[0]:
            x = x * float(rng.uniform(*recipe.brightness[1:]))
        if recipe.shift[0] and rng.random() < recipe.shift[0]:
            x = x + float(rng.uniform(-recipe.shift[1], recipe.shift[1]))
        if rng.random() < recipe.contrast[0]:
            low, high, mean = x.min(), x.max(), x.mean()
            x = ((x - mean) * float(rng.uniform(*recipe.contrast[1:])) + mean).clamp(low, high)
        if rng.random() < recipe.low_resolution[0]:
            x = coarsened(x, float(rng.uniform(*recipe.low_resolution[1:])), reduced_by="nearest-exact")
        if rng.random() < recipe.gamma[0]:
            x = with_gamma(x, float(rng.uniform(*recipe.gamma[1:])))
        out.append(x)
    return torch.stack(out)


def _centre(
    case: PetctCase, patch: Sequence[int], rng: np.random.Generator, oversample: float, *, move: bool
) -> np.ndarray:
    """Centre of a patch that lies within the case where it can, around a target voxel in a share of the draws."""
    size, half = np.array(case.labels.shape), np.array(patch) / 2
    if case.voxels and rng.random() < oversample:
        label = sorted(case.voxels)[int(rng.integers(len(case.voxels)))]
        places = case.voxels[label]
        centre = np.array(np.unravel_index(places[rng.integers(len(places))], case.labels.shape), float)
        if move:
            centre += rng.uniform(-0.25, 0.25, 3) * np.array(patch)
    else:
        centre = rng.uniform(0, 1, 3) * (size - 1)
    low, high = half - 0.5, size - half - 0.5
    return np.where(low <= high, np.clip(centre, np.minimum(low, high), np.maximum(low, high)), (size - 1) / 2)
