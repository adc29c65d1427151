import numpy as np
import pytest
from scipy import ndimage

from hyoid.io.dicom.contours import fill, outlines


def area(points):
    r, c = points.T
    return 0.5 * abs(np.dot(r, np.roll(c, 1)) - np.dot(c, np.roll(r, 1)))


def test_square_by_hand():
    mask = np.zeros((3, 6, 6), bool)
    mask[1, 1:4, 2:5] = True
    ((index, points),) = outlines(mask)
    assert index == 1
    assert points.min(axis=0).tolist() == [0.5, 1.5] and points.max(axis=0).tolist() == [3.5, 4.5]
    # 3 x 3 voxels, less half of a half-voxel square at each of the four corners.
    assert area(points) == pytest.approx(9 - 4 * 0.125)


def test_triangle_is_filled_at_centres_only():
    triangle = np.array([[0.5, 0.5], [0.5, 4.5], [4.5, 0.5]])
    expected = np.zeros((1, 6, 6), bool)
    expected[0, 1, 1:5] = expected[0, 2, 1:4] = expected[0, 3, 1:3] = expected[0, 4, 1] = True
    # A centre on the edge itself is inside or outside by the rule of half-open crossings.
    filled = fill([(0, triangle - 0.01)], (1, 6, 6))
    assert filled.sum() in (6, 10) and not (filled & ~expected).any()
    np.testing.assert_array_equal(
        fill([(0, triangle + np.array([[-0.1, -0.1], [-0.1, 0.3], [0.3, -0.1]]))], (1, 6, 6)), expected
    )


def test_nested_contours_leave_a_hole_and_overlap_is_exclusive():
    outer = np.array([[0.5, 0.5], [0.5, 7.5], [7.5, 7.5], [7.5, 0.5]])
    inner = np.array([[2.5, 2.5], [2.5, 5.5], [5.5, 5.5], [5.5, 2.5]])
    filled = fill([(0, outer), (0, inner[::-1])], (1, 9, 9))
    assert filled.sum() == 49 - 9 and not filled[0, 3:6, 3:6].any()


def test_hole_becomes_a_keyhole_in_one_polygon():
    mask = np.zeros((1, 9, 9), bool)
    mask[0, 1:8, 1:8] = True
    mask[0, 3:5, 3:5] = False
    polygons = list(outlines(mask))
    assert len(polygons) == 1
    np.testing.assert_array_equal(fill(polygons, mask.shape), mask)
    # Readers that fill by winding number agree, because the hole runs the other way round.
    assert area(polygons[0][1]) == pytest.approx(49 - 4 * 0.125 - (4 - 4 * 0.125))


@pytest.mark.parametrize("smoothness", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("digits", [None, 3])
def test_any_mask_survives_voxel_for_voxel(smoothness, digits):
    noise = np.random.default_rng(7).normal(size=(5, 60, 70))
    mask = ndimage.gaussian_filter(noise, (0, smoothness, smoothness)) > 0
    polygons = [(i, p if digits is None else p.round(digits) + 4e-4) for i, p in outlines(mask)]
    np.testing.assert_array_equal(fill(polygons, mask.shape), mask)


def test_edges_of_the_grid_single_voxels_and_nothing():
    full = np.ones((2, 3, 4), bool)
    np.testing.assert_array_equal(fill(list(outlines(full)), full.shape), full)
    single = np.zeros((1, 1, 1), bool)
    assert list(outlines(single)) == []
    assert not fill([], (2, 3, 4)).any()
    assert not fill([(5, np.ones((4, 2))), (0, np.ones((2, 2)))], (2, 3, 4)).any()


def test_polygons_beyond_the_grid_are_cut():
    square = np.array([[-5.0, -5.0], [-5.0, 1.5], [1.5, 1.5], [1.5, -5.0]])
    assert fill([(0, square)], (1, 4, 4)).sum() == 4
    np.testing.assert_array_equal(fill([(0, square - 1 + 100)], (1, 4, 4)), np.zeros((1, 4, 4), bool))
