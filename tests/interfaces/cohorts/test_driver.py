import csv
import errno
import json

import pytest

from hyoid.errors import OutputError, UsageError
from hyoid.interfaces.cohorts import driver
from hyoid.interfaces.cohorts.driver import (
    REFUSED_FILE,
    Refusal,
    make_plan,
    run_plan,
    write_refused,
)
from hyoid.interfaces.cohorts.expected import expected
from hyoid.interfaces.cohorts.jobs import JOBS
from hyoid.interfaces.terminal import Terminal
from hyoid.io.cohorts.listed import BrokenRow, ListedCase
from hyoid.io.cohorts.lists import read_list
from hyoid.jobs import ledger
from hyoid.jobs.executor import Outcome

MEASURE = JOBS["measure"]


def plan_of(maps, out, common=()):
    return make_plan(MEASURE, read_list(maps, "images"), common, out)


def run(plan, executor, *, as_json=False):
    return list(run_plan(plan, executor, Terminal(as_json=as_json)))


def test_every_case_is_done_once_and_a_second_run_does_nothing(maps, here, tmp_path):
    assert run(plan_of(maps, tmp_path / "out"), here) == []
    assert here.ran == ["a", "b", "c"]
    measured = json.loads((tmp_path / "out/cases/b/measurements.json").read_text())
    assert measured["lesions"][0]["volume_ml"] == 0.024
    again = plan_of(maps, tmp_path / "out")
    assert (len(again.todo), len(again.done), again.changed, again.other) == (0, 3, 0, 0)
    assert run(again, here) == []
    assert here.ran == ["a", "b", "c"]


def test_a_case_whose_file_changed_is_done_again(maps, here, tmp_path):
    run(plan_of(maps, tmp_path / "out"), here)
    (maps / "b.nii.gz").write_bytes((maps / "c.nii.gz").read_bytes())
    plan = plan_of(maps, tmp_path / "out")
    assert ([c.case for c in plan.todo], plan.changed, plan.other) == (["b"], 1, 0)
    run(plan, here)
    assert (tmp_path / "out/cases/b/measurements.json").read_text() == (
        tmp_path / "out/cases/c/measurements.json"
    ).read_text()


def test_a_refused_case_keeps_no_results_of_its_earlier_file(maps, here, tmp_path):
    run(plan_of(maps, tmp_path / "out"), here)
    (maps / "b.nii.gz").write_text("no image any more")
    assert [r.case for r in run(plan_of(maps, tmp_path / "out"), here)] == ["b"]
    assert sorted(p.name for p in (tmp_path / "out/cases").iterdir()) == ["a", "c"]


def test_results_of_other_options_are_told_from_those_of_other_files(tmp_path, here):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("CT of the neck. Mass of the left tonsil of 3 cm.")
    plan = lambda *words: make_plan(  # noqa: E731
        JOBS["structure"], read_list(tmp_path / "texts", "texts"), words, tmp_path / "out"
    )
    run(plan(), here)
    changed = plan("--timeout-s", "9")
    assert (len(changed.todo), changed.changed, changed.other) == (1, 0, 1)


def test_broken_rows_and_refused_cases_stop_nobody_else(maps, here, tmp_path):
    (maps / "b.nii.gz").write_text("no image")
    listed = [
        *read_list(maps, "images"),
        BrokenRow(4, "", "The row has no path.", "Name it."),
        ListedCase(5, "gone", (str(maps / "gone.nii.gz"),)),
        ListedCase(6, "odd", (str(maps / "a.nii.gz"),), options=("--colour", "red")),
    ]
    plan = make_plan(MEASURE, listed, (), tmp_path / "out")
    assert (plan.cases, len(plan.todo)) == (6, 3)
    assert [(r.row, r.kind) for r in plan.refused] == [
        (4, "Broken row"), (5, "Input refused"), (6, "Wrong usage"),
    ]  # fmt: skip
    (refused,) = run(plan, here)
    assert (refused.row, refused.case, refused.kind) == (2, "b", "Input refused")
    assert sorted(p.name for p in (tmp_path / "out/cases").iterdir()) == ["a", "c"]
    write_refused([*plan.refused, refused], tmp_path / "out")
    with (tmp_path / "out" / REFUSED_FILE).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["row"] for row in rows] == ["2", "4", "5", "6"]
    assert "--colour" in rows[3]["problem"]
    write_refused([], tmp_path / "out")
    assert not (tmp_path / "out" / REFUSED_FILE).exists()


def test_what_would_refuse_every_case_is_wrong_usage_of_the_command(maps, tmp_path):
    with pytest.raises(UsageError, match="--colour"):
        plan_of(maps, tmp_path / "out", ["--colour", "red"])


def test_a_full_disk_stops_the_run_and_the_next_one_goes_on(maps, here, tmp_path, monkeypatch):
    whole = ledger.CaseRecord.model_dump_json

    def full(self, **more):
        if self.case == "b":
            raise OSError(errno.ENOSPC, "No space left on device")
        return whole(self, **more)

    plan = plan_of(maps, tmp_path / "out")
    monkeypatch.setattr(ledger.CaseRecord, "model_dump_json", full)
    with pytest.raises(OutputError, match="same command again"):
        run(plan, here)
    monkeypatch.undo()
    assert "b" not in [p.name for p in (tmp_path / "out/cases").iterdir()]
    run(plan_of(maps, tmp_path / "out"), here)
    assert here.ran == ["a", "b", "c", "b"]


def test_a_case_that_ends_its_workers_is_refused_with_that_reason(maps, tmp_path, monkeypatch):
    plan = plan_of(maps, tmp_path / "out")
    lost = [Outcome(plan.todo[0], None, 3)]
    monkeypatch.setattr(driver, "run_jobs", lambda executor, jobs: iter(lost))
    (refused,) = run(plan, None)
    assert "ended 3 workers" in refused.problem


def test_progress_names_rate_and_time_left_as_events(maps, here, tmp_path, capsys):
    run(plan_of(maps, tmp_path / "out"), here, as_json=True)
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(e["case"], e["state"]) for e in events if e["event"] == "case"] == [(c, "done") for c in "abc"]
    last = events[-1]
    assert (last["stage"], last["done"], last["total"]) == ("cohort", 3, 3)
    assert last["words"].endswith("an hour, 0 s left")


def test_costs_are_estimated_from_finished_cases_where_there_are_any(maps, here, tmp_path):
    plan = plan_of(maps, tmp_path / "out")
    assert expected("measure", plan)[2].startswith("a rough guess")
    run(plan, here)
    seconds, megabytes, whence = expected("measure", plan_of(maps, tmp_path / "out"))
    assert whence == "estimated from 3 finished case(s)"
    size = sum(f.stat().st_size for f in (tmp_path / "out/cases/a").iterdir()) / 1e6
    assert megabytes == pytest.approx(size, rel=0.1)
    assert seconds > 0


def test_a_refusal_keeps_what_a_csv_would_part(tmp_path):
    tmp_path.mkdir(exist_ok=True)
    write_refused([Refusal(1, "a", "k", 'with "quotes", commas\nand lines', "c")], tmp_path)
    with (tmp_path / REFUSED_FILE).open(newline="") as file:
        assert next(csv.DictReader(file))["problem"] == 'with "quotes", commas\nand lines'
