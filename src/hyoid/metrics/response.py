"""What became of each lesion between two time points: matched, measured, and named by a stated definition.

Definition of the categories (`DEFINITION`): a fifth of the volume, by which two observers differ, parts "similar" from
"smaller" and "larger"; the diameter thresholds of RECIST 1.1 (Eisenhauer et al. 2009, DOI 10.1016/j.ejca.2008.10.026),
-30 % and +20 %, as the volumes of a sphere, 0.7^3 - 1 = -65.7 % and 1.2^3 - 1 = +72.8 %, part these from "much smaller"
and "much larger". RECIST itself is for the end of treatment and for sums of diameters; half-way through radiotherapy
these are words for sizes, no verdict on the treatment. Where nothing is outlined a lesion may have vanished: no outline
shows that it has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hyoid.errors import WrongQuantityError

OBSERVERS = 0.2
MUCH_SMALLER = 0.7**3 - 1
MUCH_LARGER = 1.2**3 - 1
_ROUNDING = 1e-9  # of a ratio of volumes
DOUBTFUL_BELOW = 0.95
"""Probability of tumour below which an outline alone does not say that the lesion is still there."""
NAMES = {1: "GTVp", 2: "GTVn"}


class Change(StrEnum):
    """Category of a lesion."""

    VANISHED = "may have vanished"
    MUCH_SMALLER = "much smaller"
    SMALLER = "smaller"
    SIMILAR = "similar"
    LARGER = "larger"
    MUCH_LARGER = "much larger"
    NEW = "new"


DEFINITION = (
    f"similar: volume changed by less than {OBSERVERS:.0%}, as two observers differ; smaller, larger: by more; much "
    f"smaller: at least {-MUCH_SMALLER:.1%} less; much larger: at least {MUCH_LARGER:.1%} more (RECIST 1.1's -30 % and "
    "+20 % in diameter, as volumes of a sphere); may have vanished: nothing outlined, or an outline in whose place the "
    f"probability of tumour is below {DOUBTFUL_BELOW:.0%}; new: no outline before treatment. During treatment these "
    "words name sizes and do not judge it."
)


@dataclass(frozen=True)
class LesionResponse:
    """One lesion before and during treatment.

    Parameters
    ----------
    label : {1, 2}
        GTVp, GTVn.
    lesion : int
        1 for the largest before treatment of its label; new ones are numbered on.
    before_ml, after_ml : float
        Volume of the lesion before and now, mL.
    change : Change
        Category of the change, in words of the report.
    outside_box : float or None
        Share of the lesion at mid outside the box of its gradient map.
    """

    label: int
    lesion: int
    before_ml: float
    after_ml: float
    change: Change
    outside_box: float | None = None

    @property
    def name(self) -> str:
        """Such as 'GTVn 2'."""
        return f"{NAMES[self.label]} {self.lesion}"

    @property
    def percent(self) -> float | None:
        """Change of volume in percent of the volume before; None for a new lesion."""
        return None if self.before_ml == 0 else 100 * (self.after_ml / self.before_ml - 1)


def change_of(before_ml: float, after_ml: float) -> Change:
    """Find the category of a volume change.

    Examples
    --------
    >>> [str(change_of(10, v)) for v in (0, 3.4, 5.3, 8.1, 11.9, 12, 17.3)]
    ['may have vanished', 'much smaller', 'smaller', 'similar', 'similar', 'larger', 'much larger']
    >>> str(change_of(0, 1))
    'new'
    """
    if before_ml == 0:
        return Change.NEW
    if after_ml == 0:
        return Change.VANISHED
    relative = after_ml / before_ml - 1
    if abs(relative) < OBSERVERS - _ROUNDING:
        return Change.SIMILAR
    if relative < 0:
        return Change.MUCH_SMALLER if relative <= MUCH_SMALLER else Change.SMALLER
    return Change.MUCH_LARGER if relative >= MUCH_LARGER else Change.LARGER


def numbered_lesions(labels: NDArray[np.integer]) -> NDArray[np.uint16]:
    """Number the lesions over all labels: 1, 2, ... by label, then largest first (26-connectivity).

    Raises
    ------
    WrongQuantityError
        When there are more than 65,535 lesions, which no map of lesions has.

    Examples
    --------
    >>> numbered_lesions(np.array([[[2, 0, 1, 1, 0, 1, 0, 2, 2]]])).ravel().tolist()
    [4, 0, 1, 1, 0, 2, 0, 3, 3]
    """
    result = np.zeros(labels.shape, np.uint16)
    count = 0
    for label in sorted(int(v) for v in np.unique(labels) if v):
        parts = cc3d.connected_components(np.ascontiguousarray(labels == label), connectivity=26)
        sizes = np.bincount(parts.ravel())[1:]
        number_of = np.zeros(len(sizes) + 1, np.int64)
        number_of[np.argsort(-sizes, kind="stable") + 1] = np.arange(count + 1, count + 1 + len(sizes))
        count = _counted(count + len(sizes))
        result += number_of[parts].astype(np.uint16)
    return result


@dataclass(frozen=True, eq=False)
class Nearest:
    """Nearest earlier lesion of one label at every voxel of a grid.

    Parameters
    ----------
    own : ndarray of bool, shape (D, H, W)
        Voxels of an earlier lesion of the label.
    owner : ndarray of int, shape (D, H, W)
        Number of the nearest of these lesions.
    away_mm : ndarray of float, shape (D, H, W)
        Distance to that lesion, mm.
    """

    own: NDArray[np.bool_]
    owner: NDArray[np.integer]
    away_mm: NDArray[np.float64]


def nearest_lesions(
    numbers: NDArray[np.integer], label_of: Sequence[int], spacing_mm: tuple[float, float, float]
) -> dict[int, Nearest]:
    """Find the nearest earlier lesion at every voxel, for each label of which a voxel is on this grid.

    Parameters
    ----------
    numbers, label_of, spacing_mm
        As `follow`.

    Examples
    --------
    >>> near = nearest_lesions(np.array([[[1, 0, 0, 2]]]), (1, 1), (3.0, 1.0, 1.0))[1]
    >>> near.owner.tolist(), near.away_mm.tolist()
    ([[[1, 1, 2, 2]]], [[[0.0, 1.0, 1.0, 0.0]]])
    """
    found = {}
    for label in sorted(set(label_of)):
        own = np.isin(numbers, [k for k, v in enumerate(label_of, start=1) if v == label])
        if own.any():
            away, places = ndimage.distance_transform_edt(~own, sampling=spacing_mm, return_indices=True)
            found[label] = Nearest(own, numbers[tuple(places)], away)
    return found


def follow(
    numbers: NDArray[np.integer],
    label_of: Sequence[int],
    labels: NDArray[np.integer],
    spacing_mm: tuple[float, float, float],
    *,
    reach_mm: float,
    nearest: Mapping[int, Nearest] | None = None,
) -> NDArray[np.uint16]:
    """Tell which lesion of before each tumour voxel of mid belongs to; numbers after the last one are new lesions.

    Every component of a label goes to the nearest earlier lesion of that label, if that lies within `reach_mm`; one
    that touches several is divided, voxel by voxel, to the nearest of them.

    Parameters
    ----------
    numbers : ndarray of int, shape (D, H, W)
        Earlier lesions, carried onto the mid grid.
    label_of : sequence of int
        Label of lesion 1, 2, ...; a lesion may have no voxel left on this grid.
    labels : ndarray of int, shape (D, H, W)
        Tumour at mid, 1 GTVp and 2 GTVn.
    spacing_mm : (slice, row, column)
        Distance between voxel centres, mm.
    reach_mm : float
        Distance, mm, within which a part now belongs to an earlier lesion.
    nearest : mapping of int to Nearest, optional
        What `nearest_lesions` finds, where the same earlier lesions are followed again and again.

    Returns
    -------
    ndarray of uint16, shape (D, H, W)
    """
    result = np.zeros(labels.shape, np.uint16)
    following = len(label_of)
    nearest = nearest_lesions(numbers, label_of, spacing_mm) if nearest is None else nearest
    for label in sorted(int(v) for v in np.unique(labels) if v):
        near = nearest.get(label)
        parts = cc3d.connected_components(np.ascontiguousarray(labels == label), connectivity=26)
        sizes = np.bincount(parts.ravel())[1:]
        away_mm = np.full(len(sizes), np.inf)
        if near is not None:
            away_mm = ndimage.minimum(near.away_mm, parts, np.arange(1, len(sizes) + 1))
        number_of = np.zeros(len(sizes) + 1, np.uint16)
        boxes = ndimage.find_objects(parts.astype(np.int32))
        for part in np.argsort(-sizes, kind="stable") + 1:
            if near is None or away_mm[part - 1] > reach_mm:
                following = _counted(following + 1)
                number_of[part] = following
                continue
            box = boxes[part - 1]
            mask = parts[box] == part
            voxels = near.owner[box][mask]
            touched = np.unique(voxels[near.own[box][mask]])
            # Without contact the whole component goes to one lesion, the nearest.
            closest = voxels[near.away_mm[box][mask].argmin()]
            result[box][mask] = np.where(np.isin(voxels, touched), voxels, closest) if len(touched) else closest
        new = number_of[parts]
        result[new > 0] = new[new > 0]
    return result


def _counted(lesions: int) -> int:
    """The number of lesions, where a map of lesions can hold so many."""
    if lesions > np.iinfo(np.uint16).max:
        raise WrongQuantityError(
            f"The outlines fall into {lesions} separate parts, which is noise and no set of lesions.",
            "Look at the outlines: a map of tumours has a few connected parts.",
        )
    return lesions


def responses(
    before_ml: Sequence[float],
    label_of: Sequence[int],
    followed: NDArray[np.integer],
    labels: NDArray[np.integer],
    voxel_ml: float,
    *,
    outside: NDArray[np.bool_] | None = None,
) -> tuple[LesionResponse, ...]:
    """Make one row per earlier lesion, then rows of the new ones.

    Parameters
    ----------
    before_ml : sequence of float
        Volume of lesion 1, 2, ... before treatment, measured on its own scan.
    label_of : sequence of int
        Label of each earlier lesion: 1 GTVp, 2 GTVn.
    followed : ndarray of int, shape (D, H, W)
        From `follow`.
    labels : ndarray of int, shape (D, H, W)
        Tumour at mid.
    voxel_ml : float
        Volume of one voxel, mL.
    outside : ndarray of bool, shape (D, H, W), optional
        Voxels in no box of the gradient map.
    """
    counts = np.bincount(followed.ravel(), minlength=len(label_of) + 1)
    lesion_of: dict[int, int] = {}
    boxes = ndimage.find_objects(followed.astype(np.int32), max_label=len(counts) - 1)
    rows = []
    for number, box in enumerate(boxes, start=1):
        new = number > len(label_of)
        where = followed[box] == number if box is not None else np.zeros((0, 0, 0), bool)
        label = int(labels[box][where][0]) if new else label_of[number - 1]
        lesion_of[label] = lesion_of.get(label, 0) + 1
        before = 0.0 if new else float(before_ml[number - 1])
        after = float(counts[number]) * voxel_ml
        share = float(outside[box][where].mean()) if outside is not None and where.any() else None
        rows.append(LesionResponse(label, lesion_of[label], before, after, change_of(before, after), share))
    return tuple(rows)
