"""With against without the gradient map (Ren et al., section 3.2), with the rows that the paper leaves out.

T2w only; T2w with the registered outlines as channels; with the map in each preset; hyoid's map with vanished lesions
removed; and, without any network, the registered outlines themselves: what every row has to beat.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy.stats import spearmanr

from hyoid.cards.midrt import REGISTERED
from hyoid.cards.table_cells import number, p_value, summary_cell
from hyoid.errors import UsageError
from hyoid.evaluation.case_results import CaseResult
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
    result = {
        "table": table,
        "n": len(left_out),
        "seeds": seeds,
        "steps": recipe.optimiser.steps,
        "rows": score_table(results, BASELINE),
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
    return "\n".join(lines) + "\n"


def volume_figure(results: dict[str, list[CaseResult]], answers: dict[str, list[Answer]]) -> str:
    """Draw Dice against the change of volume, as the paper's Figure 4; crosses where no tumour is left at mid."""
    chosen = "gradient-hyoid" if answers.get("gradient-hyoid") else next(iter(answers))
    plots = []
    for index, kind in enumerate(("GTVp", "GTVn")):
        dots = []
        for result, answer in zip(results[chosen], answers[chosen], strict=False):
            before = sum(row.before_ml for row in answer.lesions if row.label == index + 1)
            overlap = result.classes[index].overlap
            if before or overlap.reference_ml:
                score = dice(overlap, EmptyRule.BOTH_EMPTY_IS_ONE) or 0.0
                size = overlap.reference_ml
                dots.append(Dot(before - size, score, size, crossed=size == 0))
        x, y = [d.x for d in dots if not d.crossed], [d.y for d in dots if not d.crossed]
        plots.append(Plot(f"{kind}: {spearman_words(x, y)}", "volume before minus volume now, ml", "DSC", tuple(dots)))
    return scatter_svg(plots)


def spearman_words(x: Sequence[float], y: Sequence[float]) -> str:
    """Word Spearman's rank correlation; no claim is made on fewer than five points."""
    if len(x) < 5 or len(set(x)) == 1 or len(set(y)) == 1:
        return f"n = {len(x)}"
    return f"Spearman {spearmanr(x, y).statistic:+.2f}, n = {len(x)}"
