"""Are these two MR of one neck, before and during treatment? Refuse what clearly is not, warn where it is doubtful."""

from __future__ import annotations

from collections.abc import Sequence

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hyoid.errors import UnsuitableScanError
from hyoid.preprocess.mr_body import mr_body
from hyoid.preprocess.registration import Quality, Registration, places_on_mid
from hyoid.volume import Geometry, Quantity, Volume

_SHORTEST_MM, _NARROWEST_MM = 50.0, 100.0
GHOSTED = 0.12  # see `ghost_level`
_FAR_MM = 12.0
_BRIGHT = 0.4  # of the body's median
# See docs/midrt.md: what pairs of one and of two patients measure.
OTHER_PATIENT, DOUBTFUL = 0.3, 0.5
FAR_MOVED_MM = 12.0
_FOLDED, _BODY, _COVERED = 0.01, 0.85, 0.7
_LOST_SHARE = 0.5
_CURE = "Give the T2-weighted, fat-suppressed MR of the neck."


def check_mr(volume: Volume, which: str) -> tuple[str, ...]:
    """Warn about one MR.

    Parameters
    ----------
    volume : Volume, MR
        Canonical orientation.
    which : str
        "pre" or "mid", for messages.

    Raises
    ------
    UnsuitableScanError
        When the field of view cannot hold a neck, or there is no body.
    """
    length, height, width = (n * s for n, s in zip(volume.array.shape, volume.geometry.spacing_mm, strict=True))
    if length < _SHORTEST_MM or min(height, width) < _NARROWEST_MM:
        raise UnsuitableScanError(
            f"The {which}-treatment MR covers {length:.0f} mm along the body, {width:.0f} mm across and {height:.0f} "
            f"mm from front to back; a neck needs {_SHORTEST_MM:.0f}, {_NARROWEST_MM:.0f} and {_NARROWEST_MM:.0f} mm.",
            _CURE,
        )
    body = mr_body(volume.require(Quantity.MR))
    if not body.any():
        raise UnsuitableScanError(f"The {which}-treatment MR shows no body.", _CURE)
    level = ghost_level(volume, body)
    if level is not None and level > GHOSTED:
        return (
            f"The {which}-treatment MR has signal in the air around the patient ({level:.0%} of the body's): it was "
            "probably damaged by motion, and outlines on it are less sure.",
        )
    return ()


def ghost_level(volume: Volume, body: NDArray[np.bool_]) -> float | None:
    """Compute the signal in air over signal in the body, which motion raises; None where the image shows little air.

    Means over 9 mm, so that noise counts little: 95th percentile 12 mm and more away from bright tissue of the body,
    above the tenth, over the median in the body. Bright tissue, because strong ghosts pass for body.

    Parameters
    ----------
    volume : Volume, MR
        An MR.
    body : ndarray of bool
        Mask of the body, on the same grid.
    """
    step = tuple(max(1, round(3 / s)) for s in volume.geometry.spacing_mm)
    coarse = tuple(slice(None, None, n) for n in step)
    spacing = [n * s for n, s in zip(step, volume.geometry.spacing_mm, strict=True)]
    sizes = [max(1, round(9 / s)) for s in volume.geometry.spacing_mm]
    smooth = ndimage.uniform_filter(volume.array.astype(np.float32), sizes)[coarse]
    bright = smooth > _BRIGHT * np.median(smooth[body[coarse]])
    inside = cc3d.largest_k(bright.astype(np.uint8), k=1, connectivity=6) > 0
    air = ndimage.distance_transform_edt(~inside, sampling=spacing) > _FAR_MM
    if air.mean() < 0.02:
        return None
    low, high = np.quantile(smooth[air], (0.1, 0.95))
    return float((high - low) / max(float(np.median(smooth[inside])) - low, 1e-6))


def check_registration(quality: Quality) -> tuple[str, ...]:
    """Warn about a registration.

    Raises
    ------
    UnsuitableScanError
        When the images have so little in common that they are not of one neck, or not of one kind.
    """
    far = quality.largest_mm > FAR_MOVED_MM
    if quality.similarity < OTHER_PATIENT or (far and quality.similarity < DOUBTFUL):
        raise UnsuitableScanError(
            f"After registration the two images still differ everywhere (correlation {quality.similarity:.2f}, tissue "
            f"moved by up to {quality.largest_mm:.0f} mm): they are of different patients, of different sequences, or "
            "of different regions.",
            "Give two T2-weighted MR of one patient's neck.",
        )
    found = []
    if quality.similarity < DOUBTFUL:
        found.append(
            f"The registered images agree poorly (correlation {quality.similarity:.2f}): check that both are "
            "T2-weighted MR of one patient."
        )
    if far:
        found.append(
            f"After the rigid step tissue had to be moved by up to {quality.largest_mm:.0f} mm, as between two "
            "patients: check that both are of one."
        )
    if quality.body_dice < _BODY:
        found.append(f"The registered body outlines overlap by a Dice of {quality.body_dice:.2f} only.")
    if quality.folding > _FOLDED:
        found.append(f"The registration folds space in {quality.folding:.1%} of the volume.")
    if quality.covered < _COVERED:
        found.append(f"The pre-treatment MR shows {quality.covered:.0%} of what the mid-treatment MR shows.")
    return tuple(found)


def places_in_view(
    numbers: Volume, registration: Registration, mid: Geometry, *, most: int = 2000
) -> tuple[tuple[float, NDArray[np.intp]], ...]:
    """Find, of every lesion, the share that the mid scan shows, and the voxels of the mid grid that it comes to lie
    in.

    Its place is what counts, not the volume of the carried outline: a registration also shrinks what has shrunk.

    Parameters
    ----------
    numbers : Volume, LABEL
        Lesion numbers, from 1, on the grid of pre.
    registration : Registration
        Where each voxel of the later scan lies in the earlier one.
    mid : Geometry
        Grid of the later scan.
    most : int
        Voxels looked at per lesion, evenly chosen.

    Returns
    -------
    tuple of (share, ndarray of shape (N, 3))
    """
    found = []
    for number in range(1, int(numbers.array.max()) + 1):
        voxels = np.argwhere(numbers.array == number)
        voxels = voxels[:: max(1, len(voxels) // most)]
        index = np.rint(mid.to_ijk(places_on_mid(numbers.geometry.to_lps(voxels), registration))).astype(np.intp)
        inside = ((index >= 0) & (index < mid.shape)).all(axis=1)
        found.append((float(inside.mean()), np.unique(index[inside], axis=0)))
    return tuple(found)


def unseen_lesions(shown: Sequence[float]) -> tuple[int, ...]:
    """Find the numbers (from 1) of lesions of which the mid image shows less than half.

    Examples
    --------
    >>> unseen_lesions([0.9, 0.25])
    (2,)
    """
    return tuple(number for number, share in enumerate(shown, start=1) if share < _LOST_SHARE)
