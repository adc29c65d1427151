"""`hyoid ablate`: a paper's ablation table again, with confidence intervals. Needs the extra `train`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from hyoid.errors import UsageError
from hyoid.interfaces.console import Teller
from hyoid.interfaces.installed import OUTLINING, load_model, load_models
from hyoid.interfaces.places import cache_folder, device_named


def ablate(
    table: Annotated[
        str, typer.Argument(help="sgrnet-table1, sgrnet-table2, isrg-table2, isrg-table3 or isrg-clicks.")
    ],
    data: Annotated[Path, typer.Option(help="Folder of cases: for cross-validation, or (isrg) a virtual cohort.")],
    out: Annotated[Path, typer.Option(help="Folder for runs and tables; finished runs are not repeated.")],
    validation: Annotated[
        Path | None,
        typer.Option(help="Folder of cases that no row is trained on; isrg: cohort with the types kept for zero-shot."),
    ] = None,
    tumour: Annotated[
        list[str] | None,
        typer.Option(help="sgrnet: tumour packages, one per fold of `hyoid train tumour --fold`, in order."),
    ] = None,
    organs: Annotated[
        list[str] | None, typer.Option(help="Packages that outline organs, by default organs and neck.")
    ] = None,
    tumour_of_all: Annotated[str, typer.Option(help="Tumour package for the validation cases.")] = "tumour",
    preset: Annotated[str, typer.Option(help="Preset of the recipe: budget and constants of every row.")] = "ablation",
    folds: Annotated[int, typer.Option(min=2)] = 5,
    seeds: Annotated[int, typer.Option(min=1)] = 3,
    row: Annotated[list[str] | None, typer.Option(help="Only this row; may be given several times.")] = None,
    priors: Annotated[Path | None, typer.Option(help="Folder of prepared cases; OUT/priors by default.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable events.")] = False,
) -> None:
    """Re-run a table; OUT/table.md and OUT/table.json hold it."""
    try:
        from hyoid.pipelines import sgrnet_ablation
        from hyoid.pipelines.sgrnet_training import prepared_cases
        from hyoid.training.recipe import ClassificationRecipe, load_recipe
    except ImportError as error:
        raise UsageError(
            f"Training needs a package that is not installed ({error.name}).", "Run: pip install 'hyoid[train]'"
        ) from error
    teller = Teller(as_json=as_json)
    if table.startswith("isrg-"):
        _clicks(table, preset, data, validation, out, seeds, row or (), device, teller, dry_run=dry_run)
        return
    if validation is None or not tumour:
        raise UsageError("SGRNet's tables need --validation and --tumour.", "See `hyoid ablate --help`.")
    recipe = load_recipe("sgrnet", preset)
    assert isinstance(recipe, ClassificationRecipe)
    if dry_run:
        rows = [r.name for r in sgrnet_ablation.TABLES.get(table, ()) if not row or r.name in row]
        runs = len(rows) * folds * seeds
        teller.event("plan", table=table, rows=rows, runs=runs, steps=recipe.optimiser.steps)
        teller.say(f"{table}: {len(rows)} rows x {folds} folds x {seeds} seeds = {runs} trainings of")
        teller.say(f"{recipe.optimiser.steps} steps of batch {recipe.optimiser.batch}. Rows: {', '.join(rows)}.")
        return
    with teller.bars():
        prepared = partial(
            prepared_cases,
            priors=priors or out / "priors",
            organs=load_models(organs or OUTLINING),
            cache=cache_folder(),
            on_progress=teller.progress,
        )
        in_turn = load_models(tumour)
        of_all = [load_model(tumour_of_all)]
        sgrnet_ablation.ablate(
            table,
            recipe,
            lambda r: prepared(r, [data], tumours=in_turn),
            lambda r: prepared(r, [validation], tumours=of_all),
            out,
            repeats=sgrnet_ablation.Repeats(folds, seeds),
            only=row or (),
            device="gpu" if device_named(device) == "cuda" else "cpu",
            on_progress=teller.progress,
        )
    teller.event("done", table=str(out / "table.json"))
    teller.say(f"Table: {out / 'table.md'}")


def _clicks(
    table: str,
    preset: str,
    data: Path,
    validation: Path | None,
    out: Path,
    seeds: int,
    rows: Sequence[str],
    device: str,
    teller: Teller,
    *,
    dry_run: bool,
) -> None:
    """Tables of the interactive lesion report."""
    from hyoid.pipelines.isrg_ablation import ROWS, ClickBudget, ablate_clicks
    from hyoid.training.recipe import ClickRecipe, load_recipe

    recipe = load_recipe("isrg", preset)
    assert isinstance(recipe, ClickRecipe)
    if dry_run:
        names = [name for name in ROWS if not rows or name in rows]
        teller.event("plan", table=table, rows=names, runs=len(names) * seeds, steps=recipe.optimiser.steps)
        teller.say(f"{table}: {len(names)} rows x {seeds} seeds = {len(names) * seeds} trainings of")
        teller.say(f"{recipe.optimiser.steps} steps of batch {recipe.optimiser.batch}. Rows: {', '.join(names)}.")
        return
    with teller.bars():
        ablate_clicks(
            table,
            recipe,
            [data],
            out,
            zero_shot=[validation] if validation else (),
            budget=ClickBudget(seeds),
            only=rows,
            device="gpu" if device_named(device) == "cuda" else "cpu",
            on_progress=teller.progress,
        )
    teller.event("done", table=str(out / f"{table}.json"))
    teller.say(f"Table: {out / f'{table}.md'}")
