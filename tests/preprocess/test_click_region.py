import numpy as np

from hyoid.preprocess.click_region import Region, box_on, region_channels, region_values
from hyoid.volume import Geometry, Quantity, Volume


def volume(shape=(6, 8, 10), spacing=(2.0, 1.0, 1.0), quantity=Quantity.HU):
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    return Volume(array, Geometry.axial(shape, spacing, (5, 6, 7)), quantity)


def test_region_on_the_scans_own_grid_is_a_crop():
    v = volume(spacing=(1.0, 1.0, 1.0))
    region = Region(tuple(v.geometry.to_lps((2, 3, 4))), 1.0, (3, 3, 3))
    assert np.allclose(region_values(v, region).array, v.array[1:4, 2:5, 3:6])


def test_beyond_the_scan_is_air_or_the_lowest_value():
    for quantity, outside in ((Quantity.HU, -1024.0), (Quantity.MR, 0.0)):
        v = volume(quantity=quantity)
        far = Region((500.0, 500.0, 500.0), 2.0, (2, 2, 2))
        assert box_on(v.geometry, far) is None
        assert (region_values(v, far).array == outside).all()


def test_step_keeps_the_extent():
    region = Region((0.0, 0.0, 0.0), 2.0, (8, 8, 8))
    fine, coarse = (region.geometry(volume().geometry, step) for step in (1.0, 2.0))
    assert coarse.shape == (4, 4, 4)
    assert np.allclose(fine.to_lps((-0.5, -0.5, -0.5)), coarse.to_lps((-0.5, -0.5, -0.5)))
    assert np.allclose(fine.to_lps((7.5, 7.5, 7.5)), coarse.to_lps((3.5, 3.5, 3.5)))


def test_channels_of_hu_and_of_anything_else():
    values = np.linspace(-1000, 1000, 1000).reshape(10, 10, 10)
    channels = region_channels(values, Quantity.HU, [(-100, 100), (-1000, 1000)])
    assert channels.shape == (2, 10, 10, 10)
    assert channels[0].min() == -1
    assert channels[0].max() == 1
    same, again = region_channels(values * 7 + 3, Quantity.MR, [(-100, 100), (-1000, 1000)])
    assert np.array_equal(same, again)
    assert np.allclose(same, region_channels(values, Quantity.MR, [(0, 1), (0, 1)])[0], atol=1e-5)


def test_constant_region_has_finite_channels():
    assert np.isfinite(region_channels(np.full((2, 2, 2), 3.0), Quantity.MR, [(0, 1)])).all()
