"""`hyoid ablate lesion-table2|lesion-table3|lesion-clicks`: the interactive lesion report."""

from __future__ import annotations

from hyoid.interfaces.cli.ablation_order import AblationOrder, tell_table
from hyoid.interfaces.places import device_named
from hyoid.interfaces.terminal import Terminal
from hyoid.systems.lesion.ablate import ClickBudget, ablate, planned
from hyoid.training.recipe import LesionRecipe, load_recipe


def ablate_lesion(order: AblationOrder, terminal: Terminal) -> None:
    """Train and click through every row on virtual cohorts, or say what would be done."""
    recipe = load_recipe("lesion", order.preset)
    assert isinstance(recipe, LesionRecipe)
    if order.dry_run:
        rows, optimiser = planned(order.table, order.rows), recipe.optimiser
        runs = len(rows) * order.seeds
        terminal.event("plan", table=order.table, rows=rows, runs=runs, steps=optimiser.steps)
        terminal.say(f"{order.table}: {len(rows)} rows x {order.seeds} seeds = {runs} trainings of")
        terminal.say(f"{optimiser.steps} steps of batch {optimiser.batch}. Rows: {', '.join(rows)}.")
        return
    with terminal.bars():
        ablate(
            order.table,
            recipe,
            [order.data],
            order.out,
            zero_shot=[order.validation] if order.validation else (),
            budget=ClickBudget(order.seeds),
            only=order.rows,
            device=device_named(order.device),
            on_progress=terminal.progress,
        )
    tell_table(terminal, order.out, order.table)
