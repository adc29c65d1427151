"""`hyoid ablate gradient-fold0|gradient-5fold`. Needs the extra `train`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hyoid.interfaces.console import Teller
from hyoid.interfaces.places import cache_folder, device_named
from hyoid.io.hntsmrg import find_hntsmrg_cases


def run_gradient_ablation(
    table: str,
    data: Path,
    out: Path,
    *,
    preset: str,
    seeds: int,
    rows: Sequence[str],
    device: str,
    dry_run: bool,
    teller: Teller,
) -> None:
    """Train and score every row on folders of the HNTS-MRG layout, or say what would be done."""
    from hyoid.pipelines import midrt_ablation
    from hyoid.pipelines.structured_report import Machine
    from hyoid.training.recipe import MidrtRecipe, load_recipe

    recipe = load_recipe("midrt", preset)
    assert isinstance(recipe, MidrtRecipe)
    cases = find_hntsmrg_cases(data)
    if dry_run:
        wanted = [row.name for row in midrt_ablation.ROWS if not rows or row.name in rows]
        runs = len(wanted) * seeds * len(midrt_ablation.TABLES[table])
        teller.event("plan", table=table, rows=wanted, runs=runs, steps=recipe.optimiser.steps, patients=len(cases))
        teller.say(f"{table}: {len(cases)} patients, {runs} trainings of {recipe.optimiser.steps} steps.")
        return
    with teller.bars():
        midrt_ablation.ablate_gradient(
            table,
            recipe,
            cases,
            out,
            Machine(device_named(device), cache_folder()),
            seeds=seeds,
            only=rows,
            device="gpu" if device_named(device) == "cuda" else "cpu",
            on_progress=teller.progress,
        )
    teller.event("done", table=str(out / "table.json"))
    teller.say(f"Table: {out / 'table.md'}")
