"""PET/CT cases, whatever their layout, each as one stage of the system sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyoid.anatomy.structures import BY_NAME
from hyoid.errors import UsageError
from hyoid.geometry.boxes import bounding_box
from hyoid.geometry.orientation import to_canonical
from hyoid.geometry.regions import grid_around, grid_from_top, grid_over
from hyoid.geometry.resample import resample
from hyoid.io.cohorts.case_files import CaseFiles
from hyoid.io.cohorts.layouts import find_layout_cases
from hyoid.io.files.volumes import read_image, read_labels
from hyoid.preprocess.body import body_mask
from hyoid.preprocess.pet import on_ct
from hyoid.preprocess.petct import ChannelRule, by_foreground, foreground_of, network_channels, through_spacing
from hyoid.progress import Steps, ignore_steps
from hyoid.training.recipe import PetctRecipe
from hyoid.volume import AIR_HU, Geometry, Quantity, Volume

FindHead = Callable[[Volume], Volume]
"""From a canonical CT to a mask of its head region, for cases without one."""


@dataclass(frozen=True, eq=False)
class PetctCase:
    """One case as a stage sees it.

    Parameters
    ----------
    name : str
        Name of the case in its data set.
    image : ndarray, shape (C, D, H, W), float16
        Channels of the network's input, already normalised.
    labels : ndarray, shape (D, H, W), uint8
        Indices of the recipe's labels.
    voxels : dict of int to ndarray
        Flat indices of every label but 0.
    """

    name: str
    image: NDArray[np.float16]
    labels: NDArray[np.uint8]
    voxels: dict[int, NDArray[np.int64]]


def find_petct_cases(folder: Path) -> tuple[CaseFiles, ...]:
    """Find the cases of a folder in HECKTOR's layouts, or of a virtual cohort, in order of name.

    Raises
    ------
    UsageError
        When the folder holds none of them.
    """
    return find_layout_cases(folder, ("hecktor2025", "hecktor2022", "plain"), "PET/CT cases")


def load_petct_case(files: CaseFiles, recipe: PetctRecipe, find_head: FindHead | None = None) -> PetctCase:
    """Read one case and cut out what the recipe's stage sees.

    Parameters
    ----------
    files : CaseFiles
        CT, PET, targets and perhaps the head's outline.
    recipe : PetctRecipe
        Stage, channels, region and spacing.
    find_head : callable, optional
        For cases whose head is not outlined.

    Raises
    ------
    UsageError
        When the case has not what the stage learns from.
    """
    ct = to_canonical(read_image(files.ct, Quantity.HU))
    if recipe.stage == "head":
        assert recipe.region.grid is not None
        head = _outlined_head(files, ct, recipe)
        if head is None:
            raise UsageError(
                f"Case {files.name} has no outline of the head.",
                "Add <ID>__HEAD.nii.gz beside its CT (the paper's authors outlined forty).",
            )
        grid = grid_from_top(ct.geometry, recipe.region.grid, recipe.spacing_mm)
        image = network_channels(_hu(ct, grid, recipe), None, ChannelRule(**recipe.input.model_dump()))
        return _case(files.name, image, resample(head, grid).array)
    if files.targets is None:
        raise UsageError(f"Case {files.name} has no outlines of tumour and nodes.", "Give cases with label maps.")
    targets = to_canonical(read_labels(files.targets))
    rule = ChannelRule(**recipe.input.model_dump())
    ct = through_spacing(ct, recipe.region.source_mm, rule)
    grid, region = _grid(files, ct, targets, recipe, find_head)
    suv = None
    if files.pet is not None:
        pet = through_spacing(to_canonical(read_image(files.pet, Quantity.SUV)), recipe.region.source_mm, rule)
        suv = on_ct(pet, grid, interpolation=recipe.region.interpolation).array
    image = network_channels(_hu(ct, grid, recipe), suv, rule, region)
    return _case(files.name, image, resample(targets, grid).array)


def load_petct_cases(
    folders: Sequence[Path],
    recipe: PetctRecipe,
    find_head: FindHead | None = None,
    on_progress: Steps = ignore_steps,
) -> tuple[PetctCase, ...]:
    """Load the cases of all folders into memory."""
    files = [f for folder in folders for f in find_petct_cases(folder)]
    cases = []
    for file in files:
        cases.append(load_petct_case(file, recipe, find_head))
        on_progress(len(cases), len(files))
    return tuple(cases)


def ct_foreground(cases: Sequence[PetctCase], recipe: PetctRecipe) -> tuple[float, float, float, float]:
    """Compute what nnU-Net's CT normalization needs from the targets of cases whose CT is not normalised yet.

    Parameters
    ----------
    cases : sequence of PetctCase
        Cases to learn from; those held out have no say.
    recipe : PetctRecipe
        Names the channels.

    Returns
    -------
    (low, high, mean, deviation) of the channel "ct", see `hyoid.preprocess.petct.foreground_of`
    """
    place = recipe.input.channels.index("ct")
    found = [case.image[place].ravel()[np.concatenate(list(case.voxels.values()))] for case in cases if case.voxels]
    return foreground_of(np.concatenate(found).astype(np.float64))


def ct_normalised(case: PetctCase, recipe: PetctRecipe, foreground: tuple[float, float, float, float]) -> PetctCase:
    """Normalise the channel "ct" of a case by the foreground of all training cases."""
    image = case.image.copy()
    place = recipe.input.channels.index("ct")
    image[place] = by_foreground(image[place], foreground)
    return replace(case, image=image)


def head_of(ct: Volume, organs: Volume, below_cricoid_mm: float) -> Volume:
    """Mark head and neck of a patient with known organs: the body above a height below the cricoid cartilage.

    Parameters
    ----------
    ct : Volume, HU
        Scan in canonical orientation.
    organs : Volume, LABEL
        Organ labels on the same grid.
    below_cricoid_mm : float
        Distance kept below the lowest slice of the cricoid cartilage.
    """
    cricoid = np.flatnonzero((organs.array == BY_NAME["cricoid_cartilage"].label).any(axis=(1, 2)))
    mask = body_mask(ct)
    if len(cricoid):
        mask[: max(0, int(cricoid[0] - below_cricoid_mm / ct.geometry.spacing_mm[0]))] = False
    return Volume(mask.astype(np.uint8), ct.geometry, Quantity.LABEL)


def _outlined_head(files: CaseFiles, ct: Volume, recipe: PetctRecipe) -> Volume | None:
    if files.head is not None:
        return to_canonical(read_labels(files.head))
    if files.organs is not None:
        return head_of(ct, to_canonical(read_labels(files.organs)), recipe.region.below_cricoid_mm)
    return None


def _grid(
    files: CaseFiles, ct: Volume, targets: Volume, recipe: PetctRecipe, find_head: FindHead | None
) -> tuple[Geometry, tuple[slice, ...]]:
    """Grid of a stage on a case, and the part of it that inference would see."""
    region = recipe.region
    if recipe.stage == "fine" and targets.array.any():
        centre = targets.geometry.to_lps(np.argwhere(targets.array).mean(axis=0))
        edge = [round(region.box_mm / s) for s in recipe.spacing_mm]
        pad = [round(region.jitter_mm / s) for s in recipe.spacing_mm]
        d, h, w = (e + 2 * p for e, p in zip(edge, pad, strict=True))
        inside = tuple(slice(p, p + e) for e, p in zip(edge, pad, strict=True))
        return grid_around(ct.geometry, centre, (d, h, w), recipe.spacing_mm), inside
    head = _outlined_head(files, ct, recipe)
    if head is None and find_head is not None:
        head = find_head(ct)
    box = bounding_box((ct if head is None else head).array > (-2000 if head is None else 0))
    like = ct.geometry if head is None else head.geometry
    assert box is not None
    return grid_over(like, box, ct.geometry, recipe.spacing_mm, region.margin_mm), (slice(None),) * 3


def _hu(ct: Volume, grid: Geometry, recipe: PetctRecipe) -> NDArray:
    return resample(ct, grid, interpolation=recipe.region.interpolation, outside=AIR_HU).array


def _case(name: str, image: NDArray[np.float32], labels: NDArray) -> PetctCase:
    small = labels.astype(np.uint8)
    voxels = {int(k): np.flatnonzero(small == k) for k in np.unique(small) if k}
    return PetctCase(name, image.astype(np.float16), small, voxels)
