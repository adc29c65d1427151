import gzip
import struct

import nibabel as nib
import numpy as np
import pytest

from hyoid.errors import GeometryError, UnreadableFileError, WrongQuantityError
from hyoid.io.files.volumes import load_image, read_image, read_labels
from hyoid.volume import Quantity

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
ARRAY = np.arange(7 * 6 * 5, dtype=np.int16).reshape(7, 6, 5) * 9 - 1000  # (x, y, z)


def turned(*sizes, degrees=17.0, mirrored=False):
    """RAS matrix of an oblique grid."""
    a = np.radians(degrees)
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    tip = np.array([[1, 0, 0], [0, np.cos(a / 2), -np.sin(a / 2)], [0, np.sin(a / 2), np.cos(a / 2)]])
    matrix = np.eye(4)
    matrix[:3, :3] = tip @ turn @ np.diag(sizes)
    if mirrored:
        matrix[:3, 2] *= -1
    matrix[:3, 3] = (-20.0, 31.5, 700.25)
    return matrix


def save(path, array=ARRAY, affine=None, *, sform=1, qform=1, kind=nib.Nifti1Image, edit=None, **header):
    image = kind(array, turned(0.9, 0.8, 2.5) if affine is None else affine)
    image.set_sform(image.affine, sform)
    image.set_qform(image.affine, qform)
    image.header.set_xyzt_units("mm")
    for name, value in header.items():
        image.header[name] = value
    nib.save(image, path)
    if edit:
        raw = bytearray(path.read_bytes())
        edit(raw)
        path.write_bytes(raw)
    return path


def put(raw, at, kind, *values):
    struct.pack_into(f"<{kind}", raw, at, *values)


def places_by_nibabel(path):
    """Matrix from (slice, row, column) to LPS of what nibabel reads."""
    return (LPS @ nib.load(path).affine)[:, [2, 1, 0, 3]]


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize(("sform", "qform"), [(1, 0), (0, 1), (2, 1), (4, 3)])
def test_voxels_and_places_are_those_of_nibabel(tmp_path, kind, mirrored, sform, qform):
    path = save(
        tmp_path / "x.nii.gz", affine=turned(0.9, 0.8, 2.5, mirrored=mirrored), kind=kind, sform=sform, qform=qform
    )
    loaded = load_image(path, Quantity.MR)
    np.testing.assert_array_equal(loaded.volume.array, ARRAY.T)
    np.testing.assert_allclose(loaded.volume.geometry.ijk_to_lps, places_by_nibabel(path), atol=2e-4)
    assert loaded.volume.array.dtype == np.int16 and loaded.notes == ()


@pytest.mark.parametrize("dtype", ["u1", "i1", "<i2", ">i2", ">u2", "<i4", ">u4", "<i8", ">f4", "<f8"])
def test_every_type_and_byte_order(tmp_path, dtype):
    array = (ARRAY % 100).astype(dtype)
    order = ">" if dtype.startswith(">") else "<"
    image = nib.Nifti1Image(array, turned(1, 1, 3), header=nib.Nifti1Header(endianness=order))
    image.set_data_dtype(array.dtype)
    nib.save(image, tmp_path / "x.nii")
    assert (tmp_path / "x.nii").read_bytes()[:4] == struct.pack(f"{order}i", 348)
    volume = read_image(tmp_path / "x.nii", Quantity.MR)
    np.testing.assert_array_equal(volume.array, array.T)
    assert volume.array.dtype.isnative
    np.testing.assert_allclose(volume.geometry.ijk_to_lps, places_by_nibabel(tmp_path / "x.nii"), atol=2e-4)


