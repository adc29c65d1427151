"""The node as a whole: a study in a watched folder becomes results in another, and numbers on the status page."""

import json
import time
import urllib.request
from threading import Event, Thread

import pytest

from hyoid.interfaces.node.node import Node
from hyoid.interfaces.node.page import page
from hyoid.interfaces.node.place import Place

QUICK = {"quiet_s": 0.2, "free_gb": 0, "retry_s": 0.2}


@pytest.fixture
def run_node(make_config):
    """Run a node in a thread until the condition holds; gives its place."""
    places = []

    def run(until, **changes):
        changes = {"folders": [], "limits": QUICK} | changes
        place = Place(make_config(**changes), time.time)
        places.append(place)
        stop = Event()
        thread = Thread(target=Node(place).run, args=(stop,))
        thread.start()
        try:
            deadline = time.monotonic() + 20
            while not until(place) and time.monotonic() < deadline:
                time.sleep(0.05)
            assert until(place), place.ledger.summary()
        finally:
            stop.set()
            thread.join()
        return place

    yield run
    for place in places:
        place.ledger.close()


def test_a_study_in_the_folder_becomes_results_and_its_scans_are_deleted(run_node, make_object, tmp_path, calls):
    (tmp_path / "in" / "study").mkdir(parents=True)
    for number in range(3):
        (tmp_path / "in" / "study" / f"{number}").write_bytes(make_object(number=number))
    folders = [{"path": tmp_path / "in", "every_s": 0.1}]
    place = run_node(lambda p: p.ledger.summary()["jobs"]["sent"] == 1, folders=folders)
    [run] = (tmp_path / "out").iterdir()
    assert sorted(p.name for p in run.iterdir()) == ["run.json", "seg.dcm"]
    assert len(calls()) == 1
    assert not any(place.work_folder.iterdir())
    assert place.ledger.summary()["nodes"] == 0  # leases were given back
    events = [json.loads(line)["event"] for line in (place.config.state / "events.jsonl").read_text().splitlines()]
    assert events == ["node began", "study complete", "job ended", "node ended"]


def test_no_file_name_log_or_page_tells_who_the_patient_is(run_node, make_object, tmp_path, trouble):
    folder = tmp_path / "in" / "Invented^Patient"
    folder.mkdir(parents=True)
    said = dict.fromkeys(("SeriesDescription", "StudyDescription", "PatientComments", "StationName"), "Invented [b]")
    (folder / "Invented^Patient").write_bytes(make_object(patient="4711-secret", **said))
    (folder / "Invented^Patient.txt").write_text("no image of Invented")
    # The run that ends without a result quotes the patient in its last words.
    trouble("echo 'KeyError: Invented^Patient' >&2; exit 1")
    folders = [{"path": tmp_path / "in", "every_s": 0.1}]
    pages = []

    def given_up(node):
        pages.append(page(Node(node).status()))
        return node.ledger.summary()["jobs"]["quarantined"] == 1

    place = run_node(given_up, folders=folders)
    from pydicom import dcmread

    header = dcmread(folder / "Invented^Patient")
    identifiers = ["Invented", "4711-secret", *(str(header[k].value) for k in ("StudyInstanceUID", "SOPInstanceUID"))]
    for path in place.config.state.rglob("*"):
        assert not any(word in str(path) for word in identifiers)
        if path.suffix in (".jsonl", ".sqlite", ".sqlite-wal") and path.is_file():
            assert not any(word.encode() in path.read_bytes() for word in identifiers), path.name
    assert "crashed" in pages[-1] and not any(word in shown for word in identifiers for shown in pages)


def test_the_status_page_is_served(run_node, tmp_path):
    seen = []

    def until(place):
        with urllib.request.urlopen("http://127.0.0.1:18104/status.json", timeout=5) as answer:
            seen.append(json.load(answer))
        return seen[-1]["nodes"] == 1

    run_node(lambda p: bool(p.ledger.summary()["nodes"]) and until(p), folders=[{"path": tmp_path / "in"}],
             status={"port": 18104})  # fmt: skip
    assert seen[-1]["jobs"]["sent"] == 0


def test_trouble_in_one_part_is_told_by_its_kind_and_ends_nothing(place):
    stop, count = Event(), []

    def step():
        count.append(1)
        if len(count) == 2:
            stop.set()
        raise KeyError("Invented^Patient")

    place.config.limits.__dict__["retry_s"] = 0.01
    Node(place)._repeat("part", step, 0.01, stop)
    events = (place.config.state / "events.jsonl").read_text()
    assert len(count) == 2
    assert '"reason": "KeyError"' in events and "Invented" not in events
