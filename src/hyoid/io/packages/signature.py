"""Signatures of packs, in the format of minisign: Ed25519 over BLAKE2b, in a small file beside the pack.

Whoever packs keeps the secret key; whoever takes a pack must have got the public key some other way than the pack.
Format: https://jedisct1.github.io/minisign, where the two kinds of key and the signature's four lines are written down.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from hyoid.characters import one_line
from hyoid.errors import ModelUnusableError, UsageError
from hyoid.io.atomic import write_text

SUFFIX = ".minisig"
_PLAIN, _PREHASHED = b"Ed", b"ED"
_UNTRUSTED, _TRUSTED = "untrusted comment: ", "trusted comment: "
_SECRET_BYTES = 158


@dataclass(frozen=True)
class PublicKey:
    """Key that checks signatures.

    Parameters
    ----------
    number : bytes
        Eight bytes that name the key.
    key : bytes
        32 bytes of Ed25519.
    """

    number: bytes
    key: bytes

    @property
    def name(self) -> str:
        """The key's number, as minisign prints it."""
        return self.number[::-1].hex().upper()


def signature_of(file: Path) -> Path:
    """Name the signature that lies beside a file."""
    return file.with_name(file.name + SUFFIX)


def public_key(text: str) -> PublicKey:
    """Read a public key of minisign.

    Parameters
    ----------
    text : str
        Content of a `.pub` file, or its second line alone.

    Raises
    ------
    UsageError
        When the text is no such key.
    """
    raw = _decoded(text.strip().splitlines()[-1] if text.strip() else "")
    if len(raw) != 42 or raw[:2] != _PLAIN:
        raise UsageError("The public key is no key of minisign.", "Give the .pub file, or its line with RW.")
    return PublicKey(raw[2:10], raw[10:])


def check_signature(file: Path, key: PublicKey) -> str:
    """Check the signature beside a file.

    Parameters
    ----------
    file : Path
        File whose signature is `FILE.minisig`.
    key : PublicKey
        Key of whoever is to have signed.

    Returns
    -------
    str
        What the signer says of the file (the trusted comment).

    Raises
    ------
    ModelUnusableError
        When the signature is absent, damaged, of another key, or not one of this file.
    """
    try:
        lines = signature_of(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise ModelUnusableError(
            "The pack is unsigned, and a key was given to check it with.",
            f"Put its {SUFFIX} beside it, or leave --key out and take it on your own account.",
        ) from None
    raw, total = (_decoded(lines[n]) for n in (1, 3)) if len(lines) == 4 else (b"", b"")
    if len(raw) != 74 or len(total) != 64 or not lines[2].startswith(_TRUSTED):
        raise ModelUnusableError("The signature of the pack is damaged.", "Fetch it again.")
    if raw[2:10] != key.number:
        raise ModelUnusableError(
            "The pack was signed with another key than the one given.", "Ask whoever packed for the public key."
        )
    comment = lines[2].removeprefix(_TRUSTED)
    signed = _digest(file) if raw[:2] == _PREHASHED else file.read_bytes()
    checker = Ed25519PublicKey.from_public_bytes(key.key)
    try:
        checker.verify(raw[10:], signed)
        checker.verify(total, raw[10:] + comment.encode())
    except InvalidSignature:
        raise ModelUnusableError(
            "The signature does not fit the pack: one of the two was changed.", "Do not use it. Fetch both again."
        ) from None
    return one_line(comment)


def sign(file: Path, secret_key: Path, comment: str) -> Path:
    """Sign a file; minisign and `check_signature` check what this writes.

    Parameters
    ----------
    file : Path
        File to sign.
    secret_key : Path
        Secret key of minisign without password (`minisign -G -W`).
    comment : str
        What the signer says of the file; signed with it.

    Returns
    -------
    Path
        The signature, `FILE.minisig`.

    Raises
    ------
    UsageError
        When the file holds no key of minisign, or the key has a password.
    """
    try:
        raw = _decoded(secret_key.read_text(encoding="utf-8").strip().splitlines()[-1])
    except (OSError, UnicodeDecodeError, IndexError):
        raw = b""
    if len(raw) != _SECRET_BYTES or raw[:2] != _PLAIN:
        raise UsageError("The secret key is no key of minisign.", "Make one: minisign -G -W -s FILE")
    if raw[2:4] != b"\0\0":
        raise UsageError("The secret key has a password.", f"Sign with the program: minisign -S -s KEY -m {file.name}")
    number, seed, public = raw[54:62], raw[62:94], raw[94:126]
    signer = Ed25519PrivateKey.from_private_bytes(seed)
    # Without a password minisign writes no checksum; the public half tells damage as well.
    if signer.public_key().public_bytes_raw() != public:
        raise UsageError("The secret key is damaged.", "Make a new one: minisign -G -W -s FILE")
    said = one_line(comment)
    signature = signer.sign(_digest(file))
    total = signer.sign(signature + said.encode())
    lines = (
        f"{_UNTRUSTED}signature of {PublicKey(number, public).name}",
        base64.b64encode(_PREHASHED + number + signature).decode(),
        f"{_TRUSTED}{said}",
        base64.b64encode(total).decode(),
    )
    return write_text(signature_of(file), "\n".join(lines) + "\n")


def _digest(file: Path) -> bytes:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.blake2b(digest_size=64)).digest()


def _decoded(line: str) -> bytes:
    try:
        return base64.b64decode(line.strip(), validate=True)
    except (binascii.Error, ValueError):
        return b""
