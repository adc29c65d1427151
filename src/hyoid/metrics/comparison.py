"""How sure a number is, and whether two systems differ: bootstrap over patients, paired bootstrap, Wilcoxon.

Every pooled number of an evaluation is a ratio of sums over patients: a mean is sum(value) / sum(1), the aggregated
Dice sum(2 TP) / sum(V_G + V_P), a set-level F1 sum(2 TP) / sum(2 TP + FP + FN). Patients are drawn, never voxels or
lesions, and a patient's cases are drawn together.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import wilcoxon

from hyoid.errors import InputRefusedError

DRAWS = 2000
"""Bootstrap samples: enough for the second digit of a 95 % limit."""


@dataclass(frozen=True, eq=False)
class Ratio:
    """A number that is a ratio of sums over cases.

    Parameters
    ----------
    numerators, denominators : ndarray of float, shape (n cases,)
        A case that does not take part has 0 in both.
    """

    numerators: np.ndarray
    denominators: np.ndarray

    @classmethod
    def mean_of(cls, values: Sequence[float | None]) -> Ratio:
        """Mean of the values that are not None."""
        taken = np.array([value is not None for value in values], dtype=np.float64)
        return cls(np.array([0.0 if value is None else value for value in values]), taken)

    @property
    def value(self) -> float | None:
        """Sum over sum; None when nothing takes part."""
        total = float(self.denominators.sum())
        return float(self.numerators.sum()) / total if total else None


@dataclass(frozen=True)
class Interval:
    """Percentile limits of a bootstrap.

    Parameters
    ----------
    low, high : float
        Limits of the interval.
    level : float
        Share of the draws between the limits, for example 0.95.
    """

    low: float
    high: float
    level: float = 0.95


@dataclass(frozen=True)
class PairedDifference:
    """System A minus system B on the same patients.

    Parameters
    ----------
    difference : float
        First system less the second.
    interval : Interval or None
        Limits of the difference; None where too few patients take part.
    p_bootstrap : float or None
        Two-sided: twice the smaller share of draws on one side of 0, at least 1 / (draws + 1).
    """

    difference: float
    interval: Interval | None
    p_bootstrap: float | None


def bootstrap_interval(
    ratios: Sequence[Ratio],
    rng: np.random.Generator,
    *,
    patients: Sequence[Hashable] | None = None,
    draws: int = DRAWS,
    level: float = 0.95,
) -> Interval | None:
    """Compute the limits of the mean of one or more ratios over patients drawn with replacement; None for fewer than
    two patients.

    Parameters
    ----------
    ratios : sequence of Ratio
        Over the same cases. Several are averaged, as the mean over classes of a challenge.
    rng : numpy.random.Generator
        Source of the random draws: the same generator gives the same result.
    patients : sequence, optional
        Patient of each case; by default every case is a patient of its own.
    draws : int
        Number of bootstrap samples.
    level : float
        Share of the draws between the limits.

    Notes
    -----
    Percentile bootstrap (Efron 1979). A draw in which a ratio is undefined is left out.
    """
    weights = _weights(len(ratios[0].numerators), rng, patients, draws)
    if weights is None:
        return None
    return _limits(_mean_over_draws(ratios, weights), level)


def paired_difference(
    a: Sequence[Ratio],
    b: Sequence[Ratio],
    rng: np.random.Generator,
    *,
    patients: Sequence[Hashable] | None = None,
    draws: int = DRAWS,
    level: float = 0.95,
) -> PairedDifference | None:
    """Compute the difference of two systems with limits: both are scored on the same drawn patients. None when
    undefined.

    Parameters
    ----------
    a, b : sequence of Ratio
        Over the same cases in the same order.
    rng : numpy.random.Generator
        Source of the random draws: the same generator gives the same result.
    patients, draws, level
        As `bootstrap_interval`.
    """
    values_a, values_b = [ratio.value for ratio in a], [ratio.value for ratio in b]
    if any(value is None for value in (*values_a, *values_b)):
        return None
    difference = float(np.mean(np.array(values_a, float)) - np.mean(np.array(values_b, float)))
    weights = _weights(len(a[0].numerators), rng, patients, draws)
    if weights is None:
        return PairedDifference(difference, None, None)
    drawn = _mean_over_draws(a, weights) - _mean_over_draws(b, weights)
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return PairedDifference(difference, None, None)
    tail = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    return PairedDifference(difference, _limits(drawn, level), min(1.0, 2 * (tail + 1) / (len(drawn) + 1)))


def bootstrap_statistic(
    statistic: Callable[[np.ndarray], float | None],
    n_patients: int,
    rng: np.random.Generator,
    *,
    draws: int = DRAWS,
    level: float = 0.95,
) -> Interval | None:
    """Compute the limits of a statistic that is no ratio of sums, such as average precision.

    Parameters
    ----------
    statistic : callable
        Given the indices of the drawn patients, the number, or None when undefined there.
    n_patients : int
        Number of patients that are drawn from.
    rng : numpy.random.Generator
        Source of the random draws: the same generator gives the same result.
    draws, level
        As `bootstrap_interval`.
    """
    if n_patients < 2:
        return None
    values = [statistic(rng.integers(0, n_patients, n_patients)) for _ in range(draws)]
    return _limits(np.array([np.nan if value is None else value for value in values]), level)


def wilcoxon_p(a: ArrayLike, b: ArrayLike) -> float:
    """Test paired values by Wilcoxon's signed ranks, two-sided; 1 when no pair differs.

    Parameters
    ----------
    a, b : array_like, shape (n,)
        Values of two systems on the same patients.

    Raises
    ------
    InputRefusedError
        When lengths differ or a value is not finite.

    Notes
    -----
    Pairs without a difference are dropped (Wilcoxon 1945). Exact for up to 50 pairs without ties, else the normal
    approximation, as scipy chooses.

    Examples
    --------
    >>> wilcoxon_p([1, 2, 3, 4, 5], [0, 0, 0, 0, 0])
    0.0625
    """
    first, second = np.asarray(a, np.float64).ravel(), np.asarray(b, np.float64).ravel()
    if first.shape != second.shape or not np.all(np.isfinite(first) & np.isfinite(second)):
        raise InputRefusedError(
            "A paired test needs finite values in pairs.", "Leave out what is not measured in both."
        )
    difference = first - second
    difference = difference[difference != 0]
    return float(wilcoxon(difference).pvalue) if len(difference) else 1.0


def _weights(
    n_cases: int, rng: np.random.Generator, patients: Sequence[Hashable] | None, draws: int
) -> np.ndarray | None:
    """How often each case is drawn, shape (draws, n_cases)."""
    groups = list(range(n_cases)) if patients is None else list(patients)
    names = list(dict.fromkeys(groups))
    if len(names) < 2:
        return None
    counts = rng.multinomial(len(names), np.full(len(names), 1.0 / len(names)), size=draws)
    position = {name: index for index, name in enumerate(names)}
    return counts[:, [position[group] for group in groups]].astype(np.float64)


def _mean_over_draws(ratios: Sequence[Ratio], weights: np.ndarray) -> np.ndarray:
    """Mean of the ratios in every draw; NaN where one is undefined."""
    values = []
    for ratio in ratios:
        total = weights @ ratio.denominators
        values.append(np.divide(weights @ ratio.numerators, total, out=np.full(len(total), np.nan), where=total > 0))
    return np.mean(values, axis=0)


def _limits(values: np.ndarray, level: float) -> Interval | None:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    low, high = np.percentile(finite, [50 * (1 - level), 50 * (1 + level)])
    return Interval(float(low), float(high), level)
