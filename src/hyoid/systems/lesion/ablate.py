"""Tables 2 and 3 of ISRG again: do point refinement and inter-task synergy help, and what does each click buy?

Every row is trained on the training part of the same virtual patients with the same budget, and clicked on in the test
part and on the lesion types that no row saw. Beside the rows stand a ball that needs no network and always answering
the most frequent class.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hyoid.anatomy.lesion_attributes import ATTRIBUTES
from hyoid.cards.table_cells import with_limits
from hyoid.errors import UsageError
from hyoid.inference.click_network import ClickNetwork
from hyoid.io.atomic import write_text
from hyoid.io.packages.model_package import read_package
from hyoid.metrics.comparison import Ratio, bootstrap_interval
from hyoid.systems.ablation import require_known
from hyoid.systems.lesion.cases import LesionCase, load_lesions, of_part, require_attributes
from hyoid.systems.lesion.measure import CLICKS, ClickCase, click_cases, measure_clicks
from hyoid.systems.lesion.train import train_on
from hyoid.training.recipe import LesionRecipe, require_same_recipe
from hyoid.training.run import Progress, Run, quiet

ROWS = {
    "unet": "Baseline (U-Net)",
    "vanilla": "Vanilla",
    "refinement": "+ Point refinement",
    "synergy": "+ Feature synergy",
    "full": "Full",
}
TABLES = ("lesion-table2", "lesion-table3", "lesion-clicks")


@dataclass(frozen=True)
class ClickBudget:
    """Number of trainings and of clicks in an ablation.

    Parameters
    ----------
    seeds : int
        Trainings per row.
    clicks : int
        Clicks per lesion.
    """

    seeds: int = 3
    clicks: int = CLICKS


def ablate(
    table: str,
    recipe: LesionRecipe,
    folders: Sequence[Path],
    out: Path,
    *,
    zero_shot: Sequence[Path] = (),
    budget: ClickBudget = ClickBudget(),
    only: Sequence[str] = (),
    device: str = "auto",
    on_progress: Progress = quiet,
) -> dict[str, Any]:
    """Train and click through every row and seed; finished ones are read from `out`.

    Parameters
    ----------
    table : str
        One of `TABLES`: all rest on the same runs and differ in what they show.
    recipe : LesionRecipe
        Budget and constants shared by all rows.
    folders, zero_shot : sequence of Path
        Virtual cohorts; of `zero_shot` only lesions of the reserved types count.
    out : Path
        Gets `runs/`, `<table>.json` and `<table>.md`.
    budget : ClickBudget
        Trainings per row, and clicks per lesion.
    only : sequence of str
        Rows, when not all are wanted.

    Returns
    -------
    dict
        What the JSON file holds.

    Raises
    ------
    UsageError
        When table or row does not exist, no lesion is left for training or test, or a finished run is of another
        recipe.
    """
    rows = planned(table, only)
    lesions = load_lesions(folders, lambda done, total: on_progress("cases", done, total, ""), recipe.lesions)
    if table == "lesion-table3":
        require_attributes(lesions)
    training = of_part(lesions, recipe.split, recipe.seed, "training")
    sets = {"test": click_cases(of_part(lesions, recipe.split, recipe.seed, "test"))}
    if zero_shot:
        sets["zero-shot"] = click_cases([c for c in load_lesions(zero_shot) if c.zero_shot])
    if not training or not all(sets.values()):
        raise UsageError("No lesion is left for training or for test.", "Give larger cohorts.")
    runs: dict[str, list[dict[str, Any]]] = {row: [] for row in rows}
    done, total = 0, len(rows) * budget.seeds
    # Seed by seed, so that a run that is stopped has compared all rows.
    for seed in range(budget.seeds):
        for row in rows:
            on_progress("ablation", done, total, f"{row}, seed {seed}")
            of_run = recipe.model_copy(update={"variant": row, "seed": recipe.seed + seed})
            runs[row].append(_run(of_run, training, sets, out / "runs" / row / f"seed-{seed}", budget.clicks, device))
            done += 1
    on_progress("ablation", total, total, "")
    result = {
        "table": table,
        "seeds": budget.seeds,
        "steps": recipe.optimiser.steps,
        "trained_on": {"lesions": len(training), "patients": len({c.patient.name for c in training})},
        "recipe": recipe.model_dump(mode="json"),
        "runs": runs,
    }
    write_text(out / f"{table}.json", json.dumps(result, indent=1))
    write_text(out / f"{table}.md", markdown(result))
    return result


def planned(table: str, only: Sequence[str]) -> tuple[str, ...]:
    """Select the rows of a table that were asked for.

    Raises
    ------
    UsageError
        When the table or a row does not exist.
    """
    require_known("table", [table], TABLES)
    require_known("row", only, ROWS)
    return tuple(row for row in ROWS if not only or row in only)


def markdown(result: dict[str, Any]) -> str:
    """Write the table as Markdown."""
    trained = result["trained_on"]
    lines = [
        f"# {result['table']}",
        "",
        f"Virtual patients only. {result['seeds']} seeds, {result['steps']} steps each on {trained['lesions']} lesions "
        f"of {trained['patients']} patients. DSC after the last click of the deterministic user with its 95 % interval "
        "(bootstrap over patients, of the mean over seeds), and its difference from vanilla, lesion by lesion; the "
        "others: mean over seeds (lowest to highest). More is in the JSON.",
    ]
    sets = list(next(iter(result["runs"].values()))[0])
    for name in sets:
        first = next(iter(result["runs"].values()))[0][name]
        lines += ["", f"## {name}: {first['n']} lesions of {first['patients']} patients", ""]
        lines += _SHOWN[result["table"]](result, name)
    return "\n".join(lines) + "\n"


def _table2(result: dict[str, Any], name: str) -> list[str]:
    lines = ["| | DSC | DSC, seeds | less vanilla | HD95 mm | missed | clicks to 0.8 |", "|---" * 7 + "|"]
    ball = next(iter(result["runs"].values()))[0][name]["ball"]
    cell = with_limits(ball["mean"], ball["low"], ball["high"])
    lines.append(f"| Ball of the median volume, no network | {cell} | | | | | |")
    vanilla = _case_means(result["runs"]["vanilla"], name) if "vanilla" in result["runs"] else {}
    for row, seeds in result["runs"].items():
        of = [run[name]["users"]["deterministic"] for run in seeds]
        means = _case_means(seeds, name)
        cells = [
            _interval(means),
            _spread([o["dice"][-1]["mean"] for o in of]),
            _interval({k: means[k] - vanilla[k] for k in means}) if vanilla and row != "vanilla" else "",
            _spread([o["hd95_mm"]["mean"] for o in of], digits=1),
            _spread([o["hd95_mm"]["missed"] for o in of], digits=0),
            _spread([o["noc"]["mean"] for o in of], digits=1),
        ]
        lines.append(f"| {ROWS[row]} | {' | '.join(cells)} |")
    return lines


def _case_means(seeds: Sequence[dict[str, Any]], name: str) -> dict[str, float]:
    """Dice after the last click of every lesion, mean over seeds."""
    of = [run[name]["users"]["deterministic"]["cases"] for run in seeds]
    return {case: float(np.mean([cases[case][-1] for cases in of])) for case in of[0]}


def _interval(values: dict[str, float]) -> str:
    """Mean over lesions with its 95 % interval over patients."""
    patients = [case.rsplit("-", 1)[0] for case in values]
    found = bootstrap_interval([Ratio.mean_of(list(values.values()))], np.random.default_rng(0), patients=patients)
    low, high = (None, None) if found is None else (found.low, found.high)
    return with_limits(float(np.mean(list(values.values()))), low, high)


def _table3(result: dict[str, Any], name: str) -> list[str]:
    of_first = next(iter(result["runs"].values()))[0][name]["users"]["deterministic"]["attributes"]
    known = [a for a in ATTRIBUTES if a in of_first]
    if not known:
        return ["The cohorts do not say the attributes of these lesions."]
    lines = [f"| | {' | '.join(known)} | mean |", "|---" * (len(known) + 2) + "|"]
    majority = [of_first[a]["majority"] for a in known]
    lines.append(f"| Always the most frequent | {' | '.join(f'{m:.3f}' for m in (*majority, np.mean(majority)))} |")
    for row, seeds in result["runs"].items():
        scores = [[run[name]["users"]["deterministic"]["attributes"][a]["accuracy"] for a in known] for run in seeds]
        cells = [_spread(list(column)) for column in zip(*scores, strict=True)]
        lines.append(f"| {ROWS[row]} | {' | '.join([*cells, _spread([float(np.mean(s)) for s in scores])])} |")
    return lines


def _clicks(result: dict[str, Any], name: str) -> list[str]:
    first = next(iter(result["runs"].values()))[0][name]["users"]
    count = len(first["deterministic"]["dice"])
    # Without a click nothing is outlined.
    lines = [f"| | user | 0 | {' | '.join(str(k + 1) for k in range(count))} |", "|---" * (count + 3) + "|"]
    for row, seeds in result["runs"].items():
        for user in first:
            means = [
                float(np.mean([run[name]["users"][user]["dice"][k]["mean"] for run in seeds])) for k in range(count)
            ]
            lines.append(f"| {ROWS[row]} | {user} | 0 | {' | '.join(f'{m:.3f}' for m in means)} |")
    return lines


def _spread(values: Sequence[float | None], digits: int = 3) -> str:
    defined = [v for v in values if v is not None]
    if not defined:
        return "-"
    return f"{np.mean(defined):.{digits}f} ({min(defined):.{digits}f} to {max(defined):.{digits}f})"


_SHOWN = {"lesion-table2": _table2, "lesion-table3": _table3, "lesion-clicks": _clicks}


def _run(
    recipe: LesionRecipe,
    training: Sequence[LesionCase],
    sets: dict[str, list[ClickCase]],
    folder: Path,
    clicks: int,
    device: str,
) -> dict[str, Any]:
    """Scores of one training; from disk when it was finished before."""
    file = folder / "scores.json"
    if file.is_file():
        kept = json.loads(file.read_text(encoding="utf-8"))
        require_same_recipe(kept["recipe"], recipe, folder)
        return dict(kept["scores"])
    network = ClickNetwork(read_package(train_on(recipe, training, Run(folder, device))))
    scores = {name: measure_clicks(cases, network, clicks=clicks) for name, cases in sets.items()}
    write_text(file, json.dumps({"recipe": recipe.model_dump(mode="json"), "scores": scores}))
    return scores
