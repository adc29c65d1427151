"""From study to job: after the quiet time, once for one content, anew for another."""

import json

from hyoid.interfaces.node.settling import settle


def states(place):
    return {state: n for state, n in place.ledger.summary()["jobs"].items() if n}


def test_a_study_gets_its_job_after_the_quiet_time(place, make_object, take, clock):
    take(place, make_object(number=1))
    clock.turn(9)
    take(place, make_object(number=2))
    clock.turn(9)
    assert not settle(place) and states(place) == {}
    clock.turn(1)
    assert settle(place) and states(place) == {"waiting": 1}
    assert not settle(place)


def test_after_a_pause_of_the_node_the_quiet_time_begins_anew(place, make_place, make_object, take, clock):
    take(place, make_object(number=1))
    clock.turn(60)  # nobody listened, and the rest of the study could not come
    again = make_place()
    assert not settle(again)
    take(again, make_object(number=2))
    clock.turn(10)
    assert settle(again) and len(again.ledger.arrivals.objects(again.ledger.jobs.claim("a", 30, 20).study)) == 2


def test_a_study_that_comes_again_begins_nothing(place, make_object, take, clock):
    for _ in range(2):
        take(place, *(make_object(number=n) for n in range(3)))
        clock.turn(20)
        settle(place)
    assert states(place) == {"waiting": 1}


def test_further_slices_replace_the_job_and_an_object_that_no_rule_reads_does_not(place, make_object, take, clock):
    take(place, make_object(number=1))
    clock.turn(20)
    settle(place)
    take(place, make_object(number=1, modality="RTSTRUCT"))
    clock.turn(20)
    settle(place)
    assert states(place) == {"waiting": 1}
    take(place, make_object(number=2))
    clock.turn(20)
    settle(place)
    assert states(place) == {"waiting": 1, "superseded": 1}


def test_a_study_whose_first_content_comes_back_gets_its_first_job_back(place, make_object, take, clock):
    for name in ("Invented", "Corrected", "Invented"):
        take(place, make_object(PatientName=name))
        clock.turn(20)
        settle(place)
    assert states(place) == {"waiting": 1, "superseded": 1}


def test_a_study_that_no_rule_fits_is_told(place, make_object, take, clock):
    take(place, make_object(modality="MR"))
    clock.turn(20)
    settle(place)
    assert place.ledger.summary()["studies"] == {"no rule": 1}
    event = json.loads((place.config.state / "events.jsonl").read_text())
    assert event["event"] == "study complete" and event["rule"] is None


def test_a_prior_is_kept_and_not_run(make_place, make_object, take, clock):
    prior = {"name": "before", "when": {"modality": ["MR", "RTSTRUCT"]}, "job": "prior", "keep_hours": 1}
    place = make_place(rules=[prior], destinations={})
    take(place, make_object(modality="MR"), make_object(modality="RTSTRUCT"))
    clock.turn(20)
    settle(place)
    assert place.ledger.summary()["studies"] == {"prior": 1} and states(place) == {}
    clock.turn(3700)
    assert place.ledger.summary()["studies"] == {"no rule": 1}


def test_an_object_that_comes_while_the_job_is_chosen_keeps_the_study_open(place, make_object, take, clock):
    take(place, make_object(number=1))
    clock.turn(20)
    [(study, changed)] = place.ledger.arrivals.quiet_studies(10)
    take(place, make_object(number=2))
    assert not place.ledger.jobs.settle(study, changed, None)
    assert place.ledger.summary()["studies"] == {"receiving": 1}
