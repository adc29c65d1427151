"""How good a CT is for a report, measured in it: metal, steps between slices, what is covered, a cut field of view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hyoid.report.content.patches import Patch
from hyoid.report.content.schema import Fact
from hyoid.volume import Geometry

_METAL_HU = 2800.0  # above teeth and enamel
_METAL_ML = 0.05
_BODY_HU = -400.0
_STEP_MM = 4.0  # of the skin between neighbouring slices, against the slices around
_STEP_FACTOR = 3.0
# Vessels in the portal or venous phase of the neck measure 100 HU and more; blood without contrast 30 to 60 HU.
_ENHANCED_HU, _PLAIN_HU = 100.0, 70.0
_BLOOD_SPREAD_HU, _LEAST_BLOOD_HU = 60.0, 25.0
_VESSELS = ("carotid_left", "carotid_right", "jugular_left", "jugular_right")
_UPPER = (("brainstem", "brainstem"), ("mandible", "mandible"))
_LOWER = (("thyroid_gland", "thyroid gland"), ("cricoid_cartilage", "cricoid"), ("hyoid_bone", "hyoid"))


@dataclass(frozen=True)
class ScanQuality:
    """What limits the reading of a CT.

    Parameters
    ----------
    metal_ml : float
        Volume of metal.
    metal_slices : tuple of int
        Slices with metal, from the feet, counted from 0.
    others : tuple of Fact
        Steps between slices, coverage, field of view.
    """

    metal_ml: float
    metal_slices: tuple[int, ...]
    others: tuple[Fact, ...]

    def facts(self, index: Patch | None) -> tuple[Fact, ...]:
        """Write all as facts, with whether metal lies in the slices of the index lesion."""
        return (self._metal(index), *self.others)

    def _metal(self, index: Patch | None) -> Fact:
        if self.metal_ml < _METAL_ML:
            return Fact(words="Metal", value="none seen", source="measured")
        first, last = self.metal_slices[0], self.metal_slices[-1]
        value = f"{self.metal_ml:.1f} ml in slices {first + 1} to {last + 1}, expect streaks"
        if index is not None and any(index.box.start[0] <= k < index.box.stop[0] for k in self.metal_slices):
            value += "; through the index lesion"
        return Fact(words="Metal", value=value, source="measured", caution=True)


def measure_quality(hu: NDArray[np.number], geometry: Geometry, organs: Mapping[str, Patch]) -> ScanQuality:
    """Measure what limits the reading of a CT: metal, steps between slices, coverage and a cut field of view.

    Parameters
    ----------
    hu : ndarray, shape (D, H, W)
        CT in HU and canonical order: slices feet to head.
    geometry : Geometry
        Grid of the CT.
    organs : mapping of str to Patch
        Outlined organs by name of `hyoid.anatomy.structures`.
    """
    planes = np.array([int((plane >= _METAL_HU).sum()) for plane in hu])
    slices = tuple(int(k) for k in np.flatnonzero(planes))
    others = (_steps(hu, geometry), _coverage(organs, geometry), _field(hu))
    return ScanQuality(float(planes.sum()) * geometry.voxel_ml, slices, others)


def vessel_enhancement(hu: NDArray[np.number], organs: Mapping[str, Patch]) -> Fact | None:
    """Measure the attenuation of the outlined vessels and say what it tells of contrast; None without a vessel.

    Parameters
    ----------
    hu : ndarray, shape (D, H, W)
        CT in HU and canonical order: slices feet to head.
    organs : mapping of str to Patch
        Outlined organs by name of `hyoid.anatomy.structures`.
    """
    values = [hu[organs[name].box.slices][organs[name].mask] for name in _VESSELS if name in organs]
    if not values:
        return None
    low, median, high = (float(v) for v in np.percentile(np.concatenate(values), (25, 50, 75)))
    if high - low > _BLOOD_SPREAD_HU or median < _LEAST_BLOOD_HU:
        # Blood is uniform and never as dark as fat or water: the outlines hold something else.
        value = f"{low:.0f} to {high:.0f} HU inside the outlines, not blood alone"
        return Fact(words="Vessels", value=value, source="not known", caution=True)
    words = "enhanced" if median >= _ENHANCED_HU else "not enhanced" if median <= _PLAIN_HU else "doubtful"
    return Fact(
        words="Vessels",
        value=f"median {median:.0f} HU inside the outlines, {words}",
        source="measured",
        caution=median < _ENHANCED_HU,
    )


def _steps(hu: NDArray[np.number], geometry: Geometry) -> Fact:
    """Mean displacement of the skin between neighbouring slices, against the slices around: motion shows as a step."""
    if len(hu) < 5:
        return Fact(words="Motion", value="too few slices to tell", source="not known")
    # Two to three millimetres are enough: the displacement is a mean over the whole skin.
    step = max(1, round(2.0 / geometry.spacing_mm[2]))
    bodies = [ndimage.binary_fill_holes(plane > _BODY_HU) for plane in hu[:, ::step, ::step]]
    pixel_mm2 = step**2 * geometry.spacing_mm[1] * geometry.spacing_mm[2]
    # Motion brings skin in on one side and takes as much away on the other; chin and shoulders only come in.
    apart = np.array([2.0 * min((b & ~a).sum(), (a & ~b).sum()) for a, b in pairwise(bodies)]) * pixel_mm2
    around = np.array([np.pi * 2 * np.sqrt(max(float(a.sum()), 1.0) * pixel_mm2 / np.pi) for a in bodies[:-1]])
    moved = apart / around
    usual = ndimage.median_filter(moved, size=min(9, len(moved)), mode="nearest")
    stepped = np.flatnonzero((moved > _STEP_MM) & (moved > _STEP_FACTOR * usual))
    if not len(stepped):
        return Fact(words="Motion", value="no step between slices", source="measured")
    told = ", ".join(str(k + 1) for k in stepped[:5])
    return Fact(words="Motion", value=f"step of the skin after slice {told}", source="measured", caution=True)


def _coverage(organs: Mapping[str, Patch], geometry: Geometry) -> Fact:
    upper = next((words for name, words in _UPPER if name in organs), "")
    lower = next((words for name, words in _LOWER if name in organs), "")
    if not organs:
        return Fact(words="Coverage", value="not known without outlined organs", source="not known", caution=True)
    height = geometry.shape[0] * geometry.spacing_mm[0] / 10
    value = f"{upper or 'below the mandible'} to {lower or 'above the hyoid'}, {height:.0f} cm"
    cut = [
        patch.words
        for name, patch in organs.items()
        if name not in ("spinal_cord", "trachea", "oesophagus", "brainstem")
        and (patch.box.start[0] == 0 or patch.box.stop[0] == geometry.shape[0])
    ]
    if cut:
        value += f"; cut by the end of the scan: {', '.join(cut)}"
    complete = upper == "brainstem" and lower in ("thyroid gland", "cricoid") and not cut
    return Fact(words="Coverage", value=value, source="measured", caution=not complete)


def _field(hu: NDArray[np.number]) -> Fact:
    edges = np.concatenate([hu[:, :, 0], hu[:, :, -1], hu[:, 0, :], hu[:, -1, :]], axis=1)
    cut = np.flatnonzero((edges > _BODY_HU).sum(axis=1) > 3)
    if not len(cut):
        return Fact(words="Field of view", value="the whole neck", source="measured")
    return Fact(
        words="Field of view",
        value=f"body or table reaches the edge in {len(cut)} of {len(hu)} slices",
        source="measured",
        caution=len(cut) > len(hu) // 4,
    )
