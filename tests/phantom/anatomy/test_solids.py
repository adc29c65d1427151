"""Solids: depth where it can be worked out by hand."""

import numpy as np
import pytest

from hyoid.phantom.anatomy.shape_model import Organ
from hyoid.phantom.anatomy.solids import box, column, ellipsoid, from_organ, tube, union


def at(solid, *point):
    return float(solid.depth(*(np.array([v], np.float32) for v in point))[0])


def test_ball():
    ball = ellipsoid((1, 2, 3), (5, 5, 5))
    assert at(ball, 1, 2, 3) == pytest.approx(5)
    assert at(ball, 1, 2, 10) == pytest.approx(-2, abs=1e-5)
    assert (ball.low, ball.high) == ((-4, -3, -2), (6, 7, 8))


def test_tube_has_round_ends_and_changes_width():
    cone = tube([(0, 0, 0), (10, 0, 0)], [2, 4])
    assert at(cone, 5, 0, 0) == pytest.approx(3)
    assert at(cone, -3, 0, 0) == pytest.approx(-1)
    assert at(cone, 10, 4, 0) == pytest.approx(0, abs=1e-5)


def test_a_flat_tube_is_thinner_along_its_normal():
    strap = tube([(0, 5, 0), (10, 5, 0)], 4, flat=2, normal=(0, 1, 0))
    assert at(strap, 5, 7, 0) == pytest.approx(0, abs=1e-5)
    assert at(strap, 5, 5, 4) == pytest.approx(0, abs=1e-5)
    assert at(strap, 5, 5, 0) == pytest.approx(2)


def test_column_ends_at_its_levels():
    pipe = column([0, 10], [0, 10], [2, 2], [4, 4])
    assert at(pipe, 5, 5, 0) == pytest.approx(2)
    assert at(pipe, -1, 0, 0) < 0
    assert at(pipe, 5, 5, 4.5) < 0 < at(pipe, 5, 5, 3.5)


def test_set_operations():
    a, b = box((0, 0, 0), (4, 4, 4)), box((2, 0, 0), (6, 4, 4))
    assert at(union(a, b), 5, 2, 2) > 0
    assert at(a.within(b), 1, 2, 2) < 0 < at(a.within(b), 3, 2, 2)
    assert at(a.minus(b), 3, 2, 2) < 0 < at(a.minus(b), 1, 2, 2)
    assert at(a.grown(1), 4.5, 2, 2) == pytest.approx(0.5)


def test_mirrored_swaps_sides():
    left = ellipsoid((0, 0, 10), (2, 2, 2))
    assert at(left.mirrored(), 0, 0, -10) == pytest.approx(2)
    assert left.mirrored().low == (-2, -2, -12)


def test_moved_scales_about_a_point_and_shifts():
    ball = ellipsoid((0, 0, 10), (2, 2, 2)).moved((0, 0, 0), 2, (1, 0, 0))
    assert at(ball, 1, 0, 20) == pytest.approx(4)
    assert ball.high == (5, 4, 24)


def test_organ_on_the_right_is_mirrored():
    distance = np.full((3, 3, 3), -5, np.float32)
    distance[1, 1, 2] = 5
    left, right = (from_organ(Organ(distance, 2.0, np.array([0.0, 0, 10 * side]), side)) for side in (1, -1))
    assert at(left, 0, 0, 12) == pytest.approx(5)
    assert at(right, 0, 0, -12) == pytest.approx(5)
    assert at(right, 0, 0, -8) == pytest.approx(-5)


def test_a_stretched_organ_is_longer_from_feet_to_head_alone():
    distance = np.full((5, 5, 5), -5, np.float32)
    distance[1:4, 1:4, 1:4] = 5
    plain, longer = (from_organ(Organ(distance, 2.0, np.zeros(3), 1, stretch)) for stretch in (1.0, 1.5))
    assert at(plain, 4, 0, 0) == pytest.approx(-5)
    assert at(longer, 3, 0, 0) == pytest.approx(5)
    assert at(longer, 6, 0, 0) == pytest.approx(-5)
    assert at(longer, 0, 3, 0) == pytest.approx(at(plain, 0, 3, 0)) == pytest.approx(0)
    assert (longer.low, longer.high) == ((-6, -4, -4), (6, 4, 4))
