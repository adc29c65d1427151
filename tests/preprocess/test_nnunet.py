import numpy as np
import pytest
from scipy import ndimage

from hyoid.errors import InputRefusedError
from hyoid.geometry.boxes import Box
from hyoid.preprocess.nnunet import (
    new_shape,
    nonzero_box,
    nonzero_region,
    normalised,
    resampled,
    resampled_labels,
    thick_axis,
)

CT = {"mean": 10.0, "std": 4.0, "percentile_00_5": -20.0, "percentile_99_5": 30.0}


def noise(shape, seed=0):
    return ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1.0)


def by_nnunet(array, shape, order):
    """What skimage.transform.resize(mode="edge", anti_aliasing=False) does."""
    zoom = [m / n for n, m in zip(array.shape, shape, strict=True)]
    out = ndimage.zoom(array, zoom, order=order, mode="nearest", grid_mode=True)
    return np.clip(out, array.min(), array.max())


def test_crop_keeps_every_channel():
    scan = np.zeros((2, 6, 7, 8))
    scan[0, 2, 3, 4], scan[1, 4, 1, 6] = 1, -1
    assert nonzero_box(scan) == Box((2, 1, 4), (5, 4, 7))
    assert nonzero_box(np.zeros((1, 3, 3, 3))) == Box((0, 0, 0), (3, 3, 3))


def test_holes_belong_to_the_region():
    scan = np.zeros((1, 5, 5, 5))
    scan[0, 1:4, 1:4, 1:4] = 1
    scan[0, 2, 2, 2] = 0
    assert nonzero_region(scan).sum() == 27


def test_normalisations_by_hand():
    channel = np.array([[[-100.0, 10.0, 14.0, 100.0]]])
    assert normalised(channel, "CTNormalization", region=None, intensities=CT).ravel().tolist() == [-7.5, 0, 1, 5]
    assert normalised(channel, "NoNormalization", region=None, intensities={}).ravel().tolist() == [-100, 10, 14, 100]
    scaled = normalised(channel, "RescaleTo01Normalization", region=None, intensities={})
    assert scaled.ravel().tolist() == pytest.approx([0, 0.55, 0.57, 1])
    z = normalised(channel, "ZScoreNormalization", region=None, intensities={})
    assert z.mean() == pytest.approx(0, abs=1e-6)
    assert z.std() == pytest.approx(1)
    region = np.array([[[False, True, True, False]]])
    inside = normalised(channel, "ZScoreNormalization", region=region, intensities={})
    assert inside.ravel().tolist() == [-100, -1, 1, 100]
    with pytest.raises(InputRefusedError):
        normalised(channel, "RGBTo01Normalization", region=None, intensities={})


def test_shapes_round_halves_to_even():
    assert new_shape((5, 7), (1.0, 1.0), (2.0, 2.0)) == (2, 4)


@pytest.mark.parametrize(
    ("spacing", "target", "separate", "axis"),
    [
        ((5, 1, 1), (1, 1, 1), None, 0),
        ((1, 1, 1), (1, 1, 4), None, 2),
        ((3, 1, 1), (3, 1, 1), None, None),
        ((0.24, 1.25, 1.25), (1, 1, 1), None, None),
        ((5, 1, 1), (1, 1, 1), False, None),
        ((2, 1, 1), (1, 1, 1), True, 0),
    ],
)
def test_thick_slices_are_found_as_nnunet_finds_them(spacing, target, separate, axis):
    assert thick_axis(spacing, target, separate=separate) == axis


@pytest.mark.parametrize("order", [1, 3])
def test_resampling_is_scipys_zoom(order):
    array = noise((11, 14, 9))
    found = resampled(array[None], (17, 10, 9), order=order, order_z=0, thick=None)[0]
    assert np.abs(found - by_nnunet(array, (17, 10, 9), order)).max() < 1e-5


def test_thick_slices_are_resized_in_the_plane_and_repeated_across():
    array = noise((6, 12, 10))
    found = resampled(array[None], (9, 20, 7), order=3, order_z=0, thick=0)[0]
    planes = np.stack([by_nnunet(s, (20, 7), 3) for s in array])
    coordinates = np.mgrid[:9, :20, :7] + 0.0
    coordinates[0] = 6 / 9 * (coordinates[0] + 0.5) - 0.5
    wanted = ndimage.map_coordinates(planes, coordinates, order=0, mode="nearest")
    assert np.abs(found - wanted).max() < 1e-5


def test_labels_never_mix():
    labels = np.zeros((8, 8, 8), np.uint8)
    labels[2:6, 2:6, 2:6], labels[3:5, 3:5, 3:5] = 3, 7
    found = resampled_labels(labels, (16, 16, 16), order=1, order_z=0, thick=None)
    assert set(np.unique(found)) == {0, 3, 7}
    # Each corner holds 0.75 ** 3 of the label, less than one half.
    assert (found == 7).sum() == 64 - 8
    assert resampled_labels(labels, (8, 8, 8), order=1, order_z=0, thick=None) is labels
