"""Nodal levels of the neck, one row each.

Names follow the consensus atlas of Gregoire et al. 2014 (DOI 10.1016/j.radonc.2013.10.010).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Level:
    """One nodal level.

    Parameters
    ----------
    name : str
        As a reader writes it, e.g. "IIa".
    words : str
        The anatomical name of the group.
    coarse : str
        Level without its subdivision, as cohorts often report it.
    """

    name: str
    words: str
    coarse: str


LEVELS: tuple[Level, ...] = (
    Level("Ia", "submental", "I"),
    Level("Ib", "submandibular", "I"),
    Level("IIa", "upper jugular, before or at the internal jugular vein", "II"),
    Level("IIb", "upper jugular, behind the internal jugular vein", "II"),
    Level("III", "middle jugular", "III"),
    Level("IV", "lower jugular", "IV"),
    Level("Va", "upper posterior triangle", "V"),
    Level("Vb", "lower posterior triangle", "V"),
    Level("VI", "anterior compartment", "VI"),
    Level("VIIa", "retropharyngeal", "VII"),
    Level("VIIb", "retrostyloid", "VII"),
)
