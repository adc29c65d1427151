"""`hyoid ablate midrt-fold0|midrt-5fold`: the gradient map of the mid-treatment network."""

from __future__ import annotations

from hyoid.interfaces.cli.ablation_order import AblationOrder, tell_table
from hyoid.interfaces.places import cache_folder, device_named
from hyoid.interfaces.terminal import Terminal
from hyoid.io.cohorts.hntsmrg import find_hntsmrg_cases
from hyoid.systems.ablation import chosen_rows
from hyoid.systems.machine import Machine
from hyoid.systems.midrt.ablate import LEFT_OUT, TABLES, ablate
from hyoid.training.recipe import MidrtRecipe, load_recipe


def ablate_midrt(order: AblationOrder, terminal: Terminal) -> None:
    """Train and score every row on folders of the HNTS-MRG layout, or say what would be done."""
    recipe = load_recipe("midrt", order.preset)
    assert isinstance(recipe, MidrtRecipe)
    cases = find_hntsmrg_cases(order.data)
    if order.dry_run:
        rows = [row.name for row in chosen_rows(order.table, TABLES, order.rows)]
        runs, steps = len(rows) * order.seeds * len(LEFT_OUT[order.table]), recipe.optimiser.steps
        terminal.event("plan", table=order.table, rows=rows, runs=runs, steps=steps, patients=len(cases))
        terminal.say(f"{order.table}: {len(cases)} patients, {runs} trainings of {steps} steps.")
        return
    device = device_named(order.device)
    with terminal.bars():
        ablate(
            order.table,
            recipe,
            cases,
            order.out,
            Machine(device, cache_folder()),
            seeds=order.seeds,
            only=order.rows,
            device=device,
            on_progress=terminal.progress,
        )
    tell_table(terminal, order.out)
