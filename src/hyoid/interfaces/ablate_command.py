"""`hyoid ablate`: a paper's ablation table again, with confidence intervals. Needs the extra `train`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from hyoid.errors import UsageError
from hyoid.interfaces.console import Teller
from hyoid.interfaces.installed import OUTLINING, load_model, load_models
from hyoid.interfaces.petct_command import COARSE, HEAD
from hyoid.interfaces.places import cache_folder, device_named

GRADIENT_TABLES = ("gradient-fold0", "gradient-5fold")
HECKTOR = "hecktor-table5"


@dataclass(frozen=True)
class Setting:
    """What a user asked for, for Table 5 of the PET/CT paper."""

    train: Path
    test: Path
    out: Path
    seeds: int
    steps: int | None
    head: str
    coarse: str
    device: str


def ablate(
    table: Annotated[
        str,
        typer.Argument(help="sgrnet-table1|2, gradient-fold0|5fold, hecktor-table5, isrg-table2|3 or isrg-clicks."),
    ],
    data: Annotated[Path, typer.Option(help="For cross-validation: cases, or (isrg, --preset virtual) a cohort.")],
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
    steps: Annotated[
        int | None, typer.Option(min=1, help="hecktor: steps per training instead of the recipe's.")
    ] = None,
    head: Annotated[str, typer.Option(help="hecktor: package of stage 1.")] = HEAD,
    coarse: Annotated[str, typer.Option(help="hecktor: package of stage 2.")] = COARSE,
    row: Annotated[list[str] | None, typer.Option(help="Only this row; may be given several times.")] = None,
    priors: Annotated[Path | None, typer.Option(help="Folder of prepared cases; OUT/priors by default.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable events.")] = False,
) -> None:
    """Re-run a table; OUT/table.md and OUT/table.json hold it."""
    if table in GRADIENT_TABLES:
        from hyoid.interfaces.midrt_ablate import run_gradient_ablation

        teller = Teller(as_json=as_json)
        run_gradient_ablation(
            table, data, out, preset=preset, seeds=seeds, rows=row or (), device=device, dry_run=dry_run, teller=teller
        )
        return
    if table == HECKTOR:
        if validation is None:
            raise UsageError("Table 5 is scored on patients of other centres.", "Give their folder as --validation.")
        _hecktor(Setting(data, validation, out, seeds, steps, head, coarse, device), row or (), dry_run, as_json)
        return
    if table.startswith("isrg-"):
        teller = Teller(as_json=as_json)
        _clicks(table, preset, data, validation, out, seeds, row or (), device, teller, dry_run=dry_run)
        return
    if validation is None or not tumour:
        raise UsageError("SGRNet's tables need --validation, and --tumour once per fold.", "Give both.")
    try:
        from hyoid.pipelines import sgrnet_ablation
        from hyoid.pipelines.sgrnet_training import prepared_cases
        from hyoid.training.recipe import ClassificationRecipe, load_recipe
    except ImportError as error:
        raise UsageError(
            f"Training needs a package that is not installed ({error.name}).", "Run: pip install 'hyoid[train]'"
        ) from error
    teller = Teller(as_json=as_json)
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


def _hecktor(setting: Setting, only: Sequence[str], dry_run: bool, as_json: bool) -> None:
    """Table 5 of the PET/CT paper."""
    try:
        from hyoid.pipelines import petct_ablation
        from hyoid.pipelines.structured_report import Machine
    except ImportError as error:
        raise UsageError(
            f"Training needs a package that is not installed ({error.name}).", "Run: pip install 'hyoid[train]'"
        ) from error
    teller = Teller(as_json=as_json)
    rows = petct_ablation.planned(only)
    networks = list(dict.fromkeys(network for row in rows for network in row.networks))
    if dry_run:
        names = [f"{recipe} {preset}" for recipe, preset in networks]
        teller.event("plan", table=HECKTOR, rows=[r.name for r in rows], networks=names, seeds=setting.seeds)
        teller.say(f"{HECKTOR}: {len(rows)} rows from {len(networks)} networks x {setting.seeds} seeds: {names}.")
        return
    with teller.bars():
        petct_ablation.ablate(
            petct_ablation.Setting(
                train=setting.train,
                test=setting.test,
                out=setting.out,
                head=load_model(setting.head),
                coarse=load_model(setting.coarse),
                machine=Machine(device_named(setting.device), cache_folder()),
                seeds=setting.seeds,
                steps=setting.steps,
            ),
            only,
            on_progress=teller.progress,
        )
    teller.event("done", table=str(setting.out / "table.json"))
    teller.say(f"Table: {setting.out / 'table.md'}")


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
