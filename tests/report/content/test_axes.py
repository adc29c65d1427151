import numpy as np
import pytest

from hyoid.geometry.boxes import Box
from hyoid.metrics.lesions import measure_labels
from hyoid.report.content.axes import axial_axes
from hyoid.report.content.patches import Patch
from hyoid.volume import Geometry, Quantity, Volume

GRID = Geometry.axial((4, 20, 20), (3.0, 1.0, 1.0))


def patch(mask):
    return Patch("lesion", mask, Box((0, 0, 0), mask.shape))


def length(axis):
    return float(np.linalg.norm(np.subtract(*axis)))


def test_axes_of_a_bar_run_along_and_across_it_in_the_slice_where_it_is_longest():
    mask = np.zeros(GRID.shape, bool)
    mask[1, 5:8, 3:10] = True
    mask[2, 5:8, 3:15] = True
    long, short = axial_axes(patch(mask), GRID)
    # 12 x 3 voxels: corner to corner 11 and 2 mm apart.
    assert length(long) == pytest.approx(np.hypot(11, 2))
    assert {end[2] for end in (*long, *short)} == {6.0}
    assert np.dot(np.subtract(*long), np.subtract(*short)) == pytest.approx(0, abs=0.05)


def test_lengths_are_those_of_the_measurement_less_a_voxel():
    rows, columns = np.mgrid[:20, :20]
    mask = np.zeros(GRID.shape, bool)
    mask[2] = ((rows - 9) / 5) ** 2 + ((columns - 10) / 8) ** 2 <= 1
    long, short = axial_axes(patch(mask), GRID)
    [row] = measure_labels(Volume(mask.astype(np.uint8), GRID, Quantity.LABEL))
    assert length(long) == pytest.approx(row.axial_long_mm - 1.0)
    assert length(short) == pytest.approx(row.axial_short_mm - 1.0)


def test_a_single_voxel_has_axes_of_no_length():
    mask = np.zeros(GRID.shape, bool)
    mask[1, 2, 3] = True
    (first, second), short = axial_axes(patch(mask), GRID)
    assert first == second == short[0] == (3.0, 2.0, 3.0)
