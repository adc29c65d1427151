"""The report as a DICOM Structured Report: TID 1500, a group of measurements per lesion, coded answers of the template.

Every number and answer is one of `hyoid.report.content.coded`; groups of lesions refer to their segments and share the
segments' tracking identifiers. The object is unverified, incomplete and preliminary: no reader signed it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import highdicom as hd
import pydicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import generate_uid

from hyoid import __version__
from hyoid.anatomy import codes
from hyoid.anatomy.codes import Code
from hyoid.io.atomic import atomic_write
from hyoid.io.dicom import headers as tolerant
from hyoid.io.dicom.output import (
    MANUFACTURER,
    completed,
    copy_study,
    declare_characters,
    derived_series_number,
    derived_uid,
    described,
    stamp,
)
from hyoid.io.masks import Outline
from hyoid.provenance import Provenance
from hyoid.report.content.coded import Finding, Measured, coded_findings
from hyoid.report.content.response import ResponseReport
from hyoid.report.content.schema import ModelUse, Report

_LONGEST_TEXT = 1000


@dataclass(frozen=True)
class Segment:
    """Segment of a SEG that a lesion was measured on.

    Parameters
    ----------
    number : int
        From 1.
    tracking_uid : str
        Shared with the group of measurements.
    provenance : Provenance
        Who outlined the lesion.
    note : str
        What a reader must know of the outline.
    """

    number: int
    tracking_uid: str
    provenance: Provenance
    note: str = ""


@dataclass(frozen=True, eq=False)
class Segments:
    """SEG that holds a segment per lesion.

    Parameters
    ----------
    header : Dataset
        The SEG, without need of its pixels.
    by_lesion : mapping of str to Segment
        Segments by `lesion_identifier`.
    """

    header: Dataset
    by_lesion: Mapping[str, Segment]


def segments_of(seg: Path, outlines: Sequence[Outline]) -> Segments:
    """Read which segment of a written SEG is which lesion.

    Parameters
    ----------
    seg : Path
        SEG that hyoid wrote, a segment per lesion.
    outlines : sequence of Outline
        What was written, each named by its `lesion_identifier`.
    """
    header = pydicom.dcmread(seg, stop_before_pixels=True)
    items = {str(item.TrackingID): item for item in header.SegmentSequence}
    found = {}
    for outline in outlines:
        item = items[outline.structure.name]
        found[outline.structure.name] = Segment(
            int(item.SegmentNumber), str(item.TrackingUID), outline.provenance, outline.note
        )
    return Segments(header, found)


def write_sr(
    path: Path,
    report: Report | ResponseReport,
    headers: Sequence[Dataset],
    segments: Segments | None = None,
    *,
    now: datetime | None = None,
) -> bool:
    """Write a report as a Comprehensive 3D SR of template TID 1500.

    UIDs are functions of the images and of what the report says: the same run twice makes the same object.

    Parameters
    ----------
    path : Path
        DICOM file to write.
    report : Report or ResponseReport
        Report to write.
    headers : sequence of Dataset
        Headers of the images that the report is about (`Study.headers`, or `synthetic_headers`).
    segments : Segments, optional
        SEG with the lesions' outlines; without one, measurements stand without a region.
    now : datetime, optional
        Date and time of the object; by default the moment of writing.

    Returns
    -------
    bool
        Whether an object was written: a report that answers nothing makes none.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    findings = coded_findings(report)
    if not findings:
        return False
    with tolerant.quiet_highdicom():
        sources = [completed(header) for header in headers]
        said = hashlib.sha256(report.model_dump_json().encode()).hexdigest()
        series_uid = derived_uid(sources, "SR", __version__)
        seg_uid = "" if segments is None else str(segments.header.SOPInstanceUID)
        groups = [_group(finding, sources, segments) for finding in findings]
        content = hd.sr.MeasurementReport(
            observation_context=_observer(),
            procedure_reported=_procedures(report, sources),
            imaging_measurements=groups,
            title=_coded(Code("126001", "DCM", "Oncology Measurement Report")),
        )
        texts = _texts(report)
        content[0].ContentSequence.extend(texts)
        sr = hd.sr.Comprehensive3DSR(
            evidence=[*sources, *([] if segments is None else [completed(segments.header)])],
            content=content[0],
            series_instance_uid=series_uid,
            series_number=derived_series_number(sources[0], 302),
            sop_instance_uid=derived_uid(sources, series_uid, seg_uid, said),
            instance_number=1,
            manufacturer=MANUFACTURER,
            is_complete=False,
            is_final=False,
            is_verified=False,
            series_description=described("hyoid report"),
            manufacturer_model_name=MANUFACTURER,
            software_versions=__version__,
            device_serial_number="0",
        )
        copy_study(sources[0], sr)
        if schemes := _schemes(findings):
            sr.CodingSchemeIdentificationSequence = DicomSequence(schemes)
        stamp(sr, now or datetime.now(), "InstanceCreation", "Content", "Series")
        declare_characters(sr, [finding.words for finding in findings] + [str(text.TextValue) for text in texts])
        with atomic_write(path) as unfinished:
            sr.save_as(unfinished)
    return True


