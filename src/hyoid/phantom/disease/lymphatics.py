"""How often each nodal level is involved, alone (`data/lymphatics.csv`) and together (`data/nodal_patterns.csv`).

Both are counts of the patients of lyDATA.
"""

from __future__ import annotations

import csv
from functools import lru_cache
from importlib.resources import files

import numpy as np

from hyoid.anatomy.subsites import SUBSITE_BY_NAME

_SITE_OF_REGION = {"Oral Cavity": "oral", "Oropharynx": "oropharynx", "Larynx": "larynx", "Glottis": "larynx"}
_HYPOPHARYNX = ("pyriform_sinus", "post_cricoid_region")
_LATE_MM = 40.0
_UNDIVIDED = {"I": ("Ia", "Ib"), "II": ("IIa", "IIb"), "V": ("Va", "Vb")}


def lymphatic_site(subsite: str) -> str:
    """Name the site under which the cohort counts a sub-site; those outside its four sites go with the oropharynx.

    Examples
    --------
    >>> lymphatic_site("tonsil_left"), lymphatic_site("pyriform_sinus_right"), lymphatic_site("true_vocal_cords")
    ('oropharynx', 'hypopharynx', 'larynx')
    """
    row = SUBSITE_BY_NAME[subsite]
    if row.field in _HYPOPHARYNX:
        return "hypopharynx"
    return _SITE_OF_REGION.get(row.region, "oropharynx")


@lru_cache(maxsize=8)
def involved_levels(site: str) -> dict[tuple[str, bool], float]:
    """Read the share of patients with involvement, by (level, on the side of the primary).

    Half a patient is added to both counts, so that what was never seen in a small group stays possible. Level VII is
    counted in the oropharynx only, and stands for VIIa.

    Parameters
    ----------
    site : {"oral", "oropharynx", "hypopharynx", "larynx"}
        Site of the primary as the cohort counts.
    """
    text = (files("hyoid.phantom") / "data" / "lymphatics.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return {
        ("VIIa" if row["level"] == "VII" else row["level"], row["side"] == "ipsi"): (int(row["involved"]) + 0.5)
        / (int(row["patients"]) + 1)
        for row in rows
        if row["site"] == site
    }


def draw_pattern(site: str, diameter_mm: float, rng: np.random.Generator) -> list[tuple[str, bool]]:
    """Draw the levels involved together in one patient of the cohort, among patients with such a primary.

    Parameters
    ----------
    site : {"oral", "oropharynx", "hypopharynx", "larynx"}
        Site of the primary as the cohort counts.
    diameter_mm : float
        Diameter of the primary: up to 40 mm stands for T1 and T2, above for T3 and T4.

    Returns
    -------
    list of (level, on the side of the primary)
    """
    rows = _patterns(site, "late" if diameter_mm > _LATE_MM else "early")
    counts = np.array([n for _, n in rows])
    levels, _ = rows[int(rng.choice(len(rows), p=counts / counts.sum()))]
    shares = involved_levels(site)
    found = []
    for level, same_side in levels:
        parts = _UNDIVIDED.get(level, (level,))
        weights = np.array([shares.get((part, same_side), 0.0) for part in parts]) + 1e-9
        found.append((parts[int(rng.choice(len(parts), p=weights / weights.sum()))], same_side))
    return found


@lru_cache(maxsize=8)
def _patterns(site: str, stage: str) -> tuple[tuple[tuple[tuple[str, bool], ...], int], ...]:
    """Sets of levels involved together, and how many patients had each."""
    text = (files("hyoid.phantom") / "data" / "nodal_patterns.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return tuple(
        (
            tuple(
                ("VIIa" if level == "VII" else level, side == "ipsi")
                for side in ("ipsi", "contra")
                for level in row[side].split()
            ),
            int(row["patients"]),
        )
        for row in rows
        if (row["site"], row["stage"]) == (site, stage)
    )
