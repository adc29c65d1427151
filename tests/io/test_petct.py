import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from hyoid.errors import (
    GeometryError,
    InputRefusedError,
    MissingTagError,
    SeriesError,
    UnreadableFileError,
    UnsuitableScanError,
    UsageError,
    WrongQuantityError,
)
from hyoid.geometry.resample import resample
from hyoid.io.files.volumes import read_image, write_nifti
from hyoid.io.petct import Activity, PetRequest, read_petct, suv_from_activity
from hyoid.volume import Geometry, Quantity, Volume

CT_GRID = Geometry.axial((6, 5, 7), (2.5, 0.8, 0.9), (-40.0, -60.0, 100.0), "1.2.3")
PET_GRID = Geometry.axial((4, 3, 3), (4.0, 4.0, 4.0), (-40.0, -60.0, 100.0), "1.2.3")
HU = np.arange(6 * 5 * 7).reshape(6, 5, 7) * 10 - 1000
BQ_PER_ML = np.arange(36).reshape(4, 3, 3) * 500.0
# 70 kg; at 60 min after 350 MBq of a drug with that half-life, half of it is left.
TO_SUV = 70e3 / 175e6


@pytest.fixture
def write_study(make_series, save, tmp_path):
    """CT and PET series in one folder; `change` gets the PET's datasets."""

    def write(change=lambda datasets: None, *, grid=PET_GRID, more=()):
        folder = tmp_path / "study"
        save(make_series(HU, CT_GRID, description="CT", number=2), folder)
        for number, (name, alter) in enumerate([("PET AC", change), *more], start=3):
            series = make_series(
                BQ_PER_ML, grid, modality="PT", description=name, number=number, slope=0.5, intercept=0.0
            )
            for dataset in series:
                with_injection(dataset)
            alter(series)
            save(series, folder)
        return folder

    return write


def with_injection(dataset):
    drug = Dataset()
    drug.RadionuclideTotalDose, drug.RadionuclideHalfLife = 350e6, 3600.0
    drug.RadiopharmaceuticalStartTime = "090000"
    dataset.RadiopharmaceuticalInformationSequence = Sequence([drug])
    dataset.DecayCorrection, dataset.CorrectedImage = "START", ["DECY", "ATTN"]
    dataset.PatientWeight = 70
    for part in ("Series", "Acquisition"):
        setattr(dataset, f"{part}Date", "20240102")
        setattr(dataset, f"{part}Time", "100000")


def setting(**values):
    def change(datasets):
        for dataset in datasets:
            for name, value in values.items():
                setattr(dataset, name, value)

    return change


def test_a_dicom_study_gives_hu_and_suv(write_study):
    study = read_petct(write_study())
    assert study.ct.volume.quantity is Quantity.HU
    assert study.ct.volume.array.tolist() == HU.tolist()
    assert study.pet.volume.quantity is Quantity.SUV
    assert study.pet.volume.geometry.same_grid(PET_GRID)
    assert np.allclose(study.pet.volume.array, BQ_PER_ML * TO_SUV, rtol=1e-5)
    assert study.pet.series.why == "the only PT series"
    assert "60 min after injection" in study.suv_words


def test_of_two_pet_series_the_corrected_one_is_read_and_the_reason_said(write_study):
    folder = write_study(more=[("PET NAC", setting(CorrectedImage=["DECY"]))])
    study = read_petct(folder)
    assert study.pet.series.description == "PET AC"
    assert study.pet.series.why == "of 2 PT series the one corrected for attenuation"
    assert sum(": PT, " in other for other in study.pet.series.others) == 1
    assert not any("NAC" in other for other in study.pet.series.others)
    with pytest.raises(UnsuitableScanError, match="not corrected for attenuation"):
        read_petct(folder, PetRequest(series="PET NAC"))


def test_a_study_with_uncorrected_pet_alone_is_refused(write_study):
    with pytest.raises(UnsuitableScanError, match="No PET series of 1 is corrected"):
        read_petct(write_study(setting(CorrectedImage=["DECY"])))


def test_pet_without_weight_is_refused_by_its_tag(write_study):
    def without_weight(datasets):
        for dataset in datasets:
            del dataset.PatientWeight

    with pytest.raises(MissingTagError, match="0010,1030"):
        read_petct(write_study(without_weight))


def test_two_patients_are_refused_and_neither_is_named(write_study):
    with pytest.raises(InputRefusedError, match="holds 2 patients") as refusal:
        read_petct(write_study(setting(PatientID="OTHER-9")))
    assert "OTHER" not in str(refusal.value) and "SECRET" not in str(refusal.value)


def test_two_frames_of_reference_are_refused(write_study):
    with pytest.raises(GeometryError, match=r"0020,0052\) differs"):
        read_petct(write_study(setting(FrameOfReferenceUID="1.2.999")))


def test_pet_can_be_left_out(write_study):
    study = read_petct(write_study(), PetRequest(left_out=True))
    assert study.pet is None
    assert "left out, as asked" in study.warnings[-1]


def test_the_ct_in_the_frame_of_the_pet_is_chosen(write_study, make_series, save):
    folder = write_study()
    larger = np.concatenate([HU, HU])
    grid = Geometry.axial((12, 5, 7), CT_GRID.spacing_mm, (0, 0, 0), "9.9.9")
    save(make_series(larger, grid, description="DIAGNOSTIC", number=9), folder)
    study = read_petct(folder)
    assert study.ct.series.description == "CT"
    assert study.ct.series.why == "of 2 CT series the one in the PET's frame of reference"


