"""The table of ablations: which tables of the papers can be made again, with which options, by which function."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path

from torch import Tensor

from hyoid.errors import UsageError
from hyoid.interfaces.chosen_models import outlining_named, tumour_source
from hyoid.interfaces.cli.train import start_weights
from hyoid.interfaces.installed import load_model, package_folder, pulled_folder
from hyoid.interfaces.places import cache_folder, device_named, machine_named
from hyoid.interfaces.terminal import Terminal
from hyoid.io.cohorts.hntsmrg import find_hntsmrg_cases
from hyoid.io.packages.models_file import Entry
from hyoid.io.packages.nnunet_source import Source
from hyoid.systems.ablation import chosen_rows, require_known
from hyoid.systems.ct_report import ablate as ct_report
from hyoid.systems.ct_report.ablate_localiser import ROWS as LOCALISER_ROWS
from hyoid.systems.ct_report.ablate_localiser import TABLE as LOCALISER
from hyoid.systems.ct_report.ablate_localiser import ablate_localiser
from hyoid.systems.ct_report.cases import prepared_cases
from hyoid.systems.ct_report.simulated_localiser import SimulatedLocaliser
from hyoid.systems.lesion import ablate as lesion
from hyoid.systems.midrt import ablate as midrt
from hyoid.systems.petct import ablate as petct
from hyoid.training.recipe import CtReportRecipe, LesionRecipe, MidrtRecipe, Recipe, SegmentationRecipe, load_recipe
from hyoid.training.run import package_weights

SIMULATED, CT_FM_WEIGHTS = "simulated", "ct_fm"


@dataclass(frozen=True)
class AblationOrder:
    """Options of `hyoid ablate` that every table takes.

    Parameters
    ----------
    table : str
        Name of the table to make, such as "petct-table5".
    data : Path
        Cases for training, and for cross-validation.
    out : Path
        Folder for runs and tables.
    preset : str
        Preset of the recipe, which sets budget and constants of every row.
    rows : sequence of str
        Names of the rows to run; all rows when empty.
    device : {"auto", "cpu", "cuda"}
        Where the networks run.
    dry_run : bool
        Say what would be done, and train nothing.
    """

    table: str
    data: Path
    out: Path
    preset: str
    rows: Sequence[str]
    device: str
    dry_run: bool


@dataclass(frozen=True)
class Ablation:
    """Tables that one function makes.

    Parameters
    ----------
    tables : collection of str
        Names of the tables.
    options : tuple of str
        Options that these take besides those of `AblationOrder`, by name.
    run : callable
        Makes a table from (order, terminal, **options), or says what would be done.
    """

    tables: Collection[str]
    options: tuple[str, ...]
    run: Callable[..., None]


def ablation_of(table: str, given: Collection[str]) -> Ablation:
    """Find who makes a table, and refuse options that this table does not take.

    Parameters
    ----------
    table : str
        Name of the table.
    given : collection of str
        Names of the options that a user gave.

    Raises
    ------
    UsageError
        When there is no such table, or an option would change nothing without a word.
    """
    require_known("table", [table], [name for ablation in ABLATIONS for name in ablation.tables])
    ablation = next(ablation for ablation in ABLATIONS if table in ablation.tables)
    known = {name for other in ABLATIONS for name in other.options}
    if idle := sorted(name for name in given if name in known and name not in ablation.options):
        raise UsageError(
            f"Table {table} takes no {_named(idle[0])}.",
            f"Leave it out; {table} takes {', '.join(map(_named, ablation.options)) or 'no such options'}.",
        )
    return ablation


def _named(option: str) -> str:
    return f"--{option.replace('_', '-')}"


def _ct_report(
    order: AblationOrder,
    terminal: Terminal,
    *,
    validation: Path | None,
    folds: int,
    seeds: int,
    organs: Sequence[str],
    tumour: Sequence[str],
    tumour_of_all: str,
    priors: Path | None,
) -> None:
    """Make a table of SGRNet's priors: a tumour package for each fold, each for the cases it never saw."""
    if validation is None or not tumour:
        raise UsageError("SGRNet's tables need --validation, and --tumour once per fold.", "Give both.")
    recipe = load_recipe("ct_report", order.preset)
    assert isinstance(recipe, CtReportRecipe)
    if order.dry_run:
        rows = [row.name for row in chosen_rows(order.table, ct_report.TABLES, order.rows)]
        _tell_plan(order, terminal, recipe, rows, {"folds": folds, "seeds": seeds})
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
        ct_report.ablate(
            order.table,
            recipe,
            lambda r: prepared(r, [order.data], tumours=in_turn),
            lambda r: prepared(r, [validation], tumours=of_all),
            order.out,
            repeats=ct_report.Repeats(folds, seeds, _ct_fm(terminal)),
            only=order.rows,
            device=device_named(order.device),
            on_progress=terminal.progress,
        )
    _tell_table(terminal, order.out, order.table)


def _localiser_table(order: AblationOrder, terminal: Terminal, *, tumour: Sequence[str]) -> None:
    """Make the table of Dice with and without pre-training, with the pre-trained network that `tumour` names."""
    recipe = load_recipe("tumour", "cuboids" if order.preset == "ablation" else order.preset)
    assert isinstance(recipe, SegmentationRecipe)
    require_known("row", order.rows, LOCALISER_ROWS)
    if order.dry_run:
        rows = [name for name in LOCALISER_ROWS if not order.rows or name in order.rows]
        _tell_plan(order, terminal, recipe, rows, {"folds": recipe.folds})
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
    _tell_table(terminal, order.out)


