"""One run of a cohort: the cases that are not done, refusals, tables and page."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path

from hyoid.errors import UsageError
from hyoid.interfaces.cohorts.driver import Plan, Refusal, run_plan, write_refused
from hyoid.interfaces.cohorts.jobs import CaseJob
from hyoid.interfaces.cohorts.page import PAGE_FILE, CohortSummary, write_page
from hyoid.interfaces.cohorts.tables import cohort_rows, write_tables
from hyoid.interfaces.cohorts.worker import Answer
from hyoid.interfaces.terminal import Terminal
from hyoid.jobs.executor import Executor
from hyoid.jobs.ledger import one_driver


def run_cohort(
    plan_of: Callable[[], Plan],
    executor: Executor[CaseJob, Answer],
    out: Path,
    terminal: Terminal,
    *,
    overwrite: bool = False,
    tell: Callable[[Plan, int, Terminal], None] | None = None,
) -> tuple[Plan, tuple[Refusal, ...]]:
    """Run the cases of a cohort that are not done, and write refusals, tables and page.

    Parameters
    ----------
    plan_of : callable
        Makes the plan, once no other run drives the cohort.
    executor : Executor
        Where the workers run.
    out : Path
        Folder of the cohort.
    terminal : Terminal
        Where progress is shown.
    overwrite : bool
        Replace cases that were made with other options or models.
    tell : callable, optional
        Told (plan, number of workers, terminal) before the run.

    Returns
    -------
    plan : Plan
        What was to do.
    refused : tuple of Refusal
        Cases that gave no results.

    Raises
    ------
    UsageError
        When finished cases were made with other options, and `overwrite` was not asked for.
    OutputError
        When the disk is full or not writable; finished cases stay.
    """
    with one_driver(out):
        plan = plan_of()
        if tell is not None:
            tell(plan, executor.workers, terminal)
        if plan.other and not overwrite:
            raise UsageError(
                f"{plan.other} finished case(s) were made with other options or models.",
                "Give another --out, or add --overwrite to make these cases again.",
            )
        refused = list(plan.refused)
        try:
            with terminal.bars():
                for refusal in run_plan(plan, executor, terminal):
                    refused.append(refusal)
        finally:
            write_refused(refused, out)
        if plan.todo or not (out / PAGE_FILE).is_file():
            write_results(out, terminal)
    return plan, tuple(refused)


def write_results(out: Path, terminal: Terminal) -> None:
    """Write the tables and the page of a cohort; without pyarrow the page alone, with a note.

    Parameters
    ----------
    out : Path
        Folder of the cohort.
    terminal : Terminal
        Where the note is printed.
    """
    found = CohortSummary()
    cases = found.take_in(cohort_rows(out))
    try:
        write_tables(out, cases)
    except UsageError as error:
        terminal.note(f"{error.problem} The tables are left out. {error.cure}")
        deque(cases, maxlen=0)  # read for the summary alone
    write_page(out, found)
