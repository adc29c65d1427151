"""A registry of reports: one row per run, appended to a table that many runs may write at once."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from hyoid.anatomy.codes import CLINICAL_N, CLINICAL_T
from hyoid.errors import OutputError, UsageError
from hyoid.io.atomic import atomic_write
from hyoid.io.run_record import RunRecord
from hyoid.report.content.coded import clinical_stages
from hyoid.report.content.response import ResponseReport
from hyoid.report.content.schema import Lesion, Report

_LOCK_S = 60.0


def registry_row(report: Report | ResponseReport, record: RunRecord) -> dict[str, Any]:
    """Make the row of a run: what was found in numbers, by which models; None where nothing tells.

    Parameters
    ----------
    report : Report or ResponseReport
        Report of the run.
    record : RunRecord
        As written to `run.json`.

    Returns
    -------
    dict of str to value
        `run` names the row: a digest of inputs, models and options, the same when a run is repeated.
    """
    study = report.mid if isinstance(report, ResponseReport) else report.study
    primary = [lesion for lesion in report.lesions if lesion.role in ("index lesion", "further focus")]
    nodes = [lesion for lesion in report.lesions if lesion.role == "node"]
    index = primary[0] if primary else None
    stages: dict[str, str] = {question.value: line.value for question, line in clinical_stages(report)}
    followed = report.response if isinstance(report, ResponseReport) else ()
    return {
        "run": _name_of(record),
        "command": record.command,
        "hyoid": record.hyoid,
        "models": "; ".join(f"{name} {model.version}".strip() for name, model in record.models.items()),
        "study_instance_uid": "" if study is None else study.study_instance_uid,
        "accession_number": "" if study is None else study.accession_number,
        "modality": "" if study is None else study.modality,
        "site": "" if index is None else index.site,
        "side": "" if index is None else index.side,
        "primary_volume_ml": None if index is None else index.volume_ml,
        "primary_longest_mm": None if index is None else index.longest_diameter_mm,
        "primary_suv_max": None if index is None or index.uptake is None else index.uptake.suv_max,
        "foci": len(primary),
        "nodes": len(nodes),
        "largest_node_mm": max((node.longest_diameter_mm for node in nodes), default=None),
        "nodes_volume_ml": round(sum(node.volume_ml for node in nodes), 4),
        "levels": "; ".join(sorted({node.level for node in nodes if node.level})),
        "mtv_ml": _total(report.lesions, "mtv_ml"),
        "tlg_g": _total(report.lesions, "tlg_g"),
        "ct": stages.get(CLINICAL_T.value, ""),
        "cn": stages.get(CLINICAL_N.value, ""),
        "followed": len(followed),
        "before_ml": round(sum(line.before_ml for line in followed), 4) if followed else None,
        "warnings": len(report.warnings),
        "empty": report.empty,
        "failed": report.failed,
    }


def check_registry(path: Path) -> None:
    """Make sure that a registry can be written to before a run begins.

    Parameters
    ----------
    path : Path
        File ending in .csv, or folder ending in .parquet.

    Raises
    ------
    UsageError
        When the name ends in something else.
    """
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise UsageError(
            "A registry is a .csv file, or a folder of tables whose name ends in .parquet.", "Name one of the two."
        )
    if path.suffix.lower() == ".parquet" and path.is_file():
        raise UsageError("The registry is a Parquet file, to which nothing can be appended.", "Name a folder.")


def add_row(path: Path, row: Mapping[str, Any]) -> bool:
    """Add the row of a run to a registry, once: a run that is repeated adds nothing.

    A CSV file is read and replaced as a whole under a lock, so that a killed run leaves no half row. In a `.parquet`
    folder, which pandas, polars and DuckDB read as one table, every run has a file of its own.

    Parameters
    ----------
    path : Path
        File ending in .csv, or folder ending in .parquet, made where absent.
    row : mapping of str to value
        From `registry_row`.

    Returns
    -------
    bool
        Whether a row was added.

    Raises
    ------
    UsageError
        When the name ends in something else.
    OutputError
        When the table has other columns, is locked for a minute, or cannot be written.
    ImportError
        When a Parquet table is asked for and pyarrow is not installed.
    """
    check_registry(path)
    if path.suffix.lower() == ".parquet":
        return _add_file(path, row)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=_LOCK_S):
            return _add_line(path, row)
    except Timeout as error:
        raise OutputError("The registry is locked by another run.", "Add the row later, from run.json.") from error


def _add_line(path: Path, row: Mapping[str, Any]) -> bool:
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    known = csv.DictReader(io.StringIO(before))
    if before and list(known.fieldnames or ()) != list(row):
        raise OutputError(
            "The registry has other columns than this version of hyoid writes: nothing was added.",
            "Name a new file with --registry.",
        )
    if any(line["run"] == row["run"] for line in known):
        return False
    text = io.StringIO()
    writer = csv.DictWriter(text, list(row), lineterminator="\n")
    if not before:
        writer.writeheader()
    writer.writerow(row)
    with atomic_write(path) as unfinished:
        unfinished.write_text(before + text.getvalue(), encoding="utf-8")
    return True


def _add_file(folder: Path, row: Mapping[str, Any]) -> bool:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = folder / f"{row['run']}.parquet"
    if file.exists():
        return False
    numbers = {"foci": pa.int64(), "nodes": pa.int64(), "followed": pa.int64(), "warnings": pa.int64()}
    kinds = [(name, numbers.get(name) or _kind(pa, name, row[name])) for name in row]
    with atomic_write(file) as unfinished:
        pq.write_table(pa.Table.from_pylist([dict(row)], pa.schema(kinds)), unfinished)
    return True


def _kind(pa: Any, name: str, value: object) -> Any:
    """Type of a column, the same for every row, also where nothing is told."""
    if isinstance(value, bool):
        return pa.bool_()
    return pa.float64() if name.endswith(("_ml", "_mm", "_g", "suv_max")) else pa.string()


def _total(lesions: tuple[Lesion, ...], name: str) -> float | None:
    found = [getattr(lesion.uptake, name) for lesion in lesions if lesion.uptake is not None]
    return round(sum(found), 4) if found else None


def _name_of(record: RunRecord) -> str:
    """Digest of what decides a result: command, version, inputs, models, options."""
    decides = [record.command, record.hyoid, str(sorted(record.options.items()))]
    decides += [f"{part} {scan.fingerprint}" for part, scan in sorted(record.inputs.items())]
    decides += [f"{name} {model.sha256} {model.precision}" for name, model in sorted(record.models.items())]
    return hashlib.sha256("\n".join(decides).encode()).hexdigest()[:16]
