"""Workers on this machine: one fresh process each, which keeps what it loaded from job to job."""

from __future__ import annotations

import os
import pickle
import signal
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import connection, get_context, parent_process
from typing import Any, Generic, TypeVar

from hyoid.jobs.executor import WorkerLostError

J = TypeVar("J")
R = TypeVar("R")


@dataclass(frozen=True)
class LocalExecutor(Generic[J, R]):
    """Processes of this machine, started afresh: a fork of a process with running threads can hang.

    Parameters
    ----------
    make : callable
        Called once in a worker's process; what it returns is called with job after job. A name of a module.
    workers : int
        Number of processes.
    environment : mapping of str to str
        Set in a worker before it imports anything, such as the number of threads of a library.
    """

    make: Callable[[], Callable[[J], R]]
    workers: int
    environment: Mapping[str, str] = field(default_factory=dict)

    def worker(self) -> LocalWorker[J, R]:
        """Make a further process, not started yet."""
        return LocalWorker(self.make, dict(self.environment))


class LocalWorker(Generic[J, R]):
    """One process: a pool of one, so that a killed process takes no other one's job along.

    Parameters
    ----------
    make : callable
        Called once in the process; what it returns is called with job after job.
    environment : dict of str to str
        Set in the process before it imports anything.
    """

    def __init__(self, make: Callable[[], Callable[[J], R]], environment: dict[str, str]) -> None:
        self._pid: int | None = None
        # Packed, so that nothing of it is imported before the environment is set.
        start = partial(_start, environment, pickle.dumps(make))
        self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=start)

    def start(self) -> Future[int]:
        """Start the process; the future ends when the process takes jobs."""
        started = self._passed_on(self._pool.submit(os.getpid))
        started.add_done_callback(self._remember)
        return started

    def submit(self, job: J) -> Future[R]:
        """Hand a job to the process."""
        try:
            return self._passed_on(self._pool.submit(_work, job))
        except BrokenProcessPool:
            lost: Future[R] = Future()
            lost.set_exception(WorkerLostError("The process was killed before its job."))
            return lost

    def stop(self) -> None:
        """Kill the process."""
        if self._pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        self._pool.shutdown(wait=self._pid is not None, cancel_futures=True)

    def _remember(self, started: Future[int]) -> None:
        if started.exception() is None:
            self._pid = started.result()

    def _passed_on(self, inner: Future[Any]) -> Future[Any]:
        """The same future, with a lost process as `WorkerLostError`."""
        outer: Future[Any] = Future()

        def passed_on(done: Future[Any]) -> None:
            if done.cancelled():
                outer.set_exception(WorkerLostError("The job was cancelled."))
            elif isinstance(error := done.exception(), BrokenProcessPool):
                self._pid = None  # the number may belong to somebody else soon
                outer.set_exception(WorkerLostError("The process was killed, perhaps for want of memory."))
            elif error is not None:
                outer.set_exception(error)
            else:
                outer.set_result(done.result())

        inner.add_done_callback(passed_on)
        return outer


_made: Callable[[Any], Any]
"""What works on the jobs of this process; set once, when a worker's process starts."""


def _start(environment: dict[str, str], make: bytes) -> None:
    """Prepare a fresh process: threads, no Ctrl-C of its own, and no life without its driver."""
    global _made  # noqa: PLW0603
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_driver, daemon=True).start()
    _made = pickle.loads(make)()


def _work(job: Any) -> Any:
    return _made(job)


def _end_with_driver() -> None:
    """End when the driver does, even if it was killed: nothing may go on writing behind a second driver."""
    driver = parent_process()
    if driver is not None:
        connection.wait([driver.sentinel])
        os._exit(1)
