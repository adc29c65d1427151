"""The Structured Report, read back by highdicom, and by other programs (`pytest -m peer`)."""

import copy
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import highdicom as hd
import pydicom
import pytest
from pydicom.sr.codedict import codes

from hyoid.io.dicom.output import Export
from hyoid.io.dicom.seg import read_seg, write_seg
from hyoid.report.content.coded import coded_findings
from hyoid.report.pages.sr import segments_of, write_sr
from hyoid.systems.lesion_outlines import lesion_outlines


@pytest.fixture(scope="module")
def folder(measured_case, tmp_path_factory):
    root = tmp_path_factory.mktemp("sr")
    cut = lesion_outlines(measured_case.report.lesions, measured_case.outlines)
    grid = measured_case.outlines.geometry
    write_seg(
        root / "lesions.dcm",
        cut,
        measured_case.headers,
        grid,
        export=Export({o.structure.name: o.structure.name for o in cut}),
    )
    segments = segments_of(root / "lesions.dcm", cut)
    assert write_sr(root / "sr.dcm", measured_case.report, measured_case.headers, segments)
    return root


@pytest.fixture(scope="module")
def read_back(folder):
    return hd.sr.srread(folder / "sr.dcm")


def test_what_a_reader_must_know_of_an_outline_stands_in_its_group(folder, measured_case, tmp_path):
    cut = lesion_outlines(measured_case.report.lesions, measured_case.outlines)
    doubted = [replace(cut[0], note="Not plausible: volume 3 ml"), *cut[1:]]
    segments = segments_of(folder / "lesions.dcm", doubted)
    write_sr(tmp_path / "sr.dcm", measured_case.report, measured_case.headers, segments)
    assert (tmp_path / "sr.dcm").read_bytes().count(b"Outlined by: reader. Not plausible: volume 3 ml.") == 1


def test_groups_of_lesions_carry_the_measurements_of_the_report(read_back, measured_case):
    lesions = [f for f in coded_findings(measured_case.report) if f.lesion is not None]
    groups = read_back.content.get_volumetric_roi_measurement_groups()
    assert len(groups) == len(lesions) == 3
    for group, finding in zip(groups, lesions, strict=True):
        assert group.tracking_identifier == finding.identifier
        assert group.finding_type.meaning == finding.kind.meaning
        assert [site.value.meaning for site in group.finding_sites] == [site.meaning for site in finding.sites]
        read = [(m.name.value, m.value, m.unit.value) for m in group.get_measurements()]
        assert read == [(n.name.value, n.value, n.unit.value) for n in finding.measured]
        answers = [(e.name.value, e.value.value) for e in group.get_qualitative_evaluations()]
        assert answers == [(question.value, answer.value) for question, answer in finding.answers]
    assert groups[0].finding_sites[0].laterality == codes.SCT.Left


def test_segments_and_measurements_share_their_tracking(read_back, folder):
    seg = pydicom.dcmread(folder / "lesions.dcm")
    segments = {int(s.SegmentNumber): (str(s.TrackingID), str(s.TrackingUID)) for s in seg.SegmentSequence}
    for number, group in enumerate(read_back.content.get_volumetric_roi_measurement_groups(), start=1):
        reference = group.referenced_segment
        assert reference.referenced_sop_instance_uid == seg.SOPInstanceUID
        assert list(reference.referenced_segment_numbers) == [number]
        assert (group.tracking_identifier, str(group.tracking_uid)) == segments[number]
    voxels = [int(s.mask.array.sum()) for s in read_seg(folder / "lesions.dcm").segments]
    assert voxels == [400, 100, 50]
    assert len({uid for _, uid in segments.values()}) == 3


def test_lines_of_the_template_are_coded_findings(read_back):
    groups = {g.tracking_identifier: g for g in read_back.content.get_image_measurement_groups()}
    assert list(groups) == ["base_of_tongue", "epiglottis", "tonsil", "number_of_nodes", "ct_tnm8"]
    (evaluation,) = groups["base_of_tongue"].get_qualitative_evaluations()
    assert (evaluation.name, evaluation.value) == (codes.DCM.SiteInvolvement, codes.DCM.Involved)


def texts(sr):
    return [str(item.TextValue) for item in sr.ContentSequence if item.ValueType == "TEXT"]


def test_nobody_signed_the_report_and_it_says_what_it_is_for(read_back, measured_case):
    assert read_back.VerificationFlag == "UNVERIFIED"
    assert read_back.PreliminaryFlag == "PRELIMINARY"
    assert "Research use only" in read_back.SeriesDescription
    said = texts(read_back)
    assert measured_case.report.statement in said
    assert measured_case.report.summary in said
    assert any(text.startswith("Model petct-resenc 0.1; licence: CC0-1.0") for text in said)
    assert any("predicted outlines" in text for text in said)


