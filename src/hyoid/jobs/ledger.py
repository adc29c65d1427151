"""Which cases of a cohort are done: a case's folder was renamed into place, and its record fits what is asked now.

::

    OUT/cases/ID/          results of one case, as the single command leaves them, and `case.json`
    OUT/cases/.ID-xxxxxx/  a case in the making; whatever a killed run left of it is removed by the next one
    OUT/running/ID/        a training in the making, which goes on where it was
    OUT/.lock              held while a driver runs

Nothing in a record identifies a patient: files are told by a hash of names, sizes and times, options by a hash.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from hyoid.errors import UnreadableFileError, UsageError
from hyoid.io.atomic import output_folder

CASES, RUNNING, CASE_FILE, LOCK = "cases", "running", "case.json", ".lock"


class Order(BaseModel):
    """What a case is made of; two equal orders give the same results.

    Attributes
    ----------
    job : str
        Name of the command.
    inputs : dict of str to str
        Fingerprint of every file or folder that goes in, by the option that names it; see `fingerprint_of`.
    models : dict of str to str
        SHA-256 of the weights of every network, by name.
    options : str
        SHA-256 of all other options.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    job: str
    inputs: dict[str, str]
    models: dict[str, str]
    options: str


class CaseRecord(BaseModel):
    """Content of `case.json`.

    Attributes
    ----------
    schema_version : str
        Of this form.
    case : str
        Identifier of the case in the list.
    order : Order
        What the results were made of.
    hyoid : str
        Version that made the results.
    exit_code : int
        Exit code of the single command: 0, or 5 where a result is empty or failed its own check.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal["1.0"] = "1.0"
    case: str
    order: Order
    hyoid: str
    exit_code: int


def fingerprint_of(path: Path) -> str:
    """Hash names, sizes and times of change of a file, or of all files below a folder.

    Contents are not read, so that thousands of finished cases are recognised in seconds; a file that was copied or
    touched counts as another one, and its case is done again.

    Parameters
    ----------
    path : Path
        File or folder.

    Raises
    ------
    UnreadableFileError
        When nothing is there, or a folder cannot be read.
    """
    if not path.exists():
        raise UnreadableFileError("A path of the list names no file or folder.", "Check the path.")
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    digest = hashlib.sha256()
    try:
        for file in files:
            if file.is_file():
                facts = file.stat()
                name = "" if file == path else file.relative_to(path).as_posix()
                digest.update(f"{name}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
    except OSError as error:
        raise UnreadableFileError(f"A file of a case cannot be read ({error.strerror}).", "Check its rights.") from None
    return digest.hexdigest()


def options_hash(options: Mapping[str, Any]) -> str:
    """Hash the options of a command.

    Parameters
    ----------
    options : mapping of str to object
        Values by name; what JSON cannot hold counts by its text.
    """
    return hashlib.sha256(json.dumps(options, sort_keys=True, default=str).encode()).hexdigest()


def record_of(folder: Path) -> CaseRecord | None:
    """Read the record in a folder of results; None where there is none that this version understands."""
    try:
        return CaseRecord.model_validate_json((folder / CASE_FILE).read_bytes())
    except (OSError, ValidationError):
        return None


@contextmanager
def case_folder(folder: Path, *, resumes: bool = False) -> Iterator[Path]:
    """Make a folder for the results of a case, which takes its place when the block ends without an error.

    Results of an earlier order leave first; the rename is then one step, after which the case is done.

    Parameters
    ----------
    folder : Path
        Place of the case.
    resumes : bool
        Keep the folder in the making where the block ends with an error, for the next attempt.

    Yields
    ------
    Path
        The folder in the making; empty, unless it resumes.

    Raises
    ------
    OutputError
        When the folder cannot be written, or the disk is full.
    """
    if resumes:
        made = folder.parent.parent / RUNNING / folder.name
        made.mkdir(parents=True, exist_ok=True)
        yield made
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        made.rename(folder)
        return
    with output_folder(folder) as made:
        yield made
        if folder.exists():
            shutil.rmtree(folder)


@contextmanager
def one_driver(out: Path) -> Iterator[None]:
    """Hold the folder of a cohort while the block runs, and remove what a killed run left half made.

    Parameters
    ----------
    out : Path
        Folder of the cohort, made where absent.

    Raises
    ------
    UsageError
        When another driver works on the folder.
    """
    out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(
            "Another run works on this output folder.", "Wait for its end, or give another folder with --out."
        ) from None
    try:
        for left in (out / CASES).glob(".*-*"):
            shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        lock.release()
