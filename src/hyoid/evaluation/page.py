"""An evaluation as one self-contained page: no script, no network, readable on paper."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from jinja2 import Template
from PIL import Image

from hyoid.evaluation.result import Evaluation
from hyoid.report.pages.environment import page_environment

AGREED, MISSED, INVENTED, OTHER_CLASS = 1, 2, 3, 4
COLOURS = {
    0: (18, 24, 31),
    AGREED: (79, 176, 150),
    MISSED: (240, 178, 60),
    INVENTED: (214, 76, 140),
    OTHER_CLASS: (130, 110, 220),
}
LEGEND = (
    (AGREED, "both"),
    (MISSED, "reference only (missed)"),
    (INVENTED, "prediction only"),
    (OTHER_CLASS, "both, as different classes"),
)

_PANEL_PX = 360
_MOST_TILES = 9
_MARGIN = 6  # voxels around what is outlined

_WORDS = {
    "dsc_agg": "aggregated Dice",
    "dsc_mean": "mean Dice",
    "dsc_sd": "SD of Dice",
    "f1": "lesion F1",
    "hd95_medpy_mm": "HD95 (MedPy), mm",
    "hd95_medpy_mm_with_missed": "HD95 (MedPy), missed charged, mm",
    "assd_medpy_mm": "mean surface distance (MedPy assd), mm",
    "assd_medpy_mm_with_missed": "mean surface distance (MedPy assd), missed charged, mm",
    "hd95_surfel_mm": "HD95 (surfels), mm",
    "mean_surfel_mm": "mean surface distance (surfels), mm",
    "surface_dice": "surface Dice",
    "volume_difference_ml": "volume difference, mL",
    "volume_absolute_difference_ml": "absolute volume difference, mL",
    "reference_ml": "volume in the reference, mL",
    "prediction_ml": "volume in the prediction, mL",
    "assd_medpy_040_mm": "mean surface distance (MedPy 0.4.0), mm",
    "assd_medpy_040_mm_with_missed": "mean surface distance (MedPy 0.4.0), missed charged, mm",
    "hd95_surfel_mm_with_missed": "HD95 (surfels), missed charged, mm",
    "mean_surfel_mm_with_missed": "mean surface distance (surfels), missed charged, mm",
    "click_auc": "area under Dice over clicks",
    "click_auc_unnormalised": "area under Dice over clicks, not divided by intervals",
    "ap": "average precision",
    "ap_folds": "mAP, mean of folds",
    "auroc": "AUROC",
    "brier": "Brier score",
    "ece": "calibration error",
    "prevalence": "prevalence",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "majority_accuracy": "majority-class accuracy",
}


@dataclass(frozen=True)
class Overlay:
    """Picture of one case where reference and prediction disagree most.

    Parameters
    ----------
    case : str
        Name of the case.
    slice_index : int
        From 0, in the reference image.
    png : bytes
        The picture, as the bytes of a PNG file.
    """

    case: str
    slice_index: int
    png: bytes


@dataclass(frozen=True)
class Strip:
    """Values of one class over cases, as positions 0..1 along a line.

    Parameters
    ----------
    name : str
        What the strip shows.
    dots : tuple of (float, float, str)
        Position, height -1..1, words.
    quartiles : tuple of float or None
        Positions of the quartiles of finite values.
    beyond : int
        Cases with an infinite value, drawn at the right end.
    """

    name: str
    dots: tuple[tuple[float, float, str], ...]
    quartiles: tuple[float, float, float] | None
    beyond: int


@dataclass(frozen=True)
class Plot:
    """Strips that share one axis."""

    title: str
    ticks: tuple[tuple[float, str], ...]
    strips: tuple[Strip, ...]


def overlay_of(
    case: str,
    masks: Mapping[str, tuple[np.ndarray, np.ndarray]],
    spacing_mm: tuple[float, float, float],
    *,
    first_slice: int = 0,
) -> Overlay:
    """Draw the slice in which the masks disagree most.

    Parameters
    ----------
    case : str
        Name of the case.
    masks : mapping of str to (ndarray of bool, ndarray of bool), shape (D, H, W)
        Reference and prediction per class, cropped to what is outlined.
    spacing_mm : (slice, row, column)
        Distance between voxel centres, mm.
    first_slice : int
        Slice of the image at which the crop begins.
    """
    states = _states(masks)
    disagreement = (states > AGREED).sum(axis=(1, 2))
    index = int(disagreement.argmax() if disagreement.any() else (states > 0).sum(axis=(1, 2)).argmax())
    plane = np.pad(states[index], _MARGIN)
    colours = np.array([COLOURS[state] for state in range(5)], dtype=np.uint8)
    height, width = plane.shape[0] * spacing_mm[1], plane.shape[1] * spacing_mm[2]
    scale = _PANEL_PX / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    buffer = io.BytesIO()
    Image.fromarray(colours[plane]).resize(size, Image.Resampling.NEAREST).save(buffer, "PNG", optimize=True)
    return Overlay(case, first_slice + index, buffer.getvalue())


def evaluation_html(evaluation: Evaluation, overlays: Sequence[Overlay] = ()) -> str:
    """Write the whole page.

    Parameters
    ----------
    evaluation : Evaluation
        Numbers, tables and sentences of one evaluation.
    overlays : sequence of Overlay
        Of the worst cases, worst first.
    """
    summary = evaluation.summary
    # Differences of two systems have a table of their own.
    keys = [key for key in summary if f"{key}.ci95_low" in summary and not key.endswith(".difference")]
    return _template().render(
        evaluation=evaluation,
        tiles=[_tile(key, summary) for key in _tile_keys(evaluation)],
        anchors=evaluation.anchors,
        numbers=[_tile(key, summary) for key in keys],
        plots=[plot for plot in (_dice_plot(evaluation), _length_plot(evaluation)) if plot.strips],
        overlays=[
            {
                "case": o.case,
                "slice": o.slice_index + 1,
                "url": f"data:image/png;base64,{_base64(o.png)}",
                "words": _case_words(evaluation, o.case),
            }
            for o in overlays
        ],
        legend=[("#{:02x}{:02x}{:02x}".format(*COLOURS[state]), words) for state, words in LEGEND],
        case_columns=_case_columns(evaluation),
    )


def metric_words(key: str) -> str:
    """Put a key of the summary into words.

    Examples
    --------
    >>> metric_words("GTVn.hd95_medpy_mm"), metric_words("mean.dsc_agg")
    ('GTVn: HD95 (MedPy), mm', 'mean over classes: aggregated Dice')
    """
    name, _, metric = key.rpartition(".")
    if metric == "difference":
        return f"{metric_words(name)}, A minus B"
    words = _WORDS.get(metric, metric.replace("_", " "))
    return f"{'mean over classes' if name == 'mean' else name}: {words}" if name else words


def number(value: Any) -> str:
    """Write a number as a reader wants it: four digits after the point, whole numbers whole, a dash for undefined.

    Examples
    --------
    >>> number(0.25), number(17.921), number(3), number(None), number(float("inf"))
    ('0.2500', '17.92', '3', '-', '∞')
    """
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | str):
        return str(value)
    if math.isinf(value):
        return "∞"
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.2f}"


def _tile_keys(evaluation: Evaluation) -> list[str]:
    """Keys that stand large at the top: the headline, or its means where it is long."""
    keys = [key for key in evaluation.headline if key in evaluation.summary]
    if len(keys) <= _MOST_TILES:
        return keys
    metrics = dict.fromkeys(f"mean.{key.rpartition('.')[2]}" for key in keys)
    return [key for key in metrics if key in evaluation.summary]


def _tile(key: str, summary: Mapping[str, Any]) -> dict[str, Any]:
    """One number with what belongs beside it."""
    beside = {
        "n": summary.get(f"{key}.n"),
        "excluded": summary.get(f"{key}.n_excluded"),
        "missed": summary.get(f"{key}.n_missed"),
        "invented": summary.get(f"{key}.n_false_positive"),
        "prevalence": summary.get(f"{key}.prevalence"),
        "choices": _choices(key, summary),
    }
    return {
        "key": key,
        "words": metric_words(key),
        "value": summary[key],
        "low": summary.get(f"{key}.ci95_low"),
        "high": summary.get(f"{key}.ci95_high"),
        **beside,
    }


def _choices(key: str, summary: Mapping[str, Any]) -> str:
    """How lesions were counted, for numbers that depend on it."""
    if f"{key}.matcher" not in summary:
        return ""
    return f"{summary[f'{key}.connectivity']}-connectivity, {summary[f'{key}.matcher'].replace('_', ' ')}"


def _states(masks: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Agreement of every voxel over all classes."""
    shape = next(iter(masks.values()))[0].shape
    agreed, missed, invented = (np.zeros(shape, dtype=bool) for _ in range(3))
    for reference, prediction in masks.values():
        agreed |= reference & prediction
        missed |= reference & ~prediction
        invented |= prediction & ~reference
    states = np.zeros(shape, dtype=np.uint8)
    states[agreed] = AGREED
    states[missed] = MISSED
    states[invented] = INVENTED
    states[missed & invented] = OTHER_CLASS
    return states


