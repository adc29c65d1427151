import json

import numpy as np
import pytest

from hyoid.anatomy.involvement import overlap_fields
from hyoid.anatomy.structures import BY_NAME
from hyoid.anatomy.subsites import SUBSITE_BY_NAME
from hyoid.errors import UsageError
from hyoid.io.files.volumes import write_nifti
from hyoid.systems.ct_report.labels import (
    UNKNOWN,
    involvement_targets,
    known_fields,
    overlap_shares,
    true_places,
)
from hyoid.training.cases import find_cases
from hyoid.volume import Geometry, Quantity, Volume

ORGANS = ("larynx", "mandible", "parotid_right", "parotid_left", "oesophagus")
GRID = Geometry.axial((20, 20, 40), (3, 4, 4))  # 0.048 ml a voxel


def patient(folder, lesions, *, truth=True, **involved):
    organs = np.zeros(GRID.shape, np.uint8)
    organs[5:15, 5:15, 5:15] = BY_NAME["tongue"].label
    organs[5:15, 5:15, 30:32] = BY_NAME["carotid_left"].label
    organs[0:2, 0:2, 0:2] = BY_NAME["mandible"].label
    folder = folder / "phantom_1_0000"
    folder.mkdir()
    ct = np.zeros(GRID.shape, np.int16)
    label = Quantity.LABEL
    for name, array, kind in (("ct", ct, Quantity.HU), ("organs", organs, label), ("lesions", lesions, label)):
        write_nifti(Volume(array, GRID, kind), folder / f"{name}.nii.gz")
    if truth:
        (folder / "truth.json").write_text(json.dumps({"involved": involved}))
    return find_cases(folder.parent)[0]


def lesions(primary=(), node=()):
    marked = np.zeros(GRID.shape, np.uint8)
    for label, box in ((1, primary), (2, node)):
        if box:
            marked[tuple(slice(*edge) for edge in box)] = label
    return marked


def test_a_line_of_the_template_is_what_the_truth_says(tmp_path):
    case = patient(tmp_path, lesions(primary=((5, 6), (5, 6), (5, 7))), lip=True, tonsil=False)
    assert involvement_targets(case, ("lip", "tonsil", "orbit"), 0.05).tolist() == [1, 0, 0]


def test_a_cartilage_is_a_line_of_the_template_though_an_organ_has_its_name(tmp_path, openkbp):
    case = patient(tmp_path, lesions(), thyroid_cartilage=True)
    assert involvement_targets(case, ("thyroid_cartilage",), 0.05).tolist() == [1]
    assert involvement_targets(find_cases(openkbp)[0], ("cricoid_cartilage",), 0.05).tolist() == [UNKNOWN]


def test_nodes_count_where_nodes_reach(tmp_path):
    # Two voxels are 0.096 ml, more than 0.05.
    case = patient(tmp_path, lesions(node=((5, 6), (5, 6), (29, 32))), carotid_arteries_ijv=False, oral_tongue=False)
    assert involvement_targets(case, ("carotid_arteries_ijv", "oral_tongue"), 0.05).tolist() == [1, 0]


def test_a_single_voxel_is_no_overlap_of_a_large_structure_but_of_a_small_one(tmp_path):
    case = patient(tmp_path, lesions(primary=((5, 6), (5, 6), (5, 6))))
    assert involvement_targets(case, ("tongue",), 0.05, "tumour").tolist() == [0]
    (tmp_path / "small").mkdir()
    case = patient(tmp_path / "small", lesions(primary=((0, 1), (0, 1), (0, 1))))
    assert involvement_targets(case, ("mandible",), 0.05, "tumour").tolist() == [1]  # one of eight voxels


def test_an_organ_is_covered_by_lesions_with_their_margin(tmp_path):
    # 8 mm around a line of ten voxels covers a fifth of the tongue and more; the overlap itself is 1 %.
    case = patient(tmp_path, lesions(primary=((10, 11), (10, 11), (5, 15))))
    assert involvement_targets(case, ("tongue", "mandible"), 0.05).tolist() == [1, 0]
    assert involvement_targets(case, ("tongue",), 0.5).tolist() == [0]


