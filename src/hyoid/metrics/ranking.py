"""How well scores order patients, and how often decisions are right: average precision, AUROC, accuracies.

A number that the data cannot define (a label without a positive, a class that never occurs) is None, never 0.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from hyoid.errors import InputRefusedError


@dataclass(frozen=True)
class MeanAveragePrecision:
    """Average precision per label and its mean over the labels that have a positive.

    Parameters
    ----------
    mean : float or None
        None when no label has a positive.
    per_label : tuple of (float or None)
        Average precision of each label; None where no patient has it.
    prevalence : tuple of float
        Share of positives per label: the average precision of a score that knows nothing.
    """

    mean: float | None
    per_label: tuple[float | None, ...]
    prevalence: tuple[float, ...]


def average_precision(reference: ArrayLike, scores: ArrayLike) -> float | None:
    """Compute the area under precision over recall, as steps; None when there is no positive.

    Parameters
    ----------
    reference : array_like of bool, shape (n,)
        Whether each patient truly has the label.
    scores : array_like of float, shape (n,)
        Larger means more likely positive.

    Raises
    ------
    InputRefusedError
        When lengths differ, a score is not finite, or a reference is not 0 or 1.

    Notes
    -----
    AP = sum (R_n - R_{n-1}) P_n over distinct thresholds, descending. Equal scores are one threshold, so that the order
    of the patients cannot matter.

    Examples
    --------
    >>> round(average_precision([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1]), 6)
    0.833333
    >>> average_precision([1, 0, 0, 0], [0.5, 0.5, 0.5, 0.5])
    0.25
    """
    positive, score = _checked(reference, scores)
    if not positive.any():
        return None
    order = np.argsort(-score, kind="stable")
    positive, score = positive[order], score[order]
    last_of_threshold = np.flatnonzero(np.append(np.diff(score) != 0, True))
    hits = np.cumsum(positive)[last_of_threshold]
    precision = hits / (last_of_threshold + 1)
    recall_gain = np.diff(hits, prepend=0) / positive.sum()
    return float(np.sum(recall_gain * precision))


def mean_average_precision(reference: ArrayLike, scores: ArrayLike) -> MeanAveragePrecision:
    """Average precision of every label and their mean.

    Parameters
    ----------
    reference : array_like of float, shape (n, labels)
        1, 0, or NaN where the label of a patient is unknown; such a patient is left out for that label.
    scores : array_like of float, shape (n, labels)
        Score of each patient and label; higher means more likely.

    Raises
    ------
    InputRefusedError
        As `average_precision`, and when the shapes are not (n, labels).

    Examples
    --------
    The second label has no positive, so it does not take part:

    >>> mean_average_precision([[1, 0], [0, 0]], [[0.9, 0.4], [0.2, 0.5]])
    MeanAveragePrecision(mean=1.0, per_label=(1.0, None), prevalence=(0.5, 0.0))
    """
    truth, score = np.asarray(reference, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    if truth.ndim != 2 or truth.shape != score.shape:
        raise InputRefusedError(
            f"Reference {truth.shape} and scores {score.shape} are not two tables (patients, labels).",
            "Give one row per patient and one column per label in both.",
        )
    per_label, prevalence = [], []
    for label in range(truth.shape[1]):
        known = ~np.isnan(truth[:, label])
        per_label.append(average_precision(truth[known, label], score[known, label]))
        prevalence.append(float(truth[known, label].mean()) if known.any() else 0.0)
    defined = [ap for ap in per_label if ap is not None]
    return MeanAveragePrecision(float(np.mean(defined)) if defined else None, tuple(per_label), tuple(prevalence))


def auroc(reference: ArrayLike, scores: ArrayLike) -> float | None:
    """Compute the chance that a positive scores above a negative, ties counting half; None when either is absent.

    Parameters
    ----------
    reference : array_like of bool, shape (n,)
        Whether each patient truly has the label.
    scores : array_like of float, shape (n,)
        Score of each patient; higher means more likely.

    Raises
    ------
    InputRefusedError
        As `average_precision`.

    Examples
    --------
    >>> auroc([1, 1, 0, 0], [0.9, 0.4, 0.4, 0.1])
    0.875
    """
    positive, score = _checked(reference, scores)
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    if not n_positive or not n_negative:
        return None
    rank_sum = rankdata(score)[positive].sum()
    return float((rank_sum - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def accuracy(reference: Sequence[Hashable], prediction: Sequence[Hashable]) -> float | None:
    """Compute the share of equal answers; None without any.

    Raises
    ------
    InputRefusedError
        When the lengths differ.
    """
    _same_length(reference, prediction)
    right = [r == p for r, p in zip(reference, prediction, strict=True)]
    return sum(right) / len(right) if right else None


def majority_accuracy(reference: Sequence[Hashable]) -> float | None:
    """Compute the accuracy of always answering the most frequent class: the number that an accuracy has to beat.

    Examples
    --------
    >>> majority_accuracy(["smooth", "smooth", "rough"])
    0.6666666666666666
    """
    if not reference:
        return None
    return max(list(reference).count(value) for value in set(reference)) / len(reference)


def balanced_accuracy(reference: Sequence[Hashable], prediction: Sequence[Hashable]) -> float | None:
    """Compute the mean over the classes that occur in the reference of the share answered right; None without any.

    Raises
    ------
    InputRefusedError
        When the lengths differ.

    Examples
    --------
    >>> balanced_accuracy(["a", "a", "a", "b"], ["a", "a", "a", "a"])
    0.5
    """
    _same_length(reference, prediction)
    recalls = []
    for value in set(reference):
        answers = [p == r for r, p in zip(reference, prediction, strict=True) if r == value]
        recalls.append(sum(answers) / len(answers))
    return float(np.mean(recalls)) if recalls else None


def _checked(reference: ArrayLike, scores: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    truth, score = np.asarray(reference, dtype=np.float64).ravel(), np.asarray(scores, dtype=np.float64).ravel()
    _same_length(truth, score)
    if not np.all(np.isfinite(score)):
        raise InputRefusedError(
            f"{int((~np.isfinite(score)).sum())} of {len(score)} scores are not finite.",
            "Give every patient a score; a missing answer is the lowest score, not a gap.",
        )
    if not np.isin(truth, (0, 1)).all():
        raise InputRefusedError("A reference value is neither 0 nor 1.", "Code absent as 0 and present as 1.")
    return truth.astype(bool), score


def _same_length(reference: Sequence[Hashable] | np.ndarray, prediction: Sequence[Hashable] | np.ndarray) -> None:
    if len(reference) != len(prediction):
        raise InputRefusedError(
            f"{len(reference)} reference values and {len(prediction)} predictions do not pair up.",
            "Give both for the same patients in the same order.",
        )
