import numpy as np
import pytest

from hyoid.errors import UnsuitableScanError, WrongQuantityError
from hyoid.preprocess.network_grid import body_on_grid
from hyoid.volume import Geometry, Quantity, Volume


def scan(table):
    hu = np.full((30, 60, 60), -1000.0)
    y, x = np.mgrid[:60, :60] - 30
    hu[:, y**2 + x**2 < 15**2] = 40
    if table:
        hu[:, 55:57, 5:55] = 200
    return Volume(hu, Geometry.axial(hu.shape, (4, 4, 4)), Quantity.HU)


def test_the_table_is_gone_and_the_patient_stays():
    with_table, without = (body_on_grid(scan(table), (4, 4, 4)) for table in (True, False))
    assert with_table.array.shape == without.array.shape
    assert np.array_equal(with_table.array, without.array)
    assert (with_table.array > 0).sum() == (scan(False).array > 0).sum()


def test_air_inside_the_patient_is_kept():
    volume = scan(False)
    volume.array[:, 28:32, 28:32] = -990
    assert (body_on_grid(volume, (4, 4, 4)).array == -990).sum() == 30 * 16


def test_a_scan_of_air_is_refused():
    air = Volume(np.full((10, 10, 10), -1000.0), Geometry.axial((10, 10, 10), (4, 4, 4)), Quantity.HU)
    with pytest.raises(UnsuitableScanError, match="only air"):
        body_on_grid(air, (4, 4, 4))


def test_mr_is_refused():
    with pytest.raises(WrongQuantityError, match="HU"):
        body_on_grid(Volume(np.ones((4, 4, 4)), Geometry.axial((4, 4, 4), (4, 4, 4)), Quantity.MR), (4, 4, 4))
