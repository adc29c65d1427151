import numpy as np
import pytest

from hyoid.errors import GeometryError
from hyoid.geometry.boxes import Box, bounding_box, box_of, crop, crop_geometry, hull, restore
from hyoid.volume import Geometry, Quantity, Volume


def test_crop_then_restore_returns_the_inside():
    rng = np.random.default_rng(1)
    array = rng.integers(1, 9, (6, 7, 8))
    geometry = Geometry.axial((6, 7, 8), (3, 2, 1), (5, 5, 5))
    box = Box((1, 2, 3), (4, 6, 8))
    part = crop(Volume(array, geometry, Quantity.HU), box)
    assert part.geometry.origin_lps_mm.tolist() == geometry.to_lps((1, 2, 3)).tolist()
    back = restore(part.array, box, array.shape, fill=0)
    assert np.array_equal(back[box.slices], array[box.slices])
    assert back.sum() == array[box.slices].sum()


def test_box_of_nothing_and_of_one_voxel():
    mask = np.zeros((3, 3, 3), bool)
    assert bounding_box(mask) is None
    mask[2, 0, 1] = True
    assert bounding_box(mask) == Box((2, 0, 1), (3, 1, 2))


def test_growing_stops_at_the_edge():
    assert Box((0, 2, 2), (2, 3, 3)).grown((1, 1, 5), (4, 4, 4)) == Box((0, 1, 0), (3, 4, 4))


def test_a_box_that_leaves_the_grid_is_refused():
    with pytest.raises(GeometryError, match="leaves the grid"):
        crop_geometry(Geometry.axial((2, 2, 2), (1, 1, 1)), Box((0, 0, 0), (3, 1, 1)))


def test_a_moved_box_and_its_index_into_an_array_that_begins_elsewhere():
    box = Box((4, 5, 6), (5, 7, 9))
    assert box.moved(np.array([1, 0, -6])) == Box((5, 5, 0), (6, 7, 3))
    whole = np.arange(10 * 10 * 10).reshape(10, 10, 10)
    part = Box((3, 5, 0), (8, 9, 10))
    assert np.array_equal(whole[part.slices][box.slices_from(part.start)], whole[box.slices])


def test_a_hull_holds_every_box_and_nothing_more():
    boxes = [Box((0, 4, 2), (1, 5, 3)), Box((2, 0, 2), (4, 1, 9))]
    assert hull(boxes) == Box((0, 0, 2), (4, 5, 9))
    assert hull(iter(boxes[:1])) == boxes[0]


def test_a_box_of_slices_gives_these_back():
    slices = (slice(1, 2), slice(0, 3), slice(4, 5))
    assert box_of(slices).slices == slices
