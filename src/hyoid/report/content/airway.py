"""The airway on CT, measured without a tumour outline: its narrowest axial cross-section, and a tube in it.

::

    HU < -400 near the outlined airway -> the part that reaches the trachea -> area per slice -> the least one
                                                                        \\-> dense material that air surrounds -> tube
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hyoid.anatomy.structures import BY_NAME
from hyoid.geometry.boxes import Box, hull
from hyoid.report.content.patches import Patch
from hyoid.report.content.schema import NOT_ASSESSED, Evidence, Line, Region, unanswered_line
from hyoid.volume import Quantity, Volume

LANDMARKS = ("oropharynx", "trachea")
"""Structures between which the airway is measured."""
AIRWAY_ORGANS = ("oropharynx", "hypopharynx", "larynx_air", "larynx", "trachea")

_LUMEN_HU = -400.0
_TISSUE_HU, _AIR_HU = 40.0, -1000.0
# Outlines of the airway end at its wall, give or take this much.
_AROUND_MM = 8.0
# Air in a slice counts from here; less is noise or a fold.
_LEAST_MM2 = 4.0
# A tube: something denser than any secretion, or at least denser than air, that air surrounds over this length.
_STRIPE_HU, _WALL_HU = 200.0, -300.0
_TUBE_MM = 30.0
_TUBE_SHARE = 0.7


@dataclass(frozen=True, eq=False)
class Airway:
    """The airway between oropharynx and trachea.

    Parameters
    ----------
    areas_mm2 : ndarray, shape (n,)
        Axial cross-section of the lumen in every slice, feet to head; 0 where no lumen is seen.
    first_slice : int
        Slice of `areas_mm2[0]` on the canonical grid.
    narrowest_slice : int
        Slice with the least area.
    point_lps_mm : tuple of float
        Centre of the lumen there (x, y, z), mm; of the nearest slice with a lumen where there is none.
    voxels : int
        Voxels of the lumen in the nearest slice that has one.
    box_mm : tuple of float
        Extent of that cross-section along x, y and z, mm.
    tube : {"yes", "no", "uncertain"}
        Whether a tube lies in the airway.
    tube_seen : str
        What was seen that says so.
    """

    areas_mm2: NDArray[np.float64]
    first_slice: int
    narrowest_slice: int
    point_lps_mm: tuple[float, float, float]
    voxels: int
    box_mm: tuple[float, float, float]
    tube: Literal["yes", "no", "uncertain"]
    tube_seen: str

    @property
    def narrowest_mm2(self) -> float:
        """Least axial cross-section, mm2; 0 where the lumen is interrupted."""
        return float(self.areas_mm2.min())


def airway_lines(ct: Volume, organs: Mapping[str, Patch], *, outlined_by: str, by_model: bool) -> dict[str, Line]:
    """Fill the template's lines about the airway and a tube in it, with or without a tumour.

    Parameters
    ----------
    ct : Volume
        HU, in canonical order.
    organs : mapping of str to Patch
        Organs by name of `hyoid.anatomy.structures`, on the grid of `ct`.
    outlined_by : str
        Name of whoever outlined the organs.
    by_model : bool
        Whether a network did.
    """
    lines = {key: unanswered_line(key) for key in ("airway_compromise", "et_tube_in_situ")}
    missing = missing_landmarks(organs)
    found = measure_airway(ct, organs)
    if found is None:
        lacking = " and ".join(BY_NAME[name].words.lower() for name in missing)
        why = f"{lacking} not outlined" if missing else "no air is seen at the trachea"
        return {key: line.model_copy(update={"value": f"{NOT_ASSESSED}: {why}"}) for key, line in lines.items()}
    look = Region(
        label="Airway",
        voxels=found.voxels,
        slice_index=found.narrowest_slice,
        point_lps_mm=found.point_lps_mm,
        centroid_lps_mm=found.point_lps_mm,
        box_mm=found.box_mm,
    )
    closed = found.narrowest_mm2 == 0
    if closed and by_model:
        # A network's outline that misses the airway for one slice is far more common than a patient who cannot breathe.
        why = f"no air in slice {found.narrowest_slice + 1} inside a network's outlines; look there"
        return {key: line.model_copy(update={"value": f"{NOT_ASSESSED}: {why}"}) for key, line in lines.items()}
    area = "no air in the narrowest slice" if closed else f"narrowest axial cross-section {found.narrowest_mm2:.0f} mm2"
    measured = Evidence(
        status="measured",
        source=f"air on the CT between oropharynx and trachea, as {outlined_by} outlined them",
        region=look,
        note=f"Slice {found.narrowest_slice + 1}, median of all slices {float(np.median(found.areas_mm2)):.0f} mm2",
    )
    tube = {"yes": "Y", "no": "N", "uncertain": "Uncertain"}[found.tube]
    status = "model, measured" if by_model else "measured"
    values = {
        "airway_compromise": (area[0].upper() + area[1:], ("A closed glottis narrows the airway too",)),
        "et_tube_in_situ": (tube, ()),
    }
    notes = {"airway_compromise": measured, "et_tube_in_situ": measured.model_copy(update={"note": found.tube_seen})}
    return {
        key: line.model_copy(
            update={"value": values[key][0], "status": status, "evidence": (notes[key],), "flags": values[key][1]}
        )
        for key, line in lines.items()
    }


def missing_landmarks(organs: Mapping[str, Patch]) -> tuple[str, ...]:
    """Name the landmarks of the airway that are not outlined."""
    return tuple(name for name in LANDMARKS if name not in organs)


def measure_airway(ct: Volume, organs: Mapping[str, Patch]) -> Airway | None:
    """Measure the airway between the middle of the oropharynx and 2 cm below the upper end of the trachea.

    Parameters
    ----------
    ct : Volume
        HU, in canonical order (slices feet to head).
    organs : mapping of str to Patch
        Organs by name of `hyoid.anatomy.structures`, on the grid of `ct`.

    Returns
    -------
    Airway or None
        None where a landmark is not outlined or no air reaches the trachea.

    Notes
    -----
    The area of a slice is the sum of each voxel's share of air, (40 - HU) / 1040 within 0 and 1, over the lumen and one
    voxel around it: voxels that the wall cuts count in part.
    """
    if missing_landmarks(organs):
        return None
    hu = ct.require(Quantity.HU).array
    spacing = ct.geometry.spacing_mm
    box = _around(organs, hu.shape, spacing)
    part = hu[box.slices].astype(np.float32)
    lumen = _lumen(part, organs, box, spacing)
    if lumen is None:
        return None
    low, high = _range(organs, spacing[0])
    low, high = max(low - box.start[0], 0), min(high - box.start[0], part.shape[0] - 1)
    if high < low:
        return None
    share = np.clip((_TISSUE_HU - part) / (_TISSUE_HU - _AIR_HU), 0, 1)
    plane = np.ones((1, 3, 3), bool)
    counted = share * ndimage.binary_dilation(lumen, plane)
    pixel_mm2 = spacing[1] * spacing[2]
    areas = counted.sum(axis=(1, 2), dtype=np.float64)[low : high + 1] * pixel_mm2
    open_area = lumen.sum(axis=(1, 2))[low : high + 1] * pixel_mm2
    areas[open_area < _LEAST_MM2] = 0.0
    if not areas.any():
        return None
    narrowest = int(areas.argmin())
    seen = np.flatnonzero(areas > 0)
    nearest = int(seen[np.abs(seen - narrowest).argmin()]) + low
    places = np.argwhere(lumen[nearest])
    centre = places.mean(axis=0)
    height, width = (np.ptp(places, axis=0) + 1) * spacing[1:]
    x, y, z = ct.geometry.to_lps((nearest + box.start[0], *(centre + box.start[1:])))
    tube, words = _tube(part[low : high + 1], lumen[low : high + 1], spacing[0])
    first = low + box.start[0]
    point = (round(float(x), 2), round(float(y), 2), round(float(z), 2))
    size = (round(float(width), 2), round(float(height), 2), spacing[0])
    return Airway(areas, first, first + narrowest, point, len(places), size, tube, words)


def _around(organs: Mapping[str, Patch], shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> Box:
    """Box of the outlined airway with a margin."""
    margin = np.ceil(_AROUND_MM / np.array(spacing)).astype(int).tolist()
    return hull(organs[name].box for name in AIRWAY_ORGANS if name in organs).grown(tuple(margin), shape)


def _lumen(
    part: NDArray[np.float32], organs: Mapping[str, Patch], box: Box, spacing: tuple[float, float, float]
) -> NDArray[np.bool_] | None:
    """Air near the outlined airway that reaches the trachea, with parts above it that only a narrow place cuts off."""
    outlined = np.zeros(part.shape, bool)
    trachea = np.zeros(part.shape, bool)
    for name in AIRWAY_ORGANS:
        if name not in organs:
            continue
        patch = organs[name]
        where = patch.box.slices_from(box.start)
        outlined[where] |= patch.mask
        if name == "trachea":
            trachea[where] |= patch.mask
    away = ndimage.distance_transform_edt(~outlined, sampling=spacing)
    air = (part < _LUMEN_HU) & (away <= _AROUND_MM)
    if not (air & trachea).any():
        return None
    parts = cc3d.connected_components(air.astype(np.uint8), connectivity=26)
    # A closed glottis or a tumour parts the air above from the air below; both belong to the airway.
    keep = np.unique(parts[air & outlined])
    return np.isin(parts, keep[keep > 0])


def _range(organs: Mapping[str, Patch], slice_mm: float) -> tuple[int, int]:
    """First and last slice of the measured part."""
    pharynx, trachea = organs["oropharynx"].box, organs["trachea"].box
    return trachea.stop[0] - 1 - round(20 / slice_mm), (pharynx.start[0] + pharynx.stop[0]) // 2


def _tube(
    part: NDArray[np.float32], lumen: NDArray[np.bool_], slice_mm: float
) -> tuple[Literal["yes", "no", "uncertain"], str]:
    """Whether air surrounds dense material over a length that only a tube has."""
    wall, stripe = np.zeros(len(part), bool), np.zeros(len(part), bool)
    for k, (hu, air) in enumerate(zip(part, lumen, strict=True)):
        within = ndimage.binary_fill_holes(air) & ~air & (hu > _WALL_HU)
        wall[k] = within.any()
        stripe[k] = bool((hu[within] > _STRIPE_HU).any())
    walled, striped = _longest_mm(wall, slice_mm), _longest_mm(stripe, slice_mm)
    if striped >= _TUBE_MM:
        return "yes", f"dense material inside the lumen over {striped:.0f} mm"
    if walled >= _TUBE_MM:
        return "uncertain", f"soft-tissue density inside the lumen over {walled:.0f} mm, without a dense stripe"
    open_share = float(lumen.any(axis=(1, 2)).mean())
    if open_share < _TUBE_SHARE:
        return "uncertain", f"the lumen is seen in {open_share:.0%} of the slices only"
    return "no", "no dense material inside the lumen"


def _longest_mm(seen: NDArray[np.bool_], slice_mm: float) -> float:
    """Longest run of slices in which something is seen, one missing slice forgiven, mm."""
    closed = ndimage.binary_closing(np.pad(seen, 2), np.ones(3, bool))[2:-2] | seen
    labels, count = ndimage.label(closed)
    return max((float((labels == n).sum()) * slice_mm for n in range(1, count + 1)), default=0.0)
