"""From job to results: what runs, on which input, and where each end leads."""

import pytest

from hyoid.interfaces.node.settling import settle
from hyoid.interfaces.node.worker import work


@pytest.fixture
def ready(place, make_object, take, clock):
    """A place with a job that waits."""
    take(place, make_object(number=1), make_object(number=2), make_object(modality="MR"))
    clock.turn(20)
    settle(place)
    return place


def states(place):
    return {state: n for state, n in place.ledger.summary()["jobs"].items() if n}


def reason(place):
    return place.ledger.summary()["troubles"][0]["reason"]


def test_a_job_reads_the_series_of_its_rule_and_leaves_its_results_in_place(ready, calls, trouble, tmp_path):
    trouble(f"ls {tmp_path}/state/work/*/study | wc -l > {tmp_path}/count")
    assert work(ready)
    assert states(ready) == {"sending": 1}
    assert (tmp_path / "count").read_text().strip() == "2"  # two slices of CT, not the MR
    [results] = ready.results_folder.iterdir()
    assert sorted(p.name for p in results.iterdir()) == ["run.json", "seg.dcm"]
    assert list(ready.work_folder.iterdir()) == []
    assert len(calls()) == 1 and not work(ready)


def test_a_run_that_fails_is_tried_again_later_and_then_put_before_a_person(ready, trouble, clock):
    trouble("exit 1")
    assert work(ready) and states(ready) == {"failed": 1}
    assert not work(ready)
    clock.turn(5)
    assert work(ready) and states(ready) == {"quarantined": 1}
    assert reason(ready) == "The run crashed (exit code 1). Tried 2 times."
    trouble("")
    job = ready.ledger.summary()["troubles"][0]["job"]
    assert ready.ledger.jobs.release(job[:8]) == 1 and ready.ledger.jobs.release("all") == 0
    assert work(ready) and states(ready) == {"sending": 1}


@pytest.mark.parametrize(
    ("lines", "state", "words"),
    [
        ("echo 'Input refused: No neck.' >&2; exit 3", "quarantined", "No neck."),
        ("echo 'The disk is full: nothing was written.' >&2; exit 3", "waiting", None),
        ("kill -9 $$", "failed", "The run was killed (SIGKILL). Was there too little memory?"),
        ("exit 0", "failed", "The run left no run.json."),
    ],
)
def test_each_end_of_a_run_leads_somewhere(ready, trouble, lines, state, words):
    trouble(lines)
    work(ready)
    assert states(ready) == {state: 1}
    assert words is None or reason(ready) == words
    assert list(ready.work_folder.iterdir()) == [] and list(ready.results_folder.iterdir()) == []


def test_of_two_nodes_one_runs_a_job(ready, make_place, calls):
    other = make_place()
    claimed = ready.ledger.jobs.claim(ready.owner, 30, 20)
    assert claimed is not None and other.ledger.jobs.claim(other.owner, 30, 20) is None
    assert not work(other) and calls() == []


def test_a_node_that_is_not_heard_of_loses_its_job_and_can_no_longer_finish_it(ready, make_place, clock, calls):
    other = make_place()
    lost = ready.ledger.jobs.claim(ready.owner, 30, 20)
    clock.turn(31)
    assert work(other) and len(calls()) == 1
    assert not ready.ledger.jobs.is_running(lost.job, ready.owner)
    with pytest.raises(Exception, match="taken over"):
        ready.ledger.jobs.finish(lost.job, ready.owner, {})


def test_a_job_that_could_not_be_entered_is_not_kept_and_another_node_adopts_its_results(
    ready, make_place, clock, monkeypatch, calls
):
    def full(*arguments):
        raise OSError("no room")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no room"):
        patch.setattr(ready.ledger.jobs, "finish", full)
        work(ready)
    clock.turn(25)
    ready.renew()  # the node goes on, and this lease is not prolonged
    clock.turn(6)
    assert work(make_place()) and len(calls()) == 1 and states(ready) == {"sending": 1}


def test_the_lease_of_a_job_is_prolonged_while_it_runs(ready, clock):
    job = ready.ledger.jobs.claim(ready.owner, 30, 20)
    with ready.keeping(f"job:{job.job}"):
        for _ in range(3):
            clock.turn(20)
            ready.renew()
        assert ready.ledger.jobs.is_running(job.job, ready.owner)
    clock.turn(31)
    assert not ready.ledger.jobs.is_running(job.job, ready.owner)