def test_asking_for_a_ct_as_pet_is_refused(write_study):
    with pytest.raises(SeriesError, match="not PT"):
        read_petct(write_study(), PetRequest(series="2"))


def files(folder, names, quantity=Quantity.SUV):
    folder.mkdir(parents=True)
    write_nifti(Volume(HU.astype(np.int16), CT_GRID, Quantity.HU), folder / names[0])
    write_nifti(Volume(BQ_PER_ML.astype(np.float32) / 1000, PET_GRID, quantity), folder / names[1])
    return folder


def test_folders_of_hecktor_hold_suv(tmp_path):
    folder = files(tmp_path / "CHUM-001", ("CHUM-001__CT.nii.gz", "CHUM-001__PT.nii.gz"))
    study = read_petct(folder)
    assert study.pet.volume.array.max() == pytest.approx(17.5)
    assert study.suv_words == "in the file, as in HECKTOR's"
    assert read_petct(folder / "CHUM-001__CT.nii.gz").pet is not None


def test_folders_of_virtual_patients_want_their_units(tmp_path):
    folder = files(tmp_path / "p", ("ct.nii.gz", "pet.nii.gz"))
    with pytest.raises(UsageError, match="units"):
        read_petct(folder)
    assert read_petct(folder, PetRequest(units="suv")).pet.volume.quantity is Quantity.SUV


def test_activity_of_a_file_needs_weight_and_dose(tmp_path):
    folder = files(tmp_path / "p", ("ct.nii.gz", "pet.nii.gz"))
    with pytest.raises(UsageError, match="weight and dose"):
        read_petct(folder, PetRequest(units="bqml"))
    study = read_petct(folder, PetRequest(units="bqml", activity=Activity(70, 175e6)))
    assert study.pet.volume.array.max() == pytest.approx(17.5 * TO_SUV)


def test_two_files_are_a_study(tmp_path):
    folder = files(tmp_path / "p", ("a.nii.gz", "b.nii.gz"))
    assert read_petct(folder / "a.nii.gz", PetRequest(left_out=True)).pet is None
    with pytest.raises(UnsuitableScanError, match="holds no PET") as refusal:
        read_petct(folder / "a.nii.gz")
    assert "--ct-only" in refusal.value.cure
    study = read_petct(folder / "a.nii.gz", PetRequest(file=folder / "b.nii.gz", units="suv"))
    assert study.pet.volume.geometry.same_grid(PET_GRID)


def test_activity_that_is_called_suv_is_refused(tmp_path):
    folder = files(tmp_path / "p", ("a.nii.gz", "b.nii.gz"))
    write_nifti(Volume(BQ_PER_ML + 900.0, PET_GRID, Quantity.SUV), folder / "b.nii.gz")
    with pytest.raises(UnsuitableScanError, match=r"said to hold SUV, and its mean is \d+: over a body it is about 1"):
        read_petct(folder / "a.nii.gz", PetRequest(file=folder / "b.nii.gz", units="suv"))


def test_a_folder_of_several_patients_is_refused(tmp_path):
    folder = files(tmp_path / "many", ("A__CT.nii.gz", "A__PT.nii.gz"))
    write_nifti(Volume(HU.astype(np.int16), CT_GRID, Quantity.HU), folder / "B__CT.nii.gz")
    with pytest.raises(UsageError, match="2 patients"):
        read_petct(folder)


def test_a_folder_of_patients_folders_and_a_path_that_is_not_there_are_told_apart(tmp_path):
    for name in ("A", "B"):
        files(tmp_path / "cohort" / name, (f"{name}__CT.nii.gz", f"{name}__PT.nii.gz"))
    with pytest.raises(UsageError, match=r"2 patient\(s\) in folders of their own"):
        read_petct(tmp_path / "cohort")
    for request in (None, PetRequest(file=tmp_path / "pet.nii.gz")):
        with pytest.raises(UnreadableFileError, match="does not exist"):
            read_petct(tmp_path / "ct.nii.gz", request)


def test_only_activity_becomes_suv():
    with pytest.raises(WrongQuantityError):
        suv_from_activity(Volume(BQ_PER_ML, PET_GRID, Quantity.SUV), Activity(70, 1e8))


@pytest.mark.shared
def test_suv_of_a_real_series_is_that_of_the_collection(shared_data):
    # Uncropped BQML series, and the same tumour region in SUV as its publishers computed it.
    from hyoid.io.dicom.series import read_series
    from hyoid.io.dicom.series_choice import group_by_series
    from hyoid.io.dicom.suv import suv_scale
    from hyoid.io.petct import _in_suv, choose_pet
    from hyoid.io.study import dicom_instances

    instances, _ = dicom_instances(shared_data / "dicom" / "STS_001_raw.zip")
    _, members = choose_pet(group_by_series(instances))
    scale = suv_scale([m.header for m in members])
    ours = read_series([_in_suv(m, float(f)) for m, f in zip(members, scale.factors, strict=True)]).volume
    theirs = read_image(shared_data / "lesions" / "STS_001" / "PET_image.nii.gz", Quantity.SUV)
    assert np.abs(resample(ours, theirs.geometry).array - theirs.array).max() < 2e-3
    assert theirs.array.max() > 25


@pytest.mark.shared
@pytest.mark.parametrize("name", ["STS_002", "STS_003"])
def test_real_studies_in_gml_are_read(shared_data, name):
    study = read_petct(shared_data / "dicom" / f"{name}.zip")
    assert study.pet.volume.quantity is Quantity.SUV
    assert study.suv_words == "stored as body-weight SUV (Units GML)"
