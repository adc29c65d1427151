import pytest

from hyoid.errors import HyoidError, InputRefusedError
from hyoid.interfaces.cohorts import worker
from hyoid.interfaces.cohorts.jobs import JOBS, CaseJob, order_of
from hyoid.interfaces.cohorts.worker import CaseWork, run_command
from hyoid.jobs.ledger import record_of


def job_of(folder, name, *words):
    return CaseJob(1, "k", name, tuple(map(str, words)), folder, order_of(JOBS[name], list(map(str, words))))


def test_a_case_has_the_single_command_s_results_and_its_record(maps, tmp_path):
    job = job_of(tmp_path / "k", "measure", maps / "a.nii.gz")
    answer = CaseWork()(job)
    assert (answer.state, answer.problem) == ("done", "")
    assert answer.seconds > 0
    assert record_of(tmp_path / "k").order == job.order
    run_command("measure", [str(maps / "a.nii.gz"), "--out", str(tmp_path / "alone.json")])
    assert (tmp_path / "k/measurements.json").read_text() == (tmp_path / "alone.json").read_text()


def test_an_empty_result_is_done_and_its_exit_code_kept(tmp_path):
    (tmp_path / "r.txt").write_text("CT of the neck.")
    answer = CaseWork()(job_of(tmp_path / "k", "structure", tmp_path / "r.txt"))
    assert answer.state == "done"
    assert record_of(tmp_path / "k").exit_code in (0, 5)


def test_a_folder_that_the_command_makes_in_its_own_is_taken_out(tmp_path):
    (tmp_path / "k" / "case_001").mkdir(parents=True)
    (tmp_path / "k" / "case_001" / "labels.nii.gz").write_text("x")
    worker._unpack(tmp_path / "k")
    assert [p.name for p in (tmp_path / "k").iterdir()] == ["labels.nii.gz"]
    for name in ("a", "b"):
        (tmp_path / "k" / name).mkdir()
    with pytest.raises(InputRefusedError, match="holds 2 cases"):
        worker._unpack(tmp_path / "k")


def test_refusals_and_faults_are_answers_without_what_a_file_says(maps, tmp_path, monkeypatch):
    (maps / "b.nii.gz").write_text("Anna Muster")
    refused = CaseWork()(job_of(tmp_path / "k", "measure", maps / "b.nii.gz"))
    assert (refused.state, refused.kind) == ("refused", "Input refused")

    def broken(name, words):
        raise ValueError("Anna Muster")

    monkeypatch.setattr(worker, "run_command", broken)
    fault = CaseWork()(job_of(tmp_path / "k", "measure", maps / "a.nii.gz"))
    assert (fault.state, fault.kind) == ("refused", "Failed")
    assert "ValueError in test_worker.py" in fault.problem
    assert "Anna" not in fault.problem + refused.problem
    assert [p.name for p in tmp_path.iterdir()] == ["maps"]


def test_a_command_that_ends_with_another_code_is_refused(monkeypatch, maps):
    with pytest.raises(InputRefusedError):
        run_command("measure", [str(maps / "absent.nii.gz")])
    monkeypatch.setattr(worker, "_FINISHED", (0,))
    (maps / "r.txt").write_text("")
    with pytest.raises(HyoidError):
        run_command("structure", [str(maps / "r.txt"), "--out", str(maps / "r.json")])
