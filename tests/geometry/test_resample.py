import numpy as np
import pytest
import SimpleITK as sitk

from hyoid.errors import GeometryError
from hyoid.geometry.resample import from_sitk, grid_with_spacing, resample, to_sitk
from hyoid.volume import Geometry, Quantity, Volume


def ramp(geometry):
    """Value = 2 x + 3 y - z in mm, which linear interpolation reproduces."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in geometry.shape], indexing="ij"), -1)
    return Volume(geometry.to_lps(index) @ np.array((2.0, 3.0, -1.0)), geometry, Quantity.HU)


def test_a_ramp_keeps_its_value_at_every_place():
    source = ramp(Geometry.axial((12, 14, 16), (3, 2, 1.5), (-4, 8, 1)))
    target = grid_with_spacing(source.geometry, (2, 2.5, 1))
    inner = (slice(2, -2),) * 3
    assert np.allclose(resample(source, target).array[inner], ramp(target).array[inner], atol=1e-3)


def test_the_middle_of_the_grid_stays():
    geometry = Geometry.axial((10, 11, 12), (3, 2, 1), (7, 7, 7))
    target = grid_with_spacing(geometry, (4, 4, 4))
    middles = [g.to_lps((np.array(g.shape) - 1) / 2) for g in (geometry, target)]
    assert np.allclose(*middles)


def test_labels_are_never_mixed():
    labels = np.zeros((6, 6, 6), np.uint8)
    labels[2:4] = 5
    volume = Volume(labels, Geometry.axial((6, 6, 6), (2, 2, 2)), Quantity.LABEL)
    fine = resample(volume, grid_with_spacing(volume.geometry, (0.7, 0.7, 0.7)), interpolation="linear")
    assert set(np.unique(fine.array)) == {0, 5}


def test_a_flipped_patient_gives_a_flipped_answer():
    rng = np.random.default_rng(3)
    geometry = Geometry.axial((8, 9, 10), (3, 2, 2))
    volume = Volume(rng.normal(size=(8, 9, 10)), geometry, Quantity.HU)
    target = grid_with_spacing(geometry, (4, 3, 3))
    flipped = resample(volume.with_array(volume.array[:, :, ::-1].copy()), target)
    assert np.allclose(flipped.array[:, :, ::-1], resample(volume, target).array, atol=1e-4)


def test_thin_stripes_do_not_alias():
    array = np.tile(np.array([0.0, 100.0]), 32)[None, None, :].repeat(8, 0).repeat(8, 1)
    volume = Volume(array, Geometry.axial((8, 8, 64), (1, 1, 1)), Quantity.HU)
    coarse = resample(volume, grid_with_spacing(volume.geometry, (1, 1, 4)), outside=50).array
    assert np.abs(coarse[:, :, 2:-2] - 50).max() < 30


def test_frames_of_reference_that_differ_are_refused():
    volume = Volume(
        np.zeros((2, 2, 2)), Geometry.axial((2, 2, 2), (1, 1, 1), frame_of_reference_uid="1.2"), Quantity.HU
    )
    with pytest.raises(GeometryError, match="different frames of reference"):
        resample(volume, Geometry.axial((3, 3, 3), (1, 1, 1), frame_of_reference_uid="1.3"))


def test_sitk_there_and_back():
    volume = ramp(Geometry.axial((3, 4, 5), (3, 2, 1), (1, 2, 3)))
    back = from_sitk(to_sitk(volume), Quantity.HU)
    assert back.geometry.same_grid(volume.geometry)
    assert np.array_equal(back.array, volume.array)


def test_a_spacing_of_zero_is_refused():
    with pytest.raises(GeometryError, match="must be positive"):
        grid_with_spacing(Geometry.axial((2, 2, 2), (1, 1, 1)), (0, 1, 1))


@pytest.mark.parametrize(
    ("shape", "spacing", "new"),
    [
        ((12, 60, 50), (3, 0.98, 0.98), (3, 4, 4)),
        ((30, 20, 2), (1, 1, 4), (4, 3, 2)),
        ((1, 20, 30), (1, 1, 1), (4, 4, 4)),
    ],
)
def test_coarsening_gives_the_numbers_of_simpleitk(shape, spacing, new):
    rng = np.random.default_rng(0)
    volume = Volume(rng.integers(-1000, 1500, shape).astype(np.int16), Geometry.axial(shape, spacing), Quantity.HU)
    grid = grid_with_spacing(volume.geometry, new)
    matrix = grid.ijk_to_lps.copy()
    matrix[:3, 3] += (1.3, -2.2, 0.7)
    for target in (grid, Geometry((grid.shape[0] + 2, grid.shape[1] + 3, grid.shape[2] + 1), matrix)):
        sigma = [0.25 * b if b > 1.5 * a else 0.0 for a, b in zip(spacing, new, strict=True)]
        image = sitk.Cast(to_sitk(volume), sitk.sitkFloat32)
        image = sitk.DiscreteGaussian(image, [s * s for s in sigma[::-1]], maximumKernelWidth=32, maximumError=0.01)
        like = to_sitk(Volume(np.zeros(target.shape, np.float32), target, Quantity.HU))
        expected = sitk.GetArrayFromImage(sitk.Resample(image, like, sitk.Transform(), sitk.sitkLinear, -1024.0))
        found = resample(volume, target, outside=-1024).array
        assert found.dtype == np.float32
        assert np.allclose(found, expected, rtol=0, atol=2e-3)
