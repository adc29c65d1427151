"""Every parameter says what it is: shape, unit or meaning, not only its type."""

import ast
from itertools import pairwise
from pathlib import Path

import pytest

import hyoid

SRC = Path(hyoid.__file__).parent
PLACES = sorted(p.name for p in SRC.iterdir() if p.suffix == ".py" or any(p.rglob("*.py")))
"""Every folder and module of the package."""


def public(node, prefix=""):
    """Public functions, classes and methods with their qualified names."""
    for child in node.body:
        if isinstance(child, ast.FunctionDef | ast.ClassDef) and not child.name.startswith("_"):
            yield f"{prefix}{child.name}", child
            if isinstance(child, ast.ClassDef):
                yield from public(child, f"{child.name}.")


def entries(docstring):
    """Entries of the section on parameters, each with the words under it."""
    lines = docstring.splitlines()
    heads = [k for k in range(len(lines) - 1) if lines[k + 1].strip() and set(lines[k + 1].strip()) == {"-"}]
    for start, stop in pairwise([*heads, len(lines)]):
        if lines[start].strip() != "Parameters":
            continue
        section = [line for line in lines[start + 2 : stop] if line.strip()]
        names = [k for k, line in enumerate(section) if not line.startswith(" ")]
        for at, end in pairwise([*names, len(section)]):
            yield section[at], " ".join(line.strip() for line in section[at + 1 : end])


def wordless(source):
    """Entries of a module that have a type and no words."""
    return [
        f"{name}: {entry}"
        for name, node in public(ast.parse(source))
        for entry, words in entries(ast.get_docstring(node) or "")
        if not words
    ]


def test_an_entry_without_words_is_seen():
    words = '"""Add.\n\n    Parameters\n    ----------\n    a, b : int\n    c : int\n        Third.\n    """'
    source = f"def f(a, b, c):\n    {words}\n\n\ndef _g(a, b, c):\n    {words}\n"
    assert wordless(source) == ["f: a, b : int"]
    assert wordless(source.replace("    a, b : int\n", "    a, b : int\n        Terms.\n")) == []


@pytest.mark.parametrize("name", PLACES)
def test_every_parameter_says_what_it_is(name):
    place = SRC / name
    modules = sorted(place.rglob("*.py")) if place.is_dir() else [place]
    assert modules
    found = {path.name: wordless(path.read_text(encoding="utf-8")) for path in modules}
    assert {module: rows for module, rows in found.items() if rows} == {}


NO_VERB = {"A", "All", "An", "Any", "As", "Every", "How", "Of", "One", "The", "What", "Where", "Whether", "Which"}


@pytest.mark.parametrize("name", PLACES)
def test_a_summary_of_a_function_begins_with_a_verb(name):
    place = SRC / name
    found = []
    for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
        for function, node in public(ast.parse(path.read_text(encoding="utf-8"))):
            summary = (ast.get_docstring(node) or "").split(" ")[0]
            is_value = any(getattr(d, "id", "") in ("property", "cached_property") for d in node.decorator_list)
            if (
                isinstance(node, ast.FunctionDef)
                and not is_value
                and (summary in NO_VERB or not summary.strip(",").isalnum())
            ):
                found.append(f"{path.name}: {function}: {summary}")
    assert found == []
