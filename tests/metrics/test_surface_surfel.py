import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from hyoid.metrics.surface_medpy import border_distances, hd95_medpy
from hyoid.metrics.surface_surfel import (
    hd95_surfel,
    mean_surfel,
    surface_dice,
    surfel_areas_mm2,
    surfel_distances,
)

MASKS = arrays(bool, (4, 5, 6)).filter(np.any)
SPACINGS = st.tuples(*[st.floats(0.3, 5.0)] * 3)


def blobs(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.standard_normal((2, 18, 26, 24)), (0, 2, 3, 3))
    return smooth[0] > 0.03, smooth[0] + 0.5 * smooth[1] > 0.04


def slab(start: int, stop: int) -> np.ndarray:
    mask = np.zeros((30, 40, 40), bool)
    mask[start:stop, 5:35, 5:35] = True
    return mask


def test_areas_by_hand():
    areas = surfel_areas_mm2((1.0, 1.0, 1.0))
    assert areas[0] == areas[255] == 0
    assert areas[1] == pytest.approx(np.sqrt(3) / 8)  # one corner cut off through three edge midpoints
    assert areas[0b11] == pytest.approx(np.sqrt(2) / 2)  # one edge cut off: a rectangle of 1 x 1/sqrt(2)
    assert areas[0b1111] == pytest.approx(1.0)  # a flat face


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.5, 0.9, 0.7), (0.5, 3.0, 2.0)])
def test_areas_equal_monais_table(spacing):
    from monai.metrics.utils import create_table_neighbour_code_to_surface_area

    theirs = np.asarray(create_table_neighbour_code_to_surface_area(spacing)[0])
    np.testing.assert_allclose(surfel_areas_mm2(spacing), theirs, rtol=1e-6)


def test_area_of_a_large_box_is_close_to_its_faces():
    distances = surfel_distances(slab(5, 25), slab(5, 25), (2.0, 1.0, 1.0))
    faces = 2 * 30 * 30 + 4 * 30 * 20 * 2.0
    assert distances.reference_areas_mm2.sum() == pytest.approx(faces, rel=0.03)


def test_shifted_slab_by_hand():
    # Faces 2 x 900 mm^2 move by 2 slices of 1 mm; the sides stay where they are except for a strip of 2 mm.
    distances = surfel_distances(slab(5, 25), slab(7, 27), (1.0, 1.0, 1.0))
    assert hd95_surfel(distances) == 2.0
    assert surface_dice(distances, 2.0) == 1.0
    assert 0.4 < surface_dice(distances, 1.9) < 0.7


def test_tolerance_is_inclusive():
    reference, prediction = np.zeros((3, 3, 9), bool), np.zeros((3, 3, 9), bool)
    reference[1, 1, 2], prediction[1, 1, 6] = True, True
    distances = surfel_distances(reference, prediction, (1.0, 1.0, 1.0))
    assert surface_dice(distances, 4.0) == 1.0
    assert surface_dice(distances, 3.999) == pytest.approx(0.5)
    assert hd95_surfel(distances) == 4.0
    assert mean_surfel(distances) == (3.5, 3.5)


def test_empty_masks_are_missed_or_excluded_and_never_nan():
    nothing, something = np.zeros((3, 3, 3), bool), np.ones((3, 3, 3), bool)
    for pair in ((something, nothing), (nothing, something)):
        distances = surfel_distances(*pair, (1, 1, 1))
        assert hd95_surfel(distances) == np.inf
        assert mean_surfel(distances) == (np.inf, np.inf)
        assert surface_dice(distances, 1000.0) == 0.0
    distances = surfel_distances(nothing, nothing, (1, 1, 1))
    assert hd95_surfel(distances) is mean_surfel(distances) is surface_dice(distances, 1.0) is None


def test_the_two_families_are_two_numbers():
    reference, prediction = blobs(5)
    spacing = (3.0, 1.0, 0.5)
    medpy = hd95_medpy(border_distances(reference, prediction, spacing))
    assert hd95_surfel(surfel_distances(reference, prediction, spacing)) != pytest.approx(medpy, rel=1e-3)


@settings(max_examples=40, deadline=None)
@given(MASKS, MASKS, SPACINGS)
def test_symmetry_flips_permutations_padding(reference, prediction, spacing):
    def numbers(r, p, s):
        distances = surfel_distances(r, p, s)
        return np.array([*sorted(mean_surfel(distances)), surface_dice(distances, 2.5 + 1e-9)])

    expected = numbers(reference, prediction, spacing)
    order = (2, 0, 1)
    for r, p, s in (
        (prediction, reference, spacing),
        (reference[:, ::-1], prediction[:, ::-1], spacing),
        (reference.transpose(order), prediction.transpose(order), tuple(spacing[a] for a in order)),
        (np.pad(reference, 3), np.pad(prediction, 3), spacing),
    ):
        np.testing.assert_allclose(numbers(r, p, s), expected, rtol=1e-9)


@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy.*:FutureWarning")
@pytest.mark.parametrize("seed", range(3))
def test_monais_subvoxel_surface_dice_agrees(seed):
    import torch
    from monai.metrics import compute_surface_dice

    reference, prediction = blobs(seed)
    spacing = (3.0, 0.9, 0.8)
    tensors = [torch.from_numpy(mask)[None, None] for mask in (prediction, reference)]
    theirs = compute_surface_dice(
        *tensors, class_thresholds=[2.0], include_background=True, spacing=spacing, use_subvoxels=True
    )
    ours = surface_dice(surfel_distances(reference, prediction, spacing), 2.0)
    assert ours == pytest.approx(float(theirs), abs=1e-5)
