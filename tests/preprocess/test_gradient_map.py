import dataclasses

import numpy as np
import pytest

from hyoid.geometry.boxes import Box
from hyoid.preprocess.gradient_map import PRESETS, TumourBox, gradient_map, share_outside, tumour_boxes

ISO = (1.0, 1.0, 1.0)


def box_of(start, stop, label=1):
    return TumourBox(label, Box(start, stop), Box(start, stop))


def step_along_columns(shape=(12, 12, 12), at=6, low=10.0, high=110.0):
    image = np.full(shape, low)
    image[:, :, at:] = high
    return image


def test_every_component_of_every_label_gets_a_box_within_the_margins_of_its_preset():
    labels = np.zeros((60, 60, 60), np.uint8)
    labels[20:23, 20:22, 20] = 1
    labels[20:23, 40, 40] = 2
    labels[45, 20, 20] = 2
    for name, low, high in (("paper", (2, 6), (2, 6)), ("code", (4, 7), (3, 6))):
        rng = np.random.default_rng(3)
        seen_low, seen_high = set(), set()
        for _ in range(60):
            boxes = tumour_boxes(labels, (2.0, 0.5, 0.5), PRESETS[name], rng)
            assert [b.label for b in boxes] == [1, 2, 2]
            assert boxes[0].tight == Box((20, 20, 20), (23, 22, 21))
            for found in boxes:
                seen_low |= {a - b for a, b in zip(found.tight.start, found.box.start, strict=True)}
                seen_high |= {b - a for a, b in zip(found.tight.stop, found.box.stop, strict=True)}
        assert (min(seen_low), max(seen_low)) == low
        assert (min(seen_high), max(seen_high)) == high


def test_millimetre_margins_are_as_long_along_the_body_as_across_it():
    labels = np.zeros((40, 80, 80), np.uint8)
    labels[20, 40, 40] = 1
    [found] = tumour_boxes(labels, (2.0, 0.5, 0.5), PRESETS["hyoid"])  # 7.5 mm
    assert found.box == Box((16, 25, 25), (25, 56, 56))


def test_a_margin_ends_at_the_edge_of_the_image_and_a_seed_gives_the_same_boxes():
    labels = np.zeros((3, 9, 9), np.uint8)
    labels[0, 0, 8] = 1
    first = tumour_boxes(labels, ISO, PRESETS["code"], np.random.default_rng(5))
    assert first == tumour_boxes(labels, ISO, PRESETS["code"], np.random.default_rng(5))
    assert first[0].box.start[0] == 0 and first[0].box.stop[2] == 9


def test_paper_the_edge_of_a_step_is_one_and_what_is_flat_is_zero():
    image = step_along_columns()
    image[0, 0, 0] = 210.0  # the image's maximum lies outside the box: the map is scaled to the box's own gradient
    found = gradient_map(image, [box_of((3, 3, 2), (9, 9, 10))], ISO, PRESETS["paper"])
    # A step blurred with sigma 1 has equal, largest gradient in the two voxels beside it.
    assert np.allclose(found[5, 5, 5:7], 1, atol=1e-6)
    assert found[5, 5, 2] < 0.01 and not found[:3].any() and not found[:, :, 10:].any()
    # Derivative of a sampled Gaussian over a step: sums of k exp(-k^2 / 2) from k = 1, 0.9118, and from k = 2, 0.3053.
    assert found[5, 5, 4] == pytest.approx(0.3053 / 0.9118, abs=0.002)


def test_code_doubles_and_cuts_so_that_half_the_largest_gradient_is_already_one():
    image = step_along_columns()
    paper = gradient_map(image, [box_of((3, 3, 2), (9, 9, 10))], ISO, PRESETS["paper"])
    code = gradient_map(image, [box_of((3, 3, 2), (9, 9, 10))], ISO, PRESETS["code"])
    assert np.allclose(code, np.minimum(1, 2 * paper), atol=1e-6)


