import pytest

from hyoid.report.free_text.lexicon import Kind, tokens_in
from hyoid.report.free_text.scopes import reaches_back


def reaches(text, word, kind=Kind.DENY):
    tokens = tokens_in(text)
    at = next(n for n, token in enumerate(tokens) if token.text == word)
    return reaches_back(tokens, at, kind, through_places=False)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("no erosion of the lip", "erosion"),
        ("no erosion or invasion of the lip", "invasion"),
        ("the lip is not clearly involved", "involved"),
        ("neither the lip nor the orbit is involved", "involved"),
        ("the mass does not appear to involve the lip", "involve"),
        ("erosion nor invasion", "erosion"),
    ],
)
def test_a_denial_reaches_over_lists_of_its_kind(text, word):
    assert reaches(text, word)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("no nodes, the lip is involved", "involved"),
        ("no mass with invasion of the lip", "invasion"),
        ("the lip is involved", "involved"),
        ("invasion of the lip, no oedema", "invasion"),
    ],
)
def test_a_denial_ends_where_something_else_begins(text, word):
    assert not reaches(text, word)


def test_a_doubt_reaches_as_a_denial_does():
    assert reaches("possible invasion of the lip", "invasion", Kind.HEDGE)
    assert not reaches("invasion of the lip", "invasion", Kind.HEDGE)
