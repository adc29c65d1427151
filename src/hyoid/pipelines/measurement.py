"""What the default networks are worth: every figure of their cards, on patients that no training saw.

Measured on an OpenKBP folder (the validation split): Dice per organ and of the high-dose target on the scans' own
grid, average precision per involvement label beside prevalence, a plain overlap rule and CT alone, and how often
bfloat16 gives the same labels as float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyoid.anatomy.structures import BY_NAME
from hyoid.geometry.orientation import to_canonical
from hyoid.io.files import read_image, read_labels
from hyoid.io.model_package import ModelPackage
from hyoid.metrics.comparison import Ratio, bootstrap_interval, bootstrap_statistic
from hyoid.metrics.ranking import average_precision
from hyoid.pipelines.sgrnet_training import involvement_targets
from hyoid.pipelines.structured_report import (
    Machine,
    ReportModels,
    classify,
    localise_tumour,
    outline_organs,
    structure_mask,
    target_mask,
)
from hyoid.training.cases import OPENKBP_ORGANS, OPENKBP_PTV70, CaseFiles, find_cases
from hyoid.training.classification import UNKNOWN
from hyoid.volume import Quantity, Volume

SCORERS = ("sgrnet", "ct_only", "overlap")


@dataclass(frozen=True, eq=False)
class CaseScores:
    """What was measured on one patient.

    Parameters
    ----------
    dice : dict of str to float
        By structure, `target_region` included; only structures that are contoured.
    truth : ndarray, shape (N,)
        Involvement labels; `UNKNOWN` where not contoured.
    scores : dict of str to ndarray of shape (N,)
        By scorer.
    """

    name: str
    dice: dict[str, float]
    truth: NDArray[np.float32]
    scores: dict[str, NDArray[np.float64]]


def measure_models(
    folder: Path,
    models: ReportModels,
    ct_only: ModelPackage,
    machine: Machine,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[CaseScores, ...]:
    """Scores of every case in a folder.

    Parameters
    ----------
    folder : Path
        OpenKBP layout.
    models : ReportModels
    ct_only : ModelPackage
        The baseline of Table 1: the same backbone on CT alone.
    machine : Machine
    """
    files = find_cases(folder)
    rows = []
    for number, case in enumerate(files, start=1):
        rows.append(_measured(case, models, ct_only, machine))
        on_progress(number, len(files))
    return tuple(rows)


def dice(a: NDArray, b: NDArray) -> float:
    """2 |A and B| / (|A| + |B|); 1 when both are empty."""
    total = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / total if total else 1.0


def dice_table(rows: Sequence[CaseScores], rng: np.random.Generator) -> dict[str, dict[str, Any]]:
    """Mean Dice per structure with n and 95 % interval over patients."""
    names = sorted({name for row in rows for name in row.dice})
    table = {}
    for name in names:
        ratio = Ratio.mean_of([row.dice.get(name) for row in rows])
        interval = bootstrap_interval([ratio], rng)
        assert ratio.value is not None and interval is not None
        table[name] = {
            "dice": round(ratio.value, 4),
            "low": round(interval.low, 4),
            "high": round(interval.high, 4),
            "n": int(ratio.denominators.sum()),
        }
    return table


def ranking_table(
    rows: Sequence[CaseScores], fields: Sequence[str], rng: np.random.Generator
) -> dict[str, dict[str, Any]]:
    """Average precision per label and scorer, and their mean with a 95 % interval over patients."""
    truth = np.stack([row.truth for row in rows])
    table: dict[str, dict[str, Any]] = {}
    for k, name in enumerate(fields):
        known = truth[:, k] != UNKNOWN
        table[name] = {"n": int(known.sum()), "prevalence": round(float(truth[known, k].mean()), 3)}
        for scorer in SCORERS:
            scores = np.stack([row.scores[scorer] for row in rows])[:, k]
            table[name][scorer] = _rounded(average_precision(truth[known, k], scores[known]))
    overall: dict[str, Any] = {"n": len(rows)}
    prevalences = [table[name]["prevalence"] for name in fields]
    overall["prevalence"] = round(float(np.mean(prevalences)), 3)
    for scorer in SCORERS:
        scores = np.stack([row.scores[scorer] for row in rows])

        def statistic(drawn: NDArray, scores: NDArray = scores) -> float | None:
            return _mean_ap(truth[drawn], scores[drawn])

        interval = bootstrap_statistic(statistic, len(rows), rng)
        assert interval is not None
        overall[scorer] = _rounded(_mean_ap(truth, scores))
        overall[f"{scorer}_interval"] = [round(interval.low, 3), round(interval.high, 3)]
    table["mean"] = overall
    return table


def bf16_agreement(
    folder: Path, package: ModelPackage, cache: Path, *, cases: int, labels_of: Callable[[Volume, Machine], Volume]
) -> dict[str, float]:
    """Smallest Dice per label between bfloat16 and float32 over the first cases of a folder.

    Parameters
    ----------
    labels_of : callable
        Canonical scan and machine to label map.
    """
    worst: dict[str, float] = {}
    values = {BY_NAME[name].label if name != "target_region" else 1: name for name in package.manifest.supported}
    for case in find_cases(folder)[:cases]:
        ct = to_canonical(read_image(case.ct, Quantity.HU))
        exact = labels_of(ct, Machine("cpu", cache, "f32")).array
        short = labels_of(ct, Machine("cpu", cache, "bf16")).array
        for value, name in values.items():
            worst[name] = min(worst.get(name, 1.0), round(dice(exact == value, short == value), 5))
    return worst


def _measured(case: CaseFiles, models: ReportModels, ct_only: ModelPackage, machine: Machine) -> CaseScores:
    assert case.organs is not None and case.target is not None
    ct = to_canonical(read_image(case.ct, Quantity.HU))
    contours = to_canonical(read_labels(case.organs)).array
    ptv = to_canonical(read_labels(case.target)).array == OPENKBP_PTV70
    organs, _ = outline_organs(ct, models.organs, machine)
    logits, _ = localise_tumour(ct, models.tumour, machine)
    target = target_mask(logits, ct, models.sgrnet.manifest.preprocessing["min_volume_ml"]).array > 0
    scores = {"target_region": dice(target, ptv)}
    for value, name in OPENKBP_ORGANS.items():
        if (contours == value).any() and name in models.organs.manifest.supported:
            scores[name] = dice(structure_mask(organs.array, name), contours == value)
    fields = models.sgrnet.manifest.labels
    share = models.sgrnet.manifest.preprocessing["involvement_share"]
    ranked = {}
    for scorer, package in (("sgrnet", models.sgrnet), ("ct_only", ct_only)):
        answers, _ = classify(ct, organs, logits, package, machine)
        ranked[scorer] = np.array([answers[name].probability for name in fields])
    ranked["overlap"] = np.array([_overlap(target, structure_mask(organs.array, name)) for name in fields])
    return CaseScores(case.name, scores, involvement_targets(case, fields, share), ranked)


def _overlap(target: NDArray, organ: NDArray) -> float:
    """Share of the predicted organ that the predicted target covers: the rule a classifier has to beat."""
    return float((target & organ).sum() / organ.sum()) if organ.any() else 0.0


def _mean_ap(truth: NDArray, scores: NDArray) -> float | None:
    """Mean over the labels that have a positive; None when none has."""
    values = []
    for k in range(truth.shape[1]):
        known = truth[:, k] != UNKNOWN
        value = average_precision(truth[known, k], scores[known, k])
        if value is not None:
            values.append(value)
    return float(np.mean(values)) if values else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
