import pytest
from pydicom.dataset import Dataset

from hyoid.errors import SeveralStudiesError, UsageError
from hyoid.io.dicom.headers import Instance
from hyoid.io.dicom.study_choice import examinations, of_one_study


def image(patient="A", study="1.1", series="1.1.1", modality="CT", **more):
    header = Dataset()
    fields = {"PatientID": patient, "StudyInstanceUID": study, "SeriesInstanceUID": series, "Modality": modality}
    for name, value in {**fields, "SeriesNumber": 1, "StudyDate": "20240101", **more}.items():
        if value is not None:
            setattr(header, name, value)
    return Instance(header, lambda: header)


def kept(instances, modalities=("CT",), **options):
    found, notes = of_one_study(instances, "folder", modalities, **options)
    return [i.header.SeriesInstanceUID for i in found], notes


def test_one_study_is_kept_whole():
    assert kept([image(), image(series="1.1.2", modality="MR")]) == (["1.1.1", "1.1.2"], ())


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ([image("B", "2", "2.1")], "holds 2 patients"),
        ([image("B", "2", "2.1"), image("C", "3", "3.1")], "holds 3 patients"),
        ([image(study="1.2", series="1.2.1")], "holds 2 studies of one patient"),
        ([image("B", "2", "2.1", "RTSTRUCT")], "holds 2 patients"),
        ([image("B", series="9")], "holds 2 patients"),  # one StudyInstanceUID for both
        ([image(PatientBirthDate="19500101"), image(PatientBirthDate="19600101")], "holds 2 patients"),
    ],
)
def test_several_are_refused_with_their_number(others, words):
    with pytest.raises(SeveralStudiesError, match=words) as refusal:
        kept([image(), *others])
    assert "--study" in refusal.value.cure and refusal.value.exit_code == 3


def test_a_refusal_names_nobody_and_no_date():
    two = [image("SECRET-1", PatientName="DOE^JANE"), image("SECRET-2", "2", "2.1", PatientBirthDate="19501112")]
    with pytest.raises(SeveralStudiesError) as refusal:
        kept(two)
    said = str(refusal.value)
    assert not any(word in said for word in ("SECRET", "DOE", "1950", "2024")) and "study 2: 1 CT series" in said


def test_a_study_is_chosen_by_its_number_in_the_order_of_dates_by_uid_or_by_series():
    late, early = image("A", "1.9", "5.1"), image("B", "1.5", "5.2", StudyDate="20200101", SeriesNumber=7)
    assert kept([late, early], study="1")[0] == ["5.2"]
    assert kept([late, early], study="1.9")[0] == ["5.1"]
    assert kept([late, early], series=["7"])[0] == ["5.2"]
    assert kept([late, early], series=["5.1"])[0] == ["5.1"]
    assert kept([late, early], study="2")[1] == ("Of 2 studies, the one that was asked for was read.",)
    with pytest.raises(UsageError, match="No studies fit --study"):
        kept([late, early], study="3")
    with pytest.raises(SeveralStudiesError):  # both have a series of that number
        kept([late, image("B", "1.5", "5.2")], series=["1"])


def test_of_one_patients_studies_the_only_one_with_what_is_read_is_taken_and_said():
    two = [image(), image(study="1.2", series="5.3", modality="MR")]
    assert kept(two, ("MR",)) == (["5.3"], ("Of 2 studies, the only one with MR was read.",))
    petct = [image(), image(study="1.2", series="5.4"), image(study="1.2", series="5.5", modality="PT")]
    assert kept(petct, ("CT", "PT"))[0] == ["5.4", "5.5"]
    with pytest.raises(SeveralStudiesError):
        kept(petct, ("CT",))


def test_structure_sets_in_a_study_of_their_own_and_objects_without_a_name_count_for_nothing():
    assert kept([image(), image(study="7", series="5.6", modality="RTSTRUCT")])[0] == ["1.1.1"]
    assert kept([image(PatientID=None), image(series="1.1.2", PatientID=None)])[0] == ["1.1.1", "1.1.2"]
    assert kept([image(), image(series="1.1.2", PatientID=None)])[0] == ["1.1.1", "1.1.2"]
    assert kept([image(PatientBirthDate="19500101"), image(series="1.1.2")])[0] == ["1.1.1", "1.1.2"]


def test_examinations_are_in_the_order_of_dates():
    found = examinations([image(), image("B", "2", "2.1", StudyDate="20200101"), image(series="1.1.2")])
    assert [(e.uid, len(e.members)) for e in found] == [("2", 1), ("1.1", 2)]
    assert [str(e) for e in found] == ["1 CT series", "2 CT series"]
