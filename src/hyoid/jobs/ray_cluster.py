"""Workers on a Ray cluster: one actor each, placed by processors, memory and GPUs. Needs the extra `ray`.

Ray places and starts the actors, tells when one is lost and shows all of them on its dashboard; the loop of `executor`
gives a lost actor's job to another one. At most one job waits for an actor, so nothing queues up in the cluster.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import ray
from ray.exceptions import RayError, RayTaskError

from hyoid.errors import HyoidError
from hyoid.jobs.executor import WorkerLostError

J = TypeVar("J")
R = TypeVar("R")


@contextmanager
def cluster(address: str) -> Iterator[str]:
    """Join a cluster while the block runs.

    Parameters
    ----------
    address : str
        "auto" or HOST:PORT from a machine of the cluster, ray://HOST:PORT from elsewhere; "local" starts one here.

    Yields
    ------
    str
        Address of the dashboard; empty where there is none.

    Raises
    ------
    HyoidError
        When no cluster answers.
    """
    try:
        context = ray.init(address=address, log_to_driver=False, logging_level="error")
    except (ConnectionError, RayError, ValueError, RuntimeError) as error:
        raise HyoidError(
            f"No Ray cluster can be joined under the address given ({type(error).__name__}).",
            "Start one with `ray start --head` (docs/cohorts.md), or check the address and its token.",
        ) from None
    try:
        yield getattr(context, "dashboard_url", "") or ""
    finally:
        ray.shutdown()


@dataclass(frozen=True)
class RayExecutor(Generic[J, R]):
    """Actors of the cluster that was joined.

    Parameters
    ----------
    make : callable
        Called once in an actor; what it returns is called with job after job.
    most : int
        Largest number of actors; 0 takes as many as the cluster has room for.
    cpus, gpus : float
        Processors and GPUs of an actor; a share of a GPU is a fraction.
    memory_bytes : int
        Memory of an actor.
    environment : mapping of str to str
        Set in an actor before it imports anything.
    """

    make: Callable[[], Callable[[J], R]]
    most: int = 0
    cpus: float = 1
    gpus: float = 0
    memory_bytes: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def workers(self) -> int:
        """Actors that the machines of the cluster have room for now; at least one, which waits for a machine."""
        asked = {"CPU": self.cpus, "GPU": self.gpus, "memory": float(self.memory_bytes)}
        room = sum(
            min(int(node["Resources"].get(name, 0) // amount) for name, amount in asked.items() if amount)
            for node in ray.nodes()
            if node["Alive"]
        )
        return max(1, min(room, self.most) if self.most else room)

    def worker(self) -> RayWorker[J, R]:
        """Make a further actor, not placed yet."""
        options = {"num_cpus": self.cpus, "num_gpus": self.gpus, "memory": self.memory_bytes, "max_restarts": 0}
        return RayWorker(self.make, options | {"runtime_env": {"env_vars": dict(self.environment)}})


class RayWorker(Generic[J, R]):
    """One actor.

    Parameters
    ----------
    make : callable
        Called once in the actor; what it returns is called with job after job.
    options : dict
        Resources and environment, as Ray names them.
    """

    def __init__(self, make: Callable[[], Callable[[J], R]], options: dict[str, Any]) -> None:
        self._make, self._options = pickle.dumps(make), options

    def start(self) -> Future[Any]:
        """Place the actor; the future ends when the actor takes jobs, which may be when a machine joins."""
        self._actor = ray.remote(_Actor).options(**self._options).remote(self._make, str(Path.cwd()))
        return _passed_on(self._actor.ready.remote())

    def submit(self, job: J) -> Future[R]:
        """Hand a job to the actor."""
        return _passed_on(self._actor.work.remote(job))

    def stop(self) -> None:
        """Kill the actor."""
        with suppress(RayError):
            ray.kill(self._actor)


class _Actor:
    """Holder of loaded networks."""

    def __init__(self, make: bytes, place: str) -> None:
        if Path(place).is_dir():
            os.chdir(place)  # paths among the options count from where the driver stands
        self._work = pickle.loads(make)()

    def ready(self) -> None:
        pass

    def work(self, job: Any) -> Any:
        return self._work(job)


def _passed_on(reference: Any) -> Future[Any]:
    """The future of an answer, with a lost actor as `WorkerLostError` and a fault of the work as itself."""
    outer: Future[Any] = Future()

    def passed_on(done: Future[Any]) -> None:
        error = done.exception()
        if isinstance(error, RayTaskError):
            outer.set_exception(error.cause or error)
        elif isinstance(error, RayError):
            outer.set_exception(WorkerLostError(f"An actor was lost ({type(error).__name__})."))
        elif error is not None:
            outer.set_exception(error)
        else:
            outer.set_result(done.result())

    reference.future().add_done_callback(passed_on)
    return outer
