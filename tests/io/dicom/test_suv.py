"""SUV by hand: 70 kg, 350 MBq, half-life 6588 s, so that 5000 Bq/mL at injection is SUV 1."""

import math

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from hyoid.errors import MissingTagError, SeriesError, UnsuitableScanError
from hyoid.io.dicom.headers import quiet_pydicom
from hyoid.io.dicom.suv import dose_at, mean_count_delay_s, suv_scale, uptake_minutes

HALF_LIFE_S = 6588.0
AT_INJECTION = 70e3 / 350e6


def pet_header(**changes):
    """Header of an image scanned 60 min after injection, corrected to the start of the scan."""
    header, drug = Dataset(), Dataset()
    drug.RadionuclideTotalDose, drug.RadionuclideHalfLife = 350e6, HALF_LIFE_S
    drug.RadiopharmaceuticalStartTime = "090000"
    header.Units, header.DecayCorrection = "BQML", "START"
    header.CorrectedImage = ["DECY", "ATTN", "SCAT"]
    header.PatientWeight = 70
    header.SeriesDate, header.SeriesTime = "20240102", "100000"
    header.AcquisitionDate, header.AcquisitionTime = "20240102", "100000"
    header.ActualFrameDuration = 240000
    header.RadiopharmaceuticalInformationSequence = Sequence([drug])
    for name, value in changes.items():
        holder = drug if name.startswith(("Radionuclide", "RadiopharmaceuticalStart")) else header
        with quiet_pydicom():
            if value is None:
                delattr(holder, name)
            else:
                setattr(holder, name, value)
    return header


def decayed(seconds):
    return AT_INJECTION * 2 ** (seconds / HALF_LIFE_S)


def test_start_corrected_bqml_uses_the_dose_left_at_the_start_of_the_scan():
    scale = suv_scale([pet_header(), pet_header(AcquisitionTime="101500")])
    assert scale.factors == pytest.approx([decayed(3600)] * 2)
    assert scale.warnings == ()
    assert "60 min" in scale.words
    assert "350" not in scale.words and "70" not in scale.words


@pytest.mark.parametrize(
    ("changes", "minutes"),
    [
        ({}, 60),
        ({"RadiopharmaceuticalStartDateTime": "20240102090000"}, 60),
        # A series made later by post-processing: the scan began with the acquisition.
        ({"SeriesTime": "170000"}, 60),
        # The injection in universal time, the scan an hour ahead.
        (
            {
                "RadiopharmaceuticalStartDateTime": "20240102080000+0000",
                "RadiopharmaceuticalStartTime": None,
                "TimezoneOffsetFromUTC": "+0100",
            },
            60,
        ),
        ({"RadiopharmaceuticalStartTime": "110000"}, None),
        ({"RadiopharmaceuticalStartTime": None}, None),
        ({"AcquisitionTime": None}, None),
        ({"RadiopharmaceuticalInformationSequence": None}, None),
    ],
)
def test_minutes_of_uptake_are_those_of_the_suv(changes, minutes):
    found = uptake_minutes([pet_header(**changes)])
    assert found == (None if minutes is None else pytest.approx(minutes))
    if minutes is not None:
        assert suv_scale([pet_header(**changes)]).factors == pytest.approx([decayed(60 * minutes)])


def test_minutes_of_uptake_of_no_image_are_unknown():
    assert uptake_minutes([]) is None


def test_admin_corrected_bqml_uses_the_whole_dose():
    assert suv_scale([pet_header(DecayCorrection="ADMIN")]).factors == pytest.approx([AT_INJECTION])


def test_uncorrected_frames_have_each_their_own_time():
    first = pet_header(DecayCorrection="NONE", CorrectedImage=["ATTN"])
    later = pet_header(DecayCorrection="NONE", CorrectedImage=["ATTN"], AcquisitionTime="100400")
    delay = mean_count_delay_s(240, HALF_LIFE_S)
    assert suv_scale([first, later]).factors == pytest.approx([decayed(3600 + delay), decayed(3840 + delay)])


def test_mean_count_delay_is_where_the_activity_equals_its_mean():
    decay = math.log(2) / HALF_LIFE_S
    mean = (1 - math.exp(-decay * 3000)) / (decay * 3000)
    assert math.exp(-decay * mean_count_delay_s(3000, HALF_LIFE_S)) == pytest.approx(mean)


