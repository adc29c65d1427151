"""The functions of the package, against what the command line gives."""

import json

import numpy as np
import pytest
from pydicom import dcmread
from typer.testing import CliRunner

import hyoid
from hyoid.errors import UsageError
from hyoid.interfaces import python
from hyoid.interfaces.cli.main import app
from hyoid.io.files.volumes import read_labels, write_nifti
from hyoid.io.petct import PetRequest
from hyoid.report.content.staging import StagingRequest
from hyoid.volume import Geometry, Quantity, Volume


def labels_of(first, second):
    array = np.zeros((3, 6, 12), np.uint8)
    array[1, 1:3, :first] = 1
    array[1, 4:6, :second] = 2
    return Volume(array, Geometry.axial(array.shape, (3.0, 1.0, 1.0)), Quantity.LABEL)


@pytest.fixture
def folders(tmp_path):
    for folder, first in (("reference", 8), ("ours", 6), ("theirs", 4)):
        (tmp_path / folder).mkdir()
        for case in ("one", "two"):
            write_nifti(labels_of(first, 8), tmp_path / folder / f"{case}.nii.gz")
    return tmp_path


def test_evaluate_gives_the_numbers_of_the_command(folders):
    answer = hyoid.evaluate(folders / "ours", folders / "reference", "hntsmrg2024")
    assert answer.summary["GTVp.dsc_agg"] == pytest.approx(12 / 14)
    written = json.loads((answer.save(folders / "out") / "evaluation.json").read_text())
    assert written["summary"]["GTVp.dsc_agg"] == answer.summary["GTVp.dsc_agg"]


def test_evaluate_compares_two_systems(folders):
    answer = hyoid.evaluate(
        folders / "ours", folders / "reference", "hntsmrg2024", compared_with=folders / "theirs", seed=1
    )
    difference = answer.summary["GTVp.dsc_agg.difference"]
    assert difference == pytest.approx(12 / 14 - 8 / 12)


def test_predict_gives_the_labels_of_the_command(make_nnunet_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HYOID_CACHE", str(tmp_path / "cache"))
    folder = make_nnunet_folder()
    array = np.random.default_rng(0).normal(0, 300, (10, 32, 32)).astype(np.int16)
    write_nifti(Volume(array, Geometry.axial(array.shape, (3.0, 2.0, 2.0)), Quantity.HU), tmp_path / "a.nii.gz")
    options = {"mirror": False, "probabilities": True}
    answer = hyoid.predict(folder, tmp_path / "a.nii.gz", precision="f32", options=options, device="cpu")
    assert answer.prediction.probabilities.shape == (3, *array.shape)
    arguments = ["predict", folder, tmp_path / "a.nii.gz", "--out", tmp_path / "out", "--precision", "f32"]
    result = CliRunner().invoke(app, [str(a) for a in [*arguments, "--no-mirror"]], catch_exceptions=False)
    assert result.exit_code == 0
    assert np.array_equal(read_labels(tmp_path / "out" / "a" / "labels.nii.gz").array, answer.to_numpy())
    saved = answer.save(tmp_path / "saved", dicom=True)
    assert {"labels.nii.gz", "probabilities.npz", "seg.dcm", "run.json"} <= {p.name for p in saved.iterdir()}
    ours, theirs = (json.loads((p / "run.json").read_text()) for p in (saved, tmp_path / "out" / "a"))
    assert ours["options"] == theirs["options"] and ours["models"] == theirs["models"]
    assert "GTVp" in answer._repr_html_() and repr(answer).startswith("<predict: 2 labels")


def test_predict_takes_one_case_and_known_options(make_nnunet_folder, tmp_path):
    folder, images = make_nnunet_folder(), tmp_path / "images"
    images.mkdir()
    for name in "ab":
        write_nifti(labels_of(1, 1), images / f"{name}_0000.nii.gz")
    with pytest.raises(UsageError, match="2 cases were given"):
        hyoid.predict(folder, images)
    with pytest.raises(UsageError, match="no option 'device'"):
        hyoid.predict(folder, images / "a_0000.nii.gz", options={"device": "cuda"})


@pytest.mark.parametrize(
    ("clicks", "words"),
    [([], "No click"), (["1,2"], "is no click"), ([(999, 0, 0)], "outside the scan")],
)
def test_clicks_that_are_none(ball_study, tmp_path, clicks, words):
    with pytest.raises(UsageError, match=words):
        hyoid.segment_lesion(ball_study, clicks, cache=tmp_path)


def test_a_kind_of_lesion_that_does_not_exist(ball_study):
    with pytest.raises(UsageError, match="GTVp or GTVn"):
        hyoid.segment_lesion(ball_study, [(1, 1, 1)], target="CTV")


def test_staging_needs_outlines(ball_study):
    with pytest.raises(UsageError, match="Staging rests"):
        hyoid.make_report(ball_study, staging=StagingRequest(site="oropharynx"))


@pytest.mark.slow
def test_a_phantom_is_the_one_that_the_command_writes(tmp_path):
    arguments = ["phantom", "--n", 1, "--seed", 4, "--spacing", "5,5,5", "--out", tmp_path]
    assert CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False).exit_code == 0
    ct = python.read_study(tmp_path / "phantom_4_0000" / "ct.nii.gz").to_numpy()
    assert np.array_equal(ct, hyoid.make_phantom(4, spacing_mm=(5, 5, 5)).to_numpy())


