import pytest
from pydicom.dataset import Dataset

from hyoid.io.dicom.acquisition import (
    contrast_agent,
    kernel,
    patient_key,
    slice_thickness_mm,
    study_day,
    tracer,
    uptake_minutes,
)


def header(**values):
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def pet(**drug):
    return header(SeriesDate="20260102", SeriesTime="100000", RadiopharmaceuticalInformationSequence=[header(**drug)])


def test_what_a_ct_header_says_of_the_scan():
    full = header(ContrastBolusAgent="Iohexol 300", SliceThickness="2.5", ConvolutionKernel="B30f")
    assert (contrast_agent(full), slice_thickness_mm(full), kernel(full)) == ("Iohexol 300", 2.5, "B30F")
    assert contrast_agent(header(ContrastBolusRoute="IV")) == "given"
    bare = Dataset()
    assert (contrast_agent(bare), slice_thickness_mm(bare), kernel(bare)) == (None, None, "")
    assert slice_thickness_mm(header(SliceThickness="0")) is None


@pytest.mark.parametrize(
    ("drug", "minutes"),
    [
        ({"RadiopharmaceuticalStartDateTime": "20260102090000"}, 60),
        ({"RadiopharmaceuticalStartDateTime": "20260102085500.5"}, 65),
        ({"RadiopharmaceuticalStartTime": "085000"}, 70),
        ({"RadiopharmaceuticalStartTime": "110000"}, None),  # after the scan began
        ({}, None),
    ],
)
def test_minutes_from_injection_to_scan(drug, minutes):
    found = uptake_minutes(pet(**drug))
    assert found is None if minutes is None else found == pytest.approx(minutes, abs=0.1)


def test_tracer_and_absent_pharmaceutical():
    assert tracer(pet(Radiopharmaceutical="Fluorodeoxyglucose")) == "Fluorodeoxyglucose"
    assert (tracer(Dataset()), uptake_minutes(Dataset())) == ("", None)


def test_patient_and_day():
    one = header(PatientID="a", PatientBirthDate="19500101", StudyDate="20260102")
    assert patient_key(one) == ("a", "19500101")
    assert study_day(one).day == 2
    assert study_day(header(StudyDate="")) is None
