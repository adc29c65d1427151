"""The CT of a painted block."""

import numpy as np
import pytest

from hyoid.phantom.anatomy.canvas import Canvas, Tissue
from hyoid.phantom.images.ct import block_mean, render, tissue_hu


def painted():
    lines = [np.linspace(0, 38, 11)] * 3
    canvas = Canvas((40, 40, 40), np.stack(np.meshgrid(*lines, indexing="ij")).astype(np.float32))
    canvas.tissue[:, 5:35, 5:35] = Tissue.MUSCLE
    canvas.tissue[:, 15:25, 15:25] = Tissue.DENSE_BONE
    return canvas, np.full(canvas.coarse.shape[1:], -10, np.float32)


def test_tissues_keep_their_order_in_every_patient():
    for seed in range(20):
        hu = tissue_hu(np.random.default_rng(seed), wide=True)
        order = [Tissue.OUTSIDE, Tissue.FAT, Tissue.MUSCLE, Tissue.DENSE_BONE, Tissue.METAL]
        assert np.all(np.diff(hu[order]) > 0)
        assert hu[Tissue.ARTERY] > hu[Tissue.FAT] + 100


def test_image_shows_what_was_painted():
    canvas, bone = painted()
    for seed in range(4):
        ct = render(canvas, bone, np.random.default_rng(seed), wide=False, block=(1, 1, 1), voxel_mm=(2.0, 2.0, 2.0))
        assert ct.dtype == np.int16
        assert ct.shape == canvas.shape
        assert np.median(ct[:, 18:22, 18:22]) > 500
        assert 0 < np.median(ct[:, 8:12, 8:32]) < 110
        assert np.median(ct[:, :3, :3]) < -900


def test_blocks_make_partial_volume():
    canvas, bone = painted()
    ct = render(canvas, bone, np.random.default_rng(0), wide=False, block=(2, 2, 2), voxel_mm=(4.0, 4.0, 4.0))
    assert ct.shape == (20, 20, 20)
    edge, centre, muscle = (np.median(ct[:, row, 10]) for row in (7, 10, 4))
    assert muscle < edge < centre


def test_block_mean_by_hand():
    array = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    assert block_mean(array, (2, 1, 2)).tolist() == [[[2.5], [4.5]]]
    assert block_mean(array, (1, 1, 1)) is array


def test_metal_makes_streaks():
    canvas, bone = painted()
    plain = render(canvas, bone, np.random.default_rng(3), wide=False, block=(1, 1, 1), voxel_mm=(2.0, 2.0, 2.0))
    canvas.tissue[20, 10:12, 10:12] = Tissue.METAL
    metal = render(canvas, bone, np.random.default_rng(3), wide=False, block=(1, 1, 1), voxel_mm=(2.0, 2.0, 2.0))
    muscle = canvas.tissue == Tissue.MUSCLE
    spread = [image[20][muscle[20]].std() for image in (plain, metal)]
    assert spread[1] > spread[0] + 10
    assert metal[20, 10:12, 10:12].max() == pytest.approx(3000, abs=800)
