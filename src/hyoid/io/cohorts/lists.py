"""Lists of cases for many studies in one go: a table, or a folder in which studies are found.

A table (CSV, or Parquet with the extra `cohort`) has the columns `id` and `path`, and may have `prior`, `masks`,
`clicks` and `options`. Paths in it count from the table's own folder; several files of one case are parted by `;`.
"""

from __future__ import annotations

import csv
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hyoid.errors import InputRefusedError, UnreadableFileError, UsageError
from hyoid.io.atomic import atomic_write
from hyoid.io.cohorts.found_cases import find_cases
from hyoid.io.cohorts.listed import BrokenRow, Kind, ListedCase, is_url

COLUMNS = ("id", "path", "prior", "masks", "clicks", "options")
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


def read_list(path: Path, kind: Kind, *, leave_out: Path | None = None) -> list[ListedCase | BrokenRow]:
    """Read a table of cases, or find the cases in a folder.

    Parameters
    ----------
    path : Path
        Table ending in .csv or .parquet, or a folder.
    kind : str
        What a folder is searched for.
    leave_out : Path, optional
        Folder that is not searched, such as the one that gets the results.

    Raises
    ------
    UsageError
        When the table has other columns or two rows with one identifier, or a folder is not searched for this kind.
    InputRefusedError
        When the list cannot be read, or holds no case.
    """
    if not path.exists():
        raise UnreadableFileError("The list does not exist.", "Check the path.")
    if path.is_dir():
        found: Sequence[ListedCase | BrokenRow] = find_cases(path, kind, leave_out=leave_out)
    elif path.suffix.lower() in (".csv", ".parquet"):
        rows = _csv_rows(path) if path.suffix.lower() == ".csv" else _parquet_rows(path)
        found = [case_of_row(number, row, path.parent) for number, row in enumerate(rows, start=1)]
    else:
        raise UsageError("The list is neither a folder nor a table.", "Give a folder, or a .csv or .parquet file.")
    if not found:
        raise InputRefusedError("The list holds no case.", "Check the path, and what the job reads (docs/cohorts.md).")
    twice = [case for case, n in Counter(c.case.lower() for c in found if c.case).items() if n > 1]
    if twice:
        rows_of = [str(c.row) for c in found if c.case.lower() == twice[0]]
        raise UsageError(
            f"{len(twice)} identifier(s) stand in several rows of the list, the first in rows {', '.join(rows_of)}.",
            "Give every case an identifier of its own; letters count alike in upper and lower case.",
        )
    return list(found)


def case_of_row(number: int, row: Mapping[str, Any], folder: Path) -> ListedCase | BrokenRow:
    """Make a case of a row of a table.

    Parameters
    ----------
    number : int
        Place of the row from 1.
    row : mapping of str to object
        Values by column; empty ones may be absent or None.
    folder : Path
        Folder of the table, from which paths count.
    """
    text = {name: str(row.get(name) if row.get(name) is not None else "").strip() for name in COLUMNS}
    case = text["id"]
    if not _SAFE.fullmatch(case):
        return BrokenRow(number, "", "The row has no usable id.", "Give letters, digits, dot, dash or underscore.")
    paths = tuple(_placed(p.strip(), folder) for p in text["path"].split(";") if p.strip())
    if not paths:
        return BrokenRow(number, case, "The row has no path.", "Name the file or folder of the case.")
    try:
        options = tuple(shlex.split(text["options"]))
    except ValueError:
        return BrokenRow(number, case, "The options of the row have an open quote.", "Close it.")
    prior, masks = (_placed(text[name], folder) if text[name] else "" for name in ("prior", "masks"))
    return ListedCase(number, case, paths, prior, masks, tuple(text["clicks"].split()), options, "as listed")


def write_list(cases: Iterable[ListedCase], path: Path) -> None:
    """Write cases as a table that `read_list` reads; its paths may name patients.

    Parameters
    ----------
    cases : iterable of ListedCase
        In the order of the rows.
    path : Path
        CSV file to write.
    """
    with atomic_write(path) as made, made.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for case in cases:
            paths = ";".join(p if is_url(p) else str(Path(p).resolve()) for p in case.paths)
            table.writerow([case.case, paths, case.prior, case.masks, " ".join(case.clicks), shlex.join(case.options)])


def _placed(path: str, folder: Path) -> str:
    return path if is_url(path) else str(folder / path)


def _csv_rows(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            _require_columns(table.fieldnames or ())
            # A row with too many cells has them under None: it is broken, and is told so by its missing path.
            return [row if None not in row else {"id": row.get("id")} for row in table]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnreadableFileError(
            f"The table cannot be read ({type(error).__name__}).", "Save it as UTF-8 CSV."
        ) from None


def _parquet_rows(path: Path) -> list[dict[str, Any]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UsageError("A Parquet table needs pyarrow.", "Run: pip install 'hyoid[cohort]', or give a CSV.") from None
    try:
        table = pyarrow.parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise UnreadableFileError(f"The table cannot be read ({type(error).__name__}).", "Write it again.") from None
    _require_columns(table.column_names)
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _require_columns(names: Sequence[str]) -> None:
    unknown = [name for name in names if name not in COLUMNS]
    missing = [name for name in ("id", "path") if name not in names]
    if unknown or missing:
        what = f"no column {missing[0]!r}" if missing else f"{len(unknown)} column(s) that no job knows"
        raise UsageError(f"The table has {what}.", f"Its columns are {', '.join(COLUMNS)}; id and path are needed.")
