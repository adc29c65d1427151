"""The result of an evaluation, as one value that reports and files are made from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hyoid.evaluation.protocols import Anchor
from hyoid.evaluation.summaries import Summary, Table


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Numbers of one system by one protocol.

    Parameters
    ----------
    protocol, words : str
        Its name and what it is.
    headline : tuple of str
        Keys of the summary by which the protocol ranks.
    summary : dict
        Every number by its key, with limits and counts.
    cases, lesions : tuple of dict
        Rows of the per-case and per-lesion tables, keys flat.
    notes : tuple of str
        How empties, connectivity and pooling were treated, and what was remarkable.
    tables : tuple of Table
        What other choices would give, and counts of lesions.
    anchors : tuple of Anchor
        Public numbers of the same kind.
    """

    protocol: str
    words: str
    headline: tuple[str, ...]
    summary: Summary
    cases: tuple[Mapping[str, Any], ...]
    lesions: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...]
    tables: tuple[Table, ...] = ()
    anchors: tuple[Anchor, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Make what `hyoid evaluate --out` writes: values that JSON can hold, infinite lengths as "inf"."""
        return {
            "protocol": self.protocol,
            "summary": plain(self.summary),
            "cases": [plain(case) for case in self.cases],
            "notes": list(self.notes),
            "lesions": [plain(lesion) for lesion in self.lesions],
            "tables": [
                {"title": t.title, "columns": list(t.columns), "rows": [plain(list(row)) for row in t.rows]}
                for t in self.tables
            ],
        }


def plain(value: Any) -> Any:
    """Replace infinities, which strict JSON has no word for.

    Examples
    --------
    >>> plain({"a": [1.5, float("inf")]})
    {'a': [1.5, 'inf']}
    """
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return value
