"""Files elsewhere: fetched by the worker through fsspec or DICOMweb, for the time of one case."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from pathlib import Path

from hyoid.errors import UnreadableFileError
from hyoid.interfaces.cohorts.dicomweb_list import SCHEME, fetch_study, study_fingerprint
from hyoid.interfaces.extras import needs_extra


def fetched(words: Iterable[str], urls: Collection[str], folder: Path) -> tuple[str, ...]:
    """Copy the files and folders whose URLs stand among the words, and name the copies instead.

    Parameters
    ----------
    words : iterable of str
        Words of a command.
    urls : collection of str
        Those among the words that name files elsewhere.
    folder : Path
        Gets the copies, each in a folder of its own under the last part of its URL.

    Raises
    ------
    InputRefusedError
        When nothing can be read there.
    """
    return tuple(_copy(word, folder / str(k)) if word in urls else word for k, word in enumerate(words))


def remote_fingerprint(url: str) -> str:
    """Hash what the place says of a file or folder: names, sizes, times, tags of versions.

    Parameters
    ----------
    url : str
        URL that fsspec understands, such as s3://bucket/folder.

    Raises
    ------
    UnreadableFileError
        When nothing is there, or the place cannot be reached.
    """
    if url.startswith(SCHEME):
        return study_fingerprint(url)
    with needs_extra("ray", "Reading a URL"):
        import fsspec
    try:
        place, path = fsspec.core.url_to_fs(url)
        files = sorted(place.find(path)) or [path]
        facts = [f"{file}\0{place.ukey(file)}" for file in files]
    except Exception as error:
        # Whatever the library of the place raises; its words may name the patient's folder.
        raise _unreadable(error) from None
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def _copy(url: str, folder: Path) -> str:
    if url.startswith(SCHEME):
        return fetch_study(url, folder)
    with needs_extra("ray", "Reading a URL"):
        import fsspec
    try:
        place, path = fsspec.core.url_to_fs(url)
        target = folder / path.rstrip("/").rsplit("/", 1)[-1]
        folder.mkdir(parents=True)
        place.get(path, str(target), recursive=place.isdir(path))
    except Exception as error:
        raise _unreadable(error) from None
    return str(target)


def _unreadable(error: Exception) -> UnreadableFileError:
    return UnreadableFileError(
        f"A URL of the list cannot be read ({type(error).__name__}).", "Check the address, and your rights there."
    )
