"""Keyed hashes of identifiers."""

import stat

import pytest

from hyoid.errors import UnreadableFileError
from hyoid.interfaces.node.pseudonyms import KEY_FILE, Pseudonyms, read_key


def test_the_same_identifier_has_one_word_under_one_key():
    names = Pseudonyms(b"a" * 32)
    assert names.of("study", "1.2.3") == names.of("study", "1.2.3")
    assert names.of("study", "1.2.3").isalnum() and len(names.of("study", "1.2.3")) == 32
    others = {names.of("series", "1.2.3"), names.of("study", "1.2", ".3"), Pseudonyms(b"b" * 32).of("study", "1.2.3")}
    assert names.of("study", "1.2.3") not in others and len(others) == 3


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path):
    key = read_key(tmp_path)
    assert read_key(tmp_path) == key and len(key) == 32
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == [KEY_FILE]


def test_a_damaged_key_is_refused(tmp_path):
    (tmp_path / KEY_FILE).write_bytes(b"short")
    with pytest.raises(UnreadableFileError, match="damaged"):
        read_key(tmp_path)
