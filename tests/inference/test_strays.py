import tracemalloc

import numpy as np
import pytest

from hyoid.inference.strays import near_organs, without_strays
from hyoid.volume import Geometry, Quantity, Volume

GRID = Geometry.axial((40, 50, 80), (3.0, 2.0, 2.0))


def labels(*boxes):
    """Label map of (label, (d, d), (h, h), (w, w))."""
    array = np.zeros(GRID.shape, np.uint8)
    for label, *box in boxes:
        array[tuple(slice(*edges) for edges in box)] = label
    return Volume(array, GRID, Quantity.LABEL)


CORD = (1, (0, 30), (20, 30), (38, 43))
GLAND = (2, (20, 24), (20, 24), (30, 34))
FAR = (2, (0, 10), (5, 15), (2, 12))  # larger than the gland; 52 mm from the cord along a row


def test_an_organ_found_in_a_shoulder_is_left_out_even_where_it_is_the_larger_part():
    kept, lost = without_strays(labels(CORD, GLAND, FAR))
    assert np.array_equal(kept.array, labels(CORD, GLAND).array)
    assert lost == {2: pytest.approx(1000 * 0.012)}


def test_parts_that_reach_the_neck_from_neighbour_to_neighbour_stay():
    # 28 mm from the cord, and 24 mm from there.
    chain = labels(CORD, (3, (0, 5), (20, 25), (20, 24)), (1, (0, 5), (20, 25), (5, 8)))
    assert without_strays(chain) == (chain, {})
    assert without_strays(chain, gap_mm=27)[1] == {1: pytest.approx(75 * 0.012), 3: pytest.approx(100 * 0.012)}


def test_the_distance_of_a_target_is_to_the_nearest_organ_in_mm():
    near, far = (1, (35, 40), (20, 25), (38, 42)), (1, (0, 5), (20, 25), (10, 17))
    target = labels(near, far)  # 15 mm above the cord; 42 mm beside it
    kept, lost = near_organs(target, labels(CORD))
    assert np.array_equal(kept.array, labels(near).array)
    assert lost == {1: pytest.approx(175 * 0.012)}
    assert near_organs(target, labels(CORD), gap_mm=42)[1] == {}


def test_without_organs_nothing_is_known_to_be_a_stray():
    target = labels(FAR)
    assert near_organs(target, labels()) == (target, {})
    assert without_strays(labels())[1] == {}
    assert near_organs(labels(), labels(CORD))[1] == {}


def noise(density, shape, seed=0):
    """Specks of seven labels, as an untrained network outlines."""
    rng = np.random.default_rng(seed)
    array = np.where(rng.random(shape) < density, rng.integers(1, 8, shape), 0).astype(np.uint8)
    return Volume(array, Geometry.axial(shape, (3.0, 2.0, 2.0)), Quantity.LABEL)


def test_noise_in_a_thousand_parts_takes_no_memory_for_every_pair():
    organs, target = noise(0.05, (16, 40, 40)), noise(0.05, (16, 40, 40), seed=1)
    tracemalloc.start()
    kept, lost = without_strays(organs)
    near, far = near_organs(target, kept)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # A distance between any two of 1,000 parts would take 24 MB, of those of a scan gigabytes.
    assert peak < 4e6
    for before, after, ml in ((organs, kept, lost), (target, near, far)):
        assert after.array.any()
        assert sum(ml.values()) == pytest.approx(((before.array > 0).sum() - (after.array > 0).sum()) * 0.012)


def test_of_very_many_parts_the_largest_tell_where_the_neck_is_and_specks_stay_within_reach_of_these():
    array = np.zeros((4, 40, 900), np.uint8)
    array[:, :10, :10] = 1
    array[0, 20, 10:890:2] = 2  # specks in a row, each in reach of the next
    grid = Geometry.axial(array.shape, (3.0, 2.0, 2.0))
    kept, lost = without_strays(Volume(array, grid, Quantity.LABEL))
    assert (kept.array == 1).sum() == 400
    # 199 specks tell; the last of these ends at 814 mm, and eight more begin within 30 mm.
    assert (kept.array == 2).sum() == 207 and kept.array[0, 20, 422] == 2
    assert lost == {2: pytest.approx((440 - 207) * 0.012)}
