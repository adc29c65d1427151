"""Clients of DICOMweb servers: the proof of identity that was configured, and no other."""

import pytest

from hyoid.errors import UsageError
from hyoid.interfaces.dicomweb.client import web_client
from hyoid.interfaces.dicomweb.settings import WebServer


def test_password_and_token_come_from_files(tmp_path, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://elsewhere")
    (tmp_path / "secret").write_text("word\n")
    session = web_client(WebServer(url="https://pacs/web/", user="u", password_file=tmp_path / "secret"))._session
    assert session.auth == ("u", "word") and not session.trust_env
    session = web_client(WebServer(url="https://pacs", token_file=tmp_path / "secret"))._session
    assert session.headers["Authorization"] == "Bearer word"
    tls = {"ca": tmp_path / "ca.pem", "certificate": tmp_path / "c.pem", "key": tmp_path / "k.pem"}
    session = web_client(WebServer(url="https://pacs", tls=tls))._session
    assert session.verify == str(tls["ca"]) and session.cert == (str(tls["certificate"]), str(tls["key"]))


def test_a_secret_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        web_client(WebServer(url="https://pacs", token_file=tmp_path / "gone"))
