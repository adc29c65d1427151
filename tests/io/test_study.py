import tarfile
import zipfile

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage

from hyoid.errors import HyoidError, SeriesError, UnreadableFileError, UnsuitableScanError, UsageError
from hyoid.geometry.resample import to_sitk
from hyoid.io import sources
from hyoid.io.files.volumes import write_image
from hyoid.io.study import fingerprint, read_study
from hyoid.volume import Quantity, Volume


@pytest.fixture
def folder(make_series, save, ramp, grid, tmp_path):
    save(make_series(ramp, grid), tmp_path / "study" / "deep")
    return tmp_path / "study"


def zipped(folder, path, **names):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, names.get("prefix", "") + file.name)
    return path


def test_folder_zip_and_one_file_are_the_same_study(folder, ramp, grid, tmp_path):
    (folder / "README.txt").write_text("not an image")
    one_file = next((folder / "deep").iterdir())
    studies = [read_study(p) for p in (folder, zipped(folder, tmp_path / "a.zip"), one_file)]
    for study in studies:
        np.testing.assert_array_equal(study.volume.array, ramp)
        assert len(study.headers) == 6
        assert study.series is not None and study.series.modality == "CT" and study.series.slices == 6
    assert len({study.fingerprint for study in studies}) == 1
    assert studies[0].warnings == ("1 file(s) that are not DICOM images were passed over.",)
    assert studies[0].series.why == "the only CT series"


def test_the_axial_original_series_with_most_slices_is_chosen(make_series, save, ramp, grid, tmp_path):
    scout = make_series(ramp[:1], grid, description="SCOUT", number=1, image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"))
    thin = make_series(ramp, grid, description="NECK 2.5", number=3)
    short = make_series(ramp[:3], grid, description="BOLUS", number=2)
    mip = make_series(
        np.repeat(ramp, 2, 0), _longer(grid), description="MIP", number=4, image_type=("DERIVED", "SECONDARY", "MIP")
    )
    other = make_series(ramp, grid, modality="MR", description="T2", number=5)
    save([*scout, *thin, *short, *mip, *other], tmp_path)
    study = read_study(tmp_path)
    assert study.series.description == "NECK 2.5"
    assert study.series.why == "of 3 CT series the axial original one with enough length"
    assert len(study.series.others) == 4
    assert study.series.others[0] == "series 1: CT, 1 slices, axial, localizer"
    for words, slices in (("2", 3), ("bolus", 3), ("mip", 12), (thin[0].SeriesInstanceUID, 6)):
        assert read_study(tmp_path, series=words).volume.array.shape[0] == slices
    with pytest.raises(UsageError, match="No series fit the one that was asked for"):
        read_study(tmp_path, series="liver")
    with pytest.raises(SeriesError, match="chosen series is MR, not CT"):
        read_study(tmp_path, series="T2")
    assert read_study(tmp_path, modality="MR").volume.quantity is Quantity.MR


@pytest.mark.parametrize("kind", ["MIP", "MINIP", "PROJECTION IMAGE"])
def test_projections_are_no_slices(make_series, save, ramp, grid, tmp_path, kind):
    save(make_series(ramp, grid, image_type=("DERIVED", "SECONDARY", kind)), tmp_path)
    with pytest.raises(SeriesError, match=r"projections \(MIP and the like\).*CT, 6 slices, axial, projection"):
        read_study(tmp_path)
    assert read_study(tmp_path, series="2").volume.array.shape == ramp.shape


def _longer(grid):
    from hyoid.volume import Geometry

    return Geometry((12, *grid.shape[1:]), grid.ijk_to_lps, grid.frame_of_reference_uid)


def test_no_ct_says_what_is_there(make_series, save, ramp, grid, tmp_path):
    save(make_series(ramp, grid, modality="MR", description="T2 TSE"), tmp_path)
    with pytest.raises(SeriesError, match=r"no CT series.*MR, 6 slices, axial"):
        read_study(tmp_path)


def test_two_scans_under_one_uid_are_refused(make_series, save, ramp, grid, tmp_path):
    first, second = make_series(ramp, grid), make_series(ramp, grid)
    for dataset in second:
        dataset.SeriesInstanceUID = first[0].SeriesInstanceUID
        dataset.FrameOfReferenceUID = "1.2.77"
    save([*first, *second], tmp_path)
    with pytest.raises(SeriesError, match="differ in frame of reference: 6 of 12"):
        read_study(tmp_path)


def test_nothing_readable_is_said_plainly(tmp_path):
    with pytest.raises(UnreadableFileError, match="does not exist"):
        read_study(tmp_path / "absent")
    with pytest.raises(UnreadableFileError, match=r"no DICOM images \(0 other files\)"):
        read_study(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(500))
    with pytest.raises(UnreadableFileError, match=r"no DICOM images \(1 other files\)"):
        read_study(tmp_path)
    with pytest.raises(UnreadableFileError, match="neither DICOM nor a zip"):
        read_study(tmp_path / "photo.jpg")
    with pytest.raises(UsageError, match="not 'US'"):
        read_study(tmp_path, modality="US")


def test_zip_bomb_is_refused_before_it_is_read(tmp_path, monkeypatch):
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("CT/1.dcm", bytes(sources.RATIO_MATTERS_ABOVE_BYTES + 1))
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("a member was unpacked"))
    with pytest.raises(UnreadableFileError, match="zip bomb"):
        read_study(bomb)
    monkeypatch.setattr(sources, "MAX_TOTAL_BYTES", 1000)
    with pytest.raises(UnreadableFileError, match=r"would unpack to 0\.3 GiB"):
        read_study(bomb)
    monkeypatch.setattr(sources, "MAX_MEMBERS", 0)
    with pytest.raises(UnreadableFileError, match="holds 1 files"):
        read_study(bomb)