def _classes(evaluation: Evaluation, metric: str) -> list[str]:
    keys = dict.fromkeys(key for case in evaluation.cases for key in case)
    return [key[: -len(metric) - 1] for key in keys if key.endswith(f".{metric}")]


def _dice_plot(evaluation: Evaluation) -> Plot:
    strips = [_strip(evaluation, name, "dsc", 1.0) for name in _classes(evaluation, "dsc")]
    ticks = tuple((tick / 10, f"{tick / 10:g}") for tick in range(0, 11, 2))
    return Plot("Dice of every case", ticks, tuple(strips))


def _length_plot(evaluation: Evaluation) -> Plot:
    metric = "hd95_medpy_mm" if _classes(evaluation, "hd95_medpy_mm") else "hd95_surfel_mm"
    names = _classes(evaluation, metric)
    values = [case.get(f"{name}.{metric}") for case in evaluation.cases for name in names]
    finite = [value for value in values if value is not None and math.isfinite(value)]
    end = _round_up(max(finite, default=1.0))
    strips = [_strip(evaluation, name, metric, end) for name in names]
    ticks = tuple((tick / 5, f"{end * tick / 5:g}") for tick in range(6))
    family = "MedPy" if metric == "hd95_medpy_mm" else "surfels"
    return Plot(f"HD95 of every case ({family}), mm", ticks, tuple(strips))


