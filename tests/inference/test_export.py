import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from hyoid.errors import GeometryError
from hyoid.geometry.resample import grid_with_spacing
from hyoid.inference.export import interpolation_matrix, labels_from_logits
from hyoid.volume import Geometry


@pytest.fixture
def grids():
    target = Geometry.axial((20, 30, 28), (2.5, 1.0, 1.1), (3, 4, 5))
    return grid_with_spacing(target, (4.0, 3.0, 3.0)), target


def smooth_logits(k, shape):
    rng = np.random.default_rng(k)
    return rng.normal(size=(k, *shape)).astype(np.float32).cumsum(1).cumsum(2)[:, :, :, :] / 3 - 0.5


def test_labels_equal_the_arg_max_of_fully_interpolated_logits(grids):
    coarse, target = grids
    logits = smooth_logits(3, coarse.shape)
    index = np.stack(np.meshgrid(*[np.arange(n) for n in target.shape], indexing="ij"), -1)
    place = np.moveaxis(coarse.to_ijk(target.to_lps(index)), -1, 0)
    full = np.stack([map_coordinates(z, place, order=1, mode="nearest") for z in logits])
    wanted = np.where(full.max(0) > 0, np.array([4, 7, 9])[full.argmax(0)], 0)
    found = labels_from_logits(logits, coarse, target, [4, 7, 9]).array
    # Rounding of the best logit to float16 may turn a tie; nothing else may differ.
    assert (found != wanted).mean() < 2e-3
    assert ((found > 0) == (wanted > 0)).all()


def test_a_structure_of_higher_rank_is_painted_over_the_others(grids):
    coarse, target = grids
    logits = np.full((2, *coarse.shape), -5.0, np.float32)
    logits[0, 2:8, 2:8, 2:8] = 9.0
    logits[1, 4:6, 4:6, 4:6] = 1.0
    found = labels_from_logits(logits, coarse, target, [28, 1], ranks={1: 1}).array
    assert {1, 28} <= set(np.unique(found))
    plain = labels_from_logits(logits, coarse, target, [28, 1]).array
    assert 1 not in plain


def test_within_a_rank_the_largest_logit_counts(grids):
    coarse, target = grids
    logits = smooth_logits(3, coarse.shape)
    both = labels_from_logits(logits, coarse, target, [5, 1, 2], ranks={1: 3, 2: 3, 5: 1}).array
    upper = labels_from_logits(logits[1:], coarse, target, [1, 2]).array
    lower = labels_from_logits(logits[:1], coarse, target, [5]).array
    assert np.array_equal(both, np.where(upper > 0, upper, lower))


def test_a_flipped_scan_gives_flipped_labels(grids):
    coarse, target = grids
    logits = smooth_logits(2, coarse.shape)
    found = labels_from_logits(logits, coarse, target, [1, 2]).array
    flipped = labels_from_logits(logits[..., ::-1], coarse, target, [1, 2]).array
    assert np.array_equal(flipped[..., ::-1], found)


def test_no_logit_above_zero_gives_an_empty_map(grids):
    coarse, target = grids
    assert not labels_from_logits(np.full((1, *coarse.shape), -1.0, np.float32), coarse, target, [1]).array.any()


def test_rows_of_the_interpolation_sum_to_one(grids):
    for axis in range(3):
        assert np.allclose(interpolation_matrix(*grids, axis).sum(axis=1), 1)


def test_grids_that_are_turned_are_refused(grids):
    coarse, target = grids
    turned = target.ijk_to_lps.copy()
    turned[:3, :2] = turned[:3, [1, 0]]
    with pytest.raises(GeometryError, match="parallel"):
        interpolation_matrix(coarse, Geometry(target.shape, turned), 0)
