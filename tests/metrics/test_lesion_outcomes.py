import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from hyoid.metrics.detection import component_overlap
from hyoid.metrics.lesion_outcomes import Outcome, lesion_outcomes

MASKS = arrays(bool, (3, 4, 5))


def line(*pieces: tuple[int, int]) -> np.ndarray:
    mask = np.zeros((1, 1, 40), bool)
    for start, stop in pieces:
        mask[..., start:stop] = True
    return mask


def outcomes(reference, prediction):
    components = component_overlap(reference, prediction, connectivity=26)
    return lesion_outcomes(components, voxel_mm3=500.0)


@pytest.mark.parametrize(
    ("reference", "prediction", "expected"),
    [
        ([(0, 5)], [(1, 6)], ["detected"]),
        ([(0, 5)], [], ["missed"]),
        ([], [(0, 5)], ["false_positive"]),
        ([(0, 9)], [(0, 4), (5, 9)], ["split"]),
        ([(0, 4), (5, 9)], [(0, 9)], ["merged", "merged"]),
        ([(0, 4), (5, 12)], [(0, 8), (9, 12)], ["merged", "split_and_merged"]),
        ([(0, 5)], [(20, 22)], ["missed", "false_positive"]),
    ],
)
def test_every_outcome(reference, prediction, expected):
    assert [str(lesion.outcome) for lesion in outcomes(line(*reference), line(*prediction))] == expected


def test_a_graze_is_a_miss_and_a_false_positive():
    # 1 voxel of 20 shared: 5 % of the smaller component.
    lesions = outcomes(line((0, 20)), line((19, 39)))
    assert [str(lesion.outcome) for lesion in lesions] == ["missed", "false_positive"]
    assert lesions[0].largest_iou == pytest.approx(1 / 39)


def test_numbers_of_a_split_lesion():
    lesion = outcomes(line((0, 8)), line((0, 3), (4, 8)))[0]
    assert lesion.volume_ml == 4.0
    assert lesion.iou == pytest.approx(7 / 8)
    assert lesion.largest_iou == pytest.approx(4 / 8)
    assert lesion.centroid_index == (0.0, 0.0, 3.5)


@settings(max_examples=50, deadline=None)
@given(MASKS, MASKS)
def test_every_lesion_has_one_outcome_and_flipping_changes_none(reference, prediction):
    lesions = outcomes(reference, prediction)
    components = component_overlap(reference, prediction, connectivity=26)
    assert sum(lesion.outcome is not Outcome.FALSE_POSITIVE for lesion in lesions) == len(components.reference_voxels)
    flipped = outcomes(reference[::-1, ::-1], prediction[::-1, ::-1])
    assert sorted(str(lesion.outcome) for lesion in lesions) == sorted(str(lesion.outcome) for lesion in flipped)
