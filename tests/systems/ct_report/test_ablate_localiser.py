import json

import numpy as np
import pytest

from hyoid.errors import UsageError
from hyoid.io.cohorts.plain import find_plain_cases
from hyoid.io.files.volumes import write_nifti
from hyoid.systems.ct_report.ablate_localiser import ablate_localiser, markdown
from hyoid.systems.machine import Machine
from hyoid.training.recipe import load_recipe
from hyoid.training.run import Run, package_weights
from hyoid.training.segmentation import folds_of_cases, segmentation_cases, train_segmentation
from hyoid.volume import Geometry, Quantity, Volume

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def cuboids(tmp_path_factory):
    """Real patients in layout `sgrnet`: a CT and a reader's cuboid."""
    folder = tmp_path_factory.mktemp("cuboids")
    geometry = Geometry.axial((32, 32, 32), (4.0, 4.0, 4.0))
    for number in range(4):
        hu = np.full(geometry.shape, -1000, np.int16)
        hu[:, 6:26, 6:26] = 40
        box = np.zeros(geometry.shape, np.uint8)
        box[10 + number : 18 + number, 10:18, 10:18] = 1
        hu[box > 0] = 120
        (folder / f"p{number}").mkdir()
        write_nifti(Volume(hu, geometry, Quantity.HU), folder / f"p{number}" / "ct.nii.gz")
        write_nifti(Volume(box, geometry, Quantity.LABEL), folder / f"p{number}" / "cuboids.nii.gz")
    return folder


@pytest.fixture(scope="module")
def recipe():
    return load_recipe("tumour", "cuboids+smoke").model_copy(update={"folds": 2})


def test_readers_cuboids_are_of_real_patients(cuboids, recipe):
    assert not any(case.virtual for case in find_plain_cases(cuboids))
    assert folds_of_cases(segmentation_cases(recipe, [cuboids]), recipe) == [0, 1, 0, 1]


@pytest.mark.slow
def test_both_rows_answer_for_patients_they_did_not_see(cuboids, recipe, tmp_path):
    start = package_weights(train_segmentation(recipe, [cuboids], Run(tmp_path / "before", "cpu")))
    machine = Machine("cpu", tmp_path / "graphs")
    result = ablate_localiser(recipe, cuboids, tmp_path / "out", machine, pretrained=start, device="cpu")
    assert {name: sorted(scores) for name, scores in result["dice"].items()} == {
        "scratch": ["p0", "p1", "p2", "p3"], "pretrained": ["p0", "p1", "p2", "p3"],
    }  # fmt: skip
    assert all(0 <= dice <= 1 for scores in result["dice"].values() for dice in scores.values())
    assert json.loads((tmp_path / "out" / "table.json").read_text()) == result
    assert "| 0.37 |" in (tmp_path / "out" / "table.md").read_text()
    kept = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("manifest.yaml")}
    again = ablate_localiser(recipe, cuboids, tmp_path / "out", machine, pretrained=start, device="cpu")
    assert again == result
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("manifest.yaml")} == kept


def test_what_is_missing_is_refused(cuboids, recipe, tmp_path):
    machine = Machine("cpu", tmp_path)
    with pytest.raises(UsageError, match="needs that network"):
        ablate_localiser(recipe, cuboids, tmp_path, machine, pretrained=None)
    many = recipe.model_copy(update={"folds": 9})
    with pytest.raises(UsageError, match="cannot make 9 folds"):
        ablate_localiser(many, cuboids, tmp_path, machine, pretrained={}, only=["scratch"])
    with pytest.raises(UsageError, match="no row 'best'"):
        ablate_localiser(recipe, cuboids, tmp_path, machine, pretrained={}, only=["best"])


def test_a_table_of_numbers_by_hand():
    dice = {"scratch": {"a": 0.2, "b": 0.4}, "pretrained": {"a": 0.6, "b": 0.6}}
    text = markdown({"table": "t", "n": 2, "folds": 2, "steps": 3, "dice": dice})
    assert "| nnU-Net from nothing | 0.300" in text
    assert "| pre-trained on the CT of PET/CT | 0.600" in text and "| 0.51 |" in text


def test_the_printed_schedule():
    before, after = load_recipe("tumour", "paper_petct"), load_recipe("tumour", "paper_cuboids")
    assert (before.optimiser.steps, after.optimiser.steps) == (1000 * 250, 250 * 250)
    assert before.network == after.network and before.target == "primary" and after.target == "cuboid"
    assert before.folds == after.folds == 5
