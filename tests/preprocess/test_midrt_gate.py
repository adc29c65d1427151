import dataclasses

import numpy as np
import pytest

from hyoid.errors import UnsuitableScanError
from hyoid.io.files.volumes import read_image
from hyoid.preprocess.midrt_gate import check_mr, check_registration, ghost_level, places_in_view, unseen_lesions
from hyoid.preprocess.mr_body import mr_body
from hyoid.preprocess.registration import Quality, Registration, places_on_mid
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
        ({"largest_mm": 13.0}, "by up to 13 mm"),
    ):
        [warning] = check_registration(dataclasses.replace(GOOD, **change))
        assert words in warning
    # Neither alone is enough to refuse; together they are what two patients look like.
    with pytest.raises(UnsuitableScanError, match="moved by up to 13 mm"):
        check_registration(dataclasses.replace(GOOD, similarity=0.45, largest_mm=13.0))


def test_where_a_lesion_lies_says_whether_it_is_seen_not_how_small_the_registration_made_it():
    pre = Geometry.axial((20, 40, 40), (2.0, 2.0, 2.0))
    numbers = np.zeros(pre.shape, np.uint8)
    numbers[8:12, 18:22, 18:22] = 1
    numbers[1:4, 18:22, 18:22] = 2
    # Everything moved up by three slices, and space shrinks to half about the first lesion.
    centre = pre.to_lps([9.5, 19.5, 19.5]) + pre.directions[:, 0] * 6.0
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in pre.shape], indexing="ij"), axis=-1)
    away = pre.to_lps(grid) - centre
    near = np.exp(-((np.linalg.norm(away, axis=-1) / 16) ** 2))[..., None]
    field = np.moveaxis(away * near * 0.5, -1, 0).astype(np.float32)
    rigid = np.eye(4)
    rigid[:3, 3] = -pre.directions[:, 0] * 6.0
    found = Registration(rigid, field, pre)
    lesions = Volume(numbers, pre, Quantity.LABEL)
    (first, voxels), (second, _) = places_in_view(lesions, found, pre)
    assert first == second == 1
    assert np.allclose(voxels.mean(axis=0), [12.5, 19.5, 19.5], atol=0.6)
    # A mid scan that begins above the second lesion, now in slices 5 to 8, does not show it.
    cut = Geometry((11, 40, 40), pre.ijk_to_lps @ np.array([[1, 0, 0, 9], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]))
    assert unseen_lesions([share for share, _ in places_in_view(lesions, found, cut)]) == (2,)


def test_points_go_to_mid_and_back():
    grid = Geometry.axial((10, 20, 20), (3.0, 3.0, 3.0), (-30.0, -30.0, 0.0))
    rigid = np.eye(4)
    rigid[:3, 3] = (4.0, -2.0, 1.0)
    waves = [np.sin(np.indices(grid.shape)[k] / 3.0) * 2 for k in (2, 1, 0)]
    found = Registration(rigid, np.stack(waves).astype(np.float32), grid)
    there = grid.to_lps(np.array([[4, 8, 9], [5, 12, 6.0]]))
    back = places_on_mid(np.array([found.transform().TransformPoint(p) for p in there]), found)
    assert np.allclose(back, there, atol=0.05)
