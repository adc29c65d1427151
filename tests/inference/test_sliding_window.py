import itertools

import numpy as np
import pytest

from hyoid.inference.sliding_window import (
    MONAI_LEAST,
    Tiling,
    gaussian_weight,
    mirrored,
    nnunet_weight,
    predict_tiles,
    tile_starts,
)


@pytest.mark.parametrize(("size", "tile", "step"), [(64, 64, 0.5), (65, 64, 0.5), (200, 48, 0.5), (97, 32, 0.75)])
def test_tiles_cover_the_axis_and_overlap_enough(size, tile, step):
    starts = tile_starts(size, tile, step)
    assert starts[0] == 0
    assert starts[-1] + tile == size
    assert all(b - a <= tile * step + 0.5 for a, b in itertools.pairwise(starts))


def test_a_tile_larger_than_the_axis_is_refused():
    with pytest.raises(ValueError, match="pad it first"):
        tile_starts(10, 16, 0.5)


def test_a_network_that_copies_its_input_is_reproduced_exactly():
    image = np.random.default_rng(0).normal(size=(1, 21, 18, 25)).astype(np.float32)
    out = predict_tiles(image, [lambda tile: np.concatenate([tile, -tile], axis=1)], Tiling((8, 8, 8)), outputs=2)
    assert np.allclose(out[0], image[0], atol=1e-5)
    assert np.allclose(out[1], -image[0], atol=1e-5)


def test_a_scan_smaller_than_a_tile_is_padded_and_cut_back():
    image = np.random.default_rng(0).normal(size=(1, 5, 9, 3)).astype(np.float32)
    assert np.allclose(predict_tiles(image, [lambda tile: tile], Tiling((8, 8, 8)), outputs=1), image, atol=1e-5)


def test_the_middle_of_a_tile_counts_most():
    weight = gaussian_weight((9, 9, 9))
    assert weight[4, 4, 4] == 1
    assert weight.min() > 0
    assert np.array_equal(weight, weight[:, :, ::-1])


def test_progress_ends_at_the_number_of_tiles():
    seen = []
    predict_tiles(
        np.zeros((1, 16, 8, 8), np.float32),
        [lambda t: t],
        Tiling((8, 8, 8)),
        outputs=1,
        on_progress=lambda *a: seen.append(a),
    )
    assert seen[-1] == (3, 3)


def test_several_networks_are_averaged_and_loaded_in_turn():
    image = np.random.default_rng(0).normal(size=(1, 12, 12, 12)).astype(np.float32)
    loaded = []

    def networks():
        for factor in (1.0, 3.0):
            loaded.append(factor)
            yield lambda tile, factor=factor: tile * factor

    seen = []
    tiling = Tiling((8, 8, 8), weight=nnunet_weight((8, 8, 8)))
    out = predict_tiles(image, networks(), tiling, outputs=1, count=2, on_progress=lambda *a: seen.append(a))
    assert np.allclose(out, 2 * image, atol=1e-5)
    assert loaded == [1.0, 3.0]
    assert seen == [(done, 16) for done in range(1, 17)]


def test_tiles_that_are_not_wanted_answer_nothing():
    image = np.ones((1, 8, 8, 16), np.float32)
    out = predict_tiles(image, [lambda t: t], Tiling((8, 8, 8)), outputs=1, wanted=lambda place: place[2].start == 0)
    assert (out[0, :, :, :8] == 1).all()
    assert not out[0, :, :, 8:].any()


def test_short_axes_are_filled_with_zeros_when_asked():
    seen = []
    image, tiling = np.ones((1, 4, 8, 8), np.float32), Tiling((8, 8, 8), padding="constant")
    predict_tiles(image, [lambda t: (seen.append(t.sum()), t)[1]], tiling, outputs=1)
    assert seen == [4 * 8 * 8]


def test_mirroring_averages_all_combinations():
    block = np.random.default_rng(0).normal(size=(1, 1, 3, 4, 5)).astype(np.float32)
    ramp = np.arange(60, dtype=np.float32).reshape(1, 1, 3, 4, 5)
    out = mirrored(lambda x: x * ramp, (1, 2))(block)
    flips = [(), (3,), (4,), (3, 4)]
    wanted = sum(np.flip(np.flip(block, f) * ramp, f) for f in flips) / 4
    assert np.allclose(out, wanted, atol=1e-5)


def test_nnunets_weight_is_its_filtered_impulse():
    from scipy import ndimage

    tile = (8, 12, 10)
    impulse = np.zeros(tile)
    impulse[4, 6, 5] = 1
    wanted = ndimage.gaussian_filter(impulse, [n / 8 for n in tile], mode="constant")
    assert np.allclose(nnunet_weight(tile), wanted / wanted.max(), atol=1e-6)
    assert nnunet_weight(tile).min() > 0


def test_the_window_of_monai():
    monai = pytest.importorskip("monai.data.utils")
    theirs = monai.compute_importance_map((10, 16, 12), "gaussian").numpy()
    ours = gaussian_weight((10, 16, 12), least=MONAI_LEAST)
    # MONAI's largest value lies between two voxels of an even edge, and is below 1 there.
    assert np.allclose(theirs / theirs.max(), ours, atol=5e-4)
