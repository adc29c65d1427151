"""Destinations: a folder; a DICOM peer, which here is the node's own listener."""

import gc
import threading

import pytest

from hyoid.interfaces.node.config import DicomDestination, FolderDestination, Listener, Tls
from hyoid.interfaces.node.destinations import PeerDownError, PeerRefusedError, open_peer
from hyoid.interfaces.node.listener import listening


@pytest.fixture
def results(tmp_path, make_object):
    """A folder of results with one object."""
    folder = tmp_path / "results" / "job1"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "seg.dcm").write_bytes(make_object("s7"))
    (folder / "run.json").write_text("{}")
    return folder


@pytest.mark.parametrize(("files", "names"), [("all", ["inner/seg.dcm", "run.json"]), ("dicom", ["inner/seg.dcm"])])
def test_a_run_appears_in_a_folder_whole_and_once(results, tmp_path, files, names):
    destination = FolderDestination(kind="folder", path=tmp_path / "out" / "deep", files=files)
    with open_peer(destination, [results]) as peer:
        assert not peer.holds(results)
        peer.send(results)
        assert peer.holds(results)
        peer.send(results)
    out = destination.path / "job1"
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()) == names
    assert [p.name for p in destination.path.iterdir()] == ["job1"]


def test_a_folder_that_cannot_be_written_is_down(results, tmp_path):
    (tmp_path / "out").write_text("a file")
    destination = FolderDestination(kind="folder", path=tmp_path / "out")
    with open_peer(destination, [results]) as peer, pytest.raises(PeerDownError, match="cannot be written"):
        peer.send(results)


@pytest.fixture
def collected():
    """pynetdicom leaves the socket of a refused connection to the garbage collector, which warns: here, not later."""
    yield
    gc.collect()


refused_connections = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def peer_of(port, **changes):
    return DicomDestination(kind="dicom", ae_title="HYOID", host="localhost", port=port, timeout_s=5, **changes)


@pytest.fixture
def listener(make_place):
    """Run the node's listener; gives (place, port)."""
    place = make_place()
    config = Listener.model_construct(ae_title="HYOID", host="127.0.0.1", port=0, callers=("HYOID",), tls=None)
    with listening(config, place.spool, place.log) as port:
        yield place, port
    assert not [t for t in threading.enumerate() if t.is_alive() and "Association" in t.name]


def test_objects_go_over_the_network_whole(listener, results):
    place, port = listener
    path = results / "inner" / "seg.dcm"
    with open_peer(peer_of(port), [path]) as peer:
        peer.send(path)
        assert not peer.holds(path)  # the listener answers no questions
    [file] = place.ledger.arrivals.files()
    assert place.spool.path(file).read_bytes()[-40:] == path.read_bytes()[-40:]
    assert place.ledger.arrivals.objects(file.split("/")[0])[0].source == "HYOID"


def test_a_damaged_object_is_refused_and_a_full_disk_is_a_peer_down(listener, results, make_object, monkeypatch):
    place, port = listener
    path = results / "inner" / "seg.dcm"
    with open_peer(peer_of(port), [path]) as peer:
        monkeypatch.setattr(place.spool, "has_room", lambda: False)
        with pytest.raises(PeerDownError, match="out of resources"):
            peer.send(path)
        monkeypatch.undo()
        path.write_bytes(make_object("s7", StudyInstanceUID=""))
        with pytest.raises(PeerRefusedError, match="0xC000"):
            peer.send(path)
    assert place.ledger.summary()["unreadable_objects"] == 1


def test_a_kind_that_was_not_agreed_on_is_refused(listener, results, make_object):
    _, port = listener
    other = results / "rt.dcm"
    other.write_bytes(make_object(modality="RTSTRUCT"))
    agreed = [results / "inner" / "seg.dcm"]
    with open_peer(peer_of(port), agreed) as peer, pytest.raises(PeerRefusedError, match="kind or encoding"):
        peer.send(other)


@refused_connections
def test_strangers_and_wrong_names_are_not_let_in(collected, listener, results):
    _, port = listener
    for change in ({"calling": "STRANGER"}, {"ae_title": "OTHER"}):
        peer = peer_of(port).model_copy(update=change)
        with pytest.raises(PeerDownError, match="rejected"), open_peer(peer, [results / "inner" / "seg.dcm"]):
            pass


@refused_connections
def test_a_peer_that_is_not_there_is_down(collected, results):
    with pytest.raises(PeerDownError, match="down"), open_peer(peer_of(9), [results / "inner" / "seg.dcm"]):
        pass


@refused_connections
def test_an_encrypted_connection_needs_the_right_certificates(collected, make_place, results, certificates):
    place, path = make_place(), results / "inner" / "seg.dcm"
    own = Tls(certificate=certificates / "node.pem", key=certificates / "node.key", ca=certificates / "ca.pem")
    config = Listener.model_construct(ae_title="HYOID", host="127.0.0.1", port=0, callers=(), tls=own)
    with listening(config, place.spool, place.log) as port:
        with open_peer(peer_of(port, tls=own), [path]) as peer:
            peer.send(path)
        for tls in (None, Tls(ca=certificates / "ca.pem"), own.model_copy(update={"ca": certificates / "other.pem"})):
            with pytest.raises(PeerDownError), open_peer(peer_of(port, tls=tls), [path]):
                pass
    assert len(place.ledger.arrivals.files()) == 1
