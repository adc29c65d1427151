import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hyoid.geometry.covering import corners_lps_mm, covering
from hyoid.volume import Geometry

LATTICE = Geometry.axial((3, 4, 5), (2.0, 1.0, 0.5), (10.0, 20.0, 30.0))
POINTS = st.lists(st.tuples(*[st.floats(-50, 50)] * 3), max_size=5)


def test_a_grid_covers_itself():
    assert covering(LATTICE, []).same_grid(LATTICE)
    assert covering(LATTICE, [corners_lps_mm(LATTICE)]).same_grid(LATTICE)


def test_rounding_in_a_header_adds_no_slice():
    assert covering(LATTICE, [corners_lps_mm(LATTICE) + 1e-4]).shape == LATTICE.shape


def test_corners_by_hand():
    corners = corners_lps_mm(LATTICE)
    assert corners.shape == (8, 3)
    assert corners.min(axis=0).tolist() == [10.0, 20.0, 30.0]
    assert corners.max(axis=0).tolist() == [12.0, 23.0, 34.0]


@given(POINTS)
def test_every_point_is_held_and_the_lattice_is_kept(points):
    grid = covering(LATTICE, [np.array(points).reshape(-1, 3)])
    for held in (*points, *corners_lps_mm(LATTICE)):
        index = grid.to_ijk(held)
        assert (index > -2e-3).all() and (index < np.array(grid.shape) - 1 + 2e-3).all()
    offset = LATTICE.to_ijk(grid.origin_lps_mm)
    np.testing.assert_allclose(offset, np.rint(offset), atol=1e-6)