def test_results_that_a_killed_node_put_in_place_are_adopted(ready, clock, calls):
    lost = ready.ledger.jobs.claim("killed", 30, 20)
    ready.results(lost.job).mkdir()
    (ready.results(lost.job) / "run.json").write_text("{}")
    clock.turn(31)
    assert work(ready) and calls() == [] and states(ready) == {"sending": 1}


def test_a_job_that_ends_the_node_again_and_again_is_put_before_a_person(ready, clock):
    for _ in range(20):
        assert ready.ledger.jobs.claim("node", 30, 20) is not None
        clock.turn(31)
    assert ready.ledger.jobs.claim("node", 30, 20) is None
    assert reason(ready) == "The node ended 20 times while this job ran."


def test_objects_that_come_during_a_run_end_it(ready, make_object, take, trouble, clock, tmp_path, monkeypatch):
    from hyoid.interfaces.node import worker

    def arrive_meanwhile(*arguments, **more):
        take(ready, make_object(number=3))
        clock.turn(15)
        settle(ready)
        return run(*arguments, **more)

    run = worker.run_command
    monkeypatch.setattr(worker, "run_command", arrive_meanwhile)
    assert work(ready)
    assert states(ready) == {"superseded": 1, "waiting": 1}
    assert list(ready.results_folder.iterdir()) == []


def test_a_study_whose_scans_are_gone_is_put_before_a_person(ready):
    for file in ready.ledger.arrivals.files():
        ready.spool.path(file).unlink()
    work(ready)
    assert "Send the whole study again" in reason(ready)


def test_a_rule_that_the_configuration_no_longer_has_is_told(ready, make_place):
    rules = [{"name": "other", "when": {"modality": "CT"}, "job": "report", "to": ["out"]}]
    work(make_place(rules=rules))
    assert "no longer the rule" in reason(ready)


def test_nothing_runs_on_a_full_disk(ready, make_place, calls):
    assert not work(make_place(limits={"free_gb": 10**6})) and calls() == []


BEFORE = {"name": "before", "when": {"modality": ["MR", "RTSTRUCT"]}, "job": "prior"}
DURING = {"name": "during", "when": {"modality": "MR"}, "job": "midrt", "to": ["out"], "wait_hours": 1}


@pytest.fixture
def midrt(make_place, make_object, take, clock):
    """A place where the study during treatment has come."""
    place = make_place(rules=[BEFORE, DURING])
    take(place, make_object("mid", modality="MR", date="20270201"))
    clock.turn(20)
    settle(place)
    return place


def test_a_study_during_treatment_waits_for_its_prior_and_then_runs_with_it(midrt, make_object, take, clock, calls):
    assert work(midrt) and states(midrt) == {"waiting": 1} and calls() == []
    older = make_object("older", modality="MR", date="20261201")
    take(midrt, older, make_object("older", modality="RTSTRUCT"))
    take(midrt, make_object("pre", modality="MR"), make_object("pre", modality="RTSTRUCT"))
    take(midrt, make_object("later", modality="MR", date="20270301"), make_object("later", modality="RTSTRUCT"))
    take(
        midrt, make_object("else", modality="MR", patient="p2"), make_object("else", modality="RTSTRUCT", patient="p2")
    )
    clock.turn(20)
    settle(midrt)
    assert work(midrt) and states(midrt) == {"sending": 1}
    assert calls()[0].split()[0] == "midrt" and "--pre-masks" in calls()[0]


def test_a_prior_that_never_comes_or_says_two_things_is_put_before_a_person(midrt, make_object, take, clock):
    work(midrt)
    clock.turn(3601)
    work(midrt)
    assert reason(midrt) == "No earlier study of this patient with MR and outlines is kept as a prior."
    take(midrt, make_object("pre", modality="MR"), *(make_object("pre", n, modality="RTSTRUCT") for n in (1, 2)))
    clock.turn(20)
    settle(midrt)
    midrt.ledger.jobs.release("all")
    work(midrt)
    assert "2 objects with outlines" in reason(midrt)
