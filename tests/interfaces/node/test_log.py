"""Logs of JSON lines."""

import json
import stat

import pytest

from hyoid.interfaces.node.log import AUDIT_FILE, EVENTS_FILE, Log


def test_a_line_is_an_object_with_its_time(tmp_path, capsys):
    log = Log(tmp_path, lambda: 0.0, echo=True)
    log.event("job ended", job="ab", seconds=1.5)
    log.audit("sent", object="cd")
    expected = {"time": "1970-01-01T00:00:00.000+00:00", "event": "job ended", "job": "ab", "seconds": 1.5}
    assert json.loads((tmp_path / EVENTS_FILE).read_text()) == expected == json.loads(capsys.readouterr().out)
    assert json.loads((tmp_path / AUDIT_FILE).read_text())["object"] == "cd"
    assert stat.S_IMODE((tmp_path / AUDIT_FILE).stat().st_mode) == 0o600


def test_an_event_that_cannot_be_written_is_no_trouble_and_an_audit_line_is(tmp_path):
    log = Log(tmp_path / "gone", lambda: 0.0)
    log.event("job ended")
    with pytest.raises(FileNotFoundError):
        log.audit("sent")
