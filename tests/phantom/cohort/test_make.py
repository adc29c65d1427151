"""Cohorts: complete folders, continued where they stopped."""

import json

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from hyoid.errors import OutputError, UsageError
from hyoid.geometry.resample import from_sitk
from hyoid.io.dicom.series import read_series
from hyoid.phantom.cohort import make
from hyoid.phantom.cohort.make import write_cohort, write_patient
from hyoid.phantom.patient import VERSION, PhantomOptions, virtual_patient
from hyoid.volume import Quantity

COARSE_MM = (5.0, 5.0, 5.0)
SEED = 2  # of every cohort here
USUAL = PhantomOptions()


@pytest.fixture(scope="module")
def drawn():
    """Draw a virtual patient as `virtual_patient` does; each seed, spacing and kind once in this module."""
    known = {}

    def draw(rng, *, spacing_mm, options):
        key = str(rng.bit_generator.state), spacing_mm, options
        if key not in known:
            known[key] = virtual_patient(rng, spacing_mm=spacing_mm, options=options)
        return known[key]

    return draw


@pytest.fixture(autouse=True)
def cohorts_take_what_was_drawn(drawn, monkeypatch):
    """Let the cohorts of this process take patients that an earlier test drew; other processes draw their own."""
    monkeypatch.setattr(make, "virtual_patient", drawn)


def first_of(drawn, options=USUAL):
    return drawn(np.random.default_rng([SEED, 0]), spacing_mm=COARSE_MM, options=options)


def test_files_hold_the_patient(drawn, tmp_path):
    folders = write_cohort(tmp_path / "cohort", n=1, seed=SEED, spacing_mm=COARSE_MM)
    assert [f.name for f in folders] == ["phantom_2_0000"]
    patient = first_of(drawn)
    for name in ("ct", "organs", "subsites", "lesions"):
        read = from_sitk(sitk.ReadImage(str(folders[0] / f"{name}.nii.gz")), Quantity.HU)
        assert np.array_equal(read.array, getattr(patient, name).array)
        assert read.geometry.same_grid(patient.ct.geometry)
    truth = json.loads((folders[0] / "truth.json").read_text())
    assert truth["primary"] == patient.truth.primary
    assert len(truth["nodes"]) == len(patient.truth.nodes)


def test_a_stopped_run_is_continued(tmp_path):
    first = write_cohort(tmp_path, n=1, seed=SEED, spacing_mm=COARSE_MM)[0]
    stamp = (first / "ct.nii.gz").stat().st_mtime_ns
    leftover = tmp_path / ".phantom_2_0001.part"
    leftover.mkdir()
    (leftover / "ct.nii.gz").write_text("half")
    told = []
    folders = write_cohort(tmp_path, n=2, seed=SEED, spacing_mm=COARSE_MM, on_progress=lambda *done: told.append(done))
    assert told == [(1, 2), (2, 2)]
    assert (first / "ct.nii.gz").stat().st_mtime_ns == stamp
    assert sorted(p.name for p in tmp_path.glob("*phantom_*")) == [f.name for f in folders]
    assert (folders[1] / "truth.json").is_file()


def test_refusals(tmp_path):
    with pytest.raises(UsageError, match="no layout 'bids'"):
        write_cohort(tmp_path, n=1, seed=0, layout="bids")
    with pytest.raises(UsageError, match="empty"):
        write_cohort(tmp_path, n=0, seed=0)
    with pytest.raises(UsageError, match="0 workers"):
        write_cohort(tmp_path, n=1, seed=0, workers=0)
    with pytest.raises(UsageError, match="seed -4 is negative"):
        write_cohort(tmp_path, n=1, seed=-4)
    with pytest.raises(UsageError, match="hecktor2025 cannot hold the modalities ct"):
        write_cohort(tmp_path, n=1, seed=0, layout="hecktor2025")
    with pytest.raises(UsageError, match="cannot hold a neck"):
        write_cohort(tmp_path, n=1, seed=0, spacing_mm=(9.0, 1.0, 1.0))
    assert not list(tmp_path.iterdir())


def test_cohorts_are_not_mixed(tmp_path):
    write_cohort(tmp_path, n=1, seed=SEED, spacing_mm=COARSE_MM)
    with pytest.raises(UsageError, match="made with another spacing_mm"):
        write_cohort(tmp_path, n=1, seed=SEED, spacing_mm=(5.0, 5.0, 4.0))
    settings = tmp_path / "cohort.json"
    settings.write_text(settings.read_text().replace(f'"version": {VERSION}', '"version": 1'))
    with pytest.raises(UsageError, match="made with another version"):
        write_cohort(tmp_path, n=1, seed=SEED, spacing_mm=COARSE_MM)


