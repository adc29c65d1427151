"""Further forms of a report, beside JSON, text and page: DICOM SR, PDF, FHIR, a row of a registry."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from hyoid.errors import UsageError
from hyoid.interfaces.extras import needs_extra
from hyoid.interfaces.registry import check_registry
from hyoid.interfaces.terminal import Terminal
from hyoid.io.dicom import headers as tolerant
from hyoid.io.dicom.encapsulated import write_encapsulated_pdf
from hyoid.io.dicom.output import Export, synthetic_headers
from hyoid.io.dicom.seg import write_seg
from hyoid.io.study import Study
from hyoid.report.content.response import ResponseReport
from hyoid.report.content.schema import Report
from hyoid.report.content.schema import Study as StudyFacts
from hyoid.report.pages.fhir import PatientIdentity, write_fhir
from hyoid.report.pages.pdf import page_writer, write_pdf
from hyoid.report.pages.sr import Segments, segments_of, write_sr
from hyoid.systems.lesion_outlines import lesion_outlines
from hyoid.systems.outlines import Outlines
from hyoid.volume import Geometry

FORMATS = ("sr", "pdf", "fhir")
"""Further forms that can be asked for, in the order in which they are written."""
LESIONS, SR = "lesions.dcm", "sr.dcm"
PDF, PDF_IN_DICOM, FHIR = "report.pdf", "report_pdf.dcm", "report.fhir.json"


@dataclass(frozen=True)
class Further:
    """Further forms of a report that a user asked for.

    Parameters
    ----------
    formats : frozenset of str or None
        Some of `FORMATS`; None: DICOM SR for a study that was DICOM, nothing else.
    registry : Path or None
        Table to which a row is added.
    identifiers : bool
        Whether report.json and the FHIR bundle carry the identifiers of study and patient.
    """

    formats: frozenset[str] | None = None
    registry: Path | None = None
    identifiers: bool = False


USUAL, NOTHING_FURTHER = Further(), Further(frozenset())


def further_named(formats: str | None, registry: Path | None = None, *, identifiers: bool = False) -> Further:
    """Understand what was said about further forms.

    Parameters
    ----------
    formats : str or None
        Some of `FORMATS`, joined by commas, or "none"; None where nothing was said.
    registry : Path, optional
        Table to which a row is to be added.
    identifiers : bool
        Whether identifiers were asked for.

    Raises
    ------
    UsageError
        When a form or the kind of registry is unknown, or what it needs is not installed.

    Examples
    --------
    >>> further_named(None).formats, further_named("none").formats, further_named("sr").formats
    (None, frozenset(), frozenset({'sr'}))
    """
    if registry is not None:
        check_registry(registry)
        if registry.suffix.lower() == ".parquet":
            with needs_extra("cohort", "A Parquet registry"):
                import pyarrow.parquet  # noqa: F401
    return Further(_forms(formats), registry, identifiers)


def _forms(formats: str | None) -> frozenset[str] | None:
    """Forms that were asked for, each of which can be written; None where nothing was said."""
    if formats is None:
        return None
    asked = [part.strip().lower() for part in formats.split(",") if part.strip()]
    if asked == ["none"]:
        return frozenset()
    if not asked or (unknown := [part for part in asked if part not in FORMATS]):
        said = unknown[0] if asked else formats
        raise UsageError(f"There is no form of a report {said!r}.", f"Choose among {', '.join(FORMATS)}, or none.")
    if "pdf" in asked:
        with needs_extra("pdf", "report.pdf"):
            page_writer()
    if "fhir" in asked:
        with needs_extra("fhir", "report.fhir.json"):
            import fhir.resources.R4B  # noqa: F401
    return frozenset(asked)


def headers_of(study: Study, grid: Geometry) -> Sequence[Dataset]:
    """Take the slice headers of a study, or make anonymous ones: every object of one run refers to the same study.

    Parameters
    ----------
    study : Study
        The scan that the report is about.
    grid : Geometry
        Its grid.
    """
    return study.headers or synthetic_headers(grid, seed=study.fingerprint)


def write_further(
    folder: Path,
    report: Report | ResponseReport,
    study: Study,
    outlines: Outlines,
    further: Further,
    terminal: Terminal,
) -> None:
    """Write the further forms of a report into its folder.

    Parameters
    ----------
    folder : Path
        Folder of results, which holds the page of the report already.
    report : Report or ResponseReport
        What is written.
    study : Study
        The scan that the report is about.
    outlines : Outlines
        What the run outlined on that scan.
    further : Further
        Which forms.
    terminal : Terminal
        Where progress is shown.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    formats = further.formats
    if formats is None:
        formats = frozenset({"sr"}) if study.headers else frozenset()
    if not formats:
        return
    terminal.progress("further", 0, len(formats))
    headers = headers_of(study, outlines.geometry)
    for done, form in enumerate((form for form in FORMATS if form in formats), start=1):
        if form == "sr":
            write_sr(folder / SR, report, headers, _lesion_segments(folder, report, outlines, headers))
        elif form == "pdf":
            _write_pdf(folder, report, headers)
        else:
            write_fhir(folder / FHIR, report, _identity(study) if further.identifiers else None)
        terminal.progress("further", done, len(formats))


