import nrrd
import numpy as np
import pytest
import SimpleITK as sitk

from hyoid.errors import GeometryError, UnreadableFileError
from hyoid.io.files.volumes import load_image, read_image
from hyoid.volume import Quantity

ARRAY = (np.arange(4 * 5 * 6).reshape(4, 5, 6) * 7 - 300).astype(np.int16)  # (x, y, z)
FIELDS = {
    "space": "left-posterior-superior",
    "space directions": np.diag([2.0, 3.0, 4.0]),
    "space origin": [10.0, 20.0, 30.0],
}
SIGNS = {"left-posterior-superior": (1, 1, 1), "RAS": (-1, -1, 1), "LAS": (1, -1, 1), "LPS": (1, 1, 1)}


def saved(path, array=ARRAY, *, without=(), detached=False, **changed):
    fields = {**FIELDS, **{k.replace("_", " "): v for k, v in changed.items()}}
    nrrd.write(str(path), array, {k: v for k, v in fields.items() if k not in without}, detached_header=detached)
    return path


@pytest.mark.parametrize("space", SIGNS)
@pytest.mark.parametrize("encoding", ["raw", "gzip", "ascii"])
def test_every_space_ends_in_lps(tmp_path, space, encoding):
    loaded = load_image(saved(tmp_path / "x.nrrd", space=space, encoding=encoding), Quantity.MR)
    np.testing.assert_array_equal(loaded.volume.array, ARRAY.T)
    corner = np.array((10.0, 20, 30)) + np.array((3, 4, 5)) * (2.0, 3, 4)
    np.testing.assert_allclose(loaded.volume.geometry.to_lps((5, 4, 3)), corner * SIGNS[space])
    assert loaded.notes == ()


def test_detached_header_and_big_endian(tmp_path):
    saved(tmp_path / "x.nhdr", ARRAY.astype(">i2"), detached=True, encoding="raw")
    np.testing.assert_array_equal(read_image(tmp_path / "x.nhdr", Quantity.MR).array, ARRAY.T)
    text = (tmp_path / "x.nhdr").read_bytes()
    (tmp_path / "x.nhdr").write_bytes(text.replace(b"data file: x.raw", b"data file: ../x.raw"))
    with pytest.raises(UnreadableFileError, match="another folder"):
        read_image(tmp_path / "x.nhdr", Quantity.MR)
    (tmp_path / "x.nhdr").write_bytes(text)
    (tmp_path / "x.raw").unlink()
    with pytest.raises(UnreadableFileError, match="not there"):
        read_image(tmp_path / "x.nhdr", Quantity.MR)


def test_one_layer_is_an_image_and_two_are_not(tmp_path):
    layered = {"space_directions": np.vstack([[np.nan] * 3, np.diag([2.0, 3, 4])]), "kinds": ["list"] + ["domain"] * 3}
    path = saved(tmp_path / "x.nrrd", ARRAY[None], **layered)
    np.testing.assert_array_equal(read_image(path, Quantity.MR).array, ARRAY.T)
    with pytest.raises(GeometryError, match="2 values per voxel"):
        read_image(saved(tmp_path / "x.nrrd", np.stack([ARRAY, ARRAY]), **layered), Quantity.MR)


@pytest.mark.parametrize(
    ("words", "without", "changed"),
    [
        ("no space field", ("space", "space origin", "space directions"), {"spacings": [2, 3, 4]}),
        ("'scanner-xyz'", (), {"space": "scanner-xyz"}),
        ("three space directions", ("space directions",), {}),
        ("lengths in 'm'", (), {"space_units": ["m", "m", "m"]}),
        ("not at right angles", (), {"space_directions": [[2, 0, 0], [0.5, 3, 0], [0, 0, 4]]}),
        (r"voxels of 0\.004", (), {"space_directions": np.diag([0.002, 0.003, 0.004])}),
    ],
)
def test_nrrd_that_cannot_be_placed_is_refused(tmp_path, words, without, changed):
    path = saved(tmp_path / "x.nrrd", without=without, **changed)
    with pytest.raises(GeometryError, match=words):
        read_image(path, Quantity.MR)


def test_nrrd_with_two_statements_of_its_spacing(tmp_path):
    path = saved(tmp_path / "x.nrrd", encoding="raw")
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"encoding: raw", b"spacings: 2 3 5\nencoding: raw"))
    with pytest.raises(GeometryError, match="spacings differ"):
        read_image(path, Quantity.MR)


def test_nrrd_without_origin_is_noted_and_bzip2_refused(tmp_path):
    assert "zero was taken" in load_image(saved(tmp_path / "x.nrrd", without=("space origin",)), Quantity.MR).notes[0]
    with pytest.raises(UnreadableFileError, match="packed as 'bzip2'"):
        read_image(saved(tmp_path / "x.nrrd", encoding="bzip2"), Quantity.MR)


