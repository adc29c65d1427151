import json

import numpy as np
import pytest
from typer.testing import CliRunner

from hyoid.errors import InputRefusedError, UsageError
from hyoid.interfaces.cli.main import app
from hyoid.interfaces.prediction import find_cases
from hyoid.io.dicom.ct import write_ct_series
from hyoid.io.dicom.images import write_mr_series
from hyoid.io.files.volumes import read_labels, write_nifti
from hyoid.volume import Geometry, Quantity, Volume

RUN = CliRunner()


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HYOID_CACHE", str(tmp_path / "cache"))


def scan(shape=(10, 32, 32)):
    array = np.random.default_rng(0).normal(0, 300, shape).astype(np.int16)
    return Volume(array, Geometry.axial(shape, (3.0, 2.0, 2.0)), Quantity.HU)


def test_a_folder_of_cases_becomes_label_maps(make_nnunet_folder, tmp_path):
    folder = make_nnunet_folder()
    images = tmp_path / "images"
    images.mkdir()
    for name in ("a", "b"):
        write_nifti(scan(), images / f"{name}_0000.nii.gz")
    out = tmp_path / "out"
    arguments = ["predict", str(folder), str(images), "--out", str(out), "--precision", "f32", "--dicom", "--json"]
    result = RUN.invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert sorted(p.name for p in out.iterdir()) == ["a", "b"]
    files = {"labels.nii.gz", "targets.nii.gz", "seg.dcm", "rtstruct.dcm", "run.json"}
    assert {p.name for p in (out / "a").iterdir()} == files
    record = json.loads((out / "a" / "run.json").read_text())
    (model,) = record["models"].values()
    assert (model["trainer"], model["precision"]) == ("nnUNetTrainerOfTheirOwn", "f32")
    labels = read_labels(out / "a" / "labels.nii.gz")
    assert labels.geometry.same_grid(scan().geometry)
    before = (out / "a" / "run.json").stat().st_mtime_ns
    # What is there is not predicted again.
    RUN.invoke(app, arguments, catch_exceptions=False)
    assert (out / "a" / "run.json").stat().st_mtime_ns == before


def test_results_of_another_input_are_not_taken_for_the_answer(make_nnunet_folder, tmp_path):
    folder, out = make_nnunet_folder(), tmp_path / "out"
    write_nifti(scan(), tmp_path / "a.nii.gz")
    arguments = ["predict", str(folder), str(tmp_path / "a.nii.gz"), "--out", str(out), "--precision", "f32"]
    assert RUN.invoke(app, arguments, catch_exceptions=False).exit_code == 0
    other = scan().with_array(scan().array + np.int16(1))
    write_nifti(other, tmp_path / "a.nii.gz")
    refused = RUN.invoke(app, arguments)
    assert isinstance(refused.exception, UsageError) and "--overwrite" in refused.exception.cure
    before = json.loads((out / "a" / "run.json").read_text())["inputs"]
    assert RUN.invoke(app, [*arguments, "--overwrite"], catch_exceptions=False).exit_code == 0
    assert json.loads((out / "a" / "run.json").read_text())["inputs"] != before


def test_a_dicom_series_is_a_case(make_nnunet_folder, tmp_path):
    write_ct_series(tmp_path / "ct", scan(), seed="x")
    out = tmp_path / "out"
    arguments = ["predict", str(make_nnunet_folder()), str(tmp_path / "ct"), "--out", str(out), "--precision", "f32"]
    assert RUN.invoke(app, [*arguments, "--no-mirror"], catch_exceptions=False).exit_code == 0
    assert (out / "case_001" / "labels.nii.gz").is_file()


