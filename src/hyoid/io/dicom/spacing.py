"""Even steps between slices: found, found rounded by the scanner, or not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyoid.io.dicom import headers
from hyoid.io.dicom.slice import Slice, normal_of

# A step between slices may differ from the median by this fraction: positions are often rounded to 0.1 mm.
STEP_TOLERANCE = 0.05
# Rounding to this share of a step shows by itself; above, the header must state the step.
_SHOWS_ITSELF, _NEEDS_STATEMENT = 0.2, 0.5


@dataclass(frozen=True)
class EvenSteps:
    """Evenly spaced slice positions that explain rounded ones.

    Parameters
    ----------
    start_mm : float
        Position of the first slice along the normal.
    step_mm : float
        Distance between neighbouring slices.
    rounded_to_mm : float
        Unit to which the scanner rounded the positions.
    """

    start_mm: float
    step_mm: float
    rounded_to_mm: float

    def __str__(self) -> str:
        return (
            f"The scanner rounded the slice positions to {self.rounded_to_mm:g} mm; they are those of even steps of "
            f"{self.step_mm:.4g} mm, and were read so."
        )


def irregularity(pieces: Sequence[Slice], steps_mm: NDArray[np.float64]) -> str:
    """Describe what is irregular about the steps between sorted slices, '' when nothing is.

    Parameters
    ----------
    pieces : sequence of Slice, by position
        Slices of one series, ascending along the normal.
    steps_mm : ndarray, shape (n - 1,)
        Differences of the slices' positions along the normal.
    """
    if not len(steps_mm):
        return ""
    usual = float(np.median(steps_mm))
    odd = np.flatnonzero(np.abs(steps_mm - usual) > STEP_TOLERANCE * usual)
    ratios = steps_mm[odd] / usual
    if len(odd) and np.all(np.abs(ratios - np.round(ratios)) < 0.1) and np.all(ratios > 1.5):
        gaps = "; ".join(
            f"{round(r) - 1} between {pieces[i].name} and {pieces[i + 1].name}"
            for i, r in zip(odd[:5], ratios[:5], strict=True)
        )
        more = f"; and {len(odd) - 5} more gaps" if len(odd) > 5 else ""
        return f"{int(np.round(ratios - 1).sum())} slice(s) are missing: {gaps}{more} (usual step {usual:.3f} mm)."
    if not len(odd):
        even = np.linspace(pieces[0].position_mm, pieces[-1].position_mm, len(pieces))
        off = np.abs([p.position_mm for p in pieces] - even)
        if off.max() <= 0.5 * usual:
            return ""
        odd = np.array([int(np.argmax(off)) - 1])
    first = pieces[odd[0]].name, pieces[odd[0] + 1].name
    return (
        f"The slices are unevenly spaced: steps of {steps_mm.min():.3f} to {steps_mm.max():.3f} mm, first between "
        f"{first[0]} and {first[1]} (usual step {usual:.3f} mm)."
    )


def even_behind_rounding(pieces: Sequence[Slice]) -> EvenSteps | None:
    """Find even steps from which every position differs by rounding alone; None where there are no such steps.

    Scanners write 100.0, 101.3, 102.5, 103.8 for steps of 1.25 mm. Positions count as rounded when all have at most so
    many decimals that half of the last one explains every difference.

    Parameters
    ----------
    pieces : sequence of Slice, by position
        Slices of one series, ascending along the normal.
    """
    origins = np.array([p.origin_lps_mm for p in pieces])
    normal = normal_of(pieces[0].orientation)
    along = np.abs(normal) > 1e-3
    unit = next((10.0**-d for d in range(4) if _are_multiples(origins[:, along], 10.0**-d)), None)
    if unit is None or len(pieces) < 3:
        return None
    index, positions = np.arange(len(pieces)), np.array([p.position_mm for p in pieces])
    allowed = unit / 2 * float(np.abs(normal[along]).sum()) * 1.001 + 1e-6
    stated = [s for s in map(_stated_step, ("SpacingBetweenSlices", "SliceThickness"), [pieces[0]] * 2) if s]
    fitted = [float(np.polyfit(index, positions, 1)[0]), float(np.ptp(positions)) / (len(pieces) - 1)]
    for step, is_stated in [*((s, True) for s in stated), *((s, False) for s in fitted)]:
        off = positions - step * index
        if np.ptp(off) / 2 <= allowed and unit <= step * (_NEEDS_STATEMENT if is_stated else _SHOWS_ITSELF):
            return EvenSteps(float(off.max() + off.min()) / 2, step, unit)
    return None


def _stated_step(keyword: str, piece: Slice) -> float | None:
    found = headers.numbers(piece.header, keyword, 1)
    return None if found is None or found[0] == 0 else abs(float(found[0]))


def _are_multiples(values: NDArray[np.float64], unit: float) -> bool:
    return bool(np.abs(values / unit - np.rint(values / unit)).max() < 1e-5)
