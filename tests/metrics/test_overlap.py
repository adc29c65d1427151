import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hyoid.errors import GeometryError
from hyoid.metrics.overlap import EmptyRule, Overlap, dice, measure_overlap, pooled_dice

MASKS = arrays(bool, (3, 4, 5))


def test_counts_by_hand():
    reference = np.zeros((2, 2, 2), bool)
    prediction = np.zeros((2, 2, 2), bool)
    reference[0] = True
    prediction[:, 0] = True
    overlap = measure_overlap(reference, prediction, voxel_mm3=3.0)
    assert overlap == Overlap(4, 4, 2, 3.0)
    assert overlap.reference_ml == pytest.approx(0.012)
    assert overlap.twice_shared_mm3 == 12.0
    assert overlap.sum_mm3 == 24.0


@pytest.mark.parametrize(
    ("rule", "both", "missed", "invented"),
    [
        (EmptyRule.BOTH_EMPTY_IS_ONE, 1.0, 0.0, 0.0),
        (EmptyRule.EMPTY_IS_ZERO, 0.0, 0.0, 0.0),
        (EmptyRule.BOTH_EMPTY_EXCLUDED, None, 0.0, 0.0),
        (EmptyRule.REFERENCE_EMPTY_EXCLUDED, None, 0.0, None),
        (EmptyRule.ANY_EMPTY_EXCLUDED, None, None, None),
    ],
)
def test_every_rule_for_empty_masks(rule, both, missed, invented):
    assert dice(Overlap(0, 0, 0, 1.0), rule) == both
    assert dice(Overlap(5, 0, 0, 1.0), rule) == missed
    assert dice(Overlap(0, 5, 0, 1.0), rule) == invented
    assert dice(Overlap(4, 4, 2, 1.0), rule) == 0.5


def test_flags_name_the_three_empty_situations():
    assert Overlap(5, 0, 0, 1.0).missed and not Overlap(5, 1, 0, 1.0).missed
    assert Overlap(0, 5, 0, 1.0).false_positive and not Overlap(1, 5, 0, 1.0).false_positive
    assert Overlap(0, 0, 0, 1.0).both_empty and not Overlap(1, 0, 0, 1.0).both_empty


def test_aggregate_pools_volumes_and_not_voxels():
    coarse, fine = Overlap(10, 10, 10, 8.0), Overlap(100, 100, 0, 1.0)
    assert pooled_dice([coarse, fine]).value == pytest.approx(160 / 360)
    assert pooled_dice([coarse, fine]).value != pytest.approx(20 / 220)


def test_aggregate_and_empty_masks():
    case = Overlap(4, 4, 3, 1.0)
    assert pooled_dice([case, Overlap(0, 0, 0, 1.0)]).value == pooled_dice([case]).value
    assert pooled_dice([case, Overlap(0, 8, 0, 1.0)]).value == pytest.approx(6 / 16)
    assert pooled_dice([Overlap(0, 0, 0, 1.0)]).value is None
    assert pooled_dice([]).value is None


def test_different_grids_are_refused():
    with pytest.raises(GeometryError, match=r"\(1, 1, 2\) and \(1, 2, 1\).*resample"):
        measure_overlap(np.ones((1, 1, 2), bool), np.ones((1, 2, 1), bool), 1.0)
    with pytest.raises(GeometryError, match="one grid"):
        measure_overlap(np.ones((2, 2), bool), np.ones((2, 2), bool), 1.0)


@given(MASKS, MASKS)
def test_symmetric_and_between_0_and_1(reference, prediction):
    forth = dice(measure_overlap(reference, prediction, 1.0), EmptyRule.BOTH_EMPTY_IS_ONE)
    back = dice(measure_overlap(prediction, reference, 1.0), EmptyRule.BOTH_EMPTY_IS_ONE)
    assert forth == back
    assert 0.0 <= forth <= 1.0
    assert (forth == 1.0) == np.array_equal(reference, prediction)


@given(st.lists(st.tuples(MASKS, MASKS, st.floats(0.1, 10)), min_size=1, max_size=4), st.randoms())
def test_order_of_cases_does_not_matter(cases, random):
    overlaps = [measure_overlap(*case) for case in cases]
    shuffled = list(overlaps)
    random.shuffle(shuffled)
    assert pooled_dice(shuffled).value == pytest.approx(pooled_dice(overlaps).value)


@given(MASKS, MASKS)
def test_simpleitk_agrees_where_a_mask_is_not_empty(reference, prediction):
    if not reference.any() and not prediction.any():
        return
    measure = sitk.LabelOverlapMeasuresImageFilter()
    measure.Execute(*(sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in (reference, prediction)))
    expected = measure.GetDiceCoefficient()
    assert dice(measure_overlap(reference, prediction, 1.0), EmptyRule.BOTH_EMPTY_IS_ONE) == pytest.approx(expected)
