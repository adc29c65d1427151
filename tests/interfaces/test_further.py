import pydicom
import pytest

from hyoid.errors import UsageError
from hyoid.interfaces.further import NOTHING_FURTHER, USUAL, Further, further_named, headers_of, write_further
from hyoid.interfaces.terminal import Terminal
from hyoid.io.study import Study
from hyoid.systems.outlines import Outlines
from hyoid.volume import Quantity, Volume


@pytest.fixture
def study(measured_case):
    grid = measured_case.outlines.geometry
    volume = Volume(measured_case.outlines.picture().array.astype("int16"), grid, Quantity.HU)
    return Study(volume, None, tuple(measured_case.headers), (), "ab" * 32)


def written(folder, case, study, further, outlines=None):
    folder.mkdir()
    write_further(folder, case.report, study, outlines or case.outlines, further, Terminal(as_json=True))
    return {file.name for file in folder.iterdir()}


def test_dicom_gets_a_structured_report_and_others_on_request(tmp_path, measured_case, study):
    file = Study(study.volume, None, (), (), study.fingerprint)
    assert written(tmp_path / "a", measured_case, study, USUAL) == {"lesions.dcm", "sr.dcm"}
    assert written(tmp_path / "b", measured_case, study, NOTHING_FURTHER) == set()
    assert written(tmp_path / "c", measured_case, file, USUAL) == set()
    assert written(tmp_path / "d", measured_case, file, Further(frozenset({"sr"}))) == {"lesions.dcm", "sr.dcm"}
    own = headers_of(file, study.volume.geometry)
    assert pydicom.dcmread(tmp_path / "d" / "sr.dcm").StudyInstanceUID == own[0].StudyInstanceUID


def test_without_outlines_the_report_refers_to_no_segment(tmp_path, measured_case, study):
    nothing = Outlines(measured_case.outlines.geometry)
    assert written(tmp_path / "a", measured_case, study, USUAL, nothing) == {"sr.dcm"}


@pytest.mark.parametrize("words", ["hl7", "sr,hl7", "", "none,sr"])
def test_unknown_forms_are_refused(words):
    with pytest.raises(UsageError, match="no form of a report"):
        further_named(words)
