import numpy as np
import pytest

from hyoid.errors import GeometryError, WrongQuantityError
from hyoid.volume import Geometry, Quantity, Volume


def oblique():
    angle = np.deg2rad(20)
    rotation = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = rotation @ np.diag((1.0, 2.0, 3.0))[:, ::-1]
    matrix[:3, 3] = (5, -7, 11)
    return Geometry((3, 4, 5), matrix)


def test_indices_and_points_are_inverse():
    geometry = oblique()
    points = np.random.default_rng(0).uniform(-3, 9, (10, 3))
    assert np.allclose(geometry.to_ijk(geometry.to_lps(points)), points)


def test_spacing_follows_the_array_axes():
    assert oblique().spacing_mm == (3.0, 2.0, 1.0)
    assert oblique().voxel_ml == pytest.approx(0.006)


def test_axial_axes_grow_to_head_back_and_left():
    geometry = Geometry.axial((2, 2, 2), (3, 2, 1))
    assert (geometry.to_lps((1, 0, 0)) - geometry.to_lps((0, 0, 0))).tolist() == [0, 0, 3]
    assert (geometry.to_lps((0, 1, 0)) - geometry.to_lps((0, 0, 0))).tolist() == [0, 2, 0]
    assert (geometry.to_lps((0, 0, 1)) - geometry.to_lps((0, 0, 0))).tolist() == [1, 0, 0]


def test_same_grid_notices_a_shift_and_a_shape():
    geometry = Geometry.axial((4, 4, 4), (1, 1, 1))
    assert geometry.same_grid(Geometry.axial((4, 4, 4), (1, 1, 1), (0.005, 0, 0)))
    assert not geometry.same_grid(Geometry.axial((4, 4, 4), (1, 1, 1), (0.5, 0, 0)))
    assert not geometry.same_grid(Geometry.axial((4, 4, 5), (1, 1, 1)))


@pytest.mark.parametrize(
    ("shape", "matrix", "words"),
    [
        ((2, 2, 2), np.zeros((4, 4)), "not a finite 4 x 4 affine"),
        ((2, 2, 2), np.diag((0.0, 1, 1, 1)), "do not span space"),
        ((2, 2), np.eye(4), "three positive sizes"),
        ((2, 0, 2), np.eye(4), "three positive sizes"),
    ],
)
def test_impossible_grids_are_refused(shape, matrix, words):
    with pytest.raises(GeometryError, match=words):
        Geometry(shape, matrix)


def test_the_matrix_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        oblique().ijk_to_lps[0, 0] = 3


def test_a_volume_refuses_another_quantity_and_another_shape():
    geometry = Geometry.axial((2, 2, 2), (1, 1, 1))
    volume = Volume(np.zeros((2, 2, 2)), geometry, Quantity.HU)
    assert volume.require(Quantity.HU) is volume
    with pytest.raises(WrongQuantityError, match="needs voxels in SUV, and was given HU"):
        volume.require(Quantity.SUV)
    with pytest.raises(GeometryError, match=r"shape \(2, 2, 3\)"):
        Volume(np.zeros((2, 2, 3)), geometry, Quantity.HU)
