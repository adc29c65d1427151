import pytest

from hyoid.errors import UsageError
from hyoid.inference.memory import usable_cores
from hyoid.interfaces.cohorts import executors
from hyoid.interfaces.cohorts.executors import Room, default_workers, thread_words, workers_of
from hyoid.interfaces.terminal import Terminal


def test_workers_fit_into_memory_and_threads_are_shared(monkeypatch):
    monkeypatch.setattr(executors, "available_bytes", lambda: 7e9)
    assert [default_workers(n) for n in (1, 2, 16)] == [1, 2, 2]
    monkeypatch.setattr(executors, "available_bytes", lambda: None)
    assert default_workers(16) == 16
    monkeypatch.setattr(executors, "available_bytes", lambda: 1)
    assert default_workers(16) == 1
    assert usable_cores() >= 1
    assert set(thread_words(3).values()) == {"3"}


@pytest.mark.parametrize(
    ("room", "workers", "threads"), [(Room(), 4, 1), (Room(workers=2), 2, 2), (Room(workers=1, threads=3), 1, 3)]
)
def test_the_cores_of_this_machine_are_shared_among_workers(room, workers, threads, monkeypatch):
    monkeypatch.setattr(executors, "usable_cores", lambda: 4)
    monkeypatch.setattr(executors, "available_bytes", lambda: None)
    with workers_of(None, room, Terminal(as_json=True)) as executor:
        assert executor.workers == workers
        assert set(executor.environment.values()) == {str(threads)}


def test_gpus_without_ray_are_refused():
    with pytest.raises(UsageError, match="placed by Ray"), workers_of(None, Room(gpus=1), Terminal(as_json=True)):
        pass
