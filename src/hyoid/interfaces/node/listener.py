"""The DICOM listener: C-STORE and C-ECHO. Needs the extra `node`."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)
from pynetdicom import AE, AllStoragePresentationContexts, _config, evt
from pynetdicom.events import Event, EventHandlerType
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from hyoid.errors import OutputError, UnreadableFileError
from hyoid.interfaces.node.config import Listener
from hyoid.interfaces.node.log import Log
from hyoid.interfaces.node.spool import Source, Spool
from hyoid.interfaces.node.tls import server_context

_SYNTAXES = [
    ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian,
    JPEGLosslessSV1, JPEGLossless, JPEGLSLossless, JPEG2000Lossless, RLELossless, JPEG2000,
    JPEGBaseline8Bit, JPEGExtended12Bit,
]  # fmt: skip
"""Encodings that hyoid reads, lossless ones first: a sender that has a choice takes the first that it knows."""
# PS3.4 table B.2-1.
_SUCCESS, _OUT_OF_RESOURCES, _CANNOT_UNDERSTAND = 0x0000, 0xA700, 0xC000
_TIMEOUT_S, _ASSOCIATIONS = 60, 16


@contextmanager
def listening(config: Listener, spool: Spool, log: Log) -> Iterator[int]:
    """Listen while the block runs.

    Parameters
    ----------
    config : Listener
        Address, AE title, callers and encryption.
    spool : Spool
        Where objects go; success is told only once an object is safe there.
    log : Log
        Where associations are told.

    Yields
    ------
    int
        Port that is listened on.

    Raises
    ------
    OSError
        When the port cannot be had.
    """
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # its lines quote data sets
    entity = AE(config.ae_title)
    entity.require_called_aet = True
    entity.require_calling_aet = list(config.callers)
    entity.maximum_associations = _ASSOCIATIONS
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = _TIMEOUT_S
    entity.supported_contexts = [
        build_context(Verification),
        *(build_context(str(context.abstract_syntax), _SYNTAXES) for context in AllStoragePresentationContexts),
    ]
    _config.UNRESTRICTED_STORAGE_SERVICE = False

    def store(event: Event) -> int:
        requestor = event.assoc.requestor
        source = Source(requestor.ae_title.strip(), str(requestor.address or ""))
        try:
            spool.take(event.encoded_dataset(), source)
        except UnreadableFileError:
            return _CANNOT_UNDERSTAND
        except OutputError as error:
            log.event("disk full", reason=error.problem)
            return _OUT_OF_RESOURCES
        return _SUCCESS

    handlers: list[EventHandlerType] = [(evt.EVT_C_STORE, store), (evt.EVT_C_ECHO, lambda event: _SUCCESS)]
    context = None if config.tls is None else server_context(config.tls)
    server = entity.start_server((config.host, config.port), block=False, ssl_context=context, evt_handlers=handlers)
    assert server is not None
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
