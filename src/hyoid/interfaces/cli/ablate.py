"""`hyoid ablate`: a paper's ablation table again, with confidence intervals. Needs the extra `train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hyoid.interfaces.cli.options import AsJson, DeviceName, DryRun
from hyoid.interfaces.extras import needs_extra
from hyoid.interfaces.installed import PETCT_COARSE, PETCT_HEAD
from hyoid.interfaces.terminal import Terminal
from hyoid.names import current_name


def ablate(
    context: typer.Context,
    table: Annotated[
        str,
        typer.Argument(
            help="Table: ct_report-table1|2|localiser, midrt-fold0|5fold, petct-table5|6, lesion-table2|3|clicks."
        ),
    ],
    data: Annotated[Path, typer.Option(help="Folder of cases for cross-validation, or of a virtual cohort.")],
    out: Annotated[Path, typer.Option(help="Folder for runs and tables; finished runs are not repeated.")],
    validation: Annotated[
        Path | None,
        typer.Option(help="Folder of cases that no row is trained on; lesion: cohort of the zero-shot types."),
    ] = None,
    tumour: Annotated[
        list[str] | None,
        typer.Option(
            help="ct_report: tumour packages, one per fold in order of `train --fold`; or, for virtual patients, "
            "simulated; of ct_report-localiser the pre-trained one."
        ),
    ] = None,
    organs: Annotated[
        list[str] | None, typer.Option(help="ct_report: packages that outline organs, by default organs and neck.")
    ] = None,
    tumour_of_all: Annotated[str, typer.Option(help="ct_report: tumour package for the validation cases.")] = "tumour",
    preset: Annotated[str, typer.Option(help="Preset of the recipe: budget and constants of every row.")] = "ablation",
    folds: Annotated[int, typer.Option(min=2, help="Number of cross-validation folds.")] = 5,
    seeds: Annotated[
        int, typer.Option(min=1, help="Number of trainings of every row, each with a seed of its own.")
    ] = 3,
    steps: Annotated[int | None, typer.Option(min=1, help="petct: steps per training instead of the recipe's.")] = None,
    head: Annotated[str, typer.Option(help="petct: package of stage 1.")] = PETCT_HEAD,
    coarse: Annotated[str, typer.Option(help="petct: package of stage 2.")] = PETCT_COARSE,
    row: Annotated[list[str] | None, typer.Option(help="Row to run; repeat for several. By default all.")] = None,
    priors: Annotated[
        Path | None, typer.Option(help="ct_report: folder of prepared cases; OUT/priors by default.")
    ] = None,
    device: DeviceName = "auto",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Run the trainings of a paper's ablation table again, and write the table with confidence intervals to OUT."""
    with needs_extra("train", "Training"):
        from hyoid.interfaces.cli.ablations import AblationOrder, ablation_of
    table = current_name(table)
    given = [
        name for name in context.params if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"
    ]
    ablation = ablation_of(table, given)
    options = {
        "validation": validation,
        "tumour": tumour or (),
        "organs": organs or (),
        "tumour_of_all": tumour_of_all,
        "folds": folds,
        "seeds": seeds,
        "steps": steps,
        "head": head,
        "coarse": coarse,
        "priors": priors,
    }
    order = AblationOrder(table, data, out, preset, row or (), device, dry_run)
    ablation.run(order, Terminal(as_json=as_json), **{name: options[name] for name in ablation.options})
