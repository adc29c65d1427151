import numpy as np
import pytest

from hyoid.errors import UnsuitableScanError
from hyoid.io.files.volumes import read_image, read_labels
from hyoid.preprocess.convex_adam import Settings
from hyoid.preprocess.mr_body import mr_body
from hyoid.preprocess.registration import Registration, block_correlation, carry, register
from hyoid.volume import Geometry, Quantity, Volume

QUICK = Settings(iterations=12, convex_reach=2)


@pytest.fixture(scope="module")
def drawn(make_midrt_case, tmp_path_factory):
    folder = make_midrt_case(tmp_path_factory.mktemp("pair"), "a", seed=3, shrink=1.0)
    image = {k: read_image(folder / f, Quantity.MR) for k, f in (
        ("pre", "preRT/a_preRT_T2.nii.gz"), ("mid", "midRT/a_midRT_T2.nii.gz"))}  # fmt: skip
    labels = {k: read_labels(folder / f) for k, f in (
        ("pre", "preRT/a_preRT_mask.nii.gz"), ("carried", "midRT/a_preRT_mask_registered.nii.gz"))}  # fmt: skip
    return image, labels


@pytest.fixture(scope="module")
def registered(drawn):
    image, _ = drawn
    return register(image["pre"], image["mid"], QUICK)


def overlap(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_outlines_come_to_lie_where_they_belong(drawn, registered):
    image, labels = drawn
    found, _ = registered
    carried = carry(labels["pre"], found, image["mid"].geometry)
    assert set(np.unique(carried.array)) == {0, 1, 2} and carried.quantity is Quantity.LABEL
    for label in (1, 2):
        true = labels["carried"].array == label
        assert overlap(carried.array == label, true) > 0.85
        assert overlap(carried.array == label, true) > overlap(labels["pre"].array == label, true) + 0.05


def test_quality_of_a_good_registration(registered):
    _, quality = registered
    assert quality.body_dice > 0.95 and quality.folding == 0 and quality.covered > 0.9
    assert quality.similarity > 0.7 and quality.similarity >= quality.similarity_rigid - 0.02


def test_a_known_transform_moves_points_as_it_says():
    geometry = Geometry.axial((6, 8, 10), (2.0, 1.0, 1.0))
    labels = np.zeros(geometry.shape, np.uint8)
    labels[2, 3, 4] = 1
    rigid = np.eye(4)
    rigid[:3, 3] = (1.0, -2.0, 4.0)  # pre = mid + (1, -2, 4) mm
    field = np.zeros((3, *geometry.shape), np.float32)
    field[0] = 2.0  # and 2 mm more towards the left, before it
    carried = carry(Volume(labels, geometry, Quantity.LABEL), Registration(rigid, field, geometry), geometry)
    assert np.argwhere(carried.array).tolist() == [[0, 5, 1]]


def test_block_correlation_is_blind_to_contrast_and_sees_disorder():
    rng = np.random.default_rng(0)
    image = rng.random((16, 16, 16)).astype(np.float32)
    inside = np.ones(image.shape, bool)
    assert block_correlation(image, -2 * image, inside) == pytest.approx(-1, abs=1e-5)
    assert abs(block_correlation(image, rng.random(image.shape).astype(np.float32), inside)) < 0.05
    assert block_correlation(image, image, np.zeros(image.shape, bool)) == 0
    assert block_correlation(image[:4], image[:4], inside[:4]) == 0


def test_the_body_is_found_with_its_dark_fat_and_without_noise(drawn):
    image, _ = drawn
    body = mr_body(image["pre"])
    true = image["pre"].array > 100
    assert overlap(body, true) > 0.95
    assert not mr_body(image["pre"].with_array(np.zeros(image["pre"].array.shape, np.float32))).any()


def test_an_image_without_a_body_is_refused(drawn):
    image, _ = drawn
    flat = image["pre"].with_array(np.zeros(image["pre"].array.shape, np.float32))
    with pytest.raises(UnsuitableScanError, match="pre-treatment MR shows no body"):
        register(flat, image["mid"], QUICK)


@pytest.mark.shared
def test_two_real_examinations_of_one_head_agree_after_registration(shared_data):
    names = ("patient01_study1_T2W", "patient01_study2_T2W")
    pre, mid = (read_image(shared_data / "t2_pairs" / f"{n}.nii.gz", Quantity.MR) for n in names)
    _, quality = register(pre, mid, Settings(iterations=20))
    assert quality.similarity > 0.85 and quality.body_dice > 0.95
