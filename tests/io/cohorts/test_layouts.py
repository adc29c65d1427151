"""What one layout's writer writes, its reader finds; the table names what there is, and its refusals come from it."""

import json

import numpy as np
import pytest

from hyoid.errors import UsageError
from hyoid.io.cohorts.hecktor import write_hecktor_case
from hyoid.io.cohorts.layouts import LAYOUTS, WRITTEN, check_layout, find_layout_cases
from hyoid.io.cohorts.nnunet import channel_files, finish_nnunet, write_nnunet_case
from hyoid.io.cohorts.openkbp import organs_of
from hyoid.io.cohorts.plain import write_field, write_plain_case
from hyoid.io.files.volumes import read_labels
from hyoid.phantom.cohort.layouts import WRITERS
from hyoid.volume import Geometry, Quantity, Volume

GRID = Geometry.axial((2, 3, 4), (3.0, 2.0, 2.0))
CT = Volume(np.zeros(GRID.shape, np.int16), GRID, Quantity.HU)
PET = Volume(np.ones(GRID.shape, np.float32), GRID, Quantity.SUV)
MASK = Volume(np.eye(3, 4, dtype=np.uint8)[None].repeat(2, axis=0), GRID, Quantity.LABEL)


def find(folder, *layouts):
    return find_layout_cases(folder, layouts, "cases")


def test_a_plain_case_is_found_with_all_its_files_and_an_unfinished_one_is_not(tmp_path):
    for name in ("b", "a", ".c.part"):
        write_plain_case(tmp_path / name, {"ct": CT, "pet": PET, "lesions": MASK, "lesion_ids": MASK})
    first, second = find(tmp_path, "plain")
    assert (first.name, second.name, first.virtual, first.lesions) == ("a", "b", True, True)
    assert first.pet == tmp_path / "a" / "pet.nii.gz" and first.organs is None
    assert np.array_equal(read_labels(second.targets).array, MASK.array)


def test_a_hecktor_case_is_found_beside_its_labels_and_apart_from_them(tmp_path):
    write_hecktor_case(tmp_path / "2025", "P1", CT, PET, MASK)
    (case,) = find(tmp_path / "2025", "hecktor2025")
    assert (case.name, case.virtual) == ("P1", False)
    assert np.array_equal(read_labels(case.targets).array, MASK.array)
    old = tmp_path / "2022"
    write_hecktor_case(old, "imagesTr", CT, PET, MASK)
    for ending in ("__CT", "__PT"):
        file = old / "imagesTr" / f"imagesTr{ending}.nii.gz"
        file.rename(file.with_name(f"P2{ending}.nii.gz"))
    (old / "labelsTr").mkdir()
    (old / "imagesTr" / "imagesTr.nii.gz").rename(old / "labelsTr" / "P2.nii.gz")
    (case,) = find(old, "hecktor2022", "hecktor2025")
    assert (case.name, case.pet.name, case.targets.parent.name) == ("P2", "P2__PT.nii.gz", "labelsTr")


def test_an_openkbp_case_knows_what_was_contoured_and_wrong_cords_are_left_out(openkbp):
    assert [case.name for case in find(openkbp, "openkbp")] == ["pt_1", "pt_2", "pt_3"]
    labels = np.array([0, 2, 3])
    assert set(organs_of(labels, "pt_1")) == {"spinal_cord", "parotid_right"}
    assert set(organs_of(labels, "pt_215")) == {"parotid_right"}


def test_an_nnunet_data_set_counts_its_cases_and_names_channels(tmp_path):
    for name in ("x", "y"):
        write_nnunet_case(tmp_path, name, {"CT": CT, "PET": PET}, MASK, ["gtvp"])
    finish_nnunet(tmp_path)
    described = json.loads((tmp_path / "dataset.json").read_text())
    assert described["numTraining"] == 2 and described["labels"] == {"background": 0, "gtvp": 1}
    found = channel_files(sorted((tmp_path / "imagesTr").iterdir()))
    assert {name: sorted(channels) for name, channels in found.items()} == {"x": [0, 1], "y": [0, 1]}


def test_a_field_keeps_its_components(tmp_path):
    import SimpleITK as sitk

    write_field(np.stack([np.full(GRID.shape, k, np.float32) for k in (1, 2, 3)]), GRID, tmp_path / "field.nii.gz")
    assert sitk.ReadImage(str(tmp_path / "field.nii.gz"))[0, 0, 0] == (1, 2, 3)


def test_layouts_of_several_kinds_are_found_one_after_the_other_and_each_case_once(tmp_path, openkbp):
    write_plain_case(openkbp / "a", {"ct": CT})
    names = [case.name for case in find(openkbp, "plain", "sgrnet", "openkbp")]
    assert names == ["a", "pt_1", "pt_2", "pt_3"]


def test_every_written_layout_has_its_writer_and_refusals_name_the_choices(tmp_path):
    assert set(WRITERS) == set(WRITTEN)
    with pytest.raises(UsageError) as error:
        find(tmp_path, "openkbp", "hecktor2025")
    assert LAYOUTS["openkbp"].looks in error.value.cure and "hecktor2025" in error.value.cure
    with pytest.raises(UsageError) as error:
        check_layout("openkbp", ["ct"])
    assert all(name in error.value.cure for name in WRITTEN)
    with pytest.raises(UsageError, match="cannot hold the modalities ct"):
        check_layout("hecktor2025", ["ct"])
