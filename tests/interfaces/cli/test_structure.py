import json

import pytest
import typer
from typer.testing import CliRunner

from hyoid.errors import InputRefusedError, UnreadableFileError, UsageError
from hyoid.interfaces.cli.structure import structure
from hyoid.report.content.schema import Report

app = typer.Typer()
app.command()(structure)
TEXT = "CT neck. Mass in the right tonsil measuring 2 x 2.4 cm. The epiglottis is normal."


@pytest.fixture
def report(tmp_path):
    path = tmp_path / "report.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def invoke(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)


def test_text_goes_to_standard_output_with_the_quoted_sentences(report):
    result = invoke(report)
    assert result.exit_code == 0
    assert "Tonsil (R/L/Both): R - involved [text]" in result.stdout
    assert 'Epiglottis: "The epiglottis is normal."' in result.stdout


def test_json_goes_to_a_file_and_reads_back(report, tmp_path):
    out = tmp_path / "out" / "report.json"
    assert invoke(report, "--out", out).exit_code == 0
    assert Report.model_validate_json(out.read_text()).line("tonsil").value == "R - involved"


def test_a_text_file_is_read_back_to_the_same_lines(report, tmp_path):
    first, second = tmp_path / "a.txt", tmp_path / "b.json"
    invoke(report, "--out", first)
    invoke(first, "--out", second)
    again = Report.model_validate_json(second.read_text())
    assert {line.key for line in again.lines if line.status == "text"} == {
        "primary_location_of_the_mass", "size_of_the_mass", "tonsil", "epiglottis",
    }  # fmt: skip


def test_events_are_one_json_object_a_line(report):
    events = [json.loads(line) for line in invoke(report, "--json").stdout.splitlines()]
    assert [event["event"] for event in events] == ["progress", "progress", "done"]
    assert events[-1]["answered"] == 4
    assert Report.model_validate(events[-1]["report"]).line("epiglottis").value == "Not involved"


def test_nothing_answered_is_exit_code_five(tmp_path):
    path = tmp_path / "r.txt"
    path.write_text("CT of the neck was performed without complications.")
    assert invoke(path).exit_code == 5


def test_refusals_and_wrong_usage(report, tmp_path):
    empty, binary = tmp_path / "empty.txt", tmp_path / "binary.txt"
    empty.write_text("")
    binary.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(InputRefusedError, match="empty"):
        invoke(empty)
    with pytest.raises(UnreadableFileError, match="UTF-8"):
        invoke(binary)
    with pytest.raises(UnreadableFileError, match="cannot be read"):
        invoke(tmp_path / "none.txt")
    with pytest.raises(UsageError, match="no engine"):
        invoke(report, "--engine", "oracle")
    with pytest.raises(UsageError, match="belong to"):
        invoke(report, "--endpoint", "http://localhost")
    with pytest.raises(UsageError, match="no address"):
        invoke(report, "--engine", "chat", "--model", "m")
