"""Random patches for segmentation: every patch is a function of seed and number, so a resumed run sees the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from hyoid.anatomy.structures import BY_NAME, labels_of, opposite
from hyoid.preprocess.intensity import windowed_channels
from hyoid.training.augmentation import coarsened
from hyoid.training.cases import TARGET_LEVELS, Case
from hyoid.training.recipe import AugmentationRecipe, SegmentationRecipe

_MIRROR = np.diag([1.0, 1.0, -1.0])  # the last axis runs from right to left
UNKNOWN = -1.0  # target value of voxels that say nothing about a structure


class PatchDataset(Dataset):
    """Patches of one epoch, as many as its steps times the batch.

    Parameters
    ----------
    cases : sequence of Case
        Real and virtual cases to draw patches from.
    recipe : SegmentationRecipe
        Patch size, labels, windows, random changes, share of virtual cases and seed.
    epoch : int
        Patch k of epoch e is drawn with the generator (seed, e, k).
    """

    def __init__(self, cases: Sequence[Case], recipe: SegmentationRecipe, epoch: int) -> None:
        self.recipe, self.epoch = recipe, epoch
        self.real = [c for c in cases if not c.virtual]
        self.virtual = [c for c in cases if c.virtual]
        self._taught = {id(pool): self._structures(pool) for pool in (self.real, self.virtual)}

    def __len__(self) -> int:
        return self.recipe.optimiser.steps_per_epoch * self.recipe.optimiser.batch

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Image (channels, d, h, w) and target (structures, d, h, w) with 0, 1 or `UNKNOWN`."""
        rng = np.random.default_rng((self.recipe.seed, self.epoch, index))
        from_virtual = bool(self.virtual) and (not self.real or rng.random() < self.recipe.virtual_share)
        case, structure = self._draw(self.virtual if from_virtual else self.real, rng)
        centre = _random_voxel(case, structure, self.recipe.patch, rng)
        mirrored = rng.random() < self.recipe.augmentation.mirror_probability
        hu, labels, levels = sample_patch(case, centre, self.recipe, rng, mirrored=mirrored)
        hu = augmented_hu(hu, self.recipe.augmentation, rng)
        image = torch.from_numpy(windowed_channels(hu, self.recipe.windows_hu))
        return image, self.targets(case, labels, levels, mirrored=mirrored)

    def supervised(self, case: Case) -> list[str]:
        """List the structures that a case teaches: real contours where they exist, virtual ones for the rest."""
        only = set(self.recipe.virtual_only)
        return [n for n in self.recipe.labels if n in case.known and (n in only or not case.virtual or not self.real)]

    def _structures(self, pool: Sequence[Case]) -> list[str]:
        """Structures that at least one of the cases teaches."""
        there = {name for case in pool for name in self.supervised(case)}
        return [name for name in self.recipe.labels if name in there]

    def _draw(self, pool: list[Case], rng: np.random.Generator) -> tuple[Case, str]:
        """A case and the structure in the middle of its patch: every structure equally often, however few have it."""
        case, names = pool[rng.integers(len(pool))], self._taught[id(pool)]
        structure = names[rng.integers(len(names))]
        while structure not in self.supervised(case):
            case = pool[rng.integers(len(pool))]
        return case, structure

    def targets(self, case: Case, labels: Tensor, levels: Tensor, *, mirrored: bool) -> Tensor:
        """Build one target channel per structure; structures this case says nothing about are `UNKNOWN`.

        In a real case, a voxel inside a contoured organ cannot belong to a structure that only virtual patients
        teach, larynx excepted, which holds several of them. What a mirrored patient has on the left was contoured on
        the right.
        """
        out = torch.full((len(self.recipe.labels), *labels.shape), UNKNOWN)
        taken = (labels > 0) & (labels != BY_NAME["larynx"].label)
        known = self.supervised(case)
        for channel, name in enumerate(self.recipe.labels):
            contoured = opposite(name) if mirrored else name
            if contoured in known:
                out[channel] = _mask(labels, levels, contoured)
            elif not case.virtual and name in self.recipe.virtual_only:
                out[channel][taken] = 0.0
        return out


def _mask(labels: Tensor, levels: Tensor, name: str) -> Tensor:
    """Where a structure or a planning target is, in a patch."""
    if name in TARGET_LEVELS:
        return levels >= TARGET_LEVELS[name]
    mask = torch.zeros_like(labels, dtype=torch.bool)
    for label in labels_of(name):
        mask |= labels == label
    return mask