def test_gml_is_suv_already():
    assert suv_scale([pet_header(Units="GML", PatientWeight=None)]).factors.tolist() == [1.0]


def test_gml_of_another_kind_is_refused():
    with pytest.raises(UnsuitableScanError, match="type LBM"):
        suv_scale([pet_header(Units="GML", SUVType="LBM")])


def philips(header, **elements):
    block = header.private_block(0x7053, "Philips PET Private Group", create=True)
    for name, value in elements.items():
        block.add_new({"suv": 0x00, "activity": 0x09}[name], "DS", str(value))
    return header


def test_counts_of_philips_become_suv_by_the_scanners_factor():
    assert suv_scale([philips(pet_header(Units="CNTS"), suv=0.0004)]).factors == pytest.approx([0.0004])


def test_counts_of_philips_become_activity_where_the_suv_factor_is_zero():
    scale = suv_scale([philips(pet_header(Units="CNTS"), suv=0, activity=1.5)])
    assert scale.factors == pytest.approx([1.5 * decayed(3600)])


def test_counts_without_a_factor_are_refused():
    with pytest.raises(MissingTagError, match=r"7053,1000"):
        suv_scale([pet_header(Units="CNTS")])


def test_injection_before_midnight_counts_as_the_day_before():
    late = pet_header(RadiopharmaceuticalStartTime="233000", SeriesTime="003000", AcquisitionTime="003000")
    scale = suv_scale([late])
    assert scale.factors == pytest.approx([decayed(3600)])
    assert "day before" in scale.warnings[0]


def test_date_and_time_of_the_injection_suffice():
    header = pet_header(RadiopharmaceuticalStartDateTime="20240102083000.00", RadiopharmaceuticalStartTime=None)
    assert suv_scale([header]).factors == pytest.approx([decayed(5400)])
    header = pet_header(RadiopharmaceuticalStartDateTime="20240102090000.00")
    assert suv_scale([header]).factors == pytest.approx([decayed(3600)])


def test_two_moments_of_injection_are_refused():
    with pytest.raises(UnsuitableScanError, match="30 min apart"):
        suv_scale([pet_header(RadiopharmaceuticalStartDateTime="20240102083000.00")])


def test_date_and_time_of_acquisition_in_one_attribute():
    header = pet_header(AcquisitionTime=None, AcquisitionDateTime="20240102100000.5")
    assert suv_scale([header]).factors == pytest.approx([decayed(3600)])
    header = pet_header(AcquisitionTime=None, AcquisitionDate=None, AcquisitionDateTime="20240102100000")
    assert suv_scale([header]).factors == pytest.approx([decayed(3600)])
    later = pet_header(
        AcquisitionTime=None, AcquisitionDateTime="20240102100400", DecayCorrection="NONE", CorrectedImage=["ATTN"]
    )
    assert suv_scale([later]).factors == pytest.approx([decayed(3840 + mean_count_delay_s(240, HALF_LIFE_S))])


def test_scan_over_midnight_counts_from_its_series():
    before = {"SeriesTime": "235500", "RadiopharmaceuticalStartTime": "225500", "AcquisitionTime": "235500"}
    after = {**before, "AcquisitionDate": "20240103", "AcquisitionTime": "000100"}
    assert suv_scale([pet_header(**before), pet_header(**after)]).factors == pytest.approx([decayed(3600)] * 2)
    with pytest.raises(UnsuitableScanError, match="turned at midnight"):  # a scanner that keeps the first date
        suv_scale([pet_header(**before), pet_header(**{**after, "AcquisitionDate": "20240102"})])


def test_images_of_two_examinations_are_refused():
    for changes, words in (({"PatientWeight": 80}, "PatientWeight"), ({"RadionuclideTotalDose": 300e6}, "TotalDose")):
        with pytest.raises(UnsuitableScanError, match=f"differ in .*{words}"):
            suv_scale([pet_header(), pet_header(**changes)])


def test_half_life_is_that_of_the_stated_tracer():
    fluorine = Dataset()
    fluorine.CodeValue = "C-111A1"
    assert len(suv_scale([pet_header(RadionuclideCodeSequence=Sequence([fluorine]))]).factors) == 1
    with pytest.raises(UnsuitableScanError, match="4062 s, which the tracer cannot have"):
        suv_scale([pet_header(RadionuclideCodeSequence=Sequence([fluorine]), RadionuclideHalfLife=4062)])


