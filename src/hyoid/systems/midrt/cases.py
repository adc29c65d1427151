"""Cases of the mid-treatment network in memory: HNTS-MRG folders, real or virtual, on the network's grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cc3d
import numpy as np
from numpy.typing import NDArray

from hyoid.errors import GeometryError, InputRefusedError
from hyoid.geometry.orientation import to_canonical
from hyoid.geometry.resample import resample
from hyoid.io.cohorts.hntsmrg import HntsmrgCase
from hyoid.io.files.volumes import read_image, read_labels
from hyoid.preprocess.midrt_input import gradient_volume, scene_of
from hyoid.progress import Steps, ignore_steps
from hyoid.training.recipe import MidrtRecipe, OutlineChanges
from hyoid.volume import Quantity, Volume

FOLDS = 5
MAP_MAX = 255  # maps are kept as bytes


@dataclass(frozen=True, eq=False)
class MidrtCase:
    """One image with its tumour and several versions of what is known beforehand.

    Parameters
    ----------
    name : str
        Patient's name with "-mid" or "-pre".
    patient : str
        Name of the patient, the same for both images.
    t2 : ndarray, shape (d, h, w), float16
        T2w image as z-scores.
    target : ndarray, shape (d, h, w), uint8
        Tumour on this image: 0 background, 1 GTVp, 2 GTVn.
    maps : ndarray, shape (draws, d, h, w), uint8
        Gradient maps, 0..255 for 0..1; no draw where the recipe has no such channel.
    map_moments : tuple of (float, float)
        Mean and standard deviation over each whole map, of its values 0..1.
    outlines : ndarray, shape (draws, d, h, w), uint8
        Outlines that belong to the maps.
    """

    name: str
    patient: str
    t2: NDArray[np.float16]
    target: NDArray[np.uint8]
    maps: NDArray[np.uint8]
    map_moments: tuple[tuple[float, float], ...]
    outlines: NDArray[np.uint8]


def load_midrt_cases(
    files: Sequence[HntsmrgCase],
    recipe: MidrtRecipe,
    on_progress: Steps = ignore_steps,
) -> tuple[MidrtCase, ...]:
    """Load the training cases of patients; with `doubled`, two of each.

    Parameters
    ----------
    files : sequence of HntsmrgCase
        Files of each patient, `mid_mask` and `pre_mask_registered` among these.
    recipe : MidrtRecipe
        Channels, grid, draws of altered outlines and seed.

    Raises
    ------
    InputRefusedError
        When a mask is missing or lies on another grid than its image.
    """
    cases = []
    for number, case in enumerate(files):
        if case.mid_mask is None or case.pre_mask_registered is None:
            raise InputRefusedError(
                f"Case {number + 1} of {len(files)} has no mid-treatment mask or no registered pre-treatment mask.",
                "Training needs both; `hyoid midrt` registers, and somebody has to outline.",
            )
        rng = np.random.default_rng((recipe.seed, number))
        mid, target = _image(case.mid), _labels(case.mid_mask)
        cases.append(_case(f"{case.name}-mid", case.name, mid, target, _labels(case.pre_mask_registered), recipe, rng))
        if recipe.doubled:
            pre, outlines = _image(case.pre), _labels(case.pre_mask)
            cases.append(_case(f"{case.name}-pre", case.name, pre, outlines, outlines, recipe, rng))
        on_progress(number + 1, len(files))
    return tuple(cases)


def altered_outlines(
    labels: NDArray[np.uint8],
    spacing_mm: tuple[float, float, float],
    changes: OutlineChanges,
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """Spoil outlines as a registration and a growing tumour would: shifted, some cut short, some lost.

    Parameters
    ----------
    labels : ndarray, shape (D, H, W)
        Outlines to spoil: 0 background, 1 GTVp, 2 GTVn.
    spacing_mm : (slice, row, column)
        Voxel spacing of `labels`.
    changes : OutlineChanges
        Chances of loss and cut, and the largest shift.
    rng : Generator
        Draws what happens to every component.
    """
    result = np.zeros_like(labels)
    numbered = cc3d.connected_components(labels, connectivity=26)
    for number, slices in enumerate(cc3d.statistics(numbered)["bounding_boxes"][1:], start=1):
        fate = rng.random()
        if fate < changes.lost:
            continue
        share = rng.uniform(0.4, 0.8) if fate < changes.lost + changes.cut else 1.0
        shift = [round(rng.uniform(-1, 1) * changes.shift_mm / s) for s in spacing_mm]
        kept, moved = [], []
        for s, step, n in zip(slices, shift, labels.shape, strict=True):
            length = max(1, round((s.stop - s.start) * share))
            start = s.start + (s.stop - s.start - length) // 2
            low, high = max(start, -step), min(start + length, n - step)
            kept.append(slice(low, max(low, high)))
            moved.append(slice(low + step, max(low, high) + step))
        part = numbered[tuple(kept)] == number
        result[tuple(moved)][part] = labels[tuple(kept)][part]
    return result


def _case(
    name: str,
    patient: str,
    image: Volume,
    target: Volume,
    outlines: Volume,
    recipe: MidrtRecipe,
    rng: np.random.Generator,
) -> MidrtCase:
    for labels in (target, outlines):
        if not labels.geometry.same_grid(image.geometry):
            raise GeometryError("A mask lies on another grid than its image.", "Export masks and images together.")
    scene = scene_of(image, recipe.form)
    maps, drawn = [], []
    for draw in range(recipe.outlines.draws):
        # The first version is what the registration gave.
        known = outlines.array
        if draw:
            known = altered_outlines(outlines.array, image.geometry.spacing_mm, recipe.outlines, rng)
        volume = outlines.with_array(known)
        drawn.append(resample(volume, scene.geometry).array.astype(np.uint8))
        if "gradient" in recipe.channels:
            gradient, _ = gradient_volume(image, volume, recipe.gradient, rng)
            maps.append(np.rint(resample(gradient, scene.geometry).array * MAP_MAX).astype(np.uint8))
    return MidrtCase(
        name,
        patient,
        scene.t2.astype(np.float16),
        resample(target, scene.geometry).array.astype(np.uint8),
        np.stack(maps) if maps else np.zeros((0, *scene.t2.shape), np.uint8),
        tuple(_moments(values) for values in maps),
        np.stack(drawn),
    )


def _moments(values: NDArray[np.uint8]) -> tuple[float, float]:
    unit = values.astype(np.float32) / MAP_MAX
    return float(unit.mean()), float(unit.std())


def _image(path: Path) -> Volume:
    return to_canonical(read_image(path, Quantity.MR))


def _labels(path: Path) -> Volume:
    return to_canonical(read_labels(path))
