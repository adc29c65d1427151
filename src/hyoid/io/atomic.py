"""Outputs that appear whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from hyoid.errors import OutputError, UsageError

DISK_FULL = "The disk is full: nothing was written."
"""How a run says that its output found no room."""
_UNFINISHED = ".unfinished-"


@contextmanager
def output_folder(path: str | Path) -> Iterator[Path]:
    """Make a folder to write into, which becomes `path` when the block ends without an error.

    Everything is written to a temporary folder beside `path`. At the end its files are renamed into `path`; other files
    already there stay. After an error the temporary folder is removed, and `path` is as it was.

    Parameters
    ----------
    path : path
        Output folder, made with its parents where absent.

    Yields
    ------
    Path
        The temporary folder.

    Raises
    ------
    OutputError
        When the folder cannot be made or written, or the disk is full.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_dir():
            raise OutputError("The output folder is an existing file.", "Give another folder with --out.")
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent.resolve()))
        yield temporary
        _move_all(temporary, path)
    except OSError as error:
        raise _refusal(error) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def claim_folder(path: str | Path, *, overwrite: bool, known: Collection[str] = ()) -> None:
    """Make sure that a folder will hold the results of one run only: it is new or empty, or is emptied on purpose.

    Called before anything is read, so that a run that is refused leaves no file of an earlier patient where its own
    results were to be.

    Parameters
    ----------
    path : path
        Output folder, which need not exist.
    overwrite : bool
        Empty a used folder, if its content is hyoid's: results with their `run.json`, or nothing but `known` names and
        what a killed run left of these.
    known : collection of str
        Names that the command leaves in its folder, where it leaves no `run.json`.

    Raises
    ------
    UsageError
        When the folder is used and `overwrite` was not asked for.
    OutputError
        When it is a file, holds what hyoid did not write, or cannot be emptied.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_dir():
            raise OutputError("The output folder is an existing file.", "Give another folder with --out.")
        entries = list(path.iterdir()) if path.exists() else []
        if not entries:
            return
        if not overwrite:
            raise UsageError(
                "The output folder is used: it holds files already.",
                "Give a new folder with --out, or add --overwrite to empty this one first.",
            )
        if not _is_results(path) and any(
            entry.name not in known and not _is_leftover(entry.name, known) for entry in entries
        ):
            raise OutputError(
                "The output folder holds files that hyoid did not write: it is not emptied.",
                "Give another folder with --out.",
            )
        for entry in entries:
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
    except OSError as error:
        raise _refusal(error) from error


def _is_results(folder: Path) -> bool:
    """Whether a folder holds the record of a run of hyoid, of whatever version."""
    try:
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and {"hyoid", "statement"} <= record.keys()


def _is_leftover(name: str, known: Collection[str]) -> bool:
    """Whether a file or folder is what a killed run left: a temporary name of `output_folder` or `atomic_write`."""
    return name.startswith((_UNFINISHED, *(f".{whole}-" for whole in known)))


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Make a temporary file beside `path`, which becomes `path` when the block ends without an error.

    Parameters
    ----------
    path : path
        Its parents are made where absent.

    Raises
    ------
    OutputError
        When the file cannot be written, or the disk is full.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=_UNFINISHED, suffix="".join(path.suffixes[-2:]), dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        # mkstemp makes files private; an output is like any other file of this user.
        temporary.chmod(0o666 & ~_umask())
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise _refusal(error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> Path:
    """Write a UTF-8 text file whole or not at all; see `atomic_write`."""
    path = Path(path)
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def _move_all(temporary: Path, path: Path) -> None:
    """Rename the whole folder where `path` is new, else file by file."""
    if not path.exists():
        temporary.chmod(0o777 & ~_umask())
        temporary.replace(path)
        return
    files = [p for p in sorted(temporary.rglob("*")) if p.is_file()]
    for file in files:
        target = path / file.relative_to(temporary)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.replace(target)


def _umask() -> int:
    # The mask can only be read by setting one: the strictest, so that no other thread makes a public file meanwhile.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _refusal(error: OSError) -> OutputError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(DISK_FULL, "Free some space, or give another folder.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError("The output folder is not writable.", "Give a folder you may write to with --out.")
    return OutputError(f"The output cannot be written ({error.strerror or type(error).__name__}).", "Check the folder.")
