"""The command line as a user meets it: exit codes, messages, and what lies in --out afterwards."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from hyoid.interfaces.cli import main as cli
from hyoid.interfaces.places import WEIGHTS, device_named
from hyoid.interfaces.terminal import Terminal
from hyoid.io.files.volumes import write_nifti
from hyoid.training.recipe import recipe_names
from hyoid.volume import Geometry, Quantity, Volume


def run(*arguments, monkeypatch, capsys):
    """Exit code, standard output and standard error of `hyoid ARGUMENTS`, through the real entry point."""
    monkeypatch.setattr(sys, "argv", ["hyoid", *map(str, arguments)])
    try:
        cli.main()
        code = 0
    except SystemExit as end:
        code = end.code or 0
    out, err = capsys.readouterr()
    return code, out, re.sub(r"\s+", " ", err)


@pytest.fixture
def hyoid(monkeypatch, capsys):
    return lambda *arguments: run(*arguments, monkeypatch=monkeypatch, capsys=capsys)


@pytest.mark.parametrize("command", ["demo", "report", "measure", "evaluate", "phantom", "train", "models"])
def test_every_command_has_help(command):
    result = CliRunner().invoke(cli.app, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_an_unknown_option_is_wrong_usage(hyoid):
    assert hyoid("report", "scan.zip", "--colour", "red")[0] == 2


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: p / "absent", "does not exist"),
        (lambda p: (p / "empty").mkdir() or p / "empty", "holds no DICOM images"),
        (lambda p: (p / "text.zip").write_text("no zip") and p / "text.zip", "neither DICOM nor a zip"),
    ],
)
def test_what_cannot_be_read_is_refused_and_out_stays_untouched(hyoid, tmp_path, make, words):
    out = tmp_path / "out"
    code, _, err = hyoid("report", make(tmp_path), "--out", out)
    assert code == 3
    assert "Input refused:" in err
    assert words in err
    assert "What to do:" in err
    assert not out.exists()


def test_a_used_output_folder_is_refused_and_left_as_it_was(hyoid, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.json").write_text("old")
    for command in (
        ["report", tmp_path / "absent"],
        ["petct", tmp_path / "absent"],
        ["lesion", tmp_path / "absent", "--click", "1,1,1"],
        ["midrt", tmp_path / "absent", tmp_path / "absent"],
        ["demo"],
    ):
        code, _, err = hyoid(*command, "--out", out)
        assert code == 2 and "is used" in err and "--overwrite" in err
    assert (out / "report.json").read_text() == "old"
    assert [p.name for p in out.iterdir()] == ["report.json"]


def test_overwriting_empties_results_before_the_run_so_that_a_refused_one_leaves_none(hyoid, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "seg.dcm").write_text("of an earlier patient")
    assert hyoid("report", tmp_path / "absent", "--out", out, "--overwrite")[0] == 3
    assert (out / "seg.dcm").exists()  # nothing says that these are hyoid's own results
    (out / "run.json").write_text('{"hyoid": "0.1.0", "statement": "x"}')
    assert hyoid("report", tmp_path / "absent", "--out", out, "--overwrite")[0] == 3
    assert not list(out.iterdir())


def test_measure_writes_the_contract(hyoid, tmp_path):
    labels = np.zeros((6, 8, 20), np.uint8)
    labels[1:4, 2:4, 1:3] = 2
    write_nifti(Volume(labels, Geometry.axial((6, 8, 20), (3, 2, 2)), Quantity.LABEL), tmp_path / "m.nii.gz")
    code, _, _ = hyoid("measure", tmp_path / "m.nii.gz", "--out", tmp_path / "m.json")
    assert code == 0
    (lesion,) = json.loads((tmp_path / "m.json").read_text())["lesions"]
    assert (lesion["label"], lesion["lesion"], lesion["volume_ml"], lesion["side"]) == (2, 1, 0.144, "right")
    assert set(lesion) == {
        "label",
        "lesion",
        "volume_ml",
        "longest_diameter_mm",
        "axial_long_mm",
        "axial_short_mm",
        "side",
        "centroid_lps_mm",
    }


def test_measure_without_out_prints_json(hyoid, tmp_path):
    labels = Volume(np.zeros((3, 3, 3), np.uint8), Geometry.axial((3, 3, 3), (1, 1, 1)), Quantity.LABEL)
    write_nifti(labels, tmp_path / "m.nii.gz")
    code, out, _ = hyoid("measure", tmp_path / "m.nii.gz")
    assert code == 0
    assert json.loads(out) == {"lesions": []}


def test_a_damaged_package_ends_with_four(hyoid, tmp_path):
    import shutil

    shutil.copytree(WEIGHTS / "tumour", tmp_path / "tumour")
    weights = tmp_path / "tumour" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-5])
    code, _, err = hyoid("models", "verify", tmp_path / "tumour")
    assert code == 4
    assert "Model unusable:" in err
    assert "damaged" in err


def test_the_models_that_came_along_are_intact_and_small(hyoid):
    code, out, _ = hyoid("models", "verify")
    assert code == 0
    assert out.count("intact") == len(list(WEIGHTS.glob("*/manifest.yaml")))
    assert sum(p.stat().st_size for p in WEIGHTS.rglob("*") if p.is_file()) < 95e6


@pytest.mark.parametrize("name", sorted(path.parent.name for path in WEIGHTS.glob("*/manifest.yaml")))
def test_every_card_says_data_measures_limits_and_commands(hyoid, name):
    code, out, _ = hyoid("models", "info", name)
    assert code == 0
    for heading in ("Training data", "Measured", "Where it fails", "Made by", "Research use only"):
        assert heading in out


def test_an_unknown_model_lists_those_there_are(hyoid):
    code, _, err = hyoid("models", "info", "liver")
    assert code == 2
    assert ", ".join(sorted(p.parent.name for p in WEIGHTS.glob("*/manifest.yaml"))) in err


def test_an_unknown_recipe_is_wrong_usage(hyoid, tmp_path):
    code, _, err = hyoid("train", "liver", "--data", tmp_path, "--out", tmp_path / "run")
    assert code == 2
    assert ", ".join(recipe_names()) in err


def test_an_unknown_device_is_wrong_usage():
    from hyoid.errors import UsageError

    with pytest.raises(UsageError, match="no device 'tpu'"):
        device_named("tpu")


def test_an_unknown_precision_is_wrong_usage(hyoid, tmp_path):
    code, _, err = hyoid("report", tmp_path, "--precision", "f16", "--out", tmp_path / "out")
    assert code == 2
    assert "Choose f32 or bf16" in err


def test_json_events_are_one_object_a_line(capsys):
    terminal = Terminal(as_json=True)
    with terminal.bars():
        terminal.progress("organs", 0, 2)
        terminal.progress("organs", 2, 2)
    terminal.event("done", out="x")
    terminal.say("not shown")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["progress", "progress", "done"]
    assert terminal.seconds["organs"] >= 0


def test_importing_hyoid_and_its_command_line_needs_no_torch():
    code = (
        "import sys, hyoid, hyoid.interfaces.cli.main; sys.exit('torch' in sys.modules or 'lightning' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


_STALE_STACK = """
import ctypes, os, signal, time
from hyoid.interfaces.cli import main

class Stack(ctypes.Structure):
    _fields_ = [("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]

# A run in the background of a shell begins with SIGINT ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

def run():
    stale = Stack(4096, 0, 1 << 16)
    assert ctypes.CDLL(None).sigaltstack(ctypes.byref(stale), None) == 0
    os.kill(os.getpid(), signal.%s)
    time.sleep(10)

main.app = run
main.main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the alternate stack is set on Linux")
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_signal_ends_a_run_whatever_a_library_left_as_its_stack(name, code):
    assert subprocess.run([sys.executable, "-c", _STALE_STACK % name], check=False).returncode == code
