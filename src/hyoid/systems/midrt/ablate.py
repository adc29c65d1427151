"""With against without the gradient map (Ren et al., section 3.2), with the rows that the paper leaves out.

T2w only; T2w with the registered outlines as channels; with the map in each preset; hyoid's map with vanished lesions
removed; and, without any network, the registered outlines themselves: what every row has to beat.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from hyoid.cards.midrt import REGISTERED
from hyoid.cards.table_cells import number, p_value, summary_cell
from hyoid.errors import UsageError
from hyoid.evaluation.case_results import CaseResult
from hyoid.evaluation.protocols import AARHUS_2024
from hyoid.evaluation.summaries import summarise
from hyoid.io.atomic import write_text
from hyoid.io.cohorts.hntsmrg import HntsmrgCase
from hyoid.io.packages.model_package import read_package
from hyoid.metrics.overlap import EmptyRule, dice
from hyoid.preprocess.midrt_input import Channel
from hyoid.report.pages.scatter import Dot, Plot, scatter_svg
from hyoid.systems.ablation import chosen_rows, finished_package
from hyoid.systems.machine import Machine
from hyoid.systems.midrt.cases import FOLDS, MidrtCase, load_midrt_cases
from hyoid.systems.midrt.measure import Answer, answers_of, cross_fitted, outside_recall, score_table, scored
from hyoid.systems.midrt.train import train_on
from hyoid.training.folds import divided, shuffled_folds
from hyoid.training.recipe import MidrtRecipe, OutlineChanges
from hyoid.training.run import Progress, Run, quiet


@dataclass(frozen=True)
class Row:
    """One row of the table."""

    name: str
    words: str
    channels: tuple[Channel, ...]
    gradient: str = "hyoid"
    # As their authors train: outlines as registered, and the map z-scored.
    as_published: bool = False


BASELINE = "t2"
PRESENCE = "gradient-hyoid-vanished"
ROWS = (
    Row(BASELINE, "T2w only", ("t2",)),
    Row("outlines", "T2w + registered outlines", ("t2", "outline_gtvp", "outline_gtvn")),
    Row("gradient-paper", "T2w + gradient map, paper", ("t2", "gradient"), "paper", as_published=True),
    Row("gradient-code", "T2w + gradient map, authors' code", ("t2", "gradient"), "code", as_published=True),
    Row("gradient-hyoid", "T2w + gradient map, hyoid", ("t2", "gradient")),
)
WORDS = {row.name: row.words for row in ROWS} | {
    PRESENCE: "T2w + gradient map, hyoid, vanished lesions removed",
    REGISTERED: "Registered outlines, no network",
}
TABLES = {"midrt-fold0": ROWS, "midrt-5fold": ROWS}
LEFT_OUT: dict[str, tuple[int, ...]] = {"midrt-fold0": (0,), "midrt-5fold": tuple(range(FOLDS))}
_FOLD_KEYS = tuple(
    f"{kind}.{measure}" for kind in ("GTVp", "GTVn") for measure in ("dsc_agg", "hd95_medpy_mm", "assd_medpy_mm")
)
# Edges of the bins of volume now, ml, as Figure 4 has them.
BINS_ML = {"GTVp": (0.8, 3.0), "GTVn": (2.567, 8.5)}
_UNSPOILT = OutlineChanges(draws=3, shift_mm=0.0, cut=0.0, lost=0.0)


def ablate(
    table: str,
    recipe: MidrtRecipe,
    cases: Sequence[HntsmrgCase],
    out: Path,
    machine: Machine,
    *,
    seeds: int = 3,
    only: Sequence[str] = (),
    device: str = "auto",
    on_progress: Progress = quiet,
) -> dict[str, Any]:
    """Train every row on each fold and seed, predict the patients left out, score; finished work is read from `out`.

    Parameters
    ----------
    table : {"midrt-fold0", "midrt-5fold"}
        Table to make: the first fold left out, or all five in turn.
    recipe : MidrtRecipe
        Budget and constants shared by all rows.
    cases : sequence of HntsmrgCase
        Patients with all masks.
    out : Path
        Gets `runs/`, `table.json`, `table.md` and `volume_change.svg`.
    machine : Machine
        Device, precision and folder for compiled graphs of prediction.
    seeds : int
        Trainings of every row and fold.
    only : sequence of str
        Names of rows, when not all are wanted; the null row always stands beside them.

    Raises
    ------
    UsageError
        When table or row does not exist, there are fewer patients than folds, or a finished run is of another recipe.
    """
    rows = chosen_rows(table, TABLES, only)
    if len(cases) < FOLDS:
        raise UsageError(f"{len(cases)} patients cannot make {FOLDS} folds.", "Give more patients.")
    folds = shuffled_folds([case.name for case in cases], FOLDS, recipe.seed)
    left_out = [case for case, of in zip(cases, folds, strict=True) if of in LEFT_OUT[table]]
    total, done = len(rows) * seeds * len(LEFT_OUT[table]), 0
    nothing = answers_of(left_out, None, out / "priors", out / "answers" / REGISTERED, machine)
    results = {REGISTERED: [*scored(left_out, {a.case: a.labels for a in nothing})] * seeds}
    answers: dict[str, list[Answer]] = {REGISTERED: list(nothing)}
    for row in rows:
        of_seed: list[list[Answer]] = [[] for _ in range(seeds)]
        for fold in LEFT_OUT[table]:
            known, unseen = divided(cases, folds, fold)
            learned: tuple[MidrtCase, ...] = ()
            for seed in range(seeds):
                on_progress("ablation", done, total, f"{row.name}, seed {seed}, fold {fold}")
                run = out / "runs" / row.name / f"seed-{seed}-fold-{fold}"
                of_run = recipe_of(row, recipe, seed)
                package = finished_package(run, of_run)
                if package is None:
                    if not learned:
                        # Read once: seeds differ in first weights, patches and augmentation, not in spoilt outlines.
                        learned = load_midrt_cases(known, recipe_of(row, recipe, 0))
                    package = read_package(train_on(of_run, learned, Run(run, device)))
                of_seed[seed] += answers_of(unseen, [package], out / "priors", run / "answers", machine)
                done += 1
        # Fold by fold the patients come in another order than they were given.
        order = {case.name: k for k, case in enumerate(left_out)}
        results[row.name], answers[row.name] = [], []
        for said in of_seed:
            said.sort(key=lambda answer: order[answer.case])
            results[row.name] += scored(left_out, {a.case: a.labels for a in said})
            answers[row.name] += said
            if row.name == "gradient-hyoid":
                results.setdefault(PRESENCE, []).extend(scored(left_out, cross_fitted(said)))
    on_progress("ablation", total, total, "")
    fold_of = dict(zip([case.name for case in cases], folds, strict=True))
    result = {
        "table": table,
        "n": len(left_out),
        "seeds": seeds,
        "steps": recipe.optimiser.steps,
        "rows": score_table(results, BASELINE),
        "folds": {name: by_fold(found, fold_of) for name, found in results.items()},
        "spearman": binned_spearman(results, answers),
        "outside": {name: outside_recall(said) for name, said in answers.items()},
        "words": WORDS,
        "recipe": recipe.model_dump(mode="json"),
    }
    for name, text in (
        ("table.json", json.dumps(result, indent=1)),
        ("table.md", markdown(result)),
        ("volume_change.svg", volume_figure(results, answers)),
    ):
        write_text(out / name, text)
    return result


def by_fold(results: Sequence[CaseResult], fold_of: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """Summarise results fold by fold, and give the mean over folds, as Tables 1 and 2 do.

    Parameters
    ----------
    results : sequence of CaseResult
        Of one row; several seeds of it follow each other.
    fold_of : mapping of str to int
        Fold in which each patient was left out.

    Returns
    -------
    dict
        By fold, as text, and "mean": DSCagg, HD95 and MSD of both classes, None where no case defines one.
    """
    table: dict[str, dict[str, Any]] = {}
    for fold in sorted({fold_of[result.case] for result in results}):
        of_fold = [result for result in results if fold_of[result.case] == fold]
        found = summarise(of_fold, AARHUS_2024, patients=[result.case for result in of_fold])
        table[str(fold)] = {key: found.get(key) for key in _FOLD_KEYS}
    defined = {key: [row[key] for row in table.values() if row[key] is not None] for key in _FOLD_KEYS}
    table["mean"] = {key: float(np.mean(values)) if values else None for key, values in defined.items()}
    return table


def recipe_of(row: Row, recipe: MidrtRecipe, seed: int) -> MidrtRecipe:
    """Give the shared recipe a row's input, name and seed."""
    changes: dict[str, Any] = {
        "channels": row.channels,
        "gradient": row.gradient,
        "seed": recipe.seed + seed,
        "name": row.name,
    }
    if row.as_published:
        changes |= {"zscore_map": True, "outlines": _UNSPOILT}
    return recipe.model_copy(update=changes)


