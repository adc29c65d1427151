"""What an outline of a structure can be: ranges of volume, place and shape, learned from contours of real patients.

The table is `plausible_ranges.json`, made by `scripts/build_plausible_ranges.py`. A structure without real contours is
not in the table and is never doubted here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

Interval = tuple[float, float]

_TABLE = Path(__file__).with_name("plausible_ranges.json")
# Margins beyond what was seen in the patients of the table.
_VOLUME_FACTOR, _OFFSET_MM, _FILL_FACTOR = 1.5, 15.0, 1.5
_AXES = ("to the left", "backward", "upward")


@dataclass(frozen=True)
class OutlineFacts:
    """What is measured of an outline.

    Parameters
    ----------
    volume_ml : float
        Volume, mL.
    offset_mm : tuple of float, optional
        From the centroid of the mandible to that of the outline, (x, y, z) in LPS, mm: left, backward, upward. None
        where the mandible is not outlined.
    fill : float
        Share of the box around the outline that it fills, 0 to 1.
    cut : bool
        The outline ends where the scan ends, so that it may be a part of the structure.
    """

    volume_ml: float
    offset_mm: tuple[float, float, float] | None
    fill: float
    cut: bool = False


@dataclass(frozen=True)
class PlausibleRange:
    """Ranges of one structure over patients with real contours.

    Parameters
    ----------
    patients : int
        How many patients the ranges rest on.
    volume_ml : (least, greatest)
        Volume, mL.
    offset_mm : three of (least, greatest)
        See `OutlineFacts`, mm.
    fill : (least, greatest)
        See `OutlineFacts`, 0 to 1.
    """

    patients: int
    volume_ml: Interval
    offset_mm: tuple[Interval, Interval, Interval]
    fill: Interval


@lru_cache(maxsize=1)
def plausible_ranges() -> Mapping[str, PlausibleRange]:
    """Read the ranges by name of the structure."""
    table = json.loads(_TABLE.read_text(encoding="utf-8"))["structures"]
    return {
        name: PlausibleRange(
            row["patients"],
            tuple(row["volume_ml"]),
            tuple(tuple(pair) for pair in row["offset_mm"]),  # type: ignore[arg-type]
            tuple(row["fill"]),
        )
        for name, row in table.items()
    }


def doubts_about(name: str, facts: OutlineFacts, ranges: Mapping[str, PlausibleRange] | None = None) -> tuple[str, ...]:
    """Say in which respects an outline is outside what its structure can be; nothing for a structure without ranges.

    A range is what was seen in the patients of the table, widened: by half in volume and fill, 15 mm in place. Of an
    outline that ends with the scan only a volume beyond the greatest is doubted.

    Parameters
    ----------
    name : str
        Of the structure, as in `hyoid.anatomy.structures`.
    facts : OutlineFacts
        What was measured of the outline.
    ranges : mapping of str to PlausibleRange, optional
        By default the table.

    Examples
    --------
    >>> row = PlausibleRange(24, (10.0, 40.0), ((-5, 5), (-5, 5), (-5, 5)), (0.2, 0.6))
    >>> doubts_about("x", OutlineFacts(1.9, (0, 0, 0), 0.4), {"x": row})
    ('volume 1.9 ml, plausible are 6.7 to 60.0 ml',)
    >>> doubts_about("x", OutlineFacts(20.0, (0, 0, 26), 0.4), {"x": row})
    ('place 26 mm upward of the mandible, plausible are -20 to 20 mm',)
    """
    row = (plausible_ranges() if ranges is None else ranges).get(name)
    if row is None:
        return ()
    found = []
    low, high = row.volume_ml[0] / _VOLUME_FACTOR, row.volume_ml[1] * _VOLUME_FACTOR
    if facts.volume_ml > high or (facts.volume_ml < low and not facts.cut):
        found.append(f"volume {facts.volume_ml:.1f} ml, plausible are {low:.1f} to {high:.1f} ml")
    if facts.cut:
        return tuple(found)
    for way, offset, (least, greatest) in zip(_AXES, facts.offset_mm or (), row.offset_mm, strict=False):
        if not least - _OFFSET_MM <= offset <= greatest + _OFFSET_MM:
            span = f"{least - _OFFSET_MM:.0f} to {greatest + _OFFSET_MM:.0f} mm"
            found.append(f"place {offset:.0f} mm {way} of the mandible, plausible are {span}")
    least, greatest = row.fill[0] / _FILL_FACTOR, min(1.0, row.fill[1] * _FILL_FACTOR)
    if not least <= facts.fill <= greatest:
        found.append(f"shape: fills {facts.fill:.0%} of its box, plausible are {least:.0%} to {greatest:.0%}")
    return tuple(found)
