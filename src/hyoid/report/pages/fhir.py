"""The report as a FHIR R4B bundle, validated by fhir.resources. Needs the extra `fhir`.

One DiagnosticReport, an Observation and a BodyStructure per lesion, an Observation per answered line, TNM categories
under their LOINC codes, the ImagingStudy, and the devices that spoke: hyoid and its models. The same coded findings as
in DICOM SR. The subject is a Patient without a name; identifiers stand in the bundle only on request.
"""

from __future__ import annotations

import html
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hyoid import __version__
from hyoid.anatomy import codes
from hyoid.anatomy.codes import Code
from hyoid.io.atomic import write_text
from hyoid.report.content.coded import Finding, Measured, clinical_stages, coded_findings
from hyoid.report.content.response import ResponseReport
from hyoid.report.content.schema import ModelUse, Report, Study

_SYSTEMS = {
    "SCT": "http://snomed.info/sct",
    "LN": "http://loinc.org",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "UCUM": "http://unitsofmeasure.org",
    "99HYOID": "urn:hyoid:codes",
    "99OIFM": "urn:oifm:codes",
}
_DICOM_UID = "urn:dicom:uid"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_LESION = Code("300577008", "SCT", "Finding of lesion")
_IMAGING_REPORT = Code("18748-4", "LN", "Diagnostic imaging study")


@dataclass(frozen=True)
class PatientIdentity:
    """Identifiers that somebody asked to have in the bundle.

    Parameters
    ----------
    patient_id : str
        PatientID (0010,0020).
    study_date : str
        StudyDate (0008,0020), YYYYMMDD.
    """

    patient_id: str = ""
    study_date: str = ""


def write_fhir(
    path: Path, report: Report | ResponseReport, identity: PatientIdentity | None = None, *, now: datetime | None = None
) -> None:
    """Write the report as a FHIR R4B bundle of type collection.

    Parameters
    ----------
    path : Path
        JSON file to write.
    report : Report or ResponseReport
        Report to write; identifiers of its study are written where the report carries them.
    identity : PatientIdentity, optional
        Identifiers of the patient, where somebody asked for these.
    now : datetime, optional
        When the report was made; by default the moment of writing.

    Raises
    ------
    ImportError
        When fhir.resources is not installed.
    OutputError
        When the file cannot be written.
    """
    from fhir.resources.R4B.bundle import Bundle

    content = bundle_of(report, identity, now or datetime.now(UTC))
    write_text(path, Bundle.model_validate(content).model_dump_json(indent=1) + "\n")


def bundle_of(report: Report | ResponseReport, identity: PatientIdentity | None, now: datetime) -> dict[str, Any]:
    """Put the report into the form of a bundle; resources keep their identities from run to run.

    Parameters
    ----------
    report : Report or ResponseReport
        Report to write.
    identity : PatientIdentity or None
        Identifiers of the patient; None: nobody asked.
    now : datetime
        When the report was made, with its time zone.
    """
    parts = _Parts(report)
    who = identity or PatientIdentity()
    patient = parts.add("Patient", "patient", _patient(who))
    software = parts.add("Device", "hyoid", _device("hyoid", __version__, report.statement))
    for model in report.models:
        parts.add("Device", model.words, _device(model.name, model.version, _about(model)))
    studies = _studies(report)
    images = [parts.add("ImagingStudy", name, _imaging_study(study, patient)) for name, study in studies]
    common = {"status": "preliminary", "subject": patient, "device": software}
    if who.study_date:
        common["effectiveDateTime"] = f"{who.study_date[:4]}-{who.study_date[4:6]}-{who.study_date[6:8]}"
    results = []
    stages = clinical_stages(report)
    staged = {line.key for _, line in stages}
    for finding in (finding for finding in coded_findings(report) if finding.identifier not in staged):
        body = None
        if finding.lesion is not None:
            body = parts.add("BodyStructure", finding.identifier, _body_structure(finding, patient))
        results.append(parts.add("Observation", finding.identifier, {**common, **_observation(finding, body)}))
    for question, line in stages:
        edition = line.key.partition("_tnm")[2]
        category = {
            **common,
            "code": _concept([question], line.words),
            "valueCodeableConcept": {"text": line.value},
            "method": {"text": f"TNM, edition {edition}"},
            "note": [{"text": flag} for flag in line.flags] or None,
        }
        results.append(parts.add("Observation", f"TNM {line.key}", category))
    summary = {
        **{key: value for key, value in common.items() if key != "device"},
        "category": [{"coding": [{"system": f"{_TERMINOLOGY}/v2-0074", "code": "RAD", "display": "Radiology"}]}],
        "code": _concept([_IMAGING_REPORT], report.title if isinstance(report, Report) else "Response to treatment"),
        "issued": now.isoformat(timespec="seconds"),
        "result": results,
        "imagingStudy": images,
        "conclusion": report.summary,
        "text": _narrative([report.statement, report.summary, *report.warnings]),
    }
    parts.add("DiagnosticReport", "report", summary)
    security = {"system": f"{_TERMINOLOGY}/v3-ActReason", "code": "HRESCH", "display": "healthcare research"}
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "meta": {"security": [security]},
        "timestamp": now.isoformat(timespec="seconds"),
        "entry": parts.entries,
    }


