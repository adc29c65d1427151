import json
from datetime import UTC, datetime

import pytest

from hyoid.report.content.coded import coded_findings
from hyoid.report.pages.fhir import PatientIdentity, write_fhir

R4B = pytest.importorskip("fhir.resources.R4B")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def written(path, report, identity=None, now=NOW):
    write_fhir(path, report, identity, now=now)
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def bundle(measured_case, tmp_path_factory):
    return written(tmp_path_factory.mktemp("fhir") / "a.json", measured_case.report)


def resources(bundle, kind):
    return [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind]


def test_the_library_reads_back_what_the_library_validated(bundle):
    from fhir.resources.R4B.bundle import Bundle

    assert Bundle.model_validate(bundle).type == "collection"


def test_lesions_have_the_numbers_of_the_coded_findings(bundle, measured_case):
    lesions = [f for f in coded_findings(measured_case.report) if f.lesion is not None]
    told = [o for o in resources(bundle, "Observation") if "focus" in o]
    for observation, finding in zip(told, lesions, strict=True):
        numbers = [c["valueQuantity"] for c in observation["component"] if "valueQuantity" in c]
        assert [(n["value"], n["code"]) for n in numbers] == [(m.value, m.unit.value) for m in finding.measured]
        assert observation["status"] == "preliminary"
    bodies = resources(bundle, "BodyStructure")
    assert [body["description"] for body in bodies] == ["GTVp 1", "GTVn 1", "GTVn 2"]
    assert bodies[0]["locationQualifier"][0]["text"] == "Left"
    assert bodies[0]["location"]["coding"][0] == {
        "system": "http://snomed.info/sct", "code": "47975008", "display": "base of tongue",
    }  # fmt: skip


def test_stages_lines_and_the_report(bundle, measured_case):
    (stage,) = (o for o in resources(bundle, "Observation") if "method" in o)
    assert stage["code"]["coding"][0]["code"] == "21905-5"
    assert stage["valueCodeableConcept"]["text"] == "cT1 (TNM 8, oropharynx)"
    assert stage["method"]["text"] == "TNM, edition 8"
    (report,) = resources(bundle, "DiagnosticReport")
    assert report["conclusion"] == measured_case.report.summary
    assert "Research use only" in report["text"]["div"]
    addresses = {entry["fullUrl"] for entry in bundle["entry"]}
    assert {reference["reference"] for reference in report["result"] + report["imagingStudy"]} <= addresses
    names = [device["deviceName"][0]["name"] for device in resources(bundle, "Device")]
    assert names == ["hyoid", "petct-resenc"]


def test_identifiers_only_on_request(bundle, measured_case, tmp_path):
    assert "identifier" not in json.dumps(bundle)
    study = measured_case.report.study.model_copy(update={"study_instance_uid": "1.2.3", "accession_number": "A7"})
    asked = measured_case.report.model_copy(update={"study": study})
    told = written(tmp_path / "a.json", asked, PatientIdentity("P1", "20251231"))
    (patient,), (images,) = resources(told, "Patient"), resources(told, "ImagingStudy")
    assert patient["identifier"] == [{"value": "P1"}]
    assert [i["value"] for i in images["identifier"]] == ["urn:oid:1.2.3", "A7"]
    assert resources(told, "DiagnosticReport")[0]["effectiveDateTime"] == "2025-12-31"


def test_the_same_report_has_the_same_addresses(bundle, measured_case, tmp_path):
    again = written(tmp_path / "a.json", measured_case.report, now=NOW.replace(day=9))
    assert [e["fullUrl"] for e in again["entry"]] == [e["fullUrl"] for e in bundle["entry"]]
    assert len({e["fullUrl"] for e in bundle["entry"]}) == len(bundle["entry"])


def test_words_of_a_page_stay_words(measured_case, tmp_path):
    report = measured_case.report.model_copy(update={"warnings": ("<script>alert(1)</script> & more",)})
    (told,) = resources(written(tmp_path / "a.json", report), "DiagnosticReport")
    assert "&lt;script&gt;" in told["text"]["div"]
