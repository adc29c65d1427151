import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from typer.testing import CliRunner

from hyoid.errors import (
    HyoidError,
    ModelUnusableError,
    UnreadableFileError,
    UnsuitableScanError,
    UsageError,
)
from hyoid.interfaces.cli.main import app
from hyoid.interfaces.cli.midrt import MidrtOrder, open_pair, refuse_swapped_names
from hyoid.io.cohorts.hntsmrg import find_hntsmrg_cases
from hyoid.io.dicom.mr_pair import check_contrast, check_pair
from hyoid.io.files.volumes import read_image, read_labels, write_nifti
from hyoid.io.study import Study, read_study
from hyoid.report.content.response import ResponseReport
from hyoid.systems.midrt.cases import load_midrt_cases
from hyoid.systems.midrt.train import train_on
from hyoid.training.recipe import load_recipe
from hyoid.training.run import Run
from hyoid.volume import Geometry, Quantity, Volume

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's advice about workers and loggers


@pytest.fixture(scope="module")
def drawn(make_midrt_case, tmp_path_factory):
    return make_midrt_case(tmp_path_factory.mktemp("cohort"), "a", seed=5)


@pytest.fixture(scope="module")
def model(drawn, tmp_path_factory):
    recipe = load_recipe("midrt", "smoke")
    cases = load_midrt_cases(find_hntsmrg_cases(drawn.parent), recipe)
    return train_on(recipe, cases, Run(tmp_path_factory.mktemp("run"), "cpu"))


def run(*arguments):
    return CliRunner().invoke(app, ["midrt", *map(str, arguments)])


