"""hyoid: head-and-neck oncology imaging. A scan goes in; masks, a structured report and its evidence come out.

Research use only.

>>> import hyoid
>>> study = hyoid.read_study("scan.zip")                    # doctest: +SKIP
>>> result = hyoid.make_report(study)                       # doctest: +SKIP
>>> print(result.report.line("size_of_the_mass").value)     # doctest: +SKIP
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Read on first use, so that `import hyoid` costs nothing.
_HOMES = {
    "read_study": "hyoid.io.study",
    "read_labels": "hyoid.io.files.volumes",
    "load_model": "hyoid.interfaces.python",
    "make_report": "hyoid.interfaces.python",
    "measure_labels": "hyoid.metrics.lesions",
}


def __getattr__(name: str) -> Any:
    """Find a public function where it lives."""
    if name not in _HOMES:
        raise AttributeError(f"module 'hyoid' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
