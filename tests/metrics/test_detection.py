import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from hyoid.errors import UsageError
from hyoid.metrics.detection import (
    CONNECTIVITIES,
    Detection,
    Matcher,
    component_overlap,
    detect,
    match_grouped,
    match_one_to_one,
    set_f1,
)

MASKS = arrays(bool, (4, 4, 4))


def line(*pieces: tuple[int, int], length: int = 30) -> np.ndarray:
    mask = np.zeros((1, 1, length), bool)
    for start, stop in pieces:
        mask[..., start:stop] = True
    return mask


def found(reference, prediction, matcher=Matcher.ONE_TO_ONE, connectivity=26, iou_above=0.3):
    return detect(
        component_overlap(reference, prediction, connectivity=connectivity), matcher=matcher, iou_above=iou_above
    )


def test_threshold_is_strict():
    # 3 shared of a union of 10: IoU is exactly 0.3.
    reference, prediction = line((0, 10)), line((0, 3))
    assert found(reference, prediction) == Detection(0, 1, 1)
    assert found(reference, prediction, iou_above=0.29) == Detection(1, 0, 0)


def test_one_to_one_lets_a_lesion_be_found_once():
    reference, prediction = line((0, 10)), line((0, 4), (5, 10))
    assert found(reference, prediction) == Detection(1, 1, 0)
    assert found(reference, prediction, Matcher.GROUPED) == Detection(1, 0, 0)


def test_grouping_finds_what_no_piece_finds():
    reference, prediction = line((0, 12)), line((0, 3), (4, 7), (8, 11))
    assert found(reference, prediction) == Detection(0, 3, 1)
    assert found(reference, prediction, Matcher.GROUPED) == Detection(1, 0, 0)


def test_one_to_one_prefers_more_pairs_over_one_better_pair():
    # The second lesion can only pair with the prediction that the first one likes best.
    reference = line((0, 10), (11, 16))
    prediction = line((0, 4), (5, 16))
    pairs = match_one_to_one(component_overlap(reference, prediction, connectivity=26), iou_above=0.3)
    assert pairs == {0: 0, 1: 1}


def test_grouped_assigns_a_prediction_to_the_lesion_it_covers_most():
    reference, prediction = line((0, 5), (6, 8)), line((0, 8))
    groups = match_grouped(component_overlap(reference, prediction, connectivity=26), iou_above=0.3)
    assert groups == {0: (0,)}


def test_corner_contact_depends_on_connectivity():
    mask = np.zeros((2, 2, 2), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = True
    counts = [len(component_overlap(mask, mask, connectivity=c).reference_voxels) for c in CONNECTIVITIES]
    assert counts == [2, 2, 1]
    mask[:] = False
    mask[0, 0, 0] = mask[0, 1, 1] = True
    assert [len(component_overlap(mask, mask, connectivity=c).reference_voxels) for c in CONNECTIVITIES] == [2, 1, 1]


def test_unknown_connectivity_is_refused():
    with pytest.raises(UsageError, match="Choose 6, 18 or 26"):
        component_overlap(np.ones((1, 1, 1), bool), np.ones((1, 1, 1), bool), connectivity=8)


@pytest.mark.parametrize("matcher", list(Matcher))
def test_empty_masks(matcher):
    nothing, one = line(), line((3, 4))
    assert found(nothing, nothing, matcher) == Detection(0, 0, 0)
    assert found(one, nothing, matcher) == Detection(0, 0, 1)
    assert found(nothing, one, matcher) == Detection(0, 1, 0)
    assert found(one, one, matcher) == Detection(1, 0, 0)


def test_set_f1_sums_before_it_divides():
    cases = [Detection(3, 0, 0), Detection(0, 1, 1)]
    assert set_f1(cases) == pytest.approx(6 / 8)
    assert set_f1([Detection(0, 0, 0)]) is None


@settings(max_examples=40, deadline=None)
@given(MASKS, MASKS)
def test_components_and_shared_voxels_against_scipy(reference, prediction):
    for connectivity, rank in zip(CONNECTIVITIES, (1, 2, 3), strict=True):
        structure = ndimage.generate_binary_structure(3, rank)
        labels, n = ndimage.label(reference, structure)
        overlap = component_overlap(reference, prediction, connectivity=connectivity)
        assert sorted(overlap.reference_voxels) == sorted(np.bincount(labels.ravel(), minlength=n + 1)[1:])
        assert overlap.shared_voxels.sum() == (reference & prediction).sum()


@settings(max_examples=40, deadline=None)
@given(MASKS, MASKS)
def test_counts_add_up_and_swap_when_the_masks_do(reference, prediction):
    overlap = component_overlap(reference, prediction, connectivity=26)
    for matcher in Matcher:
        detection = detect(overlap, matcher=matcher, iou_above=0.3)
        assert detection.true_positive + detection.false_negative == len(overlap.reference_voxels)
        assert detection.false_positive >= 0
    forth, back = found(reference, prediction), found(prediction, reference)
    assert forth == Detection(back.true_positive, back.false_negative, back.false_positive)


@settings(max_examples=40, deadline=None)
@given(MASKS, MASKS)
def test_flips_permutations_and_padding_do_not_matter(reference, prediction):
    expected = found(reference, prediction)
    assert found(reference[::-1, :, ::-1], prediction[::-1, :, ::-1]) == expected
    assert found(reference.transpose(2, 0, 1), prediction.transpose(2, 0, 1)) == expected
    assert found(np.pad(reference, 2), np.pad(prediction, 2)) == expected