def test_a_flat_box_is_ones_in_the_authors_code_and_zeros_elsewhere():
    image = np.full((8, 8, 8), 7, np.int16)
    box = box_of((2, 2, 2), (6, 6, 6))
    assert (gradient_map(image, [box], ISO, PRESETS["code"])[2:6, 2:6, 2:6] == 1).all()
    assert not gradient_map(image, [box], ISO, PRESETS["hyoid"]).any()
    assert not gradient_map(image, [box], ISO, PRESETS["paper"]).any()


def test_later_boxes_overwrite_in_the_authors_code_and_the_larger_value_stays_in_ours():
    image = step_along_columns()
    image[:, :, 9:] = 111.0  # a faint second edge, which is all that the second box sees
    first, second = box_of((2, 2, 2), (10, 10, 10)), box_of((2, 2, 7), (10, 10, 12))
    alone = gradient_map(image, [second], ISO, PRESETS["code"])
    both = gradient_map(image, [first, second], ISO, PRESETS["code"])
    assert np.array_equal(both[second.box.slices], alone[second.box.slices])
    for name in ("paper", "hyoid"):
        apart = [gradient_map(image, [b], ISO, PRESETS[name]) for b in (first, second)]
        assert np.array_equal(gradient_map(image, [first, second], ISO, PRESETS[name]), np.maximum(*apart))


def test_hyoid_counts_the_slope_per_millimetre_whatever_the_voxels():
    # The same ramp of 1 per mm along the slices and along the columns: equal gradients although voxels are 4:1.
    z, x = np.arange(24) * 2.0, np.arange(64) * 0.5
    image = (z[:, None, None] + x[None, None, :]) * np.ones((24, 24, 64))
    no_cut = dataclasses.replace(PRESETS["hyoid"], quantile=0.0)
    found = gradient_map(image, [box_of((8, 8, 20), (16, 16, 44))], (2.0, 0.5, 0.5), no_cut)
    assert not found.any() or np.ptp(found[8:16, 8:16, 20:44]) < 1e-4
    voxelwise = gradient_map(image, [box_of((8, 8, 20), (16, 16, 44))], (2.0, 0.5, 0.5), PRESETS["paper"])
    assert np.ptp(voxelwise[8:16, 8:16, 20:44]) > 0.5  # faces of the box alone change the paper's


def test_integers_and_floats_give_the_same_map():
    image = np.random.default_rng(0).integers(0, 4000, (10, 10, 10))
    for preset in PRESETS.values():
        maps = [gradient_map(image.astype(t), [box_of((2, 2, 2), (8, 8, 8))], ISO, preset) for t in ("u2", "f8")]
        assert np.array_equal(*maps)
        assert maps[0].min() >= 0 and maps[0].max() <= 1


def test_nothing_outlined_gives_no_box_and_an_empty_map():
    assert tumour_boxes(np.zeros((4, 4, 4), np.uint8), ISO, PRESETS["hyoid"]) == ()
    assert not gradient_map(np.ones((4, 4, 4)), (), ISO, PRESETS["hyoid"]).any()


def test_a_mirrored_patient_has_a_mirrored_map():
    rng = np.random.default_rng(1)
    image, labels = rng.random((16, 16, 16)), np.zeros((16, 16, 16), np.uint8)
    labels[6:9, 6:9, 4:7] = 1
    maps = [
        gradient_map(i, tumour_boxes(m, ISO, PRESETS["hyoid"]), ISO, PRESETS["hyoid"])
        for i, m in ((image, labels), (image[:, :, ::-1], labels[:, :, ::-1]))
    ]
    assert np.allclose(maps[1][:, :, ::-1], maps[0], atol=1e-5)


def test_share_of_tumour_outside_its_boxes():
    labels = np.zeros((4, 4, 8), np.uint8)
    labels[1, 1, 0:4] = 1
    labels[2, 2, 6] = 2
    assert share_outside(labels, [box_of((0, 0, 0), (4, 4, 3))]) == {1: 0.25, 2: 1.0}
