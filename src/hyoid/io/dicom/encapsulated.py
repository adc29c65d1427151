"""Encapsulated PDF: a document in the study of the images, as archives and viewers show it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian

from hyoid import __version__
from hyoid.errors import UsageError
from hyoid.io.atomic import atomic_write
from hyoid.io.dicom import headers as tolerant
from hyoid.io.dicom.output import (
    MANUFACTURER,
    RESEARCH_ONLY,
    completed,
    copy_study,
    derived_series_number,
    derived_uid,
    described,
    reference_to,
    stamp,
)


def write_encapsulated_pdf(
    path: Path,
    pdf: bytes,
    headers: Sequence[Dataset],
    *,
    title: str,
    content: str,
    now: datetime | None = None,
) -> None:
    """Write a PDF as a DICOM object of the study, unverified.

    Parameters
    ----------
    path : Path
        DICOM file to write.
    pdf : bytes
        The document.
    headers : sequence of Dataset
        Headers of the images that the document is about.
    title : str
        Title of the document.
    content : str
        Digest of what the document says: the same content makes the same UIDs, whatever the moment of printing.
    now : datetime, optional
        Date and time of the object; by default the moment of writing.

    Raises
    ------
    UsageError
        When the bytes are no PDF.
    OutputError
        When the file cannot be written.
    """
    if not pdf.startswith(b"%PDF-"):
        raise UsageError("What is to be encapsulated is no PDF.", "Give a PDF document.")
    with tolerant.quiet_pydicom():
        sources = [completed(header) for header in headers]
        series_uid = derived_uid(sources, "DOC", __version__)
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = EncapsulatedPDFStorage
        meta.MediaStorageSOPInstanceUID = derived_uid(sources, series_uid, content)
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        document = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        copy_study(sources[0], document)
        document.SOPClassUID, document.SOPInstanceUID = EncapsulatedPDFStorage, meta.MediaStorageSOPInstanceUID
        document.Modality, document.ConversionType = "DOC", "WSD"
        document.SeriesInstanceUID = series_uid
        document.SeriesNumber = derived_series_number(sources[0], 303)
        document.SeriesDescription, document.InstanceNumber = described("hyoid report"), 1
        document.Manufacturer = document.ManufacturerModelName = MANUFACTURER
        document.SoftwareVersions, document.DeviceSerialNumber = __version__, "0"
        document.AcquisitionDateTime = ""
        document.BurnedInAnnotation = "NO"
        document.DocumentTitle = f"{title}. {RESEARCH_ONLY}"
        document.ConceptNameCodeSequence = DicomSequence([_diagnostic_imaging_report()])
        document.VerificationFlag = "UNVERIFIED"
        document.SourceInstanceSequence = DicomSequence([reference_to(source) for source in sources])
        document.MIMETypeOfEncapsulatedDocument = "application/pdf"
        document.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
        document.EncapsulatedDocumentLength = len(pdf)
        stamp(document, now or datetime.now(), "InstanceCreation", "Content", "Series")
        with atomic_write(path) as unfinished:
            document.save_as(unfinished, enforce_file_format=True)


def _diagnostic_imaging_report() -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = "18748-4", "LN"
    code.CodeMeaning = "Diagnostic Imaging Report"
    return code
