from dataclasses import replace

import numpy as np
import pytest

from hyoid.errors import UnsuitableScanError, WrongQuantityError
from hyoid.geometry.boxes import Box, crop
from hyoid.io.study import read_study
from hyoid.preprocess.gate import check_head_neck_ct, look
from hyoid.volume import Geometry, Quantity, Volume


def part(volume, from_mm, to_mm):
    spacing = volume.geometry.spacing_mm[0]
    shape = volume.array.shape
    return crop(volume, Box((int(from_mm / spacing), 0, 0), (min(shape[0], int(to_mm / spacing)), *shape[1:])))


def flipped(volume, axes):
    return volume.with_array(np.ascontiguousarray(np.flip(volume.array, axes)))


def test_head_and_neck_passes_without_a_word(make_person):
    assert check_head_neck_ct(make_person()) == ()


def test_measured_lengths_are_those_of_the_drawing(make_person):
    seen = look(make_person())
    # The neck is narrower than 450 cm2 from about 80 mm upward; the airway ends at 225 mm.
    assert seen.neck_mm == pytest.approx(140, abs=12)
    assert seen.column_mm == pytest.approx(225, abs=9)
    assert seen.brain_mm == pytest.approx(90, abs=15)
    assert seen.lungs_ml == pytest.approx(2 * np.pi * 60 * 45 * 55 / 1000, rel=0.25)
    assert not seen.upside_down and not seen.back_to_front
    assert seen.body_hu == 30


def test_storage_order_does_not_matter(make_person):
    volume = make_person()
    stored = np.ascontiguousarray(volume.array[::-1, :, ::-1])
    matrix = volume.geometry.ijk_to_lps.copy()
    matrix[:3, 3] = volume.geometry.to_lps((volume.array.shape[0] - 1, 0, volume.array.shape[2] - 1))
    matrix[:3, [0, 2]] *= -1
    assert check_head_neck_ct(Volume(stored, Geometry(stored.shape, matrix), Quantity.HU)) == ()


def test_little_neck_is_a_warning(make_person):
    (warning,) = check_head_neck_ct(part(make_person(), 10, 115))
    assert "mm of the neck are in the field of view" in warning


def test_shoulders_without_lungs_are_a_warning(make_person):
    (warning,) = check_head_neck_ct(part(make_person((150, 130, 230), lungs=False), 0, 105))
    assert "neck" in warning


@pytest.mark.parametrize(
    ("words", "change"),
    [
        ("needs 100, 120 and 120 mm", lambda v: part(v, 90, 180)),
        ("needs 100, 120 and 120 mm", lambda v: crop(v, Box((0, 0, 90), (*v.array.shape[:2], 140)))),
        ("scan stands on its head", lambda v: flipped(v, 0)),
        ("stored back to front", lambda v: flipped(v, 1)),
        ("between 0 and 255", lambda v: v.with_array((v.array + 1000.0) * 255 / 1900)),
        ("between -160 and 240", lambda v: v.with_array(np.clip(v.array, -160, 240))),
        ("not Hounsfield units", lambda v: v.with_array(np.where(v.array > -500, v.array + 400, v.array))),
    ],
)
def test_unsuitable_scans_are_refused_with_the_reason(make_person, words, change):
    with pytest.raises(UnsuitableScanError, match=words) as refusal:
        check_head_neck_ct(change(make_person()))
    assert refusal.value.cure


@pytest.mark.parametrize(("from_mm", "to_mm"), [(60, 330), (0, 215)])
def test_shoulders_or_brain_alone_show_a_scan_on_its_head(make_person, from_mm, to_mm):
    scan = part(make_person(lungs=False), from_mm, to_mm)
    check_head_neck_ct(scan)
    with pytest.raises(UnsuitableScanError, match="on its head"):
        check_head_neck_ct(flipped(scan, 0))


def test_limb_is_refused(make_person):
    limb = make_person(neck=False, airway=False, lungs=False)
    limb.array[:, 60:70, 120:135] = 1000  # a femur
    with pytest.raises(UnsuitableScanError, match="as in a limb, abdomen or pelvis"):
        check_head_neck_ct(limb)


def test_chest_and_head_alone_are_refused(make_person):
    tall = make_person((170, 130, 230))
    tall.array[:40] = tall.array[10]
    with pytest.raises(UnsuitableScanError, match=r"lungs .* are seen, and no neck above"):
        check_head_neck_ct(part(tall, 0, 115))
    with pytest.raises(UnsuitableScanError, match="skull with brain is seen"):
        check_head_neck_ct(part(make_person((170, 130, 230)), 240, 500))


def test_empty_scan_and_other_quantity(make_person):
    volume = make_person()
    empty = np.full_like(volume.array, -1000)
    empty[0, 0, 0] = 400
    with pytest.raises(UnsuitableScanError):
        check_head_neck_ct(volume.with_array(empty))
    with pytest.raises(WrongQuantityError):
        check_head_neck_ct(replace(volume, quantity=Quantity.MR))


@pytest.mark.shared
@pytest.mark.parametrize("name", ["pt_103", "pt_170", "pt_143", "pt_76", "pt_100"])
def test_real_planning_cts_pass(shared_data, name):
    path = next((shared_data / "openkbp" / "train").glob(f"{name}_ct*"))
    assert len(check_head_neck_ct(read_study(path).volume)) <= 1


@pytest.mark.shared
@pytest.mark.parametrize("name", ["STS_001", "STS_003", "STS_008"])
def test_real_limbs_are_refused(shared_data, name):
    volume = read_study(shared_data / "lesions" / name / "CT_image.nii.gz").volume
    with pytest.raises(UnsuitableScanError, match="not a CT of the neck"):
        check_head_neck_ct(volume)
