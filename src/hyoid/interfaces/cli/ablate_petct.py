"""`hyoid ablate petct-table5|6`: the networks of the PET/CT system."""

from __future__ import annotations

from hyoid.errors import UsageError
from hyoid.interfaces.cli.ablation_order import AblationOrder, tell_table
from hyoid.interfaces.installed import load_model
from hyoid.interfaces.places import machine_named
from hyoid.interfaces.terminal import Terminal
from hyoid.systems.ablation import chosen_rows
from hyoid.systems.petct import ablate as petct_ablation


def ablate_petct(order: AblationOrder, terminal: Terminal, *, steps: int | None, head: str, coarse: str) -> None:
    """Train what the rows need and score them on other patients, or say what would be done.

    Parameters
    ----------
    order : AblationOrder
        Options that the tables of all papers share; `validation` must be given.
    terminal : Terminal
        Where the plan, progress and results are printed.
    steps : int, optional
        Steps of each training, instead of the recipes' own.
    head, coarse : str
        Model packages of stage 1, which finds the head, and of stage 2, which finds the targets coarsely.

    Raises
    ------
    UsageError
        When there are no patients to score on.
    """
    if order.validation is None:
        raise UsageError(
            "Tables 5 and 6 are scored on patients of other centres.", "Give their folder as --validation."
        )
    rows = chosen_rows(order.table, petct_ablation.TABLES, order.rows)
    if order.dry_run:
        trainings = petct_ablation.needed(rows)
        names = [
            " ".join(
                [recipe, order.preset, *filter(None, [change]), *([] if fold is None else [f"without fold {fold}"])]
            )
            for (recipe, change), fold in trainings
        ]
        terminal.event("plan", table=order.table, rows=[r.name for r in rows], networks=names, seeds=order.seeds)
        terminal.say(f"{order.table}: {len(rows)} rows from {len(names)} networks x {order.seeds} seeds: {names}.")
        return
    with terminal.bars():
        petct_ablation.ablate(
            petct_ablation.Setting(
                train=order.data,
                test=order.validation,
                out=order.out,
                head=load_model(head),
                coarse=load_model(coarse),
                machine=machine_named(order.device),
                seeds=order.seeds,
                steps=steps,
                table=order.table,
                preset=order.preset,
            ),
            order.rows,
            on_progress=terminal.progress,
        )
    tell_table(terminal, order.out)
