"""docs/architecture.md says what is there: every folder has its paragraph, and the trace of a new system is short."""

import re
from pathlib import Path

import pytest

import hyoid

SRC = Path(hyoid.__file__).parent
ROOT = SRC.parents[1]
PAGE = ROOT / "docs" / "architecture.md"
MOST_FILES = 15


@pytest.fixture(scope="module")
def text():
    if not PAGE.is_file():
        pytest.skip("hyoid is installed without its documents")
    return PAGE.read_text(encoding="utf-8")


def trace(text):
    """Rows of the table of files: path, and whether the file is new."""
    return re.findall(r"^\| \d+ \| `([^`]+)`( \(new\))? \|", text, re.M)


def test_every_folder_has_its_paragraph(text):
    folders = {p.name for p in SRC.iterdir() if p.is_dir() and (p / "__init__.py").is_file()}
    assert folders
    assert {name for name in folders if not re.search(rf"^\*\*`{name}/`\*\*", text, re.M)} == set()


def test_a_new_system_touches_few_files_and_those_that_are_not_new_exist(text):
    rows = trace(text)
    assert 10 <= len(rows) <= MOST_FILES
    assert [path for path, new in rows if bool(new) == (ROOT / path).exists()] == []


@pytest.mark.parametrize("heading", ["A scan through `hyoid report`", "A study and a click through the workspace"])
def test_every_module_and_function_of_a_walk_exists(text, heading):
    section = text.split(f"## {heading}")[1].split("\n## ")[0]
    named = re.findall(
        r"`((?:interfaces|systems|io|geometry|preprocess|inference|report|workspace|metrics)/[\w/]+)(?:\.(\w+))?",
        section,
    )
    assert len(named) > 5
    for path, name in named:
        folder, file = SRC / path, SRC / f"{path}.py"
        if name in ("py", "js"):
            file = SRC / f"{path}.{name}"
        assert file.is_file() or folder.is_dir(), path
        if name not in ("", "py", "js"):
            assert re.search(rf"^(?:def|class) {name}\b", file.read_text(encoding="utf-8"), re.M), f"{path}.{name}"
