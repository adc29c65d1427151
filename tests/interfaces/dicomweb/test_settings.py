import pytest

from hyoid.errors import UnreadableFileError, UsageError
from hyoid.interfaces.dicomweb.settings import Tls, WebServer, read_settings


def test_paths_count_from_the_file(tmp_path):
    (tmp_path / "a.yaml").write_text("{url: 'https://a', token_file: t, tls: {ca: sub/ca.pem}}")
    server = read_settings(tmp_path / "a.yaml", WebServer, "query", "the page")
    assert server.token_file == tmp_path / "t" and server.tls == Tls(ca=tmp_path / "sub" / "ca.pem")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1", "cannot be read"),
        ("- a", "holds no keys"),
        ("{url: 'https://a', kolor: 1}", "kolor"),
        ("{url: 'ftp://a'}", "url"),
        ("{url: 'http://a.far', token_file: t}", "unencrypted"),
        ("{url: 'https://a', user: u}", "belong together"),
    ],
)
def test_wrong_settings_are_refused_by_name(tmp_path, text, words):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises((UnreadableFileError, UsageError), match=words):
        read_settings(tmp_path / "a.yaml", WebServer, "query", "the page")
