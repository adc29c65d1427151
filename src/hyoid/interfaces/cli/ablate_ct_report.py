"""`hyoid ablate ct_report-table1|ct_report-table2|ct_report-localiser`: SGRNet's priors and its localiser."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from torch import Tensor

from hyoid.errors import UsageError
from hyoid.interfaces.chosen_models import outlining_named, tumour_source
from hyoid.interfaces.cli.ablation_order import AblationOrder, tell_table
from hyoid.interfaces.cli.train import start_weights
from hyoid.interfaces.installed import package_folder, pulled_folder
from hyoid.interfaces.places import cache_folder, device_named, machine_named
from hyoid.interfaces.terminal import Terminal
from hyoid.io.packages.models_file import Entry
from hyoid.io.packages.nnunet_source import Source
from hyoid.systems.ablation import chosen_rows, require_known
from hyoid.systems.ct_report.ablate import TABLES, Repeats, ablate
from hyoid.systems.ct_report.ablate_localiser import ROWS, ablate_localiser
from hyoid.systems.ct_report.ablate_localiser import TABLE as LOCALISER
from hyoid.systems.ct_report.cases import prepared_cases
from hyoid.systems.ct_report.simulated_localiser import SimulatedLocaliser
from hyoid.training.recipe import CtReportRecipe, SegmentationRecipe, load_recipe
from hyoid.training.run import package_weights

SIMULATED, CT_FM_WEIGHTS = "simulated", "ct_fm"


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
    if order.table == LOCALISER:
        _localiser_table(order, terminal, tumour)
        return
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
            organs=outlining_named(organs),
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
            repeats=Repeats(folds, order.seeds, _ct_fm(terminal)),
            only=order.rows,
            device=device_named(order.device),
            on_progress=terminal.progress,
        )
    tell_table(terminal, order.out, order.table)


def _localiser_table(order: AblationOrder, terminal: Terminal, tumour: Sequence[str]) -> None:
    """Make the table of Dice with and without pre-training, or say what would be done."""
    recipe = load_recipe("tumour", "cuboids" if order.preset == "ablation" else order.preset)
    assert isinstance(recipe, SegmentationRecipe)
    require_known("row", order.rows, ROWS)
    rows = [name for name in ROWS if not order.rows or name in order.rows]
    if order.dry_run:
        steps, runs = recipe.optimiser.steps, len(rows) * recipe.folds
        terminal.event("plan", table=order.table, rows=rows, runs=runs, steps=steps)
        terminal.say(f"{order.table}: {len(rows)} rows x {recipe.folds} folds = {runs} trainings of {steps} steps.")
        return
    if len(tumour) > 1:
        raise UsageError("One network was pre-trained; several are given with --tumour.", "Give one.")
    with terminal.bars():
        ablate_localiser(
            recipe,
            order.data,
            order.out,
            machine_named(order.device),
            pretrained=package_weights(package_folder(tumour[0])) if tumour else None,
            only=order.rows,
            device=device_named(order.device),
            on_progress=terminal.progress,
        )
    tell_table(terminal, order.out)


def _ct_fm(terminal: Terminal) -> dict[str, Tensor] | None:
    """Pulled weights of CT-FM's encoder; without these its row is left out, which is said."""
    if pulled_folder(CT_FM_WEIGHTS) is None:
        terminal.say("CT-FM's row is left out: its encoder is not on this machine (`hyoid models pull ct_fm`).")
        return None
    return start_weights(CT_FM_WEIGHTS)


def _localiser(name: str) -> Source | SimulatedLocaliser:
    """A network by its name or folder, or the simulated localiser."""
    return SimulatedLocaliser() if name == SIMULATED else tumour_source(Entry(model=name))
