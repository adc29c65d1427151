"""Outlines that lie where no neck is: networks that saw necks find one in a shoulder now and then.

Distances are between the boxes of connected parts, so they are never greater than those between the parts. Where a map
falls into very many parts, as an untrained network's does, the largest of these tell where the neck is.
"""

from __future__ import annotations

from dataclasses import dataclass

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from hyoid.volume import Volume

ORGAN_GAP_MM = 30.0
# In 57 planning CTs of OpenKBP's training split no part of a target of 1 ml or more lies further than 27 mm from the
# nearest of seven contoured organs.
TARGET_GAP_MM = 40.0
_TELLING_PARTS = 200  # far more than organs have, and few enough for a distance between any two


@dataclass(frozen=True, eq=False)
class _Parts:
    """Connected parts of a label map: row k of every table is part k + 1, unless some were chosen."""

    numbered: NDArray[np.integer]
    label: NDArray[np.integer]
    voxels: NDArray[np.integer]
    start_mm: NDArray[np.float64]
    stop_mm: NDArray[np.float64]

    def only(self, rows: NDArray[np.integer] | NDArray[np.bool_] | list[int]) -> _Parts:
        """Some of the parts."""
        return _Parts(self.numbered, self.label[rows], self.voxels[rows], self.start_mm[rows], self.stop_mm[rows])


def without_strays(organs: Volume, *, gap_mm: float = ORGAN_GAP_MM) -> tuple[Volume, dict[int, float]]:
    """Leave out the parts of organs that lie apart from the neck.

    The neck is the largest group of parts, of any organ, that are at most `gap_mm` from their next neighbour; of more
    than 200 parts, the 200 largest make the groups, and a smaller part belongs to the neck within `gap_mm` of these.

    Parameters
    ----------
    organs : Volume
        Labels.
    gap_mm : float
        Distance from the neck, mm, beyond which a part is a stray.

    Returns
    -------
    Volume
    dict of int to float
        Volume that was left out, mL, by label.
    """
    parts = _parts(organs)
    if not len(parts.label):
        return organs, {}
    telling = _largest(parts)
    group = connected_components(_gaps(telling, telling) <= gap_mm, directed=False)[1]
    neck = group == np.argmax(np.bincount(group, weights=telling.voxels))
    return _kept(organs, parts, _near(parts, telling.only(neck), gap_mm))


def near_organs(target: Volume, organs: Volume, *, gap_mm: float = TARGET_GAP_MM) -> tuple[Volume, dict[int, float]]:
    """Find the parts of a target that are at most `gap_mm` from some part of an organ, of which the 200 largest count;
    all of it where there is no organ.

    Parameters
    ----------
    target, organs : Volume
        Labels on one grid.
    gap_mm : float
        Distance from the neck, mm, beyond which a part is a stray.

    Returns
    -------
    Volume
    dict of int to float
        Volume that was left out, mL, by label.
    """
    parts, beside = _parts(target), _parts(organs)
    if not len(beside.label):
        return target, {}
    return _kept(target, parts, _near(parts, _largest(beside), gap_mm))


def _parts(labels: Volume) -> _Parts:
    numbered = cc3d.connected_components(labels.array, connectivity=26)
    found = cc3d.statistics(numbered)
    label_of = np.zeros(len(found["voxel_counts"]), labels.array.dtype)
    label_of[numbered.ravel()] = labels.array.ravel()
    boxes = found["bounding_boxes"][1:]
    edges = np.array([[(s.start, s.stop) for s in box] for box in boxes], float).reshape(-1, 3, 2)
    edges *= np.array(labels.geometry.spacing_mm)[:, None]
    return _Parts(numbered, label_of[1:], found["voxel_counts"][1:], edges[..., 0], edges[..., 1])


def _largest(parts: _Parts) -> _Parts:
    """The parts that tell where the neck is."""
    return parts.only(np.argsort(-parts.voxels.astype(np.int64), kind="stable")[:_TELLING_PARTS])


def _near(parts: _Parts, others: _Parts, gap_mm: float) -> NDArray[np.bool_]:
    """Which parts are at most `gap_mm` from some other part."""
    far = np.arange(len(parts.label))
    for k in range(len(others.label)):
        far = far[_gaps(parts.only(far), others.only([k]))[:, 0] > gap_mm]
    return np.isin(np.arange(len(parts.label)), far, invert=True)


def _gaps(a: _Parts, b: _Parts) -> NDArray[np.float64]:
    """Distance between the boxes of two sets of parts, mm; 0 where they touch."""
    apart = np.maximum(a.start_mm[:, None] - b.stop_mm, b.start_mm - a.stop_mm[:, None])
    return np.linalg.norm(np.maximum(apart, 0), axis=-1)


def _kept(labels: Volume, parts: _Parts, keep: NDArray[np.bool_]) -> tuple[Volume, dict[int, float]]:
    if keep.all():
        return labels, {}
    lost: dict[int, float] = {}
    voxel_ml = labels.geometry.voxel_ml
    for label, voxels in zip(parts.label[~keep].tolist(), parts.voxels[~keep].tolist(), strict=True):
        lost[label] = lost.get(label, 0.0) + voxels * voxel_ml
    table = np.concatenate([[0], np.where(keep, parts.label, 0)]).astype(labels.array.dtype)
    return labels.with_array(table[parts.numbered]), lost
