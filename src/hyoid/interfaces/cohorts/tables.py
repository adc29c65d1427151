"""Results of a cohort as data: three tables, a row for each case, lesion and line of a report."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hyoid.interfaces.cohorts.driver import REFUSED_FILE
from hyoid.interfaces.extras import needs_extra
from hyoid.io.atomic import atomic_write
from hyoid.jobs.ledger import CASES, CaseRecord, record_of

_BATCH = 500  # cases that are held before they are written
_KINDS = {1: "GTVp", 2: "GTVn"}
Row = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """Column of a table.

    Parameters
    ----------
    name : str
        Key of the column.
    kind : {"text", "texts", "number", "integer", "yes or no"}
        What a cell holds, where it holds something.
    words : str
        Meaning.
    unit : str
        Unit of a number; empty where it has none.
    """

    name: str
    kind: Literal["text", "texts", "number", "integer", "yes or no"]
    words: str
    unit: str = ""


_ID = Column("id", "text", "case, as in the list; the folder cases/ID")
TABLES: dict[str, tuple[Column, ...]] = {
    "cases": (
        _ID,
        Column("job", "text", "command"),
        Column("state", "text", "done, or refused"),
        Column("reason", "text", "why the case was refused"),
        Column("empty", "yes or no", "no lesion was outlined or predicted where one was looked for"),
        Column("failed", "yes or no", "a result failed its own check; the warnings say which"),
        Column("warnings", "texts", "what a reader must know of the result"),
        Column("slices", "integer", "slices of the first image"),
        Column("slice_spacing_mm", "number", "distance between slices of the first image", "mm"),
        Column("pixel_spacing_mm", "number", "distance between rows of the first image", "mm"),
        Column("GTVp_lesions", "integer", "primary tumours that are outlined"),
        Column("GTVn_lesions", "integer", "nodes that are outlined"),
        Column("GTVp_ml", "number", "volume of all primary tumours", "mL"),
        Column("GTVn_ml", "number", "volume of all nodes", "mL"),
        Column("seconds", "number", "time of all stages", "s"),
        Column("fingerprints", "texts", "SHA-256 of voxels and geometry of every image"),
        Column("hyoid", "text", "version that made the results"),
    ),
    "lesions": (
        _ID,
        Column("lesion", "text", "name in the report"),
        Column("kind", "text", "GTVp, GTVn, target region; of another label map: label N"),
        Column("role", "text", "what the report takes the lesion for"),
        Column("status", "text", "who stands behind the outline: reader, accepted, model"),
        Column("side", "text", "left, right or midline"),
        Column("site", "text", "where the lesion lies"),
        Column("level", "text", "nodal level"),
        Column("volume_ml", "number", "volume", "mL"),
        Column("longest_diameter_mm", "number", "longest diameter in space", "mm"),
        Column("axial_long_mm", "number", "longest diameter in an axial slice", "mm"),
        Column("axial_short_mm", "number", "diameter at right angles to the longest in that slice", "mm"),
        Column("x_lps_mm", "number", "centroid, towards the patient's left", "mm"),
        Column("y_lps_mm", "number", "centroid, towards the patient's back", "mm"),
        Column("z_lps_mm", "number", "centroid, towards the patient's head", "mm"),
        Column("suv_max", "number", "largest SUV by body weight"),
        Column("suv_mean", "number", "mean SUV by body weight"),
        Column("mtv_ml", "number", "metabolic volume", "mL"),
        Column("tlg_g", "number", "total lesion glycolysis", "g"),
        Column("before_ml", "number", "volume before treatment", "mL"),
        Column("percent", "number", "change of volume since then", "%"),
        Column("change", "text", "what the change comes to"),
    ),
    "lines": (
        _ID,
        Column("key", "text", "key of the line in the template"),
        Column("section", "text", "section of the template"),
        Column("words", "text", "question of the line"),
        Column("value", "text", "answer"),
        Column("status", "text", "who said it, or Missing"),
        Column("probability", "number", "probability that the answer rests on, 0 to 1"),
        Column("flags", "texts", "cautions for the reader"),
    ),
}


def rows_of(folder: Path, record: CaseRecord) -> dict[str, list[Row]]:
    """Collect the rows of a finished case.

    Parameters
    ----------
    folder : Path
        Folder of the case.
    record : CaseRecord
        Record of the case.

    Returns
    -------
    dict of str to list of dict
        Rows by the name of the table; cells that nothing fills are absent.
    """
    run, report = _json(folder / "run.json"), _json(folder / "report.json")
    measured = _json(folder / "measurements.json")
    lesions = [_lesion(lesion) for lesion in report.get("lesions", ())] + [
        _measured(lesion) for lesion in measured.get("lesions", ())
    ]
    _add_response(lesions, report.get("response", ()))
    images = list(run.get("inputs", {}).values())
    case: Row = {
        "job": record.order.job,
        "state": "done",
        "hyoid": record.hyoid,
        "empty": run.get("empty", report.get("empty")),
        "failed": run.get("failed", report.get("failed")),
        "warnings": list(run.get("notes", report.get("warnings", ()))),
        "fingerprints": [image["fingerprint"] for image in images],
    }
    if run:
        case["seconds"] = round(sum(run["seconds"].values()), 3)
    if images:
        case |= {"slices": images[0]["shape"][0], "slice_spacing_mm": images[0]["spacing_mm"][0]}
        case["pixel_spacing_mm"] = images[0]["spacing_mm"][1]
    for kind in _KINDS.values() if report or measured else ():
        volumes = [row["volume_ml"] for row in lesions if row["kind"] == kind and row.get("volume_ml") is not None]
        case |= {f"{kind}_lesions": len(volumes), f"{kind}_ml": round(sum(volumes), 4)}
    lines = [{name: line.get(name) for name in _names("lines")[1:]} for line in report.get("lines", ())]
    tables = {"cases": [case], "lesions": lesions, "lines": lines}
    return {name: [{"id": record.case, **row} for row in rows] for name, rows in tables.items()}


def cohort_rows(out: Path) -> Iterator[dict[str, list[Row]]]:
    """Go through all cases of a cohort: those that are done in the order of their names, then those refused.

    Parameters
    ----------
    out : Path
        Folder of the cohort.

    Yields
    ------
    dict of str to list of dict
        Rows of one case by the name of the table.
    """
    for folder in sorted((out / CASES).glob("[!.]*")):
        record = record_of(folder)
        if record is not None:
            yield rows_of(folder, record)
    for refused in refused_rows(out):
        yield {"cases": [{"id": refused["id"], "state": "refused", "reason": refused["problem"]}]}


def refused_rows(out: Path) -> list[dict[str, str]]:
    """Read `refused.csv`; no rows where the file is not there.

    Parameters
    ----------
    out : Path
        Folder of the cohort.
    """
    try:
        with (out / REFUSED_FILE).open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:
        return []


def write_tables(out: Path, cases: Iterable[dict[str, list[Row]]]) -> tuple[Path, ...]:
    """Write `cases.parquet`, `lesions.parquet` and `lines.parquet`, a few cases at a time.

    Parameters
    ----------
    out : Path
        Folder of the cohort.
    cases : iterable of dict of str to list of dict
        Rows of one case after another by the name of the table, as `cohort_rows` gives these; read once.

    Returns
    -------
    tuple of Path
        The files.

    Raises
    ------
    UsageError
        When pyarrow is not installed.
    OutputError
        When a file cannot be written.
    """
    with needs_extra("cohort", "Writing tables"):
        import pyarrow
        from pyarrow.parquet import ParquetWriter
    types = {
        "text": pyarrow.string(),
        "texts": pyarrow.list_(pyarrow.string()),
        "number": pyarrow.float64(),
        "integer": pyarrow.int64(),
        "yes or no": pyarrow.bool_(),
    }
    schemas = {
        name: pyarrow.schema(
            [pyarrow.field(c.name, types[c.kind], metadata={"words": c.words, "unit": c.unit}) for c in columns]
        )
        for name, columns in TABLES.items()
    }
    paths = {name: out / f"{name}.parquet" for name in TABLES}
    with ExitStack() as stack:
        made = {name: stack.enter_context(atomic_write(path)) for name, path in paths.items()}
        writers = {name: stack.enter_context(ParquetWriter(made[name], schemas[name])) for name in TABLES}
        held: dict[str, list[Row]] = {name: [] for name in TABLES}

        def write() -> None:
            for name, rows in held.items():
                writers[name].write_table(pyarrow.Table.from_pylist(rows, schema=schemas[name]))
                rows.clear()

        for tables in cases:
            for name, rows in tables.items():
                held[name] += rows
            if len(held["cases"]) >= _BATCH:
                write()
        write()
    return tuple(paths.values())


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _names(table: str) -> list[str]:
    return [column.name for column in TABLES[table]]


def _lesion(lesion: Mapping[str, Any]) -> Row:
    """Row of a lesion of a report."""
    return {**_cells(lesion), "lesion": lesion["name"], **(lesion["uptake"] or {})}


def _measured(lesion: Mapping[str, Any]) -> Row:
    """Row of a lesion of a label map."""
    kind = _KINDS.get(lesion["label"], f"label {lesion['label']}")
    return {**_cells(lesion), "lesion": f"{kind} {lesion['lesion']}", "kind": kind}


def _cells(lesion: Mapping[str, Any]) -> Row:
    """Cells of a lesion that reports and label maps name alike."""
    x, y, z = lesion["centroid_lps_mm"]
    return {n: lesion[n] for n in _names("lesions") if n in lesion} | {"x_lps_mm": x, "y_lps_mm": y, "z_lps_mm": z}


def _add_response(lesions: list[Row], response: Any) -> None:
    """Add what became of each lesion since treatment began; those that are gone get a row of their own."""
    by_name = {row["lesion"]: row for row in lesions}
    for line in response:
        row = by_name.get(line["name"])
        if row is None:
            row = {"lesion": line["name"], "kind": line["kind"]}
            lesions.append(row)
        row |= {name: line.get(name) for name in ("before_ml", "percent", "change")}
