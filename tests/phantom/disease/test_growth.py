"""Growth that can be followed by hand."""

import numpy as np
import pytest

from hyoid.anatomy.subsites import SUBSITE_BY_NAME
from hyoid.errors import UsageError
from hyoid.phantom.anatomy.canvas import Canvas, Tissue
from hyoid.phantom.anatomy.head import subsite
from hyoid.phantom.disease.growth import draw_primary_site, grow_primary, largest, place_nodes

VOXEL_MM = (2.0, 2.0, 2.0)


@pytest.fixture
def block():
    """A block of muscle, 80 mm wide, with one voxel of tonsil in its middle, where the common frame has its origin."""
    lines = [np.linspace(-40, 38, 20)] * 3
    canvas = Canvas((40, 40, 40), np.stack(np.meshgrid(*lines, indexing="ij")).astype(np.float32))
    canvas.inside[:] = True
    canvas.tissue[:] = Tissue.MUSCLE
    canvas.subsites[20, 20, 20] = subsite("tonsil_left")
    return canvas


def test_a_tumour_is_as_long_as_wanted_and_in_one_piece(block):
    for diameter in (14.0, 24.0, 36.0):
        mask = grow_primary(block, "tonsil_left", diameter, VOXEL_MM, np.random.default_rng(1))
        extent = np.ptp(np.argwhere(mask), axis=0) * 2 + 2
        assert mask[20, 20, 20]
        assert 0.7 * diameter < extent.max() <= diameter + 4
        assert np.array_equal(largest(mask), mask)


def test_bone_and_air_stop_it(block):
    block.tissue[:, :, 22] = Tissue.BONE
    block.tissue[:, 17] = Tissue.AIR
    mask = grow_primary(block, "tonsil_left", 30.0, VOXEL_MM, np.random.default_rng(1))
    assert mask.sum() > 100
    assert not mask[:, :, 22:].any()
    assert not mask[:, :18].any()


def test_it_prefers_soft_tissue(block):
    block.tissue[:, :, 21:] = Tissue.CARTILAGE
    mask = grow_primary(block, "tonsil_left", 30.0, VOXEL_MM, np.random.default_rng(1))
    assert mask[:, :, 21:].sum() < 0.2 * mask.sum()


def test_a_subsite_without_soft_tissue_is_refused(block):
    with pytest.raises(UsageError, match="epiglottis has no soft tissue"):
        grow_primary(block, "epiglottis", 20.0, VOXEL_MM, np.random.default_rng(0))


def test_nodes_do_not_come_near_each_other(block):
    block.coarse = block.coarse + np.array([-20, 46, 40], np.float32)[:, None, None, None]
    lesions = np.zeros(block.shape, np.uint8)
    rng = np.random.default_rng(0)
    drawn = place_nodes(block, lesions, 3, "tonsil_left", "left", 6.0, VOXEL_MM, rng)
    assert len(drawn) >= 2
    assert set(np.unique(lesions)) == {0, *range(2, 2 + len(drawn))}
    points = [np.argwhere(lesions == 2 + k) * 2.0 for k in range(len(drawn))]
    for i, a in enumerate(points):
        for b in points[i + 1 :]:
            assert np.sqrt(((a[:, None] - b) ** 2).sum(-1)).min() > 6
    assert {node.side for node in drawn} == {"left"}


def test_sites_are_real(block):
    rng = np.random.default_rng(0)
    assert {draw_primary_site(rng) for _ in range(50)} <= set(SUBSITE_BY_NAME)


@pytest.mark.parametrize("wanted_ml", [1.0, 8.0, 30.0])
def test_a_tumour_is_as_large_as_wanted(block, wanted_ml):
    mask = grow_primary(block, "tonsil_left", None, VOXEL_MM, np.random.default_rng(1), volume_ml=wanted_ml)
    assert mask.sum() * 0.008 == pytest.approx(wanted_ml, rel=0.15)


def test_nodes_have_the_volumes_asked_for_where_there_is_room(block):
    block.coarse = block.coarse + np.array([-20, 46, 40], np.float32)[:, None, None, None]
    block.tissue[:] = Tissue.FAT
    lesions = np.zeros(block.shape, np.uint8)
    place_nodes(block, lesions, 1, "tonsil_left", "left", 2.0, VOXEL_MM, np.random.default_rng(0), [5.0])
    assert (lesions == 2).sum() * 0.008 == pytest.approx(5.0, rel=0.25)
