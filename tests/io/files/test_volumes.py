import numpy as np
import pytest
import SimpleITK as sitk

from hyoid.errors import GeometryError, OutputError, UnreadableFileError, UsageError, WrongQuantityError
from hyoid.io.files.volumes import read_image, read_labels, write_image, write_nifti
from hyoid.volume import Geometry, Quantity, Volume


def oblique(shape):
    angle = np.radians(20)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ np.array([[0, 0, -0.9], [0.0, 0.7, 0], [3.0, 0, 0]])
    matrix[:3, 3] = (12.5, -30.0, 700.0)
    return Geometry(shape, matrix)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float32])
def test_written_volume_reads_back(tmp_path, suffix, dtype):
    array = np.random.default_rng(0).integers(0, 250, (3, 4, 5)).astype(dtype)
    volume = Volume(array, oblique((3, 4, 5)), Quantity.PROBABILITY)
    back = read_image(write_image(volume, tmp_path / ("x" + suffix)), Quantity.PROBABILITY)
    np.testing.assert_array_equal(back.array, array)
    assert back.array.dtype == dtype
    assert back.geometry.same_grid(volume.geometry, 1e-4)


def test_nifti_header_is_ras_by_hand(tmp_path):
    volume = Volume(np.zeros((2, 2, 2), np.uint8), Geometry.axial((2, 2, 2), (3, 2, 1), (10, 20, 30)), Quantity.LABEL)
    raw = write_nifti(volume, tmp_path / "x.nii").read_bytes()
    # srow_x/y/z at byte 280, NIfTI-1: x and y change sign between LPS and RAS.
    affine = np.frombuffer(raw[280:328], "<f4").reshape(3, 4)
    np.testing.assert_allclose(affine, [[-1, 0, 0, -10], [0, -2, 0, -20], [0, 0, 3, 30]], atol=1e-6)


def test_simpleitk_agrees_on_every_voxel_position(tmp_path):
    volume = Volume(np.arange(60, dtype=np.int16).reshape(3, 4, 5), oblique((3, 4, 5)), Quantity.MR)
    image = sitk.ReadImage(str(write_nifti(volume, tmp_path / "x.nii.gz")))
    for ijk in ((0, 0, 0), (2, 3, 4), (1, 0, 4)):
        point = image.TransformIndexToPhysicalPoint([int(i) for i in ijk[::-1]])
        np.testing.assert_allclose(point, volume.geometry.to_lps(ijk), atol=1e-4)
        assert image[tuple(int(i) for i in ijk[::-1])] == volume.array[ijk]


def test_masks_and_labels(tmp_path):
    geometry = Geometry.axial((2, 2, 2), (1, 1, 1))
    mask = np.zeros((2, 2, 2), bool)
    mask[1, 0, 1] = True
    back = read_labels(write_image(Volume(mask, geometry, Quantity.LABEL), tmp_path / "m.nii.gz"))
    assert back.array.dtype == np.uint8 and back.quantity is Quantity.LABEL
    np.testing.assert_array_equal(back.array, mask)
    whole = Volume(mask.astype(np.float32) * 300, geometry, Quantity.LABEL)
    assert read_labels(write_image(whole, tmp_path / "f.nrrd")).array.dtype == np.uint16
    for bad in (mask * 0.5, mask * -1.0, mask * 70000.0):
        write_image(Volume(bad.astype(np.float32), geometry, Quantity.LABEL), tmp_path / "b.mha")
        with pytest.raises(WrongQuantityError, match="no label map"):
            read_labels(tmp_path / "b.mha")


def test_label_map_is_no_scan(tmp_path):
    labels = Volume(np.arange(8, dtype=np.int16).reshape(2, 2, 2), Geometry.axial((2, 2, 2), (1, 1, 1)), Quantity.LABEL)
    write_image(labels, tmp_path / "x.nii.gz")
    with pytest.raises(WrongQuantityError, match="label map"):
        read_image(tmp_path / "x.nii.gz", Quantity.HU)


