"""Cohorts: complete folders, continued where they stopped."""

import json

import numpy as np
import pytest
import SimpleITK as sitk

from hyoid.errors import OutputError, UsageError
from hyoid.geometry.resample import from_sitk
from hyoid.phantom.cohort import write_cohort, write_patient
from hyoid.phantom.patient import virtual_patient
from hyoid.volume import Quantity

COARSE_MM = (5.0, 5.0, 5.0)


def test_files_hold_the_patient(tmp_path):
    folders = write_cohort(tmp_path / "cohort", n=1, seed=4, spacing_mm=COARSE_MM)
    assert [f.name for f in folders] == ["phantom_4_0000"]
    patient = virtual_patient(np.random.default_rng([4, 0]), spacing_mm=COARSE_MM)
    for name in ("ct", "organs", "subsites", "lesions"):
        read = from_sitk(sitk.ReadImage(str(folders[0] / f"{name}.nii.gz")), Quantity.HU)
        assert np.array_equal(read.array, getattr(patient, name).array)
        assert read.geometry.same_grid(patient.ct.geometry)
    truth = json.loads((folders[0] / "truth.json").read_text())
    assert truth["primary"] == patient.truth.primary
    assert len(truth["nodes"]) == len(patient.truth.nodes)


def test_a_stopped_run_is_continued(tmp_path):
    first = write_cohort(tmp_path, n=1, seed=1, spacing_mm=COARSE_MM)[0]
    stamp = (first / "ct.nii.gz").stat().st_mtime_ns
    leftover = tmp_path / ".phantom_1_0001.part"
    leftover.mkdir()
    (leftover / "ct.nii.gz").write_text("half")
    told = []
    folders = write_cohort(tmp_path, n=2, seed=1, spacing_mm=COARSE_MM, on_progress=lambda *done: told.append(done))
    assert told == [(1, 2), (2, 2)]
    assert (first / "ct.nii.gz").stat().st_mtime_ns == stamp
    assert sorted(p.name for p in tmp_path.iterdir()) == [f.name for f in folders]
    assert (folders[1] / "truth.json").is_file()


def test_refusals(tmp_path):
    with pytest.raises(UsageError, match="no layout 'bids'"):
        write_cohort(tmp_path, n=1, seed=0, layout="bids")
    with pytest.raises(UsageError, match="empty"):
        write_cohort(tmp_path, n=0, seed=0)


def test_what_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    patient = virtual_patient(np.random.default_rng(0), spacing_mm=COARSE_MM)
    with pytest.raises(OutputError, match="could not be written"):
        write_patient(patient, tmp_path / "file" / "patient")