FILES = {
    "nnunet": ("ct,pet", ["imagesTr/NAME_0000.nii.gz", "imagesTr/NAME_0001.nii.gz", "labelsTr/NAME.nii.gz"]),
    "hecktor2025": ("ct,pet", ["NAME/NAME__CT.nii.gz", "NAME/NAME__PT.nii.gz", "NAME/NAME.nii.gz"]),
    "hntsmrg2024": (
        "mr",
        [
            "NAME/preRT/NAME_preRT_T2.nii.gz",
            "NAME/preRT/NAME_preRT_mask.nii.gz",
            "NAME/midRT/NAME_midRT_T2.nii.gz",
            "NAME/midRT/NAME_midRT_mask.nii.gz",
            "NAME/midRT/NAME_preRT_T2_registered.nii.gz",
            "NAME/midRT/NAME_preRT_mask_registered.nii.gz",
        ],
    ),
    "sgrnet": ("ct", ["NAME/ct.nii.gz", "NAME/organs.nii.gz", "NAME/cuboids.nii.gz"]),
}


def with_images(*modalities):
    return PhantomOptions(modalities=modalities, **({"mr_spacing_mm": (5.0, 4.0, 4.0)} if "mr" in modalities else {}))


@pytest.mark.parametrize("layout", sorted(FILES))
def test_layouts_have_their_files(tmp_path, layout):
    modalities, files = FILES[layout]
    options = with_images(*modalities.split(","))
    made = write_cohort(tmp_path, n=1, seed=SEED, spacing_mm=COARSE_MM, layout=layout, options=options)
    assert [p.name for p in made] == ["phantom_2_0000.json"]
    for name in files:
        assert sitk.ReadImage(str(tmp_path / name.replace("NAME", "phantom_2_0000"))).GetDimension() == 3
    assert json.loads(made[0].read_text())["primary"]
    assert (tmp_path / "reports" / "phantom_2_0000.txt").read_text().strip()
    assert (tmp_path / "contact_sheet.png").stat().st_size > 1000
    if layout == "nnunet":
        described = json.loads((tmp_path / "dataset.json").read_text())
        assert described["numTraining"] == 1
        assert described["channel_names"] == {"0": "CT", "1": "PET"}
        sizes = {sitk.ReadImage(str(tmp_path / f.replace("NAME", "phantom_2_0000"))).GetSize() for f in files}
        assert len(sizes) == 1


def test_dicom_is_read_back(drawn, tmp_path):
    options = with_images("ct", "pet", "mr")
    patient = first_of(drawn, options)
    write_cohort(tmp_path, n=1, seed=SEED, spacing_mm=COARSE_MM, layout="dicom", options=options)
    root = tmp_path / "phantom_2_0000"
    ct = read_series(sorted((root / "ct").glob("*.dcm"))).volume
    assert np.array_equal(ct.array, patient.ct.array)
    mr = read_series(sorted((root / "mr_mid").glob("*.dcm"))).volume
    assert np.array_equal(mr.array, patient.mr.mid.array)
    assert mr.geometry.same_grid(patient.mr.mid.geometry)
    headers = [pydicom.dcmread(p) for p in sorted((root / "pt").glob("*.dcm"))]
    values = np.stack([h.pixel_array * float(h.RescaleSlope) for h in headers])
    assert np.allclose(values, patient.pet.array, atol=patient.pet.array.max() / 60000)
    first = pydicom.dcmread(root / "ct" / "slice_0000.dcm")
    assert (headers[0].Units, headers[0].Modality) == ("GML", "PT")
    assert headers[0].FrameOfReferenceUID == first.FrameOfReferenceUID
    assert headers[0].StudyInstanceUID == first.StudyInstanceUID
    assert (root / "truth_seg.dcm").is_file()


def test_workers_make_the_same_files(tmp_path):
    one = write_cohort(tmp_path / "one", n=2, seed=SEED, spacing_mm=COARSE_MM)
    two = write_cohort(tmp_path / "two", n=2, seed=SEED, spacing_mm=COARSE_MM, workers=2)
    for a, b in zip(one, two, strict=True):
        for name in ("ct.nii.gz", "report.txt", "truth.json"):
            assert (a / name).read_bytes() == (b / name).read_bytes()


def test_what_cannot_be_written_is_said(drawn, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="could not be written"):
        write_patient(first_of(drawn), tmp_path / "file" / "patient")
