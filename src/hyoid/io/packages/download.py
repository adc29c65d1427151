"""Files over HTTPS, with resume: only for `hyoid models pull`, never for inference."""

from __future__ import annotations

import hashlib
import json
import shutil
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from hyoid.errors import ModelUnusableError, OutputError
from hyoid.progress import Steps, ignore_steps

CHUNK = 1 << 20
TIMEOUT_S = 30


def fetch_json(url: str) -> Any:
    """Fetch the JSON that an address answers with.

    Raises
    ------
    ModelUnusableError
        When the address is not https, cannot be reached or answers no JSON.
    """
    try:
        with _opened(url, {}) as answer:
            return json.load(answer)
    except HTTPError as error:
        raise _refused(url, error) from None
    except (URLError, HTTPException, OSError, ValueError) as error:
        raise _unreachable(url, error) from None


def download(
    url: str, target: Path, *, size: int | None = None, sha256: str | None = None, on_progress: Steps = ignore_steps
) -> str:
    """Fetch a file, resuming what an interrupted run left beside it as `.part`.

    Parameters
    ----------
    url : str
        Address of the file.
    target : Path
        Appears complete and checked, or not at all.
    size : int, optional
        Size that the source stated, bytes.
    sha256 : str, optional
        SHA-256 that the source stated, in hexadecimal digits.
    on_progress : Steps
        Called with (bytes done, bytes in all).

    Returns
    -------
    str
        SHA-256 of the file.

    Raises
    ------
    ModelUnusableError
        When the address is not https, the source cannot be reached, or what came is not what it stated.
    OutputError
        When the disk is full.
    """
    part = target.with_name(f"{target.name}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    if size is not None and size - _size(part) > (free := shutil.disk_usage(target.parent).free):
        raise OutputError(
            f"{size / 1e9:.2f} GB are to be fetched and {free / 1e9:.2f} GB are free.", "Free space, or choose --into."
        )
    if size is None or _size(part) != size:
        _append(url, part, on_progress)
    found = sha256_of(part)
    got = part.stat().st_size
    if (size is not None and got != size) or (sha256 is not None and found != sha256.lower()):
        part.unlink()
        stated = " and ".join(w for w in (f"{size} bytes" if size else "", f"SHA-256 {sha256}" if sha256 else "") if w)
        raise ModelUnusableError(
            f"{target.name} is not what its source states ({stated}): {got} bytes, SHA-256 {found}.",
            "Pull again; if it stays so, somebody changed the file: ask its authors.",
        )
    part.replace(target)
    return found


def sha256_of(path: Path) -> str:
    """Compute the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _OnlyEncrypted(HTTPRedirectHandler):
    """Follows a redirection only where the new address is encrypted as well."""

    def redirect_request(self, request: Request, *rest: Any) -> Request | None:
        """Make the next request."""
        _refuse_open(rest[-1])
        return super().redirect_request(request, *rest)


def _opened(url: str, headers: dict[str, str]) -> Any:
    """Answer of an address: https, and nothing that another scheme (file, ftp, data) would read."""
    _refuse_open(url)
    opener = OpenerDirector()
    for handler in (ProxyHandler(), HTTPHandler(), HTTPSHandler(), HTTPDefaultErrorHandler(), HTTPErrorProcessor()):
        opener.add_handler(handler)
    opener.add_handler(_OnlyEncrypted())
    return opener.open(Request(url, headers={"User-Agent": "hyoid", **headers}), timeout=TIMEOUT_S)


def _refuse_open(url: str) -> None:
    """Refuse an address that anybody on the way could answer; this machine itself is not on the way."""
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")):
        return
    raise ModelUnusableError(
        f"{url} is not https: what comes over an open connection may be anybody's.", "Name an address with https."
    )


def _append(url: str, part: Path, on_progress: Steps) -> None:
    """Fetch what `part` lacks."""
    there = _size(part)
    try:
        with _opened(url, {"Range": f"bytes={there}-"} if there else {}) as answer:
            if answer.status != 206:
                there = 0  # the source does not resume: from the start
            total = there + int(answer.headers.get("Content-Length") or 0)
            with part.open("ab" if there else "wb") as file:
                on_progress(there, total)
                while chunk := answer.read(CHUNK):
                    file.write(chunk)
                    there += len(chunk)
                    on_progress(there, total)
    except HTTPError as error:
        if error.code == 416:  # nothing is left to fetch
            return
        raise _refused(url, error) from None
    except (URLError, HTTPException, TimeoutError, ConnectionError) as error:
        raise _unreachable(url, error) from None
    except OSError as error:
        raise OutputError(
            f"{part.name} cannot be written ({error.strerror}).", "Free space, then pull again."
        ) from None
    if total > there:
        raise ModelUnusableError(
            f"The connection broke after {there} of {total} bytes.", "Pull again: it goes on where it stopped."
        )


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _refused(url: str, error: HTTPError) -> ModelUnusableError:
    return ModelUnusableError(
        f"{url} answers {error.code} ({error.reason}).",
        "Look whether its authors moved it; pull another, or use a pack.",
    )


def _unreachable(url: str, error: Exception) -> ModelUnusableError:
    why = getattr(error, "reason", None) or error
    return ModelUnusableError(
        f"{url} cannot be reached ({why}).",
        "Pull on a connected machine, `hyoid models pack` there, and `hyoid models pull --pack FILE` here.",
    )
