"""Whether a probability means what it says, and how to make it so.

Expected calibration error, Brier score and reliability table measure; temperature, threshold and the band of doubt are
fitted on patients that the classifier was not trained on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

from hyoid.errors import InputRefusedError


@dataclass(frozen=True)
class ReliabilityBin:
    """Patients whose probability fell between two limits.

    Parameters
    ----------
    low, high : float
        low < probability <= high; the first bin includes 0.
    n : int
        Number of patients in the bin.
    mean_probability, observed : float
        What was promised and the share that was positive.
    """

    low: float
    high: float
    n: int
    mean_probability: float
    observed: float


def reliability(reference: ArrayLike, probabilities: ArrayLike, *, n_bins: int = 10) -> tuple[ReliabilityBin, ...]:
    """Compare promised with observed frequency in bins of equal width; bins without a patient are left out.

    Parameters
    ----------
    reference : array_like of bool, shape (n,)
        Whether each patient truly has the label.
    probabilities : array_like of float, shape (n,)
        Promised probability of each patient, 0 to 1.
    n_bins : int
        Number of bins of equal width.

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
    """Compute the mean gap between promised and observed frequency, weighted by patients; None without patients.

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
    """Compute the mean squared difference between probability and outcome; None without patients.

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


def fit_temperature(reference: ArrayLike, probabilities: ArrayLike) -> float:
    """Fit the temperature T at which sigmoid(logit(p) / T) has the smallest log loss; above 1 the classifier was too
    sure.

    Parameters
    ----------
    reference : array_like of 0 and 1
        Whether each patient truly has the label.
    probabilities : array_like
        Of patients that the classifier was not trained on.

    Notes
    -----
    Guo et al., On calibration of modern neural networks, ICML 2017. Searched between 0.05 and 20.

    Raises
    ------
    InputRefusedError
        As `reliability`.

    Examples
    --------
    Promised 0.9, seen in three of four, logit 2.197 against 1.099:

    >>> round(fit_temperature([1, 1, 1, 0], [0.9, 0.9, 0.9, 0.9]), 3)
    2.0
    """
    positive, probability = _checked(reference, probabilities)

    def loss(log_t: float) -> float:
        p = np.clip(scaled(probability, float(np.exp(log_t))), 1e-12, 1 - 1e-12)
        return float(-np.mean(positive * np.log(p) + (1 - positive) * np.log(1 - p)))

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def scaled(probabilities: ArrayLike, temperature: float) -> np.ndarray:
    """Divide the logits of probabilities by a temperature; 0.5 stays 0.5.

    Examples
    --------
    >>> scaled([0.5, 0.9], 2.0).round(2).tolist()
    [0.5, 0.75]
    """
    return expit(logit(np.asarray(probabilities, np.float64)) / temperature)


def best_f1_threshold(reference: ArrayLike, probabilities: ArrayLike) -> float:
    """Compute the threshold, half-way between two patients, at or above which "yes" has the best F1; the highest such
    one.

    Raises
    ------
    InputRefusedError
        As `reliability`.

    Examples
    --------
    >>> best_f1_threshold([0, 0, 1, 1], [0.1, 0.4, 0.6, 0.9])
    0.5
    """
    positive, probability = _checked(reference, probabilities)
    values = np.unique(probability)
    cuts = np.concatenate([[values[0]], (values[1:] + values[:-1]) / 2])
    f1 = [2 * (positive * (probability >= c)).sum() / ((probability >= c).sum() + positive.sum()) for c in cuts]
    return float(cuts[len(cuts) - 1 - int(np.argmax(f1[::-1]))])


def band_of_doubt(probabilities: ArrayLike, threshold: float, share: float) -> tuple[float, float]:
    """Compute the limits of the band that holds the given share of patients, those whose logit is nearest to the
    threshold's.

    Examples
    --------
    >>> band_of_doubt([0.1, 0.45, 0.55, 0.9], 0.5, 0.5)
    (0.45, 0.55)
    """
    probability = np.asarray(probabilities, np.float64)
    away = np.abs(logit(probability) - logit(threshold))
    nearest = probability[np.argsort(away, kind="stable")[: round(share * len(probability))]]
    return float(min(nearest.min(initial=threshold), threshold)), float(max(nearest.max(initial=threshold), threshold))


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
