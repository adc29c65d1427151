"""The package from outside: its names, its stub, what its import costs, and where the environment is read."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import hyoid

SRC = Path(hyoid.__file__).parent
NAMES = sorted(name for name in dir(hyoid) if not name.startswith("__"))


def test_the_words_of_the_command_line_are_there():
    assert {"read_study", "make_report", "find_targets", "segment_lesion", "midrt", "predict", "evaluate"} <= set(NAMES)
    assert {"make_phantom", "structure", "to_metatensor", "to_torchio"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_found_and_documented(name):
    found = getattr(hyoid, name)
    assert callable(found) and found.__name__ == name and found.__doc__


def test_a_name_that_does_not_exist():
    with pytest.raises(AttributeError, match="no attribute 'report_of'"):
        _ = hyoid.report_of


def test_the_stub_says_the_same():
    rows = ast.parse((SRC / "__init__.pyi").read_text(encoding="utf-8")).body
    said = {a.asname: f"{row.module}" for row in rows if isinstance(row, ast.ImportFrom) for a in row.names}
    assert said == hyoid._HOMES
    assert (SRC / "py.typed").is_file()


def test_importing_costs_next_to_nothing():
    code = (
        "import sys, time; began = time.process_time(); import hyoid; dir(hyoid); took = time.process_time() - began; "
        "heavy = {'torch', 'numpy', 'pydicom', 'SimpleITK', 'typer'} & set(sys.modules); print(took, heavy or '')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    took, *heavy = done.stdout.split(maxsplit=1)
    assert not "".join(heavy).strip()
    assert float(took) < 0.1


def test_only_interfaces_read_the_environment():
    # Setting what a new process was handed is no reading.
    reads = re.compile(r"\bos\.environ\b(?!\.update\()|\bgetenv\b|\bfrom os import\b.*\benviron\b")
    found = {
        path.relative_to(SRC).as_posix()
        for path in SRC.rglob("*.py")
        if path.relative_to(SRC).parts[0] != "interfaces" and reads.search(path.read_text(encoding="utf-8"))
    }
    assert found == set()
