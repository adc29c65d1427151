import dataclasses

import numpy as np
import pytest

from hyoid.errors import UnsuitableScanError
from hyoid.io.files import read_image
from hyoid.preprocess.midrt_gate import check_mr, check_registration, ghost_level, unseen_lesions
from hyoid.preprocess.mr_body import mr_body
from hyoid.preprocess.registration import Quality
from hyoid.volume import Geometry, Quantity, Volume

GOOD = Quality(body_dice=0.97, similarity=0.8, similarity_rigid=0.6, folding=0.0, largest_mm=8.0, covered=0.95)


@pytest.fixture(scope="module")
def drawn(make_midrt_case, tmp_path_factory):
    folder = make_midrt_case(tmp_path_factory.mktemp("gate"), "a", shape=(24, 72, 72))
    return read_image(folder / "preRT/a_preRT_T2.nii.gz", Quantity.MR)


def test_a_good_image_passes_and_a_ghosted_one_is_flagged(drawn):
    assert check_mr(drawn, "mid") == ()
    # Motion repeats the neck along the phase direction, here with a fifth of its signal.
    ghosted = drawn.with_array(drawn.array + 0.2 * np.roll(drawn.array, 34, axis=1))
    body = mr_body(drawn)
    assert ghost_level(drawn, body) < 0.05
    assert ghost_level(ghosted, mr_body(ghosted)) > 0.15
    [warning] = check_mr(ghosted, "mid")
    assert "mid-treatment MR has signal in the air" in warning


def test_a_field_of_view_too_small_for_a_neck_is_refused_with_its_size():
    small = Volume(np.ones((10, 50, 50), np.float32), Geometry.axial((10, 50, 50), (3.0, 3.0, 3.0)), Quantity.MR)
    with pytest.raises(UnsuitableScanError, match="covers 30 mm along the body"):
        check_mr(small, "pre")
    flat = Volume(np.ones((20, 50, 50), np.float32), Geometry.axial((20, 50, 50), (3.0, 3.0, 3.0)), Quantity.MR)
    with pytest.raises(UnsuitableScanError, match="no body"):
        check_mr(flat, "pre")


def test_a_registration_is_refused_flagged_or_passed_by_what_it_reached():
    assert check_registration(GOOD) == ()
    with pytest.raises(UnsuitableScanError, match="different patients"):
        check_registration(dataclasses.replace(GOOD, similarity=0.1))
    for change, words in (
        ({"similarity": 0.45}, "agree poorly"),
        ({"body_dice": 0.7}, "Dice of 0.70"),
        ({"folding": 0.05}, "folds space in 5.0%"),
        ({"covered": 0.5}, "shows 50%"),
    ):
        [warning] = check_registration(dataclasses.replace(GOOD, **change))
        assert words in warning


def test_a_lesion_of_which_less_than_half_is_left_in_view_is_unseen():
    assert unseen_lesions([10, 10, 0.5], [4.9, 5.1, 0.0]) == (1, 3)
