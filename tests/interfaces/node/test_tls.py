"""Contexts of encrypted connections."""

import ssl
from pathlib import Path

import pytest

from hyoid.errors import UsageError
from hyoid.interfaces.node.config import Tls
from hyoid.interfaces.node.tls import client_context, server_context


def test_a_listener_with_ca_asks_for_certificates_and_a_caller_always_checks(certificates):
    files = {"certificate": certificates / "node.pem", "key": certificates / "node.key"}
    assert server_context(Tls(**files)).verify_mode is ssl.CERT_NONE
    assert server_context(Tls(**files, ca=certificates / "ca.pem")).verify_mode is ssl.CERT_REQUIRED
    for tls in (Tls(), Tls(ca=certificates / "ca.pem")):
        context = client_context(tls)
        assert context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_files_that_are_none_are_refused(certificates, tmp_path):
    (tmp_path / "empty.pem").write_text("")
    for tls in (
        Tls(certificate=tmp_path / "empty.pem", key=certificates / "node.key"),
        Tls(certificate=Path("gone.pem"), key=certificates / "node.key"),
        Tls(ca=Path("gone.pem")),
        Tls(ca=tmp_path / "empty.pem"),
    ):
        for make in (server_context, client_context):
            with pytest.raises(UsageError, match=r"tls"):
                make(tls)
