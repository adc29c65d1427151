"""`hyoid cohort`: many studies by one command, on the processes of this machine or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from hyoid.errors import UsageError
from hyoid.interfaces.cli.options import AsJson, DryRun
from hyoid.interfaces.cohorts.dicomweb_list import SUFFIXES, studies_of
from hyoid.interfaces.cohorts.driver import (
    REFUSED_FILE,
    Plan,
    duration,
    make_plan,
)
from hyoid.interfaces.cohorts.executors import WORKER_GB, Room, workers_of
from hyoid.interfaces.cohorts.expected import expected
from hyoid.interfaces.cohorts.jobs import JOBS, Job
from hyoid.interfaces.cohorts.page import summarise
from hyoid.interfaces.cohorts.run import run_cohort
from hyoid.interfaces.cohorts.tables import refused_rows
from hyoid.interfaces.terminal import Terminal
from hyoid.io.cohorts.listed import BrokenRow, ListedCase
from hyoid.io.cohorts.lists import read_list, write_list
from hyoid.jobs.ledger import CASES

SOME_REFUSED = 5
"""Exit code of a cohort in which a case gave no results; 0 where every case of the list is done."""

app = typer.Typer(
    help="Run a command on many studies, resumable, with results as tables. Research use only.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


def _command(job: Job) -> Callable[..., None]:
    """The command of one job; all jobs have the same options."""

    def cohort(
        source: Annotated[
            Path,
            typer.Argument(
                metavar="LIST",
                help="Folder to search for cases, a CSV or Parquet table with the columns id, path, prior, masks, "
                "clicks, options, or a YAML file with a query of a DICOMweb server.",
            ),
        ],
        out: Annotated[Path, typer.Option(help="Folder for the cohort; a stopped run is resumed from there.")],
        command: Annotated[
            list[str] | None,
            typer.Argument(
                metavar="[-- OPTIONS...]",
                help="Options and arguments of the job's own command for every case, behind two dashes.",
            ),
        ] = None,
        workers: Annotated[
            int, typer.Option(min=0, help="Number of workers; 0 takes as many as processors and memory allow.")
        ] = 0,
        threads: Annotated[
            int, typer.Option(min=0, help="Number of CPU threads of a worker; 0 shares the cores among workers here.")
        ] = 0,
        ray: Annotated[
            str | None,
            typer.Option(help="Ray cluster to run on: auto, HOST:PORT, ray://HOST:PORT, or local to start one here."),
        ] = None,
        gpus: Annotated[float, typer.Option(min=0, help="Number of GPUs of a worker on Ray, such as 1 or 0.5.")] = 0,
        memory_gb: Annotated[float, typer.Option(min=0.1, help="Memory of a worker, GB.")] = WORKER_GB,
        write_list_to: Annotated[
            Path | None,
            typer.Option("--write-list", help="CSV file for the cases that were found; its paths may name patients."),
        ] = None,
        overwrite: Annotated[
            bool,
            typer.Option("--overwrite", help="Replace cases that were made with other options or models."),
        ] = False,
        dry_run: DryRun = False,
        as_json: AsJson = False,
    ) -> None:
        terminal = Terminal(as_json=as_json)
        # A worker on another machine stands elsewhere.
        source, out = source.resolve(), out.resolve()
        listed: list[ListedCase | BrokenRow] = (
            [*studies_of(source, job.kind)]
            if source.suffix.lower() in SUFFIXES and not source.is_dir()
            else read_list(source, job.kind, leave_out=out)
        )
        if write_list_to is not None:
            write_list((c for c in listed if isinstance(c, ListedCase)), write_list_to)
        room = Room(workers, threads, gpus, memory_gb)
        with workers_of(ray, room, terminal) as executor:
            plan_of = partial(make_plan, job, listed, command or (), out)
            if dry_run:
                tell_plan(job, listed, plan_of(), executor.workers, terminal)
                return
            tell = partial(tell_plan, job, listed)
            plan, refused = run_cohort(plan_of, executor, out, terminal, overwrite=overwrite, tell=tell)
        done = plan.cases - len(refused)
        terminal.event("done", out=str(out), cases=plan.cases, done=done, refused=len(refused))
        terminal.say(f"{done} of {plan.cases} case(s) done.", "bold")
        if refused:
            terminal.note(f"{len(refused)} case(s) gave no results: {REFUSED_FILE} in the output folder says why.")
            raise typer.Exit(SOME_REFUSED)

    cohort.__doc__ = f"{job.summary} Research use only."
    return cohort


for _job in JOBS.values():
    app.command(_job.name)(_command(_job))


@app.command("show")
def show(
    out: Annotated[Path, typer.Argument(help="Folder of a cohort, as --out named it.")],
    as_json: AsJson = False,
) -> None:
    """Show what a cohort comes to: counts, distributions, most frequent cautions, refusals."""
    if not (out / CASES).is_dir():
        raise UsageError("The folder is not one of a cohort.", "Give the folder that --out of `hyoid cohort` named.")
    terminal = Terminal(as_json=as_json)
    found = summarise(out)
    distributions = {
        name: [round(float(q), 4) for q in np.percentile(values, (25, 50, 75))]
        for name, values in found.values.items()
        if values
    }
    refused = refused_rows(out)
    terminal.event(
        "cohort",
        job=found.job,
        counts=dict(found.counts),
        quartiles=distributions,
        cautions=dict(found.warnings.most_common(25)),
        refused=refused,
    )
    counts = ", ".join(f"{n} {state}" for state, n in found.counts.items())
    terminal.say(f"hyoid {found.job}: {counts}", "bold")
    for name, (low, median, high) in distributions.items():
        terminal.say(f"  {name}: median {median:g} (quartiles {low:g} and {high:g})")
    for words, n in found.warnings.most_common(10):
        terminal.say(f"  {n} x {words}")
    for row in refused[:10]:
        terminal.note(f"{row['id'] or 'row ' + row['row']}: {row['problem']}")
    if len(refused) > 10:
        terminal.note(f"and {len(refused) - 10} more in {REFUSED_FILE}")


def tell_plan(job: Job, listed: list[ListedCase | BrokenRow], plan: Plan, workers: int, terminal: Terminal) -> None:
    """Tell what a run has to do, and how long and large it may become.

    Parameters
    ----------
    job : Job
        Command of every case.
    listed : list of ListedCase or BrokenRow
        The list.
    plan : Plan
        What is done and what is to do.
    workers : int
        Workers that run at the same time.
    terminal : Terminal
        Where the words are printed.
    """
    seconds, megabytes, whence = expected(job.name, plan)
    hours = len(plan.todo) * seconds / workers / 3600
    gigabytes = len(plan.todo) * megabytes / 1000
    words = {c.case: c.words for c in listed if isinstance(c, ListedCase)}
    for case in plan.todo:
        terminal.event("todo", case=case.case, row=case.row, what=words[case.case])
    terminal.event(
        "plan",
        job=job.name,
        cases=plan.cases,
        done=len(plan.done),
        todo=len(plan.todo),
        refused=len(plan.refused),
        workers=workers,
        hours=round(hours, 3),
        gigabytes=round(gigabytes, 3),
        rests_on=whence,
    )
    kinds = sorted({words[case.case] for case in plan.todo})
    terminal.say(f"{plan.cases} case(s): {len(plan.done)} done, {len(plan.todo)} to do, {len(plan.refused)} refused.")
    for kind in kinds[:8]:
        terminal.say(f"  {sum(words[c.case] == kind for c in plan.todo)} x {kind}")
    if len(kinds) > 8:
        terminal.say(f"  and {len(kinds) - 8} kinds more; --json lists every case")
    if plan.changed:
        terminal.note(f"The files of {plan.changed} finished case(s) changed: these are done again.")
    if plan.todo:
        terminal.say(
            f"About {duration(hours * 3600)} with {workers} worker(s), and {gigabytes:.2f} GB of results ({whence})."
        )
