"""A cohort on one page that opens offline: counts, distributions, what is worth a look, refusals, contact sheet."""

from __future__ import annotations

import base64
import binascii
import heapq
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from hyoid.interfaces.cohorts.tables import Row, cohort_rows, refused_rows
from hyoid.io.atomic import write_text
from hyoid.jobs.ledger import CASES
from hyoid.report.content.schema import IDENTIFIERS, STATEMENT
from hyoid.report.pages.environment import page_template

PAGE_FILE = "cohort.html"
_PICTURE = re.compile(r'src="data:image/jpeg;base64,([A-Za-z0-9+/=]+)"')
_PICTURE_PX = 200
_MOST_PICTURES = 36
_MOST_ROWS = 200
_BINS = 20
_DISTRIBUTIONS = {
    "GTVp_ml": "primary tumour, mL",
    "GTVn_ml": "nodes, mL",
    "GTVn_lesions": "nodes outlined in a case",
    "seconds": "time of a case, s",
}


@dataclass
class CohortSummary:
    """What a cohort comes to.

    Parameters
    ----------
    job : str
        Command of the cases.
    counts : Counter
        Cases by state: done, refused, empty, failed.
    values : dict of str to list of float
        Numbers of the cases, by column of the table of cases.
    warnings : Counter
        How many cases have a warning, by its words without numbers.
    versions : Counter
        How many cases were made by a version of hyoid.
    flagged : list of (int, str)
        Heap of the cases with the most warnings: how many, and which case.
    """

    job: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    values: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in _DISTRIBUTIONS})
    warnings: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    flagged: list[tuple[int, str]] = field(default_factory=list)

    @property
    def worst(self) -> list[tuple[int, str]]:
        """Cases with the most warnings, those first: how many, and which case."""
        return sorted(self.flagged, key=lambda item: (-item[0], item[1]))

    def take_in(self, cases: Iterable[dict[str, list[Row]]]) -> Iterator[dict[str, list[Row]]]:
        """Add the cases of a cohort to the summary one by one, and hand each on.

        Parameters
        ----------
        cases : iterable of dict of str to list of dict
            Rows of one case after another by the name of the table; see `cohort_rows`.

        Yields
        ------
        dict of str to list of dict
            The same rows.
        """
        for tables in cases:
            self._add(tables)
            yield tables

    def _add(self, tables: dict[str, list[Row]]) -> None:
        (case,) = tables["cases"]
        self.counts[case["state"]] += 1
        if case["state"] != "done":
            return
        self.job = case["job"]
        self.versions[case["hyoid"]] += 1
        for name in ("empty", "failed"):
            self.counts[name] += bool(case.get(name))
        for name, values in self.values.items():
            if case.get(name) is not None:
                values.append(float(case[name]))
        lines = [flag for line in tables.get("lines", ()) for flag in line["flags"] or () if flag != IDENTIFIERS]
        flags = [*case["warnings"], *lines]
        self.warnings.update({re.sub(r"\d+([.,]\d+)?", "…", flag) for flag in flags})
        heapq.heappush(self.flagged, (len(flags), case["id"]))
        if len(self.flagged) > _MOST_PICTURES:
            heapq.heappop(self.flagged)


def summarise(out: Path) -> CohortSummary:
    """Summarise the cases of a cohort.

    Parameters
    ----------
    out : Path
        Folder of the cohort.
    """
    found = CohortSummary()
    for _ in found.take_in(cohort_rows(out)):
        continue
    return found


def write_page(out: Path, found: CohortSummary) -> Path:
    """Write `cohort.html`.

    Parameters
    ----------
    out : Path
        Folder of the cohort.
    found : CohortSummary
        What the cases come to.

    Returns
    -------
    Path
        The page.
    """
    refused = refused_rows(out)
    text = page_template("cohort.html.j2").render(
        statement=STATEMENT,
        job=found.job,
        counts=found.counts,
        versions=sorted(found.versions),
        distributions=[_histogram(_DISTRIBUTIONS[name], values) for name, values in found.values.items() if values],
        warnings=found.warnings.most_common(25),
        sheet=[_tile(out, case, flags) for flags, case in found.worst],
        refused=refused[:_MOST_ROWS],
        refused_more=max(0, len(refused) - _MOST_ROWS),
    )
    return write_text(out / PAGE_FILE, text)


def _histogram(words: str, values: list[float]) -> dict[str, Any]:
    """Bars of a distribution between its smallest value and its 99th percentile; what lies beyond is counted."""
    array = np.asarray(values)
    low, high = float(array.min()), float(np.percentile(array, 99))
    counts, edges = np.histogram(array[array <= high], bins=_BINS, range=(low, high if high > low else low + 1))
    return {
        "words": words,
        "n": len(values),
        "quartiles": [f"{q:.4g}" for q in np.percentile(array, (25, 50, 75))],
        "low": f"{edges[0]:.4g}",
        "high": f"{edges[-1]:.4g}",
        "beyond": int((array > high).sum()) if high > low else 0,
        "bars": [round(float(c / counts.max()), 4) for c in counts],
    }


def _tile(out: Path, case: str, flags: int) -> dict[str, Any]:
    """Case of the contact sheet, with the first picture of its report, small."""
    page = out / CASES / case / "report.html"
    link = f"{CASES}/{case}/report.html" if page.is_file() else ""
    return {"case": case, "flags": flags, "link": link, "url": _thumbnail(page) if link else ""}


def _thumbnail(page: Path) -> str:
    found = _PICTURE.search(page.read_text(encoding="utf-8"))
    if found is None:
        return ""
    try:
        image = Image.open(io.BytesIO(base64.b64decode(found[1]))).convert("RGB")
    except (binascii.Error, UnidentifiedImageError, OSError):
        return ""
    image.thumbnail((_PICTURE_PX, _PICTURE_PX))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=70)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
