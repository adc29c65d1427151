"""Where the cases of a cohort run: the processes of this machine, or the actors of a Ray cluster, and their room."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from hyoid.errors import UsageError
from hyoid.inference.memory import available_bytes, usable_cores
from hyoid.interfaces.cohorts.jobs import CaseJob
from hyoid.interfaces.cohorts.worker import Answer, CaseWork
from hyoid.interfaces.extras import needs_extra
from hyoid.interfaces.terminal import Terminal
from hyoid.jobs.executor import Executor
from hyoid.jobs.local import LocalExecutor

WORKER_GB = 3.0
"""Memory that a worker may take: the largest default system, PET/CT, with room for a large scan."""


@dataclass(frozen=True)
class Room:
    """What the workers of a run may take.

    Parameters
    ----------
    workers : int
        Number of workers; 0 takes as many as there is room for.
    threads : int
        CPU threads of a worker; 0 shares the cores among the workers of this machine, and takes one on Ray.
    gpus : float
        GPUs of a worker on Ray.
    memory_gb : float
        Memory of a worker.
    """

    workers: int = 0
    threads: int = 0
    gpus: float = 0
    memory_gb: float = WORKER_GB


@contextmanager
def workers_of(address: str | None, room: Room, terminal: Terminal) -> Iterator[Executor[CaseJob, Answer]]:
    """Choose where cases run: the processes of this machine, or the actors of a Ray cluster.

    Parameters
    ----------
    address : str or None
        Address of a Ray cluster; None for this machine.
    room : Room
        What the workers may take.
    terminal : Terminal
        Where the address of Ray's dashboard is printed.

    Raises
    ------
    UsageError
        When Ray is not installed, or GPUs are asked for without Ray.
    HyoidError
        When no cluster answers.
    """
    if address is None:
        if room.gpus:
            raise UsageError(
                "GPUs are placed by Ray, and no cluster is named.", "Add --ray local, or leave --gpus out."
            )
        cores = usable_cores()
        workers = room.workers or default_workers(cores, room.memory_gb)
        threads = room.threads or max(1, cores // workers)
        yield LocalExecutor(partial(CaseWork, threads), workers, thread_words(threads))
        return
    with needs_extra("ray", "A Ray cluster"):
        from hyoid.jobs.ray_cluster import RayExecutor, cluster
    threads = room.threads or 1
    with cluster(address) as dashboard:
        if dashboard:
            terminal.event("dashboard", url=dashboard)
            terminal.say(f"Ray's dashboard: {dashboard}")
        yield RayExecutor(
            partial(CaseWork, threads),
            room.workers,
            cpus=threads,
            gpus=room.gpus,
            memory_bytes=round(room.memory_gb * 1e9),
            environment=thread_words(threads),
        )


def default_workers(cores: int, memory_gb: float = WORKER_GB) -> int:
    """Choose how many workers a machine has room for: one per core, as far as its memory goes.

    Parameters
    ----------
    cores : int
        Cores that this process may use.
    memory_gb : float
        Memory of a worker.
    """
    room = available_bytes()
    return max(1, cores if room is None else min(cores, int(room // (memory_gb * 1e9))))


def thread_words(threads: int) -> dict[str, str]:
    """Name the environment that holds the libraries of a worker to so many threads.

    Parameters
    ----------
    threads : int
        Threads of a worker.
    """
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")
    return dict.fromkeys(names, str(threads))
