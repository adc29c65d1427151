"""Sources that are looked at again and again: folders, and DICOMweb servers (extra `node`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from pydicom.dataset import Dataset

from hyoid.errors import UnreadableFileError
from hyoid.interfaces.dicomweb.answers import (
    COUNT_OF_SERIES,
    COUNT_OF_STUDY,
    MODALITY,
    SERIES_UID,
    STUDY_UID,
    file_of,
    value_of,
)
from hyoid.interfaces.node.config import WatchedFolder, WatchedServer
from hyoid.interfaces.node.ledger.ledger import Ledger
from hyoid.interfaces.node.log import Log
from hyoid.interfaces.node.pseudonyms import Pseudonyms
from hyoid.interfaces.node.spool import Source, Spool
from hyoid.io import sources
from hyoid.io.dicom.headers import looks_like_dicom


class FolderWatcher:
    """Watcher of a folder: files that did not change between two looks are taken in.

    Parameters
    ----------
    config : WatchedFolder
        Folder, and what happens to a file that was taken in.
    spool : Spool
        Where objects go.
    ledger : Ledger
        Remembers what was taken in.
    pseudonyms : Pseudonyms
        File names may be those of patients.
    log : Log
        Where this is told.
    """

    def __init__(self, config: WatchedFolder, spool: Spool, ledger: Ledger, pseudonyms: Pseudonyms, log: Log) -> None:
        self.config, self._spool, self._ledger, self._log = config, spool, ledger, log
        self._pseudonyms = pseudonyms
        self._before: dict[Path, tuple[int, int]] = {}

    def look(self) -> int:
        """Take in what is whole and new, and count the files.

        Raises
        ------
        OutputError
            When the disk is full: the rest stays where it is.
        """
        now: dict[Path, tuple[int, int]] = {}
        taken = 0
        for path in sorted(self.config.path.rglob("*")):
            if any(part.startswith(".") for part in path.relative_to(self.config.path).parts) or not path.is_file():
                continue
            try:
                facts = path.stat()
            except FileNotFoundError:
                continue
            now[path] = facts.st_size, facts.st_mtime_ns
            if self._before.get(path) == now[path] and not self._ledger.arrivals.has_seen(*self._key(path, now[path])):
                self._take(path)
                taken += 1
                if self.config.after == "delete":
                    path.unlink(missing_ok=True)
                else:
                    self._ledger.arrivals.saw(*self._key(path, now[path]))
        self._before = now
        return taken

    def _key(self, path: Path, facts: tuple[int, int]) -> tuple[str, str]:
        name = str(path.relative_to(self.config.path))
        return f"folder {self.config.name}", self._pseudonyms.of("file", name, *map(str, facts))

    def _take(self, path: Path) -> None:
        source = Source(self.config.name)
        try:
            for data in _objects(path):
                try:
                    self._spool.take(data, source)
                except UnreadableFileError:
                    continue  # it lies in quarantine
        except UnreadableFileError as error:
            self._log.event("archive passed over", source=self.config.name, reason=error.problem)


def _objects(path: Path) -> Iterator[bytes]:
    """DICOM files in a file: itself, or those in a zip."""
    start = sources.read_start(path)
    if sources.is_archive(start):
        for read in sources.in_zip(path).reads:
            yield read()
    elif looks_like_dicom(start):
        yield path.read_bytes()


class ServerWatcher:
    """Watcher of a DICOMweb server: series that did not grow between two questions are fetched.

    Parameters
    ----------
    config : WatchedServer
        Server, and which studies are looked at.
    spool : Spool
        Where objects go.
    ledger : Ledger
        Remembers what was fetched.
    pseudonyms : Pseudonyms
        Words for UIDs.
    """

    def __init__(self, config: WatchedServer, spool: Spool, ledger: Ledger, pseudonyms: Pseudonyms) -> None:
        from hyoid.interfaces.dicomweb.client import web_client

        self.config, self._spool, self._ledger, self._pseudonyms = config, spool, ledger, pseudonyms
        self._client = web_client(config)
        self._series: dict[str, int] = {}
        self._settled: dict[str, int] = {}

    def look(self) -> int:
        """Fetch what is whole and new, and count the series.

        Raises
        ------
        OutputError
            When the disk is full: the rest is fetched later.
        requests.RequestException
            When the server cannot be reached.
        """
        fetched = 0
        for study in self._studies():
            uid, size = value_of(study, STUDY_UID), int(value_of(study, COUNT_OF_STUDY) or -1)
            if size >= 0 and self._settled.get(uid) == size:
                continue
            waits = False
            for row in self._client.search_for_series(uid, get_remaining=True):
                if value_of(row, MODALITY) not in self.config.modalities:
                    continue
                series, count = value_of(row, SERIES_UID), int(value_of(row, COUNT_OF_SERIES) or 0)
                key = f"dicomweb {self.config.name}", self._pseudonyms.of("series", series, str(count))
                if self._ledger.arrivals.has_seen(*key):
                    continue
                if self._series.get(series) != count:
                    self._series[series], waits = count, True
                    continue
                self._fetch(self._client.iter_series(uid, series))
                self._ledger.arrivals.saw(*key)
                fetched += 1
            if not waits:
                self._settled[uid] = size
        return fetched

    def _studies(self) -> list[dict[str, dict]]:
        first = datetime.fromtimestamp(self._ledger.clock()) - timedelta(days=self.config.days)
        found: list[dict[str, dict]] = self._client.search_for_studies(
            search_filters={"StudyDate": f"{first:%Y%m%d}-"},
            fields=["NumberOfStudyRelatedInstances"],
            get_remaining=True,
        )
        return found

    def _fetch(self, objects: Iterable[Dataset]) -> None:
        source = Source(self.config.name, self.config.url)
        for dataset in objects:
            try:
                self._spool.take(file_of(dataset), source)
            except UnreadableFileError:
                continue  # it lies in quarantine
