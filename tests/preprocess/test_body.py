import numpy as np
import pytest

from hyoid.errors import WrongQuantityError
from hyoid.geometry.orientation import to_canonical
from hyoid.preprocess.body import body_mask, coarse_body
from hyoid.volume import Geometry, Quantity, Volume


def cylinder(shape=(40, 120, 120), spacing_mm=(2.0, 1.5, 1.5), radius_mm=60.0):
    """CT of a cylinder of water along the slices, and its mask."""
    geometry = Geometry.axial(shape, spacing_mm)
    y, x = np.mgrid[: shape[1], : shape[2]] * spacing_mm[1]
    inside = np.broadcast_to(np.hypot(y - y.mean(), x - x.mean()) < radius_mm, shape)
    return Volume(np.where(inside, 0, -1000).astype(np.int16), geometry, Quantity.HU), inside


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_cylinder_is_found_with_its_cavity():
    volume, inside = cylinder()
    volume.array[:, 55:65, 55:65] = -1000  # an airway is inside the body
    mask = body_mask(volume)
    assert mask.shape == volume.array.shape and mask.dtype == bool
    assert dice(mask, inside) > 0.98
    assert mask[:, 60, 60].all()


def test_table_and_smaller_objects_are_left_out():
    volume, inside = cylinder()
    volume.array[:, 110:112, :] = 200  # a sheet 3 mm thick under the patient
    volume.array[:, 100:110, 2:9] = 50  # something beside the patient
    mask = body_mask(volume)
    assert dice(mask, inside) > 0.97
    assert not mask[:, 112, 10].any() and not mask[:, 105, 5].any()


@pytest.mark.parametrize("spacing_mm", [(0.8, 0.5, 0.5), (2.5, 5.0, 5.0), (3.0, 1.17, 1.17)])
def test_any_spacing(spacing_mm):
    shape = tuple(int(200 / s) + 1 for s in spacing_mm)
    volume, inside = cylinder((12, *shape[1:]), spacing_mm)
    assert dice(body_mask(volume), inside) > (0.95 if max(spacing_mm) > 4 else 0.98)


def test_orientation_does_not_matter():
    volume, _ = cylinder()
    volume.array[:, 40, 70:] = 300
    geometry = volume.geometry
    matrix = np.eye(4)
    matrix[:3, :3] = geometry.ijk_to_lps[:3, [2, 0, 1]] * (-1, 1, 1)
    matrix[:3, 3] = geometry.to_lps((0, 0, geometry.shape[2] - 1))
    stored = np.ascontiguousarray(np.transpose(volume.array, (2, 0, 1))[::-1])
    other = Volume(stored, Geometry(stored.shape, matrix), Quantity.HU)
    np.testing.assert_array_equal(to_canonical(other).array, volume.array)
    mask = body_mask(other)
    np.testing.assert_array_equal(np.transpose(mask[::-1], (1, 2, 0)), body_mask(volume))


def test_air_only_and_one_voxel():
    volume, _ = cylinder(radius_mm=0)
    assert not body_mask(volume).any()
    single = Volume(np.full((1, 1, 1), -1000, np.int16), Geometry.axial((1, 1, 1), (1, 1, 1)), Quantity.HU)
    assert body_mask(single).shape == (1, 1, 1)


def test_coarse_grid_keeps_every_point_in_place():
    volume, _ = cylinder()
    coarse, mask = coarse_body(volume)
    assert coarse.geometry.spacing_mm == (4.0, 3.0, 3.0)
    centre = coarse.geometry.to_lps(np.argwhere(mask).mean(axis=0))
    expected = volume.geometry.to_lps((np.array(volume.array.shape) - 1) / 2)
    np.testing.assert_allclose(centre, expected, atol=0.5)


def test_other_quantities_are_refused():
    volume, _ = cylinder()
    with pytest.raises(WrongQuantityError, match="HU"):
        body_mask(volume.with_array(volume.array, Quantity.MR))
