"""Identifiers as keyed hashes: the same one gives the same word, and nobody without the key finds the way back."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import tempfile
from pathlib import Path

from hyoid.errors import UnreadableFileError

KEY_FILE = "key"
_KEY_BYTES, _LETTERS = 32, 32


class Pseudonyms:
    """Words that stand for identifiers in ledger, logs and file names.

    A plain hash of a patient's number is undone by trying all numbers; these are keyed (HMAC-SHA-256).

    Parameters
    ----------
    key : bytes
        Secret of one installation, from `read_key`.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, kind: str, *identifiers: str) -> str:
        """Hash an identifier of one kind, such as a study's UID, to 32 hexadecimal digits.

        Parameters
        ----------
        kind : str
            What is named; the same text as another kind gives another word.
        *identifiers : str
            Parts of the identifier.
        """
        text = "\x00".join((kind, *identifiers))
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()[:_LETTERS]


def read_key(folder: Path) -> bytes:
    """Read the key of an installation, or make one where there is none: a file that only its owner may read.

    Parameters
    ----------
    folder : Path
        State folder of the node; must exist.

    Raises
    ------
    UnreadableFileError
        When the file is not a key.
    """
    path = folder / KEY_FILE
    if not path.exists():
        handle, name = tempfile.mkstemp(prefix=".key-", dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(_KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            os.link(name, path)  # fails where another node was faster, whose key then counts
        except FileExistsError:
            pass
        finally:
            Path(name).unlink()
    key = path.read_bytes()
    if len(key) != _KEY_BYTES:
        raise UnreadableFileError(
            "The key of the state folder is damaged: what was received could no longer be recognised.",
            "Restore the file `key` from a backup, or begin with a new state folder.",
        )
    return key
