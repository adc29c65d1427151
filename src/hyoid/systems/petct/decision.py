"""From probabilities of the PET/CT system's networks to labels: which class, which part, on whose word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import cc3d
import numpy as np
from numpy.typing import NDArray

from hyoid.anatomy.structures import NODE as GTVN
from hyoid.anatomy.structures import PRIMARY as GTVP
from hyoid.errors import UsageError
from hyoid.geometry.resample import resample
from hyoid.inference.export import labels_from_logits
from hyoid.preprocess.pet import covered
from hyoid.volume import Geometry, Quantity, Volume

_NAMES = {GTVP: "GTVp", GTVN: "GTVn"}
Rule = Literal["argmax", "threshold"]
RULES: tuple[Rule, ...] = ("argmax", "threshold")


@dataclass(frozen=True)
class Decision:
    """How averaged maps become labels, and what is kept at last.

    Parameters
    ----------
    rule : {"argmax", "threshold"}
        "argmax": the most probable class. "threshold": each of the two averaged maps above a half, as the paper does;
        such a voxel is of that class by "argmax" too, so nothing is added.
    coarse_outside : bool
        Keep what the coarse network found outside the fine cube, marked as such; the paper's method leaves it out.
    smallest_ml : float
        Smaller connected parts are removed.
    """

    rule: Rule = "argmax"
    coarse_outside: bool = True
    smallest_ml: float = 0.0

    @classmethod
    def of(cls, regions: Iterable[Mapping[str, Any]]) -> Decision:
        """Take the rule that the fine networks' packages agree on, ours where they differ or do not say.

        Parameters
        ----------
        regions : iterable of mapping
            Section `region` of every fine network's manifest.
        """
        found = [dict(region) for region in regions]
        threshold = all(region.get("decision") == "threshold" for region in found)
        outside = any(region.get("coarse_outside", True) for region in found)
        smallest = max(float(region.get("min_volume_ml", 0.0)) for region in found)
        return cls("threshold" if threshold else "argmax", outside, smallest)

    def changed(self, rule: str | None, *, coarse_outside: bool | None) -> Decision:
        """Change what a user asks to be changed; None leaves the packages' own.

        Raises
        ------
        UsageError
            When there is no such rule.
        """
        found = self
        for known in RULES:
            if rule == known:
                found = replace(found, rule=known)
        if rule is not None and rule not in RULES:
            raise UsageError(f"There is no decision {rule!r}.", f"Choose {' or '.join(RULES)}.")
        return found if coarse_outside is None else replace(found, coarse_outside=coarse_outside)


def decide_voxels(
    means: Sequence[tuple[NDArray[np.float32], Geometry, int]], target: Geometry, rule: Rule = "argmax"
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Decide the label of every voxel of the scan, and find the fine region; grids meet on the finest one."""
    mean, grid, count = min(means, key=lambda m: m[1].spacing_mm)
    if len(means) > 1:
        mean = mean * count
        for other, where, members in means:
            if where is not grid:
                moved = [resample(Volume(p, where, Quantity.PROBABILITY), grid).array for p in other]
                mean, count = mean + members * np.stack(moved), count + members
        mean = (mean / np.float32(count)).astype(np.float32)
    # The largest of p_k - p_0 above 0 is the arg-max, and stays so under linear interpolation.
    above = mean[:1] if rule == "argmax" else np.float32(0.5)
    labels = labels_from_logits(mean[1:] - above, grid, target, [GTVP, GTVN]).array
    inside = covered(grid, target)
    return np.where(inside, labels, 0).astype(np.uint8), inside


def outside_fine(
    coarse: NDArray[np.float32], grid: Geometry, inside: NDArray[np.bool_], target: Geometry
) -> NDArray[np.uint8]:
    """Bring coarse labels onto the scan's grid, inside the coarse region and outside the fine one."""
    labels = labels_from_logits(coarse[1:] - coarse[:1], grid, target, [GTVP, GTVN]).array
    return np.where(covered(grid, target) & ~inside, labels, 0).astype(np.uint8)


def said_of_outside(labels: NDArray[np.uint8], alone: NDArray[np.bool_], voxel_ml: float) -> list[str]:
    """Warn of parts that rest on the coarse network alone; an empty list without any such part."""
    if not alone.any():
        return []
    parts = []
    for label, name in _NAMES.items():
        own = alone & (labels == label)
        if own.any():
            count = int(cc3d.connected_components(own.astype(np.uint8), connectivity=26).max())
            parts.append(f"{count} part(s) of {name}, {own.sum() * voxel_ml:.1f} ml")
    return [
        f"Outside the fine region ({'; '.join(parts)}) the outlines are the coarse network's: look at them with care."
    ]


def without_small_parts(
    labels: NDArray[np.uint8], voxel_ml: float, smallest_ml: float
) -> tuple[NDArray[np.uint8], int]:
    """Remove connected parts below a volume from labels, and count the parts removed.

    Parameters
    ----------
    labels : ndarray, shape (D, H, W)
        1 GTVp, 2 GTVn.
    voxel_ml, smallest_ml : float
        Volume of one voxel, and the smallest part that stays.
    """
    kept, dropped = labels.copy(), 0
    for label in (GTVP, GTVN):
        parts, count = cc3d.connected_components((labels == label).astype(np.uint8), connectivity=26, return_N=True)
        volumes_ml = np.bincount(parts.ravel(), minlength=count + 1) * voxel_ml
        small = volumes_ml < smallest_ml
        small[0] = False
        kept[small[parts]] = 0
        dropped += int(small.sum())
    return kept, dropped
