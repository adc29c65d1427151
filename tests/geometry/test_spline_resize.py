import numpy as np
import pytest
from scipy import ndimage

from hyoid.geometry.spline_resize import along, resize, resize_matrix


@pytest.mark.parametrize("order", [0, 1, 3])
@pytest.mark.parametrize(("size", "new_size"), [(5, 9), (9, 5), (4, 4), (1, 3), (3, 1)])
def test_every_row_shares_out_one_voxel(size, new_size, order):
    matrix = resize_matrix(size, new_size, order)
    assert matrix.shape == (new_size, size)
    assert np.allclose(matrix.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("order", [1, 3])
def test_scipy_agrees(order):
    array = np.random.default_rng(0).normal(size=(5, 6, 7)).astype(np.float32)
    shape = (9, 4, 7)
    wanted = ndimage.zoom(
        array, [n / m for n, m in zip(shape, array.shape, strict=True)], order=order, mode="nearest", grid_mode=True
    )
    assert np.allclose(resize(array, shape, (order,) * 3, clip=False), wanted, atol=1e-4)


def test_nearest_takes_values_that_were_there():
    array = np.array([[1.0, 5.0, 9.0]], np.float32)
    assert resize(array, (2, 6), (0, 0)).tolist() == [[1, 1, 5, 5, 9, 9]] * 2


def test_a_cubic_spline_overshoots_only_where_it_may():
    step = np.array([0, 0, 0, 1, 1, 1], np.float32)
    free, kept = (resize(step, (17,), (3,), clip=clip) for clip in (False, True))
    assert free.min() < 0 and free.max() > 1
    assert kept.min() == 0 and kept.max() == 1


def test_flipped_in_flipped_out_and_the_same_size_is_the_same():
    array = np.random.default_rng(1).normal(size=(4, 5)).astype(np.float32)
    forth = resize(array, (7, 3), (3, 1))
    assert np.allclose(resize(array[::-1, ::-1], (7, 3), (3, 1)), forth[::-1, ::-1], atol=1e-5)
    assert np.array_equal(resize(array, (4, 5), (3, 3)), array)


def test_a_matrix_acts_on_one_axis():
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    for axis in range(3):
        matrix = np.random.default_rng(axis).normal(size=(5, array.shape[axis])).astype(np.float32)
        wanted = np.moveaxis(np.tensordot(matrix, array, (1, axis)), 0, axis)
        assert np.allclose(along(matrix, array, axis), wanted, atol=1e-4)


def test_a_kept_matrix_cannot_be_written():
    with pytest.raises(ValueError, match="read-only"):
        resize_matrix(3, 5, 1)[0, 0] = 2
