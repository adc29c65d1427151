"""Tables 1 and 2 of SGRNet again: do organ and tumour priors help beyond CT alone?

Every row is trained on the same folds of the same patients with the same budget; organ maps and tumour heatmaps are
predicted, the heatmaps by a localiser that did not see the patient. Beside the paper's rows stand the rule without any
classifier (overlap of the predicted target with the predicted organ) and hyoid's own row, which pools by organ.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hyoid.anatomy.involvement import words_of_field
from hyoid.cards.table_cells import number, with_limits
from hyoid.errors import UsageError
from hyoid.io.atomic import write_text
from hyoid.metrics.comparison import Interval, bootstrap_statistic
from hyoid.metrics.ranking import average_precision
from hyoid.systems.ablation import chosen_rows
from hyoid.systems.ct_report.cases import ReportCase, fold_of_cases
from hyoid.systems.ct_report.labels import UNKNOWN
from hyoid.systems.ct_report.measure import mean_ap
from hyoid.systems.ct_report.train import learn, predict_ct_report
from hyoid.training.folds import divided
from hyoid.training.recipe import CtReportRecipe, load_recipe, require_same_recipe
from hyoid.training.run import CHECKPOINTS, Progress, Run, quiet


@dataclass(frozen=True)
class Row:
    """One row of a table."""

    name: str
    words: str
    variant: str
    backbone: str
    heatmap: str = "gaussian"


@dataclass(frozen=True)
class Repeats:
    """How rows are trained: once per fold and seed.

    Parameters
    ----------
    folds, seeds : int
        Folds of the cross-validation, and trainings with other seeds for each.
    encoder : mapping of str to Tensor, optional
        Published weights that CT-FM's row begins with; without these the row is left out, unless it is asked for.
    """

    folds: int = 5
    seeds: int = 3
    encoder: Mapping[str, Tensor] | None = None


_BACKBONES = {"densenet121": "DenseNet121", "efficientnet-b0": "EfficientNet-B0"}
_INPUTS = {
    "ct_only": "CT",
    "organ_add": "Org-Add",
    "organ_modulation": "Org-Modul",
    "organ_tumour_add": "Org+Tum-Add",
    "organ_tumour_modulation": "Org+Tum-Modul",
}


def _rows(*variants: str) -> tuple[Row, ...]:
    return tuple(
        Row(f"{variant}-{backbone}", f"{words}, {_INPUTS[variant]}", variant, backbone)
        for variant in variants
        for backbone, words in _BACKBONES.items()
    )


OWN = Row(
    "organ_pooling-densenet121", "DenseNet121, pooled by organ (hyoid)", "organ_pooling", "densenet121", "probability"
)
BASELINE = "ct_only-densenet121"
CT_FM = Row("ct_only-ct-fm", "CT-FM embedding and MLP, CT", "ct_only", "ct-fm")
TABLES: dict[str, tuple[Row, ...]] = {
    "ct_report-table1": (*_rows("ct_only"), CT_FM, *_rows("organ_tumour_modulation"), OWN),
    "ct_report-table2": _rows(*_INPUTS),
}
OVERLAP = "overlap"

Cases = Callable[[CtReportRecipe], tuple[ReportCase, ...]]
"""Prepared cases for a recipe."""


def ablate(
    table: str,
    recipe: CtReportRecipe,
    training: Cases,
    checking: Cases,
    out: Path,
    *,
    repeats: Repeats = Repeats(),
    only: Sequence[str] = (),
    device: str = "auto",
    on_progress: Progress = quiet,
) -> dict[str, Any]:
    """Train and score every row, fold and seed of a table; finished ones are read from `out`.

    Parameters
    ----------
    table : str
        Key of `TABLES`.
    recipe : CtReportRecipe
        Budget and constants shared by all rows.
    training, checking : callable
        Cases for cross-validation, and cases that no row is trained on, prepared for a recipe.
    out : Path
        Gets `runs/`, which both tables share, and of a table `TABLE.json`, `TABLE.md`, and every held-out probability
        in `TABLE-held-out.json`.
    repeats : Repeats
        Folds, seeds, and what CT-FM's row begins with.
    only : sequence of str
        Names of rows, when not all are wanted.

    Returns
    -------
    dict
        What `TABLE.json` holds.

    Raises
    ------
    UsageError
        When the table or a row does not exist, or a finished run is of another recipe or of other cases.
    """
    rows = chosen_rows(table, TABLES, only)
    if repeats.encoder is None and not only:
        rows = tuple(row for row in rows if row is not CT_FM)
    folds, seeds = repeats.folds, repeats.seeds
    scores: dict[str, list[dict[str, NDArray]]] = {}
    done, total = 0, len(rows) * seeds * folds
    for row in rows:
        of_row = row_recipe(row, recipe)
        known, unseen = training(of_row), checking(of_row)
        truth = np.stack([case.target for case in known])
        fold_of = fold_of_cases(known, folds, recipe.seed)
        scores[row.name] = []
        for seed in range(seeds):
            held_out, check = np.zeros(truth.shape), np.zeros((folds, len(unseen), truth.shape[1]))
            for fold in range(folds):
                on_progress("ablation", done, total, f"{row.name}, seed {seed}, fold {fold}")
                of_run = of_row.model_copy(update={"seed": recipe.seed + seed})
                folder = out / "runs" / row.name / f"seed-{seed}-fold-{fold}"
                learned, left_out = divided(known, fold_of.tolist(), fold)
                start = repeats.encoder if row is CT_FM else None
                held_out[fold_of == fold], check[fold] = _run(of_run, learned, left_out, unseen, folder, device, start)
                done += 1
            scores[row.name].append({"held_out": held_out, "check": check.mean(axis=0)})
    on_progress("ablation", total, total, "")
    plain = {"held_out": np.stack([c.overlap for c in known]), "check": np.stack([c.overlap for c in unseen])}
    scores[OVERLAP] = [plain]
    truths = {"held_out": truth, "check": np.stack([case.target for case in unseen])}
    words = {row.name: row.words for row in rows} | {OVERLAP: "Overlap of predicted target and organ, no classifier"}
    result = {
        "table": table,
        "fields": list(recipe.fields),
        "folds": folds,
        "seeds": seeds,
        "steps": recipe.optimiser.steps,
        "recipe": recipe.model_dump(mode="json"),
        "held_out": compared(truths["held_out"], {n: [s["held_out"] for s in v] for n, v in scores.items()}, fold_of),
        "check": compared(truths["check"], {n: [s["check"] for s in v] for n, v in scores.items()}, None),
        "words": words,
    }
    by_patient = {
        "fields": list(recipe.fields),
        "truth": truth.tolist(),
        "rows": {row.name: [of_seed["held_out"].tolist() for of_seed in scores[row.name]] for row in rows},
    }
    write_text(out / f"{table}-held-out.json", json.dumps(by_patient))
    write_text(out / f"{table}.json", json.dumps(result, indent=1))
    write_text(out / f"{table}.md", markdown(result))
    return result


def row_recipe(row: Row, recipe: CtReportRecipe) -> CtReportRecipe:
    """Give the shared recipe a row's variant, backbone and heatmap; CT-FM sees CT as its encoder was trained to."""
    changes: dict[str, Any] = {"variant": row.variant, "backbone": row.backbone, "heatmap": row.heatmap}
    if row is CT_FM:
        own = load_recipe("ct_report", "ct_fm")
        changes |= {name: getattr(own, name) for name in ("spacing_mm", "grid", "window_hu", "values")}
    return recipe.model_copy(update=changes)


