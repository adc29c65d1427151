"""The state folder."""

import stat

import pytest

from hyoid.errors import UnreadableFileError
from hyoid.interfaces.node.place import header_of


def test_the_folder_is_its_owners_alone(place):
    assert stat.S_IMODE(place.config.state.stat().st_mode) == 0o700
    assert place.results("ab") == place.config.state / "results" / "ab"


def test_the_wait_doubles_up_to_the_longest(make_place, clock):
    place = make_place(limits={"retry_s": 10, "longest_retry_s": 35})
    assert [place.later(n) - clock.now for n in (0, 1, 2, 500)] == [10, 20, 35, 35]


def test_a_header_is_read_and_what_is_none_refused(tmp_path, make_object):
    (tmp_path / "a").write_bytes(make_object())
    (tmp_path / "b").write_bytes(b"no DICOM")
    assert header_of(tmp_path / "a").Modality == "CT"
    with pytest.raises(UnreadableFileError):
        header_of(tmp_path / "b")
