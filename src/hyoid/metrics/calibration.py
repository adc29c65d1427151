"""Whether a probability means what it says: expected calibration error, Brier score, reliability table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from hyoid.errors import InputRefusedError


@dataclass(frozen=True)
class ReliabilityBin:
    """Patients whose probability fell between two limits.

    Parameters
    ----------
    low, high : float
        low < probability <= high; the first bin includes 0.
    n : int
    mean_probability, observed : float
        What was promised and the share that was positive.
    """

    low: float
    high: float
    n: int
    mean_probability: float
    observed: float


def reliability(reference: ArrayLike, probabilities: ArrayLike, *, n_bins: int = 10) -> tuple[ReliabilityBin, ...]:
    """Promised against observed frequency in bins of equal width; bins without a patient are left out.

    Parameters
    ----------
    reference : array_like of bool, shape (n,)
    probabilities : array_like of float, shape (n,)
    n_bins : int

    Raises
    ------
    InputRefusedError
        When lengths differ or a probability is outside 0..1.

    Examples
    --------
    >>> [(b.n, b.observed) for b in reliability([0, 1, 1, 1], [0.1, 0.1, 0.9, 1.0], n_bins=2)]
    [(2, 0.5), (2, 1.0)]
    """
    positive, probability = _checked(reference, probabilities)
    edges = np.linspace(0.0, 1.0, n_bins + 1)
    which = np.clip(np.searchsorted(edges, probability, side="left") - 1, 0, n_bins - 1)
    bins = []
    for index in range(n_bins):
        inside = which == index
        if inside.any():
            low, high = float(edges[index]), float(edges[index + 1])
            promised, observed = float(probability[inside].mean()), float(positive[inside].mean())
            bins.append(ReliabilityBin(low, high, int(inside.sum()), promised, observed))
    return tuple(bins)


def expected_calibration_error(reference: ArrayLike, probabilities: ArrayLike, *, n_bins: int = 10) -> float | None:
    """Mean gap between promised and observed frequency, weighted by patients; None without patients.

    Raises
    ------
    InputRefusedError
        As `reliability`.

    Notes
    -----
    ECE = sum_b n_b / n |observed_b - promised_b| (Naeini et al. 2015), of the positive class, bins of equal width.

    Examples
    --------
    >>> round(expected_calibration_error([0, 1, 1, 1], [0.1, 0.1, 0.9, 0.9], n_bins=2), 6)
    0.25
    """
    bins = reliability(reference, probabilities, n_bins=n_bins)
    n = sum(b.n for b in bins)
    return sum(b.n * abs(b.observed - b.mean_probability) for b in bins) / n if n else None


def brier_score(reference: ArrayLike, probabilities: ArrayLike) -> float | None:
    """Mean squared difference between probability and outcome; None without patients.

    Raises
    ------
    InputRefusedError
        As `reliability`.

    Examples
    --------
    >>> brier_score([1, 0], [0.5, 0.5])
    0.25
    """
    positive, probability = _checked(reference, probabilities)
    return float(np.mean((probability - positive) ** 2)) if len(positive) else None


def _checked(reference: ArrayLike, probabilities: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    truth, probability = np.asarray(reference, np.float64).ravel(), np.asarray(probabilities, np.float64).ravel()
    if truth.shape != probability.shape:
        raise InputRefusedError(
            f"{len(truth)} reference values and {len(probability)} probabilities do not pair up.",
            "Give both for the same patients in the same order.",
        )
    if not np.isin(truth, (0, 1)).all():
        raise InputRefusedError("A reference value is neither 0 nor 1.", "Code absent as 0 and present as 1.")
    if not np.all((probability >= 0) & (probability <= 1)):
        raise InputRefusedError(
            "A probability lies outside 0..1 or is not a number.", "Give probabilities, not logits."
        )
    return truth, probability
