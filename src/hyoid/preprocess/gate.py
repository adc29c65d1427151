"""Is this a head-and-neck CT? Refuse what clearly is not, warn where it is doubtful.

Everything is measured on a grid of about 4 mm. A *neck slice* has, near the midline of a cross-section smaller than
450 cm², air of the size of an airway with a spine behind it, and no brain. The limits were set on 203 planning CTs of
head-and-neck cancer patients (OpenKBP): one shows the shoulders only, the others 55 mm of neck slices or more. Eight
CTs of limb sarcomas (TCIA Soft-tissue-Sarcoma) show 16 mm at most.
"""

from __future__ import annotations

from dataclasses import dataclass

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hyoid.errors import UnsuitableScanError
from hyoid.geometry.boxes import bounding_box, crop
from hyoid.geometry.orientation import to_canonical
from hyoid.preprocess.body import coarse_body
from hyoid.volume import AIR_BELOW_HU, Quantity, Volume

_LOWEST_HU, _HIGHEST_HU = -500, 300
_SHORTEST_MM, _NARROWEST_MM = 100.0, 120.0
_BONE_HU = 200
# Airways from a narrowed glottis to an open mouth; anything larger is lung, anything smaller is noise.
_AIRWAY_CM2 = (0.3, 25.0)
_NECK_BODY_CM2 = (50.0, 450.0)
_BRAIN_CM2 = 60.0
_SHOULDERS_CM2 = 600.0
_ENOUGH_NECK_MM, _GOOD_NECK_MM = 32.0, 60.0
_LARGE_LUNGS_ML = 500.0
_CURE = "Give a CT of the neck, from skull base to clavicles, in its original orientation."


@dataclass(frozen=True)
class Seen:
    """What the gate measured.

    Parameters
    ----------
    neck_mm : float
        Length of neck slices.
    column_mm : float
        Length over which an airway lies in front of a spine, at any size of the cross-section.
    brain_mm : float
        Length over which a ring of bone surrounds more than 60 cm² of soft tissue.
    lungs_ml : float
        Air in single spaces larger than an airway.
    upside_down : bool
        Whether lungs or shoulders lie above the neck, or brain below it.
    back_to_front : bool
        Whether bone lies in front of the airway alone more often than behind it alone. Level with the jaw there is bone
        on both sides; below, only the spine.
    body_hu : float
        Median inside the body.
    """

    neck_mm: float
    column_mm: float
    brain_mm: float
    lungs_ml: float
    upside_down: bool
    back_to_front: bool
    body_hu: float


def check_head_neck_ct(volume: Volume) -> tuple[str, ...]:
    """Warn about a head-and-neck CT; refuse anything that clearly is not one.

    Parameters
    ----------
    volume : Volume, HU
        Any orientation.

    Returns
    -------
    tuple of str
        Empty when nothing is doubtful.

    Raises
    ------
    UnsuitableScanError
        When the values are not HU, the field of view is too small, or no neck is seen; the message says what is seen.
    WrongQuantityError
        When the volume is not HU.
    """
    canonical = to_canonical(volume.require(Quantity.HU))
    _refuse_values(float(canonical.array.min()), float(canonical.array.max()))
    _refuse_field_of_view(canonical)
    seen = look(canonical)
    if not -150 <= seen.body_hu <= 150:
        raise UnsuitableScanError(
            f"The body has a median of {seen.body_hu:.0f} HU, where fat is -100 and soft tissue 0 to 80: these are "
            "not Hounsfield units.",
            "Check the rescale slope and intercept, or export the series again.",
        )
    if seen.upside_down:
        raise UnsuitableScanError(
            "Lungs or shoulders lie above the neck, or brain below it: the scan stands on its head.",
            "Export it with its original orientation.",
        )
    if seen.back_to_front:
        raise UnsuitableScanError(
            "The spine lies in front of the airway: the scan is stored back to front.",
            "Export it with its original orientation.",
        )
    if seen.neck_mm >= _GOOD_NECK_MM:
        return ()
    if seen.neck_mm >= _ENOUGH_NECK_MM:
        return (f"Only about {seen.neck_mm:.0f} mm of the neck are in the field of view; the rest is not reported.",)
    if seen.column_mm >= _ENOUGH_NECK_MM and seen.lungs_ml < _LARGE_LUNGS_ML and not seen.brain_mm:
        return (
            "An airway in front of the spine is seen, but only in a cross-section as wide as the shoulders: the neck "
            "may lie outside the field of view.",
        )
    raise UnsuitableScanError(f"This is not a CT of the neck: {_what(seen)}.", _CURE)


