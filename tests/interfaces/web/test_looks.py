import numpy as np
import pytest

from hyoid.interfaces.web.looks import Looks, is_label_map, look_at, named_as_mask, pet_beside, shown_entries
from hyoid.io.files.volumes import write_nifti
from hyoid.volume import Geometry, Quantity, Volume

GRID = Geometry.axial((6, 8, 8), (3.0, 1.0, 1.0))


def written(path, array, quantity):
    write_nifti(Volume(array, GRID, quantity), path)
    return path


@pytest.fixture
def ct(tmp_path):
    values = np.random.default_rng(0).integers(-1000, 900, GRID.shape).astype(np.int16)
    return written(tmp_path / "P1__CT.nii.gz", values, Quantity.HU)


def test_files_are_told_apart(tmp_path, ct):
    rng = np.random.default_rng(1)
    mr = written(tmp_path / "t2.nii.gz", rng.integers(0, 900, GRID.shape).astype(np.int16), Quantity.MR)
    labels = np.zeros(GRID.shape, np.uint8)
    labels[2, 2:5, 2:5] = 2
    unnamed = written(tmp_path / "x.nii.gz", labels, Quantity.LABEL)
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(b"nothing")
    found = {path.name: look_at(path).kind for path in (ct, mr, unnamed, broken)}
    assert found == {"P1__CT.nii.gz": "CT", "t2.nii.gz": "MR", "x.nii.gz": "label map", "broken.nii.gz": "unreadable"}
    assert look_at(ct).slices == 6


def test_a_pet_belongs_to_its_ct_and_is_not_offered_alone(tmp_path, ct):
    pet = written(tmp_path / "P1__PT.nii.gz", np.ones(GRID.shape, np.float32), Quantity.SUV)
    assert pet_beside(ct) == pet
    assert shown_entries([ct, pet, tmp_path / "P1_mask.nii.gz", tmp_path / "dicom"]) == [ct, tmp_path / "dicom"]
    assert look_at(ct).kind == look_at(tmp_path).kind == "PT/CT"


@pytest.mark.parametrize("name", ["organs.nii.gz", "P1_mask.nrrd", "x-GTVp.mha", "case_seg.nii"])
def test_names_of_masks(tmp_path, name):
    assert named_as_mask(tmp_path / name)


@pytest.mark.parametrize("name", ["ct.nii.gz", "massive.nii", "masks.zip", "oarsman.nii.gz"])
def test_names_of_scans(tmp_path, name):
    assert not named_as_mask(tmp_path / name)


def test_a_picture_with_few_grey_values_and_no_background_is_no_label_map():
    assert not is_label_map(np.full((4, 8, 8), 7))
    assert not is_label_map(np.linspace(0, 1, 256).reshape(4, 8, 8))


def test_looks_are_remembered_until_the_file_changes(tmp_path, ct):
    file = tmp_path / "data" / "looks.json"
    assert Looks(file).known(ct) is None
    Looks(file).look(ct)
    assert Looks(file).known(ct).kind == "CT"
    ct.write_bytes(ct.read_bytes() + b"more")
    assert Looks(file).known(ct) is None
    file.write_text("damaged")
    assert Looks(file).known(ct) is None