def test_pair_of_header_and_voxels(tmp_path):
    nib.save(nib.Nifti1Pair(ARRAY, turned(1, 1, 3)), tmp_path / "x.hdr")
    volume = read_image(tmp_path / "x.hdr", Quantity.MR)
    np.testing.assert_array_equal(volume.array, ARRAY.T)
    np.testing.assert_allclose(volume.geometry.ijk_to_lps, places_by_nibabel(tmp_path / "x.hdr"), atol=2e-4)
    (tmp_path / "x.img").unlink()
    with pytest.raises(UnreadableFileError, match=r"\.img beside \.hdr"):
        read_image(tmp_path / "x.hdr", Quantity.MR)


def test_analyze_does_not_say_where_left_is(tmp_path):
    nib.save(nib.AnalyzeImage(ARRAY, np.diag([1, 1, 3, 1])), tmp_path / "x.hdr")
    with pytest.raises(GeometryError, match="ANALYZE"):
        read_image(tmp_path / "x.hdr", Quantity.MR)


def test_gzip_is_told_by_its_bytes_not_by_its_name(tmp_path):
    raw = save(tmp_path / "x.nii").read_bytes()
    (tmp_path / "packed.nii").write_bytes(gzip.compress(raw))
    (tmp_path / "plain.nii.gz").write_bytes(raw)
    for name in ("packed.nii", "plain.nii.gz"):
        np.testing.assert_array_equal(read_image(tmp_path / name, Quantity.MR).array, ARRAY.T)


def test_sform_and_qform_at_different_places_are_refused(tmp_path):
    image = nib.Nifti1Image(ARRAY, turned(0.9, 0.8, 2.5))
    image.set_sform(image.affine, 2)
    for shift, outcome in ((8.0, "refused"), (0.3, "noted"), (0.01, "read")):
        moved = image.affine.copy()
        moved[0, 3] += shift
        image.set_qform(moved, 1)
        nib.save(image, tmp_path / "x.nii")
        if outcome == "refused":
            with pytest.raises(GeometryError, match=r"sform and qform put voxels up to 8\.00 apart"):
                read_image(tmp_path / "x.nii", Quantity.MR)
            continue
        loaded = load_image(tmp_path / "x.nii", Quantity.MR)
        np.testing.assert_allclose(loaded.volume.geometry.ijk_to_lps, places_by_nibabel(tmp_path / "x.nii"), atol=2e-4)
        assert bool(loaded.notes) == (outcome == "noted")


def test_flipped_qform_is_refused(tmp_path):
    path = save(tmp_path / "x.nii", edit=lambda raw: put(raw, 76, "f", -1.0))  # qfac
    with pytest.raises(GeometryError, match="sform and qform"):
        read_image(path, Quantity.MR)


def test_qfac_zero_means_one(tmp_path):
    path = save(tmp_path / "x.nii", sform=0, edit=lambda raw: put(raw, 76, "f", 0.0))
    np.testing.assert_allclose(read_image(path, Quantity.MR).geometry.ijk_to_lps, places_by_nibabel(path), atol=2e-4)


@pytest.mark.parametrize(
    ("sizes", "outcome"),
    [((0.9, 0.8, 2.5), ""), ((0.902, 0.8, 2.5), "noted"), ((0.9, 0.8, 3.0), "refused"), ((1.0, 1.0, 1.0), "refused")],
)
def test_voxel_sizes_that_contradict_the_sform(tmp_path, sizes, outcome):
    path = save(tmp_path / "x.nii", qform=0, edit=lambda raw: put(raw, 80, "3f", *sizes))
    if outcome == "refused":
        with pytest.raises(GeometryError, match="contradicts itself: voxels of"):
            read_image(path, Quantity.MR)
        return
    loaded = load_image(path, Quantity.MR)
    np.testing.assert_allclose(loaded.volume.geometry.spacing_mm, (2.5, 0.8, 0.9), rtol=1e-5)
    assert bool(loaded.notes) == (outcome == "noted")