def markdown(result: dict[str, Any]) -> str:
    """Write the table as Markdown."""
    lines = [
        f"# {result['table']}",
        "",
        f"n = {result['n']} patients left out of training, {result['seeds']} seed(s), {result['steps']} steps each. "
        "Protocol aarhus2024: a case with an empty mask is left out of DSC, HD95 and MSD; missed and invented ones are "
        "counted. Intervals of 95 % over patients; p: Wilcoxon signed rank against T2w only, empty masks counted as 0.",
        "",
        "| | GTVp DSC | p | GTVn DSC | p | mean DSC less T2w only | GTVp DSCagg | GTVn DSCagg | mean DSCagg | "
        "GTVp HD95, MSD | GTVn HD95, MSD | GTVp missed / invented | tumour outside boxes found |",
        "|---" * 13 + "|",
    ]
    for name, row in result["rows"].items():
        outside = result["outside"].get(name) or {}
        cells = [result["words"].get(name, name)]
        for kind in ("GTVp", "GTVn"):
            cells += [summary_cell(row, f"{kind}.dsc_mean"), p_value(row.get(f"against.{kind}.dsc_mean.p_wilcoxon"))]
        cells.append(summary_cell(row, "against.mean.dsc_mean.difference", sign="+"))
        cells += [summary_cell(row, f"{kind}.dsc_agg") for kind in ("GTVp", "GTVn", "mean")]
        for kind in ("GTVp", "GTVn"):
            pair = [number(row.get(f"{kind}.{m}_medpy_mm"), 1) for m in ("hd95", "assd")]
            cells.append(f"{pair[0]}, {pair[1]}")
        cells.append(f"{row.get('GTVp.dsc_mean.n_missed')} / {row.get('GTVp.dsc_mean.n_false_positive')}")
        cells.append(number(outside.get("found")))
        lines.append(f"| {' | '.join(cells)} |")
    for name, folds in result["folds"].items():
        lines += ["", f"## {result['words'].get(name, name)}, fold by fold", ""]
        lines.append(f"| | {' | '.join(f'fold {fold}' if fold != 'mean' else fold for fold in folds)} |")
        lines.append("|---" * (len(folds) + 1) + "|")
        for key in _FOLD_KEYS:
            digits = 3 if key.endswith("dsc_agg") else 1
            lines.append(f"| {key} | {' | '.join(number(row[key], digits) for row in folds.values())} |")
    lines += [
        "",
        "## Change of volume against DSC, by volume now (Spearman)",
        "",
        "| | volume now, ml | rank correlation |",
    ]
    lines.append("|---" * 3 + "|")
    for kind, bins in result["spearman"].items():
        lines += [f"| {kind} | {found['bin']} | {found['words']} |" for found in bins]
    return "\n".join(lines) + "\n"


