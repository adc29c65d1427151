"""Whether a focus lies in the neck: above the thoracic inlet, below the brain, near outlined organs of the neck."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hyoid.report.content.patches import Patch, centroid_lps_mm, distance_mm, extremes_lps_mm
from hyoid.volume import Geometry

# How far below the lower end of an organ the neck goes on, mm: to the upper border of the manubrium, the caudal border
# of levels IV and VI (Gregoire et al. 2014, DOI 10.1016/j.radonc.2013.10.010), with a reserve. The best known come
# first; of one row the lowest counts.
_BELOW_MM = (
    {"cricoid_cartilage": 50.0, "thyroid_gland": 25.0},
    {"larynx": 55.0, "thyroid_cartilage": 65.0},
    {"hyoid_bone": 90.0, "submandibular_left": 100.0, "submandibular_right": 100.0, "mandible": 110.0},
)
# How far above the upper end of an organ the skull base lies at most, mm.
_ABOVE_MM = (
    {"brainstem": 20.0},
    {"parotid_left": 60.0, "parotid_right": 60.0, "mandible": 60.0},
)
# These go on into the chest, so that nearness to them does not tell the neck.
LONG_ORGANS = ("trachea", "oesophagus", "spinal_cord")
# In 57 planning CTs of OpenKBP's training split no part of a target of 1 ml or more lies further than 27 mm from the
# nearest of seven contoured organs.
_BESIDE_MM = 40.0
_BESIDE_LEAST = 5  # organs that must be outlined before distance from all of them says anything


def outside_neck(focus: Patch, organs: Mapping[str, Patch], geometry: Geometry) -> str | None:
    """Tell where a focus outside the neck lies; empty for a focus in the neck, None where no organ tells.

    Parameters
    ----------
    focus : Patch
        Outline of the focus, on the canonical grid.
    organs : mapping of str to Patch
        Organs by name of `hyoid.anatomy.structures`.
    geometry : Geometry
        Canonical grid.
    """
    near = {name: patch for name, patch in organs.items() if name not in LONG_ORGANS}
    if not near:
        return None
    z = float(centroid_lps_mm(focus, geometry)[2])
    bottom, top = _limit(_BELOW_MM, near, geometry, 0, -1.0), _limit(_ABOVE_MM, near, geometry, 1, 1.0)
    if bottom is not None and z < bottom:
        return "below the neck"
    if top is not None and z > top:
        return "above the skull base"
    if len(near) < _BESIDE_LEAST:
        return ""
    # The nearest boxes first: of a focus in the neck, one organ is enough.
    by_box = sorted(near.values(), key=lambda patch: _apart_mm(focus, patch, geometry))
    if all(distance_mm(focus, patch, geometry) > _BESIDE_MM for patch in by_box):
        return "beside the neck"
    return ""


def _apart_mm(first: Patch, second: Patch, geometry: Geometry) -> float:
    """Distance of the middles of two boxes, mm."""
    ends = [np.array(patch.box.start) + np.array(patch.box.stop) for patch in (first, second)]
    return float(np.linalg.norm((ends[0] - ends[1]) / 2 * np.array(geometry.spacing_mm)))


def _limit(
    rows: tuple[dict[str, float], ...], organs: Mapping[str, Patch], geometry: Geometry, end: int, sign: float
) -> float | None:
    """Height (z, mm) at which the neck ends at the latest; None without a landmark."""
    for row in rows:
        ends = [
            float(extremes_lps_mm(organs[name], geometry)[end][2]) + sign * reach_mm
            for name, reach_mm in row.items()
            if name in organs
        ]
        if ends:
            return float(np.min(ends) if sign < 0 else np.max(ends))
    return None