def look(canonical: Volume) -> Seen:
    """Measure the features that tell a neck from other anatomy.

    Parameters
    ----------
    canonical : Volume, HU
        In 'SPL' order.
    """
    coarse, body = coarse_body(canonical)
    box = bounding_box(body)
    if box is None:
        return Seen(0.0, 0.0, 0.0, 0.0, False, False, -1000.0)
    coarse, body = crop(coarse, box), body[box.slices]
    step_mm, row_mm, column_mm = coarse.geometry.spacing_mm
    pixel_cm2 = row_mm * column_mm / 100
    area_cm2 = body.sum(axis=(1, 2)) * pixel_cm2
    brain = np.array([_encloses_brain(ct, mask, pixel_cm2) for ct, mask in zip(coarse.array, body, strict=True)])
    bone_sides = np.array(
        [
            _bone_beside_airway(ct, mask, (row_mm, column_mm)) if area > _NECK_BODY_CM2[0] else (False, False)
            for ct, mask, area in zip(coarse.array, body, area_cm2, strict=True)
        ]
    )
    airway, before = bone_sides.T
    only_front, only_behind = int((before & ~airway).sum()), int((airway & ~before).sum())
    neck = airway & (area_cm2 < _NECK_BODY_CM2[1]) & ~brain
    large = _large_air(coarse.array, body, step_mm, pixel_cm2)
    lungs_ml = float(large.sum() * pixel_cm2 * step_mm / 10)
    lung_area_cm2 = large.sum(axis=(1, 2)) * pixel_cm2 * (lungs_ml > _LARGE_LUNGS_ML)
    shoulders = (area_cm2 > _SHOULDERS_CM2) & ~brain
    upside_down = _lies_above(shoulders, neck, step_mm) or _lies_above(lung_area_cm2 > 0, neck, step_mm)
    upside_down = upside_down or _lies_above(neck, brain, step_mm)
    return Seen(
        neck_mm=float(neck.sum() * step_mm),
        column_mm=float((airway & ~brain).sum() * step_mm),
        brain_mm=float(brain.sum() * step_mm),
        lungs_ml=lungs_ml,
        upside_down=upside_down,
        back_to_front=only_front * step_mm > 20 and only_front > only_behind,
        body_hu=float(np.median(coarse.array[body])),
    )


def _refuse_values(low: float, high: float) -> None:
    if low > _LOWEST_HU or high < _HIGHEST_HU:
        raise UnsuitableScanError(
            f"The values lie between {low:g} and {high:g}: in Hounsfield units air is -1000, and bone above 300.",
            "Give a CT in Hounsfield units, not windowed, rescaled or another modality.",
        )


def _refuse_field_of_view(canonical: Volume) -> None:
    length, height, width = (n * s for n, s in zip(canonical.array.shape, canonical.geometry.spacing_mm, strict=True))
    if length < _SHORTEST_MM or min(height, width) < _NARROWEST_MM:
        raise UnsuitableScanError(
            f"The field of view is {length:.0f} mm along the body, {width:.0f} mm wide and {height:.0f} mm deep; a "
            f"neck needs {_SHORTEST_MM:.0f}, {_NARROWEST_MM:.0f} and {_NARROWEST_MM:.0f} mm.",
            _CURE,
        )