def changes_and_scores(results: Sequence[CaseResult], answers: Sequence[Answer]) -> dict[str, list[Dot]]:
    """Gather change of volume, DSC and volume now of every case, by class; crossed where no tumour is left."""
    found: dict[str, list[Dot]] = {}
    for index, kind in enumerate(("GTVp", "GTVn")):
        found[kind] = []
        for result, answer in zip(results, answers, strict=False):
            before = sum(row.before_ml for row in answer.lesions if row.label == index + 1)
            overlap = result.classes[index].overlap
            if before or overlap.reference_ml:
                score = dice(overlap, EmptyRule.BOTH_EMPTY_IS_ONE) or 0.0
                size = overlap.reference_ml
                found[kind].append(Dot(before - size, score, size, crossed=size == 0))
    return found


def binned_spearman(
    results: Mapping[str, Sequence[CaseResult]], answers: Mapping[str, Sequence[Answer]]
) -> dict[str, list[dict[str, str]]]:
    """Correlate change of volume with DSC in bins of the volume now, for the row that is drawn (Figure 4)."""
    chosen = _drawn(answers)
    table: dict[str, list[dict[str, str]]] = {}
    for kind, dots in changes_and_scores(results[chosen], answers[chosen]).items():
        edges = (0.0, *BINS_ML[kind], float("inf"))
        table[kind] = []
        for low, high in pairwise(edges):
            # A tumour that is gone has no place among sizes.
            inside = [dot for dot in dots if low < dot.size <= high]
            words = spearman_words([dot.x for dot in inside], [dot.y for dot in inside])
            label = f"above {low:g}" if high == float("inf") else f"{low:g} to {high:g}"
            table[kind].append({"bin": label, "words": words})
    return table


def _drawn(answers: Mapping[str, Sequence[Answer]]) -> str:
    """Row whose answers are drawn: hyoid's map where it was run."""
    return "gradient-hyoid" if answers.get("gradient-hyoid") else next(iter(answers))


def volume_figure(results: dict[str, list[CaseResult]], answers: dict[str, list[Answer]]) -> str:
    """Draw Dice against the change of volume, as the paper's Figure 4; crosses where no tumour is left at mid."""
    chosen = _drawn(answers)
    plots = []
    for kind, dots in changes_and_scores(results[chosen], answers[chosen]).items():
        x, y = [d.x for d in dots if not d.crossed], [d.y for d in dots if not d.crossed]
        plots.append(Plot(f"{kind}: {spearman_words(x, y)}", "volume before minus volume now, ml", "DSC", tuple(dots)))
    return scatter_svg(plots)


def spearman_words(x: Sequence[float], y: Sequence[float]) -> str:
    """Word Spearman's rank correlation; no claim is made on fewer than five points."""
    if len(x) < 5 or len(set(x)) == 1 or len(set(y)) == 1:
        return f"n = {len(x)}"
    return f"Spearman {spearmanr(x, y).statistic:+.2f}, n = {len(x)}"
