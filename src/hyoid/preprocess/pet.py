"""Whether a PET is in SUV, covers the CT, and lies where the CT lies."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyoid.errors import GeometryError, UnsuitableScanError
from hyoid.geometry.overlap import dice_of_masks
from hyoid.geometry.resample import resample
from hyoid.preprocess.body import coarse_body
from hyoid.volume import Geometry, Quantity, Volume

# FDG spread evenly would give SUV 1 in the whole body: tissue of the neck lies around it, air near 0.
BODY_SUV = 0.15
_MEDIAN_SUV = (0.1, 6.0)
_HOTTEST_SUV = (0.8, 300.0)
_LEAST_SUV = -1.0
# Share of the patient in the CT's head region that the PET must cover.
ENOUGH_COVER = 0.9
_ALL_COVER = 0.995
_GOOD_ALIGNMENT = 0.8
_STEP_MM, _REACH = 4.0, 4
_SHIFT_MATTERS_MM, _GAIN_MATTERS = 8.0, 0.02
_UNITS_CURE = "Check the units: SUV by body weight is needed. Bq/mL in a file: --pet-units bqml with dose and weight."


@dataclass(frozen=True)
class Alignment:
    """How well the outlines of the patient on CT and PET agree.

    Parameters
    ----------
    score : float
        Dice of the two outlines where both are in the field of view.
    shift_mm : (z, y, x)
        Shift of the PET, in steps of 4 mm up to 16 mm, at which they agree best.
    best_score : float
        The score there.
    """

    score: float
    shift_mm: tuple[float, float, float]
    best_score: float

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader must know."""
        found = []
        far = max(map(abs, self.shift_mm)) >= _SHIFT_MATTERS_MM and self.best_score - self.score >= _GAIN_MATTERS
        if self.score < _GOOD_ALIGNMENT:
            found.append(f"CT and PET outlines of the patient agree poorly (Dice {self.score:.2f}): the patient moved?")
        if far:
            z, y, x = self.shift_mm
            found.append(
                f"The PET seems to lie off the CT: outlines agree better when it is moved by {x:+.0f} mm to the left, "
                f"{y:+.0f} mm back and {z:+.0f} mm up (Dice {self.score:.2f}, then {self.best_score:.2f}). Not moved."
            )
        return tuple(found)


def require_suv(pet: Volume) -> Volume:
    """Return the PET when its values can be SUV; refuse others.

    Raises
    ------
    UnsuitableScanError
        When they are far above, far below or negative.
    """
    array = pet.require(Quantity.SUV).array
    low, hottest = float(array.min()), float(np.quantile(array, 0.9999))
    body = array[array > max(1e-6, 0.02 * hottest)]
    middle = float(np.median(body)) if body.size else 0.0
    said = (
        f"The PET holds values from {low:.3g} to {float(array.max()):.3g}, and {middle:.3g} in the middle of the body"
    )
    if low < _LEAST_SUV:
        raise UnsuitableScanError(f"{said}: SUV are not negative.", _UNITS_CURE)
    if not _HOTTEST_SUV[0] <= hottest <= _HOTTEST_SUV[1] or not _MEDIAN_SUV[0] <= middle <= _MEDIAN_SUV[1]:
        raise UnsuitableScanError(f"{said}: these are impossible SUV.", _UNITS_CURE)
    return pet


def on_ct(pet: Volume, target: Geometry, *, interpolation: str = "bspline") -> Volume:
    """Resample a PET at the voxels of a grid, 0 outside its field of view, never below 0.

    Raises
    ------
    GeometryError
        When PET and grid have different frames of reference, or do not meet.
    """
    if not covered(pet.geometry, target).any():
        raise GeometryError(
            "PET and CT do not overlap: no voxel of the region lies in the PET's field of view.",
            "Give PET and CT of one examination, or leave the PET out with --ct-only.",
        )
    moved = resample(pet, target, interpolation=interpolation)
    return moved.with_array(np.maximum(moved.array, 0).astype(np.float32))


def covered(source: Geometry, target: Geometry) -> NDArray[np.bool_]:
    """Find the voxels of `target` whose centres lie in the field of view of `source`, half a voxel around it
    included."""
    d, h, w = target.shape
    matrix = np.linalg.inv(source.ijk_to_lps) @ target.ijk_to_lps
    inside = np.ones(target.shape, bool)
    axes = (np.arange(d)[:, None, None], np.arange(h)[None, :, None], np.arange(w)[None, None, :])
    for axis in range(3):
        index = matrix[axis, 3] + sum(matrix[axis, k] * axes[k] for k in range(3))
        inside &= (index >= -0.5) & (index <= source.shape[axis] - 0.5)
    return inside


def require_cover(pet: Geometry, ct: Volume) -> tuple[float, tuple[str, ...]]:
    """Compute the share of the patient in a CT that the PET covers, and a warning where it is not all.

    Parameters
    ----------
    pet : Geometry
        Grid of the PET.
    ct : Volume, HU
        The region that matters, in canonical order.

    Raises
    ------
    UnsuitableScanError
        When less than nine tenths are covered.
    """
    coarse, body = coarse_body(ct)
    if not body.any():
        return 1.0, ()
    share = float(covered(pet, coarse.geometry)[body].mean())
    if share < ENOUGH_COVER:
        raise UnsuitableScanError(
            f"The PET covers {share:.0%} of the patient in the head-and-neck region of the CT; {ENOUGH_COVER:.0%} are "
            "needed.",
            "Give the PET of the head and neck, or leave it out with --ct-only.",
        )
    if share < _ALL_COVER:
        return share, (f"The PET covers {share:.1%} of the patient; outside, SUV counts as 0.",)
    return share, ()


def alignment(ct: Volume, pet: Volume) -> Alignment:
    """Compare the outlines of the patient on CT and PET.

    Parameters
    ----------
    ct : Volume, HU
        Canonical.
    pet : Volume, SUV
        A PET in the frame of the CT.
    """
    coarse, body = coarse_body(ct)
    shown = covered(pet.geometry, coarse.geometry)
    suv = on_ct(pet, coarse.geometry, interpolation="linear").array
    warm = suv > BODY_SUV
    steps = [max(1, round(_STEP_MM / s)) for s in coarse.geometry.spacing_mm]
    best, here = (-1.0, (0.0, 0.0, 0.0)), 0.0
    moves = sorted(itertools.product(range(-_REACH, _REACH + 1), repeat=3), key=lambda m: sum(map(abs, m)))
    for move in [m for m in moves if sum(k != 0 for k in m) <= 1]:
        offset = tuple(k * s for k, s in zip(move, steps, strict=True))
        score = _dice_at(body, warm, shown, offset)
        mm = tuple(k * s for k, s in zip(offset, coarse.geometry.spacing_mm, strict=True))
        if not any(move):
            here = score
        if score > best[0] + 1e-9:
            best = (score, mm)  # type: ignore[assignment]
    return Alignment(here, best[1], best[0])


def _dice_at(
    body: NDArray[np.bool_], warm: NDArray[np.bool_], shown: NDArray[np.bool_], offset: tuple[int, ...]
) -> float:
    """Dice of the outlines when the PET is moved by whole voxels."""
    fixed = tuple(slice(max(0, k), n + min(0, k)) for k, n in zip(offset, body.shape, strict=True))
    moved = tuple(slice(max(0, -k), n + min(0, -k)) for k, n in zip(offset, body.shape, strict=True))
    both = shown[moved]
    return dice_of_masks(body[fixed] & both, warm[moved] & both, empty=0.0)
