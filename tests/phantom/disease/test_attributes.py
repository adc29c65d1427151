"""Attributes measured on balls, plates and blobs whose answer is known."""

import numpy as np
import pytest

from hyoid.anatomy.lesion_attributes import ATTRIBUTE_WORDS, ATTRIBUTES
from hyoid.errors import UsageError
from hyoid.phantom.disease.attributes import (
    Attributes,
    contact_share,
    measure_attributes,
    shape_of,
    sharpness,
    signed_depth,
    solidity,
)
from hyoid.phantom.disease.described import muscle_statistics

MM = (1.0, 1.0, 1.0)


def ball(radius, size=41):
    z, y, x = np.mgrid[:size, :size, :size] - size // 2
    return np.sqrt(z**2 + y**2 + x**2) <= radius


def measured(image, mask, structures=None):
    structures = np.zeros(mask.shape, bool) if structures is None else structures
    return measure_attributes(image, mask, structures, 60.0, 0.0, MM)


def test_shapes_by_hand():
    z, y, x = np.mgrid[:41, :41, :41] - 20
    assert shape_of(ball(10), MM) == "round_like"
    assert shape_of(ball(4), MM) == "punctate_nodular"
    plate = (np.abs(z) < 3) & (np.hypot(y, x) < 15)
    assert shape_of(plate, MM) == "wall_thickening"
    cross = ((np.abs(z) < 4) & (np.abs(y) < 4)) | ((np.abs(z) < 4) & (np.abs(x) < 4))
    star = cross | ((np.abs(x) < 4) & (np.abs(y) < 4))
    assert shape_of(star, MM) == "irregular"
    assert solidity(ball(10), MM) > 0.9 > solidity(star, MM)


def test_a_single_voxel_is_punctate():
    mask = np.zeros((5, 5, 5), bool)
    mask[2, 2, 2] = True
    assert shape_of(mask, MM) == "punctate_nodular"
    assert measured(np.full(mask.shape, 20.0), mask).density == "hypodense"


def test_density_is_against_muscle():
    mask = ball(9)
    for value, word in ((20, "hypodense"), (70, "isodense"), (120, "hyperdense")):
        assert measured(np.where(mask, value, -100.0), mask).density == word


def test_heterogeneity_is_beyond_noise():
    mask = ball(12)
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 10, mask.shape)
    assert measured(np.where(mask, 60, -100) + noise, mask).heterogeneity == "homogeneous"
    halves = np.where(np.arange(41)[:, None, None] < 20, 20, 100)
    assert measured(np.where(mask, halves, -100) + noise, mask).heterogeneity == "heterogeneous"


def test_noise_is_what_calm_muscle_shows():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 10, (30, 30, 30))
    muscle = np.zeros(noise.shape, bool)
    muscle[:, 2:28, 2:28] = True
    fibres = np.where(np.arange(30) < 12, 0, 30 * np.cos(np.arange(30) / 2))
    _, even = muscle_statistics((60 + noise).astype(np.int16), muscle, MM)
    _, mixed = muscle_statistics((60 + noise + fibres).astype(np.int16), muscle, MM)
    # A Gaussian of one voxel leaves (4 pi)^-0.75 of white noise.
    assert 0.4 < even / (10 * (4 * np.pi) ** -0.75) < 1.0
    assert mixed < 2 * even < 0.2 * (60 + fibres[muscle.any((0, 1))]).std()


def test_borders_sharp_and_gradual():
    mask = ball(12)
    depth = signed_depth(mask, MM)
    sharp = np.where(mask, 60.0, -100.0)
    gradual = -100 + 160 * np.clip(0.5 + depth / 14, 0, 1)
    assert sharpness(sharp, mask, MM) > 0.9
    assert sharpness(gradual, mask, MM) < 0.5
    assert measured(sharp, mask).surface == "well_defined"
    assert measured(gradual, mask).surface == "ill_defined"


def test_where_nothing_differs_there_is_no_gradual_border():
    assert sharpness(np.full((41, 41, 41), 60.0), ball(12), MM) == 1.0


def test_contact_is_the_share_of_the_surface():
    mask = ball(10)
    half = np.zeros(mask.shape, bool)
    half[:20] = True
    assert contact_share(mask, half, MM) == pytest.approx(0.6, abs=0.12)
    assert contact_share(mask, np.zeros(mask.shape, bool), MM) == 0
    assert measured(np.zeros(mask.shape), mask, half).invasion == "close_relationship"
    assert measured(np.zeros(mask.shape), mask).invasion == "no_close_relationship"


def test_depth_is_half_a_voxel_at_the_border():
    depth = signed_depth(ball(8), MM)
    assert depth[20, 20, 20] == pytest.approx(np.sqrt(65) - 0.5)  # the nearest voxel outside is (8, 1, 0) away
    assert depth[20, 20, 28] == 0.5
    assert depth[20, 20, 29] == -0.5


def test_words_outside_the_table_are_refused():
    with pytest.raises(UsageError, match="shape cannot be 'square'"):
        Attributes("square", "close_relationship", "isodense", "homogeneous", "well_defined")


def test_an_empty_mask_is_refused():
    with pytest.raises(ValueError, match="empty"):
        measured(np.zeros((5, 5, 5)), np.zeros((5, 5, 5), bool))


def test_the_table_has_the_sizes_of_the_paper():
    assert [len(ATTRIBUTES[name]) for name in ATTRIBUTE_WORDS] == [4, 2, 3, 2, 2]
