"""`hyoid ablate ct_report-table1|ct_report-table2`: the priors of SGRNet."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from hyoid.errors import UsageError
from hyoid.interfaces.cli.ablation_order import AblationOrder, tell_table
from hyoid.interfaces.installed import OUTLINING, load_model, load_models
from hyoid.interfaces.places import cache_folder, device_named
from hyoid.interfaces.terminal import Terminal
from hyoid.io.packages.model_package import ModelPackage
from hyoid.systems.ablation import chosen_rows
from hyoid.systems.ct_report.ablate import TABLES, Repeats, ablate
from hyoid.systems.ct_report.cases import prepared_cases
from hyoid.systems.ct_report.simulated_localiser import SimulatedLocaliser
from hyoid.training.recipe import CtReportRecipe, load_recipe

SIMULATED = "simulated"


def ablate_ct_report(
    order: AblationOrder,
    terminal: Terminal,
    *,
    folds: int,
    organs: Sequence[str],
    tumour: Sequence[str],
    tumour_of_all: str,
    priors: Path | None,
) -> None:
    """Prepare the cases, train and score every row, or say what would be done.

    Parameters
    ----------
    order : AblationOrder
        Options that the tables of all papers share; `validation` must be given.
    terminal : Terminal
        Where the plan, progress and results are printed.
    folds : int
        Number of cross-validation folds, and so of tumour packages.
    organs : sequence of str
        Packages that outline organs; the usual ones when empty.
    tumour : sequence of str
        Tumour packages, one per fold, each for the cases it never saw; or "simulated", for virtual patients.
    tumour_of_all : str
        Tumour package for the validation cases, or "simulated".
    priors : Path, optional
        Folder of prepared cases; `out/priors` without one.

    Raises
    ------
    UsageError
        When validation cases or tumour packages are not given.
    """
    if order.validation is None or not tumour:
        raise UsageError("SGRNet's tables need --validation, and --tumour once per fold.", "Give both.")
    known, unseen = order.data, order.validation
    recipe = load_recipe("ct_report", order.preset)
    assert isinstance(recipe, CtReportRecipe)
    if order.dry_run:
        rows, optimiser = [row.name for row in chosen_rows(order.table, TABLES, order.rows)], recipe.optimiser
        runs = len(rows) * folds * order.seeds
        terminal.event("plan", table=order.table, rows=rows, runs=runs, steps=optimiser.steps)
        terminal.say(f"{order.table}: {len(rows)} rows x {folds} folds x {order.seeds} seeds = {runs} trainings of")
        terminal.say(f"{optimiser.steps} steps of batch {optimiser.batch}. Rows: {', '.join(rows)}.")
        return
    with terminal.bars():
        prepared = partial(
            prepared_cases,
            priors=priors or order.out / "priors",
            organs=load_models(organs or OUTLINING),
            cache=cache_folder(),
            on_progress=terminal.progress,
        )
        in_turn = [_localiser(name) for name in tumour]
        of_all = [_localiser(tumour_of_all)]
        ablate(
            order.table,
            recipe,
            lambda r: prepared(r, [known], tumours=in_turn),
            lambda r: prepared(r, [unseen], tumours=of_all),
            order.out,
            repeats=Repeats(folds, order.seeds),
            only=order.rows,
            device=device_named(order.device),
            on_progress=terminal.progress,
        )
    tell_table(terminal, order.out, order.table)


def _localiser(name: str) -> ModelPackage | SimulatedLocaliser:
    """A package by its name, or the simulated localiser."""
    return SimulatedLocaliser() if name == SIMULATED else load_model(name)
