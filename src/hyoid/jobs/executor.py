"""One small interface for all executors: a worker takes one job at a time, and may be lost with it.

::

    jobs --> run_jobs --> worker (a process here, an actor of Ray) --> outcome
                 ^                        |
                 +---- lost: again, on a new worker
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from hyoid.errors import HyoidError

J = TypeVar("J")
J_contra = TypeVar("J_contra", contravariant=True)
R = TypeVar("R")
MOST_ATTEMPTS = 3
"""How often a job may lose its worker before it is given up: it is then the job that kills workers."""
_MOST_FAILED_STARTS = 3
_LOOK_AGAIN_S = 5.0  # for machines that joined


class WorkerLostError(Exception):
    """Raised when a worker ended in the middle of its job: killed, out of memory, or its machine is gone."""


class Worker(Protocol[J_contra, R]):
    """Process that holds loaded networks and takes one job at a time."""

    def start(self) -> Future[Any]:
        """Start the process; the future ends when the worker can take jobs."""

    def submit(self, job: J_contra) -> Future[R]:
        """Hand a job over; the future raises `WorkerLostError` when the worker ends before its job does."""

    def stop(self) -> None:
        """End at once, whatever runs."""


class Executor(Protocol[J_contra, R]):
    """Source of workers."""

    @property
    def workers(self) -> int:
        """Number of workers that can run at the same time now; it may grow when machines join."""

    def worker(self) -> Worker[J_contra, R]:
        """Make a further worker, not started yet."""


@dataclass(frozen=True)
class Outcome(Generic[J, R]):
    """What became of a job.

    Parameters
    ----------
    job : object
        As it was given.
    result : object or None
        What the worker returned; None where the job was given up.
    attempts : int
        Workers that had the job, those lost with it included.
    """

    job: J
    result: R | None
    attempts: int


def run_jobs(executor: Executor[J, R], jobs: Iterable[J], *, attempts: int = MOST_ATTEMPTS) -> Iterator[Outcome[J, R]]:
    """Run jobs on all workers of an executor, and give each outcome as soon as it is there.

    A job is taken from `jobs` only when a worker is free for it, so that a long list is never held in memory. When the
    caller stops listening, or an error leaves a job, all workers are ended at once.

    Parameters
    ----------
    executor : Executor
        Where the workers run.
    jobs : iterable
        Jobs in the order in which they begin.
    attempts : int
        How often a job may lose its worker before it is given up.

    Raises
    ------
    HyoidError
        When workers cannot be started.
    """
    waiting = iter(jobs)
    again: deque[tuple[J, int]] = deque()
    busy: dict[Future[Any], tuple[Worker[J, R], tuple[J, int] | None]] = {}
    failed_starts = 0

    def next_job() -> tuple[J, int] | None:
        if again:
            return again.popleft()
        return next(((job, 1) for job in waiting), None)

    def start() -> None:
        worker = executor.worker()
        busy[worker.start()] = (worker, None)

    held = next_job()
    try:
        while held is not None or any(task for _, task in busy.values()):
            while held is not None and len(busy) < executor.workers:
                start()
            done, _ = wait(busy, timeout=_LOOK_AGAIN_S, return_when=FIRST_COMPLETED)
            for future in done:
                worker, task = busy.pop(future)
                try:
                    result = future.result()
                except WorkerLostError as error:
                    worker.stop()
                    failed_starts = failed_starts + 1 if task is None else failed_starts
                    if failed_starts >= _MOST_FAILED_STARTS:
                        raise HyoidError("Workers cannot be started: each ended at once.", str(error)) from error
                    if task is not None and task[1] >= attempts:
                        yield Outcome(task[0], None, task[1])
                    elif task is not None:
                        again.append((task[0], task[1] + 1))
                        held = held or next_job()
                    continue
                failed_starts = 0
                if held is None:
                    worker.stop()
                else:
                    busy[worker.submit(held[0])] = (worker, held)
                    held = next_job()
                if task is not None:
                    yield Outcome(task[0], result, task[1])
    finally:
        for worker, _ in busy.values():
            worker.stop()