def _midrt(order: AblationOrder, terminal: Terminal, *, seeds: int) -> None:
    """Make a table of the gradient map of the mid-treatment network, on folders of the HNTS-MRG layout."""
    recipe = load_recipe("midrt", order.preset)
    assert isinstance(recipe, MidrtRecipe)
    cases = find_hntsmrg_cases(order.data)
    if order.dry_run:
        rows = [row.name for row in chosen_rows(order.table, midrt.TABLES, order.rows)]
        folds = len(midrt.LEFT_OUT[order.table])
        _tell_plan(order, terminal, recipe, rows, {"folds": folds, "seeds": seeds}, patients=len(cases))
        return
    machine = machine_named(order.device)
    with terminal.bars():
        midrt.ablate(
            order.table,
            recipe,
            cases,
            order.out,
            machine,
            seeds=seeds,
            only=order.rows,
            device=machine.device,
            on_progress=terminal.progress,
        )
    _tell_table(terminal, order.out)


def _petct(
    order: AblationOrder,
    terminal: Terminal,
    *,
    validation: Path | None,
    seeds: int,
    steps: int | None,
    head: str,
    coarse: str,
) -> None:
    """Make a table of the PET/CT system's networks, scored on patients of other centres."""
    if validation is None:
        raise UsageError(
            "Tables 5 and 6 are scored on patients of other centres.", "Give their folder as --validation."
        )
    rows = chosen_rows(order.table, petct.TABLES, order.rows)
    if order.dry_run:
        names = [
            " ".join(
                [recipe, order.preset, *filter(None, [change]), *([] if fold is None else [f"without fold {fold}"])]
            )
            for (recipe, change), fold in petct.needed(rows)
        ]
        terminal.event("plan", table=order.table, rows=[r.name for r in rows], networks=names, seeds=seeds)
        terminal.say(f"{order.table}: {len(rows)} rows from {len(names)} networks x {seeds} seeds: {names}.")
        return
    with terminal.bars():
        petct.ablate(
            petct.Setting(
                train=order.data,
                test=validation,
                out=order.out,
                head=load_model(head),
                coarse=load_model(coarse),
                machine=machine_named(order.device),
                seeds=seeds,
                steps=steps,
                table=order.table,
                preset=order.preset,
            ),
            order.rows,
            on_progress=terminal.progress,
        )
    _tell_table(terminal, order.out)


def _lesion(order: AblationOrder, terminal: Terminal, *, validation: Path | None, seeds: int) -> None:
    """Make a table of the interactive lesion report on virtual cohorts; `validation` holds the zero-shot types."""
    recipe = load_recipe("lesion", order.preset)
    assert isinstance(recipe, LesionRecipe)
    if order.dry_run:
        _tell_plan(order, terminal, recipe, lesion.planned(order.table, order.rows), {"seeds": seeds})
        return
    with terminal.bars():
        lesion.ablate(
            order.table,
            recipe,
            [order.data],
            order.out,
            zero_shot=[validation] if validation else (),
            budget=lesion.ClickBudget(seeds),
            only=order.rows,
            device=device_named(order.device),
            on_progress=terminal.progress,
        )
    _tell_table(terminal, order.out, order.table)


ABLATIONS = (
    Ablation(
        ct_report.TABLES, ("validation", "folds", "seeds", "organs", "tumour", "tumour_of_all", "priors"), _ct_report
    ),
    Ablation((LOCALISER,), ("tumour",), _localiser_table),
    Ablation(midrt.TABLES, ("seeds",), _midrt),
    Ablation(petct.TABLES, ("validation", "seeds", "steps", "head", "coarse"), _petct),
    Ablation(lesion.TABLES, ("validation", "seeds"), _lesion),
)


def _tell_plan(
    order: AblationOrder,
    terminal: Terminal,
    recipe: Recipe,
    rows: Sequence[str],
    times: Mapping[str, int],
    **more: int,
) -> None:
    """Tell which rows would be trained how often; `times` counts trainings of a row by folds and seeds."""
    runs, optimiser = len(rows) * prod(times.values()), recipe.optimiser
    terminal.event("plan", table=order.table, rows=list(rows), runs=runs, steps=optimiser.steps, **more)
    factors = "".join(f" x {n} {what}" for what, n in times.items())
    counts = "".join(f"{n} {what}, " for what, n in more.items())
    terminal.say(f"{order.table}: {counts}{len(rows)} rows{factors} = {runs} trainings of {optimiser.steps} steps of")
    terminal.say(f"batch {optimiser.batch}. Rows: {', '.join(rows)}.")


def _tell_table(terminal: Terminal, out: Path, name: str = "table") -> None:
    """Print where the finished table is."""
    terminal.event("done", table=str(out / f"{name}.json"))
    terminal.say(f"Table: {out / f'{name}.md'}")


def _ct_fm(terminal: Terminal) -> dict[str, Tensor] | None:
    """Pulled weights of CT-FM's encoder; without these its row is left out, which is said."""
    if pulled_folder(CT_FM_WEIGHTS) is None:
        terminal.say("CT-FM's row is left out: its encoder is not on this machine (`hyoid models pull ct_fm`).")
        return None
    return start_weights(CT_FM_WEIGHTS)


def _localiser(name: str) -> Source | SimulatedLocaliser:
    """A network by its name or folder, or the simulated localiser."""
    return SimulatedLocaliser() if name == SIMULATED else tumour_source(Entry(model=name))