def sample_patch(
    case: Case, centre: np.ndarray, recipe: SegmentationRecipe, rng: np.random.Generator, *, mirrored: bool = False
) -> tuple[np.ndarray, Tensor, Tensor]:
    """Sample HU, organ labels and target levels in a rotated, scaled and perhaps mirrored box around a voxel.

    Parameters
    ----------
    case : Case
        CT, organ labels and target levels to sample.
    centre : ndarray, shape (3,), voxel indices
        Place of the patch's middle in the case; need not be whole numbers.
    recipe : SegmentationRecipe
        Patch size, and ranges of rotation and scale.
    rng : Generator
        Draws rotation and scale.
    mirrored : bool
        Whether the patient's left comes to lie on the right; labels keep the side that was contoured.
    """
    change = recipe.augmentation
    matrix = random_map(case.geometry.spacing_mm, change.rotation_deg, change.scale, rng)
    if mirrored:
        matrix = matrix @ _MIRROR
    grid = sampling_grid(patch_voxels(recipe.patch, matrix, centre), case.hu.shape)
    hu = torch.from_numpy(case.hu.astype(np.float32))[None, None] + 1024
    hu = functional.grid_sample(hu, grid, align_corners=True)[0, 0] - 1024
    levels = np.zeros_like(case.labels) if case.levels is None else case.levels
    maps = torch.from_numpy(np.stack([case.labels, levels])).float()[None]
    maps = functional.grid_sample(maps, grid, mode="nearest", align_corners=True)[0].byte()
    return hu.numpy(), maps[0], maps[1]


def augmented_hu(hu: np.ndarray, recipe: AugmentationRecipe, rng: np.random.Generator) -> np.ndarray:
    """Change HU by the shift, stretch, blur and noise that scanners and protocols bring."""
    hu = hu * (1 + rng.uniform(-1, 1) * recipe.hu_scale) + rng.uniform(-1, 1) * recipe.hu_shift
    if rng.random() < recipe.blur_probability:
        hu = coarsened(torch.from_numpy(np.ascontiguousarray(hu, np.float32)), float(rng.uniform(0.5, 0.9))).numpy()
    return hu + rng.normal(0, rng.uniform(0, recipe.noise_hu), hu.shape)


def _random_voxel(case: Case, name: str, patch: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """A voxel of the structure, moved by up to a quarter of the patch."""
    voxels = np.flatnonzero(case.mask(name))
    shape = case.hu.shape
    voxel = np.unravel_index(voxels[rng.integers(len(voxels))], shape) if len(voxels) else np.array(shape) / 2
    moved = np.array(voxel) + rng.uniform(-0.25, 0.25, 3) * np.array(patch)
    return np.clip(moved, 0, np.array(shape) - 1)


def random_map(
    spacing_mm: Sequence[float], rotation_deg: float, scale: tuple[float, float], rng: np.random.Generator
) -> np.ndarray:
    """Draw a rotation and enlargement that maps offsets in a patch to offsets in a case, in voxels; shape (3, 3).

    Parameters
    ----------
    spacing_mm : (slice, row, column)
        Voxel spacing of the case.
    rotation_deg : float
        Largest angle about each axis.
    scale : (float, float)
        Range of the enlargement.
    rng : Generator
        Draws angles and enlargement.
    """
    spacing = np.array(spacing_mm)
    angles = np.deg2rad(rng.uniform(-1, 1, 3) * rotation_deg)
    # Rotation acts on millimetres, indices are voxels.
    return np.diag(1 / spacing) @ rotation(angles) @ np.diag(spacing) / rng.uniform(*scale)


def patch_voxels(patch: Sequence[int], matrix: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Locate the voxels of a patch in a case: `matrix` times their offsets from the middle, around `centre`.

    Parameters
    ----------
    patch : (d, h, w)
        Edges of the patch in voxels.
    matrix : ndarray, shape (3, 3)
        Map from offsets in the patch to offsets in the case, both in voxels.
    centre : ndarray, shape (3,), voxel indices
        Place of the patch's middle in the case.

    Returns
    -------
    ndarray, shape (d, h, w, 3)
        Voxel indices.

    Examples
    --------
    >>> patch_voxels((1, 1, 2), 2 * np.eye(3), np.array([5, 5, 5])).tolist()
    [[[[5.0, 5.0, 4.0], [5.0, 5.0, 6.0]]]]
    """
    axes = [np.arange(n) - (n - 1) / 2 for n in patch]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1) @ matrix.T + centre


def sampling_grid(voxels: np.ndarray, shape: Sequence[int]) -> Tensor:
    """Convert voxel indices to the grid that `grid_sample` takes (corners aligned), shape (1, d, h, w, 3).

    Parameters
    ----------
    voxels : ndarray, shape (d, h, w, 3)
        Indices (slice, row, column) to sample at; need not be whole numbers.
    shape : (D, H, W)
        Voxels of the array that is sampled.
    """
    unit = 2 * voxels / np.maximum(np.array(shape) - 1, 1) - 1
    return torch.from_numpy(unit[..., ::-1].astype(np.float32).copy())[None]


def rotation(angles: np.ndarray) -> np.ndarray:
    """Compute the rotation about the three axes in turn, shape (3, 3); angles in radians."""
    (ca, cb, cc), (sa, sb, sc) = np.cos(angles), np.sin(angles)
    about_0 = np.array([[1, 0, 0], [0, ca, -sa], [0, sa, ca]])
    about_1 = np.array([[cb, 0, sb], [0, 1, 0], [-sb, 0, cb]])
    about_2 = np.array([[cc, -sc, 0], [sc, cc, 0], [0, 0, 1]])
    return about_0 @ about_1 @ about_2