def test_dicom_studies_are_cases_of_their_own(make_nnunet_folder, tmp_path):
    for name in ("first", "second"):
        write_ct_series(tmp_path / name, scan(), seed=name)
    out = tmp_path / "out"
    studies = [str(tmp_path / "first"), str(tmp_path / "second")]
    arguments = ["predict", str(make_nnunet_folder()), *studies, "--out", str(out), "--precision", "f32", "--no-mirror"]
    assert RUN.invoke(app, arguments, catch_exceptions=False).exit_code == 0
    assert sorted(p.name for p in out.iterdir()) == ["case_001", "case_002"]
    with pytest.raises(UsageError, match="same name"):
        for folder in ("files", "more"):
            write_nifti(scan(), tmp_path / folder / "a_0000.nii.gz")
        find_cases([tmp_path / "files", tmp_path / "more"], 1)
    with pytest.raises(UsageError, match="given together"):
        find_cases([tmp_path / "first", tmp_path / "a.nii.gz"], 1)


def test_a_dicom_mr_is_a_case_of_an_mr_model(make_nnunet_folder, tmp_path):
    mr = Volume(np.abs(scan().array).astype(np.float32), scan().geometry, Quantity.MR)
    write_mr_series(tmp_path / "mr", mr, seed="x", description="T2")
    out = tmp_path / "out"
    model = make_nnunet_folder(channels=("MR",), schemes=("ZScoreNormalization",))
    arguments = ["predict", str(model), str(tmp_path / "mr"), "--out", str(out), "--precision", "f32", "--no-mirror"]
    assert RUN.invoke(app, [*arguments, "--dicom"], catch_exceptions=False).exit_code == 0
    assert (out / "case_001" / "labels.nii.gz").is_file()


def test_files_of_several_cases_are_told_apart_by_their_numbers(tmp_path):
    files = [tmp_path / f"{name}_0000.nii.gz" for name in ("a", "b")]
    assert [(c.name, len(c.files)) for c in find_cases(files, 1)] == [("a", 1), ("b", 1)]
    both = [tmp_path / f"a_000{k}.nii.gz" for k in (0, 1)]
    assert [(c.name, len(c.files)) for c in find_cases(both, 2)] == [("a", 2)]


def test_a_dry_run_writes_nothing(make_nnunet_folder, tmp_path):
    write_nifti(scan(), tmp_path / "a.nii.gz")
    out = tmp_path / "out"
    arguments = ["predict", str(make_nnunet_folder()), str(tmp_path / "a.nii.gz"), "--out", str(out), "--dry-run"]
    assert RUN.invoke(app, [*arguments, "--json"], catch_exceptions=False).exit_code == 0
    assert not out.exists()


def test_cases_are_told_apart_by_their_channels(tmp_path):
    for name in ("a_0000", "a_0001", "b_0000", "b_0001"):
        (tmp_path / f"{name}.nii.gz").touch()
    cases = find_cases([tmp_path], 2)
    assert [(c.name, [p.name for p in c.files]) for c in cases] == [
        ("a", ["a_0000.nii.gz", "a_0001.nii.gz"]),
        ("b", ["b_0000.nii.gz", "b_0001.nii.gz"]),
    ]
    (tmp_path / "b_0001.nii.gz").unlink()
    with pytest.raises(InputRefusedError, match=r"Case 2 in the order of names has the channels \[0\]; the model"):
        find_cases([tmp_path], 2)


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    result = RUN.invoke(app, ["predict", str(tmp_path), str(tmp_path), "--out", str(tmp_path / "out")])
    assert isinstance(result.exception, UsageError)
    assert "no nnU-Net v2 folder" in str(result.exception)


def test_a_failed_case_leaves_nothing(make_nnunet_folder, tmp_path):
    write_nifti(scan(), tmp_path / "a_0000.nii.gz")
    folder = make_nnunet_folder(channels=("CT", "PET"), schemes=("CTNormalization",) * 2)
    out = tmp_path / "out"
    result = RUN.invoke(app, ["predict", str(folder), str(tmp_path / "a_0000.nii.gz"), "--out", str(out)])
    assert isinstance(result.exception, InputRefusedError)
    assert not out.exists() or not list(out.iterdir())
