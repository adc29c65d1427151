"""Further forms of a report, beside JSON, text and page: DICOM SR and PDF."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from hyoid.errors import UsageError
from hyoid.interfaces.extras import needs_extra
from hyoid.interfaces.terminal import Terminal
from hyoid.io.dicom.encapsulated import write_encapsulated_pdf
from hyoid.io.dicom.output import Export, synthetic_headers
from hyoid.io.dicom.seg import write_seg
from hyoid.io.study import Study
from hyoid.report.content.response import ResponseReport
from hyoid.report.content.schema import Report
from hyoid.report.pages.pdf import page_writer, write_pdf
from hyoid.report.pages.sr import Segments, segments_of, write_sr
from hyoid.systems.lesion_outlines import lesion_outlines
from hyoid.systems.outlines import Outlines
from hyoid.volume import Geometry

FORMATS = ("sr", "pdf")
"""Further forms that can be asked for, in the order in which they are written."""
LESIONS, SR = "lesions.dcm", "sr.dcm"
PDF, PDF_IN_DICOM = "report.pdf", "report_pdf.dcm"


@dataclass(frozen=True)
class Further:
    """Further forms of a report that a user asked for.

    Parameters
    ----------
    formats : frozenset of str or None
        Some of `FORMATS`; None: DICOM SR for a study that was DICOM, nothing else.
    """

    formats: frozenset[str] | None = None


USUAL, NOTHING_FURTHER = Further(), Further(frozenset())


def further_named(formats: str | None) -> Further:
    """Understand what was said about further forms.

    Parameters
    ----------
    formats : str or None
        Some of `FORMATS`, joined by commas, or "none"; None where nothing was said.

    Raises
    ------
    UsageError
        When a form is unknown, or what the form needs is not installed.

    Examples
    --------
    >>> further_named(None).formats, further_named("none").formats, further_named("sr").formats
    (None, frozenset(), frozenset({'sr'}))
    """
    if formats is None:
        return USUAL
    asked = [part.strip().lower() for part in formats.split(",") if part.strip()]
    if asked == ["none"]:
        return NOTHING_FURTHER
    if not asked or (unknown := [part for part in asked if part not in FORMATS]):
        said = unknown[0] if asked else formats
        raise UsageError(f"There is no form of a report {said!r}.", f"Choose among {', '.join(FORMATS)}, or none.")
    if "pdf" in asked:
        with needs_extra("pdf", "report.pdf"):
            page_writer()
    return Further(frozenset(asked))


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
        terminal.progress("further", done, len(formats))


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
    return segments_of(folder / LESIONS, {outline.structure.name: outline.provenance for outline in cut})