def test_member_names_that_climb_out_write_nothing(folder, ramp, tmp_path):
    (tmp_path / "inner").mkdir()
    archive = zipped(folder, tmp_path / "inner" / "evil.zip", prefix="../../escaped-")
    before = sorted(p.name for p in tmp_path.rglob("*"))
    np.testing.assert_array_equal(read_study(archive).volume.array, ramp)
    assert sorted(p.name for p in tmp_path.rglob("*")) == before


def test_truncated_and_corrupt_zip(folder, tmp_path):
    whole = zipped(folder, tmp_path / "a.zip").read_bytes()
    (tmp_path / "short.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadableFileError, match="archive cannot be read"):
        read_study(tmp_path / "short.zip")
    damaged = bytearray(whole)
    damaged[300:400] = bytes(100)
    (tmp_path / "damaged.zip").write_bytes(damaged)
    with pytest.raises(UnreadableFileError):
        read_study(tmp_path / "damaged.zip")


@pytest.mark.parametrize("seed", range(4))
def test_damaged_bytes_are_refused_or_read_but_never_crash(make_series, ramp, grid, tmp_path, save, seed):
    rng = np.random.default_rng(seed)
    path = save(make_series(ramp[:2], _shorter(grid)), tmp_path)[0]
    whole = path.read_bytes()
    outcomes = set()
    for _ in range(25):
        damaged = bytearray(whole[: rng.integers(140, len(whole) + 1)])
        for at in rng.integers(132, len(damaged), rng.integers(0, 6)):
            damaged[at] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            read_study(tmp_path)
            outcomes.add("read")
        except HyoidError as refusal:
            assert refusal.problem and refusal.cure
            outcomes.add("refused")
    assert "refused" in outcomes


def _shorter(grid):
    from hyoid.volume import Geometry

    return Geometry((2, *grid.shape[1:]), grid.ijk_to_lps, grid.frame_of_reference_uid)


def test_file_of_another_kind_with_a_dicom_name(tmp_path):
    (tmp_path / "IM1.dcm").write_bytes(bytes(128) + b"DICM" + b"nothing sensible follows")
    with pytest.raises(UnreadableFileError, match="truncated or corrupt"):
        read_study(tmp_path)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_volume_files_are_read_as_hu(ramp, grid, tmp_path, suffix):
    volume = Volume(((ramp + 1000) * 4 - 1000).astype(np.int16), grid, Quantity.HU)
    study = read_study(write_image(volume, tmp_path / f"ct{suffix}"))
    np.testing.assert_array_equal(study.volume.array, volume.array)
    assert study.series is None and study.headers == ()
    assert study.fingerprint == fingerprint(volume)


def test_mhd_with_its_raw_file(ramp, grid, tmp_path):
    volume = Volume(((ramp + 1000) * 4 - 1000).astype(np.int16), grid, Quantity.HU)
    sitk.WriteImage(to_sitk(volume), str(tmp_path / "ct.mhd"))
    np.testing.assert_array_equal(read_study(tmp_path / "ct.mhd").volume.array, volume.array)
    (tmp_path / "ct.raw").unlink()
    with pytest.raises(UnreadableFileError, match="is not there"):
        read_study(tmp_path / "ct.mhd")


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.linspace(0, 255, 210).reshape(6, 5, 7), "from 0 to 255: these are not Hounsfield"),
        (np.linspace(-1, 1, 210).reshape(6, 5, 7), "not Hounsfield"),
        (np.linspace(-1000, 50, 210).reshape(6, 5, 7), "not Hounsfield"),
    ],
)
def test_files_that_are_no_ct_are_refused(array, words, grid, tmp_path):
    write_image(Volume(array.astype(np.float32), grid, Quantity.HU), tmp_path / "x.nii.gz")
    with pytest.raises(UnsuitableScanError, match=words):
        read_study(tmp_path / "x.nii.gz")


def test_pet_file_is_refused(ramp, grid, tmp_path):
    write_image(Volume(ramp.astype(np.float32), grid, Quantity.SUV), tmp_path / "pet.mha")
    with pytest.raises(UnsuitableScanError, match="hyoid petct"):
        read_study(tmp_path / "pet.mha", modality="PT")