def _bone_beside_airway(
    ct: NDArray[np.float32], body: NDArray[np.bool_], spacing_mm: tuple[float, float]
) -> tuple[bool, bool]:
    """Whether bone lies close behind, and close in front of, an airway-sized air space near the midline of a slice."""
    row_mm, column_mm = spacing_mm
    pixel_cm2 = row_mm * column_mm / 100
    # An open mouth or stoma joins the airway to the outside: close gaps of up to 3 cm before looking for air inside.
    reach = max(1, round(16 / max(spacing_mm)))
    closed = ndimage.binary_closing(np.pad(body, reach), iterations=reach)[reach:-reach, reach:-reach]
    inside = ndimage.binary_fill_holes(closed | body)
    spaces, count = ndimage.label(inside & (ct < AIR_BELOW_HU), np.ones((3, 3)))
    if not count:
        return False, False
    midline = np.nonzero(inside)[1].mean()
    bone_row, bone_column = np.nonzero(inside & (ct > _BONE_HU))
    behind = before = False
    for label in range(1, count + 1):
        rows, columns = np.nonzero(spaces == label)
        in_midline = abs(columns.mean() - midline) * column_mm <= 25
        if not in_midline or not _AIRWAY_CM2[0] <= len(rows) * pixel_cm2 <= _AIRWAY_CM2[1]:
            continue
        behind_mm, aside_mm = (bone_row - rows.mean()) * row_mm, (bone_column - columns.mean()) * column_mm
        near = (np.abs(behind_mm) < 90) & (np.abs(aside_mm) < 30)
        behind |= _is_central_bone(aside_mm[near & (behind_mm > 0)], pixel_cm2)
        before |= _is_central_bone(aside_mm[near & (behind_mm < 0)], pixel_cm2)
    return behind, before


def _is_central_bone(aside_mm: NDArray[np.float64], pixel_cm2: float) -> bool:
    """Whether bone pixels at these distances from the midline are enough and balanced, as a vertebra is."""
    return bool(len(aside_mm) * pixel_cm2 > 2 and abs(aside_mm.mean()) < 15)


def _encloses_brain(ct: NDArray[np.float32], body: NDArray[np.bool_], pixel_cm2: float) -> bool:
    """Whether a ring of bone surrounds a brain-sized area of soft tissue in an axial slice."""
    # At 4 mm the skull's thin parts lose their density and its sutures gape: a lower limit, and gaps closed.
    skull = ndimage.binary_closing(np.pad(body & (ct > 120), 2), iterations=2)[2:-2, 2:-2]
    enclosed = ndimage.binary_fill_holes(skull) & ~skull & (ct > -100)
    return bool(enclosed.sum() * pixel_cm2 > _BRAIN_CM2)


def _large_air(ct: NDArray[np.float32], body: NDArray[np.bool_], step_mm: float, pixel_cm2: float) -> NDArray[np.bool_]:
    """Air spaces inside the body too large for an airway: lungs, mostly."""
    spaces = cc3d.connected_components((body & (ct < AIR_BELOW_HU)).astype(np.uint8), connectivity=6)
    volumes_ml = np.bincount(spaces.ravel()) * pixel_cm2 * step_mm / 10
    large = volumes_ml > 200
    large[0] = False
    return large[spaces]


def _lies_above(upper: NDArray[np.bool_], lower: NDArray[np.bool_], step_mm: float) -> bool:
    """Whether one set of slices lies above another on average, both at least 2 cm long."""
    if min(upper.sum(), lower.sum()) * step_mm < 20:
        return False
    return bool(np.flatnonzero(upper).mean() > np.flatnonzero(lower).mean())


def _what(seen: Seen) -> str:
    """What is in the scan instead of a neck, in words."""
    if seen.brain_mm > 40:
        return f"a skull with brain is seen over {seen.brain_mm:.0f} mm, and no neck below it"
    if seen.lungs_ml >= _LARGE_LUNGS_ML:
        return f"lungs ({seen.lungs_ml:.0f} mL of air) are seen, and no neck above them"
    return (
        f"an airway in front of a spine is seen over {seen.neck_mm:.0f} mm only, as in a limb, abdomen or pelvis, or "
        "in a scan whose orientation is wrong"
    )
