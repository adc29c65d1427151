"""Random views of lesions: a region around a click, turned, scaled and with other grey values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.utils.data import Dataset

from hyoid.anatomy.lesion_attributes import ATTRIBUTES
from hyoid.metrics.simulated_clicks import deterministic_click
from hyoid.preprocess.click_region import region_channels, spacing_in_use
from hyoid.systems.lesion.cases import UNKNOWN, LesionCase
from hyoid.training.patches import rotation
from hyoid.training.recipe import LesionRecipe
from hyoid.volume import AIR_HU, Quantity

# Attributes that a view leaves as they were: grey values of another modality say nothing of density, and a lesion
# enlarged as if under a magnifier nothing of a size or of the width of a border.
_WITHOUT_GREY = ("shape", "invasion")
_WITHOUT_SIZE = ("invasion", "density", "heterogeneity")
# A region finer than this share of the finest one in use shows nothing but interpolation.
_FINEST_SHARE = 0.3
# Soft tissue and bone of a neck in CT: noise of other images is as strong beside their own range.
_RANGE_HU = 1000.0


class LesionDataset(Dataset):
    """Random views of one epoch; view k of epoch e is drawn with the generator (seed, e, k).

    Parameters
    ----------
    cases : sequence of LesionCase
        Lesions to draw views of.
    recipe : LesionRecipe
        Region, spacing, random changes and seed.
    epoch : int
        Number of the epoch, from 0.
    order : ndarray of int, optional
        Which lesions are seen one after the other; drawn at random when not given.
    """

    def __init__(
        self, cases: Sequence[LesionCase], recipe: LesionRecipe, epoch: int, order: NDArray[np.integer] | None = None
    ) -> None:
        self.cases, self.recipe, self.epoch = cases, recipe, epoch
        if order is not None:
            self.order = order
            return
        weight = drawing_weights(cases, recipe.real_share)
        rng = np.random.default_rng((recipe.seed, epoch))
        self.order = rng.choice(len(cases), recipe.optimiser.steps_per_epoch * recipe.optimiser.batch, p=weight)

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Image (C, D, H, W), mask (1, D, H, W), attributes (5,), spacing in mm ()."""
        case = self.cases[int(self.order[index])]
        rng = np.random.default_rng((self.recipe.seed, self.epoch, index))
        values, mask, spacing_mm = drawn_region(case, self.recipe, rng)
        quantity = case.patient.image.quantity
        image, grey_changed = changed_values(values, mask, self.recipe, rng, quantity)
        enlarged = _in_use(case, self.recipe) / spacing_mm
        left = set(ATTRIBUTES)
        if grey_changed:
            left &= set(_WITHOUT_GREY)
        if not 0.8 < enlarged < 1.2:
            left &= set(_WITHOUT_SIZE)
        classes = [c if name in left else UNKNOWN for name, c in zip(ATTRIBUTES, case.attributes, strict=True)]
        return (
            torch.from_numpy(image), torch.from_numpy(mask[None].astype(np.float32)), torch.tensor(classes),
            torch.tensor(spacing_mm, dtype=torch.float32),
        )  # fmt: skip


def drawing_weights(cases: Sequence[LesionCase], real_share: float | None) -> NDArray[np.float64]:
    """Compute how often each lesion is drawn, as shares that add up to 1.

    Rare types come more often than their number, common ones less: by the square root. Where there are real and virtual
    lesions, the real ones have `real_share` of all views; without one, their types count like all others.

    Parameters
    ----------
    cases : sequence of LesionCase
        Lesions to draw views of.
    real_share : float or None
        Share of the views that show real lesions, 0 to 1.
    """
    kinds = [(case.kind, case.patient.image.quantity) for case in cases]
    weight = np.array([1 / np.sqrt(kinds.count(kind)) for kind in kinds])
    real = np.array([not case.patient.virtual for case in cases])
    if real_share is not None and real.any() and not real.all():
        weight[real] *= real_share / weight[real].sum()
        weight[~real] *= (1 - real_share) / weight[~real].sum()
    return np.asarray(weight / weight.sum())


