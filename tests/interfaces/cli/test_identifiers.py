"""A name planted in every header and path: it appears in no file that is shared, no message and no cache."""

import gzip
import json
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from typer.testing import CliRunner

from hyoid.errors import HyoidError
from hyoid.interfaces.cli.main import app
from hyoid.io.dicom.ct import write_ct_series
from hyoid.io.files.volumes import write_nifti
from hyoid.volume import Geometry, Quantity, Volume

NAME = "Zyxwvut"
HOSTILE = f"{NAME} [/5mm] [bold]recon"
# DICOM objects belong to the patient's study and carry the patient: they are asked for, and go where the scan is.
OF_THE_PATIENT = {"seg.dcm", "rtstruct.dcm", "sr.dcm"}
PLANTED = (
    "PatientName", "PatientID", "OtherPatientIDs", "PatientAddress", "PatientComments", "StudyDescription",
    "SeriesDescription", "ProtocolName", "InstitutionName", "ReferringPhysicianName", "AccessionNumber", "StudyID",
    "ImageComments", "StationName", "RequestedProcedureDescription",
)  # fmt: skip


GRID = Geometry.axial((24, 64, 64), (3.0, 3.0, 3.0))
MIDDLE = (12, 32, 32)


def drawn():
    """A cylinder of soft tissue with a bright ball in its middle."""
    z, y, x = np.ogrid[:24, :64, :64]
    hu = np.where((y - 32) ** 2 + (x - 32) ** 2 < 28**2, 40, -1000) + np.zeros((24, 1, 1), int)
    hu[(z - 12) ** 2 + (y - 32) ** 2 + (x - 32) ** 2 < 16] = 120
    return Volume(hu.astype(np.int16), GRID, Quantity.HU)


@pytest.fixture
def named(tmp_path):
    """A CT series in a folder of that name, the name in every header."""
    folder = tmp_path / f"{NAME}^one" / "study"
    write_ct_series(folder, drawn(), seed="test")
    for path in sorted(folder.iterdir()):
        dataset = pydicom.dcmread(path)
        for keyword in PLANTED:
            limit = 16 if keyword in ("AccessionNumber", "StudyID", "StationName") else 64
            setattr(dataset, keyword, (NAME if limit == 16 else HOSTILE))
        dataset.save_as(folder / f"{NAME}_{path.name}")
        path.unlink()
    return folder


def texts(path: Path):
    """Bytes of a file as they are and unpacked."""
    content = path.read_bytes()
    yield content
    if path.name.endswith(".gz"):
        yield gzip.decompress(content)
    elif not path.suffix:
        try:
            yield zlib.decompress(content)
        except zlib.error:
            return


def found_in(folder: Path) -> list[str]:
    """Files below a folder that hold the name, or are called by it."""
    files = [p for p in folder.rglob("*") if p.is_file() and p.name not in OF_THE_PATIENT]
    assert files
    return [
        p.name for p in files
        if NAME in str(p.relative_to(folder)) or any(NAME.encode() in text for text in texts(p))
    ]  # fmt: skip


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_no_output_message_or_cache_of_a_click_names_the_patient(named, tmp_path, monkeypatch, as_json):
    cache, out = tmp_path / "cache", tmp_path / "out"
    monkeypatch.setenv("HYOID_CACHE", str(cache))
    click = ",".join(map(str, MIDDLE))
    arguments = ["lesion", str(named), "--click", click, "--no-organs", "--out", str(out), *as_json]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code in (0, 5), result.output
    assert NAME not in result.output
    assert found_in(out) == []
    assert found_in(cache) == []
    series = json.loads((out / "run.json").read_text())["inputs"]["ct"]["series"]
    assert series["modality"] == "CT" and "description" not in series


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda folder: next(folder.iterdir()).unlink() or sorted(folder.iterdir())[9].unlink(), id="gap"),
        pytest.param(lambda folder: [p.write_bytes(p.read_bytes()[:900]) for p in folder.iterdir()], id="cut short"),
        pytest.param(lambda folder: [p.unlink() for p in folder.iterdir()], id="empty"),
    ],
)
def test_no_refusal_names_the_patient(named, tmp_path, change):
    change(named)
    result = CliRunner().invoke(app, ["report", str(named), "--out", str(tmp_path / "out")])
    assert isinstance(result.exception, HyoidError)
    assert NAME not in str(result.exception) + result.output


def test_no_refusal_of_a_reader_s_masks_names_the_patient(named, tmp_path):
    masks = tmp_path / f"{NAME}.nii.gz"
    write_nifti(Volume(np.where(drawn().array > 100, 7, 0).astype(np.uint8), GRID, Quantity.LABEL), masks)
    arguments = ["report", str(named), "--reader-masks", str(masks), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, HyoidError)
    assert NAME not in str(result.exception) + result.output
