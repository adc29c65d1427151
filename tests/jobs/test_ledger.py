import os

import pytest

from hyoid.errors import UnreadableFileError, UsageError
from hyoid.jobs.ledger import (
    CASE_FILE,
    CASES,
    RUNNING,
    CaseRecord,
    Order,
    case_folder,
    fingerprint_of,
    one_driver,
    options_hash,
    record_of,
)

ORDER = Order(job="measure", inputs={"masks": "a"}, models={"organs": "b"}, options="c")


def finish(folder, order=ORDER, text="x"):
    with case_folder(folder) as made:
        (made / "result.txt").write_text(text)
        (made / CASE_FILE).write_text(CaseRecord(case="k", order=order, hyoid="1", exit_code=0).model_dump_json())


def test_a_case_is_done_when_its_record_fits_what_is_asked(tmp_path):
    finish(tmp_path / "k")
    assert record_of(tmp_path / "k").order == ORDER
    for change in ({"job": "report"}, {"inputs": {"masks": "z"}}, {"models": {}}, {"options": "z"}):
        assert record_of(tmp_path / "k").order != ORDER.model_copy(update=change)
    assert record_of(tmp_path / "absent") is None


@pytest.mark.parametrize("content", ["", "{", '{"case": "k"}', "[]", "\udcff"])
def test_a_damaged_record_is_no_record(tmp_path, content):
    (tmp_path / CASE_FILE).write_bytes(content.encode("utf-8", "surrogateescape"))
    assert record_of(tmp_path) is None


def test_results_of_another_order_are_replaced_whole(tmp_path):
    finish(tmp_path / "k")
    (tmp_path / "k" / "old.txt").write_text("of the earlier order")
    finish(tmp_path / "k", ORDER.model_copy(update={"options": "new"}), "y")
    assert sorted(p.name for p in (tmp_path / "k").iterdir()) == [CASE_FILE, "result.txt"]
    assert (tmp_path / "k" / "result.txt").read_text() == "y"


def test_after_an_error_the_earlier_results_stay_and_nothing_half_made_does(tmp_path):
    finish(tmp_path / "k")
    with pytest.raises(ZeroDivisionError), case_folder(tmp_path / "k") as made:
        (made / "half.txt").write_text("x")
        raise ZeroDivisionError
    assert [p.name for p in tmp_path.iterdir()] == ["k"]
    assert record_of(tmp_path / "k").order == ORDER


def test_what_resumes_keeps_its_place_until_it_is_done(tmp_path):
    place = tmp_path / CASES / "k"
    with pytest.raises(ZeroDivisionError), case_folder(place, resumes=True) as made:
        (made / "checkpoint").write_text("1")
        raise ZeroDivisionError
    assert not place.exists()
    with one_driver(tmp_path), case_folder(place, resumes=True) as made:
        assert (made / "checkpoint").read_text() == "1"
    assert (place / "checkpoint").is_file()
    assert not list((tmp_path / RUNNING).iterdir())


def test_a_fingerprint_follows_names_sizes_and_times_and_not_the_place(tmp_path):
    one, other = tmp_path / "a", tmp_path / "b"
    for folder in (one, other):
        (folder / "in").mkdir(parents=True)
        (folder / "in" / "x").write_text("1")
        os.utime(folder / "in" / "x", ns=(1, 1))
    assert fingerprint_of(one) == fingerprint_of(other)
    assert fingerprint_of(one / "in" / "x") == fingerprint_of(other / "in" / "x")
    before = fingerprint_of(one)
    os.utime(one / "in" / "x", ns=(1, 2))
    touched = fingerprint_of(one)
    (one / "in" / "y").write_text("")
    assert len({before, touched, fingerprint_of(one)}) == 3
    with pytest.raises(UnreadableFileError, match="names no file"):
        fingerprint_of(tmp_path / "absent")


def test_options_count_whatever_their_order():
    assert options_hash({"a": 1, "b": None}) == options_hash({"b": None, "a": 1}) != options_hash({"a": 2, "b": None})


def test_one_driver_at_a_time_and_what_a_killed_one_left_is_removed(tmp_path):
    (tmp_path / CASES / ".k-x1").mkdir(parents=True)
    finish(tmp_path / CASES / "done-1")
    with one_driver(tmp_path):
        assert [p.name for p in (tmp_path / CASES).iterdir()] == ["done-1"]
        with pytest.raises(UsageError, match="Another run works"), one_driver(tmp_path):
            pass
    with one_driver(tmp_path):
        pass
