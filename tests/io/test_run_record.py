import json
from pathlib import Path

import pytest

from hyoid.errors import UnreadableFileError
from hyoid.io.run_record import MachineRecord, ModelRecord, RunRecord, json_schema, read_run, write_run

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "run.schema.json"


def record(**more):
    fields = {
        "command": "report", "statement": "Research use only.", "hyoid": "1", "python": "3", "packages": {},
        "machine": MachineRecord(system="Linux", processor="x", device="cpu"),
        "models": {"a": ModelRecord(licence="l", training_data="t")}, "inputs": {}, "empty": False,
    }  # fmt: skip
    return RunRecord(**fields | more)


def test_what_is_written_is_read_back(tmp_path):
    before = record(options={"mirror": True}, facts={"centre": [1, 2.5]})
    assert write_run(tmp_path, before) == tmp_path / "run.json"
    assert read_run(tmp_path) == before


@pytest.mark.parametrize("text", [None, "{", "{}", '{"schema_version": 1}', b"\xff\xfe"])
def test_what_is_no_record_is_refused(tmp_path, text):
    if isinstance(text, bytes):
        (tmp_path / "run.json").write_bytes(text)
    elif text is not None:
        (tmp_path / "run.json").write_text(text)
    with pytest.raises(UnreadableFileError, match=r"run\.json cannot be read"):
        read_run(tmp_path)


def test_the_schema_in_the_docs_is_that_of_the_type():
    assert json.loads(SCHEMA.read_text()) == json_schema()
