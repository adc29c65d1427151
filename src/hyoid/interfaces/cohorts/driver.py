"""What drives a cohort: plan, workers, progress, refusals; the same command again resumes a stopped run."""

from __future__ import annotations

import csv
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hyoid.errors import HyoidError, OutputError
from hyoid.interfaces.cohorts.jobs import CaseJob, Job, order_of, words_of
from hyoid.interfaces.cohorts.worker import Answer
from hyoid.interfaces.terminal import Terminal
from hyoid.io.atomic import atomic_write
from hyoid.io.cohorts.listed import BrokenRow, ListedCase
from hyoid.jobs.executor import Executor, run_jobs
from hyoid.jobs.ledger import CASES, record_of

REFUSED_FILE = "refused.csv"


@dataclass(frozen=True)
class Refusal:
    """A case that gave no results.

    Parameters
    ----------
    row : int
        Place in the list.
    case : str
        Identifier; empty where the row has none.
    kind : str
        Kind of refusal in words.
    problem, cure : str
        Why, and what to do about it.
    """

    row: int
    case: str
    kind: str
    problem: str
    cure: str


@dataclass(frozen=True)
class Plan:
    """What a run has to do.

    Parameters
    ----------
    todo, done : tuple of CaseJob
        Cases that have to be made, and cases whose results are in place.
    refused : tuple of Refusal
        Rows that cannot become a case.
    changed : int
        Cases to do that have results of earlier files.
    other : int
        Cases to do that have results of the same files with other options or models.
    """

    todo: tuple[CaseJob, ...]
    done: tuple[CaseJob, ...]
    refused: tuple[Refusal, ...]
    changed: int = 0
    other: int = 0

    @property
    def cases(self) -> int:
        """Rows of the list."""
        return len(self.todo) + len(self.done) + len(self.refused)


def make_plan(job: Job, listed: Sequence[ListedCase | BrokenRow], common: Sequence[str], out: Path) -> Plan:
    """Sort the rows of a list into cases that are done, cases to do, and rows that cannot become a case.

    Parameters
    ----------
    job : Job
        Command of every case.
    listed : sequence of ListedCase or BrokenRow
        The list.
    common : sequence of str
        Words of the command for every case.
    out : Path
        Folder of the cohort.

    Raises
    ------
    HyoidError
        When every case is refused for one reason: then it is the command that is wrong.
    """
    todo, done, refused = [], [], []
    errors: dict[str, HyoidError] = {}
    changed = other = 0
    for row in listed:
        if isinstance(row, BrokenRow):
            refused.append(Refusal(row.row, row.case, "Broken row", row.problem, row.cure))
            continue
        try:
            words = words_of(job, row, common)
            order = order_of(job, words)
        except HyoidError as error:
            errors[error.problem] = error
            kind = type(error).exit_words.rstrip(":")
            refused.append(Refusal(row.row, row.case, kind, error.problem, error.cure))
            continue
        case = CaseJob(row.row, row.case, job.name, words, out / CASES / row.case, order)
        made = record_of(case.folder)
        if made is not None and made.order == order:
            done.append(case)
        else:
            changed += made is not None and made.order.inputs != order.inputs
            other += made is not None and made.order.inputs == order.inputs
            todo.append(case)
    if not todo and not done and len(errors) == 1:
        raise next(iter(errors.values()))
    return Plan(tuple(todo), tuple(done), tuple(refused), changed, other)


def run_plan(plan: Plan, executor: Executor[CaseJob, Answer], terminal: Terminal) -> Iterator[Refusal]:
    """Run the cases of a plan that are not done, and give those that were refused.

    Parameters
    ----------
    plan : Plan
        From `make_plan`.
    executor : Executor
        Where the workers run.
    terminal : Terminal
        Where progress is shown.

    Raises
    ------
    OutputError
        When the disk is full or not writable: finished cases stay, and the same command goes on.
    """
    began, total = time.monotonic(), len(plan.todo)
    terminal.progress("cohort", 0, total)
    for finished, outcome in enumerate(run_jobs(executor, plan.todo), start=1):
        case, answer = outcome.job, outcome.result
        if answer is None:
            problem = f"The case ended {outcome.attempts} workers, perhaps for want of memory."
            answer = Answer("refused", problem, "Run the case alone, or with fewer --workers.", "Failed")
        if answer.state == "stop":
            raise OutputError(answer.problem, f"{answer.cure} Then run the same command again: it goes on from here.")
        rate = finished / max(time.monotonic() - began, 1e-9)
        left_s = round((total - finished) / rate)
        terminal.event(
            "case", case=case.case, row=case.row, state=answer.state, seconds=answer.seconds, attempts=outcome.attempts
        )
        terminal.progress("cohort", finished, total, f"{3600 * rate:.0f} an hour, {duration(left_s)} left")
        if answer.state == "refused":
            # What an earlier file gave does not stand for the one that was refused.
            shutil.rmtree(case.folder, ignore_errors=True)
            yield Refusal(case.row, case.case, answer.kind, answer.problem, answer.cure)


def duration(seconds: float) -> str:
    """Word a duration.

    Parameters
    ----------
    seconds : float
        Length of the time, s.

    Examples
    --------
    >>> duration(40), duration(600), duration(9000), duration(600_000)
    ('40 s', '10 min', '2.5 h', '6.9 d')
    """
    for unit, length in (("d", 86_400), ("h", 3600)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"


def write_refused(refused: Sequence[Refusal], out: Path) -> None:
    """Write `refused.csv`: a row for each case without results, in the order of the list; none when all are done.

    Parameters
    ----------
    refused : sequence of Refusal
        Rows and cases without results.
    out : Path
        Folder of the cohort.
    """
    if not refused:
        (out / REFUSED_FILE).unlink(missing_ok=True)
        return
    with atomic_write(out / REFUSED_FILE) as made, made.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["row", "id", "kind", "problem", "what to do"])
        for r in sorted(refused, key=lambda r: r.row):
            table.writerow([r.row, r.case, r.kind, r.problem, r.cure])
