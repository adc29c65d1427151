"""What an outline of a structure can be: ranges of volume, place and shape, learned from contours of patients.

The table is `plausible_ranges.json`, made by `scripts/build_plausible_ranges.py`: contours of real patients where there
are any, else of virtual ones, whose ranges are taken more widely. Tumours are not in the table and never doubted here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

Interval = tuple[float, float]

_TABLE = Path(__file__).with_name("plausible_ranges.json")
REAL, VIRTUAL = "real patients", "virtual patients"
_AXES = ("to the left", "backward", "upward")


@dataclass(frozen=True)
class _Margins:
    """How far beyond what was seen in the patients of the table an outline may lie."""

    volume_factor: float
    offset_mm: float
    fill_factor: float


# Virtual patients vary less than patients do.
_MARGINS = {REAL: _Margins(1.5, 15.0, 1.5), VIRTUAL: _Margins(3.0, 25.0, 2.5)}
# Beyond these an outline is no outline of its structure, whatever else is true of the patient.
_IMPOSSIBLE = _Margins(10.0, 60.0, np.inf)


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
    """Ranges of one structure over patients.

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
    basis : {"real patients", "virtual patients"}
        Whose contours these are.
    """

    patients: int
    volume_ml: Interval
    offset_mm: tuple[Interval, Interval, Interval]
    fill: Interval
    basis: str = REAL


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
            row["basis"],
        )
        for name, row in table.items()
    }


def doubts_about(name: str, facts: OutlineFacts, ranges: Mapping[str, PlausibleRange] | None = None) -> tuple[str, ...]:
    """Say in which respects an outline is outside what its structure can be; nothing for a structure without ranges.

    A range is what was seen in the patients of the table, widened: by half in volume and fill, 15 mm in place; where
    only virtual patients were seen threefold in volume, two and a half times in fill, 25 mm in place. Of an outline
    that ends with the scan only a volume beyond the greatest is doubted.

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
    return _outside(facts, row, _MARGINS[row.basis], "plausible" if row.basis == REAL else "usual in virtual patients")


def impossible_about(
    name: str, facts: OutlineFacts, ranges: Mapping[str, PlausibleRange] | None = None
) -> tuple[str, ...]:
    """Say why an outline cannot be its structure at all, so that it is left out; nothing where it may be one.

    That takes a tenth of the least volume seen or ten times the greatest, or a place more than 60 mm beyond every place
    seen; never an outline that ends with the scan.

    Parameters
    ----------
    name : str
        Of the structure, as in `hyoid.anatomy.structures`.
    facts : OutlineFacts
        What was measured of the outline; without `offset_mm` place is not judged.
    ranges : mapping of str to PlausibleRange, optional
        By default the table.

    Examples
    --------
    >>> row = PlausibleRange(24, (10.0, 40.0), ((-5, 5), (-5, 5), (-5, 5)), (0.2, 0.6))
    >>> impossible_about("x", OutlineFacts(0.5, (0, 0, 0), 0.4), {"x": row})
    ('volume 0.5 ml, possible are 1.0 to 400.0 ml',)
    >>> impossible_about("x", OutlineFacts(1.9, (0, 0, 26), 0.1), {"x": row})
    ()
    """
    row = (plausible_ranges() if ranges is None else ranges).get(name)
    return () if row is None or facts.cut else _outside(facts, row, _IMPOSSIBLE, "possible")


def _outside(facts: OutlineFacts, row: PlausibleRange, margins: _Margins, word: str = "plausible") -> tuple[str, ...]:
    """Respects in which an outline lies outside a range with these margins."""
    found = []
    low, high = row.volume_ml[0] / margins.volume_factor, row.volume_ml[1] * margins.volume_factor
    if facts.volume_ml > high or (facts.volume_ml < low and not facts.cut):
        broken = low if facts.volume_ml < low else high
        # As many digits as show that the limit is passed.
        digits = next(d for d in (1, 2, 3, 6) if d == 6 or f"{facts.volume_ml:.{d}f}" != f"{broken:.{d}f}")
        found.append(f"volume {facts.volume_ml:.{digits}f} ml, {word} are {low:.{digits}f} to {high:.{digits}f} ml")
    if facts.cut:
        return tuple(found)
    for way, offset, (least, greatest) in zip(_AXES, facts.offset_mm or (), row.offset_mm, strict=False):
        if not least - margins.offset_mm <= offset <= greatest + margins.offset_mm:
            span = f"{least - margins.offset_mm:.0f} to {greatest + margins.offset_mm:.0f} mm"
            found.append(f"place {offset:.0f} mm {way} of the mandible, {word} are {span}")
    least, greatest = row.fill[0] / margins.fill_factor, min(1.0, row.fill[1] * margins.fill_factor)
    if not least <= facts.fill <= greatest:
        found.append(f"shape: fills {facts.fill:.0%} of its box, {word} are {least:.0%} to {greatest:.0%}")
    return tuple(found)
