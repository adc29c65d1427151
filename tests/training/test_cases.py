import numpy as np
import pytest

from hyoid.anatomy.structures import BY_NAME
from hyoid.errors import UsageError
from hyoid.io.files import write_nifti
from hyoid.training.cases import find_cases, load_case
from hyoid.volume import Geometry, Quantity, Volume

SPACING = (3.0, 4.0, 4.0)


def test_openkbp_is_read_in_hyoids_words(openkbp):
    files = find_cases(openkbp)
    assert [f.name for f in files] == ["pt_1", "pt_2", "pt_3"]
    case = load_case(files[0], SPACING)
    assert case.known == {"parotid_right", "parotid_left", "spinal_cord", "target_region"}
    assert case.mask("target_region").sum() == 10 * 12 * 10
    assert case.mask("parotid_left").sum() == 10 * 6 * 4


def test_left_lies_at_larger_x_than_right(openkbp):
    case = load_case(find_cases(openkbp)[0], SPACING)
    x = {n: case.geometry.to_lps(np.argwhere(case.mask(f"parotid_{n}")))[:, 0].mean() for n in ("left", "right")}
    assert x["left"] > x["right"]


def test_absent_contours_are_not_known(openkbp):
    (openkbp / "pt_1_oar.nii.gz").unlink()
    (openkbp / "pt_1_ptv.nii.gz").unlink()
    case = load_case(find_cases(openkbp)[0], SPACING)
    assert case.known == frozenset()
    with pytest.raises(KeyError):
        case.mask("target_region")


def test_the_table_of_labels_is_openkbps():
    from hyoid.training.cases import OPENKBP_ORGANS

    assert {v: BY_NAME[n].side.value for v, n in OPENKBP_ORGANS.items() if v in (3, 4)} == {3: "right", 4: "left"}


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(UsageError, match="No training cases"):
        find_cases(tmp_path)


def test_a_virtual_tumour_becomes_a_target_with_the_margins_of_planning(tmp_path):
    folder = tmp_path / "phantom_1_0000"
    folder.mkdir()
    grid = Geometry.axial((40, 40, 44), SPACING, (-80, -70, 0))
    hu, lesions = np.full(grid.shape, -1024, np.int16), np.zeros(grid.shape, np.uint8)
    hu[:, 5:35, 5:39] = 40
    lesions[20, 20, 22] = 1
    organs = np.zeros(grid.shape, np.uint8)
    organs[10:12, 10:20, 20:24], organs[12, 10:20, 20:24] = BY_NAME["larynx"].label, BY_NAME["larynx_air"].label
    for name, array, quantity in (
        ("ct", hu, Quantity.HU),
        ("lesions", lesions, Quantity.LABEL),
        ("organs", organs, Quantity.LABEL),
    ):
        write_nifti(Volume(array, grid, quantity), folder / f"{name}.nii.gz")
    case = load_case(find_cases(tmp_path)[0], SPACING)
    # Voxels of 3 x 4 x 4 mm whose centre lies within 8 mm of the lesion's: dz = 0, +-3, +-6 mm in turn.
    assert case.mask("target_region").sum() == 13 + 2 * 9 + 2 * 5
    assert case.mask("larynx").sum() == 3 * 10 * 4
    assert case.mask("larynx_air").sum() == 10 * 4


@pytest.mark.shared
def test_the_real_training_split_has_170_patients(shared_data):
    files = find_cases(shared_data / "openkbp" / "train")
    assert len(files) == 170
    case = load_case(files[0], SPACING)
    assert {"mandible", "target_region"} <= case.known
    assert case.hu.min() == -1024
