"""Random views of lesions: a region around a click, turned, scaled and with other grey values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.utils.data import Dataset

from hyoid.preprocess.click_region import region_channels
from hyoid.training.lesion_cases import LesionCase
from hyoid.training.recipe import ClickRecipe
from hyoid.volume import Quantity


class LesionDataset(Dataset):
    """Random views of one epoch; view k of epoch e is drawn with the generator (seed, e, k)."""

    def __init__(self, cases: Sequence[LesionCase], recipe: ClickRecipe, epoch: int) -> None:
        self.cases, self.recipe, self.epoch = cases, recipe, epoch
        # Rare types come more often than their number, common ones less: by the square root.
        kinds = [case.kind for case in cases]
        weight = np.array([1 / np.sqrt(kinds.count(kind)) for kind in kinds])
        rng = np.random.default_rng((recipe.seed, epoch))
        self.order = rng.choice(
            len(cases), recipe.optimiser.steps_per_epoch * recipe.optimiser.batch, p=weight / weight.sum()
        )

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        """Image (C, D, H, W), mask (1, D, H, W), attributes (5,)."""
        case = self.cases[int(self.order[index])]
        rng = np.random.default_rng((self.recipe.seed, self.epoch, index))
        values, mask = drawn_region(case, self.recipe, rng)
        image = changed_values(values, mask, self.recipe, rng)
        return torch.from_numpy(image), torch.from_numpy(mask[None].astype(np.float32)), torch.tensor(case.attributes)


def drawn_region(
    case: LesionCase, recipe: ClickRecipe, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """HU and mask on a turned region that holds a voxel of the lesion near its middle; never mirrored.

    The lesion's longest extent fills a share of the region drawn from `recipe.lesion_share`, and the spacing stays
    within the spacings that the region takes in use.
    """
    shape = np.array(recipe.region)
    share = float(np.exp(rng.uniform(*np.log(recipe.lesion_share))))
    wanted = case.extent_mm / (share * float(shape.min()))
    spacing = float(np.clip(wanted, 0.9 * min(recipe.spacings_mm), 1.1 * max(recipe.spacings_mm)))
    geometry = case.patient.geometry
    inside = np.argwhere(case.patient.ids[case.box] == case.number) + [s.start for s in case.box]
    centre = inside[rng.integers(len(inside))] + rng.uniform(-0.5, 0.5, 3)
    turn = rotation(np.deg2rad(rng.uniform(-1, 1, 3) * recipe.augmentation.rotation_deg))
    scale = spacing * rng.uniform(*recipe.augmentation.scale, 3)
    # Region voxel -> mm along the array's axes -> voxel of the patient.
    matrix = np.diag(1 / np.array(geometry.spacing_mm)) @ turn @ np.diag(scale)
    shift = rng.uniform(-0.1, 0.1, 3) * shape
    offset = centre - matrix @ ((shape - 1) / 2 + shift)
    values = ndimage.affine_transform(
        case.patient.image.array.astype(np.float32), matrix, offset, recipe.region, order=1, cval=-1024.0
    )
    mask = ndimage.affine_transform(case.mask.astype(np.float32), matrix, offset, recipe.region, order=1) > 0.5
    if not mask.any():
        place = np.round((shape - 1) / 2 + shift).astype(int)
        mask[tuple(np.clip(place, 0, shape - 1))] = True
    return values, mask


def rotation(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation about the three axes of an array, in radians, shape (3, 3)."""
    result = np.eye(3)
    for axis, angle in enumerate(angles):
        a, b = [n for n in range(3) if n != axis]
        turn = np.eye(3)
        turn[[a, b], [a, b]] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        result = turn @ result
    return result


def changed_values(
    hu: NDArray[np.float32], mask: NDArray[np.bool_], recipe: ClickRecipe, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Network input with other noise, sharpness and contrast; sometimes of another modality's appearance."""
    changes = recipe.augmentation
    hu = hu + np.float32(rng.uniform(0, changes.noise_hu)) * _grain(hu.shape, rng)
    if rng.random() < changes.blur_probability:
        hu = ndimage.gaussian_filter(hu, rng.uniform(0.4, 1.0))
    if rng.random() < recipe.remap_share:
        return region_channels(remapped(hu, mask, rng), Quantity.MR, recipe.windows_hu)
    hu = hu * (1 + rng.uniform(-1, 1) * changes.hu_scale) + rng.uniform(-1, 1) * changes.hu_shift
    return region_channels(hu, Quantity.HU, recipe.windows_hu)


def remapped(hu: NDArray[np.float32], mask: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float32]:
    """Grey values through a random curve, the lesion brighter or darker than what is around it: any MR, or PET."""
    knots = np.array([-1024.0, -300, -120, -40, 20, 60, 110, 200, 500, 3071])
    curve = np.interp(hu, knots, rng.uniform(0, 1, len(knots))).astype(np.float32)
    softness = rng.uniform(0.3, 1.2)
    inside = ndimage.gaussian_filter(mask.astype(np.float32), softness)
    level = rng.uniform(0.4, 1.6) * rng.choice((-1, 1))
    mixed = curve + np.float32(level * rng.uniform(0.3, 1.0)) * inside
    return ndimage.gaussian_filter(mixed, softness * rng.uniform(0, 1))


def _grain(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    grain = ndimage.gaussian_filter(rng.standard_normal(shape).astype(np.float32), rng.uniform(0, 1))
    return grain / max(float(grain.std()), 1e-6)
