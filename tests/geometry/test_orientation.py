import itertools

import numpy as np
import pytest

from hyoid.geometry.orientation import axis_codes, canonical_geometry, from_canonical, to_canonical
from hyoid.volume import Geometry, Quantity, Volume

SHAPE = (3, 4, 5)


def orientations():
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            yield order, signs


def volume_with(order, signs):
    matrix = np.eye(4)
    matrix[:3, :3] = (np.eye(3)[:, list(order)] * signs) * np.array((2.0, 3.0, 4.0))
    matrix[:3, 3] = (10, 20, 30)
    array = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    return Volume(array, Geometry(SHAPE, matrix), Quantity.HU)


@pytest.mark.parametrize(("order", "signs"), list(orientations()))
def test_every_voxel_keeps_its_place_in_the_patient(order, signs):
    volume = volume_with(order, signs)
    canonical = to_canonical(volume)
    assert axis_codes(canonical.geometry) == "SPL"
    for index in ((0, 0, 0), (2, 1, 3)):
        place = volume.geometry.to_lps(index)
        there = tuple(np.round(canonical.geometry.to_ijk(place)).astype(int))
        assert canonical.array[there] == volume.array[index]


@pytest.mark.parametrize(("order", "signs"), list(orientations()))
def test_there_and_back_is_the_identity(order, signs):
    volume = volume_with(order, signs)
    assert np.array_equal(from_canonical(to_canonical(volume).array, volume.geometry), volume.array)


def test_an_oblique_grid_stays_oblique():
    angle = np.deg2rad(10)
    matrix = np.eye(4)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    matrix[:3, :3] = turn @ np.eye(3)[:, ::-1]
    geometry = Geometry(SHAPE, matrix)
    assert np.allclose(canonical_geometry(geometry).ijk_to_lps, geometry.ijk_to_lps)
