"""Score what is not only a mask: involvement of structures (sgrnet), lesions and attributes per click (isrg)."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from hyoid.errors import InputRefusedError, UsageError
from hyoid.evaluation.case_results import case_record
from hyoid.evaluation.click_scores import (
    ISRG,
    ClickResult,
    click_sentences,
    click_table,
    summarise_clicks,
)
from hyoid.evaluation.evaluate import evaluation_of, measure_pairs
from hyoid.evaluation.files import find_cases, pair_up
from hyoid.evaluation.label_scores import LabelScores, charge_missing, label_sentences, summarise_labels
from hyoid.evaluation.protocols import Anchor
from hyoid.evaluation.result import Evaluation
from hyoid.evaluation.summaries import Table
from hyoid.progress import Steps

_CLICK_FOLDER = re.compile(r"click[_-]?(\d+)$")
_SGRNET_ANCHORS = (
    Anchor("SGRNet (DenseNet121, organs and tumour, modulated)", "mean.ap", 0.600),
    Anchor("DenseNet121, CT only", "mean.ap", 0.512),
    Anchor("EfficientNet-B0, CT only", "mean.ap", 0.494),
    Anchor("CT-FM embedding", "mean.ap", 0.488),
)


def evaluate_labels(prediction: Path, reference: Path, *, seed: int = 0) -> Evaluation:
    """Evaluate by protocol sgrnet: average precision per structure and their mean.

    Parameters
    ----------
    prediction : Path
        CSV with a column `case`, one column per label with probabilities, and optionally `fold`.
    reference : Path
        CSV with a column `case` and one column per label: 1, 0, or empty where unknown.
    seed : int
        Of the bootstrap.

    Raises
    ------
    UsageError, InputRefusedError
        When a file is absent or a value is no number; the message names the row and column.
    """
    truth, answers = read_table(reference), read_table(prediction)
    if not truth.keys() & answers.keys():
        raise InputRefusedError(
            f"The {len(answers)} predicted and the {len(truth)} reference patients have none in common.",
            "The column `case` pairs them; use the same names in both files.",
        )
    patients = tuple(sorted(truth))
    labels = tuple(column for column in next(iter(truth.values())) if column != "fold")
    absent = [label for label in labels if not any(label in row for row in answers.values())]
    if absent:
        raise InputRefusedError(
            f"The prediction has no column {', '.join(absent)}.", "Give one column per label of the reference."
        )
    scores = LabelScores(
        patients,
        labels,
        np.array([[_value(truth[p][label], p, label) for label in labels] for p in patients]),
        np.array([[_value(answers.get(p, {}).get(label, ""), p, label) for label in labels] for p in patients]),
        tuple(answers.get(p, {}).get("fold", "") for p in patients) if _has_folds(answers) else (),
    )
    summary = summarise_labels(scores, seed=seed)
    filled, _ = charge_missing(scores)
    extra = sorted(answers.keys() - truth.keys())
    notes = [*label_sentences(summary)]
    if extra:
        notes.append(f"{len(extra)} predicted patients have no reference and are not scored.")
    words = "SGRNet: average precision per structure and their mean (mAP)."
    return Evaluation(
        "sgrnet",
        words,
        ("mean.ap", "mean.ap_folds") if scores.folds else ("mean.ap",),
        summary,
        tuple(
            {
                "case": patient,
                "prediction_missing": patient not in answers,
                **{f"{label}.reference": _known(scores.reference[i, j]) for j, label in enumerate(labels)},
                **{f"{label}.probability": float(filled.probabilities[i, j]) for j, label in enumerate(labels)},
            }
            for i, patient in enumerate(patients)
        ),
        (),
        (words, *notes),
        (_label_table(labels, summary),),
        _SGRNET_ANCHORS,
    )


def evaluate_clicks(
    predictions: Path,
    references: Path,
    *,
    workers: int = 1,
    seed: int = 0,
    progress: Steps | None = None,
) -> Evaluation:
    """Evaluate by protocol isrg: Dice, HD95 and attributes after every click.

    Parameters
    ----------
    predictions : Path
        Folder of masks after one click; or of folders `click_1`, `click_2`, ... Each may hold `attributes.csv` with the
        columns case, shape, invasion, density, heterogeneity, surface.
    references : Path
        Folder of masks, with `attributes.csv` where attributes are scored.
    workers, seed, progress
        As `hyoid.evaluation.evaluate.evaluate_masks`.

    Raises
    ------
    UsageError, InputRefusedError
        When a path is wrong, or a case cannot be scored; the message names the case.
    """
    truth = find_cases(references)
    reference_attributes = _attributes(references)
    clicks = []
    for number, folder in _click_folders(predictions):
        pairing = pair_up(find_cases(folder), truth)
        results = measure_pairs(pairing, ISRG, workers=workers, progress=progress)
        clicks.append(ClickResult(number, results, _attributes(folder)))
    last = evaluation_of(clicks[-1].cases, pairing, ISRG, seed=seed)
    summary = {**last.summary, **summarise_clicks(clicks, reference_attributes, seed=seed)}
    cases = tuple({**case_record(result, ISRG), "click": click.click} for click in clicks for result in click.cases)
    return replace(
        last,
        headline=ISRG.headline if reference_attributes else ISRG.headline[:-1],
        summary=summary,
        cases=cases,
        notes=(*last.notes, *click_sentences()),
        tables=(click_table(clicks, reference_attributes), *last.tables),
    )


def read_table(path: Path) -> dict[str, dict[str, str]]:
    """Read the rows of a CSV file by their column `case`.

    Raises
    ------
    UsageError
        When the file is absent.
    InputRefusedError
        When it has no column `case`, no rows, or a case twice.
    """
    if not path.is_file():
        raise UsageError(f"{path.name} is no file.", "Give a CSV file with a column `case`.")
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if "case" not in (reader.fieldnames or ()):
            raise InputRefusedError(f"{path.name} has no column `case`.", "Name the column that holds the patients.")
        rows: dict[str, dict[str, str]] = {}
        for row in reader:
            case = row.pop("case")
            if case in rows:
                raise InputRefusedError(f"{path.name} lists case {case} twice.", "Keep one row per case.")
            rows[case] = {key: (value or "").strip() for key, value in row.items() if key is not None}
    if not rows:
        raise InputRefusedError(f"{path.name} has no rows.", "Give one row per case.")
    return rows


def _click_folders(predictions: Path) -> list[tuple[int, Path]]:
    """(click number, folder) in order; a folder without click folders is the first click."""
    if predictions.is_dir():
        found = [(match, child) for child in predictions.iterdir() if (match := _CLICK_FOLDER.match(child.name))]
        if found:
            return sorted((int(match.group(1)), child) for match, child in found)
    return [(1, predictions)]


def _attributes(folder: Path) -> Mapping[str, Mapping[str, str]]:
    path = folder / "attributes.csv"
    return read_table(path) if path.is_file() else {}


def _has_folds(answers: Mapping[str, Mapping[str, str]]) -> bool:
    return any(row.get("fold") for row in answers.values())


def _value(text: str, case: str, column: str) -> float:
    """Number in a cell; NaN for an empty one."""
    if text == "":
        return float("nan")
    try:
        return float(text)
    except ValueError:
        raise InputRefusedError(
            f"Case {case}, column {column}: {text!r} is no number.", "Write 0.75, 0 or 1."
        ) from None


def _known(value: float) -> int | None:
    return None if np.isnan(value) else int(value)


def _label_table(labels: tuple[str, ...], summary: Mapping[str, float | int | str | None]) -> Table:
    metrics = ("n", "n_positive", "prevalence", "ap", "auroc", "balanced_accuracy", "brier", "ece")
    words = ("label", "n", "positive", "prevalence", "AP", "AUROC", "balanced accuracy", "Brier", "ECE")
    rows = tuple((label, *(summary[f"{label}.{metric}"] for metric in metrics)) for label in labels)
    return Table("Every label", words, rows)
