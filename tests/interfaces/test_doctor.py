"""What `hyoid doctor` says of a machine, check by check, and the command."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from hyoid.interfaces import doctor
from hyoid.interfaces.cli.main import app
from hyoid.interfaces.doctor import (
    Check,
    extra_checks,
    folder_check,
    gpu_check,
    memory_check,
    model_checks,
    processor_check,
    pulled_check,
    python_check,
)
from hyoid.interfaces.installed import packages


@pytest.mark.parametrize(
    ("found", "state"), [((3, 10), "bad"), ((3, 11), "good"), ((3, 14), "good"), ((3, 15), "note")]
)
def test_python(found, state):
    check = python_check(found)
    assert check.state == state and bool(check.cure) == (state != "good")


@pytest.mark.parametrize(
    ("flags", "state", "words"),
    [
        (frozenset({"avx2", "amx_bf16"}), "good", "avx2, amx_bf16"),
        (frozenset({"sse2"}), "note", "no vector instructions"),
        (None, "good", "not told"),
    ],
)
def test_processor(flags, state, words):
    check = processor_check(4, flags, bf16=True)
    assert check.state == state and words in check.value and check.value.startswith("4 core(s); bfloat16: yes")


@pytest.mark.parametrize(("free", "state"), [(None, "good"), (2**30, "bad"), (8 * 2**30, "good")])
def test_memory(free, state):
    assert memory_check(free).state == state


def test_a_machine_without_a_gpu(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert gpu_check().state == "good" and "processor" in gpu_check().value


def test_a_driver_that_does_not_answer(monkeypatch, tmp_path):
    broken = tmp_path / "nvidia-smi"
    broken.write_text("#!/bin/sh\nexit 9\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu_check().state == "note" and "does not answer" in gpu_check().value


def test_folders(tmp_path):
    assert folder_check("cache", tmp_path / "not" / "there").state == "good"
    file = tmp_path / "file"
    file.write_text("x")
    refused = folder_check("cache", file / "below")
    assert refused.state == "bad" and "HYOID_CACHE" in refused.cure


def test_a_full_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "ROOM_GIB", 1e9)
    assert folder_check("cache", tmp_path).state == "bad"


def test_networks(tmp_path):
    name, folder = next(iter(packages().items()))
    assert [c.state for c in model_checks({name: folder})] == ["good"]
    damaged = shutil.copytree(folder, tmp_path / "damaged")
    (damaged / "model.safetensors").write_bytes(b"nothing")
    first, last = model_checks({name: folder, "damaged": damaged})
    assert (first.name, first.state) == ("network damaged", "bad") and name in last.value
    (none,) = model_checks({})
    assert none.state == "bad"


def test_public_weights_that_nobody_pulled(tmp_path):
    assert pulled_check(tmp_path / "none").state == "note"


def test_extras():
    wanted = ["numpy>=1", "typer; extra == 'serve'", "no-such-package<2; extra == 'serve'", "pytest; extra == 'test'"]
    ray, serve = extra_checks([*wanted, 'hyoid[cohort]; extra == "ray"', 'rich>=1; extra == "ray"'])
    assert ray == Check("extra ray", "good", "cohorts on a Ray cluster")
    assert (serve.state, serve.value) == ("note", "hyoid serve: no-such-package not installed")
    assert serve.cure == "Run: pip install 'hyoid[serve]'"


def test_the_command(monkeypatch):
    good, bad = Check("memory", "good", "8 GiB"), Check("cache", "bad", "[x]: not writable", "Name another.")
    monkeypatch.setattr("hyoid.interfaces.cli.doctor.examine", lambda: (good, bad))
    result = CliRunner().invoke(app, ["doctor", "--json"])
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 5
    assert events == [
        {"event": "check", "name": "memory", "state": "good", "value": "8 GiB", "cure": ""},
        {"event": "check", "name": "cache", "state": "bad", "value": "[x]: not writable", "cure": "Name another."},
        {"event": "done", "bad": 1, "notes": 0},
    ]
    shown = CliRunner().invoke(app, ["doctor"]).output
    assert "[x]: not writable" in shown and "-> Name another." in shown and "1 thing(s) to mend" in shown
    monkeypatch.setattr("hyoid.interfaces.cli.doctor.examine", lambda: (good,))
    assert CliRunner().invoke(app, ["doctor"]).exit_code == 0
