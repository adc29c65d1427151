"""Where the bytes of a study come from: a folder, a zip that is never unpacked to disk, or one file."""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from hyoid.errors import UnreadableFileError
from hyoid.io.dicom.headers import looks_like_dicom

# A year of CT at 0.5 mm is far below these; a zip bomb is far above.
MAX_MEMBERS = 50_000
MAX_TOTAL_BYTES = 8 * 1024**3
MAX_MEMBER_BYTES = 2 * 1024**3
# Deflate cannot exceed 1032:1; CT with wide empty borders reaches about 20:1. Small archives may be all air.
MAX_RATIO = 100
RATIO_MATTERS_ABOVE_BYTES = 256 * 1024**2
# gzip, bzip2, xz, 7z, rar; a tar says so after its first name.
_OTHER_ARCHIVES = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!")


class Read(Protocol):
    """Way to read one file: all its bytes, or so many from its beginning."""

    def __call__(self, count: int = -1, /) -> bytes:
        """Read the bytes."""


@dataclass(frozen=True)
class Found:
    """DICOM candidates in one place.

    Parameters
    ----------
    reads : tuple of callables
        Each returns the bytes of one DICOM file, or its first bytes.
    passed_over : int
        How many other files were there.
    archives : int
        How many of the other files are archives that were not opened.
    """

    reads: tuple[Read, ...]
    passed_over: int
    archives: int = 0


def in_folder(folder: Path) -> Found:
    """List the DICOM files below a folder; links to folders are not followed.

    Raises
    ------
    UnreadableFileError
        When the folder cannot be read or holds more files than any study.
    """
    reads: list[Read] = []
    others = archives = 0
    for root, _, names in os.walk(folder, onerror=_refuse_folder):
        for name in names:
            path = Path(root) / name
            if not path.is_file():
                continue
            start = _read(path, 132)
            if looks_like_dicom(start):
                reads.append(partial(_read, path))
            else:
                others += 1
                archives += is_archive(start) or (is_other_archive(path) and not name.lower().endswith(".nii.gz"))
            if len(reads) + others > MAX_MEMBERS:
                raise UnreadableFileError(
                    f"The folder holds more than {MAX_MEMBERS} files.", "Give the folder of one study."
                )
    return Found(tuple(reads), others, archives)


def in_zip(path: Path) -> Found:
    """List the DICOM files in a zip archive, read in memory one at a time; member names are never used as paths.

    Archives inside of it (a study packed once more, as portals send it) are opened too, and no deeper ones.

    Raises
    ------
    UnreadableFileError
        When the archive or one inside of it is corrupt or encrypted, would unpack to more than a study can hold, or
        archives lie within archives within it.
    """
    outer, members = _opened(path)
    starts = [(member, _read_member(outer, member, 132)) for member in members]
    inner = [_opened(io.BytesIO(_read_member(outer, member))) for member, start in starts if is_archive(start)]
    reads = [partial(_read_member, outer, member) for member, start in starts if looks_like_dicom(start)]
    _refuse_bomb([member for _, found in inner for member in found])
    others = len(members) - len(reads) - len(inner)
    for archive, found in inner:
        for member in found:
            start = _read_member(archive, member, 132)
            if is_archive(start):
                raise UnreadableFileError(
                    "The archive holds archives within archives.", "Unpack it, and give the folder of one study."
                )
            if looks_like_dicom(start):
                reads.append(partial(_read_member, archive, member))
            else:
                others += 1
    return Found(tuple(reads), others)


def is_archive(start: bytes) -> bool:
    """Tell a zip archive by its first bytes.

    Examples
    --------
    >>> is_archive(b"PK\x03\x04..."), is_archive(b"DICM")
    (True, False)
    """
    return start[:4] in (b"PK\x03\x04", b"PK\x05\x06")


def is_other_archive(path: Path) -> bool:
    """Tell an archive that is not opened (tar, gzip, bzip2, xz, 7z, rar) by its first bytes."""
    start = _read(path, 262)
    return start.startswith(_OTHER_ARCHIVES) or start[257:262] == b"ustar"


def _opened(file: Path | io.BytesIO) -> tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]:
    """An archive, which stays open until its reads are forgotten, and its files."""
    try:
        archive = zipfile.ZipFile(file)
        members = [member for member in archive.infolist() if not member.is_dir()]
    except (zipfile.BadZipFile, OSError) as error:
        raise _bad_zip(error) from None
    _refuse_bomb(members)
    return archive, members


def beside(path: Path) -> Found:
    """List the DICOM files in the folder of `path`, not below it."""
    siblings = sorted(p for p in path.parent.iterdir() if p.is_file())
    dicom = [p for p in siblings if looks_like_dicom(_read(p, 132))]
    return Found(tuple(partial(_read, p) for p in dicom), len(siblings) - len(dicom))


def reader(path: Path) -> Read:
    """Make the way to read one file."""
    return partial(_read, path)


def read_start(path: Path) -> bytes:
    """Read the first bytes of a file, enough to know its kind."""
    return _read(path, 132)


def _read(path: Path, count: int = -1) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(count)
    except OSError as error:
        raise UnreadableFileError(
            f"A file of the study cannot be opened ({error.strerror}).", "Check its permissions and the disk."
        ) from None


def _refuse_folder(error: OSError) -> None:
    raise UnreadableFileError(f"A folder of the study cannot be read ({error.strerror}).", "Check its permissions.")


def _refuse_bomb(members: list[zipfile.ZipInfo]) -> None:
    total = sum(m.file_size for m in members)
    packed = max(1, sum(m.compress_size for m in members))
    largest = max((m.file_size for m in members), default=0)
    cure = "Unpack it by hand if you trust it, and give the folder."
    if len(members) > MAX_MEMBERS:
        raise UnreadableFileError(f"The archive holds {len(members)} files; {MAX_MEMBERS} are allowed.", cure)
    if total > MAX_TOTAL_BYTES or largest > MAX_MEMBER_BYTES:
        raise UnreadableFileError(
            f"The archive would unpack to {total / 1024**3:.1f} GiB (largest file {largest / 1024**3:.1f} GiB); "
            f"{MAX_TOTAL_BYTES // 1024**3} GiB (a file {MAX_MEMBER_BYTES // 1024**3} GiB) are allowed.",
            cure,
        )
    if total > RATIO_MATTERS_ABOVE_BYTES and total / packed > MAX_RATIO:
        raise UnreadableFileError(
            f"The archive unpacks to {total / packed:.0f} times its size, as a zip bomb does and images do not.", cure
        )


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, count: int = -1) -> bytes:
    try:
        with archive.open(member) as file:
            return file.read(count)
    # RuntimeError is zipfile's way to say that a member is encrypted.
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
        raise _bad_zip(error) from None


def _bad_zip(error: Exception) -> UnreadableFileError:
    if isinstance(error, RuntimeError) and not isinstance(error, NotImplementedError):
        return UnreadableFileError("The archive is encrypted.", "Unpack it with its password, and give the folder.")
    return UnreadableFileError(
        f"The archive cannot be read ({type(error).__name__}): it is truncated or corrupt.",
        "Pack or download it again.",
    )
