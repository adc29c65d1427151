import numpy as np
import pytest

from hyoid.errors import InputRefusedError, UsageError
from hyoid.geometry.boxes import Box
from hyoid.systems.lesion.strokes import (
    NOTHING,
    Drawn,
    Stroke,
    drawn_by,
    filled_between,
    joined,
    pieces_of,
    require_drawn,
    whole_of,
    without,
)
from hyoid.volume import Geometry

GRID = Geometry.axial((12, 30, 40), (3.0, 1.0, 1.0))


def painted(drawn, shape=GRID.shape):
    full = np.zeros(shape, bool)
    if drawn.box is not None:
        full[drawn.box.slices] = drawn.mask
    return full


def test_a_dab_of_the_brush_is_a_disc_of_its_radius_and_a_ball_reaches_into_other_planes():
    disc = drawn_by(Stroke("paint", 0, ((5, 15, 20),), 2.0), GRID)
    # Offsets within 2 voxels of 1 mm: 1 + 4 + 4 + 4 = 13 voxels in one slice.
    assert disc.mask.sum() == 13
    assert disc.box == Box((5, 13, 18), (6, 18, 23))
    ball = drawn_by(Stroke("paint", 0, ((5, 15, 20),), 3.0, ball=True), GRID)
    # Slices are 3 mm apart: of the neighbours only the voxel above and the one below.
    assert ball.mask.shape[0] == 3
    assert ball.mask[0].sum() == ball.mask[2].sum() == 1


def test_the_brush_fills_the_way_between_two_points():
    line = painted(drawn_by(Stroke("paint", 0, ((5, 10, 5), (5, 10, 30)), 0.5), GRID))
    assert line.sum() == 26
    assert line[5, 10, 5:31].all()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_strokes_stay_in_their_plane(axis):
    found = np.argwhere(painted(drawn_by(Stroke("paint", axis, ((5, 15, 20),), 4.0), GRID)))
    assert set(found[:, axis]) == {(5, 15, 20)[axis]}
    assert all(len(set(found[:, other])) > 1 for other in range(3) if other != axis)


def test_a_lasso_holds_its_line_and_what_lies_inside():
    square = ((4, 10, 10), (4, 10, 14), (4, 14, 14), (4, 14, 10))
    found = painted(drawn_by(Stroke("enclose", 0, square), GRID))
    assert found.sum() == 25
    assert found[4, 10:15, 10:15].all()


def test_joining_and_taking_away_are_those_of_sets():
    rng = np.random.default_rng(3)
    one, two = (whole_of(rng.random(GRID.shape) > 0.999) for _ in range(2))
    a, b = painted(one), painted(two)
    assert np.array_equal(painted(joined(one, two)), a | b)
    assert np.array_equal(painted(without(one, two)), a & ~b)
    assert joined(NOTHING, one) is one
    assert without(one, NOTHING) is one
    assert without(one, one).box is None


def test_slices_between_are_filled_and_a_wandering_disc_does_not_thin_out():
    mask = np.zeros(GRID.shape, bool)
    rows, columns = np.indices(GRID.shape[1:])
    mask[2] = np.hypot(rows - 15, columns - 8) <= 4
    mask[8] = np.hypot(rows - 15, columns - 30) <= 4
    found = painted(filled_between(whole_of(mask), 0, GRID))
    areas = found.sum(axis=(1, 2))
    assert list(np.flatnonzero(areas)) == [2, 3, 4, 5, 6, 7, 8]
    assert np.allclose(areas[3:8], areas[2], rtol=0.15)
    assert np.array_equal(found[[2, 8]], mask[[2, 8]])
    # Half way, the middle lies half way.
    assert np.argwhere(found[5]).mean(axis=0) == pytest.approx([15, 19], abs=0.6)


def test_nothing_to_fill_is_said():
    with pytest.raises(UsageError, match="No empty slice"):
        filled_between(drawn_by(Stroke("paint", 0, ((5, 15, 20),), 2.0, ball=True), GRID), 0, GRID)
    with pytest.raises(UsageError, match="No empty slice"):
        filled_between(NOTHING, 0, GRID)


def test_pieces_come_largest_first_and_give_the_mask_again():
    mask = np.zeros(GRID.shape, bool)
    mask[1, 2:4, 2:4] = True
    mask[6, 10:15, 10:15] = True
    mask[7, 15, 15] = True  # touches the square at a corner
    parts = pieces_of(whole_of(mask))
    assert [int(p.mask.sum()) for p in parts] == [26, 4]
    assert np.array_equal(painted(joined(*parts)), mask)
    assert pieces_of(NOTHING) == ()


def test_pieces_of_noise_are_as_large_as_their_voxels():
    specks = np.zeros((40, 40, 40), bool)
    specks[::2, ::2, ::2] = True
    pieces = pieces_of(Drawn(specks, Box((1, 2, 3), (41, 42, 43))))
    assert len(pieces) == 8000 and sum(piece.mask.size for piece in pieces) == 8000
    assert pieces[-1].box == Box((39, 40, 41), (40, 41, 42))


def test_a_lesion_of_which_nothing_is_left_is_refused():
    with pytest.raises(InputRefusedError, match="would be left"):
        require_drawn(NOTHING)
    kept = Drawn(np.ones((1, 1, 1), bool), Box((0, 0, 0), (1, 1, 1)))
    assert require_drawn(kept) is kept


@pytest.mark.parametrize(
    ("stroke", "words"),
    [
        (Stroke("paint", 3, ((1, 1, 1),)), "no plane"),
        (Stroke("paint", 0, ()), "no points"),
        (Stroke("paint", 0, ((1, 1, 40),)), "leaves the scan"),
        (Stroke("erase", 0, ((1, 1, 1), (2, 1, 1))), "not lie in one plane"),
        (Stroke("cut", 0, ((1, 1, 1), (1, 2, 2))), "three points"),
        (Stroke("paint", 0, ((1, 1, 1),), 900.0), "radius of 900 mm"),
    ],
)
def test_strokes_that_cannot_be_drawn_are_refused(stroke, words):
    with pytest.raises(UsageError, match=words):
        drawn_by(stroke, GRID)
