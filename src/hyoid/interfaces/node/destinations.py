"""Where results go: a DICOM peer, a DICOMweb server, a folder. Needs the extra `node` for the first two."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from hyoid.errors import HyoidError
from hyoid.interfaces.node.config import DicomDestination, FolderDestination, WebDestination
from hyoid.interfaces.node.runner import dicom_files
from hyoid.interfaces.node.spool import sync
from hyoid.interfaces.node.tls import client_context
from hyoid.io.dicom.headers import quiet_pydicom

WHOLE_RUN = "."
"""File of a delivery that is a whole folder of results."""
_OUT_OF_RESOURCES = range(0xA700, 0xA800)  # PS3.4 table B.2-1
_TAKEN = (0x0000, 0xB000, 0xB006, 0xB007)
_DENIED = 400


class PeerDownError(HyoidError):
    """Raised when a destination cannot be reached or has no room: it may take the same object later."""

    def __init__(self, problem: str, *, in_doubt: bool = False) -> None:
        super().__init__(problem)
        self.in_doubt = in_doubt


class PeerRefusedError(HyoidError):
    """Raised when a destination does not take an object."""


class Peer(Protocol):
    """An open connection to a destination.

    Every method raises `PeerDownError` when the destination is lost.
    """

    def holds(self, path: Path) -> bool:
        """Tell whether the destination has an object already; False also where it cannot be asked."""

    def send(self, path: Path) -> None:
        """Send one object.

        Raises
        ------
        PeerRefusedError
            When the destination does not take the object.
        """


@contextmanager
def open_peer(
    destination: DicomDestination | WebDestination | FolderDestination, files: Sequence[Path]
) -> Iterator[Peer]:
    """Connect to a destination while the block runs.

    Parameters
    ----------
    destination : DicomDestination, WebDestination or FolderDestination
        Where to.
    files : sequence of Path
        What is to be sent: a DICOM association names kinds of objects and encodings beforehand.

    Raises
    ------
    PeerDownError
        When the destination cannot be reached.
    """
    if isinstance(destination, FolderDestination):
        yield _Folder(destination)
    elif isinstance(destination, WebDestination):
        yield _WebPeer(destination)
    else:
        with _associated(destination, files) as peer:
            yield peer


class _Folder:
    """Runs side by side in a folder, each renamed into place."""

    def __init__(self, destination: FolderDestination) -> None:
        self._destination = destination

    def holds(self, path: Path) -> bool:
        return (self._destination.path / path.name).is_dir()

    def send(self, path: Path) -> None:
        place, temporary = self._destination.path, None
        try:
            place.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(prefix=".arriving-", dir=place))
            files = dicom_files(path) if self._destination.files == "dicom" else sorted(path.rglob("*"))
            for file in files:
                if file.is_file():
                    _copy_durably(file, temporary / file.relative_to(path))
            sync(temporary)
            temporary.replace(place / path.name)
            sync(place)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST) and self.holds(path):
                return
            raise PeerDownError(f"The folder cannot be written ({error.strerror or type(error).__name__}).") from error
        finally:
            if temporary is not None:
                shutil.rmtree(temporary, ignore_errors=True)


def _copy_durably(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as old, target.open("wb") as new:
        shutil.copyfileobj(old, new)
        new.flush()
        os.fsync(new.fileno())


class _WebPeer:
    """STOW-RS, one object a request."""

    def __init__(self, destination: WebDestination) -> None:
        from hyoid.interfaces.dicomweb.client import web_client

        self._client = web_client(destination)

    def holds(self, path: Path) -> bool:
        header = _header(path)
        with _web_errors(in_doubt=True):
            found = self._client.search_for_instances(
                str(header.StudyInstanceUID),
                str(header.SeriesInstanceUID),
                search_filters={"SOPInstanceUID": str(header.SOPInstanceUID)},
            )
        return bool(found)

    def send(self, path: Path) -> None:
        with _web_errors(in_doubt=True):
            answer = self._client.store_instances([dcmread(path)])
        failed = answer.get("FailedSOPSequence") or []
        if failed:
            raise PeerRefusedError(f"STOW-RS failed (reason {failed[0].get('FailureReason', 'not given')}).")


@contextmanager
def _web_errors(*, in_doubt: bool) -> Iterator[None]:
    """Turn what HTTP raises into the two kinds of trouble."""
    import requests

    try:
        yield
    except requests.HTTPError as error:
        status = 0 if error.response is None else error.response.status_code
        # Proof of identity, rate and room are the server's state; other client errors are about the object.
        if status in (401, 403, 404, 408, 429, 507) or not _DENIED <= status < 500:
            raise PeerDownError(f"The server answered {status}.") from None
        raise PeerRefusedError(f"The server answered {status}.") from None
    except requests.RequestException as error:
        raise PeerDownError(f"The server cannot be reached ({type(error).__name__}).", in_doubt=in_doubt) from None


@contextmanager
def _associated(destination: DicomDestination, files: Sequence[Path]) -> Iterator[Peer]:
    from pynetdicom import AE
    from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind  # type: ignore[attr-defined]

    entity = AE(destination.calling)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = destination.timeout_s
    entity.connection_timeout = destination.timeout_s
    kinds: dict[str, set[str]] = {}
    for path in files:
        meta = _header(path).file_meta
        kinds.setdefault(str(meta.MediaStorageSOPClassUID), set()).add(str(meta.TransferSyntaxUID))
    for kind, syntaxes in kinds.items():
        # One context for the encoding that the file has, one that every peer understands.
        for syntax in syntaxes:
            entity.add_requested_context(kind, syntax)
        entity.add_requested_context(kind, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
    entity.add_requested_context(StudyRootQueryRetrieveInformationModelFind)
    tls = None if destination.tls is None else (client_context(destination.tls), destination.host)
    association = entity.associate(destination.host, destination.port, ae_title=destination.ae_title, tls_args=tls)
    if not association.is_established:
        raise PeerDownError("The peer rejected the association." if association.is_rejected else "The peer is down.")
    try:
        yield _DicomPeer(association, StudyRootQueryRetrieveInformationModelFind)
    finally:
        if association.is_established:
            association.release()


class _DicomPeer:
    """C-STORE, and C-FIND for objects in doubt."""

    def __init__(self, association: object, find: str) -> None:
        self._association, self._find = association, find

    def holds(self, path: Path) -> bool:
        header, query = _header(path), Dataset()
        query.QueryRetrieveLevel = "IMAGE"
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            setattr(query, keyword, header[keyword].value)
        try:
            answers = list(self._association.send_c_find(query, self._find))  # type: ignore[attr-defined]
        except ValueError:  # the peer answers no questions
            return False
        except RuntimeError:
            raise PeerDownError("The association was lost.", in_doubt=True) from None
        return any(found is not None and found.get("SOPInstanceUID") == header.SOPInstanceUID for _, found in answers)

    def send(self, path: Path) -> None:
        try:
            with quiet_pydicom():
                status = self._association.send_c_store(dcmread(path))  # type: ignore[attr-defined]
        except ValueError:
            raise PeerRefusedError("The peer takes no objects of this kind or encoding.") from None
        except RuntimeError:
            raise PeerDownError("The association was lost.") from None
        if "Status" not in status:
            raise PeerDownError("The peer did not answer.", in_doubt=True)
        code = int(status.Status)
        if code in _OUT_OF_RESOURCES:
            raise PeerDownError(f"The peer is out of resources (0x{code:04X}).")
        if code not in _TAKEN:
            raise PeerRefusedError(f"The peer refused the object (0x{code:04X}).")


def _header(path: Path) -> Dataset:
    with quiet_pydicom():
        return dcmread(path, stop_before_pixels=True)
