"""Arrivals: whole or not at all, once or not again, damaged ones in quarantine, nothing on a full disk."""

import errno
import json
import os
import sqlite3

import pytest

from hyoid.errors import OutputError, UnreadableFileError
from hyoid.interfaces.node import spool as spool_module


def stored(place):
    return sorted(str(p.relative_to(place.config.state / "spool")) for p in place.config.state.rglob("spool/**/*.dcm"))


def audit(place):
    return [json.loads(line) for line in (place.config.state / "audit.jsonl").read_text().splitlines()]


def test_an_object_is_on_disk_in_the_ledger_and_in_the_audit_log(place, make_object, take):
    assert take(place, make_object()) == ["stored"]
    [file] = stored(place)
    assert place.ledger.arrivals.files() == {file}
    assert place.spool.path(file).read_bytes() == make_object()
    [line] = audit(place)
    assert line["source"] == "CT1" and line["kept"] == "stored" and file.startswith(line["study"])


def test_the_same_object_again_is_known_and_another_version_takes_its_place(place, make_object, take):
    data, corrected = make_object(), make_object(PatientName="Corrected")
    assert take(place, data, data, corrected, corrected) == ["stored", "known", "stored", "known"]
    [file] = stored(place)
    assert place.spool.path(file).read_bytes() == corrected


def test_an_object_whose_file_was_deleted_is_kept_again(place, make_object, take, clock):
    take(place, make_object())
    place.ledger.arrivals.expire_scans(0, 0, 0)
    [(study, changed)] = place.ledger.arrivals.quiet_studies(0)
    place.ledger.jobs.settle(study, changed, None)
    place.spool.delete(place.ledger.arrivals.expire_scans(0, 0, 0))
    assert stored(place) == [] and list((place.config.state / "spool").iterdir()) == []
    assert take(place, make_object()) == ["stored"]
    assert len(stored(place)) == 1


def test_what_no_job_reads_is_not_kept(place, make_object, take):
    assert take(place, make_object(modality="SR")) == ["aside"]
    assert stored(place) == []


def test_an_object_that_this_node_sent_is_no_news(place, make_object, take):
    key = spool_module.object_pseudonym(place.pseudonyms, spool_module._readable(make_object("s9")))
    with place.ledger._database.change():
        place.ledger._database.run("INSERT INTO deliveries(destination, object, job, file, state) "
                                   "VALUES('pacs', ?, 'j', 'f', 'sent')", (key,))  # fmt: skip
    assert take(place, make_object("s9")) == ["own"]


@pytest.mark.parametrize("damage", ["cut", "noise", "no study"])
def test_a_damaged_object_lies_in_quarantine_and_may_come_again_whole(place, make_object, take, damage):
    data = make_object()
    noise = bytes(128) + b"DICM" + b"\xff\x01" * 99
    bad = {"cut": data[:-4], "noise": noise, "no study": make_object(StudyInstanceUID="")}
    with pytest.raises(UnreadableFileError):
        take(place, bad[damage])
    assert stored(place) == [] and len(list((place.config.state / "rejected").iterdir())) == 1
    assert place.ledger.summary()["unreadable_objects"] == 1
    assert audit(place)[0]["event"] == "rejected"
    assert take(place, data) == ["stored"]


def test_a_disk_that_is_too_full_takes_nothing_in(make_place, make_object, take):
    place = make_place(limits={"free_gb": 10**6})
    assert not place.spool.has_room()
    with pytest.raises(OutputError, match="full"):
        take(place, make_object())


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, ""), OSError(errno.EFBIG, ""), sqlite3.OperationalError("database or disk is full")],
)
def test_a_disk_that_fills_up_meanwhile_leaves_nothing_half(place, make_object, take, monkeypatch, error):
    def fail(*arguments):
        raise error

    with monkeypatch.context() as patch:
        if isinstance(error, OSError):
            patch.setattr(spool_module.os, "fsync", fail)
        else:
            patch.setattr(place.ledger.arrivals, "add", fail)
        with pytest.raises(OutputError, match="full"):
            take(place, make_object())
    assert place.ledger.arrivals.files() == set()
    assert not list(place.config.state.rglob("*.partial-*"))
    assert take(place, make_object()) == ["stored"]


def test_what_a_kill_left_is_swept_once_it_is_old(place, make_object, take, clock):
    take(place, make_object())
    folder = place.config.state / "spool" / "left"
    folder.mkdir()
    for name in (".partial-a.dcm", "never-entered.dcm"):
        (folder / name).write_bytes(b"")
        os.utime(folder / name, (clock.now - 100, clock.now - 100))
    assert place.spool.sweep(200) == 0
    assert place.spool.sweep(50) == 2
    assert not folder.exists() and len(stored(place)) == 1
