import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from hyoid.metrics.surface_medpy import (
    assd_medpy,
    assd_medpy_040,
    border,
    border_distances,
    hd95_medpy,
)

MASKS = arrays(bool, (4, 5, 6)).filter(np.any)
SPACINGS = st.tuples(*[st.floats(0.3, 5.0)] * 3)
METRICS = (hd95_medpy, assd_medpy, assd_medpy_040)


MONAI_WARNS = pytest.mark.filterwarnings("ignore:.*always_return_as_numpy.*:FutureWarning")


def blobs(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.standard_normal((2, 18, 26, 24)), (0, 2, 3, 3))
    return smooth[0] > 0.03, smooth[0] + 0.5 * smooth[1] > 0.04


def box(start: int, stop: int) -> np.ndarray:
    mask = np.zeros((4, 4, 12), bool)
    mask[1:3, 1:3, start:stop] = True
    return mask


def test_shifted_box_by_hand():
    # Every voxel of 2 x 2 x 2 boxes is border; shifted by 1 column of 3 mm, half the voxels coincide.
    distances = border_distances(box(2, 4), box(3, 5), (1.0, 1.0, 3.0))
    assert sorted(distances.together_mm) == [0.0] * 8 + [3.0] * 8
    assert hd95_medpy(distances) == 3.0
    assert assd_medpy(distances) == 1.5


def test_concatenation_and_mean_of_means_differ_when_sizes_do():
    small, large = box(2, 3), box(2, 8)
    distances = border_distances(small, large, (1.0, 1.0, 1.0))
    there, back = distances.reference_to_prediction_mm, distances.prediction_to_reference_mm
    assert assd_medpy(distances) == pytest.approx((there.sum() + back.sum()) / (len(there) + len(back)))
    assert assd_medpy_040(distances) == pytest.approx((there.mean() + back.mean()) / 2)
    assert assd_medpy(distances) != pytest.approx(assd_medpy_040(distances))


def test_empty_masks_are_missed_or_excluded_and_never_nan():
    nothing, something = np.zeros((3, 3, 3), bool), np.ones((3, 3, 3), bool)
    for metric in METRICS:
        assert metric(border_distances(something, nothing, (1, 1, 1))) == np.inf
        assert metric(border_distances(nothing, something, (1, 1, 1))) == np.inf
        assert metric(border_distances(nothing, nothing, (1, 1, 1))) is None


def test_single_voxels_and_the_edge_of_the_image():
    reference, prediction = np.zeros((2, 2, 2), bool), np.zeros((2, 2, 2), bool)
    reference[0, 0, 0], prediction[1, 1, 1] = True, True
    assert hd95_medpy(border_distances(reference, prediction, (2.0, 3.0, 6.0))) == 7.0
    full = np.ones((5, 5, 5), bool)
    assert border(np.pad(full, 1)).sum() == 125 - 27


def test_anisotropic_spacing_matters_and_has_the_order_of_the_array():
    reference, prediction = blobs(1)
    right = hd95_medpy(border_distances(reference, prediction, (3.0, 1.0, 0.5)))
    swapped = hd95_medpy(border_distances(reference, prediction, (0.5, 1.0, 3.0)))
    assert right != pytest.approx(swapped, rel=0.01)


@settings(max_examples=40, deadline=None)
@given(MASKS, MASKS, SPACINGS)
def test_symmetry_flips_permutations_padding(reference, prediction, spacing):
    expected = [metric(border_distances(reference, prediction, spacing)) for metric in METRICS]

    def check(r, p, s):
        assert [metric(border_distances(r, p, s)) for metric in METRICS] == pytest.approx(expected)

    check(prediction, reference, spacing)
    check(reference[:, ::-1], prediction[:, ::-1], spacing)
    order = (2, 0, 1)
    check(reference.transpose(order), prediction.transpose(order), tuple(spacing[a] for a in order))
    check(np.pad(reference, 3), np.pad(prediction, 3), spacing)


@pytest.mark.parametrize("seed", range(4))
def test_medpy_agrees(seed):
    medpy = pytest.importorskip("medpy.metric.binary")
    reference, prediction = blobs(seed)
    spacing = (3.0, 0.9, 0.8)
    distances = border_distances(reference, prediction, spacing)
    assert hd95_medpy(distances) == pytest.approx(medpy.hd95(prediction, reference, spacing), abs=1e-12)
    assert assd_medpy(distances) == pytest.approx(medpy.assd(prediction, reference, spacing), abs=1e-12)


@MONAI_WARNS
@pytest.mark.parametrize("seed", range(3))
def test_monai_takes_the_larger_of_two_directional_percentiles(seed):
    # Convention: MONAI's HD95 is the maximum of the two 95th percentiles, not the percentile of the concatenation. Its
    # border is also the mask without its erosion.
    import torch
    from monai.metrics import compute_hausdorff_distance

    reference, prediction = blobs(seed)
    spacing = (3.0, 0.9, 0.8)
    distances = border_distances(reference, prediction, spacing)
    tensors = [torch.from_numpy(mask)[None, None] for mask in (prediction, reference)]
    theirs = float(compute_hausdorff_distance(*tensors, include_background=True, percentile=95, spacing=spacing))
    directions = (distances.reference_to_prediction_mm, distances.prediction_to_reference_mm)
    assert max(float(np.percentile(d, 95)) for d in directions) == pytest.approx(theirs, abs=1e-4)


@MONAI_WARNS
def test_monai_loses_a_missed_lesion_that_hyoid_counts():
    import torch
    from monai.metrics import compute_hausdorff_distance

    reference, nothing = np.zeros((4, 4, 4), bool), np.zeros((4, 4, 4), bool)
    reference[1:3, 1:3, 1:3] = True
    tensors = [torch.from_numpy(mask)[None, None] for mask in (nothing, reference)]
    with pytest.warns(UserWarning):
        theirs = float(compute_hausdorff_distance(*tensors, include_background=True, percentile=95))
    assert np.isnan(theirs)  # and a mean over cases then leaves it out
    assert hd95_medpy(border_distances(reference, nothing, (1, 1, 1))) == np.inf


def test_simpleitk_measures_from_every_voxel_of_the_mask():
    # Convention: SimpleITK's Hausdorff distance is that of filled masks, so it never exceeds that of the borders.
    reference, prediction = blobs(2)
    images = [sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in (reference, prediction)]
    for image in images:
        image.SetSpacing((0.8, 0.9, 3.0))
    measure = sitk.HausdorffDistanceImageFilter()
    measure.Execute(*images)
    distances = border_distances(reference, prediction, (3.0, 0.9, 0.8))
    filled = [
        ndimage.distance_transform_edt(~b, sampling=(3.0, 0.9, 0.8))[a].max()
        for a, b in ((reference, prediction), (prediction, reference))
    ]
    assert measure.GetHausdorffDistance() == pytest.approx(max(filled), abs=1e-4)
    assert measure.GetHausdorffDistance() <= distances.together_mm.max() + 1e-9
