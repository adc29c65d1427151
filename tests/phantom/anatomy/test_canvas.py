"""The canvas: coordinates in between, strokes, what they spare."""

import numpy as np
import pytest

from hyoid.phantom.anatomy.canvas import Canvas, Tissue
from hyoid.phantom.anatomy.solids import ellipsoid


@pytest.fixture
def canvas():
    lines = [np.linspace(0, 20, 6), np.linspace(0, 40, 11), np.linspace(-20, 20, 11)]
    coarse = np.stack(np.meshgrid(*lines, indexing="ij")).astype(np.float32)
    made = Canvas((21, 41, 41), coarse)
    made.inside[:] = True
    made.tissue[:] = Tissue.FAT
    return made


def test_coordinates_in_between_are_linear(canvas):
    fine = canvas.refine(canvas.coarse[1])
    assert fine.shape == (21, 41, 41)
    assert np.allclose(fine, np.arange(41)[:, None], atol=1e-4)
    part = (slice(3, 7), slice(10, 20), slice(0, 5))
    assert np.allclose(canvas.refine(canvas.coarse[2], part), np.arange(-20, -15), atol=1e-4)


def test_a_ball_has_its_volume_and_place(canvas):
    canvas.paint(ellipsoid((10, 20, 5), (6, 6, 6)), Tissue.NODE, organ=4, subsite=9)
    voxels = np.argwhere(canvas.organs == 4)
    assert len(voxels) == pytest.approx(4 / 3 * np.pi * 6**3, rel=0.03)
    assert np.allclose(voxels.mean(0), (10, 20, 25), atol=0.1)
    assert np.array_equal(canvas.organs == 4, canvas.tissue == Tissue.NODE)
    assert np.array_equal(canvas.organs == 4, canvas.subsites == 9)


def test_a_part_of_the_grid_holds_all_of_a_solid(canvas):
    solid = ellipsoid((10, 20, 5), (6, 6, 6))
    where, depth = canvas.depth(solid)
    whole = solid.depth(*(canvas.refine(c) for c in canvas.coarse))
    assert (depth > 0).sum() == (whole > 0).sum()
    assert depth.size < whole.size
    assert np.allclose(depth, whole[where], atol=1e-3)


def test_spare_and_only(canvas):
    ball = ellipsoid((10, 20, 0), (6, 6, 6))
    canvas.tissue[:, :20] = Tissue.BONE
    canvas.paint(ball, Tissue.MUSCLE, spare=(Tissue.BONE,))
    assert not (canvas.tissue[:, :20] == Tissue.MUSCLE).any()
    canvas.paint(ball, Tissue.AIR, only=(Tissue.BONE,))
    assert (canvas.tissue[:, :20] == Tissue.AIR).any()
    assert not (canvas.tissue[:, 20:] == Tissue.AIR).any()


def test_nothing_is_painted_outside_the_body(canvas):
    canvas.inside[:, :, :20] = False
    canvas.paint(ellipsoid((10, 20, 0), (6, 6, 6)), Tissue.MUSCLE, organ=1)
    assert not canvas.organs[:, :, :20].any()
    assert canvas.organs[:, :, 20:].any()


def test_a_solid_that_is_elsewhere_changes_nothing(canvas):
    canvas.paint(ellipsoid((500, 20, 0), (6, 6, 6)), Tissue.MUSCLE, organ=1)
    assert not canvas.organs.any()
    assert canvas.depth(ellipsoid((500, 20, 0), (6, 6, 6))) is None


def test_clear_organ_keeps_only_what_is_in_the_solid(canvas):
    canvas.organs[:] = 28
    canvas.organs[0] = 3
    canvas.clear_organ(28, outside=ellipsoid((10, 20, 0), (5, 5, 5)))
    assert (canvas.organs[0] == 3).all()
    z, y, x = np.mgrid[-10:11, -20:21, -20:21]
    assert np.array_equal(canvas.organs == 28, z**2 + y**2 + x**2 < 25)


def test_maps_are_mirrored_about_the_midline(canvas):
    array = np.arange(30, dtype=np.float32)[None, None, :].repeat(10, 0).repeat(12, 1)
    sampled = canvas.sample_map(array, np.array([0.0, 0.0, -116.0]), 4.0)
    assert np.allclose(sampled, np.abs(canvas.coarse[2]) / 4, atol=1e-4)
