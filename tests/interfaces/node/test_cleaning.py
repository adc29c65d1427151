"""Retention: what goes when, and what must stay."""

import os

import pytest

from hyoid.interfaces.node.cleaning import clean
from hyoid.interfaces.node.sender import send
from hyoid.interfaces.node.settling import settle
from hyoid.interfaces.node.worker import work

HOUR = 3600


@pytest.fixture
def arrived(place, make_object, take, clock):
    take(place, make_object())
    clock.turn(20)
    return place


def scans(place):
    return len(list((place.config.state / "spool").glob("*/*.dcm")))


def test_scans_stay_until_everything_is_delivered_and_results_a_day_longer(arrived, clock, tmp_path):
    clean(arrived)
    settle(arrived)
    clean(arrived)
    work(arrived)
    clock.turn(1000 * HOUR)
    clean(arrived)
    assert scans(arrived) == 1
    send(arrived, "out")
    clean(arrived)
    assert scans(arrived) == 0 and len(list(arrived.results_folder.iterdir())) == 1
    clock.turn(25 * HOUR)
    clean(arrived)
    assert list(arrived.results_folder.iterdir()) == []
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_a_study_in_quarantine_stays_for_a_month(arrived, clock, trouble):
    trouble("exit 3")
    settle(arrived)
    work(arrived)
    for hours, left in ((700, 1), (21, 0)):
        clock.turn(hours * HOUR)
        clean(arrived)
        assert scans(arrived) == left


def test_a_study_without_a_rule_stays_for_a_day_so_that_its_pet_may_follow(place, make_object, take, clock):
    take(place, make_object(modality="MR"))
    clock.turn(20)
    settle(place)
    for hours, left in ((23, 1), (1, 0)):
        clock.turn(hours * HOUR)
        clean(place)
        assert scans(place) == left


def test_an_unreadable_object_goes_after_a_month(place, make_object, take, clock):
    with pytest.raises(Exception, match="truncated"):
        take(place, make_object()[:-4])
    clean(place)
    assert len(list((place.config.state / "rejected").iterdir())) == 1
    clock.turn(721 * HOUR)
    clean(place)
    assert list((place.config.state / "rejected").iterdir()) == []


def test_what_killed_runs_left_goes_and_what_runs_stays(arrived, clock):
    settle(arrived)
    job = arrived.ledger.jobs.claim("node", 30, 20).job
    for folder in (arrived.work_folder / f"{job}-aa", arrived.results_folder / "unknown"):
        folder.mkdir()
        os.utime(folder, (clock.now - 2 * HOUR, clock.now - 2 * HOUR))
    clean(arrived)
    assert [p.name for p in arrived.work_folder.iterdir()] == [f"{job}-aa"]
    assert list(arrived.results_folder.iterdir()) == []
    clock.turn(31)  # the lease has run out
    clean(arrived)
    assert list(arrived.work_folder.iterdir()) == []
