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