def test_enhanced_pet_is_named():
    with pytest.raises(SeriesError, match="Enhanced PET"):
        suv_scale([pet_header(SOPClassUID="1.2.840.10008.5.1.4.1.1.130", Units=None)])


def test_offsets_from_utc_are_heeded():
    header = pet_header(RadiopharmaceuticalStartDateTime="20240102080000+0000", TimezoneOffsetFromUTC="+0100")
    assert suv_scale([header]).factors == pytest.approx([decayed(3600)])


def test_a_shifted_date_is_refused():
    # As in a public collection: the injection a day after the scan.
    with pytest.raises(UnsuitableScanError, match="-1380 min after the injection"):
        suv_scale([pet_header(RadiopharmaceuticalStartDateTime="20240103090000")])


def test_a_series_made_later_counts_from_the_earliest_acquisition():
    scale = suv_scale([pet_header(SeriesTime="150000"), pet_header(SeriesTime="150000", AcquisitionTime="100300")])
    assert scale.factors == pytest.approx([decayed(3600)] * 2)
    assert "post-processed" in scale.warnings[0]


def test_ge_says_when_the_scan_of_a_later_series_began():
    header = pet_header(SeriesTime="150000", AcquisitionTime="100300")
    header.private_block(0x0009, "GEMS_PETD_01", create=True).add_new(0x0D, "DT", "20240102100000.00")
    assert suv_scale([header]).factors == pytest.approx([decayed(3600)])


@pytest.mark.parametrize(
    ("keyword", "tag"),
    [
        ("Units", "0054,1001"),
        ("DecayCorrection", "0054,1102"),
        ("CorrectedImage", "0028,0051"),
        ("PatientWeight", "0010,1030"),
        ("RadionuclideTotalDose", "0018,1074"),
        ("RadionuclideHalfLife", "0018,1075"),
        ("RadiopharmaceuticalStartTime", "0018,1072"),
        ("SeriesTime", "0008,0031"),
        ("SeriesDate", "0008,0021"),
        ("AcquisitionTime", "0008,0032"),
        ("RadiopharmaceuticalInformationSequence", "0054,0016"),
    ],
)
def test_what_is_missing_is_named(keyword, tag):
    with pytest.raises(MissingTagError, match=tag):
        suv_scale([pet_header(**{keyword: None})])


def test_a_frame_without_duration_is_refused_only_where_it_counts():
    assert len(suv_scale([pet_header(ActualFrameDuration=None)]).factors) == 1
    with pytest.raises(MissingTagError, match="0018,1242"):
        suv_scale([pet_header(ActualFrameDuration=None, DecayCorrection="NONE", CorrectedImage=["ATTN"])])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"CorrectedImage": ["DECY"]}, "not corrected for attenuation"),
        ({"CorrectedImage": ["ATTN"]}, "no DECY"),
        ({"PatientWeight": 70000}, "70000 kg"),
        ({"RadionuclideTotalDose": 350}, "MBq"),
        ({"RadionuclideHalfLife": 109.77}, "tracer cannot have"),
        ({"RadionuclideHalfLife": 0}, "tracer cannot have"),
        ({"Units": "PROPCNTS"}, "PROPCNTS"),
        ({"DecayCorrection": "OTHER"}, "OTHER"),
        ({"RadiopharmaceuticalStartDateTime": "20240101090000"}, "half-lives"),
    ],
)
def test_what_cannot_be_is_refused(changes, words):
    with pytest.raises(UnsuitableScanError, match=words):
        suv_scale([pet_header(**changes)])


def test_an_unreadable_time_is_refused_without_quoting_it():
    with pytest.raises(MissingTagError, match="0018,1072") as refusal:
        suv_scale([pet_header(RadiopharmaceuticalStartTime="x7SECRET")])
    assert "SECRET" not in str(refusal.value)


def test_dose_halves_with_every_half_life():
    assert dose_at(8.0, 10.0, 30.0) == pytest.approx(1.0)
    assert np.isclose(dose_at(8.0, 10.0, 0.0), 8.0)
