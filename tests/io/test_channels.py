import numpy as np
import pytest
from tests.io.dicom.petct_study import write_petct_study

from hyoid.errors import InputRefusedError, SeriesError, WrongQuantityError
from hyoid.io.channels import channels_of_dicom, channels_of_files, modality_of
from hyoid.io.dicom.images import write_mr_series
from hyoid.io.files.volumes import write_image
from hyoid.io.packages.nnunet_folder import Channel
from hyoid.volume import Geometry, Quantity, Volume

GRID = Geometry.axial((5, 12, 14), (3.0, 2.0, 2.0))
CT = Channel("CT", "CTNormalization", False, {})
PET = Channel("PET", "ZScoreNormalization", False, {})
MR = Channel("T2w", "ZScoreNormalization", False, {})
MASK = Channel("preRT_mask", "NoNormalization", False, {})


@pytest.fixture
def petct(tmp_path):
    ct = Volume(np.random.default_rng(0).integers(-1000, 500, GRID.shape).astype(np.int16), GRID, Quantity.HU)
    coarse = Geometry.axial((5, 6, 7), (3.0, 4.0, 4.0), (1.0, 1.0, 0.0))
    uptake = np.full(coarse.shape, 2.0)
    uptake[0, 0, 0] = 1.9985  # one value everywhere would be no scan
    pet = Volume(uptake, coarse, Quantity.SUV)
    write_petct_study(tmp_path / "study", ct, pet, seed="x")
    return tmp_path / "study", ct


@pytest.mark.parametrize(
    ("name", "normalisation", "modality"),
    [
        ("CT", "CTNormalization", "CT"), ("0", "CTNormalization", "CT"), ("SUV", "ZScoreNormalization", "PT"),
        ("fdg-pet", "ZScoreNormalization", "PT"), ("T2_FLAIR", "ZScoreNormalization", "MR"),
        ("0", "NoNormalization", ""),
        ("activity", "ZScoreNormalization", ""), ("CT or PET", "ZScoreNormalization", ""),
    ],
)  # fmt: skip
def test_modality_is_told_by_whole_words(name, normalisation, modality):
    assert modality_of(Channel(name, normalisation, False, {})) == modality


def test_masks_are_channels_and_no_ct(tmp_path):
    mask = np.zeros(GRID.shape, np.uint8)
    mask[2:4, 3:6, 3:6] = 1
    path = write_image(Volume(mask, GRID, Quantity.LABEL), tmp_path / "m.nii.gz")
    read = channels_of_files([MR, MASK], [path, path])
    np.testing.assert_array_equal(read.volumes[1].array, mask)
    with pytest.raises(WrongQuantityError, match="label map"):
        channels_of_files([CT], [path])


def test_ct_and_pet_of_a_study_lie_on_one_grid(petct):
    folder, ct = petct
    for order in ((CT, PET), (PET, CT)):
        read = channels_of_dicom(order, folder)
        by_name = dict(zip((c.name for c in order), read.volumes, strict=True))
        np.testing.assert_array_equal(by_name["CT"].array, ct.array)
        assert by_name["PET"].quantity is Quantity.SUV
        np.testing.assert_allclose(by_name["PET"].array[:, 2:-2, 2:-2], 2.0, rtol=1e-3)
        assert by_name["PET"].geometry.same_grid(by_name["CT"].geometry)


def test_pet_alone_is_in_suv(petct):
    read = channels_of_dicom([PET], petct[0])
    np.testing.assert_allclose(read.volumes[0].array, 2.0, rtol=1e-3)
    assert "PET in SUV: Bq/mL" in read.scans[0].warnings[0]
    assert len(read.study.headers) == 5


def test_channel_that_does_not_tell_takes_the_only_modality(petct, tmp_path):
    with pytest.raises(InputRefusedError, match="CT and PT"):
        channels_of_dicom([Channel("0", "NoNormalization", False, {})], petct[0])
    array = np.arange(np.prod(GRID.shape)).reshape(GRID.shape)
    write_mr_series(tmp_path / "mr", Volume(array, GRID, Quantity.MR), seed="x", description="T2")
    read = channels_of_dicom([Channel("0", "NoNormalization", False, {})], tmp_path / "mr")
    np.testing.assert_array_equal(read.volumes[0].array, array)
    with pytest.raises(SeriesError, match="no PT series"):
        channels_of_dicom([PET], tmp_path / "mr")
    with pytest.raises(InputRefusedError, match="does not tell apart"):
        channels_of_dicom([MR, MASK], tmp_path / "mr")
    with pytest.raises(InputRefusedError):
        channels_of_dicom([CT, PET], tmp_path / "mr")
    with pytest.raises(InputRefusedError, match="channel 'prior_mask' is drawn"):
        channels_of_dicom([Channel("prior_mask", "NoNormalization", False, {})], tmp_path / "mr")


@pytest.mark.parametrize("channels", [(MR, Channel("T1", "ZScoreNormalization", False, {})), (MR, MASK)])
def test_dicom_for_several_mr_channels_or_masks_is_refused(channels, tmp_path):
    with pytest.raises(InputRefusedError, match="T2w") as refused:
        channels_of_dicom(channels, tmp_path)
    assert refused.value.cure
