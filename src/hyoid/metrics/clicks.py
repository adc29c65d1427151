"""How much a reader's clicks buy: number of clicks to a target, area under Dice over clicks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hyoid.errors import InputRefusedError

MAX_CLICKS = 10
"""Clicks that a case may take before it counts as failed."""


@dataclass(frozen=True)
class NumberOfClicks:
    """Clicks needed over a set of cases.

    Parameters
    ----------
    mean : float or None
        Failed cases counted with the largest number of clicks; None without cases.
    failures : int
        Cases that never reached the target.
    n : int
        Number of lesions.
    """

    mean: float | None
    failures: int
    n: int


def clicks_to_reach(dice_per_click: Sequence[float], target: float, *, max_clicks: int = MAX_CLICKS) -> int | None:
    """Find the first click after which Dice is at least the target; None when no click reached it.

    Parameters
    ----------
    dice_per_click : sequence of float
        Dice after click 1, 2, ...; what comes after `max_clicks` is not looked at.
    target : float
        Dice to reach, 0 to 1.
    max_clicks : int
        Count of a lesion that never reaches the target.

    Raises
    ------
    InputRefusedError
        When a Dice is not a number from 0 to 1.

    Examples
    --------
    >>> clicks_to_reach([0.5, 0.8, 0.9], 0.8)
    2
    """
    values = _checked(dice_per_click)
    reached = np.flatnonzero(values[:max_clicks] >= target)
    return int(reached[0]) + 1 if len(reached) else None


def number_of_clicks(
    cases: Sequence[Sequence[float]], target: float, *, max_clicks: int = MAX_CLICKS
) -> NumberOfClicks:
    """Compute NoC@target over cases: a case that never reaches it counts with `max_clicks` and is listed as a failure.

    Examples
    --------
    >>> number_of_clicks([[0.9], [0.1, 0.2]], 0.85)
    NumberOfClicks(mean=5.5, failures=1, n=2)
    """
    needed = [clicks_to_reach(case, target, max_clicks=max_clicks) for case in cases]
    failures = sum(n is None for n in needed)
    mean = sum(max_clicks if n is None else n for n in needed) / len(needed) if needed else None
    return NumberOfClicks(mean, failures, len(needed))


def click_area(dice_per_click: Sequence[float]) -> float:
    """Compute the trapezoid area of Dice over clicks, in clicks (not normalised).

    Raises
    ------
    InputRefusedError
        When there are fewer than two clicks, or a Dice is not a number from 0 to 1.
    """
    values = _checked(dice_per_click)
    if len(values) < 2:
        raise InputRefusedError(
            f"An area over clicks needs at least two of them, not {len(values)}.", "Simulate more clicks."
        )
    return float(((values[1:] + values[:-1]) / 2).sum())


def normalised_click_area(dice_per_click: Sequence[float]) -> float:
    """Compute the trapezoid area of Dice over clicks divided by the number of intervals, 0..1.

    Raises
    ------
    InputRefusedError
        As `click_area`.

    Examples
    --------
    >>> normalised_click_area([0.0, 1.0, 1.0])
    0.75
    """
    return click_area(dice_per_click) / (len(dice_per_click) - 1)


def _checked(dice_per_click: Sequence[float]) -> np.ndarray:
    values = np.asarray(dice_per_click, dtype=np.float64)
    if values.ndim != 1 or not np.all((values >= 0) & (values <= 1)):
        raise InputRefusedError("Dice after every click must be a list of numbers from 0 to 1.", "Check the curve.")
    return values
