"""Runs: the command line of every job, and what its end means."""

import os
import signal
import time
from pathlib import Path

import pytest

from hyoid.interfaces.node.config import Rule
from hyoid.interfaces.node.runner import Inputs, Outcome, command_line, judge, link_inputs, run_command
from hyoid.io.atomic import DISK_FULL


def rule(job, **more):
    return Rule(name="r", when={"modality": "CT"}, job=job, to=("out",), **more)


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (rule("report", options=("--names", "hyoid")), "report /s --out /o --json --names hyoid"),
        (rule("petct"), "petct /s --out /o --json"),
        (rule("predict", model="nets"), "predict nets /s --dicom --out /o --json"),
        (rule("midrt"), "midrt /p /s --pre-masks /m --out /o --json"),
    ],
)
def test_every_job_has_its_command(tmp_path, chosen, words):
    inputs = Inputs(Path("/s"), Path("/p"), Path("/m"))
    assert command_line(chosen, inputs, Path("/o"), ["hyoid"]) == ["hyoid", *words.split()]
    assert command_line(chosen, inputs, Path("/o"))[-1] == words.split()[-1]


@pytest.mark.parametrize(
    ("code", "troubles", "outcome"),
    [
        (
            3,
            "Input refused: A slice is\n missing.\nWhat to do: Send it.",
            Outcome("person", "A slice is missing. Send it."),
        ),
        (2, "Wrong usage: No such option.", Outcome("person", "No such option.")),
        (4, "nothing known", Outcome("person", "Refused (exit code 4).")),
        (3, f"Input refused: {DISK_FULL}", Outcome("wait", DISK_FULL)),
        (1, "Traceback: ValueError('Smith')", Outcome("again", "The run crashed (exit code 1).")),
        (-9, "", Outcome("again", "The run was killed (SIGKILL). Was there too little memory?")),
        (137, "", Outcome("again", "The run was killed (SIGKILL). Was there too little memory?")),
        (-11, "", Outcome("again", "The run was killed (SIGSEGV).")),
        (0, "", Outcome("again", "The run left no run.json.")),
    ],
)
def test_the_end_of_a_run_has_one_meaning(tmp_path, code, troubles, outcome):
    assert judge(code, troubles, tmp_path) == outcome


@pytest.mark.parametrize(
    ("record", "send_empty", "verdict"),
    [
        ('{"empty": false, "failed": false}', False, "done"),
        ('{"empty": true, "failed": false}', False, "person"),
        ('{"empty": true, "failed": false}', True, "done"),
        ('{"empty": true, "failed": true}', True, "person"),
        ("{", True, "again"),
    ],
)
def test_a_doubtful_result_is_not_sent(tmp_path, record, send_empty, verdict):
    (tmp_path / "case_001").mkdir()
    (tmp_path / "case_001" / "run.json").write_text(record)
    assert judge(0, "", tmp_path, send_empty=send_empty).verdict == verdict


def test_a_run_is_ended_when_it_takes_too_long_or_must_stop(tmp_path):
    out = tmp_path / "out"
    began = time.monotonic()
    command = ["/bin/sh", "-c", f"sleep 60 & echo $! > {tmp_path}/child; wait"]
    late = run_command(command, out, timeout_s=0.3, goes_on=lambda: True)
    assert late == Outcome("again", "It took longer than 0.3 s.")
    assert run_command(command, out, timeout_s=60, goes_on=lambda: False) == Outcome("stopped")
    assert time.monotonic() - began < 8
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and _is_alive(child):
        time.sleep(0.02)
    assert not _is_alive(child)


def test_trouble_in_the_node_leaves_no_run_behind(tmp_path):
    def goes_on():
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text():
            raise OSError("no ledger")
        return True

    command = ["/bin/sh", "-c", f"echo $$ > {tmp_path}/pid; sleep 60"]
    with pytest.raises(OSError, match="no ledger"):
        run_command(command, tmp_path / "out", timeout_s=60, goes_on=goes_on)
    assert not _is_alive(int((tmp_path / "pid").read_text()))


def test_a_run_dies_with_its_node(tmp_path):
    pid_file = tmp_path / "pid"
    node = os.fork()
    if node == 0:  # the node: begins a run and is killed
        run_command(["/bin/sh", "-c", f"echo $$ > {pid_file}; sleep 60"], tmp_path / "out", timeout_s=60,
                    goes_on=lambda: True)  # fmt: skip
        os._exit(0)
    while not (pid_file.exists() and pid_file.read_text().strip()):
        time.sleep(0.02)
    run = int(pid_file.read_text())
    os.kill(node, signal.SIGKILL)
    os.waitpid(node, 0)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and _is_alive(run):
        time.sleep(0.02)
    assert not _is_alive(run)


def _is_alive(pid):
    """Not gone, and not waiting to be collected by its parent either."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")")[-1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_inputs_are_links_that_later_arrivals_do_not_change(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"1")
    link_inputs([tmp_path / "a.dcm"], tmp_path / "study")
    (tmp_path / "b.dcm").write_bytes(b"2")
    (tmp_path / "b.dcm").replace(tmp_path / "a.dcm")
    assert (tmp_path / "study" / "000000.dcm").read_bytes() == b"1"
    with pytest.raises(FileNotFoundError):
        link_inputs([tmp_path / "gone.dcm"], tmp_path / "other")
