"""The sgrnet protocol: how well involvement of each structure is predicted, patient by patient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hyoid.errors import InputRefusedError
from hyoid.evaluation.summaries import Summary
from hyoid.metrics.calibration import brier_score, expected_calibration_error
from hyoid.metrics.comparison import bootstrap_statistic
from hyoid.metrics.ranking import auroc, average_precision, balanced_accuracy, mean_average_precision

DRAWS = 1000


@dataclass(frozen=True, eq=False)
class LabelScores:
    """Reference and prediction of several labels for the same patients.

    Parameters
    ----------
    patients, labels : tuple of str
        Names of the rows and of the columns.
    reference : ndarray of float, shape (patients, labels)
        1, 0, or NaN where unknown.
    probabilities : ndarray of float, shape (patients, labels)
        NaN in the rows of patients without a prediction.
    folds : tuple of str, optional
        In which cross-validation fold each patient was predicted.
    """

    patients: tuple[str, ...]
    labels: tuple[str, ...]
    reference: np.ndarray
    probabilities: np.ndarray
    folds: tuple[str, ...] = ()


def charge_missing(scores: LabelScores) -> tuple[LabelScores, int]:
    """Give patients without a prediction the worst answer: 0 where the label is present, 1 where it is absent.

    Returns
    -------
    LabelScores
        Without NaN in the probabilities.
    int
        Number of such patients.
    """
    missing = np.isnan(scores.probabilities).all(axis=1)
    filled = scores.probabilities.copy()
    filled[missing] = 1.0 - np.nan_to_num(scores.reference[missing], nan=0.0)
    if np.isnan(filled).any():
        raise InputRefusedError(
            f"{int(np.isnan(filled).any(axis=1).sum())} patients have a probability for some labels only.",
            "Give every label a probability, or leave the patient out altogether (it then counts as wrong).",
        )
    return LabelScores(scores.patients, scores.labels, scores.reference, filled, scores.folds), int(missing.sum())


def summarise_labels(scores: LabelScores, *, seed: int = 0) -> Summary:
    """Average precision, AUROC, calibration per label; mAP pooled out of fold and as the mean of folds.

    Parameters
    ----------
    scores : LabelScores
        A patient without a prediction is given the worst answer and counted.
    seed : int
        Of the bootstrap over patients.

    Raises
    ------
    InputRefusedError
        When a patient has some probabilities but not all, or one lies outside 0..1.
    """
    scores, n_missing = charge_missing(scores)
    pooled = mean_average_precision(scores.reference, scores.probabilities)
    summary: Summary = {
        "n_cases": len(scores.patients),
        "n_predictions_missing": n_missing,
        "mean.ap": pooled.mean,
        "mean.ap.n_labels": sum(ap is not None for ap in pooled.per_label),
        "mean.ap.n_labels_undefined": sum(ap is None for ap in pooled.per_label),
        "mean.ap_folds": _mean_of_folds(scores),
    }

    def drawn_map(index: np.ndarray) -> float | None:
        return mean_average_precision(scores.reference[index], scores.probabilities[index]).mean

    interval = bootstrap_statistic(drawn_map, len(scores.patients), np.random.default_rng(seed), draws=DRAWS)
    summary["mean.ap.ci95_low"] = None if interval is None else interval.low
    summary["mean.ap.ci95_high"] = None if interval is None else interval.high
    for column, label in enumerate(scores.labels):
        known = ~np.isnan(scores.reference[:, column])
        summary |= _one_label(label, scores.reference[known, column], scores.probabilities[known, column], seed)
    return summary


def label_sentences(summary: Summary) -> tuple[str, ...]:
    """Tell how ties, undefined labels and missing predictions were treated."""
    return (
        "ap: sum of recall gains times precision over distinct thresholds, descending; equal scores are one threshold; "
        "a label without a positive is undefined, never 0, and does not take part in the mean.",
        "mean.ap: over labels, all out-of-fold predictions pooled; mean.ap_folds: per fold, then the mean of folds.",
        "prevalence: share of positives, the average precision of a score that knows nothing.",
        "auroc: ties count half; balanced_accuracy: at probability 0.5; ece: ten bins of equal width.",
        "Intervals: 95 %, percentile bootstrap over patients, 1000 draws, fixed seed.",
        f"{summary['n_predictions_missing']} of {summary['n_cases']} patients have no prediction; each is given the "
        "worst answer, never left out.",
    )


def _mean_of_folds(scores: LabelScores) -> float | None:
    if not scores.folds:
        return None
    means = []
    for fold in dict.fromkeys(scores.folds):
        rows = [index for index, name in enumerate(scores.folds) if name == fold]
        mean = mean_average_precision(scores.reference[rows], scores.probabilities[rows]).mean
        if mean is not None:
            means.append(mean)
    return float(np.mean(means)) if means else None


def _one_label(label: str, truth: np.ndarray, probabilities: np.ndarray, seed: int) -> Summary:
    summary: Summary = {
        f"{label}.n": len(truth),
        f"{label}.n_positive": int(truth.sum()),
        f"{label}.prevalence": float(truth.mean()) if len(truth) else None,
    }
    for name, metric in _METRICS.items():

        def drawn(index: np.ndarray, metric: _Metric = metric) -> float | None:
            return metric(truth[index], probabilities[index])

        interval = bootstrap_statistic(drawn, len(truth), np.random.default_rng(seed), draws=DRAWS)
        summary[f"{label}.{name}"] = metric(truth, probabilities)
        summary[f"{label}.{name}.ci95_low"] = None if interval is None else interval.low
        summary[f"{label}.{name}.ci95_high"] = None if interval is None else interval.high
    return summary


def _balanced_accuracy_at_half(truth: np.ndarray, probabilities: np.ndarray) -> float | None:
    return balanced_accuracy((truth > 0.5).tolist(), (probabilities >= 0.5).tolist())


_Metric = Callable[[np.ndarray, np.ndarray], float | None]
_METRICS: dict[str, _Metric] = {
    "ap": average_precision,
    "auroc": auroc,
    "balanced_accuracy": _balanced_accuracy_at_half,
    "brier": brier_score,
    "ece": expected_calibration_error,
}