def test_a_readers_outline_has_no_algorithm_and_a_networks_has_its_own(read_back):
    primary, node, _ = read_back.content.get_volumetric_roi_measurement_groups()
    names = [{i.ConceptNameCodeSequence[0].CodeMeaning: i for i in g[0].ContentSequence} for g in (primary, node)]
    assert "Algorithm Name" not in names[0]
    assert names[1]["Algorithm Name"].TextValue == "petct-resenc"
    assert names[0]["Comment"].TextValue.endswith("Outlined by: reader.")


def test_the_same_report_makes_the_same_object_and_another_one_another(tmp_path, measured_case):
    def uid(name, report):
        path = tmp_path / name
        write_sr(path, report, measured_case.headers, now=datetime(2026, 1, len(name)))
        return pydicom.dcmread(path).SOPInstanceUID

    other = measured_case.report.model_copy(update={"warnings": ()})
    assert uid("a", measured_case.report) == uid("bb", measured_case.report) != uid("ccc", other)


def test_study_and_patient_are_those_of_the_images(tmp_path, measured_case):
    headers = copy.deepcopy(measured_case.headers)
    for header in headers:
        header.PatientName, header.SpecificCharacterSet = "Müller^Änne", "ISO_IR 100"
        header.ClinicalTrialSubjectID, header.AccessionNumber = "S7", "A1"
    write_sr(tmp_path / "sr.dcm", measured_case.report, headers)
    sr = pydicom.dcmread(tmp_path / "sr.dcm")
    assert str(sr.PatientName) == "Müller^Änne"
    assert (sr.ClinicalTrialSubjectID, sr.AccessionNumber) == ("S7", "A1")
    assert sr.StudyInstanceUID == headers[0].StudyInstanceUID


def test_long_and_foreign_words(tmp_path, measured_case):
    report = measured_case.report.model_copy(update={"warnings": ("Größe " + "x" * 2000,)})
    write_sr(tmp_path / "sr.dcm", report, measured_case.headers)
    sr = pydicom.dcmread(tmp_path / "sr.dcm")
    (warning,) = (text for text in texts(sr) if text.startswith("Warning"))
    assert warning.startswith("Warning: Größe x")
    assert len(warning) == 1000


def test_private_schemes_are_explained_where_they_are_used(read_back, tmp_path, measured_case):
    schemes = {item.CodingSchemeDesignator for item in read_back.CodingSchemeIdentificationSequence}
    assert schemes == {"99HYOID", "99OIFM"}
    assert write_sr(tmp_path / "sr.dcm", plain(measured_case), measured_case.headers)
    assert "CodingSchemeIdentificationSequence" not in pydicom.dcmread(tmp_path / "sr.dcm")


def plain(case):
    """The report with one line, whose codes are all public."""
    return case.report.model_copy(update={"lines": case.report.lines[:1], "lesions": ()})


def test_a_report_that_answers_nothing_makes_no_object(tmp_path, measured_case):
    empty = measured_case.report.model_copy(update={"lines": (), "lesions": ()})
    assert not write_sr(tmp_path / "sr.dcm", empty, measured_case.headers)
    assert not (tmp_path / "sr.dcm").exists()


def said_by(name, *arguments):
    program = shutil.which(name) or shutil.which(name, path=Path(sys.executable).parent)
    if program is None:
        pytest.skip(f"needs {name}, of Debian's dcmtk or dicom3tools, or of hyoid[peer]")
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.peer
def test_dciodvfy_finds_no_error(folder, tmp_path, measured_case):
    write_sr(tmp_path / "sr.dcm", plain(measured_case), measured_case.headers)
    for path in (folder / "sr.dcm", tmp_path / "sr.dcm"):
        _, said = said_by("dciodvfy", "-new", path)
        assert "Comprehensive3DSR" in said
        assert "Error" not in said


@pytest.mark.peer
def test_dcmqi_reads_the_same_numbers(folder, tmp_path, measured_case):
    said_by("tid1500reader", "--inputDICOM", folder / "sr.dcm", "--outputMetadata", tmp_path / "read.json")
    groups = json.loads((tmp_path / "read.json").read_text())["Measurements"]
    read = {
        group["TrackingIdentifier"]: [float(item["value"]) for item in group["measurementItems"]]
        for group in groups if "ReferencedSegment" in group
    }  # fmt: skip
    lesions = [f for f in coded_findings(measured_case.report) if f.lesion is not None]
    assert read == {f.identifier: [number.value for number in f.measured] for f in lesions}


@pytest.mark.peer
def test_dsrdump_reads_the_document(folder):
    code, said = said_by("dsrdump", folder / "sr.dcm")
    assert code == 0
    assert 'NUM:(,,"Diameter")="17.35" (mm,UCUM,"mm")' in said
    assert "error" not in said.lower()
