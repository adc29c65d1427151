"""What became of earlier lesions, measured again at every change of the outlines on the present scan.

The earlier lesions lie on the grid of the present scan already: a registration carried them there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hyoid.geometry.boxes import Box, bounding_box, hull
from hyoid.metrics.lesions import longest_axial_mm
from hyoid.metrics.response import (
    DEFINITION,
    Change,
    LesionResponse,
    Nearest,
    follow,
    nearest_lesions,
    responses,
)
from hyoid.report.content import schema
from hyoid.report.content.patches import Patch, region
from hyoid.systems.lesion.pipeline import Outline
from hyoid.systems.lesion.session import LesionState
from hyoid.systems.lesion.strokes import Drawn
from hyoid.volume import Geometry

SECTION = "Response since the earlier scan"
REACH_MM = 10.0  # as the mid-treatment system looks for a lesion
_LABELS = {"GTVp": 1, "GTVn": 2}
_ROUNDED = 16  # voxels: the part of the grid that is looked at stays the same from click to click
_NOT_SEEN = "not in the field of view"
_SOURCE = "outlines of both scans, registered"


@dataclass(frozen=True, eq=False)
class EarlierLesion:
    """Lesion of an earlier scan, carried onto the present one.

    Parameters
    ----------
    target : {"GTVp", "GTVn"}
        What the lesion was outlined as.
    drawn : Drawn
        Where the lesion was, on the canonical grid of the present scan; empty where that does not show the place.
    volume_ml : float
        Volume on the earlier scan itself, mL.
    long_mm : float or None
        Longest axial diameter on the earlier scan itself, mm.
    """

    target: Literal["GTVp", "GTVn"]
    drawn: Drawn
    volume_ml: float
    long_mm: float | None = None


@dataclass(frozen=True, eq=False)
class FollowedLesion:
    """Lesion before and now.

    Parameters
    ----------
    row : LesionResponse
        Volumes of the lesion and the category of the change.
    patch : Patch or None
        Where the lesion is, else where it was; None where the present scan does not show the place.
    before_long_mm, after_long_mm : float or None
        Longest axial diameter on either scan, mm.
    """

    row: LesionResponse
    patch: Patch | None
    before_long_mm: float | None
    after_long_mm: float | None


class Followed:
    """Earlier lesions followed before: of the latest outlines only, with the distances to the earlier lesions."""

    def __init__(self) -> None:
        self._asked: tuple[object, ...] = ()
        self._rows: tuple[FollowedLesion, ...] = ()
        self._near: tuple[tuple[object, ...], dict[int, Nearest]] = ((), {})

    def rows(
        self,
        earlier: Sequence[EarlierLesion],
        lesions: Sequence[tuple[LesionState, Outline]],
        geometry: Geometry,
    ) -> tuple[FollowedLesion, ...]:
        """Follow every earlier lesion, and name the new ones after these.

        Parameters
        ----------
        earlier : sequence of EarlierLesion
            Lesions of the earlier scan, primaries first, largest first.
        lesions : sequence of (LesionState, Outline)
            Outlined lesions of the present scan.
        geometry : Geometry
            Canonical grid of the present scan.
        """
        # Outlines are values that are replaced, never changed: the same ones have the same response.
        asked = (*earlier, *((lesion.target, outline) for lesion, outline in lesions))
        if asked != self._asked:
            self._rows = self._follow(earlier, lesions, geometry)
            self._asked = asked
        return self._rows

    def _follow(
        self,
        earlier: Sequence[EarlierLesion],
        lesions: Sequence[tuple[LesionState, Outline]],
        geometry: Geometry,
    ) -> tuple[FollowedLesion, ...]:
        there = [(lesion.target, Drawn(outline.mask, outline.box)) for lesion, outline in lesions]
        boxes = [drawn.box for _, drawn in (*there, *((e.target, e.drawn) for e in earlier)) if drawn.box is not None]
        if not boxes:
            return tuple(_unfollowed(n, lesion, earlier) for n, lesion in enumerate(earlier))
        part = _around(boxes, geometry.shape)
        numbers, labels = np.zeros(part.shape, np.uint16), np.zeros(part.shape, np.uint8)
        # Where a primary and a node overlap, the voxel is the primary's, before as now.
        for number, lesion in sorted(enumerate(earlier, start=1), key=lambda row: row[1].target == "GTVp"):
            if lesion.drawn.box is not None:
                numbers[lesion.drawn.box.slices_from(part.start)][lesion.drawn.mask] = number
        for target, drawn in sorted(there, key=lambda row: row[0] == "GTVp"):
            if drawn.box is not None:
                labels[drawn.box.slices_from(part.start)][drawn.mask] = _LABELS[target]
        label_of = [_LABELS[lesion.target] for lesion in earlier]
        if self._near[0] != (*earlier, part):
            self._near = (*earlier, part), nearest_lesions(numbers, label_of, geometry.spacing_mm)
        followed = follow(numbers, label_of, labels, geometry.spacing_mm, reach_mm=REACH_MM, nearest=self._near[1])
        rows = responses([lesion.volume_ml for lesion in earlier], label_of, followed, labels, geometry.voxel_ml)
        found = []
        for number, row in enumerate(rows, start=1):
            now = _patch(followed == number, row.name, part)
            after = None if now is None else round(longest_axial_mm(now.mask, geometry), 1)
            if number > len(earlier):
                found.append(FollowedLesion(row, now, None, after))
                continue
            was = earlier[number - 1]
            if was.drawn.box is None:
                found.append(_unfollowed(number - 1, was, earlier))
                continue
            found.append(FollowedLesion(row, now or Patch(row.name, was.drawn.mask, was.drawn.box), was.long_mm, after))
        return tuple(found)


def response_lines(
    rows: Sequence[FollowedLesion], geometry: Geometry, status: schema.OutlineStatus
) -> list[schema.Line]:
    """Write one line per lesion: category, volumes and longest axial diameters before and now.

    Parameters
    ----------
    rows : sequence of FollowedLesion
        From `Followed.rows`.
    geometry : Geometry
        Canonical grid of the present scan.
    status : {"reader", "accepted", "model"}
        Who stands behind the outlines on the present scan.
    """
    measured: Literal["measured", "model, measured"] = "model, measured" if status == "model" else "measured"
    lines = []
    for row in rows:
        look = None if row.patch is None else region(row.patch, geometry)
        evidence = schema.Evidence(status="measured", source=_SOURCE, region=look, note=DEFINITION)
        lines.append(
            schema.Line(
                key=_key(row),
                words=row.row.name,
                section=SECTION,
                value=_words(row),
                status=measured,
                evidence=(evidence,),
            )
        )
    return lines


def response_conclusion(rows: Sequence[FollowedLesion]) -> schema.Conclusion | None:
    """Write the sentence of the impression that says what became of the earlier lesions; None without a lesion.

    Parameters
    ----------
    rows : sequence of FollowedLesion
        From `Followed.rows`.
    """
    if not rows:
        return None
    told = [f"{row.row.name} {_change(row)}" + (f" ({_volumes(row)})" if _both(row) else "") for row in rows]
    return schema.Conclusion(
        words=f"Since the earlier scan: {'; '.join(told)}.", rests_on=tuple(_key(row) for row in rows)
    )


def _key(row: FollowedLesion) -> str:
    return "response_" + row.row.name.lower().replace(" ", "_")


def _around(boxes: Sequence[Box], shape: tuple[int, int, int]) -> Box:
    """The part of the grid that holds all boxes, its ends on a coarse raster."""
    whole = hull(boxes)
    start = np.array(whole.start) // _ROUNDED * _ROUNDED
    stop = -(-np.array(whole.stop) // _ROUNDED) * _ROUNDED
    return Box(tuple(start.tolist()), tuple(np.minimum(stop, shape).tolist()))


def _patch(mask: NDArray[np.bool_], words: str, part: Box) -> Patch | None:
    inner = bounding_box(mask)
    return None if inner is None else Patch(words, mask[inner.slices], inner.moved(part.start))


def _unfollowed(at: int, lesion: EarlierLesion, earlier: Sequence[EarlierLesion]) -> FollowedLesion:
    """A lesion whose place is not shown, or of which nothing is outlined anywhere."""
    number = sum(1 for other in earlier[: at + 1] if other.target == lesion.target)
    row = LesionResponse(_LABELS[lesion.target], number, lesion.volume_ml, 0.0, Change.VANISHED)
    return FollowedLesion(row, None, lesion.long_mm, None)


def _change(row: FollowedLesion) -> str:
    return _NOT_SEEN if row.patch is None else str(row.row.change)


def _both(row: FollowedLesion) -> bool:
    return bool(row.row.before_ml and row.row.after_ml)


def _volumes(row: FollowedLesion) -> str:
    return f"{row.row.before_ml:.1f} to {row.row.after_ml:.1f} ml, {row.row.percent:+.0f} %"


def _words(row: FollowedLesion) -> str:
    if not _both(row):
        size = row.row.before_ml or row.row.after_ml
        return f"{_change(row)}: {size:.1f} ml {'before' if row.row.before_ml else 'now'}"
    longest = ""
    if row.before_long_mm is not None and row.after_long_mm is not None:
        longest = f"; longest axial diameter {row.before_long_mm / 10:.1f} to {row.after_long_mm / 10:.1f} cm"
    return f"{_change(row)}: {_volumes(row)}{longest}"
