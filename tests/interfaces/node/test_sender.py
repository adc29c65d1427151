"""From results to destinations: once each, later where a destination is down, never twice after a kill."""

import json
from contextlib import contextmanager

import pytest

from hyoid.interfaces.node import sender
from hyoid.interfaces.node.destinations import PeerDownError, PeerRefusedError
from hyoid.interfaces.node.sender import send
from hyoid.interfaces.node.settling import settle
from hyoid.interfaces.node.worker import work

PACS = {"kind": "dicom", "ae_title": "PACS", "host": "localhost", "port": 104}


class Pacs:
    """A peer that remembers; `trouble` is raised by the next sending."""

    def __init__(self):
        self.objects, self.asked, self.trouble, self.open_trouble = [], 0, [], None

    def holds(self, path):
        self.asked += 1
        return path.read_bytes() in self.objects

    def send(self, path):
        for error in self.trouble:
            if isinstance(error, Exception):
                self.trouble.remove(error)
                if getattr(error, "arrived", False):
                    self.objects.append(path.read_bytes())
                raise error
        self.objects.append(path.read_bytes())


@pytest.fixture
def pacs(monkeypatch):
    peer = Pacs()

    @contextmanager
    def open_peer(destination, files):
        if peer.open_trouble:
            raise peer.open_trouble
        yield peer

    monkeypatch.setattr(sender, "open_peer", open_peer)
    return peer


@pytest.fixture
def ready(make_place, make_object, take, clock):
    """A place with results for a PACS."""
    rules = [{"name": "neck CT", "when": {"modality": "CT"}, "job": "report", "to": ["pacs"]}]
    place = make_place(rules=rules, destinations={"pacs": PACS})
    take(place, make_object())
    clock.turn(20)
    settle(place)
    work(place)
    return place


def states(place):
    return {state: n for state, n in place.ledger.summary()["jobs"].items() if n}


def test_results_are_sent_once_and_entered(ready, pacs):
    assert send(ready, "pacs") and states(ready) == {"sent": 1}
    assert not send(ready, "pacs") and len(pacs.objects) == 1
    [line] = [json.loads(x) for x in (ready.config.state / "audit.jsonl").read_text().splitlines() if "sent" in x]
    assert line["destination"] == "pacs" and line["event"] == "sent"


def test_an_object_that_a_destination_has_is_not_sent_by_another_run(ready, pacs, make_object, take, clock):
    send(ready, "pacs")
    take(ready, make_object(number=2))
    clock.turn(20)
    settle(ready)
    work(ready)  # the stand-in makes the same object again
    assert states(ready) == {"sent": 2} and not send(ready, "pacs") and len(pacs.objects) == 1


def test_a_destination_that_is_down_gets_everything_later(ready, pacs, clock):
    pacs.open_trouble = PeerDownError("The peer is down.")
    for wait in (5, 10, 20):  # doubles
        assert send(ready, "pacs")
        clock.turn(wait - 1)
        assert not send(ready, "pacs")
        clock.turn(1)
    [row] = ready.ledger.summary()["unreached"]
    assert row == {"destination": "pacs", "objects": 1, "attempts": 3, "reason": "The peer is down."}
    pacs.open_trouble = None
    assert send(ready, "pacs") and states(ready) == {"sent": 1} and pacs.asked == 0


@pytest.mark.parametrize("arrived", [True, False])
def test_after_an_answer_that_was_lost_the_destination_is_asked(ready, pacs, clock, arrived):
    lost = PeerDownError("The peer did not answer.", in_doubt=True)
    lost.arrived = arrived
    pacs.trouble = [lost]
    send(ready, "pacs")
    clock.turn(5)
    send(ready, "pacs")
    assert len(pacs.objects) == 1 and pacs.asked == 1 and states(ready) == {"sent": 1}


def test_after_a_kill_in_the_middle_of_sending_the_destination_is_asked(ready, pacs, monkeypatch):
    def killed(item):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ready.ledger.outbox, "delivered", killed)
        send(ready, "pacs")
    assert send(ready, "pacs") and len(pacs.objects) == 1 and states(ready) == {"sent": 1}


def test_an_object_that_a_destination_does_not_take_is_put_before_a_person(ready, pacs, clock):
    pacs.trouble = [PeerRefusedError("The peer refused the object (0xC000)."), PeerRefusedError("Again.")]
    send(ready, "pacs")
    assert states(ready) == {"sending": 1}
    clock.turn(5)
    send(ready, "pacs")
    assert states(ready) == {"quarantined": 1}
    assert ready.ledger.summary()["troubles"][0]["reason"] == "pacs: Again."
    ready.ledger.jobs.release("all")
    assert states(ready) == {"sending": 1}
    send(ready, "pacs")
    assert states(ready) == {"sent": 1}


def test_one_node_at_a_time_sends_to_a_destination(ready, pacs, make_place):
    ready.ledger.leases.hold("to:pacs", "another", 30)
    assert not send(ready, "pacs") and pacs.objects == []


def test_results_that_were_deleted_by_hand_are_told(ready, pacs):
    for path in ready.results_folder.rglob("*.dcm"):
        path.unlink()
    send(ready, "pacs")
    assert "deleted before" in ready.ledger.summary()["troubles"][0]["reason"]
