import numpy as np
import pytest

from hyoid.preprocess.fixed_grid import centred
from hyoid.volume import Geometry, Quantity, Volume


@pytest.fixture
def volume():
    array = np.arange(6 * 7 * 8, dtype=np.float32).reshape(6, 7, 8)
    return Volume(array, Geometry.axial((6, 7, 8), (3, 2, 1), (10, 20, 30)), Quantity.HU)


@pytest.mark.parametrize("shape", [(3, 3, 3), (4, 9, 2), (20, 20, 20)])
@pytest.mark.parametrize("centre", [(3, 3, 4), (0, 0, 0), (5.4, 6, 7)])
def test_every_voxel_keeps_its_place(volume, shape, centre):
    out = centred(volume, volume.geometry.to_lps(centre), shape, outside=-1)
    assert out.array.shape == shape
    for index in np.ndindex(shape):
        there = np.round(volume.geometry.to_ijk(out.geometry.to_lps(index))).astype(int)
        inside = (there >= 0).all() and (there < volume.array.shape).all()
        assert out.array[index] == (volume.array[tuple(there)] if inside else -1)


def test_far_from_the_volume_everything_is_outside(volume):
    assert (centred(volume, np.array([9e3, 0, 0]), (3, 3, 3), outside=-7).array == -7).all()