def test_nearly_perpendicular_axes_are_straightened(tmp_path):
    affine = turned(0.9, 0.8, 2.5)
    affine[0, 1] += 2e-4
    affine[1, 2] += 3e-4
    path = save(tmp_path / "x.nii", affine=affine, qform=0)
    geometry = read_image(path, Quantity.MR).geometry
    np.testing.assert_allclose(geometry.directions.T @ geometry.directions, np.eye(3), atol=1e-9)
    corners = np.array([(0, 0, 0), (4, 5, 6), (4, 0, 6)])
    theirs = corners @ places_by_nibabel(path)[:3, :3].T + places_by_nibabel(path)[:3, 3]
    np.testing.assert_allclose(geometry.to_lps(corners), theirs, atol=0.01)


def test_sheared_axes_are_refused(tmp_path):
    affine = turned(0.9, 0.8, 2.5)
    affine[0, 2] += 0.3
    with pytest.raises(GeometryError, match="not at right angles"):
        read_image(save(tmp_path / "x.nii", affine=affine, qform=0), Quantity.MR)


@pytest.mark.parametrize(("unit", "per_mm"), [(1, 1e-3), (3, 1e3)])
def test_metres_and_micrometres_become_millimetres(tmp_path, unit, per_mm):
    affine = turned(0.9, 0.8, 2.5)
    affine[:3] *= per_mm
    path = save(tmp_path / "x.nii", affine=affine, edit=lambda raw: put(raw, 123, "B", unit))
    loaded = load_image(path, Quantity.MR)
    np.testing.assert_allclose(loaded.volume.geometry.spacing_mm, (2.5, 0.8, 0.9), rtol=1e-5)
    np.testing.assert_allclose(loaded.volume.geometry.origin_lps_mm, (20, -31.5, 700.25), rtol=1e-5)
    assert "turned into millimetres" in loaded.notes[0]


@pytest.mark.parametrize("unit", [1, 3])
def test_units_that_cannot_be_are_refused(tmp_path, unit):
    path = save(tmp_path / "x.nii", edit=lambda raw: put(raw, 123, "B", unit))
    with pytest.raises(GeometryError, match="which cannot be"):
        read_image(path, Quantity.MR)


def test_voxel_sizes_that_cannot_be_are_refused(tmp_path):
    affine = turned(0.9, 0.8, 2.5)
    affine[:3] *= 1e-3
    path = save(tmp_path / "x.nii", affine=affine)
    with pytest.raises(GeometryError, match=r"voxels of 0\.0025 x 0\.0008 x 0\.0009 mm"):
        read_image(path, Quantity.MR)
    for bad in (0.0, -0.9, np.nan):
        with pytest.raises(GeometryError, match="must be positive"):
            read_image(save(path, qform=0, edit=lambda raw, bad=bad: put(raw, 80, "f", bad)), Quantity.MR)


def test_no_place_and_no_rotation_are_refused(tmp_path):
    with pytest.raises(GeometryError, match="qform_code and sform_code are 0"):
        read_image(save(tmp_path / "x.nii", edit=lambda raw: put(raw, 252, "2h", 0, 0)), Quantity.MR)
    with pytest.raises(GeometryError, match="no rotation"):
        read_image(save(tmp_path / "x.nii", sform=0, edit=lambda raw: put(raw, 256, "f", 1.5)), Quantity.MR)
    with pytest.raises(GeometryError, match="no usable matrix"):
        read_image(save(tmp_path / "x.nii", qform=0, edit=lambda raw: put(raw, 280, "12f", *[0] * 12)), Quantity.MR)


def test_one_time_point_is_read_and_more_are_refused(tmp_path):
    path = save(tmp_path / "x.nii", ARRAY[..., None])
    np.testing.assert_array_equal(read_image(path, Quantity.MR).array, ARRAY.T)
    for array in (np.stack([ARRAY, ARRAY], -1), ARRAY[:, :, 0]):
        with pytest.raises(GeometryError, match="dimensions of sizes"):
            read_image(save(tmp_path / "y.nii", array), Quantity.MR)


