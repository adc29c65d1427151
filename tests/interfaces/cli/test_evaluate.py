import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from hyoid.errors import UsageError
from hyoid.interfaces.cli.evaluate import evaluate
from hyoid.io.files.volumes import read_labels, write_nifti
from hyoid.volume import Geometry, Quantity, Volume

app = typer.Typer()
app.command()(evaluate)


@pytest.fixture
def folders(tmp_path):
    geometry = Geometry.axial((3, 6, 12), (3.0, 1.0, 1.0))
    for folder, stop in (("ref", 8), ("a", 6), ("b", 4)):
        (tmp_path / folder).mkdir()
        for case in ("one", "two"):
            array = np.zeros(geometry.shape, np.uint8)
            array[1, 1:3, :stop] = 1
            array[1, 4:6, :8] = 2
            write_nifti(Volume(array, geometry, Quantity.LABEL), tmp_path / folder / f"{case}.nii.gz")
    return tmp_path


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def test_scores_and_writes(folders):
    out = folders / "out" / "scores.json"
    result = invoke(
        folders / "a", folders / "ref", "--protocol", "hecktor2025-style", "--out", out, "--workers", 1, "--json"
    )
    assert result.exit_code == 0
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert events[-1]["event"] == "done"
    document = json.loads(out.read_text())
    assert document["summary"]["GTVp.dsc_mean"] == pytest.approx(12 / 14)
    assert document["summary"] == events[-1]["summary"]
    assert (out.parent / "evaluation.html").is_file()


def test_tables_for_people(folders):
    result = invoke(folders / "a", folders / "ref", "--protocol", "hntsmrg2024", "--workers", 1)
    assert result.exit_code == 0
    assert "GTVn.dsc_agg" in result.output
    assert "26-connectivity" in result.output


def test_case_names_with_brackets_are_printed_as_they_are(folders):
    for folder in ("ref", "a", "b"):
        (folders / folder / "one.nii.gz").rename(folders / folder / "[bold]one.nii.gz")
    paths = (folders / "a", folders / "b", folders / "ref")
    result = invoke("--compare", *paths, "--protocol", "hntsmrg2024", "--workers", 1)
    assert "[bold]one" in result.output.replace("\n", "").replace(" ", "")


def test_compares_two_systems(folders):
    out = folders / "comparison.json"
    paths = (folders / "a", folders / "b", folders / "ref")
    result = invoke("--compare", *paths, "--protocol", "hntsmrg2024", "--out", out, "--workers", 1)
    assert result.exit_code == 0
    summary = json.loads(out.read_text())["summary"]
    assert summary["GTVp.dsc_mean.difference"] == pytest.approx(12 / 14 - 8 / 12)
    assert summary["n_changed"] == 2


def test_an_undefined_headline_is_a_stated_result(folders):
    out = folders / "o.json"
    config = folders / "mine.yaml"
    config.write_text(
        "name: mine\nclasses: [{name: other, labels: [7]}]\nignored_labels: [1, 2]\ndice_empty: both_empty_excluded\n"
    )
    arguments = ("--protocol", "custom", "--config", config, "--out", out, "--workers", 1)
    result = invoke(folders / "a", folders / "ref", *arguments)
    assert result.exit_code == 5
    assert "Undefined" in result.output
    assert json.loads(out.read_text())["summary"]["other.dsc_agg"] is None


def test_wrong_number_of_paths(folders):
    with pytest.raises(UsageError, match="Give PRED REF"):
        invoke(folders / "a", "--protocol", "hntsmrg2024")
    with pytest.raises(UsageError, match="A B REF"):
        invoke("--compare", folders / "a", folders / "ref", "--protocol", "hntsmrg2024")
    with pytest.raises(UsageError, match="does not compare"):
        invoke("--compare", folders / "a", folders / "b", folders / "ref", "--protocol", "isrg")


def test_involvement_tables_end_in_a_page(tmp_path):
    (tmp_path / "ref.csv").write_text("case,larynx,tongue\np1,1,0\np2,0,0\np3,1,0\n")
    (tmp_path / "pred.csv").write_text("case,fold,larynx,tongue\np1,0,0.9,0.1\np2,0,0.2,0.3\np3,1,0.8,0.2\n")
    out = tmp_path / "out"
    result = invoke(tmp_path / "pred.csv", tmp_path / "ref.csv", "--protocol", "sgrnet", "--out", out)
    assert result.exit_code == 0
    document = json.loads((out / "evaluation.json").read_text())
    assert document["summary"]["mean.ap"] == 1.0
    assert document["summary"]["tongue.ap"] is None
    page = (out / "evaluation.html").read_text()
    assert "SGRNet (DenseNet121" in page


def test_clicks_end_in_a_page(folders):
    config = {"reference": folders / "ref", "prediction": folders / "clicks"}
    for click, folder in ((1, "b"), (2, "a")):
        (config["prediction"] / f"click_{click}").mkdir(parents=True)
        for path in (folders / folder).iterdir():
            volume = read_labels(path)
            lesion = volume.with_array((volume.array == 1).astype(np.uint8))
            write_nifti(lesion, config["prediction"] / f"click_{click}" / path.name)
    for path in config["reference"].iterdir():
        volume = read_labels(path)
        write_nifti(volume.with_array((volume.array == 1).astype(np.uint8)), path)
    out = folders / "isrg"
    arguments = (config["prediction"], config["reference"], "--protocol", "isrg", "--out", out, "--workers", 1)
    result = invoke(*arguments)
    assert result.exit_code == 0  # no attributes were asked for
    summary = json.loads((out / "evaluation.json").read_text())["summary"]
    assert summary["lesion.dsc_mean"] == pytest.approx(12 / 14)
    assert summary["click_auc"] == pytest.approx((8 / 12 + 12 / 14) / 2)
