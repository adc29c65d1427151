"""`hyoid cohort` as a user meets it, with real worker processes on tiny label maps."""

import csv
import json
import sys

import numpy as np
import pytest

from hyoid.interfaces.cli import main as cli
from hyoid.interfaces.cohorts.driver import REFUSED_FILE
from hyoid.io.files.volumes import write_nifti
from hyoid.jobs.ledger import one_driver
from hyoid.volume import Geometry, Quantity, Volume


@pytest.fixture
def maps(tmp_path):
    for k in range(3):
        labels = np.zeros((4, 6, 8), np.uint8)
        labels[1, 1, 1 : 2 + k] = 2
        write_nifti(
            Volume(labels, Geometry.axial((4, 6, 8), (3, 2, 2)), Quantity.LABEL), tmp_path / "maps" / f"{k}.nii.gz"
        )
    return tmp_path / "maps"


@pytest.fixture
def cohort(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["hyoid", "cohort", *map(str, arguments)])
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        out, err = capsys.readouterr()
        return code, [json.loads(line) for line in out.splitlines() if line.startswith("{")], " ".join(err.split())

    return run


def test_a_cohort_runs_resumes_and_lists_what_it_refused(cohort, maps, tmp_path):
    out = tmp_path / "out"
    (maps / "1.nii.gz").write_text("no image")
    code, events, _ = cohort("measure", maps, "--out", out, "--workers", 1, "--json")
    assert code == 5
    assert events[-1] == {"event": "done", "out": str(out), "cases": 3, "done": 2, "refused": 1}
    with (out / REFUSED_FILE).open(newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == ["1"]
    (maps / "1.nii.gz").write_bytes((maps / "2.nii.gz").read_bytes())
    code, events, _ = cohort("measure", maps, "--out", out, "--workers", 1, "--json")
    assert code == 0
    plan = next(e for e in events if e["event"] == "plan")
    assert (plan["done"], plan["todo"], plan["refused"]) == (2, 1, 0)
    assert not (out / REFUSED_FILE).exists()
    names = {"cases", "cases.parquet", "lesions.parquet", "lines.parquet", "cohort.html", ".lock"}
    assert {p.name for p in out.iterdir()} == names
    code, events, _ = cohort("show", out, "--json")
    assert (code, events[0]["counts"]["done"]) == (0, 3)
    assert cohort("show", out)[2].startswith("hyoid measure: 3 done")
    code, _, err = cohort("show", maps)
    assert (code, "not one of a cohort" in err) == (2, True)


def test_a_dry_run_says_what_there_is_and_makes_nothing(cohort, maps, tmp_path):
    listing = tmp_path / "list.csv"
    code, events, _ = cohort("measure", maps, "--out", tmp_path / "out", "--dry-run", "--json", "--write-list", listing)
    assert code == 0
    assert [e["what"] for e in events if e["event"] == "todo"] == ["image file"] * 3
    assert {"cases", "hours", "gigabytes", "workers"} <= set(events[-1])
    assert not (tmp_path / "out").exists()
    code, events, _ = cohort("measure", listing, "--out", tmp_path / "out", "--dry-run", "--json")
    assert (code, events[-1]["todo"]) == (0, 3)


def test_two_drivers_on_one_folder_and_wrong_words_are_wrong_usage(cohort, maps, tmp_path):
    with one_driver(tmp_path / "out"):
        code, _, err = cohort("measure", maps, "--out", tmp_path / "out")
    assert (code, "Another run works on this output folder" in err) == (2, True)
    code, _, err = cohort("measure", maps, "--out", tmp_path / "out", "--", "--colour", "red")
    assert (code, "--colour" in err) == (2, True)
    code, _, err = cohort("evaluate", maps, "--out", tmp_path / "out")
    assert (code, "Give a table" in err) == (2, True)
    code, _, err = cohort("measure", maps, "--out", tmp_path / "out", "--gpus", 1)
    assert (code, "no cluster is named" in err) == (2, True)
    assert cohort("paint", maps, "--out", tmp_path / "out")[0] == 2
