import copy
import sys

import pydicom
import pytest

from hyoid.errors import UsageError
from hyoid.interfaces.further import (
    NOTHING_FURTHER,
    USUAL,
    Further,
    check_identifiers,
    further_named,
    headers_of,
    identified,
    write_further,
)
from hyoid.interfaces.terminal import Terminal
from hyoid.io.study import Study
from hyoid.report.content.response import RegistrationLine, ResponseReport
from hyoid.systems.outlines import Outlines
from hyoid.volume import Quantity, Volume


@pytest.fixture
def study(measured_case):
    grid = measured_case.outlines.geometry
    headers = tuple(copy.copy(header) for header in measured_case.headers)
    volume = Volume(measured_case.outlines.picture().array.astype("int16"), grid, Quantity.HU)
    return Study(volume, None, headers, (), "ab" * 32)


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


def test_identifiers_reach_the_report_and_fhir_on_request_only(tmp_path, measured_case, study):
    pytest.importorskip("fhir.resources.R4B")
    header = study.headers[0]
    header.AccessionNumber, header.PatientID, header.StudyDate = "A7", "P1", "20251231"
    told = identified(measured_case.report, {"ct": study})
    assert (told.study.study_instance_uid, told.study.accession_number) == (header.StudyInstanceUID, "A7")
    for name, case, asked in (("a", measured_case.report, False), ("b", told, True)):
        (tmp_path / name).mkdir()
        further = Further(frozenset({"fhir"}), identifiers=asked)
        write_further(tmp_path / name, case, study, measured_case.outlines, further, Terminal(as_json=True))
        text = (tmp_path / name / "report.fhir.json").read_text()
        assert [word in text for word in ("A7", "P1", "2025-12-31", str(header.StudyInstanceUID))] == [asked] * 4


def test_both_scans_of_a_response_are_identified(measured_case, study):
    facts = measured_case.report.study
    response = ResponseReport(
        impression=("s",), definition="d",
        pre=facts, mid=facts, registration=RegistrationLine(method="m"), gradient="g",
        models=(), response=(), lesions=(), warnings=(), empty=True,
    )  # fmt: skip
    told = identified(response, {"pre": study, "mid": study})
    assert told.pre.study_instance_uid == told.mid.study_instance_uid == study.headers[0].StudyInstanceUID
    assert identified(measured_case.report.model_copy(update={"study": None}), {}).study is None


def test_a_file_has_no_identifiers(study):
    file = Study(study.volume, None, (), (), study.fingerprint)
    check_identifiers(USUAL, file)
    check_identifiers(Further(identifiers=True), study)
    with pytest.raises(UsageError, match="carries no identifiers"):
        check_identifiers(Further(identifiers=True), study, file)


@pytest.mark.parametrize("package", [("pdf", "weasyprint"), ("fhir", "fhir.resources.R4B")])
def test_a_form_whose_package_is_missing_is_refused_with_the_extra(monkeypatch, package):
    form, module = package
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError) as refusal:
        further_named(form)
    assert f"pip install 'hyoid[{form}]'" in refusal.value.cure


def test_a_printed_report_lies_in_the_study_of_the_images(tmp_path, measured_case, study):
    pytest.importorskip("weasyprint", exc_type=OSError)
    (tmp_path / "report.html").write_text("<p>the page</p>")
    further = Further(frozenset({"pdf"}))
    write_further(tmp_path, measured_case.report, study, measured_case.outlines, further, Terminal(as_json=True))
    document = pydicom.dcmread(tmp_path / "report_pdf.dcm")
    assert document.EncapsulatedDocument.rstrip(b"\0") == (tmp_path / "report.pdf").read_bytes().rstrip(b"\0")
    assert document.StudyInstanceUID == study.headers[0].StudyInstanceUID


@pytest.mark.parametrize("words", ["hl7", "sr,hl7", "", "none,sr"])
def test_unknown_forms_are_refused(words):
    with pytest.raises(UsageError, match="no form of a report"):
        further_named(words)
