import numpy as np

from hyoid.geometry.boxes import Box
from hyoid.geometry.regions import grid_around, grid_from_top, grid_over
from hyoid.volume import Geometry

SCAN = Geometry.axial((100, 64, 80), (3.0, 2.0, 2.0), (-70.0, -50.0, 300.0), "1.2.3")


def faces(grid):
    return grid.to_lps(np.array([-0.5, -0.5, -0.5])), grid.to_lps(np.array(grid.shape) - 0.5)


def test_the_upper_face_is_the_scans_and_the_middle_too():
    for shape in ((10, 8, 8), (200, 256, 256)):
        grid = grid_from_top(SCAN, shape, (6.0, 4.0, 4.0))
        assert np.isclose(faces(grid)[1][2], faces(SCAN)[1][2])
        assert np.allclose(grid.to_lps((np.array(shape) - 1) / 2)[:2], SCAN.to_lps((np.array(SCAN.shape) - 1) / 2)[:2])
        assert grid.frame_of_reference_uid == "1.2.3"


def test_a_grid_around_a_point_has_it_in_its_middle():
    centre = np.array([3.0, 5.0, 333.0])
    grid = grid_around(SCAN, centre, (48, 48, 48), (3.0, 3.0, 3.0))
    assert np.allclose(grid.to_lps([23.5] * 3), centre)


def test_a_grid_over_a_box_holds_it_and_stays_in_the_scan():
    box = Box((90, 10, 10), (100, 30, 40))
    grid = grid_over(SCAN, box, SCAN, (2.0, 2.0, 2.0), 10.0)
    low, high = faces(grid)
    box_low, box_high = SCAN.to_lps(np.array(box.start) - 0.5), SCAN.to_lps(np.array(box.stop) - 0.5)
    assert np.all(low <= box_low - 9) and high[0] >= box_high[0] + 9
    # The box ends at the top of the scan, so the grid does too, up to half a voxel.
    assert abs(high[2] - faces(SCAN)[1][2]) <= 1.0
