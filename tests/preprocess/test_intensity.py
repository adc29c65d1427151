import numpy as np

from hyoid.preprocess.intensity import normalised_window, windowed_channels


def test_each_window_is_scaled_to_minus_one_and_one():
    hu = np.array([-2000.0, -1000.0, 0.0, 250.0, 3000.0]).reshape(1, 1, 5)
    soft, wide = windowed_channels(hu, [(-160, 240), (-1000, 1500)])
    assert np.allclose(soft.ravel(), [-1, -1, -0.2, 1, 1])
    assert np.allclose(wide.ravel(), [-1, -1, -0.2, 0, 1])


def test_integers_are_not_changed_in_place():
    hu = np.full((2, 2, 2), 500, np.int16)
    windowed_channels(hu, [(-100, 100)])
    assert (hu == 500).all()


def test_the_normalised_window_has_mean_zero_and_spread_one():
    out = normalised_window(np.random.default_rng(0).normal(0, 400, (8, 8, 8)), (-250, 150))
    assert abs(out.mean()) < 1e-4
    assert abs(out.std() - 1) < 1e-3


def test_a_constant_volume_becomes_zeros():
    assert not normalised_window(np.full((3, 3, 3), 40), (-250, 150)).any()
