"""Values of the Python functions: saved, converted, shown."""

import json
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest
import SimpleITK as sitk

from hyoid.errors import UsageError
from hyoid.evaluation.result import Evaluation
from hyoid.interfaces import python
from hyoid.interfaces.answers import Answer, EvaluationAnswer, Patient, ReportAnswer, Scan
from hyoid.io.files.volumes import read_image, read_labels
from hyoid.io.study import Study
from hyoid.volume import Quantity

CLICK = (14, 30, 24)  # the middle of the first ball


@pytest.fixture
def answer(ball_study, click_network, tmp_path, monkeypatch):
    monkeypatch.setattr("hyoid.inference.click_network.ClickNetwork", lambda *_, **__: click_network)
    return python.segment_lesion(ball_study, [CLICK], organs=False, cache=tmp_path / "cache")


def test_an_answer_is_frozen_and_says_itself_in_one_short_line(answer):
    assert isinstance(answer, ReportAnswer)
    with pytest.raises(FrozenInstanceError):
        answer.results = None
    assert repr(answer).startswith("<lesion: ") and "\n" not in repr(answer) and len(repr(answer)) < 90


def test_label_maps_lie_on_the_scan(answer, ball_study):
    assert set(np.unique(answer.to_numpy())) == {0, 101}
    assert set(np.unique(answer.to_numpy("targets"))) == {0, 1}
    assert answer.to_numpy().shape == ball_study.volume.geometry.shape
    assert answer.to_numpy()[CLICK] == 101
    image = answer.to_sitk("targets")
    assert image.GetSpacing() == ball_study.volume.geometry.spacing_mm[::-1]
    assert image[CLICK[::-1]] == 1


def test_maps_that_are_not_there_are_refused(answer):
    with pytest.raises(UsageError, match="Organs were not outlined"):
        answer.to_numpy("organs")
    with pytest.raises(UsageError, match="There is no label map 'tumour'"):
        answer.to_numpy("tumour")


def test_what_is_saved_is_what_the_command_delivers(answer, tmp_path):
    folder = answer.save(tmp_path / "result")
    names = {path.name for path in folder.iterdir()}
    assert {"report.html", "report.json", "targets.nii.gz", "seg.dcm", "rtstruct.dcm", "run.json"} <= names
    assert np.array_equal(read_labels(folder / "targets.nii.gz").array, answer.to_numpy("targets"))
    record = json.loads((folder / "run.json").read_text())
    assert record["command"] == "lesion" and {"clicks", "write"} <= record["seconds"].keys()
    with pytest.raises(UsageError, match="used"):
        answer.save(folder)


def test_further_forms_are_saved_where_they_are_asked_for(answer, tmp_path):
    folder = answer.save(tmp_path / "result", formats="fhir")
    assert (folder / "report.fhir.json").is_file()
    with pytest.raises(UsageError, match="docx"):
        answer.save(tmp_path / "other", formats="docx")
    assert not (tmp_path / "other").exists()


def test_a_notebook_shows_picture_and_impression(answer):
    page = answer._repr_html_()
    assert "data:image/jpeg;base64," in page and "Research use only" in page
    assert answer.report.impression[0].words in page


def test_a_notebook_shows_text_as_it_is(answer):
    from dataclasses import replace

    evil = answer.report.model_copy(update={"title": "<script>alert(1)</script>", "warnings": ("<img src=x>",)})
    page = replace(answer, results=replace(answer.results, report=evil))._repr_html_()
    assert "<script>" not in page and "<img src=x>" not in page and "&lt;script&gt;" in page


def test_a_scan_is_a_study_that_saves_itself(ball_study, tmp_path):
    scan = Scan.of(ball_study)
    assert isinstance(scan, Study) and {f.name for f in fields(scan)} == {f.name for f in fields(ball_study)}
    assert repr(scan) == "<Scan: HU, 28 x 60 x 70 voxels of 3 x 2 x 2 mm>"
    assert scan.to_numpy() is ball_study.volume.array
    again = read_image(scan.save(tmp_path / "scan") / "scan.nii.gz", Quantity.HU)
    assert np.allclose(again.array, scan.to_numpy(), atol=1e-3)
    assert "28 x 60 x 70" in scan._repr_html_()


def test_scores_are_a_table():
    cases = ({"case": "a", "GTVp.dsc": 0.5}, {"case": "b", "GTVp.dsc": None, "GTVn.dsc": 1.0})
    summary = {"GTVp.dsc": 0.5, "GTVp.dsc.ci95_low": 0.25, "GTVp.dsc.ci95_high": 0.75}
    answer = EvaluationAnswer(Evaluation("own", "Own <rules>", ("GTVp.dsc",), summary, cases, (), ("a & b",)))
    assert answer.columns == ("GTVp.dsc", "GTVn.dsc")
    assert np.array_equal(answer.to_numpy(), [[0.5, np.nan], [np.nan, 1.0]], equal_nan=True)
    assert repr(answer) == "<evaluate own: GTVp.dsc 0.500>"
    page = answer._repr_html_()
    assert "0.2500 to 0.7500" in page and "Own &lt;rules&gt;" in page and "a &amp; b" in page


def test_a_table_without_cases_has_no_rows():
    answer = EvaluationAnswer(Evaluation("own", "", ("x",), {}, (), (), ()))
    assert answer.to_numpy().shape == (0, 0)
    assert repr(answer) == "<evaluate own: undefined>"


@pytest.mark.parametrize("kind", [Answer, EvaluationAnswer])
def test_what_holds_no_image_says_so(kind):
    empty = Answer() if kind is Answer else EvaluationAnswer(Evaluation("", "", (), {}, (), (), ()))
    with pytest.raises(UsageError, match="holds no image"):
        empty.to_sitk()


def test_a_filled_template_is_text(tmp_path):
    answer = python.structure("CT neck. Mass in the right tonsil measuring 2 x 2.4 cm.")
    folder = answer.save(tmp_path / "text")
    assert "Mass in the right tonsil" in (folder / "report.txt").read_text()
    assert json.loads((folder / "report.json").read_text())["schema_version"] == answer.report.schema_version
    assert "lines answered>" in repr(answer) and "<div" in answer._repr_html_()
    with pytest.raises(UsageError, match="holds no array"):
        answer.to_numpy()


def test_a_virtual_patient_saves_what_the_command_writes(patient, tmp_path):
    answer = Patient.of(patient, (3, 1))
    assert isinstance(answer.to_sitk(), sitk.Image) and answer.to_numpy() is patient.ct.array
    assert repr(answer).startswith("<virtual patient 3/1: 2 node(s), ")
    folder = answer.save(tmp_path / "phantom_3_0001")
    assert {"ct.nii.gz", "truth.json", "report.txt"} <= {path.name for path in folder.iterdir()}
    assert "Primary" in answer._repr_html_()
