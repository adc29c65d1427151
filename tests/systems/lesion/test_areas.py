import numpy as np
import pytest

from hyoid.errors import UsageError
from hyoid.systems.lesion.areas import along, deep_box, filled, inside
from hyoid.systems.lesion.strokes import NOTHING, whole_of
from hyoid.volume import Geometry

GRID = Geometry.axial((20, 40, 40), (3.0, 1.0, 1.0))


def area(*slices):
    mask = np.zeros(GRID.shape, bool)
    mask[slices] = True
    return whole_of(mask)


def test_points_of_a_scribble_are_spread_from_end_to_end():
    line = area(5, 10, slice(4, 34))
    found = along(line)
    assert len(found) == 12
    assert (found[0], found[-1]) == ((5, 10, 4), (5, 10, 33))
    assert along(area(5, 10, 4)) == ((5, 10, 4),)


def test_points_inside_begin_in_the_middle_and_lie_apart():
    found = inside(area(5, slice(10, 21), slice(10, 31)))
    assert found[0][1] == 15
    assert len(found) > 1
    assert len(set(found)) == len(found)
    assert all(np.linalg.norm(np.subtract(a, b)) > 5 for n, a in enumerate(found) for b in found[:n])


def test_only_what_is_outlined_can_be_taken_away():
    found = inside(area(5, slice(10, 21), slice(10, 31)), within=area(slice(4, 7), slice(10, 12), slice(10, 12)))
    assert all(point[1] < 12 and point[2] < 12 for point in found)
    for nothing in (NOTHING, area(9, 9, 9)):
        with pytest.raises(UsageError, match="Nothing is outlined"):
            inside(area(5, slice(10, 21), slice(10, 31)), within=nothing)


def test_a_line_is_filled_in_its_plane():
    mask = np.zeros(GRID.shape, bool)
    mask[5, 10:21, 10:21] = True
    mask[5, 11:20, 11:20] = False
    assert filled(whole_of(mask)).mask.sum() == 121


def test_a_flat_box_gets_the_depth_of_its_width():
    # 13 x 11 voxels of 1 mm: 12 mm on average, 6 mm to either side, which are two slices of 3 mm.
    assert deep_box(area(5, slice(10, 23), slice(10, 21)), GRID) == ((3, 10, 10), (7, 22, 20))
    assert deep_box(area(slice(2, 4), slice(10, 23), slice(10, 21)), GRID) == ((2, 10, 10), (3, 22, 20))
