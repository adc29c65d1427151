"""The way into the common frame."""

from dataclasses import replace

import numpy as np
import pytest

from hyoid.phantom.anatomy.frame import Pose, coarse_coordinates, draw_pose, shift_weight, smooth_noise, smoothstep
from hyoid.phantom.anatomy.shape_model import load_shape_model

LINES = (np.arange(-150, 120, 4.0), np.arange(-60, 150, 4.0), np.arange(-80, 81, 4.0))


@pytest.fixture(scope="module")
def model():
    return load_shape_model()


@pytest.fixture
def mean_pose(model):
    _, larynx, apex = model.knots_z
    return Pose(np.zeros(len(model.cord_z)), larynx, apex, 1.0, np.zeros(3), 0.0)


def test_the_mean_pose_leaves_only_the_small_random_deformation(model, mean_pose):
    moved = coarse_coordinates(LINES, model, mean_pose, np.random.default_rng(0))
    still = np.stack(np.meshgrid(*LINES, indexing="ij"))
    assert 0.5 < np.abs(moved - still).max() < 16
    assert np.sqrt(((moved - still) ** 2).mean()) < 4


def test_a_larger_patient_is_larger(model, mean_pose):
    small, large = (
        coarse_coordinates(LINES, model, replace(mean_pose, size=size), np.random.default_rng(0)) for size in (1.0, 1.1)
    )
    assert np.ptp(large[2]) < np.ptp(small[2])


def test_larynx_lies_where_the_pose_says(model, mean_pose):
    lower = replace(mean_pose, larynx_z_mm=-75.0)
    moved = coarse_coordinates(LINES, model, lower, np.random.default_rng(0))
    row = int(np.argmin(np.abs(LINES[0] + 75)))
    assert moved[0, row].mean() == pytest.approx(model.knots_z[1], abs=3)


def test_the_cord_follows_its_shift(model, mean_pose):
    bent = replace(mean_pose, cord_shift_mm=np.full(len(model.cord_z), 12.0))
    straight, shifted = (coarse_coordinates(LINES, model, p, np.random.default_rng(0)) for p in (mean_pose, bent))
    neck, face = int(np.argmin(np.abs(LINES[0] + 90))), int(np.argmin(np.abs(LINES[0])))
    front = int(np.argmin(np.abs(LINES[1])))
    assert np.allclose(straight[1, neck] - shifted[1, neck], 12, atol=1e-3)
    assert np.allclose(straight[1, face, front], shifted[1, face, front], atol=1e-3)


def test_nothing_folds(model):
    for seed in range(6):
        rng = np.random.default_rng(seed)
        moved = coarse_coordinates(LINES, model, draw_pose(model, rng, 1.0), rng)
        jacobian = np.stack([np.stack(np.gradient(c, 4.0), -1) for c in moved], -2)
        assert np.linalg.det(jacobian).min() > 0.1


def test_poses_stay_possible(model):
    rng = np.random.default_rng(0)
    for _ in range(200):
        pose = draw_pose(model, rng, 1.0)
        assert pose.apex_z_mm + 28 <= pose.larynx_z_mm + 1e-9 <= -46 + 1e-6
        assert 0.9 < pose.size < 1.15


def test_shift_weight_is_whole_in_the_neck_and_none_in_the_face():
    assert shift_weight(np.array(-50.0), np.array(0.0)) == 1
    assert shift_weight(np.array(0.0), np.array(0.0)) == 0
    assert shift_weight(np.array(0.0), np.array(80.0)) == 1
    assert shift_weight(np.array(90.0), np.array(80.0)) == 0


def test_smoothstep_by_hand():
    assert smoothstep(np.array([-1, 0, 5, 10, 11.0]), 0, 10).tolist() == [0, 0, 0.5, 1, 1]


def test_noise_has_unit_spread_and_its_correlation_length():
    noise = smooth_noise((40, 40, 40), 3.0, np.random.default_rng(0))
    assert noise.std() == pytest.approx(1, abs=1e-3)
    near = np.corrcoef(noise[:-1].ravel(), noise[1:].ravel())[0, 1]
    assert near > 0.9
