"""Other programs on loopback: Orthanc as the archive, by C-STORE and DICOMweb, there and back; dcmtk as a scanner."""

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
import zipfile
from contextlib import contextmanager
from datetime import datetime
from threading import Event, Thread

import pytest

from hyoid.interfaces.cohorts.dicomweb_list import fetch_study, studies_of
from hyoid.interfaces.node.config import DicomDestination, Listener, Tls, WebDestination
from hyoid.interfaces.node.destinations import PeerDownError, open_peer
from hyoid.interfaces.node.listener import listening
from hyoid.interfaces.node.node import Node
from hyoid.interfaces.node.place import Place

pytestmark = [
    pytest.mark.peer,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
WEB_PLUGIN = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Orthanc:
    """A running Orthanc: its ports, and questions to its REST interface."""

    def __init__(self, folder):
        self.http, self.dicom = free_port(), free_port()
        settings = {
            "Name": "archive", "StorageDirectory": str(folder / "db"), "IndexDirectory": str(folder / "db"),
            "HttpPort": self.http, "DicomPort": self.dicom, "DicomAet": "ARCHIVE", "DicomCheckCalledAet": True,
            "RemoteAccessAllowed": False, "AuthenticationEnabled": False, "DicomAlwaysAllowFind": True,
            "DicomModalities": {"node": ["HYOID", "127.0.0.1", 11112]}, "Plugins": [WEB_PLUGIN],
            "DicomWeb": {"Enable": True},
        }  # fmt: skip
        (folder / "orthanc.json").write_text(json.dumps(settings))
        with (folder / "log").open("w") as log:
            self.process = subprocess.Popen(["Orthanc", str(folder / "orthanc.json")], stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.get("/system")
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        self.stop()
        pytest.fail(f"Orthanc did not begin: {(folder / 'log').read_text()[-500:]}")

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=10) as answer:
            return json.load(answer)

    def ask(self, method, path, data=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", data, method=method)
        urllib.request.urlopen(request, timeout=60).close()

    def store(self, study, port):
        """Send a study to the node by C-STORE."""
        node = {"AET": "HYOID", "Host": "127.0.0.1", "Port": port}
        self.ask("PUT", "/modalities/node", json.dumps(node).encode())
        self.ask("POST", "/modalities/node/store", study.encode())

    def series(self):
        """Modality or description of every series, by study."""
        return {
            study["ID"]: sorted(self.get(f"/series/{s}")["MainDicomTags"]["SeriesDescription"] for s in study["Series"])
            for study in self.get("/studies?expand")
        }

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory):
    if shutil.which("Orthanc") is None:
        pytest.skip("needs Orthanc")
    server = Orthanc(tmp_path_factory.mktemp("orthanc"))
    yield server
    server.stop()


@pytest.fixture
def empty(orthanc):
    for study in orthanc.get("/studies"):
        orthanc.ask("DELETE", f"/studies/{study}")
    return orthanc


def peer(server, kind):
    if kind == "dicom":
        return DicomDestination(kind="dicom", ae_title="ARCHIVE", host="127.0.0.1", port=server.dicom, timeout_s=20)
    return WebDestination(kind="dicomweb", url=f"http://127.0.0.1:{server.http}/dicom-web", timeout_s=20)


@pytest.mark.parametrize("kind", ["dicom", "dicomweb"])
def test_an_archive_takes_an_object_and_says_that_it_has_it(empty, tmp_path, make_object, kind):
    path = tmp_path / "a.dcm"
    path.write_bytes(make_object())
    with open_peer(peer(empty, kind), [path]) as there:
        assert not there.holds(path)
        there.send(path)
        assert there.holds(path)
    assert len(empty.get("/instances")) == 1


@pytest.mark.parametrize("kind", ["dicom", "dicomweb"])
def test_an_archive_that_is_gone_is_down(tmp_path, make_object, kind):
    path, port = tmp_path / "a.dcm", free_port()
    path.write_bytes(make_object())
    destination = peer(type("Gone", (), {"dicom": port, "http": port}), kind)
    with pytest.raises(PeerDownError), open_peer(destination, [path]) as there:
        there.send(path)


@contextmanager
def at_work(config):
    """A node in a thread, which listens when the block begins."""
    place, stop = Place(config, time.time), Event()
    thread = Thread(target=Node(place).run, args=(stop,))
    thread.start()
    try:
        while place.ledger.summary()["nodes"] == 0 and thread.is_alive():  # it listens once it counts itself
            time.sleep(0.1)
        yield place
    finally:
        stop.set()
        thread.join()
        place.ledger.close()


@pytest.mark.parametrize("kind", ["dicom", "dicomweb"])
def test_a_study_goes_to_the_node_and_its_result_comes_back_once(empty, make_config, make_object, kind):
    """C-STORE from the archive to the node, or the node asks the archive; the result returns the same way."""
    port = free_port()
    quick = {"quiet_s": 1, "free_gb": 0, "retry_s": 0.5}
    destination = peer(empty, kind).model_dump(exclude_defaults=True) | {"kind": kind}
    rules = [{"name": "neck CT", "when": {"modality": "CT", "images": 3}, "job": "report", "to": ["archive"]}]
    listener = {"dicom": {"host": "127.0.0.1", "port": port}}
    watcher = {"dicomweb": [{"url": destination.get("url"), "every_s": 0.5, "days": 36500}]}
    config = make_config(
        folders=[], limits=quick, rules=rules, destinations={"archive": destination},
        **(listener if kind == "dicom" else watcher),
    )  # fmt: skip
    with at_work(config) as place:
        for number in range(3):
            empty.ask("POST", "/instances", make_object(number=number))
        [study] = empty.get("/studies")
        if kind == "dicom":
            empty.store(study, port)
        deadline = time.monotonic() + 60
        while place.ledger.summary()["jobs"]["sent"] < 1 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert empty.series() == {study: ["CT neck", "result"]}
        time.sleep(3)  # the result is seen again by the watcher, and begins nothing
        assert place.ledger.summary()["jobs"]["sent"] == 1 and sum(place.ledger.summary()["jobs"].values()) == 1
        assert len(empty.get("/instances")) == 4


def test_a_query_of_an_archive_is_a_list_of_cases(empty, make_object, tmp_path):
    for study in ("s1", "s2"):
        for number in range(3):
            empty.ask("POST", "/instances", make_object(study=study, number=number))
    (tmp_path / "query.yaml").write_text(
        f"{{url: {peer(empty, 'dicomweb').url}, query: {{StudyDate: 20270101-20270131}}}}"
    )
    cases = studies_of(tmp_path / "query.yaml", "ct")
    assert [case.words for case in cases] == ["DICOM study of the server: 3 CT image(s)"] * 2
    fetch_study(cases[0].paths[0], tmp_path / "here")
    assert len(list((tmp_path / "here").rglob("*.dcm"))) == 3


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.parametrize("kind", ["dicom", "dicomweb"])
def test_a_real_ct_comes_back_with_its_outlines(empty, make_config, shared_data, kind, capsys):
    """No stand-in: `hyoid report`, with its networks."""
    with zipfile.ZipFile(shared_data / "dicom" / "openkbp_pt_207_512.zip") as archive:
        for name in archive.namelist():
            if not name.endswith("/"):
                empty.ask("POST", "/instances", archive.read(name))
    slices = len(empty.get("/instances"))
    limits = {"quiet_s": 5, "free_gb": 0}
    destination = peer(empty, kind).model_dump(exclude_defaults=True) | {"kind": kind}
    ways = {"dicom": {"dicom": {"host": "127.0.0.1", "port": free_port()}},
            "dicomweb": {"dicomweb": [{"url": destination.get("url"), "every_s": 2, "days": 36500}]}}  # fmt: skip
    rules = [
        {"name": "CT", "when": {"modality": "CT"}, "job": "report", "to": ["out"], "options": ["--formats", "sr,pdf"]}
    ]
    config = make_config(
        folders=[], limits=limits, rules=rules, destinations={"out": destination}, command=(), **ways[kind]
    )
    [study] = empty.get("/studies")
    with at_work(config) as place:
        if kind == "dicom":
            empty.store(study, config.dicom.port)
        deadline = time.monotonic() + 900
        while place.ledger.summary()["jobs"]["sent"] < 1 and time.monotonic() < deadline:
            time.sleep(0.5)
        summary = place.ledger.summary()
    assert summary["jobs"]["sent"] == 1, summary["troubles"]
    assert empty.get("/studies") == [study]
    series = empty.get(f"/studies/{study}")["Series"]
    found = sorted(empty.get(f"/series/{one}")["MainDicomTags"]["Modality"] for one in series)
    assert {"CT", "RTSTRUCT", "SEG", "SR", "DOC"} <= set(found)
    events = (config.state / "events.jsonl").read_text().splitlines()
    times = {line["event"]: datetime.fromisoformat(line["time"]) for line in map(json.loads, events)}
    audit = [json.loads(line) for line in (config.state / "audit.jsonl").read_text().splitlines()]
    last = max(datetime.fromisoformat(line["time"]) for line in audit if line["event"] == "received")
    sent = max(datetime.fromisoformat(line["time"]) for line in audit if line["event"] == "sent")
    with capsys.disabled():
        seconds = {name: round((moment - last).total_seconds(), 1) for name, moment in (*times.items(), ("sent", sent))}
        print(f"\n{kind}: {slices} slices, came back as {found}; seconds after the last slice: {seconds}")


@pytest.mark.skipif(shutil.which("storescu") is None, reason="needs dcmtk")
@pytest.mark.parametrize("secured", [False, True])
def test_dcmtk_asks_whether_the_node_is_there_and_sends(make_place, make_object, certificates, tmp_path, secured):
    place, path = make_place(), tmp_path / "a.dcm"
    path.write_bytes(make_object())
    own = Tls(certificate=certificates / "node.pem", key=certificates / "node.key", ca=certificates / "ca.pem")
    config = Listener.model_construct(
        ae_title="HYOID", host="127.0.0.1", port=0, callers=("CT1",), tls=own if secured else None
    )
    proof = ["+tls", own.key, own.certificate, "+cf", own.ca] if secured else []
    with listening(config, place.spool, place.log) as port:
        for program, files in (("echoscu", []), ("storescu", [path])):
            command = [program, *proof, "-aet", "CT1", "-aec", "HYOID", "localhost", str(port), *files]
            end = subprocess.run(command, capture_output=True, text=True, check=False)
            assert end.returncode == 0, end.stderr
        stranger = ["storescu", "-aet", "OTHER", "-aec", "HYOID", "localhost", str(port), path]
        assert subprocess.run(stranger, capture_output=True, check=False).returncode != 0
    assert len(place.ledger.arrivals.files()) == 1
