"""Resampling between lattices: constants, lines, blur, lesion numbers."""

import numpy as np
import pytest

from hyoid.phantom.anatomy.lattice import Lattice, gaussian_weights, linear_weights, resample, resample_numbers
from hyoid.volume import Geometry

LINE = np.arange(20.0)


def test_blocks_share_the_centres_of_their_voxel():
    geometry = Geometry.axial((2, 3, 4), (4.0, 2.0, 2.0), (10.0, 20.0, 30.0))
    fine = Lattice.of_blocks(geometry, (2, 1, 2))
    assert fine.z.tolist() == [29, 31, 33, 35]
    assert fine.y.tolist() == [20, 22, 24]
    assert fine.x[:2].tolist() == [9.5, 10.5]
    assert fine.voxel_mm == (2, 2, 1)


def test_linear_is_linear_inside_and_nothing_outside():
    target = np.array([-3.0, 0.0, 4.25, 19.4, 25.0])
    assert (linear_weights(LINE, target) @ LINE).tolist() == pytest.approx([0, 0, 4.25, 19, 0])


def test_blur_keeps_the_sum_and_spreads_as_told():
    source, target = np.arange(0, 100.0), np.arange(0, 100, 2.0)
    spread = gaussian_weights(source, target, 4.0) @ np.eye(100, dtype=np.float32)[50]
    assert spread.sum() * 2 == pytest.approx(1, abs=0.01)
    assert np.sqrt((spread * (target - 50) ** 2).sum() / spread.sum()) == pytest.approx(4, rel=0.02)


def test_a_fine_target_of_a_narrow_blur_is_interpolated():
    assert np.allclose((gaussian_weights(LINE, LINE, 0.1) @ LINE), LINE)


def test_axes_are_not_mixed():
    array = np.random.default_rng(0).random((4, 5, 6)).astype(np.float32)
    source = Lattice(np.arange(4.0), np.arange(5.0), np.arange(6.0))
    weights = [linear_weights(line, line[1:3]) for line in source.lines]
    assert np.allclose(resample(array, weights), array[1:3, 1:3, 1:3])


def test_numbers_keep_volume_and_small_ones_survive():
    source = Lattice(*[np.arange(30.0)] * 3)
    target = Lattice(*[np.arange(0.7, 29, 0.9)] * 3)
    numbers = np.zeros(source.shape, np.uint8)
    z, y, x = np.mgrid[:30, :30, :30]
    numbers[(z - 10) ** 2 + (y - 12) ** 2 + (x - 14) ** 2 < 49] = 2
    numbers[25, 25, 25] = 1
    out = resample_numbers(numbers, source, target)
    assert (out == 2).sum() * 0.9**3 == pytest.approx((numbers == 2).sum(), rel=0.05)
    assert (out == 1).sum() >= 1
    coarse = Lattice(*[np.arange(1.0, 30, 6)] * 3)
    assert {1, 2} <= set(np.unique(resample_numbers(numbers, source, coarse)))