def test_truncated_corrupt_and_foreign_files(tmp_path):
    rng = np.random.default_rng(0)
    volume = Volume(rng.normal(size=(8, 8, 8)).astype(np.float32), Geometry.axial((8, 8, 8), (1, 1, 1)), Quantity.MR)
    for suffix in (".nii", ".nii.gz", ".nrrd", ".mha"):
        path = write_image(volume, tmp_path / ("x" + suffix))
        path.write_bytes(path.read_bytes()[:-700])
        with pytest.raises(UnreadableFileError, match="truncated") as refusal:
            read_image(path, Quantity.MR)
        assert str(tmp_path) not in str(refusal.value)
        path.write_bytes(b"this is not an image at all" * 50)
        with pytest.raises(UnreadableFileError):
            read_image(path, Quantity.MR)
    with pytest.raises(UnreadableFileError, match=r"does not read \.png"):
        read_image(tmp_path / "x.png", Quantity.MR)
    with pytest.raises(UnreadableFileError, match="does not exist"):
        read_image(tmp_path / "absent.nii", Quantity.MR)


def test_four_dimensions_colour_and_nan(tmp_path):
    sitk.WriteImage(sitk.JoinSeries([sitk.GaussianSource(size=[4, 4, 4])] * 2), str(tmp_path / "4d.nii.gz"))
    with pytest.raises(GeometryError, match="4 dimensions"):
        read_image(tmp_path / "4d.nii.gz", Quantity.MR)
    sitk.WriteImage(sitk.JoinSeries([sitk.GaussianSource(size=[4, 4, 4])]), str(tmp_path / "flat.nii.gz"))
    assert read_image(tmp_path / "flat.nii.gz", Quantity.PROBABILITY).array.shape == (4, 4, 4)
    sitk.WriteImage(sitk.Image([4, 4, 4], sitk.sitkVectorUInt8, 3), str(tmp_path / "rgb.mha"))
    with pytest.raises(GeometryError, match="3 values per voxel"):
        read_image(tmp_path / "rgb.mha", Quantity.MR)
    sitk.WriteImage(sitk.Image([4, 4], sitk.sitkInt16), str(tmp_path / "flat.mha"))
    with pytest.raises(GeometryError, match="2 dimensions"):
        read_image(tmp_path / "flat.mha", Quantity.MR)
    array = np.full((2, 2, 2), np.nan, np.float32)
    for suffix in (".nii", ".nii.gz", ".nrrd"):
        write_image(Volume(array, Geometry.axial((2, 2, 2), (1, 1, 1)), Quantity.MR), tmp_path / f"nan{suffix}")
        with pytest.raises(UnreadableFileError, match="NaN"):
            read_image(tmp_path / f"nan{suffix}", Quantity.MR)


def test_nifti_that_does_not_say_how_it_lies(tmp_path):
    volume = Volume(
        np.arange(8, dtype=np.int16).reshape(2, 2, 2) * 99, Geometry.axial((2, 2, 2), (1, 1, 1)), Quantity.MR
    )
    raw = bytearray(write_nifti(volume, tmp_path / "x.nii").read_bytes())
    assert any(raw[252:256])
    raw[252:256] = bytes(4)
    (tmp_path / "x.nii").write_bytes(raw)
    with pytest.raises(GeometryError, match="qform_code and sform_code are 0"):
        read_image(tmp_path / "x.nii", Quantity.MR)


def test_what_cannot_be_written(tmp_path):
    volume = Volume(np.zeros((2, 2, 2), np.int16), Geometry.axial((2, 2, 2), (1, 1, 1)), Quantity.HU)
    with pytest.raises(UsageError, match=r"does not write \.jpg"):
        write_image(volume, tmp_path / "x.jpg")
    with pytest.raises(UsageError, match="NIfTI"):
        write_nifti(volume, tmp_path / "x.nrrd")
    (tmp_path / "folder.nii").mkdir()
    with pytest.raises(OutputError):
        write_image(volume, tmp_path / "folder.nii")
    assert [p.name for p in tmp_path.iterdir()] == ["folder.nii"]
