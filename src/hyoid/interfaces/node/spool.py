"""The node's own disk: objects that arrived, whole or not at all, before anybody is told that they did."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from pydicom.dataset import Dataset

from hyoid.errors import OutputError, UnreadableFileError
from hyoid.interfaces.node.ledger.arrivals import StoredObject
from hyoid.interfaces.node.ledger.ledger import Ledger
from hyoid.interfaces.node.log import Log
from hyoid.interfaces.node.pseudonyms import Pseudonyms
from hyoid.io.dicom import headers

WANTED = ("CT", "MR", "PT", "RTSTRUCT", "SEG")
"""Modalities of objects that a job reads."""
_SPOOL, _REJECTED, _PARTIAL = "spool", "rejected", ".partial-"

Arrival = Literal["stored", "known", "own", "aside"]


@dataclass(frozen=True)
class Source:
    """Where an object comes from.

    Parameters
    ----------
    name : str
        Calling AE title, or name of the watched folder or server.
    address : str
        Address of the sending machine, for the audit log; empty for a folder.
    """

    name: str
    address: str = ""


class Spool:
    """Objects on disk, and their entries in ledger and audit log.

    Parameters
    ----------
    folder : Path
        State folder of the node.
    ledger : Ledger
        Where arrivals are entered.
    pseudonyms : Pseudonyms
        Words for identifiers.
    log : Log
        Where arrivals are told.
    free_gb : float
        Free space below which nothing is taken in, GiB.
    """

    def __init__(self, folder: Path, ledger: Ledger, pseudonyms: Pseudonyms, log: Log, free_gb: float) -> None:
        self.folder, self._ledger, self._pseudonyms, self._log = folder, ledger, pseudonyms, log
        self._free_bytes = int(free_gb * 1024**3)
        for name in (_SPOOL, _REJECTED):
            (folder / name).mkdir(exist_ok=True)

    def has_room(self) -> bool:
        """Tell whether the disk has the free space that the configuration asks for."""
        return shutil.disk_usage(self.folder).free >= self._free_bytes

    def path(self, file: str) -> Path:
        """Locate a file of the ledger."""
        return self.folder / _SPOOL / file

    def take(self, data: bytes, source: Source) -> Arrival:
        """Keep one object; once this returns, a kill of the node or of the machine no longer loses it.

        Parameters
        ----------
        data : bytes
            A DICOM file.
        source : Source
            Who sent it.

        Returns
        -------
        {"stored", "known", "own", "aside"}
            "known": the same object is here already. "own": a result of this node came back. "aside": no job reads
            objects of this kind, and it was not kept.

        Raises
        ------
        UnreadableFileError
            When the object is damaged; a copy lies in quarantine.
        OutputError
            When the disk is full: the sender has to try again.
        """
        if not self.has_room():
            raise _full()
        try:
            try:
                header = _readable(data)
            except UnreadableFileError as error:
                self._reject(data, source, error.problem)
                raise
            return self._keep(data, header, source)
        except sqlite3.OperationalError as error:
            if "full" in str(error):
                raise _full() from error
            raise OutputError("The ledger cannot be written.", "Send it again; check the disk.") from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise _full() from error
            raise OutputError(f"The state folder cannot be written ({error.strerror}).", "Check the disk.") from error

    def _keep(self, data: bytes, header: Dataset, source: Source) -> Arrival:
        arrivals, digest = self._ledger.arrivals, hashlib.sha256(data).hexdigest()
        key = object_pseudonym(self._pseudonyms, header)
        study = self._pseudonyms.of("study", headers.text(header, "StudyInstanceUID"))
        arrival = self._kind(key, digest, header)
        if arrival == "stored":
            patient = headers.text(header, "PatientID")
            issuer = headers.text(header, "IssuerOfPatientID")
            file = f"{study}/{key}-{secrets.token_hex(4)}.dcm"
            _write_durably(self.path(file), data)
            old = arrivals.add(
                StoredObject(
                    object=key,
                    series=self._pseudonyms.of("series", headers.text(header, "SeriesInstanceUID")),
                    study=study,
                    patient=self._pseudonyms.of("patient", patient, issuer) if patient else "",
                    digest=digest,
                    source=source.name,
                    file=file,
                )
            )
            if old is not None:
                self.path(old).unlink(missing_ok=True)
        self._log.audit("received", source=source.name, address=source.address, object=key, study=study, kept=arrival)
        return arrival

    def _kind(self, key: str, digest: str, header: Dataset) -> Arrival:
        """What is to be done with an object."""
        if self._ledger.arrivals.was_sent(key):
            return "own"
        if headers.text(header, "Modality") not in WANTED:
            return "aside"
        known = self._ledger.arrivals.find(key)
        return "known" if known is not None and known.digest == digest and known.file is not None else "stored"

    def _reject(self, data: bytes, source: Source, reason: str) -> None:
        file = f"{hashlib.sha256(data).hexdigest()[:32]}-{secrets.token_hex(4)}.dcm"
        _write_durably(self.folder / _REJECTED / file, data)
        self._ledger.arrivals.reject(file, source.name, reason)
        self._log.audit("rejected", source=source.name, address=source.address, reason=reason)
        self._log.event("object rejected", source=source.name, reason=reason)

    def delete(self, scans: Iterable[str], rejected: Iterable[str] = ()) -> None:
        """Delete files that the ledger has forgotten, and folders that are empty then."""
        for file in scans:
            self.path(file).unlink(missing_ok=True)
            _remove_if_empty(self.path(file).parent)
        for file in rejected:
            (self.folder / _REJECTED / file).unlink(missing_ok=True)

    def sweep(self, older_s: float) -> int:
        """Delete what a killed node left half-written or unentered, once it is of a certain age, and count it."""
        known, swept = self._ledger.arrivals.files(), 0
        for path in list((self.folder / _SPOOL).glob("*/*")):
            try:
                is_old = self._ledger.clock() - path.stat().st_mtime >= older_s
            except FileNotFoundError:
                continue
            if is_old and str(path.relative_to(self.folder / _SPOOL)) not in known:
                path.unlink(missing_ok=True)
                _remove_if_empty(path.parent)
                swept += 1
        return swept


def _full() -> OutputError:
    return OutputError("The disk of the state folder is full: nothing was taken in.", "Free some space; send it again.")


def object_pseudonym(pseudonyms: Pseudonyms, header: Dataset) -> str:
    """Give the pseudonym of an object by its SOPInstanceUID."""
    return pseudonyms.of("object", headers.text(header, "SOPInstanceUID"))


def _readable(data: bytes) -> Dataset:
    """Header of a DICOM file that is whole and says what it is.

    Raises
    ------
    UnreadableFileError
        When it is not.
    """
    dataset = headers.parse(data, pixels=True)
    if dataset is None:
        raise UnreadableFileError("The object is a DICOMDIR.", "Send the images themselves.")
    missing = [
        keyword
        for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
        if not headers.text(dataset, keyword)
    ]
    if missing:
        raise UnreadableFileError(f"The object has no {missing[0]}.", "Send it again from its source.")
    if headers.is_cut_short(dataset):
        raise UnreadableFileError("The object ends before its last value does: it is truncated.", "Send it again.")
    return dataset


def _write_durably(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, on the disk when this returns."""
    temporary = path.with_name(f"{_PARTIAL}{path.name}")
    try:
        with _opened_in_folder(temporary) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _opened_in_folder(path: Path) -> BinaryIO:
    """A new file; its folder is made, again where it was empty and deleted just now."""
    while True:
        path.parent.mkdir(exist_ok=True)
        try:
            return path.open("wb")
        except FileNotFoundError:
            continue


def sync(path: Path) -> None:
    """Bring a file, or the entries of a folder, to the disk: a rename counts only then."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return
