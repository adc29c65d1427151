"""A real cluster of two nodes on this machine; the work is made of functions of the standard library."""

import os
from functools import partial
from operator import methodcaller
from pathlib import Path

import pytest

from hyoid.errors import HyoidError
from hyoid.jobs.executor import run_jobs

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
pytest.importorskip("ray")

from hyoid.jobs.ray_cluster import RayExecutor, cluster  # noqa: E402

CALL = partial(methodcaller, "__call__")  # makes a function that calls its job
NODE = {"num_cpus": 1, "object_store_memory": 80_000_000}


@pytest.fixture(scope="module")
def there():
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={**NODE, "num_cpus": 0, "include_dashboard": False})
    made.add_node(**NODE)
    with cluster(made.address):
        yield made
    made.shutdown()


def test_an_actor_has_its_environment_and_stands_where_the_driver_does(there):
    executor = RayExecutor(CALL, environment={"OMP_NUM_THREADS": "7"})
    environment = partial(os.getenv, "OMP_NUM_THREADS")
    found = {o.job: o.result for o in run_jobs(executor, [environment, os.getcwd])}
    assert found == {environment: "7", os.getcwd: str(Path.cwd())}


def test_an_actor_keeps_what_it_made_and_a_job_that_kills_actors_is_given_up(there):
    fatal = partial(os._exit, 3)
    found = list(run_jobs(RayExecutor(CALL), [os.getpid, os.getpid, fatal, os.getcwd], attempts=2))
    first, second = [o.result for o in found if o.job is os.getpid]
    assert first == second
    assert [(o.result, o.attempts) for o in found if o.job is fatal] == [(None, 2)]
    assert [o.attempts for o in found if o.job is os.getcwd] == [1]


def test_a_fault_of_the_work_is_itself(there):
    with pytest.raises(FileNotFoundError):
        list(run_jobs(RayExecutor(CALL), [partial(os.stat, "/absent")]))


def test_actors_fit_into_the_cluster_and_a_lost_machine_s_jobs_go_elsewhere(there):
    assert RayExecutor(CALL).workers == 1
    assert RayExecutor(CALL, cpus=2).workers == 1  # one that waits for a larger machine
    second = there.add_node(**NODE)
    assert (RayExecutor(CALL).workers, RayExecutor(CALL, most=1).workers) == (2, 1)
    running = run_jobs(RayExecutor(CALL), [partial(pow, 2, k) for k in range(40)])
    results = [next(running).result for _ in range(3)]
    there.remove_node(second, allow_graceful=False)
    results += [outcome.result for outcome in running]
    assert sorted(results) == [2**k for k in range(40)]


def test_where_no_cluster_is_there_is_a_refusal(monkeypatch):
    import ray

    def absent(**given):
        raise ConnectionError("10.0.0.1 does not answer")

    monkeypatch.setattr(ray, "init", absent)
    with pytest.raises(HyoidError, match="No Ray cluster can be joined") as refusal, cluster("10.0.0.1:6379"):
        pass
    assert "10.0.0.1" not in str(refusal.value)
