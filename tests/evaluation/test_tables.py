import numpy as np
import pytest

from hyoid.errors import InputRefusedError, UsageError
from hyoid.evaluation.tables import evaluate_clicks, evaluate_labels, read_table
from hyoid.io.files.volumes import write_nifti
from hyoid.volume import Geometry, Quantity, Volume


@pytest.fixture
def tables(tmp_path):
    reference, prediction = tmp_path / "reference.csv", tmp_path / "prediction.csv"
    reference.write_text("case,larynx,tongue\np1,1,0\np2,0,\np3,1,1\n")
    prediction.write_text("case,fold,tongue,larynx\np1,0,0.1,0.9\np2,1,0.2,0.3\np9,1,0.5,0.5\n")
    return prediction, reference


def test_involvement_by_hand(tables):
    evaluation = evaluate_labels(*tables)
    summary = evaluation.summary
    assert summary["n_predictions_missing"] == 1
    # larynx: p1 0.9 and p3, missing, 0: AP = 1/2 * 1 + 1/2 * 2/3. tongue: p1 0.1 (no), p3 missing, 0 (yes).
    assert summary["larynx.ap"] == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert summary["tongue.ap"] == pytest.approx(0.5)
    assert summary["tongue.n"] == 2
    assert evaluation.cases[1]["tongue.reference"] is None
    assert any("1 predicted patients have no reference" in note for note in evaluation.notes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("patient,larynx\np1,1\n", "no column `case`"),
        ("case,larynx,tongue\np1,1,0\np1,0,0\n", "lists case p1 twice"),
        ("case,larynx,tongue\n", "has no rows"),
        ("case,larynx,tongue\nq1,1,0\n", "none in common"),
        ("case,larynx\np1,0.5\n", "no column tongue"),
        ("case,larynx,tongue\np1,much,0\n", "Case p1, column larynx: 'much' is no number"),
    ],
)
def test_bad_tables_are_named(tables, text, words):
    tables[0].write_text(text)
    with pytest.raises(InputRefusedError, match=words):
        evaluate_labels(*tables)


def test_absent_table(tmp_path):
    with pytest.raises(UsageError, match=r"none\.csv is no file"):
        read_table(tmp_path / "none.csv")


def write(path, stop):
    geometry = Geometry.axial((2, 2, 20), (1.0, 1.0, 1.0))
    array = np.zeros(geometry.shape, np.uint8)
    array[1, 1, :stop] = 1
    path.parent.mkdir(parents=True, exist_ok=True)
    write_nifti(Volume(array, geometry, Quantity.LABEL), path)


def test_clicks_in_folders(tmp_path):
    for case in ("a", "b"):
        write(tmp_path / f"ref/{case}.nii.gz", 10)
    for click, stop in ((1, 5), (2, 10), (10, 10)):
        write(tmp_path / f"pred/click_{click}/a.nii.gz", stop)
    (tmp_path / "ref/attributes.csv").write_text("case,shape,surface\na,Irregular,\nb,Irregular,Ill-defined margin\n")
    (tmp_path / "pred/click_10/attributes.csv").write_text("case,shape\na,irregular\n")
    evaluation = evaluate_clicks(tmp_path / "pred", tmp_path / "ref")
    summary = evaluation.summary
    assert summary["n_clicks"] == 3
    # After the last click a is right and b was never predicted.
    assert summary["lesion.dsc_mean"] == 0.5
    assert summary["noc@0.90"] == (2 + 10) / 2
    assert summary["shape.accuracy"] == 0.5
    assert summary["surface.accuracy"] == 0.0
    assert [row[0] for row in evaluation.tables[0].rows] == [1, 2, 10]
    assert len(evaluation.cases) == 6


def test_a_flat_folder_is_one_click(tmp_path):
    write(tmp_path / "ref/a.nii.gz", 10)
    write(tmp_path / "pred/a.nii.gz", 10)
    assert evaluate_clicks(tmp_path / "pred", tmp_path / "ref").summary["lesion.dsc_mean"] == 1.0