def test_fingerprint_sees_values_and_places(ramp, grid):
    volume = Volume(ramp.astype(np.int16), grid, Quantity.HU)
    other_value = ramp.astype(np.int16)
    other_value[0, 0, 0] += 1
    moved = grid.ijk_to_lps.copy()
    moved[2, 3] += 1
    from hyoid.volume import Geometry

    prints = {
        fingerprint(volume),
        fingerprint(volume.with_array(other_value)),
        fingerprint(Volume(volume.array, Geometry(grid.shape, moved), Quantity.HU)),
    }
    assert len(prints) == 3


def test_screenshots_of_a_series_without_geometry(make_series, save, ramp, grid, tmp_path):
    plain = make_series(ramp, grid, number=7)
    capture = make_series(np.repeat(ramp, 2, 0), _longer(grid), number=1)
    for dataset in capture:
        del dataset.ImageOrientationPatient
    save([*plain, *capture], tmp_path)
    assert read_study(tmp_path).series.number == 7


@pytest.mark.shared
def test_real_head_and_neck_study_matches_its_nifti(shared_data):
    study = read_study(shared_data / "dicom" / "openkbp_pt_201_128.zip")
    assert study.volume.array.shape == (124, 128, 128)
    image = sitk.ReadImage(str(next((shared_data / "openkbp" / "validation").glob("pt_201_ct*"))))
    # The NIfTI is the source, resampled to 3 mm slices: the same patient at the same scale.
    assert study.volume.geometry.spacing_mm[1:] == pytest.approx(image.GetSpacing()[:2], abs=1e-3)
    assert study.volume.array.min() == -1024


@pytest.mark.shared
@pytest.mark.parametrize(("modality", "slices"), [("MR", 40), ("PT", 267)])
def test_real_mr_and_pet_are_read(shared_data, modality, slices):
    study = read_study(shared_data / "dicom" / "STS_001_raw.zip", modality=modality)
    assert study.volume.array.shape[0] == slices
    assert isinstance(study.headers[0], Dataset)


def test_an_archive_inside_an_archive_is_opened_and_a_deeper_one_refused(folder, ramp, tmp_path):
    inner = zipped(folder, tmp_path / "inner.zip")
    for name, content in (("outer.zip", inner.read_bytes()), ("third.zip", None)):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("study.zip", content or (tmp_path / "outer.zip").read_bytes())
            archive.writestr("readme.txt", "not an image")
    study = read_study(tmp_path / "outer.zip")
    np.testing.assert_array_equal(study.volume.array, ramp)
    assert study.warnings == ("1 file(s) that are not DICOM images were passed over.",)
    with pytest.raises(UnreadableFileError, match="archives within archives"):
        read_study(tmp_path / "third.zip")
    with zipfile.ZipFile(tmp_path / "short.zip", "w") as archive:
        archive.writestr("study.zip", inner.read_bytes()[:-40])
    with pytest.raises(UnreadableFileError, match="archive cannot be read"):
        read_study(tmp_path / "short.zip")


def test_a_dicomdir_stands_for_the_folders_beside_it(folder, ramp):
    listing = Dataset()
    listing.FileSetID = "DISC"
    listing.file_meta = FileMetaDataset()
    listing.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    listing.file_meta.MediaStorageSOPInstanceUID = "1.2.8"
    listing.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dcmwrite(folder / "DICOMDIR", listing, enforce_file_format=True)
    study = read_study(folder / "DICOMDIR")
    np.testing.assert_array_equal(study.volume.array, ramp)
    assert study.series.why == "the only CT series"


@pytest.mark.parametrize("mode", ["w:gz", "w", "w:xz"])
def test_archives_that_are_no_zip_are_to_be_unpacked(folder, tmp_path, mode):
    packed = tmp_path / "packed" / "study.tar"
    packed.parent.mkdir()
    with tarfile.open(packed, mode) as archive:
        archive.add(folder, "study")
    with pytest.raises(UnreadableFileError, match="no zip archive") as refused:
        read_study(packed)
    assert refused.value.cure == "Unpack it, and give the folder."
    with pytest.raises(UnreadableFileError, match="1 other files, 1 of them"):
        read_study(packed.parent)


def test_a_folder_of_archives_says_so(folder, tmp_path):
    (tmp_path / "portal").mkdir()
    zipped(folder, tmp_path / "portal" / "a.zip")
    with pytest.raises(UnreadableFileError, match=r"no DICOM images \(1 other files, 1 of them archives"):
        read_study(tmp_path / "portal")


@pytest.mark.parametrize(
    ("modality", "low", "high", "said"),
    [
        ("CT", 0, 0, "the value -1024 everywhere"),
        ("CT", 1024, 2000, "lie between 0 and 976"),  # an MR under a CT's header
        ("CT", 0, 200, "lie between -1024 and -824"),  # nothing but air
        ("MR", 7, 7, "the value -1017 everywhere"),
    ],
)
def test_what_no_scan_holds_is_refused(make_series, save, grid, tmp_path, modality, low, high, said):
    values = np.linspace(low, high, 6 * 5 * 7).reshape(6, 5, 7).round() - 1024
    save(make_series(values, grid, modality=modality), tmp_path)
    with pytest.raises(UnsuitableScanError, match=said):
        read_study(tmp_path, modality=modality)
