import json
import shutil

import numpy as np
import pytest
from tests.interfaces.planted import NAME, found_in
from typer.testing import CliRunner

from hyoid.errors import HyoidError, ModelUnusableError
from hyoid.interfaces.cli.main import app
from hyoid.io.cohorts.hntsmrg import find_hntsmrg_cases
from hyoid.io.files.volumes import read_image, read_labels
from hyoid.io.study import read_study
from hyoid.report.content.response import ResponseReport
from hyoid.systems.midrt.cases import load_midrt_cases
from hyoid.systems.midrt.train import train_on
from hyoid.training.recipe import load_recipe
from hyoid.training.run import Run
from hyoid.volume import Quantity

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's advice about workers and loggers


@pytest.fixture(scope="module")
def model(midrt_case, tmp_path_factory):
    recipe = load_recipe("midrt", "smoke")
    cases = load_midrt_cases(find_hntsmrg_cases(midrt_case.parent), recipe)
    return train_on(recipe, cases, Run(tmp_path_factory.mktemp("run"), "cpu"))


def run(*arguments):
    return CliRunner().invoke(app, ["midrt", *map(str, arguments)])


def test_a_case_folder_gives_every_file_and_a_page_with_pictures_side_by_side(midrt_case, model, tmp_path, monkeypatch):
    monkeypatch.setenv("HYOID_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "out"
    case = shutil.copytree(midrt_case, tmp_path / NAME / midrt_case.name)
    result = run(case, "--registered", "--model", model, "--out", out, "--json", "--device", "cpu")
    assert result.exit_code in (0, 5), result.output
    assert found_in(out) == [] and found_in(tmp_path / "cache") == [] and NAME not in result.output
    written = {p.name for p in out.iterdir()}
    assert {"report.json", "report.html", "report.txt", "masks.nii.gz", "run.json",
            "targets.nii.gz", "gradient_map.nii.gz",
            "pre_masks_registered.nii.gz", "pre_registered.nii.gz"} <= written  # fmt: skip
    report = ResponseReport.model_validate_json((out / "report.json").read_text())
    assert (result.exit_code == 5) == report.empty
    if not report.empty:
        assert {"seg.dcm", "rtstruct.dcm"} <= written
    page = (out / "report.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 3 * min(10, len(report.response)) and "http" not in page
    assert report.definition in page.replace("&#39;", "'") and "RECIST" in page
    record = json.loads((out / "run.json").read_text())
    assert record["options"]["registered"] and record["models"]["midrt"]["sha256"]
    assert str(case) not in json.dumps(record)
    mid = read_image(midrt_case / "midRT" / "a_midRT_T2.nii.gz", Quantity.MR)
    assert read_labels(out / "masks.nii.gz").geometry.same_grid(mid.geometry)


@pytest.mark.parametrize("supplied", [True, False])
def test_the_container_of_hnts_mrg(midrt_case, model, tmp_path, monkeypatch, supplied):
    monkeypatch.setenv("HYOID_CACHE", str(tmp_path / "cache"))
    places = {
        "mid-rt-t2w-head-neck": "midRT/a_midRT_T2", "pre-rt-t2w-head-neck": "preRT/a_preRT_T2",
        "pre-rt-head-neck-segmentation": "preRT/a_preRT_mask",
    }  # fmt: skip
    if supplied:
        places["registered-pre-rt-head-neck-segmentation"] = "midRT/a_preRT_mask_registered"
    for folder, name in places.items():
        (tmp_path / "input" / "images" / folder).mkdir(parents=True)
        shutil.copy(midrt_case / f"{name}.nii.gz", tmp_path / "input" / "images" / folder / "x.nii.gz")
    shutil.copytree(model, tmp_path / "models" / "fold-0")
    arguments = ["grand-challenge", "hntsmrg2024", "--models", tmp_path / "models", "--input", tmp_path / "input"]
    arguments += ["--output", tmp_path / "output", "--device", "cpu", "--json"]
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    assert json.loads(result.output.splitlines()[-1])["registered"] is supplied
    mask = read_labels(tmp_path / "output" / "images" / "mri-head-neck-segmentation" / "output.mha")
    assert mask.geometry.same_grid(read_image(midrt_case / "midRT" / "a_midRT_T2.nii.gz", Quantity.MR).geometry)
    assert mask.array.dtype == np.uint8 and mask.array.max() <= 2


def test_a_published_gradient_network_runs_in_place_of_hyoids(midrt_case, make_nnunet_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HYOID_CACHE", str(tmp_path / "cache"))
    folder = make_nnunet_folder(
        channels=("T2", "gradient"), schemes=("ZScoreNormalization",) * 2, spacing=(8.0, 6.0, 6.0), patch=(8, 16, 16),
        bias=[0.0, 0.0, 3.0], mirror=None,
    )  # fmt: skip
    (tmp_path / "m.yaml").write_text(f"midrt: {{model: {folder.name}, name: gradient, gradient: paper}}\n")
    out = tmp_path / "out"
    result = run(midrt_case, "--registered", "--models", tmp_path / "m.yaml", "--out", out, "--json", "--device", "cpu")
    assert result.exit_code == 0, result.output
    record = json.loads((out / "run.json").read_text())
    assert set(record["models"]) == {"gradient"} and record["models"]["gradient"]["folds"] == ["0"]
    assert [s["outlined_by"] for s in record["structures"]] == ["network gradient fold 0"]
    report = ResponseReport.model_validate_json((out / "report.json").read_text())
    assert report.gradient == "paper" and [use.name for use in report.models] == ["gradient"]
    assert (read_labels(out / "targets.nii.gz").array == 2).mean() > 0.5


def test_without_default_weights_the_cure_is_named(midrt_case, tmp_path, monkeypatch):
    monkeypatch.setattr("hyoid.interfaces.chosen_models.packages", dict)
    result = run(midrt_case, "--out", tmp_path / "o")
    assert isinstance(result.exception, ModelUnusableError) and "hyoid train midrt" in result.exception.cure


def test_a_refusal_ends_with_exit_3_and_a_ct_is_no_mr(tmp_path, midrt_case, model):
    masks = midrt_case / "preRT" / "a_preRT_mask.nii.gz"
    with pytest.raises(HyoidError):
        read_study(masks, modality="MR")
    result = run(
        tmp_path / "no.nii.gz",
        tmp_path / "where.nii.gz",
        "--pre-masks",
        masks,
        "--out",
        tmp_path / "o",
        "--model",
        model,
    )
    assert isinstance(result.exception, HyoidError) and result.exception.exit_code == 3
    assert not (tmp_path / "o").exists()
