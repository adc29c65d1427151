import json

import pytest

from hyoid.anatomy.lesion_attributes import ATTRIBUTES
from hyoid.errors import UnreadableFileError
from hyoid.io.cohorts.lesions import LesionRow, find_lesion_files
from hyoid.volume import Quantity

SHAPE_WORD = ATTRIBUTES["shape"][0]


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_kits(tmp_path):
    touch(tmp_path, "case_00001/imaging.nii.gz", "case_00001/segmentation.nii.gz", "case_00002/segmentation.nii.gz")
    (case,) = find_lesion_files(tmp_path)
    # The second has no image.
    assert (case.name, case.image.name) == ("case_00001", "imaging.nii.gz")
    assert case.kinds == {2: "kidney tumor", 3: "kidney cyst"}


@pytest.mark.parametrize(
    ("labels", "kinds"),
    [
        ({"0": "background", "1": "liver", "2": "cancer"}, {2: "cancer"}),  # as the decathlon writes it
        ({"background": 0, "pancreas": 1, "tumour": 2}, {2: "tumour"}),  # as nnU-Net does
        ({"0": "background", "1": "colon cancer primaries"}, {1: "colon cancer primaries"}),
    ],
)
def test_a_task_of_the_decathlon(tmp_path, labels, kinds):
    touch(tmp_path, "imagesTr/a.nii.gz", "imagesTr/b_0000.nii.gz", "labelsTr/a.nii.gz", "labelsTr/b.nii.gz")
    touch(tmp_path, "labelsTr/._a.nii.gz")
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
    first, second = find_lesion_files(tmp_path)
    assert (first.name, first.image.name, first.kinds) == ("a", "a.nii.gz", kinds)
    assert second.image.name == "b_0000.nii.gz"


def test_a_task_without_lesions_is_refused(tmp_path):
    touch(tmp_path, "imagesTr/a.nii.gz", "labelsTr/a.nii.gz")
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": {"0": "background", "1": "spleen"}}))
    with pytest.raises(UnreadableFileError, match="spleen"):
        find_lesion_files(tmp_path)
    (tmp_path / "dataset.json").write_text("{}")
    with pytest.raises(UnreadableFileError, match="no labels"):
        find_lesion_files(tmp_path)


def test_images_of_one_patient_in_several_modalities(tmp_path):
    touch(tmp_path, "A/CT_image.nii.gz", "A/CT_mask.nii.gz", "A/PET_image.nii.gz", "A/PET_mask.nii.gz")
    touch(tmp_path, "B/MR_T1_image.nii.gz", "B/MR_T1_mask.nii.gz", "B/CT_mask.nii.gz")
    (tmp_path / "attributes.csv").write_text(f"case,shape\nA-CT,{SHAPE_WORD}\n", encoding="utf-8")
    found = find_lesion_files(tmp_path)
    assert [(c.name, c.patient, c.quantity) for c in found] == [
        ("A-CT", "A", Quantity.HU), ("A-PET", "A", Quantity.SUV), ("B-MR_T1", "B", Quantity.MR)
    ]  # fmt: skip
    assert [len(c.rows) for c in found] == [1, 0, 0] and found[0].kinds is None


HEAD = "case,lesion,kind,zero_shot,shape,invasion,density,heterogeneity,surface\n"


def folders(tmp_path, table=None):
    touch(tmp_path, "images/a.nii.gz", "masks/a.nii.gz", "images/b.nii.gz", "masks/b.nii.gz")
    if table is not None:
        (tmp_path / "attributes.csv").write_text(table, encoding="utf-8")
    return find_lesion_files(tmp_path)


def test_masks_with_a_table_of_attributes(tmp_path):
    first, second = folders(
        tmp_path, HEAD + "a,2,gallstone,yes,Round-like,,hyperdense,,Well-defined margin\na,,,,,,,,\n"
    )
    assert first.kinds is None and second.rows == ()
    assert first.rows == (
        LesionRow(2, "gallstone", True, {"shape": "round_like", "density": "hyperdense", "surface": "well_defined"}),
        LesionRow(1, "", False, {}),
    )


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (HEAD + "c,1,,,,,,,\n", "names 1 case"),
        (HEAD + "a,0,,,,,,,\n", "Line 2"),
        (HEAD + "a,1,,maybe,,,,,\n", "neither yes nor no"),
        (HEAD + "a,1,,,square,,,,\n", "no class 'square'"),
        ("patient,shape\na,irregular\n", "unknown column 'patient'"),
        ("shape\nirregular\n", "no column `case`"),
    ],
)
def test_a_table_that_is_not_understood_is_refused(tmp_path, table, words):
    with pytest.raises(UnreadableFileError, match=words):
        folders(tmp_path, table)


def test_nothing_is_nothing(tmp_path):
    assert find_lesion_files(tmp_path) == ()
