"""How often each nodal level is involved, from the patients of lyDATA (`data/lymphatics.csv`)."""

from __future__ import annotations

import csv
from functools import lru_cache
from importlib.resources import files

from hyoid.anatomy.subsites import SUBSITE_BY_NAME

_SITE_OF_REGION = {"Oral Cavity": "oral", "Oropharynx": "oropharynx", "Larynx": "larynx", "Glottis": "larynx"}
_HYPOPHARYNX = ("pyriform_sinus", "post_cricoid_region")


def lymphatic_site(subsite: str) -> str:
    """Site under which the cohort counts a sub-site; those outside its four sites go with the oropharynx.

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
    """Share of patients with involvement, by (level, on the side of the primary).

    Half a patient is added to both counts, so that what was never seen in a small group stays possible. Level VII is
    counted in the oropharynx only, and stands for VIIa.

    Parameters
    ----------
    site : {"oral", "oropharynx", "hypopharynx", "larynx"}
    """
    text = (files("hyoid.phantom") / "data" / "lymphatics.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return {
        ("VIIa" if row["level"] == "VII" else row["level"], row["side"] == "ipsi"): (int(row["involved"]) + 0.5)
        / (int(row["patients"]) + 1)
        for row in rows
        if row["site"] == site
    }
