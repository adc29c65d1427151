import pytest

from hyoid.characters import one_line, printable


@pytest.mark.parametrize(("text", "shown"), [("", ""), ("a\tb\nc", "a\ufffdb\nc"), ("Käse 日本", "Käse 日本")])
def test_printable(text, shown):
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("text", "written"),
    [("", ""), ("a\\b", "a/b"), ("a\r\nb\t\u202ec\u2028", "a b c"), (" \x1b ", ""), ("Käse 日本 <b>", "Käse 日本 <b>")],
)
def test_one_line(text, written):
    assert one_line(text) == written
