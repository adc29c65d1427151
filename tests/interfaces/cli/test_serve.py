"""The command line of the workspace; what it serves is tested in tests/interfaces/web."""

import os
import re

import pytest
from typer.testing import CliRunner

from hyoid.errors import UsageError
from hyoid.interfaces.cli.main import app
from hyoid.interfaces.cli.serve import kept_token
from hyoid.interfaces.places import make_private


def mode(path):
    return path.stat().st_mode & 0o777


@pytest.fixture
def served(monkeypatch, tmp_path):
    """Runs the command on a folder of its own, up to the server; gives what uvicorn was asked for and what was said."""
    asked = {}
    monkeypatch.setattr("uvicorn.run", lambda app, **options: asked.update(options))
    monkeypatch.setenv("HYOID_CACHE", str(tmp_path / "cache"))
    mask = os.umask(0o022)

    def run(*arguments):
        result = CliRunner().invoke(app, ["serve", "--data", str(tmp_path / "data"), *arguments])
        assert result.exit_code == 0, result.output
        return asked, result.output

    yield run
    os.umask(mask)


def test_this_machine_too_is_asked_for_a_token_that_stays(served, tmp_path):
    asked, said = served()
    token = re.search(r"http://127.0.0.1:8042/\?token=([\w-]{32})", said)[1]
    assert (tmp_path / "data" / "token").read_text().strip() == token
    assert token in served()[1]
    assert "?token=mine" in served("--token", "mine")[1]
    assert asked["http"].__name__ == "PromptProtocol"


def test_files_of_the_workspace_are_this_accounts_alone(served, tmp_path):
    (tmp_path / "data").mkdir(mode=0o755)
    served()
    assert [mode(tmp_path / part) for part in ("data", "cache/regions", "data/token")] == [0o700, 0o700, 0o600]
    (tmp_path / "data" / "later").write_text("as an upload")
    assert mode(tmp_path / "data" / "later") == 0o600


def test_a_damaged_token_is_made_anew(tmp_path):
    (tmp_path / "token").write_text("short")
    assert len(kept_token(tmp_path)) == 32


def test_a_folder_that_cannot_be_private_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be made private"):
        make_private(tmp_path / "file")