@pytest.fixture
def mha(tmp_path):
    image = sitk.GetImageFromArray(ARRAY)
    image.SetSpacing((2, 3, 4))
    image.SetOrigin((1, 2, 3))
    image.SetDirection((0, 0, 1, -1, 0, 0, 0, -1, 0))  # sagittal: axes run A, I, L
    sitk.WriteImage(image, str(tmp_path / "x.mha"))

    def edited(old=b"", new=b""):
        raw = (tmp_path / "x.mha").read_bytes()
        assert old in raw
        (tmp_path / "y.mha").write_bytes(raw.replace(old, new))
        return tmp_path / "y.mha"

    return edited


def test_metaimage_of_any_direction_is_read(mha):
    loaded = load_image(mha(), Quantity.MR)
    np.testing.assert_array_equal(loaded.volume.array, ARRAY)
    np.testing.assert_allclose(loaded.volume.geometry.to_lps((3, 4, 5)), (1 + 12, 2 - 10, 3 - 12))
    assert loaded.notes == ()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"AnatomicalOrientation = PSR", b"AnatomicalOrientation = RAI", "is RAI, and TransformMatrix gives PSR"),
        (b"TransformMatrix = ", b"Nothing = ", "no TransformMatrix"),
        (b"ElementSpacing = 2 3 4", b"ElementSize = 2 3 4", "no positive voxel sizes"),
        (b"ElementSpacing = 2 3 4", b"ElementSpacing = -2 3 4", "no positive voxel sizes"),
        (b"ElementSpacing = 2 3 4", b"ElementSpacing = 2000 3 4", "are possible"),
        (b"Offset = 1 2 3", b"Offset = 1 2 3\nPosition = 1 2 4", "contradicts itself: Offset and Position"),
        (b"Offset = 1 2 3", b"Rotation = 1 0 0 0 1 0 0 0 1\nOffset = 1 2 3", "contradicts itself: TransformMatrix"),
    ],
)
def test_metaimage_that_cannot_be_placed_is_refused(mha, old, new, words):
    with pytest.raises(GeometryError, match=words):
        read_image(mha(old, new), Quantity.MR)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"NDims = 3", b"NDims = -32768"),
        (b"DimSize = 6 5 4", b"DimSize = 6 -5 4"),
        (b"DimSize = 6 5 4", b"DimSize = 60000 50000 40000"),
        (b"DimSize = 6 5 4", b"DimSize = 6 5"),
        (b"Offset = 1 2 3", b"Offset = 1 2"),
        (b"Offset = 1 2 3", b"Offset = 1 nan 3"),
        (b"ElementSpacing = 2 3 4", b"ElementSpacing = nan 3 4"),
        (b"Offset = 1 2 3", b"Offset = 1 2 3\nOffset = 7 8 9"),
    ],
)
def test_damaged_metaimage_never_reaches_itk(mha, old, new):
    with pytest.raises(UnreadableFileError, match="header"):
        read_image(mha(old, new), Quantity.MR)


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"sizes: 4 5 6", b"sizes: 4 5 -6"), (b"dimension: 3", b"dimension: 99"), (b"type:", b"space: LPS\ntype:")],
)
def test_damaged_nrrd_never_reaches_itk(tmp_path, old, new):
    path = saved(tmp_path / "x.nrrd", encoding="raw")
    raw = path.read_bytes()
    assert old in raw
    path.write_bytes(raw.replace(old, new))
    with pytest.raises(UnreadableFileError, match="header is damaged"):
        read_image(path, Quantity.MR)


def test_metaimage_without_offset_or_with_voxels_elsewhere(mha):
    assert "zero was taken" in load_image(mha(b"Offset = 1 2 3\n", b""), Quantity.MR).notes[0]
    with pytest.raises(UnreadableFileError, match="another folder"):
        read_image(mha(b"ElementDataFile = LOCAL", b"ElementDataFile = /etc/hosts"), Quantity.MR)


@pytest.mark.parametrize("name", [b"LIST\n../a.raw", b"../a/%03d.raw 1 4 1", b"%d.raw 0 3 1"])
def test_voxels_spread_over_files_are_refused(mha, tmp_path, name):
    with pytest.raises(UnreadableFileError, match="spread over several files"):
        read_image(mha(b"ElementDataFile = LOCAL", b"ElementDataFile = " + name), Quantity.MR)
    path = saved(tmp_path / "x.nrrd", encoding="raw")
    path.write_bytes(path.read_bytes().replace(b"encoding: raw", b"encoding: raw\ndata file: " + name))
    with pytest.raises(UnreadableFileError, match="spread over several files"):
        read_image(path, Quantity.MR)
