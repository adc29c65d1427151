"""Real processes; their work is made of functions of the standard library, which a fresh process finds."""

import os
import signal
import time
from functools import partial
from multiprocessing import active_children
from operator import methodcaller

import pytest

from hyoid.jobs.executor import run_jobs
from hyoid.jobs.local import LocalExecutor

CALL = partial(methodcaller, "__call__")  # makes a function that calls its job


@pytest.fixture(scope="module")
def results():
    """What two processes say: the environment, and who died of what."""
    executor = LocalExecutor(CALL, 2, {"OMP_NUM_THREADS": "7"})
    environment, fatal = partial(os.getenv, "OMP_NUM_THREADS"), partial(os._exit, 3)
    names = {environment: "environment", fatal: "fatal", os.getpid: "pid"}
    return {names[o.job]: o for o in run_jobs(executor, [environment, fatal, os.getpid], attempts=2)}


def test_a_process_has_its_environment(results):
    assert results["environment"].result == "7"


def test_a_job_that_kills_its_process_is_given_up_and_takes_no_other_along(results):
    assert (results["fatal"].result, results["fatal"].attempts) == (None, 2)
    assert (results["pid"].attempts, results["pid"].result != os.getpid()) == (1, True)


def test_no_process_is_left(results):
    """A worker that was told to end may take a moment on a busy machine."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        active_children()  # reaps those that have ended
        try:
            os.kill(results["pid"].result, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("The worker is still there.")


def test_a_process_keeps_what_it_made_and_one_killed_from_outside_is_replaced():
    executor = LocalExecutor(CALL, 1)
    running = run_jobs(executor, [os.getpid, os.getpid, os.getpid])
    first, second = next(running).result, next(running).result
    assert first == second
    os.kill(first, signal.SIGKILL)
    last = next(running)
    assert last.job is os.getpid
    assert list(running) == []
