import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from hyoid.errors import MissingTagError, SeriesError, UnreadableFileError
from hyoid.io.dicom.series import read_series
from hyoid.volume import Geometry

SHAPE = (3, 32, 48)
GRID = Geometry.axial(SHAPE, (2, 1, 1))


@pytest.fixture
def hu():
    """Air outside a block of tissue, bone and noise within."""
    array = np.full(SHAPE, -1000)
    array[:, 6:26, 8:40] = np.random.default_rng(0).integers(-100, 1200, (3, 20, 32))
    return array


@pytest.fixture
def series(make_series, hu):
    """Series whose pixels are written by `encode(HU of a slice)`, with other tags."""

    def make(encode, dtype="<u2", hu=hu, **tags):
        datasets = make_series(hu, GRID)
        for dataset, plane in zip(datasets, hu, strict=True):
            dataset.PixelData = np.ascontiguousarray(encode(plane.copy()), dtype).tobytes()
            for keyword, value in tags.items():
                setattr(dataset, keyword, value)
        return datasets

    return make


def corners(plane):
    y, x = np.indices(plane.shape)
    return ((y - 16) / 20) ** 2 + ((x - 24) / 30) ** 2 > 1


def padded(value, offset=1024):
    def encode(plane):
        stored = plane + offset
        stored[corners(plane)] = value
        return stored

    return encode


