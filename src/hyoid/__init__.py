"""hyoid: head-and-neck oncology imaging. A scan goes in; masks, a structured report and its evidence come out.

Research use only.

>>> import hyoid
>>> answer = hyoid.make_report("scan.zip")                          # doctest: +SKIP
>>> print(answer.report.line("size_of_the_mass").value)             # doctest: +SKIP
>>> answer.save("result")                                           # doctest: +SKIP
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Read on first use, so that `import hyoid` costs nothing; `__init__.pyi` says the same to editors and type checkers.
_HOMES = {
    "cohort": "hyoid.interfaces.python",
    "evaluate": "hyoid.interfaces.python",
    "find_targets": "hyoid.interfaces.python",
    "load_model": "hyoid.interfaces.python",
    "make_phantom": "hyoid.interfaces.python",
    "make_report": "hyoid.interfaces.python",
    "measure_labels": "hyoid.metrics.lesions",
    "midrt": "hyoid.interfaces.python",
    "predict": "hyoid.interfaces.python",
    "read_labels": "hyoid.io.files.volumes",
    "read_study": "hyoid.interfaces.python",
    "segment_lesion": "hyoid.interfaces.python",
    "structure": "hyoid.interfaces.python",
    "to_metatensor": "hyoid.interfaces.interchange",
    "to_torchio": "hyoid.interfaces.interchange",
}


def __getattr__(name: str) -> Any:
    """Find a public function where it lives."""
    if name not in _HOMES:
        raise AttributeError(f"module 'hyoid' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List every public name, for completion in an editor or a notebook."""
    return sorted([*_HOMES, "__version__", "__doc__", "__file__", "__name__", "__path__"])