def test_what_a_virtual_patient_lacks_is_unknown_and_truth_is_needed(tmp_path):
    case = patient(tmp_path, lesions(primary=((10, 11), (10, 11), (5, 15))))
    assert involvement_targets(case, ("larynx",), 0.05).tolist() == [UNKNOWN]
    (tmp_path / "untold").mkdir()
    untold = patient(tmp_path / "untold", lesions(), truth=False)
    with pytest.raises(UsageError, match=r"no truth\.json"):
        involvement_targets(untold, ("tongue",), 0.05)


def test_real_patients_say_nothing_of_what_only_virtual_ones_tell(openkbp):
    case = find_cases(openkbp)[0]
    assert involvement_targets(case, ("parotid_left", "lip"), 0.05).tolist() == [1, UNKNOWN]
    assert involvement_targets(case, ("parotid_left",), 0.05, "tumour").tolist() == [UNKNOWN]
    assert overlap_fields(("parotid_left", "lip"), "target") == ("lip",)
    assert overlap_fields(("parotid_left", "lip"), "tumour") == ("parotid_left", "lip")


def test_the_plain_rule_takes_all_organs_of_a_field():
    organs, target = np.zeros((2, *GRID.shape), np.uint8)
    organs[0, 0, :10] = BY_NAME["parotid_left"].label
    organs[0, 1, :10] = BY_NAME["parotid_right"].label
    target[0, 0, :5] = 1
    volumes = [Volume(array, GRID, Quantity.LABEL) for array in (organs, target)]
    assert overlap_shares(*volumes, ("parotid_left", "parotid_gland", "lip", "skull_base")).tolist() == [
        0.5,
        0.25,
        0,
        0,
    ]


def test_a_field_that_nobody_knows_is_refused():
    known_fields(("lip", "mandible"))
    with pytest.raises(UsageError, match="no field 'nose'"):
        known_fields(("lip", "nose"))


def test_a_line_lies_in_its_sub_sites_of_both_sides_or_else_in_its_organs(tmp_path):
    case = patient(tmp_path, lesions())
    with pytest.raises(UsageError, match=r"no subsites\.nii\.gz"):
        true_places(case, ("tonsil",))
    subsites = np.zeros(GRID.shape, np.uint8)
    for x, name in enumerate(("tonsil_right", "tonsil_left", "soft_palate")):
        subsites[0, 0, x] = SUBSITE_BY_NAME[name].label
    write_nifti(Volume(subsites, GRID, Quantity.LABEL), case.ct.with_name("subsites.nii.gz"))
    places = true_places(find_cases(tmp_path)[0], ("carotid_arteries_ijv", "tonsil")).array
    assert places[0, 0].tolist() == [2, 2] + [0] * 38
    assert (places == 1).sum() == 10 * 10 * 2


@pytest.fixture
def case(tmp_path):
    geometry = Geometry.axial((10, 10, 20), (3, 4, 4))
    organs, ptv = np.zeros((2, 10, 10, 20), np.uint8)
    organs[0:10, 0:2, 0:10] = 6  # larynx: 200 voxels
    organs[0:10, 4:6, 0:10] = 7  # mandible: 200 voxels
    organs[0:2, 8:10, 0:5] = 3  # parotid right: 20 voxels
    ptv[0:10, 0, 0:1] = 3  # 10 of 200 voxels of the larynx: exactly 5 %
    ptv[0:10, 4, 0:2] = 3  # 20 of 200 voxels of the mandible: 10 %
    ptv[0:2, 8:10, 0:5] = 2  # a lower dose does not count
    write_nifti(Volume(np.zeros((10, 10, 20), np.int16), geometry, Quantity.HU), tmp_path / "pt_1_ct.nii.gz")
    for name, array in (("oar", organs), ("ptv", ptv)):
        write_nifti(Volume(array, geometry, Quantity.LABEL), tmp_path / f"pt_1_{name}.nii.gz")
    return find_cases(tmp_path)[0]


def test_more_than_five_per_cent_is_involved_and_uncontoured_is_unknown(case):
    assert involvement_targets(case, ORGANS, 0.05).tolist() == [0, 1, 0, UNKNOWN, UNKNOWN]


def test_a_structure_that_openkbp_does_not_contour_is_refused(case):
    with pytest.raises(UsageError, match="no contours of 'tongue'"):
        involvement_targets(case, ("tongue",), 0.05)
