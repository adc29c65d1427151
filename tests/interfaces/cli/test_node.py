"""`hyoid node`: the plan, the status, what is refused. What a node does is tested in `tests/interfaces/node`."""

import json

import pytest
import yaml
from typer.testing import CliRunner

from hyoid.errors import UnreadableFileError, UsageError
from hyoid.interfaces.cli import main as cli
from hyoid.interfaces.cli import node as command
from hyoid.interfaces.node.config import read_config
from hyoid.interfaces.node.place import Place


@pytest.fixture
def config(tmp_path):
    """A configuration file that receives from a folder."""
    content = {
        "state": "state",
        "folders": [{"path": "in"}],
        "rules": [{"name": "neck CT", "when": {"modality": "CT"}, "job": "report", "to": ["out"]}],
        "destinations": {"out": {"kind": "folder", "path": "out"}},
    }
    path = tmp_path / "node.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def call(*arguments):
    return CliRunner().invoke(cli.app, ["node", *map(str, arguments)], catch_exceptions=True)


def test_the_plan_is_said_and_nothing_is_made(config, tmp_path):
    options = ("--dry-run", "--json")
    for arguments in ((config, *options), (*options, config), ("run", config, *options)):
        result = call(*arguments)
        assert result.exit_code == 0
        assert any("neck CT" in json.loads(line)["words"] for line in result.output.splitlines())
    assert [p.name for p in tmp_path.iterdir()] == ["node.yaml"]


def test_the_status_of_a_node_is_read_without_a_node(config):
    assert isinstance(call("status", config).exception, UnreadableFileError)  # no node ran here
    place = Place(read_config(config), lambda: 1e9)
    database = place.ledger._database
    with database.change():
        for key, state in (("a" * 32, "quarantined"), ("b" * 32, "sent")):
            database.run(
                "INSERT INTO jobs(job, study, rule, series, state, reason, created, changed) "
                "VALUES(?, 's', 'neck CT', '[]', ?, 'No neck.', 0, 0)",
                (key, state),
            )
    place.ledger.close()
    found = json.loads(call("status", config, "--json").output)
    assert found["jobs"]["quarantined"] == 1 and found["troubles"][0]["reason"] == "No neck."
    words = call("status", config).output
    assert "1 sent" in words and "aaaaaaaaaaaa (neck CT) quarantined: No neck." in words
    assert isinstance(call("retry", config, "abc").exception, UsageError)
    assert "1 job(s) go on." in call("retry", config, "aaaaaa").output
    assert json.loads(call("status", config, "--json").output)["jobs"]["waiting"] == 1


def test_a_node_without_its_packages_says_which_extra_brings_them(config, monkeypatch):
    import builtins

    real = builtins.__import__

    def without(name, *more):
        if name == "pynetdicom":
            raise ImportError(name=name)
        return real(name, *more)

    content = yaml.safe_load(config.read_text()) | {"dicom": {}}
    config.write_text(yaml.safe_dump(content))
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"hyoid\[node\]"):
        command._require_extra(read_config(config))