def test_a_case_folder_gives_every_file_and_a_page_with_pictures_side_by_side(drawn, model, tmp_path, monkeypatch):
    monkeypatch.setenv("HYOID_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "out"
    result = run(drawn, "--registered", "--model", model, "--out", out, "--json", "--device", "cpu")
    assert result.exit_code in (0, 5), result.output
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
    assert str(drawn) not in json.dumps(record)
    mid = read_image(drawn / "midRT" / "a_midRT_T2.nii.gz", Quantity.MR)
    assert read_labels(out / "masks.nii.gz").geometry.same_grid(mid.geometry)


def test_registered_masks_are_used_wherever_a_case_brings_them(drawn, tmp_path):
    opened = open_pair(MidrtOrder(drawn, None, None, tmp_path))
    supplied = read_labels(drawn / "midRT" / "a_preRT_mask_registered.nii.gz")
    assert np.array_equal(opened.pair.carried.array > 0, supplied.array > 0)
    # Unless somebody asks for a registration, or brings other masks.
    assert open_pair(MidrtOrder(drawn, None, None, tmp_path, registered=False)).pair.carried is None
    own = drawn / "preRT" / "a_preRT_mask.nii.gz"
    assert open_pair(MidrtOrder(drawn, None, own, tmp_path)).pair.carried is None


@pytest.mark.parametrize("supplied", [True, False])
def test_the_container_of_hnts_mrg(drawn, model, tmp_path, monkeypatch, supplied):
    monkeypatch.setenv("HYOID_CACHE", str(tmp_path / "cache"))
    places = {
        "mid-rt-t2w-head-neck": "midRT/a_midRT_T2", "pre-rt-t2w-head-neck": "preRT/a_preRT_T2",
        "pre-rt-head-neck-segmentation": "preRT/a_preRT_mask",
    }  # fmt: skip
    if supplied:
        places["registered-pre-rt-head-neck-segmentation"] = "midRT/a_preRT_mask_registered"
    for folder, name in places.items():
        (tmp_path / "input" / "images" / folder).mkdir(parents=True)
        shutil.copy(drawn / f"{name}.nii.gz", tmp_path / "input" / "images" / folder / "x.nii.gz")
    shutil.copytree(model, tmp_path / "models" / "fold-0")
    arguments = ["grand-challenge", "hntsmrg2024", "--models", tmp_path / "models", "--input", tmp_path / "input"]
    arguments += ["--output", tmp_path / "output", "--device", "cpu", "--json"]
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    assert json.loads(result.output.splitlines()[-1])["registered"] is supplied
    mask = read_labels(tmp_path / "output" / "images" / "mri-head-neck-segmentation" / "output.mha")
    assert mask.geometry.same_grid(read_image(drawn / "midRT" / "a_midRT_T2.nii.gz", Quantity.MR).geometry)
    assert mask.array.dtype == np.uint8 and mask.array.max() <= 2


def test_a_published_gradient_network_runs_in_the_place_of_hyoids(drawn, make_nnunet_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HYOID_CACHE", str(tmp_path / "cache"))
    folder = make_nnunet_folder(
        channels=("T2", "gradient"), schemes=("ZScoreNormalization",) * 2, spacing=(8.0, 6.0, 6.0), patch=(8, 16, 16),
        bias=[0.0, 0.0, 3.0], mirror=None,
    )  # fmt: skip
    (tmp_path / "m.yaml").write_text(f"midrt: {{model: {folder.name}, name: gradient, gradient: paper}}\n")
    out = tmp_path / "out"
    result = run(drawn, "--registered", "--models", tmp_path / "m.yaml", "--out", out, "--json", "--device", "cpu")
    assert result.exit_code == 0, result.output
    record = json.loads((out / "run.json").read_text())
    assert set(record["models"]) == {"gradient"} and record["models"]["gradient"]["folds"] == ["0"]
    assert [s["outlined_by"] for s in record["structures"]] == ["network gradient fold 0"]
    report = ResponseReport.model_validate_json((out / "report.json").read_text())
    assert report.gradient == "paper" and [use.name for use in report.models] == ["gradient"]
    assert (read_labels(out / "targets.nii.gz").array == 2).mean() > 0.5


def test_missing_arguments_and_files_are_named(tmp_path):
    x, y = tmp_path / "x.nii.gz", tmp_path / "y.nii.gz"
    with pytest.raises(UnreadableFileError, match="PRE names no file"):
        open_pair(MidrtOrder(x, None, None, Path("o")))
    x.touch()
    y.touch()
    with pytest.raises(UsageError, match="MID, the examination during treatment"):
        open_pair(MidrtOrder(x, None, None, Path("o")))
    with pytest.raises(UsageError, match="MID, the examination") as caught:
        open_pair(MidrtOrder(tmp_path, None, None, Path("o")))
    assert "must hold preRT and midRT" in caught.value.cure
    with pytest.raises(UsageError, match="--pre-masks"):
        open_pair(MidrtOrder(x, y, None, Path("o")))


def test_volumes_before_are_those_of_the_examination_before_even_when_registered(drawn, tmp_path):
    opened = open_pair(MidrtOrder(drawn, None, None, tmp_path, registered=True))
    own = read_labels(drawn / "preRT" / "a_preRT_mask.nii.gz")
    assert (opened.pair.outlines.array > 0).sum() == (own.array > 0).sum()
    assert opened.pair.outlines.geometry.same_grid(own.geometry)
    assert opened.pair.carried.geometry.same_grid(opened.pair.mid.geometry)


def test_swapped_examinations_are_named_by_file_names_and_by_the_grid_of_the_masks(drawn, tmp_path):
    pre, mid = drawn / "preRT" / "a_preRT_T2.nii.gz", drawn / "midRT" / "a_midRT_T2.nii.gz"
    masks = drawn / "preRT" / "a_preRT_mask.nii.gz"
    with pytest.raises(UsageError, match="named as mid-treatment"):
        open_pair(MidrtOrder(mid, pre, masks, tmp_path))
    with pytest.raises(UsageError, match="named as pre-treatment"):
        refuse_swapped_names(Path("scan1.nii.gz"), Path("x_preRT.nii.gz"))
    # Under neutral names the grid of the masks tells.
    image = read_image(mid, Quantity.MR)
    moved = Geometry.axial(image.geometry.shape, (4.0, 3.0, 3.0), (-60.0, -90.0, 0.0))
    write_nifti(Volume(image.array, moved, Quantity.MR), tmp_path / "one.nii.gz")
    shutil.copy(pre, tmp_path / "two.nii.gz")
    with pytest.raises(UsageError, match="swapped, or the masks are registered already"):
        open_pair(MidrtOrder(tmp_path / "one.nii.gz", tmp_path / "two.nii.gz", masks, tmp_path))


def test_masks_on_another_grid_are_brought_over_with_a_note_and_empty_ones_refused(drawn, tmp_path):
    pre, mid = (shutil.copy(drawn / p, tmp_path / n) for p, n in (
        ("preRT/a_preRT_T2.nii.gz", "one.nii.gz"), ("midRT/a_midRT_T2.nii.gz", "two.nii.gz")))  # fmt: skip
    labels = read_labels(drawn / "preRT" / "a_preRT_mask.nii.gz")
    coarse = Volume(
        labels.array[:, ::2, ::2], Geometry.axial((24, 32, 32), (4.0, 6.0, 6.0), (-90, -90, 0)), Quantity.LABEL
    )
    write_nifti(coarse, tmp_path / "masks.nii.gz")
    opened = open_pair(MidrtOrder(Path(pre), Path(mid), tmp_path / "masks.nii.gz", tmp_path))
    assert any("another grid than the pre-treatment MR" in w for w in opened.pair.warnings)
    assert opened.pair.outlines.geometry.same_grid(opened.pair.pre.geometry)
    write_nifti(labels.with_array(labels.array * 0), tmp_path / "empty.nii.gz")
    with pytest.raises(HyoidError, match="no labels") as caught:
        open_pair(MidrtOrder(Path(pre), Path(mid), tmp_path / "empty.nii.gz", tmp_path))
    assert "outlined" in caught.value.cure


def test_without_default_weights_the_cure_is_named(drawn, tmp_path, monkeypatch):
    monkeypatch.setattr("hyoid.interfaces.chosen_models.packages", dict)
    result = run(drawn, "--out", tmp_path / "o")
    assert isinstance(result.exception, ModelUnusableError) and "hyoid train midrt" in result.exception.cure


def test_a_refusal_ends_with_exit_3_and_a_ct_is_no_mr(tmp_path, drawn, model):
    masks = drawn / "preRT" / "a_preRT_mask.nii.gz"
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


def study(**tags):
    header = Dataset()
    base = {"PatientID": "one", "SeriesInstanceUID": "1.2.3", "EchoTime": 80, "RepetitionTime": 4000}
    for name, value in (base | tags).items():
        if value is not None:
            setattr(header, name, value)
    volume = Volume(np.zeros((1, 1, 1)), Geometry.axial((1, 1, 1), (1, 1, 1)), Quantity.MR)
    return Study(volume, None, (header,), (), "")


def test_headers_tell_other_patients_swapped_dates_and_the_same_series():
    first = study(SeriesInstanceUID="1.1", StudyDate="20240101")
    second = study(StudyDate="20240201")
    assert check_pair(first, second) == ()
    with pytest.raises(UnsuitableScanError, match="they are swapped"):
        check_pair(second, first)
    with pytest.raises(UnsuitableScanError, match="different patients") as caught:
        check_pair(first, study(StudyDate="20240201", PatientID="secret"))
    assert "secret" not in str(caught.value)
    with pytest.raises(UnsuitableScanError, match="same series"):
        check_pair(second, second)
    assert "one day" in check_pair(first, study(StudyDate="20240101"))[0]
    assert "no date" in check_pair(study(SeriesInstanceUID="1.1"), study())[0]
    volume_file = Study(first.volume, None, (), (), "")
    assert check_pair(volume_file, second) == ()
    twice = Study(first.volume, None, (), (), "one content")
    with pytest.raises(UnsuitableScanError, match="same one"):
        check_pair(twice, twice)


def test_headers_tell_the_sequence():
    assert check_contrast(study(), "pre") == ()
    for tags, words in (
        ({"EchoTime": 12, "RepetitionTime": 550}, "echo time 12 ms"),
        ({"DiffusionBValue": 800.0}, "diffusion-weighted"),
    ):
        with pytest.raises(UnsuitableScanError, match=words):
            check_contrast(study(**tags), "mid")
    assert "short for T2" in check_contrast(study(EchoTime=44), "mid")[0]
    assert "does not say" in check_contrast(study(EchoTime=None), "mid")[0]
