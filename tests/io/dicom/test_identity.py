import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from hyoid.errors import GeometryError, InputRefusedError
from hyoid.io.dicom.identity import Identity, identity_of, refuse_another_patient, refuse_other_frame
from hyoid.volume import Geometry


def scan(patient="P", study="1.1", series="1.1.1"):
    header = Dataset()
    header.PatientID, header.StudyInstanceUID, header.SeriesInstanceUID = patient, study, series
    return [header]


def outlines(patient="P", study="1.1", series=("1.1.1",)):
    return Identity(patient, study, frozenset(series))


def test_outlines_of_the_series_itself_need_nothing_more():
    assert refuse_another_patient(outlines(), scan()) == ()
    # Names were replaced on one side, and the series says that they belong together.
    assert refuse_another_patient(outlines("ANON", "9.9"), scan()) == ()


def test_outlines_of_another_series_or_study_of_the_patient_are_told():
    assert refuse_another_patient(outlines(series=["1.1.2"]), scan()) == (
        "The outlines were drawn on another series of the study.",
    )
    assert "another study of the patient" in refuse_another_patient(outlines(study="2.2", series=["2.2.2"]), scan())[0]
    assert "another study of the patient" in refuse_another_patient(outlines(study="2.2", series=[]), scan())[0]
    assert refuse_another_patient(outlines(series=[]), scan()) == ()
    assert refuse_another_patient(outlines("ANON", series=[]), scan()) == (
        "The outlines are of the scan's study, and name its patient otherwise.",
    )


@pytest.mark.parametrize("series", [(), ("2.2.2",)])
def test_outlines_of_another_patient_are_refused_without_a_name(series):
    with pytest.raises(InputRefusedError, match="of another patient") as refusal:
        refuse_another_patient(outlines("SECRET-8", "2.2", series), scan("SECRET-7"))
    assert "SECRET" not in str(refusal.value)


@pytest.mark.parametrize(
    ("born", "study", "refused"), [("19600102", "2.2", True), ("", "2.2", False), ("19600102", "1.1", False)]
)
def test_two_dates_of_birth_under_one_patient_id_are_two_patients(born, study, refused):
    header = scan("ANON")
    header[0].PatientBirthDate = "19700304"
    theirs = Identity("ANON", study, frozenset(), born)
    if not refused:
        refuse_another_patient(theirs, header)
        return
    with pytest.raises(InputRefusedError, match="of another patient"):
        refuse_another_patient(theirs, header)


def test_without_identifiers_or_headers_nothing_is_known():
    assert refuse_another_patient(outlines("", "", ()), scan()) == ()
    assert refuse_another_patient(outlines("Q", "2.2", ("2.2.2",)), []) == ()


def test_identity_of_a_structure_set_and_of_a_segmentation():
    series, study, frame, rtstruct = Dataset(), Dataset(), Dataset(), scan("P", "1.1", "1.1.9")[0]
    series.SeriesInstanceUID = "1.1.1"
    study.RTReferencedSeriesSequence = Sequence([series])
    frame.RTReferencedStudySequence = Sequence([study])
    rtstruct.ReferencedFrameOfReferenceSequence = Sequence([frame])
    assert identity_of(rtstruct) == outlines()
    seg = scan("P", "1.1", "1.1.8")[0]
    seg.ReferencedSeriesSequence = Sequence([series])
    assert identity_of(seg) == outlines()


def test_frames_of_reference():
    grid = Geometry.axial((1, 1, 1), (1, 1, 1), frame_of_reference_uid="1.2")
    refuse_other_frame("1.2", grid)
    refuse_other_frame("", grid)
    refuse_other_frame("1.3", Geometry.axial((1, 1, 1), (1, 1, 1)))
    with pytest.raises(GeometryError, match="another frame of reference than the other side"):
        refuse_other_frame("1.3", grid, "the other side")
