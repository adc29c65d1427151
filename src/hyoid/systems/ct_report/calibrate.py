"""Calibration of SGRNet: temperature, threshold and band of doubt per field, from patients held out of training.

The choices are made on out-of-fold predictions inside the training patients, and judged twice on patients that took no
part in them: fold by fold with the constants of the other folds, and on a separate split where there is one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from hyoid.cards.involvement import EVERY_FIELD
from hyoid.errors import UsageError
from hyoid.io.packages.model_package import Manifest
from hyoid.metrics.calibration import (
    band_of_doubt,
    best_f1_threshold,
    brier_score,
    expected_calibration_error,
    fit_temperature,
    scaled,
)
from hyoid.metrics.comparison import bootstrap_statistic
from hyoid.systems.ct_report.labels import UNKNOWN

HELD_OUT = "held_out.json"
# Of held-out patients, those nearest to the threshold, whose answer is "equivocal": this share where half are positive,
# less where most patients are clear, as the variance of the label.
DOUBTFUL_SHARE = 0.2
LEAST_EXAMPLES = 10  # with fewer positives or negatives a field takes the temperature of all and the threshold 0.5
BINS = 5
_DRAWS = 500


class HeldOut(BaseModel):
    """What a network answered on the fold it was not trained on.

    Parameters
    ----------
    fields : tuple of str
        Labels in the order of the columns of `truth` and `scores`.
    network : dict
        Description of the network.
    heatmap : str
        Kind of heatmap that the network saw.
    fold : int
        Fold that was held out, from 0.
    cases : tuple of str
        Names of the held-out cases, in the order of the rows.
    truth : rows of 1, 0 or `UNKNOWN`
        One row per case, one value per field: 1 involved, 0 not.
    scores : rows of probabilities
        One row per case, one value per field, before any calibration.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    fields: tuple[str, ...]
    network: dict[str, Any]
    heatmap: str
    fold: int
    cases: tuple[str, ...]
    truth: tuple[tuple[float, ...], ...]
    scores: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, eq=False)
class Answers:
    """Out-of-fold predictions of all patients.

    Parameters
    ----------
    fields : tuple of str
        Labels in the order of the columns.
    truth : ndarray, shape (n, fields)
        1 involved, 0 not, `UNKNOWN` where a case does not tell.
    scores : ndarray, shape (n, fields)
        Probabilities before any calibration.
    fold_of : ndarray, shape (n,)
        Fold in which each patient was held out.
    """

    fields: tuple[str, ...]
    truth: NDArray[np.float64]
    scores: NDArray[np.float64]
    fold_of: NDArray[np.int64]


def read_held_out(files: Sequence[Path], manifest: Manifest) -> Answers:
    """Read the predictions of several folds, made by the same network as a package's.

    Parameters
    ----------
    files : sequence of Path
        `held_out.json` of `hyoid train ct_report --fold K`, one per fold.
    manifest : Manifest
        Manifest of the package that is to be calibrated.

    Raises
    ------
    UsageError
        When a file cannot be read, is of another network, or a patient or fold occurs twice; or with a single fold.
    """
    parts = []
    for file in files:
        try:
            parts.append(HeldOut.model_validate(json.loads(file.read_text(encoding="utf-8"))))
        except (OSError, ValueError, ValidationError) as error:
            raise UsageError(
                f"{file.name} holds no held-out predictions.", "Make it with `hyoid train ct_report --fold K`."
            ) from error
    for part in parts:
        same = part.fields == manifest.labels and part.heatmap == manifest.preprocessing["heatmap"]
        if not same or part.network != manifest.network:
            raise UsageError(
                f"The predictions of fold {part.fold} are of another network than {manifest.name!r}.",
                "Train the folds with the preset of the package.",
            )
    names = [name for part in parts for name in part.cases]
    if len({part.fold for part in parts}) != len(parts) or len(set(names)) != len(names):
        raise UsageError("A fold or a patient is given twice.", "Give the file of every fold once.")
    if len(parts) < 2:
        raise UsageError("One fold cannot be judged by another.", "Give the files of all folds.")
    return Answers(
        manifest.labels,
        np.array([row for part in parts for row in part.truth], float),
        np.array([row for part in parts for row in part.scores], float),
        np.array([part.fold for part in parts for _ in part.cases]),
    )