def test_scaling_is_that_of_nibabel(tmp_path):
    path = save(tmp_path / "x.nii", edit=lambda raw: put(raw, 112, "2f", 0.25, -3.5))
    np.testing.assert_allclose(read_image(path, Quantity.MR).array, nib.load(path).get_fdata().T, rtol=1e-6)
    for slope in (0.0, np.nan):  # no scaling, by the standard
        save(path, edit=lambda raw, slope=slope: put(raw, 112, "2f", slope, 7.0))
        np.testing.assert_array_equal(read_image(path, Quantity.MR).array, ARRAY.T)
    save(path, edit=lambda raw: put(raw, 112, "2f", 2.0, np.nan))
    with pytest.raises(UnreadableFileError, match="scl_inter"):
        read_image(path, Quantity.MR)


@pytest.mark.parametrize("stored", [np.int16, np.uint8])
def test_labels_off_by_the_rounding_of_a_scaled_file_are_labels(tmp_path, stored):
    labels = np.zeros((9, 8, 7))
    labels[2:5, 2:6, 1:4], labels[6:8, 2:6, 1:4] = 1, 7
    image = nib.Nifti1Image(labels, turned(1, 1, 3))
    image.set_data_dtype(stored)
    nib.save(image, tmp_path / "x.nii.gz")
    assert (nib.load(tmp_path / "x.nii.gz").get_fdata() != labels).any()
    read = read_labels(tmp_path / "x.nii.gz").array
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, labels.T)


def test_labels_off_by_more_are_none(tmp_path):
    for values in (0.9, 1.4):
        nib.save(nib.Nifti1Image(np.full((3, 3, 3), values), turned(1, 1, 3)), tmp_path / "x.nii")
        with pytest.raises(WrongQuantityError, match="not all whole"):
            read_labels(tmp_path / "x.nii")


def test_damaged_headers_are_refused_in_words(tmp_path):
    cases = (
        (40, "h", 9, UnreadableFileError, "gives sizes"),
        (42, "h", -7, UnreadableFileError, "gives sizes"),
        (42, "h", 32000, UnreadableFileError, "truncated"),
        (70, "h", 32, GeometryError, "complex"),
        (70, "h", 128, GeometryError, "colours"),
        (70, "h", 77, UnreadableFileError, "type 77"),
        (72, "h", 8, UnreadableFileError, "with 8 bits"),
        (108, "f", 0.0, UnreadableFileError, "begin at byte 0"),
        (108, "f", 1e30, UnreadableFileError, "begin at byte 1e"),
        (108, "f", np.nan, UnreadableFileError, "begin at byte nan"),
        (123, "B", 5, GeometryError, "unit of length"),
        (252, "h", 77, UnreadableFileError, "qform_code 77"),
        (254, "h", -1, UnreadableFileError, "sform_code -1"),
        (280, "f", np.nan, GeometryError, "no usable matrix"),
    )
    for at, kind, value, error, words in cases:
        path = save(tmp_path / "x.nii", edit=lambda raw, at=at, kind=kind, value=value: put(raw, at, kind, value))
        with pytest.raises(error, match=words):
            read_image(path, Quantity.MR)
    (tmp_path / "x.nii").write_bytes(b"\x5c\x01\0\0")
    with pytest.raises(UnreadableFileError, match="not NIfTI"):
        read_image(tmp_path / "x.nii", Quantity.MR)


def test_a_voxel_size_next_to_nothing_is_a_contradiction_and_no_overflow(tmp_path):
    # pixdim[2] of NIfTI-2: the third of eight doubles from byte 104.
    file = save(tmp_path / "a.nii", kind=nib.Nifti2Image, qform=0, edit=lambda raw: put(raw, 104 + 2 * 8, "d", 1e-310))
    with pytest.raises(GeometryError, match="contradicts itself: voxels of"):
        read_image(file, Quantity.MR)
