"""A node in a folder of its own, objects of invented patients, and a shell script in the place of hyoid."""

import io
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, RTStructureSetStorage, generate_uid

from hyoid.interfaces.node.config import NodeConfig
from hyoid.interfaces.node.ledger import database
from hyoid.interfaces.node.place import Place
from hyoid.interfaces.node.spool import Source

KINDS = {"CT": CTImageStorage, "MR": MRImageStorage, "RTSTRUCT": RTStructureSetStorage}


class Clock:
    """A clock that tests turn."""

    def __init__(self):
        self.now = 1_800_000_000.0

    def __call__(self):
        return self.now

    def turn(self, seconds):
        self.now += seconds


def object_bytes(study="s1", number=1, *, modality="CT", series=None, patient="p1", date="20270101", **more):
    """The bytes of one small object; the same arguments make the same bytes."""
    series = series or f"{study}-{modality}"
    dataset = Dataset()
    dataset.SOPClassUID = KINDS.get(modality, CTImageStorage)
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=[study, series, str(number)])
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = (
        generate_uid(entropy_srcs=[name]) for name in (study, series)
    )
    dataset.PatientID, dataset.PatientName, dataset.Modality = patient, "Invented^Patient", modality
    dataset.StudyDate, dataset.SeriesDescription, dataset.StudyDescription = date, f"{modality} neck", ""
    dataset.BodyPartExamined, dataset.InstanceNumber = "HEADNECK", number
    if modality != "RTSTRUCT":
        dataset.Rows = dataset.Columns = 2
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.PixelData = bytes(8)
    for keyword, value in more.items():
        setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def unsynced(monkeypatch):
    """Nobody pulls the plug during a test."""
    monkeypatch.setattr(database, "_SYNCHRONOUS", "OFF")
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def stand_in(tmp_path):
    """Stands in for hyoid: `JOB STUDY --out OUT`. Leaves one object and a run.json, and its arguments in `calls`."""
    result = tmp_path / "result.dcm"
    result.write_bytes(object_bytes("s1", 99, series="result", SeriesDescription="result"))
    script = tmp_path / "stand_in.sh"
    script.write_text(
        f"""echo "$@" >> {tmp_path}/calls
while [ "$1" != --out ]; do shift; done
[ -f {tmp_path}/trouble ] && . {tmp_path}/trouble
mkdir "$2" && cp {result} "$2/seg.dcm" && echo '{{"empty": false, "failed": false}}' > "$2/run.json"
"""
    )
    return ("/bin/sh", str(script))


@pytest.fixture
def make_config(tmp_path, stand_in):
    """A configuration of one folder in and one folder out; keyword arguments replace its keys."""

    def make(**changes):
        content = {
            "state": tmp_path / "state",
            "folders": [{"path": tmp_path / "in"}],
            "rules": [{"name": "neck CT", "when": {"modality": "CT"}, "job": "report", "to": ["out"]}],
            "destinations": {"out": {"kind": "folder", "path": tmp_path / "out"}},
            "limits": {"quiet_s": 10, "free_gb": 0, "attempts": 2, "retry_s": 5},
            "command": stand_in,
        }
        (tmp_path / "in").mkdir(exist_ok=True)
        return NodeConfig.model_validate(content | changes)

    return make


@pytest.fixture
def make_place(make_config, clock):
    """Open the state folder of a node; several may be open at once."""
    opened = []

    def make(**changes):
        opened.append(Place(make_config(**changes), clock))
        return opened[-1]

    yield make
    for place in opened:
        place.ledger.close()


@pytest.fixture
def place(make_place):
    return make_place()


@pytest.fixture
def calls(tmp_path):
    """What the stand-in was called with, a line a run."""
    path = tmp_path / "calls"
    return lambda: path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def trouble(tmp_path):
    """Shell lines that the stand-in runs first; '' for none."""

    def set_trouble(lines):
        path = Path(tmp_path / "trouble")
        path.write_text(lines) if lines else path.unlink(missing_ok=True)

    return set_trouble


@pytest.fixture(scope="session")
def make_object():
    """Bytes of one small object, see `object_bytes`."""
    return object_bytes


@pytest.fixture(scope="session")
def take():
    """Let objects arrive: `take(place, *objects, source=...)`."""
    return lambda place, *objects, source="CT1": [place.spool.take(data, Source(source)) for data in objects]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """A folder with ca.pem, node.pem and node.key that it signed for localhost, and other.pem, another authority."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    for name in ("ca", "other"):
        openssl(*new, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")
    names = ("-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE")
    openssl(*new, "-subj", "/CN=localhost", *names, "-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", "node.key", "-out",
            "node.pem")  # fmt: skip
    return folder