def identified(report: Report | ResponseReport, inputs: Mapping[str, Study]) -> Report | ResponseReport:
    """Add StudyInstanceUID and accession number to a report, because somebody asked for them.

    Parameters
    ----------
    report : Report or ResponseReport
        Report without identifiers.
    inputs : mapping of str to Study
        Images by their part in the run, all DICOM (`check_identifiers`); "pre" and "mid" of a response, else the first.
    """
    if isinstance(report, ResponseReport):
        both = {part: _with_identifiers(getattr(report, part), inputs[part]) for part in ("pre", "mid")}
        return report.model_copy(update=both)
    if report.study is None:
        return report
    return report.model_copy(update={"study": _with_identifiers(report.study, next(iter(inputs.values())))})


def check_identifiers(further: Further, *studies: Study) -> None:
    """Make sure, as soon as images are read, that they have the identifiers that somebody asked for.

    Parameters
    ----------
    further : Further
        What was asked for.
    studies : Study
        Images that were read.

    Raises
    ------
    UsageError
        When identifiers were asked for and an image was no DICOM.
    """
    if further.identifiers and not all(study.headers for study in studies):
        raise UsageError("A volume file carries no identifiers.", "Leave --identifiers out, or give the DICOM study.")


def _with_identifiers(facts: StudyFacts, study: Study) -> StudyFacts:
    header = study.headers[0]
    told = {
        "study_instance_uid": tolerant.text(header, "StudyInstanceUID"),
        "accession_number": tolerant.text(header, "AccessionNumber"),
    }
    return facts.model_copy(update=told)


def _identity(study: Study) -> PatientIdentity:
    header = study.headers[0]
    date = tolerant.text(header, "StudyDate")
    return PatientIdentity(tolerant.text(header, "PatientID"), date if len(date) == 8 and date.isdigit() else "")


def _write_pdf(folder: Path, report: Report | ResponseReport, headers: Sequence[Dataset]) -> None:
    """Print the page of the report, and put the print into the study of the images."""
    write_pdf(folder / "report.html", folder / PDF)
    title = "Response during radiotherapy" if isinstance(report, ResponseReport) else report.title
    content = hashlib.sha256(report.model_dump_json().encode()).hexdigest()
    printed = (folder / PDF).read_bytes()
    write_encapsulated_pdf(folder / PDF_IN_DICOM, printed, headers, title=title or "Report", content=content)


def _lesion_segments(
    folder: Path, report: Report | ResponseReport, outlines: Outlines, headers: Sequence[Dataset]
) -> Segments | None:
    """Write a segment per lesion, so that its measurements can refer to it; None where no lesion is outlined."""
    cut = lesion_outlines(report.lesions, outlines)
    if not cut:
        return None
    export = Export(names={outline.structure.name: outline.structure.name for outline in cut})
    write_seg(folder / LESIONS, cut, headers, outlines.geometry, description="hyoid lesions", export=export)
    return segments_of(folder / LESIONS, cut)
