"""Organs as a reader corrected these in one session, and the anatomy that its reports rest on from there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hyoid.anatomy.structures import BY_LABEL, ORGANS
from hyoid.errors import UsageError
from hyoid.geometry.boxes import Box, bounding_box, hull
from hyoid.provenance import Maker, Provenance, by_reader, edited
from hyoid.report.content.airway import AIRWAY_ORGANS
from hyoid.report.content.build import findings_of
from hyoid.report.content.patches import Patch
from hyoid.report.content.scene import with_organs
from hyoid.systems.lesion.report import Anatomy
from hyoid.systems.lesion.session import DrawOrgan
from hyoid.systems.lesion.strokes import drawn_by
from hyoid.volume import Volume

_LABELS = {organ.label for organ in ORGANS}


@dataclass(frozen=True, eq=False)
class Corrected:
    """Organs after the strokes of a session.

    Parameters
    ----------
    base : Anatomy
        Organs of the draft, on which the strokes were drawn.
    strokes : tuple of DrawOrgan
        Brush, eraser and lasso on organs, in order.
    anatomy : Anatomy
        Organs and facts after the strokes.
    box : Box or None
        Part of the scan that holds every stroke; None where nothing was drawn.
    """

    base: Anatomy
    strokes: tuple[DrawOrgan, ...]
    anatomy: Anatomy
    box: Box | None = None


def corrected(base: Anatomy, strokes: Sequence[DrawOrgan], before: Corrected | None = None) -> Corrected:
    """Draw the strokes of a session on the organs of a draft, from the longest part of them that was drawn before.

    Parameters
    ----------
    base : Anatomy
        Organs of the draft.
    strokes : sequence of DrawOrgan
        Strokes on organs, in order.
    before : Corrected, optional
        What was drawn last in the same session.

    Raises
    ------
    UsageError
        When a stroke cannot be drawn.
    """
    strokes = tuple(strokes)
    now = Corrected(base, (), base)
    if before is not None and before.base is base and strokes[: len(before.strokes)] == before.strokes:
        now = before
    for stroke in strokes[len(now.strokes) :]:
        now = _after(now, stroke)
    return now


def check_change(before: Corrected, after: Corrected, label: int) -> None:
    """Refuse a stroke that changes no voxel.

    Parameters
    ----------
    before, after : Corrected
        Organs before and after the stroke.
    label : int
        Organ that was drawn on.

    Raises
    ------
    UsageError
        When nothing has changed.
    """
    if after.anatomy is before.anatomy:
        raise UsageError(f"This stroke changes nothing of: {BY_LABEL[label].words}.", "Draw where it should change.")


def _after(now: Corrected, action: DrawOrgan) -> Corrected:
    """Organs after one more stroke: paint takes voxels from the neighbours, the eraser leaves them to nobody."""
    if action.label not in _LABELS:
        raise UsageError(f"No organ has the label {action.label}.", "Choose one of the list of layers.")
    inputs = now.anatomy.inputs
    geometry = inputs.organs.geometry
    touched = drawn_by(action.stroke, geometry)
    assert touched.box is not None
    array = inputs.organs.array.copy()
    part = array[touched.box.slices]
    changed = touched.mask & ((part != action.label) if action.stroke.adds else (part == action.label))
    if not changed.any():
        return replace(now, strokes=(*now.strokes, action))
    labels = {int(label) for label in np.unique(part[changed])} | {action.label}
    part[changed] = action.label if action.stroke.adds else 0
    organs = dict(now.anatomy.scene.organs)
    for label in labels - {0}:
        _recut(organs, array, label, touched.box)
    drawn_by_whom = {**now.anatomy.outlined_by, action.label: _by(now.anatomy.outlined_by, action.label)}
    name = BY_LABEL[action.label].name
    inputs = replace(
        inputs,
        organs=Volume(array, geometry, inputs.organs.quantity),
        organs_by={**inputs.organs_by, action.label: str(drawn_by_whom[action.label])},
        organs_doubted={key: why for key, why in inputs.organs_doubted.items() if key != name},
    )
    scene = with_organs(now.anatomy.scene, organs, midline_x_mm=inputs.midline_x_mm)
    if any(BY_LABEL[label].name in AIRWAY_ORGANS for label in labels - {0}):
        inputs = replace(inputs, findings=findings_of(inputs, scene))
    anatomy = replace(now.anatomy, inputs=inputs, scene=scene, outlined_by=drawn_by_whom)
    box = touched.box if now.box is None else hull([now.box, touched.box])
    return Corrected(now.base, (*now.strokes, action), anatomy, box)


def _recut(organs: dict[str, Patch], array: NDArray[np.integer], label: int, touched: Box) -> None:
    """Cut one organ out again, from the part of the scan that holds it and the stroke."""
    structure = BY_LABEL[label]
    old = organs.pop(structure.name, None)
    place = touched if old is None else hull([old.box, touched])
    mask = array[place.slices] == label
    inner = bounding_box(mask)
    if inner is not None:
        organs[structure.name] = Patch(structure.words, mask[inner.slices], inner.moved(place.start))


def _by(outlined_by: Mapping[int, Provenance], label: int) -> Provenance:
    """Who outlined an organ after a reader drew on it."""
    was = outlined_by.get(label)
    if was is None or was.maker is Maker.READER:
        return by_reader()
    return was if was.maker is Maker.EDITED else edited(was.name, was.version)