def _strip(evaluation: Evaluation, name: str, metric: str, end: float) -> Strip:
    dots, finite, beyond = [], [], 0
    for index, case in enumerate(evaluation.cases):
        value = case.get(f"{name}.{metric}")
        if value is None:
            continue
        # Multiples of the golden ratio spread neighbours evenly and the same way every time.
        height = 2 * ((index * 0.6180339887) % 1) - 1
        if math.isinf(value):
            beyond += 1
            dots.append((1.04, height, f"{case['case']}: {case.get(f'{name}.status', '')}"))
        else:
            finite.append(value / end)
            dots.append((value / end, height, f"{case['case']}: {number(value)}"))
    quartiles = tuple(float(q) for q in np.percentile(finite, [25, 50, 75])) if finite else None
    return Strip(name, tuple(dots), quartiles, beyond)  # type: ignore[arg-type]


def _case_columns(evaluation: Evaluation) -> list[str]:
    """Columns of the table of cases that a page has room for."""
    kept = ("case", "status", "dsc", "hd95_medpy_mm", "hd95_surfel_mm", "reference_ml", "prediction_ml")
    keys = dict.fromkeys(key for case in evaluation.cases for key in case)
    columns = [key for key in keys if key.rpartition(".")[2] in kept]
    return columns if len(columns) <= 24 else [key for key in columns if key == "case" or key.endswith(".dsc")]


def _case_words(evaluation: Evaluation, name: str) -> str:
    case = next(case for case in evaluation.cases if case["case"] == name)
    parts = []
    if case.get("prediction_missing"):
        parts.append("no prediction")
    for key, value in case.items():
        if key.endswith(".dsc") and case.get(f"{key[:-4]}.status") != "both_empty":
            status = case.get(f"{key[:-4]}.status", "measured").replace("_", " ")
            parts.append(f"{key[:-4]} {number(value) if status == 'measured' else status}")
    return ", ".join(parts[:6]) + (", ..." if len(parts) > 6 else "")


def _round_up(value: float) -> float:
    """1, 2 or 5 times a power of ten, at least the value.

    >>> _round_up(37.0), _round_up(0.2)
    (50.0, 0.2)
    """
    power = 10.0 ** math.floor(math.log10(max(value, 1e-6)))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value - 1e-12)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


@cache
def _template() -> Template:
    environment = page_environment()
    environment.filters["number"] = number
    environment.filters["metric_words"] = metric_words
    return environment.get_template("evaluation.html.j2")
