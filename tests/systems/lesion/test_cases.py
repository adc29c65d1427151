"""Lesions of real data sets; those of virtual cohorts are tried in test_train.py."""

import numpy as np
import pytest

from hyoid.anatomy.lesion_attributes import ATTRIBUTES
from hyoid.errors import UsageError
from hyoid.io.files.volumes import write_nifti
from hyoid.io.packages.model_package import read_manifest
from hyoid.systems.lesion.cases import UNKNOWN, find_lesion_patients, load_lesions, require_attributes
from hyoid.systems.lesion.train import train_lesion
from hyoid.training.recipe import load_recipe
from hyoid.training.run import Run
from hyoid.volume import Geometry, Quantity, Volume

GRID = Geometry.axial((30, 40, 40), (3.0, 3.0, 3.0))


def write_case(folder, name, grid=GRID):
    """Two lesions, the second smaller, and a speck."""
    hu = np.random.default_rng(0).normal(-50, 20, GRID.shape).astype(np.int16)
    mask = np.zeros(GRID.shape, np.uint8)
    mask[20:23, 26:29, 26:29] = 1
    mask[8:14, 10:18, 10:18] = 1
    mask[0, 0, 0] = 1
    hu[mask > 0] += 150
    for place, array, quantity, where in (
        ("images", hu, Quantity.HU, GRID), ("masks", mask, Quantity.LABEL, grid),
    ):  # fmt: skip
        (folder / place).mkdir(parents=True, exist_ok=True)
        write_nifti(Volume(array, where, quantity), folder / place / f"{name}.nii.gz")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("lesions")
    for name in "abcde":
        write_case(root, name)
    table = "case,kind,zero_shot,shape,density\n"
    table += "".join(f"{name},cyst,,{('Round-like', 'Irregular')[k % 2]},Hypodense\n" for k, name in enumerate("abcde"))
    (root / "attributes.csv").write_text(table)
    return root


def test_lesions_from_the_largest_with_what_the_table_says(folder):
    assert [case.name for case in find_lesion_patients(folder)] == list("abcde")
    first, second, *_ = load_lesions([folder])
    assert (first.name, int(first.mask.sum()), first.kind, first.extent_mm) == ("a-1", 384, "cyst", 24.0)
    assert (int(second.mask.sum()), second.kind, second.attributes) == (27, "lesion", (UNKNOWN,) * 5)
    assert first.attributes == (0, UNKNOWN, 0, UNKNOWN, UNKNOWN)
    assert not first.patient.virtual and first.patient.image.array[first.mask].mean() > 50


def test_the_paper_takes_the_largest_of_each_label_file(folder):
    assert [case.name for case in load_lesions([folder], which="largest")] == [f"{name}-1" for name in "abcde"]
    assert load_recipe("lesion", "paper").lesions == "largest"


def test_a_mask_on_another_grid_and_a_row_without_a_lesion_are_refused(tmp_path):
    write_case(tmp_path / "grid", "a", grid=Geometry.axial(GRID.shape, (3.0, 3.0, 2.0)))
    with pytest.raises(UsageError, match="different grids"):
        load_lesions([tmp_path / "grid"])
    (write_case(tmp_path / "row", "a") / "attributes.csv").write_text("case,lesion,shape\na,3,irregular\n")
    with pytest.raises(UsageError, match="describes lesion 3 of 'a', which has 2"):
        load_lesions([tmp_path / "row"])


def test_masks_without_attributes_are_named_where_attributes_are_asked_for(tmp_path, folder):
    require_attributes(load_lesions([folder]))
    bare = load_lesions([write_case(tmp_path, "a")])
    with pytest.raises(UsageError, match="None of the 2 lesions has attributes"):
        require_attributes(bare)


@pytest.mark.filterwarnings("ignore")
def test_real_lesions_teach_a_package_that_says_so(folder, tmp_path):
    package = train_lesion(load_recipe("lesion", "smoke"), [folder], Run(tmp_path, "cpu"))
    manifest = read_manifest(package)
    assert manifest.learned_from.real == ("lesion", "shape") and manifest.learned_from.virtual == ()
    assert manifest.supported == ("lesion", "shape")  # density has one class alone
    assert set(manifest.labels) == {"lesion", *ATTRIBUTES}
