import numpy as np
import pytest

from hyoid.errors import GeometryError
from hyoid.metrics.simulated_clicks import USERS, SimulatedClick, deterministic_click, noisy_click, random_click

SPACING = (1.0, 1.0, 1.0)


def masks():
    reference = np.zeros((9, 9, 9), bool)
    reference[2:7, 2:7, 2:7] = True
    return reference, np.zeros_like(reference)


def test_first_click_is_the_middle():
    assert deterministic_click(*masks(), SPACING) == SimulatedClick((4, 4, 4), True)


def test_depth_is_counted_in_mm():
    # 3 x 3 x 7 voxels, the last axis ten times finer: the innermost voxel is at the middle of the shortest way out.
    reference = np.zeros((5, 5, 9), bool)
    reference[1:4, 1:4, 1:8] = True
    assert deterministic_click(reference, np.zeros_like(reference), (10.0, 10.0, 1.0)) == SimulatedClick(
        (1, 1, 4), True
    )


def test_largest_error_wins_and_the_sign_is_the_references():
    reference, prediction = masks()
    prediction[2:7, 2:7, 2:7] = True
    prediction[2, 2, 2] = False
    prediction[0, :, :] = True
    click = deterministic_click(reference, prediction, SPACING)
    assert click is not None
    assert not click.adds
    assert click.point_ijk[0] == 0


def test_missed_and_false_voxels_that_touch_are_two_errors():
    reference, prediction = np.zeros((1, 1, 10), bool), np.zeros((1, 1, 10), bool)
    reference[..., 0:4] = True
    prediction[..., 4:10] = True
    assert deterministic_click(reference, prediction, SPACING) == SimulatedClick((0, 0, 4), False)


def test_no_error_no_click():
    reference, _ = masks()
    rng = np.random.default_rng(0)
    assert all(user(reference, reference, SPACING, rng) is None for user in USERS.values())


def test_noisy_and_random_users_stay_in_the_error_and_follow_the_seed():
    reference, prediction = masks()
    prediction[2:7, 2:7, 2:4] = True
    for user in (noisy_click, random_click):
        clicks = [user(reference, prediction, SPACING, np.random.default_rng(seed)) for seed in range(20)]
        assert all(reference[c.point_ijk] and not prediction[c.point_ijk] and c.adds for c in clicks)
        assert len({c.point_ijk for c in clicks}) > 3
        assert user(reference, prediction, SPACING, np.random.default_rng(3)) == clicks[3]


def test_single_voxel():
    reference = np.zeros((1, 1, 1), bool)
    reference[0, 0, 0] = True
    assert deterministic_click(reference, ~reference, SPACING) == SimulatedClick((0, 0, 0), True)


def test_other_grid_is_refused():
    with pytest.raises(GeometryError, match="shape"):
        deterministic_click(np.zeros((2, 2, 2), bool), np.zeros((2, 2, 3), bool), SPACING)
