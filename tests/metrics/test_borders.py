import numpy as np
import pytest
from scipy import ndimage

from hyoid.errors import GeometryError
from hyoid.metrics.borders import checked_spacing, cropped_and_padded, nearest_distances_mm


def test_crop_keeps_the_union_and_adds_a_rim():
    reference, prediction = np.zeros((5, 6, 7), bool), np.zeros((5, 6, 7), bool)
    reference[0, 0, 0], prediction[1, 2, 3] = True, True
    cropped_reference, cropped_prediction = cropped_and_padded(reference, prediction)
    assert cropped_reference.shape == (4, 5, 6)
    assert cropped_reference[1, 1, 1] and cropped_reference.sum() == 1
    assert cropped_prediction[2, 3, 4] and cropped_prediction.sum() == 1


def test_nothing_to_crop():
    assert cropped_and_padded(np.zeros((2, 2, 2), bool), np.zeros((2, 2, 2), bool)) is None


def test_nearest_distances_equal_a_distance_transform():
    rng = np.random.default_rng(3)
    a, b = rng.random((9, 10, 11)) < 0.1, rng.random((9, 10, 11)) < 0.05
    spacing = (3.0, 0.7, 1.1)
    expected = ndimage.distance_transform_edt(~b, sampling=spacing)[a]
    np.testing.assert_allclose(nearest_distances_mm(a, b, spacing), expected, rtol=0, atol=1e-12)


def test_no_target_is_infinitely_far():
    mask = np.ones((1, 1, 2), bool)
    assert np.isinf(nearest_distances_mm(mask, ~mask, (1, 1, 1))).all()
    assert nearest_distances_mm(~mask, mask, (1, 1, 1)).size == 0


@pytest.mark.parametrize("spacing", [(1, 1), (1, 0, 1), (1, np.nan, 1), (-1, 1, 1)])
def test_bad_spacing_is_refused(spacing):
    with pytest.raises(GeometryError, match="three positive lengths"):
        checked_spacing(spacing)
