"""Encrypted connections of both protocols."""

from __future__ import annotations

import ssl

from hyoid.errors import UsageError
from hyoid.interfaces.node.config import Tls


def server_context(tls: Tls) -> ssl.SSLContext:
    """Make the context of a listener; with `ca`, callers must show a certificate that it signed.

    Raises
    ------
    UsageError
        When a file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if tls.ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return _with_files(context, tls)


def client_context(tls: Tls) -> ssl.SSLContext:
    """Make the context of a caller, which always checks the other side's certificate and host name.

    Raises
    ------
    UsageError
        When a file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if tls.ca is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    return _with_files(context, tls)


def _with_files(context: ssl.SSLContext, tls: Tls) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # DICOM PS3.15 B.12, BCP 195
    try:
        if tls.ca is not None:
            context.load_verify_locations(tls.ca)
        if tls.certificate is not None and tls.key is not None:
            context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"A file of tls cannot be used ({type(error).__name__}).", "Give certificate, key and ca as PEM files."
        ) from error
    return context
