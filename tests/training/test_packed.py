import numpy as np
import pytest

from hyoid.errors import UsageError
from hyoid.training.cases import find_cases, load_case
from hyoid.training.packed import is_packed, pack_cases, read_packed
from hyoid.training.recipe import load_recipe
from hyoid.training.segmentation import segmentation_cases

SPACING = (3.0, 4.0, 4.0)


@pytest.fixture
def cases(openkbp):
    (openkbp / "pt_2_ptv.nii.gz").unlink()
    return [load_case(files, SPACING) for files in find_cases(openkbp)]


def test_packed_cases_come_back_without_their_names(cases, tmp_path):
    file = pack_cases(cases, tmp_path / "packed")
    assert file.stat().st_size < sum(case.hu.nbytes for case in cases)
    again = read_packed(tmp_path / "packed", SPACING)
    assert [case.name for case in again] == ["case 0", "case 1", "case 2"]
    for before, after in zip(cases, again, strict=True):
        assert after.hu.dtype == np.int16
        assert np.array_equal(before.hu, after.hu)
        assert np.array_equal(before.labels, after.labels)
        assert (before.known, before.virtual) == (after.known, after.virtual)
        assert np.allclose(before.geometry.ijk_to_lps, after.geometry.ijk_to_lps)
    assert again[1].levels is None
    assert np.array_equal(cases[2].levels, again[2].levels)


def test_a_training_takes_packed_cases_and_folders_together(cases, openkbp, tmp_path):
    packed = tmp_path / "packed"
    pack_cases(cases[:1], packed)
    assert is_packed(packed)
    assert not is_packed(openkbp)
    loaded = segmentation_cases(load_recipe("organs", "smoke"), [openkbp, packed])
    assert [case.name for case in loaded] == ["case 0", "pt_1", "pt_2", "pt_3"]


def test_cases_on_another_spacing_are_refused(cases, tmp_path):
    pack_cases(cases, tmp_path)
    with pytest.raises(UsageError, match="lie at 3 x 4 x 4 mm, the recipe learns at 2 x 4 x 4 mm"):
        read_packed(tmp_path, (2.0, 4.0, 4.0))


@pytest.mark.parametrize("content", [b"no zip", b"PK\x03\x04 cut short"])
def test_a_damaged_file_is_refused(tmp_path, content):
    (tmp_path / "cases.npz").write_bytes(content)
    with pytest.raises(UsageError, match="cannot be read"):
        read_packed(tmp_path, SPACING)