def compared(
    truth: NDArray, scores: Mapping[str, Sequence[NDArray]], fold_of: NDArray | None, *, seed: int = 0
) -> dict[str, Any]:
    """Compute the average precision of every row, with intervals over patients and paired differences.

    Parameters
    ----------
    truth : ndarray, shape (n, labels)
        1 involved, 0 not, `UNKNOWN` where a case does not tell.
    scores : mapping of str to sequence of ndarray, shape (n, labels)
        One array per training seed. A row's number is the mean over its seeds.
    fold_of : ndarray, shape (n,), optional
        Then the mean AP inside each fold is given too.

    Returns
    -------
    dict
        `n`, `prevalence` per label, `rows` by name: `ap` per label, `mean_ap` with `low` and `high`, `seeds` (mean AP
        of each), `folds`, and where those rows exist `against_ct` and `against_overlap` (difference, `low`, `high`).
    """

    def mean_over_seeds(name: str, drawn: NDArray) -> float | None:
        return _mean([mean_ap(truth[drawn], s[drawn]) for s in scores[name]])

    everyone = np.arange(len(truth))
    rng = np.random.default_rng(seed)
    known = truth != UNKNOWN
    rows: dict[str, Any] = {}
    for name, of_seed in scores.items():
        ap = [
            [average_precision(truth[known[:, k], k], s[known[:, k], k]) for s in of_seed]
            for k in range(truth.shape[1])
        ]
        interval = bootstrap_statistic(partial(mean_over_seeds, name), len(truth), rng, draws=500)
        rows[name] = {
            "ap": [_mean(values) for values in ap],
            "mean_ap": mean_over_seeds(name, everyone),
            **_limits(interval),
            "seeds": [mean_ap(truth, s) for s in of_seed],
        }
        if fold_of is not None:
            rows[name]["folds"] = [
                mean_over_seeds(name, np.flatnonzero(fold_of == f)) for f in range(int(fold_of.max()) + 1)
            ]
        for key, other in (("against_ct", BASELINE), ("against_overlap", OVERLAP)):
            if other in scores and other != name:

                def difference(drawn: NDArray, name: str = name, other: str = other) -> float | None:
                    a, b = mean_over_seeds(name, drawn), mean_over_seeds(other, drawn)
                    return None if a is None or b is None else a - b

                interval = bootstrap_statistic(difference, len(truth), rng, draws=500)
                rows[name][key] = {"difference": difference(everyone), **_limits(interval)}
    prevalence = [float(truth[known[:, k], k].mean()) for k in range(truth.shape[1])]
    return {"n": len(truth), "prevalence": prevalence, "rows": rows}


