import shutil
import subprocess
from datetime import datetime

import pydicom
import pytest

from hyoid.errors import UsageError
from hyoid.io.dicom.encapsulated import write_encapsulated_pdf
from hyoid.io.dicom.output import synthetic_headers
from hyoid.volume import Geometry

PDF = b"%PDF-1.7\n%%EOF"
HEADERS = synthetic_headers(Geometry.axial((3, 4, 4), (3, 1, 1)), seed="pdf")


def written(path, pdf=PDF, content="a", day=1):
    write_encapsulated_pdf(path, pdf, HEADERS, title="CT of the neck", content=content, now=datetime(2026, 1, day))
    return pydicom.dcmread(path)


@pytest.mark.parametrize("pdf", [PDF, PDF + b"\n"])
def test_the_document_comes_back_byte_by_byte_in_the_study_of_the_images(tmp_path, pdf):
    document = written(tmp_path / "a.dcm", pdf)
    assert document.EncapsulatedDocument[: document.EncapsulatedDocumentLength] == pdf
    assert document.StudyInstanceUID == HEADERS[0].StudyInstanceUID
    assert document.DocumentTitle == "CT of the neck. Research use only."
    assert (document.VerificationFlag, document.BurnedInAnnotation, document.Modality) == ("UNVERIFIED", "NO", "DOC")
    assert [i.ReferencedSOPInstanceUID for i in document.SourceInstanceSequence] == [h.SOPInstanceUID for h in HEADERS]


def test_the_same_content_makes_the_same_object(tmp_path):
    first, again = written(tmp_path / "a.dcm"), written(tmp_path / "b.dcm", PDF + b"later", day=2)
    other = written(tmp_path / "c.dcm", content="b")
    assert first.SOPInstanceUID == again.SOPInstanceUID != other.SOPInstanceUID
    assert first.SeriesInstanceUID == other.SeriesInstanceUID


def test_what_is_no_pdf_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no PDF"):
        written(tmp_path / "a.dcm", b"<html>")


@pytest.mark.peer
def test_dciodvfy_finds_no_error(tmp_path):
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("needs dciodvfy, of Debian's dicom3tools")
    written(tmp_path / "a.dcm")
    done = subprocess.run([program, "-new", tmp_path / "a.dcm"], capture_output=True, text=True, check=False)
    assert "EncapsulatedPDF" in done.stderr + done.stdout
    assert "Error" not in done.stderr + done.stdout