@pytest.mark.parametrize(
    ("dtype", "tags", "encode"),
    [
        ("<i2", {"PixelRepresentation": 1, "RescaleIntercept": 0}, lambda p: p),
        ("<u2", {"BitsStored": 12, "HighBit": 11}, lambda p: p + 1024),
        # Signed twelve bits, the sign in all upper bits and in none.
        ("<i2", {"PixelRepresentation": 1, "RescaleIntercept": 0, "BitsStored": 12, "HighBit": 11}, lambda p: p),
        ("<u2", {"PixelRepresentation": 1, "RescaleIntercept": 0, "BitsStored": 12, "HighBit": 11}, lambda p: p & 4095),
        # Left-justified: the value lies in the upper twelve bits.
        ("<u2", {"BitsStored": 12, "HighBit": 15}, lambda p: (p + 1024) << 4),
        ("<i2", {"PixelRepresentation": 1, "RescaleIntercept": 0, "BitsStored": 12, "HighBit": 15}, lambda p: p << 4),
        ("<u4", {"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31}, lambda p: p + 1024),
        ("<i4", {"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31, "PixelRepresentation": 1}, lambda p: p + 1024),
        ("<u2", {"PhotometricInterpretation": "MONOCHROME1"}, lambda p: p + 1024),
        # An overlay of the old kind in bit 12.
        ("<u2", {"BitsStored": 12, "HighBit": 11, "OverlayBits": 12}, lambda p: (p + 1024) | (4096 * (p > 500))),
    ],
)
def test_bits_as_the_header_describes_them(series, hu, dtype, tags, encode):
    overlay = tags.pop("OverlayBits", None) if "OverlayBits" in tags else None
    datasets = series(encode, dtype, **tags)
    if overlay:
        for dataset in datasets:
            dataset.add_new(0x60000102, "US", overlay)
    loaded = read_series(datasets)
    np.testing.assert_array_equal(loaded.volume.array, hu)
    assert loaded.volume.array.dtype == np.int16 and loaded.warnings == ()


@pytest.mark.parametrize(
    ("tags", "encode"),
    [
        ({"PixelRepresentation": 1, "RescaleIntercept": 0}, lambda p: p),
        ({"BitsStored": 12, "HighBit": 11}, lambda p: p + 1024),
        ({"PixelRepresentation": 1, "RescaleIntercept": 0, "BitsStored": 12, "HighBit": 11}, lambda p: p & 4095),
        ({"RescaleSlope": 0.5, "RescaleIntercept": -1000}, lambda p: 2 * (p + 1000)),
    ],
)
@pytest.mark.parametrize(
    "syntax", [None, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, RLELossless]
)
def test_itk_reads_the_same_values(series, save, tmp_path, hu, tags, encode, syntax):
    datasets = series(encode, **tags)
    for dataset in datasets:
        if syntax == RLELossless:
            dataset.compress(syntax)
        elif syntax is not None:
            dataset.file_meta.TransferSyntaxUID = syntax
            if syntax == ExplicitVRBigEndian:
                dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
                dataset["PixelData"].VR = "OW"
    for path, dataset in zip(save_as(datasets, syntax, tmp_path), datasets, strict=True):
        mine = read_series([path]).volume.array[0]
        if syntax != ExplicitVRBigEndian:  # which GDCM has given up
            np.testing.assert_allclose(mine, sitk.GetArrayFromImage(sitk.ReadImage(str(path)))[0])
        np.testing.assert_allclose(mine, hu[int(dataset.InstanceNumber) - 1])


def save_as(datasets, syntax, folder):
    little = syntax != ExplicitVRBigEndian
    paths = []
    for dataset in datasets:
        path = folder / f"{dataset.InstanceNumber}.dcm"
        implicit = syntax == ImplicitVRLittleEndian
        pydicom.dcmwrite(path, dataset, implicit_vr=implicit, little_endian=little, enforce_file_format=True)
        paths.append(path)
    return paths


@pytest.mark.parametrize("signed", [False, True])
def test_signs_of_jpeg_2000_are_kept(series, save, tmp_path, signed):
    hu = np.random.default_rng(1).integers(-1000, 1200, SHAPE)
    tags = {"PixelRepresentation": 1, "RescaleIntercept": 0} if signed else {}
    datasets = series((lambda p: p) if signed else (lambda p: p + 1024), "<i2", hu=hu, **tags)
    for dataset in datasets:
        dataset.compress(JPEG2000Lossless)
    np.testing.assert_array_equal(read_series(save(datasets, tmp_path)).volume.array, hu)


def test_file_without_preamble(series, hu, tmp_path):
    for index, dataset in enumerate(series(lambda p: p + 1024)):
        dataset.save_as(tmp_path / f"{index}", enforce_file_format=True)
        raw = (tmp_path / f"{index}").read_bytes()
        (tmp_path / f"{index}").write_bytes(raw[132:])
    np.testing.assert_array_equal(read_series(list(tmp_path.iterdir())).volume.array, hu)


@pytest.mark.parametrize(
    ("tags", "value"),
    [
        ({"PixelPaddingValue": 63536}, 63536),
        ({"PixelPaddingValue": 63536, "BitsStored": 12, "HighBit": 11}, 63536),  # needs more bits than a value has
        ({"PixelPaddingValue": 60000, "PixelPaddingRangeLimit": 65535}, 61000),
        ({"PixelPaddingValue": 65535, "PixelPaddingRangeLimit": 60000}, 60000),
        ({"PixelPaddingValue": 0}, 0),
    ],
)
def test_padding_becomes_air(series, hu, tags, value):
    loaded = read_series(series(padded(value), **tags))
    expected = hu.copy()
    expected[:, corners(hu[0])] = -1024
    np.testing.assert_array_equal(loaded.volume.array, expected)
    assert loaded.warnings == ("Padding (PixelPaddingValue (0028,0120)) of 3 slice(s) was set to -1024.",)


def test_padding_of_signed_pixels_is_known_by_its_bits(series, hu):
    expected = hu.copy()
    expected[:, corners(hu[0])] = -1024
    for stated in (-2000, 63536):
        datasets = series(padded(-2000, 0), "<i2", PixelRepresentation=1, RescaleIntercept=0)
        for dataset in datasets:
            dataset.add_new(0x00280120, "US" if stated > 0 else "SS", stated)
        np.testing.assert_array_equal(read_series(datasets).volume.array, expected)


def test_padding_with_the_value_of_tissue_is_that_at_the_border(series, hu):
    hu[1, 15, 20:22] = 0  # water within the patient
    datasets = series(padded(0, 0), "<i2", hu=hu, PixelRepresentation=1, RescaleIntercept=0, PixelPaddingValue=0)
    expected = hu.copy()
    expected[:, corners(hu[0])] = -1024
    np.testing.assert_array_equal(read_series(datasets).volume.array, expected)


@pytest.mark.parametrize(
    ("tags", "encode", "words"),
    [
        ({"BitsStored": 12, "HighBit": 15}, lambda p: p + 1024, "the bits below are in use"),
        ({"BitsStored": 16, "HighBit": 11}, lambda p: p + 1024, "BitsStored 16, HighBit 11"),
        ({"BitsStored": 11, "HighBit": 10}, lambda p: p + 1024, "need more than the 11 bits"),
        ({"BitsStored": 12, "HighBit": 11}, padded(63536), "need more than the 12 bits"),
        ({"BitsAllocated": 12, "BitsStored": 12, "HighBit": 11}, lambda p: p + 1024, "BitsAllocated 12"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, lambda p: p + 1024, "PALETTE COLOR, not grey"),
    ],
)
def test_bits_that_contradict_the_header_are_refused(series, tags, encode, words):
    with pytest.raises(UnreadableFileError, match=words):
        read_series(series(encode, **tags))


@pytest.mark.parametrize(
    ("tags", "encode"),
    [
        ({}, padded(63536)),  # padding that is not declared
        ({"PixelRepresentation": 0, "RescaleIntercept": 0}, lambda p: p),  # signed pixels declared unsigned
        # Unsigned pixels declared signed: bone would become less than nothing.
        ({"PixelRepresentation": 1, "BitsStored": 12, "HighBit": 11}, lambda p: np.where(p > 0, p + 2000, p + 1024)),
    ],
)
def test_values_that_no_ct_has_are_refused(series, tags, encode):
    with pytest.raises(SeriesError, match="which cannot be"):
        read_series(series(encode, **tags))


@pytest.mark.parametrize("keyword", ["BitsAllocated", "BitsStored", "PixelRepresentation", "PhotometricInterpretation"])
def test_missing_description_of_the_bits_is_named(series, keyword):
    datasets = series(lambda p: p + 1024)
    delattr(datasets[1], keyword)
    with pytest.raises(MissingTagError, match=rf"{keyword} \(0028"):
        read_series(datasets)


def test_floating_point_pixels(series, hu):
    datasets = series(lambda p: p + 1024)
    for dataset, plane in zip(datasets, hu, strict=True):
        del dataset.PixelData, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation
        dataset.BitsAllocated, dataset.RescaleIntercept = 32, 0
        dataset.FloatPixelData = (plane + 0.25).astype("<f4").tobytes()
    np.testing.assert_array_equal(read_series(datasets).volume.array, (hu + 0.25).astype(np.float32))
    datasets[1].FloatPixelData = np.full(SHAPE[1:], np.nan, "<f4").tobytes()
    with pytest.raises(UnreadableFileError, match="no numbers"):
        read_series(datasets)
