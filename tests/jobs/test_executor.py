"""The loop that hands jobs to workers: with workers that are lists of what is to happen."""

from concurrent.futures import Future

import pytest

from hyoid.errors import HyoidError
from hyoid.jobs.executor import WorkerLostError, run_jobs


def ended(result=None, error=None):
    future = Future()
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
    return future


class Scripted:
    """An executor whose workers square numbers, and are lost as often as is said for a job (None: at the start)."""

    def __init__(self, workers=1, losses=None):
        self.workers, self.losses, self.taken, self.stopped, self.started = workers, dict(losses or {}), [], 0, 0

    def worker(self):
        return self

    def _lost(self, what):
        self.losses[what] = self.losses.get(what, 0) - 1
        return self.losses[what] >= 0

    def start(self):
        self.started += 1
        return ended(error=WorkerLostError("gone") if self._lost(None) else None)

    def submit(self, job):
        self.taken.append(job)
        if job == "bug":
            return ended(error=ZeroDivisionError("a fault of the work itself"))
        return ended(error=WorkerLostError("gone")) if self._lost(job) else ended(job * job)

    def stop(self):
        self.stopped += 1


def outcomes(executor, jobs, **more):
    return sorted((o.job, o.result, o.attempts) for o in run_jobs(executor, jobs, **more))


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_every_job_has_its_outcome_and_every_worker_is_stopped(workers):
    executor = Scripted(workers)
    assert outcomes(executor, range(4)) == [(0, 0, 1), (1, 1, 1), (2, 4, 1), (3, 9, 1)]
    assert executor.stopped == executor.started <= workers


def test_no_job_starts_no_worker():
    executor = Scripted()
    assert outcomes(executor, []) == []
    assert executor.started == 0


def test_a_job_that_lost_its_worker_is_done_again_on_another():
    executor = Scripted(losses={2: 2})
    assert outcomes(executor, [1, 2, 3]) == [(1, 1, 1), (2, 4, 3), (3, 9, 1)]
    assert executor.taken.count(2) == 3


def test_the_last_job_may_lose_its_worker_too():
    assert outcomes(Scripted(workers=3, losses={5: 1}), [5]) == [(5, 25, 2)]


def test_a_job_that_ends_every_worker_is_given_up_and_the_others_are_done():
    assert outcomes(Scripted(losses={2: 99}), [1, 2, 3], attempts=2) == [(1, 1, 1), (2, None, 2), (3, 9, 1)]


def test_workers_that_never_start_are_a_refusal():
    with pytest.raises(HyoidError, match="cannot be started"):
        outcomes(Scripted(losses={None: 99}), [1])
    assert outcomes(Scripted(losses={None: 2}), [1]) == [(1, 1, 1)]


def test_jobs_are_taken_only_when_a_worker_is_free():
    taken = []
    jobs = (taken.append(k) or k for k in range(1000))
    running = run_jobs(Scripted(workers=2), jobs)
    next(running)
    assert len(taken) <= 5


def test_workers_are_stopped_when_nobody_listens_any_more_or_the_work_has_a_fault():
    executor = Scripted(workers=2)
    running = run_jobs(executor, range(9))
    next(running)
    running.close()
    assert executor.stopped == executor.started
    executor = Scripted()
    with pytest.raises(ZeroDivisionError):
        outcomes(executor, ["bug", 1])
    assert executor.stopped == 0 or executor.started >= executor.stopped
