import numpy as np
import pytest
from pydicom.dataset import Dataset

from hyoid.errors import UnsuitableScanError
from hyoid.io.dicom.mr_pair import check_contrast, check_pair
from hyoid.io.study import Study
from hyoid.volume import Geometry, Quantity, Volume


def study(**tags):
    header = Dataset()
    base = {"PatientID": "one", "SeriesInstanceUID": "1.2.3", "EchoTime": 80, "RepetitionTime": 4000}
    for name, value in (base | tags).items():
        if value is not None:
            setattr(header, name, value)
    volume = Volume(np.zeros((1, 1, 1)), Geometry.axial((1, 1, 1), (1, 1, 1)), Quantity.MR)
    return Study(volume, None, (header,), (), "")


def test_headers_tell_other_patients_swapped_dates_and_the_same_series():
    first = study(SeriesInstanceUID="1.1", StudyDate="20240101")
    second = study(StudyDate="20240201")
    assert check_pair(first, second) == ()
    with pytest.raises(UnsuitableScanError, match="they are swapped"):
        check_pair(second, first)
    with pytest.raises(UnsuitableScanError, match="different patients") as caught:
        check_pair(first, study(StudyDate="20240201", PatientID="secret"))
    assert "secret" not in str(caught.value)
    with pytest.raises(UnsuitableScanError, match="same series"):
        check_pair(second, second)
    assert "one day" in check_pair(first, study(StudyDate="20240101"))[0]
    assert "no date" in check_pair(study(SeriesInstanceUID="1.1"), study())[0]
    volume_file = Study(first.volume, None, (), (), "")
    assert check_pair(volume_file, second) == ()
    twice = Study(first.volume, None, (), (), "one content")
    with pytest.raises(UnsuitableScanError, match="same one"):
        check_pair(twice, twice)


def test_headers_tell_the_sequence():
    assert check_contrast(study(), "pre") == ()
    for tags, words in (
        ({"EchoTime": 12, "RepetitionTime": 550}, "echo time 12 ms"),
        ({"DiffusionBValue": 800.0}, "diffusion-weighted"),
    ):
        with pytest.raises(UnsuitableScanError, match=words):
            check_contrast(study(**tags), "mid")
    assert "short for T2" in check_contrast(study(EchoTime=44), "mid")[0]
    assert "does not say" in check_contrast(study(EchoTime=None), "mid")[0]