class _Parts:
    """Entries of a bundle, each under an address made of the report's content and its own name."""

    def __init__(self, report: Report | ResponseReport) -> None:
        self.entries: list[dict[str, Any]] = []
        self._space = uuid.uuid5(uuid.NAMESPACE_OID, report.model_dump_json())

    def add(self, kind: str, name: str, content: dict[str, Any]) -> dict[str, str]:
        """Append a resource and return a reference to it."""
        address = f"urn:uuid:{uuid.uuid5(self._space, f'{kind} {name}')}"
        known = {key: value for key, value in content.items() if value not in (None, [], {}, "")}
        self.entries.append({"fullUrl": address, "resource": {"resourceType": kind, **known}})
        return {"reference": address}


def _studies(report: Report | ResponseReport) -> list[tuple[str, Study]]:
    if isinstance(report, ResponseReport):
        return [("before", report.pre), ("during", report.mid)]
    return [] if report.study is None else [("study", report.study)]


def _patient(who: PatientIdentity) -> dict[str, Any]:
    return {"identifier": [{"value": who.patient_id}] if who.patient_id else None, "active": True}


def _imaging_study(study: Study, patient: dict[str, str]) -> dict[str, Any]:
    identifiers: list[dict[str, Any]] = []
    if study.study_instance_uid:
        identifiers.append({"system": _DICOM_UID, "value": f"urn:oid:{study.study_instance_uid}"})
    if study.accession_number:
        kind = {"coding": [{"system": f"{_TERMINOLOGY}/v2-0203", "code": "ACSN", "display": "Accession ID"}]}
        identifiers.append({"type": kind, "value": study.accession_number})
    modalities = [{"system": _SYSTEMS["DCM"], "code": part} for part in study.modality.split("/") if part]
    return {
        "status": "available",
        "subject": patient,
        "modality": modalities,
        "identifier": identifiers,
        "description": f"{study.slices} slices",
    }


def _device(name: str, version: str, note: str) -> dict[str, Any]:
    return {
        "deviceName": [{"name": name, "type": "model-name"}],
        "version": [{"value": version}] if version else None,
        "note": [{"text": note}] if note else None,
    }


def _about(model: ModelUse) -> str:
    return "; ".join(f"{name[0].upper()}{name[1:]}: {value}" for name, value in model.stated.items())


def _body_structure(finding: Finding, patient: dict[str, str]) -> dict[str, Any]:
    return {
        "patient": patient,
        "description": finding.identifier,
        "morphology": None if finding.kind is None else _concept([finding.kind]),
        "location": _concept(finding.sites) if finding.sites else None,
        "locationQualifier": [_concept([codes.SIDES[finding.side]])] if finding.side else None,
    }


def _observation(finding: Finding, body: dict[str, str] | None) -> dict[str, Any]:
    components = [_number(number) for number in finding.measured]
    components += [
        {"code": _concept([question]), "valueCodeableConcept": _concept([answer])}
        for question, answer in finding.answers
    ]
    told: dict[str, Any] = {
        "code": _concept([_LESION] if finding.kind is not None else [], finding.identifier),
        "bodySite": _concept(finding.sites) if finding.sites else None,
        "focus": None if body is None else [body],
        "component": components,
        "note": [{"text": finding.words}],
    }
    if finding.kind is not None:
        told["valueCodeableConcept"] = _concept([finding.kind])
    elif not components:
        told["valueString"] = finding.words
    return told


def _number(number: Measured) -> dict[str, Any]:
    name = number.name.meaning if number.derivation is None else f"{number.name.meaning}, {number.derivation.meaning}"
    quantity = {"value": number.value, "system": _SYSTEMS["UCUM"], "code": number.unit.value}
    return {"code": _concept([number.name], name), "valueQuantity": quantity | {"unit": number.unit.meaning}}


def _concept(coded: Sequence[Code], text: str = "") -> dict[str, Any]:
    coding = [{"system": _SYSTEMS[c.scheme], "code": c.value, "display": c.meaning} for c in coded]
    return {**({"coding": coding} if coding else {}), "text": text or "; ".join(c.meaning for c in coded)}


def _narrative(paragraphs: Sequence[str]) -> dict[str, str]:
    told = "".join(f"<p>{html.escape(paragraph)}</p>" for paragraph in paragraphs if paragraph)
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{told}</div>'}