def markdown(result: dict[str, Any]) -> str:
    """Write the table as Markdown, once for held-out folds and once for the patients no row was trained on."""
    parts = [f"# {result['table']}"]
    seeds = f"{result['seeds']} seed{'s' * (result['seeds'] > 1)}"
    headings = {
        "held_out": f"{result['folds']}-fold cross-validation, {seeds}, {result['steps']} steps each",
        "check": f"Patients of no fold; mean of the {result['folds']} models of a seed",
    }
    for part, heading in headings.items():
        fields = [words_of_field(name) for name in result["fields"]]
        body = result[part]
        prevalence = [f"{p:.2f}" for p in (*body["prevalence"], np.mean(body["prevalence"]))]
        lines = [
            f"## {heading}",
            f"n = {body['n']}. Average precision; intervals of 95 % over patients.\n",
            f"| | {' | '.join(fields)} | mean AP | against CT only | against overlap |",
            "|---" * (len(fields) + 4) + "|",
            f"| prevalence | {' | '.join(prevalence)} | | |",
        ]
        for name, row in body["rows"].items():
            cells = [number(ap) for ap in row["ap"]]
            cells.append(with_limits(row["mean_ap"], row["low"], row["high"]))
            for key in ("against_ct", "against_overlap"):
                gain = row.get(key)
                cells.append(with_limits(gain["difference"], gain["low"], gain["high"], sign="+") if gain else "")
            lines.append(f"| {result['words'][name]} | {' | '.join(cells)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _run(
    recipe: CtReportRecipe,
    learned: Sequence[ReportCase],
    left_out: Sequence[ReportCase],
    unseen: Sequence[ReportCase],
    folder: Path,
    device: str,
    start: Mapping[str, Tensor] | None,
) -> tuple[NDArray, NDArray]:
    """Scores of the fold left out and of the unseen patients; from disk when this run was finished before."""
    file = folder / "scores.json"
    names = [case.name for case in left_out]
    if file.is_file():
        kept = json.loads(file.read_text(encoding="utf-8"))
        require_same_recipe(kept["recipe"], recipe, folder)
        if kept["held_out"] != names:
            raise UsageError(f"{folder.name} in the output folder is of other cases.", "Choose an empty --out.")
        return np.array(kept["held_out_scores"]), np.array(kept["check_scores"])
    module = learn(recipe, learned, Run(folder, device), start=start)
    held_out = predict_ct_report(module, left_out)
    check = predict_ct_report(module, unseen)
    content = {
        "recipe": recipe.model_dump(mode="json"),
        "held_out": names,
        "held_out_scores": held_out.tolist(),
        "check_scores": check.tolist(),
    }
    write_text(file, json.dumps(content))
    # 180 MB that nobody asks for again; a table has up to 150 runs.
    shutil.rmtree(folder / CHECKPOINTS)
    return held_out, check


def _mean(values: Sequence[float | None]) -> float | None:
    """Mean; None where one is not defined."""
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if len(defined) == len(values) else None


def _limits(interval: Interval | None) -> dict[str, float | None]:
    return {"low": None, "high": None} if interval is None else {"low": interval.low, "high": interval.high}
