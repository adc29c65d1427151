"""The predicted high-dose target of radiotherapy: where it lies and whether it can be one; never a tumour."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hyoid.report.content.patches import Patch, joined, region, sides_of
from hyoid.report.content.primary import axes_cm, place_of, side_words
from hyoid.report.content.scene import Scene
from hyoid.report.content.schema import Evidence, Line, ModelUse
from hyoid.report.content.template import TARGET
from hyoid.volume import AIR_BELOW_HU

_PLAUSIBILITY, _NOT_TO_BE_USED = "target_plausibility", "Do not use this target"
WHAT_IT_IS = "What a planner would treat to the highest dose, margins and often nodes included; not a tumour outline"
# 1st to 99th percentile of the high-dose targets (PTV70) of the 170 patients of OpenKBP's training split: volume in ml,
# extents along x, y, z in mm, and share of air.
_VOLUME_ML = (42.0, 908.0)
_EXTENTS_MM = (221.0, 157.0, 183.0)
_AIR_SHARE = 0.13
_FAR_SHARE = 0.05  # of the prediction, that lay apart from every organ and was left out


def target_lines(
    scene: Scene, source: ModelUse | None, *, image: NDArray[np.number] | None = None, lost_ml: float = 0.0
) -> tuple[Line, ...]:
    """Write place, size and plausibility of the predicted target; no line where no target was predicted.

    Parameters
    ----------
    scene : Scene
        Organs and lesions on the canonical grid.
    source : ModelUse or None
        The model that predicted the target; None where no target was predicted.
    image : ndarray, shape (D, H, W), optional
        HU on the scene's grid, to find air in the target.
    lost_ml : float
        Volume that was predicted apart from every organ and left out.
    """
    parts = scene.of("target region")
    whole = joined("Predicted high-dose target region", (m.patch for m in parts))
    if whole is None:
        return ()
    look = region(whole, scene.geometry)
    volume = sum(m.row.volume_ml for m in parts)
    where, note = place_of(scene, whole)
    sides = side_words(sides_of(whole, scene.geometry, scene.midline_x_mm))
    name = source.words if source else "target region"
    doubts = _doubts(volume, look.box_mm, whole, image, lost_ml)
    rows = (
        ("target_place", "Where it lies", f"{where}, {sides}" if where else sides.capitalize(), note),
        (
            "target_size",
            "Size",
            f"{volume:.0f} ml{'' if len(parts) == 1 else f' in {len(parts)} parts'}; {axes_cm(look.box_mm)} cm "
            "(anteroposterior x transverse x craniocaudal)",
            "",
        ),
        (
            _PLAUSIBILITY,
            "Plausibility",
            f"Not plausible: {'; '.join(doubts)}" if doubts else "Within the limits of planned targets",
            f"Limits: {_VOLUME_ML[0]:.0f} to {_VOLUME_ML[1]:.0f} ml, extents up to {axes_cm(_EXTENTS_MM)} cm, air up "
            f"to {_AIR_SHARE:.0%}, up to {_FAR_SHARE:.0%} predicted apart from every organ (1st to 99th percentile of "
            "170 planned targets)",
        ),
    )
    return tuple(
        Line(
            key=key,
            words=words,
            section=TARGET,
            value=value,
            status="model",
            evidence=(Evidence(status="model", source=name, region=look, note=told),),
            flags=(WHAT_IT_IS,)
            if key == "target_place"
            else (_NOT_TO_BE_USED,) * bool(doubts)
            if key == _PLAUSIBILITY
            else (),
        )
        for key, words, value, told in rows
    )


def doubts_about_target(lines: Sequence[Line]) -> tuple[str, ...]:
    """Find what lines of a report hold against the predicted target; nothing where it is plausible or absent.

    Parameters
    ----------
    lines : sequence of Line
        Lines of a report.
    """
    found = next((line for line in lines if line.key == _PLAUSIBILITY), None)
    return (found.value, *found.flags) if found is not None and found.flags else ()


def _doubts(
    volume_ml: float,
    extents_mm: tuple[float, float, float],
    whole: Patch,
    image: NDArray[np.number] | None,
    lost_ml: float,
) -> list[str]:
    """Every limit that the target breaks, with its value."""
    found = []
    if not _VOLUME_ML[0] <= volume_ml <= _VOLUME_ML[1]:
        found.append(f"volume {volume_ml:.0f} ml")
    axes = ("transverse", "anteroposterior", "craniocaudal")
    for axis, extent, limit in zip(axes, extents_mm, _EXTENTS_MM, strict=True):
        if extent > limit:
            found.append(f"{axis} extent {extent / 10:.1f} cm")
    if image is not None:
        air = float((image[whole.box.slices][whole.mask] < AIR_BELOW_HU).mean())
        if air > _AIR_SHARE:
            found.append(f"{air:.0%} air")
    if lost_ml > _FAR_SHARE * (volume_ml + lost_ml):
        found.append(f"{lost_ml / (volume_ml + lost_ml):.0%} of the prediction lay apart from every organ")
    return found
