import itertools

import numpy as np
import pytest

from hyoid.inference.sliding_window import gaussian_weight, predict_tiles, tile_starts


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
    out = predict_tiles(image, lambda tile: np.concatenate([tile, -tile], axis=1), (8, 8, 8), outputs=2)
    assert np.allclose(out[0], image[0], atol=1e-5)
    assert np.allclose(out[1], -image[0], atol=1e-5)


def test_a_scan_smaller_than_a_tile_is_padded_and_cut_back():
    image = np.random.default_rng(0).normal(size=(1, 5, 9, 3)).astype(np.float32)
    assert np.allclose(predict_tiles(image, lambda tile: tile, (8, 8, 8), outputs=1), image, atol=1e-5)


def test_the_middle_of_a_tile_counts_most():
    weight = gaussian_weight((9, 9, 9))
    assert weight[4, 4, 4] == 1
    assert weight.min() > 0
    assert np.array_equal(weight, weight[:, :, ::-1])


def test_progress_ends_at_the_number_of_tiles():
    seen = []
    predict_tiles(
        np.zeros((1, 16, 8, 8), np.float32), lambda t: t, (8, 8, 8), outputs=1, on_progress=lambda *a: seen.append(a)
    )
    assert seen[-1] == (3, 3)
