import numpy as np
import pytest

from hyoid.anatomy.structures import BY_NAME
from hyoid.errors import UsageError
from hyoid.io.files.volumes import read_labels, write_nifti
from hyoid.training.cases import TARGET_LEVELS, find_cases, load_case
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


def test_nested_targets_are_known_where_their_level_was_contoured(openkbp):
    file = openkbp / "pt_1_ptv.nii.gz"
    ptv = read_labels(file)
    array = ptv.array.copy()
    array[12:22, 12:24, 22:26] = 1  # beside the high-dose target
    write_nifti(ptv.with_array(array), file)
    case = load_case(find_cases(openkbp)[0], SPACING)
    assert case.known & set(TARGET_LEVELS) == {"target_56", "target_region"}
    assert case.mask("target_region").sum() == 10 * 12 * 10
    assert case.mask("target_56").sum() == 10 * 12 * (10 + 4)


def test_the_table_of_labels_is_openkbps():
    from hyoid.io.cohorts.openkbp import OPENKBP_ORGANS

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
    # With 5 mm: 5 of the same slice, 5 of each slice beside it (3 mm off, 4 mm aside).
    assert load_case(find_cases(tmp_path)[0], SPACING, margin_mm=5.0).mask("target_region").sum() == 5 + 2 * 5
    assert case.mask("larynx").sum() == 3 * 10 * 4
    assert case.mask("larynx_air").sum() == 10 * 4


def write_volumes(folder, **arrays):
    folder.mkdir(parents=True)
    for name, array in arrays.items():
        kind = Quantity.HU if array.dtype.kind == "i" else Quantity.LABEL
        write_nifti(Volume(array, Geometry.axial(array.shape, SPACING, (-80, -70, 0)), kind), folder / f"{name}.nii.gz")


def body():
    hu, labels = np.full((40, 40, 44), -1024, np.int16), np.zeros((40, 40, 44), np.uint8)
    hu[:, 5:35, 5:39] = 40
    return hu, labels


def test_a_cuboid_is_the_box_around_the_primary_and_its_nodes_do_not_count(tmp_path):
    hu, lesions = body()
    lesions[20, 20, 22] = lesions[21, 21, 23] = 1  # touch over a corner: one box of 2 x 2 x 2
    lesions[30, 30, 30] = 2
    write_volumes(tmp_path / "phantom_1_0000", ct=hu, lesions=lesions, organs=np.zeros_like(lesions))
    files = find_cases(tmp_path)[0]
    assert load_case(files, SPACING, "primary").mask("target_region").sum() == 2
    assert load_case(files, SPACING, "cuboid").mask("target_region").sum() == 8


def test_cuboids_of_layout_sgrnet_are_read_and_only_its_organs_are_known(tmp_path):
    hu, cuboids = body()
    cuboids[20:23, 20:24, 22:24] = 1
    cuboids[30, 30, 30] = 2
    write_volumes(tmp_path / "phantom_1_0000", ct=hu, cuboids=cuboids, organs=np.zeros_like(cuboids))
    (tmp_path / "phantom_1_0000" / "truth.json").write_text("{}")
    files = find_cases(tmp_path)[0]
    case = load_case(files, SPACING, "cuboid")
    assert case.mask("target_region").sum() == 3 * 4 * 2
    assert "tongue" in case.known
    assert "mandible" not in case.known
    assert "target_region" not in load_case(files, SPACING).known


def test_the_ct_of_a_petct_folder_is_a_case_with_its_primary(tmp_path):
    hu, lesions = body()
    lesions[20, 20, 22:25] = 1
    lesions[30, 30, 30] = 2
    write_volumes(tmp_path / "CHUM-001", **{"CHUM-001__CT": hu, "CHUM-001__PT": hu, "CHUM-001": lesions})
    (files,) = find_cases(tmp_path)
    assert not files.virtual
    case = load_case(files, SPACING, "primary")
    assert (case.mask("target_region").sum(), case.known) == (3, {"target_region"})


def test_a_planning_target_is_no_cuboid(openkbp):
    assert "target_region" not in load_case(find_cases(openkbp)[0], SPACING, "cuboid").known


@pytest.mark.shared
def test_the_real_training_split_has_170_patients(shared_data):
    files = find_cases(shared_data / "openkbp" / "train")
    assert len(files) == 170
    case = load_case(files[0], SPACING)
    assert {"mandible", "target_region"} <= case.known
    assert case.hu.min() == -1024