def calibration(fields: Sequence[str], truth: NDArray, scores: NDArray) -> dict[str, dict[str, Any]]:
    """Fit temperature, threshold and band of doubt of every field.

    Parameters
    ----------
    fields : sequence of str
        Labels in the order of the columns.
    truth : ndarray, shape (n, fields)
        1 involved, 0 not, `UNKNOWN` where a case does not tell.
    scores : ndarray, shape (n, fields)
        Probabilities of patients held out of training.

    Returns
    -------
    dict
        `temperatures`, `thresholds` and `equivocal`, as a manifest holds them; thresholds and bands are on the scale of
        the probabilities after the temperature. A field of which fewer than `LEAST_EXAMPLES` positives or negatives are
        known keeps threshold 0.5 and has no band: the best F1 of a handful of patients is an accident.
    """
    found: dict[str, dict[str, Any]] = {"temperatures": {}, "thresholds": {}, "equivocal": {}}
    known = truth != UNKNOWN
    if not known.any():
        raise UsageError("No label is known, so nothing can be calibrated.", "Give predictions of labelled patients.")
    together = fit_temperature(truth[known], scores[known])
    for k, name in enumerate(fields):
        outcome, promised = truth[known[:, k], k], scores[known[:, k], k]
        fewest = min(int((outcome == 1).sum()), int((outcome == 0).sum()))
        told = fewest >= LEAST_EXAMPLES
        temperature = fit_temperature(outcome, promised) if told else together
        found["temperatures"][name] = round(temperature, 3)
        if not told:
            found["thresholds"][name] = 0.5
            continue
        probability = scaled(promised, temperature)
        threshold = best_f1_threshold(outcome, probability)
        found["thresholds"][name] = round(threshold, 3)
        positive = float(outcome.mean())
        share = DOUBTFUL_SHARE * 4 * positive * (1 - positive)
        found["equivocal"][name] = tuple(round(p, 3) for p in band_of_doubt(probability, threshold, share))
    return found


def cross_fitted(answers: Answers) -> NDArray[np.float64]:
    """Scale every patient's probabilities by temperatures fitted on the other folds, shape (n, fields)."""
    after = np.empty_like(answers.scores)
    for fold in np.unique(answers.fold_of):
        own = answers.fold_of == fold
        found = calibration(answers.fields, answers.truth[~own], answers.scores[~own])
        for k, name in enumerate(answers.fields):
            after[own, k] = scaled(answers.scores[own, k], found["temperatures"][name])
    return after


def before_and_after(
    fields: Sequence[str], truth: NDArray, before: NDArray, after: NDArray, rng: np.random.Generator
) -> dict[str, dict[str, Any]]:
    """Compare calibration error and Brier score before and after, by field and over all, with 95 % intervals.

    Parameters
    ----------
    fields : sequence of str
        Labels in the order of the columns.
    truth, before, after : ndarray, shape (n, fields)
        Truth (1, 0 or `UNKNOWN`), and probabilities before and after calibration.
    rng : Generator
        Draws patients for the bootstrap.

    Returns
    -------
    dict
        By field and `EVERY_FIELD`: `n`, `prevalence`, `ece_before`, `ece_after`, `brier_before`, `brier_after` (each
        with `_interval`) and `brier_of_prevalence`, the score of promising everybody the share of positives.
    """
    table = {}
    for name in (*fields, EVERY_FIELD):
        columns = list(range(len(fields))) if name == EVERY_FIELD else [list(fields).index(name)]
        chosen = truth[:, columns]
        known = chosen != UNKNOWN
        if not known.any():
            continue
        row: dict[str, Any] = {"n": int(known.any(axis=1).sum()), "prevalence": round(float(chosen[known].mean()), 3)}
        flat = np.full(chosen.shape, np.nan)
        for k in range(len(columns)):
            if known[:, k].any():
                flat[:, k] = chosen[known[:, k], k].mean()
        row["brier_of_prevalence"] = _rounded(_brier(chosen, flat))
        for when, scores in (("before", before[:, columns]), ("after", after[:, columns])):
            for measure, number in (("ece", _ece), ("brier", _brier)):
                limits = bootstrap_statistic(
                    lambda drawn, number=number, scores=scores: number(chosen[drawn], scores[drawn]),  # type: ignore[misc] # noqa: B023
                    len(truth),
                    rng,
                    draws=_DRAWS,
                )
                row[f"{measure}_{when}"] = _rounded(number(chosen, scores))
                row[f"{measure}_{when}_interval"] = (
                    None if limits is None else [round(limits.low, 3), round(limits.high, 3)]
                )
        table[name] = row
    return table


def uncalibrated(scores: NDArray, fields: Sequence[str], temperatures: Mapping[str, float]) -> NDArray[np.float64]:
    """Return probabilities to what they were before a manifest's temperatures."""
    return np.stack([scaled(scores[:, k], 1 / temperatures.get(name, 1.0)) for k, name in enumerate(fields)], axis=1)


def _ece(truth: NDArray, scores: NDArray) -> float | None:
    known = truth != UNKNOWN
    return expected_calibration_error(truth[known], scores[known], n_bins=BINS)


def _brier(truth: NDArray, scores: NDArray) -> float | None:
    known = truth != UNKNOWN
    return brier_score(truth[known], scores[known])


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
