import numpy as np
import pytest

from hyoid.geometry.overlap import dice_of_masks


def test_dice_by_hand():
    a, b = np.zeros((2, 4), bool)
    a[:2], b[1:4] = True, True
    assert dice_of_masks(a, b) == 2 / 5
    assert dice_of_masks(a, b) == dice_of_masks(b, a)
    assert dice_of_masks(a, ~a) == 0
    assert dice_of_masks(a, a) == 1


@pytest.mark.parametrize("empty", [0.0, 1.0])
def test_two_empty_masks_are_what_the_caller_says(empty):
    nothing = np.zeros((2, 3, 4), bool)
    assert dice_of_masks(nothing, nothing, empty=empty) == empty
    assert dice_of_masks(nothing, ~nothing, empty=empty) == 0
