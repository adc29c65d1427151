"""Watched sources: what is still being written waits, what was taken in is not taken in again."""

import io
import zipfile

import pytest
from pydicom import dcmread

from hyoid.errors import OutputError
from hyoid.interfaces.node.config import WatchedFolder, WatchedServer
from hyoid.interfaces.node.watchers import FolderWatcher, ServerWatcher


@pytest.fixture
def watch(place, tmp_path):
    def watch(**changes):
        config = WatchedFolder(path=tmp_path / "in", **changes)
        return FolderWatcher(config, place.spool, place.ledger, place.pseudonyms, place.log)

    return watch


def objects(place):
    return len(place.ledger.arrivals.files())


def test_a_file_is_taken_in_once_it_stops_growing(watch, place, make_object, tmp_path):
    watcher, file = watch(), tmp_path / "in" / "deep" / "1"
    file.parent.mkdir()
    file.write_bytes(make_object()[:100])
    assert watcher.look() == 0
    file.write_bytes(make_object())
    assert watcher.look() == 0 and objects(place) == 0
    assert watcher.look() == 1 and objects(place) == 1 and file.exists()
    assert watcher.look() == 0
    restarted = watch()
    assert [restarted.look(), restarted.look()] == [0, 0]


def test_a_file_is_deleted_where_that_is_asked_for(watch, make_object, tmp_path):
    (tmp_path / "in" / "1").write_bytes(make_object())
    watcher = watch(after="delete")
    watcher.look()
    assert watcher.look() == 1 and not (tmp_path / "in" / "1").exists()


def test_zips_are_opened_and_other_files_and_hidden_ones_passed_over(watch, place, make_object, tmp_path):
    with zipfile.ZipFile(tmp_path / "in" / "study.zip", "w") as archive:
        for number in range(3):
            archive.writestr(f"deep/{number}.dcm", make_object(number=number))
        archive.writestr("readme.txt", "words")
    (tmp_path / "in" / "notes.txt").write_text("words")
    (tmp_path / "in" / ".arriving").write_bytes(make_object(number=9))
    (tmp_path / "in" / "broken.zip").write_bytes(b"PK\x03\x04 and no more")
    watcher = watch()
    watcher.look()
    watcher.look()
    assert objects(place) == 3
    assert "archive passed over" in (place.config.state / "events.jsonl").read_text()


def test_a_damaged_file_does_not_keep_the_others_away(watch, place, make_object, tmp_path):
    (tmp_path / "in" / "1").write_bytes(make_object()[:-4])
    (tmp_path / "in" / "2").write_bytes(make_object(number=2))
    watcher = watch()
    watcher.look()
    watcher.look()
    assert objects(place) == 1 and place.ledger.summary()["unreadable_objects"] == 1


def test_a_full_disk_leaves_files_where_they_are(watch, place, make_object, tmp_path, monkeypatch):
    (tmp_path / "in" / "1").write_bytes(make_object())
    watcher = watch(after="delete")
    watcher.look()
    with monkeypatch.context() as patch, pytest.raises(OutputError, match="full"):
        patch.setattr(place.spool, "has_room", lambda: False)
        watcher.look()
    assert (tmp_path / "in" / "1").exists()
    watcher.look()
    watcher.look()
    assert objects(place) == 1


class Server:
    """A DICOMweb server with one study."""

    def __init__(self, make_object):
        self.make, self.slices, self.calls = make_object, 2, []

    def search_for_studies(self, **query):
        self.calls.append(query["search_filters"]["StudyDate"])
        return [{"0020000D": {"Value": ["1.2"]}, "00201208": {"Value": [self.slices + 1]}}]

    def search_for_series(self, study, **query):
        self.calls.append("series")
        rows = (("1.2.1", "CT", self.slices), ("1.2.2", "SR", 1))
        tags = ("0020000E", "00080060", "00201209")
        return [{tag: {"Value": [value]} for tag, value in zip(tags, row, strict=True)} for row in rows]

    def iter_series(self, study, series):
        self.calls.append(f"fetch {series}")
        return (dcmread(io.BytesIO(self.make(number=n))) for n in range(self.slices))


def test_a_series_is_fetched_once_it_stops_growing_and_again_when_it_grew(place, make_object, monkeypatch):
    server = Server(make_object)
    config = WatchedServer(url="http://localhost/dicom-web", days=1)
    watcher = ServerWatcher(config, place.spool, place.ledger, place.pseudonyms)
    watcher._client = server
    assert [watcher.look(), watcher.look(), watcher.look()] == [0, 1, 0]
    assert objects(place) == 2 and server.calls.count("fetch 1.2.1") == 1 and "fetch 1.2.2" not in server.calls
    assert server.calls[0] == "20270114-"  # the clock of the tests
    before = len(server.calls)
    watcher.look()
    assert server.calls[before:] == ["20270114-"]  # a study that did not grow is not asked about
    server.slices = 3
    assert [watcher.look(), watcher.look()] == [0, 1] and objects(place) == 3