def drawn_region(
    case: LesionCase, recipe: LesionRecipe, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.bool_], float]:
    """Draw a turned region with a lesion voxel near its middle: grey values, mask and spacing; never mirrored.

    A share `recipe.in_use_share` of the views has the spacing that the pipeline takes for the lesion. In the others the
    lesion's longest extent fills a share of the region drawn from `recipe.lesion_share`, whatever it is in mm: so a
    node also stands for a tumour of 12 cm. Half of the views lie around the innermost voxel, half around any.
    """
    shape = np.array(recipe.region)
    if rng.random() < recipe.in_use_share:
        spacing = _in_use(case, recipe)
    else:
        share = float(np.exp(rng.uniform(*np.log(recipe.lesion_share))))
        wanted = case.extent_mm / (share * float(shape.min()))
        spacing = float(np.clip(wanted, _FINEST_SHARE * min(recipe.spacings_mm), 1.1 * max(recipe.spacings_mm)))
    geometry = case.patient.geometry
    lesion = case.patient.ids[case.box] == case.number
    corner = np.array([s.start for s in case.box])
    inside = np.argwhere(lesion)
    centre = inside[rng.integers(len(inside))] + corner + rng.uniform(-0.5, 0.5, 3)
    if rng.random() < 0.5:
        innermost = deterministic_click(lesion, np.zeros_like(lesion), geometry.spacing_mm)
        assert innermost is not None
        centre = np.array(innermost.point_ijk) + corner
    angles = np.deg2rad(rng.uniform(-1, 1, 3) * recipe.augmentation.rotation_deg)
    # About axis 0 first, axis 2 last: the order that the published weights were trained with.
    turn = rotation(angles * (-1, 1, -1)).T
    scale = spacing * rng.uniform(*recipe.augmentation.scale, 3)
    # Region voxel -> mm along the array's axes -> voxel of the patient.
    matrix = np.diag(1 / np.array(geometry.spacing_mm)) @ turn @ np.diag(scale)
    shift = rng.uniform(-0.1, 0.1, 3) * shape
    offset = centre - matrix @ ((shape - 1) / 2 + shift)
    part, offset = _reached(matrix, offset, recipe.region, geometry.shape)
    image = case.patient.image
    outside = float(AIR_HU) if image.quantity is Quantity.HU else float(image.array.min())
    grey = image.array[part].astype(np.float32)
    own = (case.patient.ids[part] == case.number).astype(np.float32)
    values = ndimage.affine_transform(grey, matrix, offset, recipe.region, order=1, cval=outside)
    mask = ndimage.affine_transform(own, matrix, offset, recipe.region, order=1) > 0.5
    if not mask.any():
        place = np.round((shape - 1) / 2 + shift).astype(int)
        mask[tuple(np.clip(place, 0, shape - 1))] = True
    return values, mask, spacing


def _in_use(case: LesionCase, recipe: LesionRecipe) -> float:
    return spacing_in_use(case.extent_mm, recipe.spacing_mm, recipe.spacings_mm, min(recipe.region))


def _reached(
    matrix: NDArray[np.float64], offset: NDArray[np.float64], region: Sequence[int], shape: Sequence[int]
) -> tuple[tuple[slice, ...], NDArray[np.float64]]:
    """Part of a patient that a region reaches, and the offset within it."""
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in region], indexing="ij")).reshape(3, -1)
    at = (matrix @ corners).T + offset
    start = np.clip(np.floor(at.min(axis=0)).astype(int) - 1, 0, np.array(shape) - 1)
    stop = np.clip(np.ceil(at.max(axis=0)).astype(int) + 2, start + 1, shape)
    return tuple(slice(a, b) for a, b in zip(start, stop, strict=True)), offset - start


def changed_values(
    values: NDArray[np.float32],
    mask: NDArray[np.bool_],
    recipe: LesionRecipe,
    rng: np.random.Generator,
    quantity: Quantity = Quantity.HU,
) -> tuple[NDArray[np.float32], bool]:
    """Change noise, sharpness and contrast of an input; tell whether its grey values say nothing of density.

    Those of a real PET or MR do not, nor those of a CT that were remapped to imitate these.
    """
    changes = recipe.augmentation
    noise = changes.noise_hu
    if quantity is not Quantity.HU:
        low, high = np.percentile(values, (1, 99))
        noise *= float(high - low) / _RANGE_HU
    values = values + np.float32(rng.uniform(0, noise)) * _grain(values.shape, rng)
    if rng.random() < changes.blur_probability:
        values = ndimage.gaussian_filter(values, rng.uniform(0.4, 1.0))
    if quantity is not Quantity.HU:
        return region_channels(values, quantity, recipe.windows_hu), True
    if rng.random() < recipe.remap_share:
        return region_channels(remapped(values, mask, rng), Quantity.MR, recipe.windows_hu), True
    values = values * (1 + rng.uniform(-1, 1) * changes.hu_scale) + rng.uniform(-1, 1) * changes.hu_shift
    return region_channels(values, Quantity.HU, recipe.windows_hu), False


def remapped(hu: NDArray[np.float32], mask: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float32]:
    """Map grey values by a random curve, the lesion brighter or darker than its surroundings: any MR, or PET."""
    knots = np.array([-1024.0, -300, -120, -40, 20, 60, 110, 200, 500, 3071])
    curve = np.interp(hu, knots, rng.uniform(0, 1, len(knots))).astype(np.float32)
    softness = rng.uniform(0.3, 1.2)
    inside = ndimage.gaussian_filter(mask.astype(np.float32), softness)
    level = rng.uniform(0.4, 1.6) * rng.choice((-1, 1))
    # Large tumours are uneven: necrosis, fat and vessels as broad spots of other values.
    spots = rng.uniform(0, 0.6) * _spots(hu.shape, rng)
    mixed = curve + np.float32(level * rng.uniform(0.15, 1.0)) * inside * (1 + spots)
    return ndimage.gaussian_filter(mixed, softness * rng.uniform(0, 1))


def _spots(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """Broad random unevenness of standard deviation 1; drawn on a coarse grid."""
    coarse = rng.standard_normal([max(3, n // int(rng.integers(4, 10))) for n in shape]).astype(np.float32)
    spots = ndimage.zoom(coarse, [n / c for n, c in zip(shape, coarse.shape, strict=True)], order=1)
    return spots / max(float(spots.std()), 1e-6)


def _grain(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    grain = ndimage.gaussian_filter(rng.standard_normal(shape).astype(np.float32), rng.uniform(0, 1))
    return grain / max(float(grain.std()), 1e-6)
