import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from hyoid.errors import InputRefusedError, UnreadableFileError, UsageError
from hyoid.io.study import Study
from hyoid.report.content.build import ReportInputs, build_report
from hyoid.report.content.schema import Study as Facts
from hyoid.systems.examination import request, staging_request, technique
from hyoid.volume import Geometry, Quantity, Volume

GRID = Geometry.axial((4, 8, 8), (3.0, 1.0, 1.0))


def header(identity="p1", day="20260601", **values):
    dataset = Dataset()
    dataset.PatientID, dataset.PatientBirthDate, dataset.StudyDate = identity, "19500101", day
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def study(*headers, fingerprint="f" * 64):
    return Study(Volume(np.zeros(GRID.shape, np.float32), GRID, Quantity.HU), None, headers, (), fingerprint)


def results(folder, identity="p1", day="20260101", fingerprint="0" * 64, dicom=True):
    """A folder as an earlier run left it."""
    folder.mkdir()
    organs = Volume(np.zeros(GRID.shape, np.uint8), GRID, Quantity.LABEL)
    facts = Facts(modality="CT", spacing_mm=GRID.spacing_mm, slices=4, fingerprint=fingerprint)
    report = build_report(ReportInputs(study=facts, organs=organs))
    (folder / "report.json").write_text(report.model_dump_json())
    if dicom:
        dataset = header(identity, day, SOPClassUID=CTImageStorage, SOPInstanceUID="1.2.3", Modality="SEG")
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.save_as(folder / "seg.dcm", enforce_file_format=True)
    return folder


def test_question_treatment_and_earlier_report_are_stated(tmp_path):
    asked = request(study(header()), "  Extent of\ntumour? ", post_treatment=True, prior=results(tmp_path / "a"))
    assert [(fact.words, fact.value) for fact in asked.facts] == [
        ("Clinical question", "Extent of tumour?"),
        ("Treatment", "after treatment"),
        ("Comparison", "an earlier report of hyoid"),
    ]
    assert asked.warnings == ()
    assert request(study(header())).facts == ()
    assert request(study(header()), post_treatment=False).facts[0].value == "untreated"


def test_an_earlier_report_of_another_patient_or_a_later_day_or_of_this_scan_is_refused(tmp_path):
    with pytest.raises(InputRefusedError, match="another patient") as refusal:
        request(study(header()), prior=results(tmp_path / "other", identity="p2"))
    assert "p2" not in str(refusal.value) and "p1" not in str(refusal.value)
    with pytest.raises(InputRefusedError, match=r"30 day\(s\) later"):
        request(study(header()), prior=results(tmp_path / "future", day="20260701"))
    with pytest.raises(UsageError, match="this very scan"):
        request(study(header()), prior=results(tmp_path / "same", fingerprint="f" * 64))


def test_what_could_not_be_checked_is_said(tmp_path):
    plain = results(tmp_path / "plain", dicom=False)
    assert "no DICOM object lies beside it" in request(study(header()), prior=plain / "report.json").warnings[0]
    assert "this scan has no DICOM headers" in request(study(), prior=plain).warnings[0]
    unnamed = results(tmp_path / "unnamed", identity="")
    assert "has no patient ID" in request(study(header()), prior=unnamed).warnings[0]


def test_what_is_no_report_and_a_question_without_end_are_refused(tmp_path):
    with pytest.raises(UnreadableFileError, match="cannot be read"):
        request(study(), prior=tmp_path)
    with pytest.raises(UsageError, match="301 characters"):
        request(study(), "x" * 301)


def test_technique_says_what_the_headers_say_and_what_they_do_not():
    told = {f.words: f for f in technique(study(header(SliceThickness="5", ContrastBolusAgent="Agent")))}
    assert (told["Contrast"].value, told["Slice thickness"].value) == ("Agent", "5.0 mm")
    assert told["Slice thickness"].caution and not told["Contrast"].caution
    silent = {f.words: f for f in technique(study(), study())}
    assert silent["Contrast"].source == silent["Tracer"].source == silent["Uptake time"].source == "not known"
    assert silent["Slice distance"].value == "3.0 mm"


def test_staging_needs_a_site_and_known_words():
    assert staging_request(None) is None
    asked = staging_request("oral cavity", ["8"], depth_mm=6.0, all_nodes=True)
    assert (asked.site.value, [e.value for e in asked.editions]) == ("oral cavity", ["8"])
    assert len(staging_request("hypopharynx").editions) == 2
    with pytest.raises(UsageError, match="needs the primary site"):
        staging_request(None, ["8"])
    with pytest.raises(UsageError, match="no staging table of 'tongue'"):
        staging_request("tongue")
    with pytest.raises(UsageError, match="edition '6'"):
        staging_request("oral cavity", ["6"])