def _group(finding: Finding, sources: Sequence[Dataset], segments: Segments | None) -> Any:
    segment = None if segments is None else segments.by_lesion.get(finding.identifier)
    uid = derived_uid(sources, "finding", finding.identifier) if segment is None else segment.tracking_uid
    common = {
        "tracking_identifier": hd.sr.TrackingIdentifier(uid=uid, identifier=finding.identifier),
        "finding_type": None if finding.kind is None else _coded(finding.kind),
        "finding_sites": [_site(site, finding.side) for site in finding.sites] or None,
        "measurements": [_measurement(number) for number in finding.measured] or None,
        "qualitative_evaluations": [
            hd.sr.QualitativeEvaluation(name=_coded(question), value=_coded(answer))
            for question, answer in finding.answers
        ]
        or None,
    }
    if segment is None or segments is None:
        group = hd.sr.MeasurementsAndQualitativeEvaluations(**common)
    else:
        maker = segment.provenance.outline
        group = hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
            **common,
            algorithm_id=None
            if maker.generation == "MANUAL"
            else hd.sr.AlgorithmIdentification(maker.name or MANUFACTURER, maker.version or __version__),
            referenced_segment=hd.sr.ReferencedSegment(
                sop_class_uid=segments.header.SOPClassUID,
                sop_instance_uid=segments.header.SOPInstanceUID,
                segment_number=segment.number,
                source_series=hd.sr.SourceSeriesForSegmentation(str(sources[0].SeriesInstanceUID)),
            ),
        )
    by = "" if segment is None else f" Outlined by: {segment.provenance.outline}."
    if segment is not None and segment.note:
        by += f" {segment.note}."
    group[0].ContentSequence.append(_text(codes.COMMENT, finding.words + by))
    return group


def _measurement(number: Measured) -> hd.sr.Measurement:
    # DS holds sixteen characters.
    value = float(f"{number.value:.8g}")
    derivation = None if number.derivation is None else _coded(number.derivation)
    return hd.sr.Measurement(name=_coded(number.name), value=value, unit=_coded(number.unit), derivation=derivation)


def _site(site: Code, side: str) -> hd.sr.FindingSite:
    return hd.sr.FindingSite(
        anatomic_location=_coded(site), laterality=_coded(codes.SIDES[side]) if side in codes.SIDES else None
    )


def _observer() -> hd.sr.ObservationContext:
    device = hd.sr.DeviceObserverIdentifyingAttributes(
        uid=generate_uid(entropy_srcs=[MANUFACTURER, __version__]),
        name=f"{MANUFACTURER} {__version__}",
        manufacturer_name=MANUFACTURER,
        model_name=MANUFACTURER,
    )
    return hd.sr.ObservationContext(
        observer_device_context=hd.sr.ObserverContext(
            observer_type=_coded(Code("121007", "DCM", "Device")), observer_identifying_attributes=device
        )
    )


def _procedures(report: Report | ResponseReport, sources: Sequence[Dataset]) -> list[hd.sr.CodedConcept]:
    study = report.mid if isinstance(report, ResponseReport) else report.study
    modality = str(sources[0].Modality) if study is None else study.modality
    return [_coded(codes.PROCEDURES[part]) for part in modality.split("/") if part in codes.PROCEDURES]


def _texts(report: Report | ResponseReport) -> list[hd.sr.TextContentItem]:
    """What a reader must know of the whole: for what it may be used, impression, warnings, models."""
    said = [_text(codes.COMMENT, report.statement), _text(codes.IMPRESSION, report.summary)]
    said += [_text(codes.COMMENT, f"Warning: {warning}") for warning in report.warnings]
    return said + [_text(codes.COMMENT, _model(model)) for model in report.models]


def _model(model: ModelUse) -> str:
    return f"Model {model.words}" + "".join(f"; {name}: {value}" for name, value in model.stated.items())


def _text(name: Code, text: str) -> hd.sr.TextContentItem:
    words = " ".join(text.split())
    cut = words if len(words) <= _LONGEST_TEXT else f"{words[: _LONGEST_TEXT - 3]}..."
    return hd.sr.TextContentItem(
        name=_coded(name), value=cut or "-", relationship_type=hd.sr.RelationshipTypeValues.CONTAINS
    )


def _coded(code: Code) -> hd.sr.CodedConcept:
    return hd.sr.CodedConcept(code.value, code.scheme, code.meaning[:64])


def _schemes(findings: Sequence[Finding]) -> list[Dataset]:
    """Private coding schemes that the report uses, and what they are."""
    used = {code.scheme for f in findings for code in (*f.sites, *(c for pair in f.answers for c in pair))}
    used |= {number.name.scheme for f in findings for number in f.measured}
    used |= {f.kind.scheme for f in findings if f.kind is not None}
    items = []
    for scheme in sorted(used & set(codes.SCHEMES)):
        item = Dataset()
        item.CodingSchemeDesignator = scheme
        item.CodingSchemeName, page = codes.SCHEMES[scheme]
        if page:
            resource = Dataset()
            resource.CodingSchemeURLType, resource.CodingSchemeURL = "DOC", page
            item.CodingSchemeResourcesSequence = DicomSequence([resource])
        items.append(item)
    return items
