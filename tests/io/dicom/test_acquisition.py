from pydicom.dataset import Dataset

from hyoid.io.dicom.acquisition import (
    contrast_agent,
    kernel,
    patient_key,
    slice_thickness_mm,
    study_day,
    tracer,
)


def header(**values):
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def pet(**drug):
    return header(RadiopharmaceuticalInformationSequence=[header(**drug)])


def test_what_a_ct_header_says_of_the_scan():
    full = header(ContrastBolusAgent="Iohexol 300", SliceThickness="2.5", ConvolutionKernel="B30f")
    assert (contrast_agent(full), slice_thickness_mm(full), kernel(full)) == ("Iohexol 300", 2.5, "B30F")
    assert contrast_agent(header(ContrastBolusRoute="IV")) == "given"
    bare = Dataset()
    assert (contrast_agent(bare), slice_thickness_mm(bare), kernel(bare)) == (None, None, "")
    assert slice_thickness_mm(header(SliceThickness="0")) is None


def test_tracer_and_absent_pharmaceutical():
    assert tracer(pet(Radiopharmaceutical="Fluorodeoxyglucose")) == "Fluorodeoxyglucose"
    assert tracer(Dataset()) == ""


def test_patient_and_day():
    one = header(PatientID="a", PatientBirthDate="19500101", StudyDate="20260102")
    assert patient_key(one) == ("a", "19500101")
    assert study_day(one).day == 2
    assert study_day(header(StudyDate="")) is None