def test_a_cohort_is_resumed_and_says_what_it_refused(folders):
    (folders / "ours" / "two.nii.gz").write_text("no image")
    answer = hyoid.cohort("measure", folders / "ours", folders / "out", workers=1)
    assert repr(answer) == "<cohort: 1 of 2 case(s) done>"
    assert [row.case for row in answer.refused] == ["two"] and "two" in answer._repr_html_()
    write_nifti(labels_of(4, 8), folders / "ours" / "two.nii.gz")
    again = hyoid.cohort("measure", folders / "ours", folders / "out", workers=1)
    assert (again.cases, again.refused) == (2, ())
    assert (again.save(folders / "copy") / "cohort.html").is_file()


def test_a_job_that_does_not_exist(tmp_path):
    with pytest.raises(UsageError, match="no job 'sing'"):
        hyoid.cohort("sing", tmp_path, tmp_path / "out")


@pytest.mark.parametrize("numbers", [(-1, 0), (0, -1)])
def test_a_negative_seed_is_refused(numbers):
    with pytest.raises(UsageError, match="negative"):
        hyoid.make_phantom(*numbers)


@pytest.mark.slow
def test_a_report_from_python_is_the_report_of_the_command(series, patient, tmp_path):
    write_nifti(patient.lesions, tmp_path / "lesions.nii.gz")
    answer = hyoid.make_report(str(series), reader_masks=tmp_path / "lesions.nii.gz", device="cpu")
    arguments = ["report", series, "--reader-masks", tmp_path / "lesions.nii.gz", "--out", tmp_path / "out"]
    assert CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False).exit_code == 0
    saved = answer.save(tmp_path / "saved")
    assert {p.name for p in saved.iterdir()} == {p.name for p in (tmp_path / "out").iterdir()}
    for name in ("report.json", "report.txt"):
        assert (saved / name).read_text() == (tmp_path / "out" / name).read_text()
    ours, theirs = (dcmread(folder / "seg.dcm") for folder in (saved, tmp_path / "out"))
    assert ours.SOPInstanceUID == theirs.SOPInstanceUID and ours.PixelData == theirs.PixelData


@pytest.mark.slow
def test_targets_of_a_pet_ct_without_its_pet(series, tmp_path):
    answer = hyoid.find_targets(series, pet=PetRequest(left_out=True), organs=False, device="cpu")
    assert answer.results.options["ct_only"] is True
    assert set(np.unique(answer.to_numpy("targets"))) <= {0, 1, 2}


@pytest.mark.slow
def test_response_in_mid_treatment_needs_masks(tmp_path, make_midrt_case):
    folder = make_midrt_case(tmp_path, "p1")
    with pytest.raises(UsageError, match="--pre-masks is missing"):
        hyoid.midrt(folder / "preRT" / "p1_preRT_T2.nii.gz", folder / "midRT" / "p1_midRT_T2.nii.gz")
