import numpy as np
import pytest

from hyoid.errors import WrongQuantityError
from hyoid.metrics.response import Change, change_of, follow, numbered_lesions, responses

ISO = (1.0, 1.0, 1.0)


def grid(**boxes):
    array = np.zeros((8, 20, 20), np.uint8)
    for value, (z, y, x) in boxes.items():
        array[z, y, x] = int(value[1:])
    return array


def test_limits_are_a_fifth_of_the_volume_and_spheres_whose_diameter_changes_by_minus_30_and_plus_20_percent():
    assert change_of(1.0, 0.8) is Change.SMALLER and change_of(1.0, 0.8001) is Change.SIMILAR
    assert change_of(1.0, 1.2) is Change.LARGER and change_of(1.0, 1.1999) is Change.SIMILAR
    assert change_of(1.0, 0.7**3) is Change.MUCH_SMALLER and change_of(1.0, 0.7**3 + 1e-6) is Change.SMALLER
    assert change_of(1.0, 1.2**3) is Change.MUCH_LARGER and change_of(1.0, 1.2**3 - 1e-6) is Change.LARGER
    assert change_of(5.0, 0.0) is Change.VANISHED and change_of(0.0, 5.0) is Change.NEW


@pytest.mark.parametrize("percent", [-47, -77, 60])
def test_a_fall_by_half_or_three_quarters_is_never_similar(percent):
    assert change_of(21.3, 21.3 * (1 + percent / 100)) is not Change.SIMILAR


def test_a_shrunk_a_vanished_and_a_new_lesion():
    before = grid(_1=(slice(2, 4), slice(2, 6), slice(2, 6)), _2=(slice(2, 4), slice(12, 14), slice(12, 14)))
    numbers = numbered_lesions(before)
    after = grid(_1=(slice(2, 3), slice(3, 5), slice(3, 5)), _2=(slice(6, 8), slice(2, 4), slice(15, 17)))
    followed = follow(numbers, [1, 2], after, ISO, reach_mm=3)
    rows = responses([0.032, 0.008], [1, 2], followed, after, 0.001)
    assert [(r.name, r.change) for r in rows] == [
        ("GTVp 1", Change.MUCH_SMALLER), ("GTVn 1", Change.VANISHED), ("GTVn 2", Change.NEW),
    ]  # fmt: skip
    assert rows[0].after_ml == pytest.approx(0.004) and rows[0].percent == pytest.approx(-87.5)
    assert rows[1].percent == -100 and rows[2].percent is None and rows[2].after_ml == pytest.approx(0.008)


def test_labels_are_not_mixed_however_near():
    numbers = grid(_1=(3, 5, 5))
    after = grid(_2=(3, 5, 6))
    assert follow(numbers, [1], after, ISO, reach_mm=5).max() == 2  # a new node, not the shrunk primary


def test_two_lesions_that_grew_together_are_divided_and_the_pieces_of_one_are_summed():
    before = grid(_2=(3, 5, slice(4, 7)))
    before[3, 5, 12:14] = 2
    numbers = numbered_lesions(before)
    merged = grid(_2=(3, 5, slice(4, 14)))
    followed = follow(numbers, [2, 2], merged, ISO, reach_mm=2)
    # Columns 4..9 are nearer to 4..6, columns 10..13 to 12..13; column 9 lies as near to both.
    assert followed[3, 5, 4:9].tolist() == [1] * 5 and followed[3, 5, 10:14].tolist() == [2] * 4
    pieces = grid(_2=(3, 5, 4))
    pieces[3, 5, 6] = 2
    rows = responses([0.003, 0.002], [2, 2], follow(numbers, [2, 2], pieces, ISO, reach_mm=2), pieces, 0.001)
    assert [r.after_ml for r in rows] == [0.002, 0]


def test_reach_is_in_millimetres_along_each_axis():
    numbers = grid(_1=(2, 5, 5))
    after = grid(_1=(4, 5, 5))
    assert follow(numbers, [1], after, (3.0, 1.0, 1.0), reach_mm=5).max() == 2
    assert follow(numbers, [1], after, (2.0, 1.0, 1.0), reach_mm=5).max() == 1


def test_share_outside_the_boxes_is_said_per_lesion():
    after = grid(_1=(2, 5, slice(4, 8)))
    numbers = grid(_1=(2, 5, slice(4, 6)))
    outside = np.zeros(after.shape, bool)
    outside[2, 5, 7] = True
    [row] = responses([0.002], [1], follow(numbers, [1], after, ISO, reach_mm=2), after, 0.001, outside=outside)
    assert row.outside_box == 0.25


def test_nothing_before_and_after_gives_no_row():
    empty = grid()
    assert responses([], [], follow(empty, [], empty, ISO, reach_mm=2), empty, 0.001) == ()


def test_noise_that_a_number_of_sixteen_bits_cannot_count_is_refused():
    specks = np.zeros((82, 82, 82), np.uint8)
    specks[::2, ::2, ::2] = 1  # 41 x 41 x 41
    with pytest.raises(WrongQuantityError, match="68921 separate parts"):
        numbered_lesions(specks)
