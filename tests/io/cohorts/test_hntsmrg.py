import pytest

from hyoid.errors import InputRefusedError
from hyoid.io.cohorts.hntsmrg import find_hntsmrg_cases, read_hntsmrg_case


def test_files_of_a_case_are_found_by_their_endings(make_midrt_case, tmp_path):
    make_midrt_case(tmp_path, "b")
    make_midrt_case(tmp_path, "a", registered=False)
    first, second = find_hntsmrg_cases(tmp_path)
    assert (first.name, second.name) == ("a", "b")
    assert first.pre_mask_registered is None and first.mid_mask.name == "a_midRT_mask.nii.gz"
    assert second.pre.name == "b_preRT_T2.nii.gz" and second.mid.name == "b_midRT_T2.nii.gz"
    assert second.pre_registered.name == "b_preRT_T2_registered.nii.gz"


def test_a_missing_image_is_named(make_midrt_case, tmp_path):
    folder = make_midrt_case(tmp_path, "a")
    (folder / "preRT" / "a_preRT_mask.nii.gz").unlink()
    with pytest.raises(InputRefusedError, match=r"_preRT_mask\.nii\.gz in preRT"):
        read_hntsmrg_case(folder)


def test_a_folder_without_cases_is_refused(tmp_path):
    with pytest.raises(InputRefusedError, match="holds no case"):
        find_hntsmrg_cases(tmp_path)
    with pytest.raises(InputRefusedError, match="holds no case"):
        find_hntsmrg_cases(tmp_path / "nowhere")


def test_what_an_interrupted_writer_left_is_no_case(make_midrt_case, tmp_path):
    make_midrt_case(tmp_path, "a")
    (tmp_path / ".b-x1" / "preRT").mkdir(parents=True)
    (tmp_path / ".b-x1" / "midRT").mkdir()
    assert [case.name for case in find_hntsmrg_cases(tmp_path)] == ["a"]
