import json

import numpy as np
import pytest
from pydicom import dcmread
from typer.testing import CliRunner

from hyoid.errors import InputRefusedError, UsageError
from hyoid.interfaces.cli.main import app
from hyoid.io.dicom.ct import write_ct_series
from hyoid.io.files.volumes import read_labels, write_nifti
from hyoid.volume import Geometry, Quantity, Volume


@pytest.fixture(scope="module")
def study(patient, tmp_path_factory):
    path = tmp_path_factory.mktemp("lesion") / "ct.nii.gz"
    write_nifti(patient.ct, path)
    return path


def run(*arguments):
    return CliRunner().invoke(app, ["lesion", *map(str, arguments)], catch_exceptions=True)


def inside(patient):
    places = np.argwhere(patient.lesions.array == 1)
    return places[np.linalg.norm(places - places.mean(0), axis=1).argmin()]


def test_clicks_to_files(patient, tmp_path):
    i, j, k = inside(patient)
    write_ct_series(tmp_path / "ct", patient.ct)
    result = run(
        tmp_path / "ct",
        "--click",
        f"{i},{j},{k}",
        "--click",
        f"{i},{j},{k + 2}:+",
        "--no-organs",
        "--out",
        tmp_path / "out",
    )
    assert result.exit_code == 0, result.output
    labels = read_labels(tmp_path / "out" / "masks.nii.gz")
    assert labels.geometry.same_grid(patient.ct.geometry)
    assert set(np.unique(labels.array)) == {0, 101}
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["facts"]["lesions"][0]["clicks"] == 2
    structured = dcmread(tmp_path / "out" / "sr.dcm")
    assert structured.Modality == "SR"
    assert structured.StudyInstanceUID == dcmread(next((tmp_path / "ct").iterdir())).StudyInstanceUID
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert {line["key"] for line in report["lines"]} >= {"lesion_1_shape", "lesion_1_surface"}


@pytest.mark.parametrize(
    ("clicks", "error", "words"),
    [
        (["999,0,0"], UsageError, "outside the scan"),
        (["1,2"], UsageError, "is no click"),
        (["1,2,3:?"], UsageError, "is no click"),
        (["0,0,0"], InputRefusedError, "on air"),
        (["20,60,60:-"], UsageError, "nothing to remove"),
        (["20,60,60", "--identifiers"], InputRefusedError, "identifiers"),
    ],
)
def test_refusals(study, tmp_path, clicks, error, words):
    arguments = [part for word in clicks for part in ([word] if word[:2] == "--" else ["--click", word])]
    result = run(study, *arguments, "--no-organs", "--out", tmp_path / "out")
    assert isinstance(result.exception, error)
    assert words in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_a_target_that_does_not_exist(study, tmp_path):
    result = run(study, "--click", "1,1,1", "--target", "CTV", "--out", tmp_path / "out")
    assert isinstance(result.exception, UsageError)


@pytest.mark.parametrize("modality", [[], ["--modality", "MR"]])
def test_mr(tmp_path, modality):
    rng = np.random.default_rng(0)
    mr = rng.uniform(50, 90, (20, 40, 40)).astype(np.float32)
    mr[6:14, 14:26, 14:26] += 400
    write_nifti(Volume(mr, Geometry.axial(mr.shape, (3, 2, 2)), Quantity.MR), tmp_path / "mr.nii.gz")
    result = run(tmp_path / "mr.nii.gz", "--click", "10,20,20", *modality, "--out", tmp_path / "out")
    assert result.exit_code in (0, 5), result.output
    assert (tmp_path / "out" / "report.html").is_file()
