"""Settings that are read from YAML files, and how a DICOMweb server is reached; an unknown key is an error."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hyoid.errors import UnreadableFileError, UsageError


class Settings(BaseModel):
    """Settings that are frozen and know their keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


AnySettings = TypeVar("AnySettings", bound=Settings)


class Tls(Settings):
    """Files of an encrypted connection, PEM.

    Attributes
    ----------
    certificate, key : Path or None
        Own certificate and its private key; a listener needs both.
    ca : Path or None
        Certificates that the other side's must be signed by. A listener that has this asks every caller for a
        certificate; without it, any caller is let in.
    """

    certificate: Path | None = None
    key: Path | None = None
    ca: Path | None = None

    @model_validator(mode="after")
    def _pair(self) -> Tls:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together")
        return self


class WebServer(Settings):
    """How a DICOMweb server is reached.

    Attributes
    ----------
    url : str
        Base address of QIDO-RS, WADO-RS and STOW-RS.
    user : str
        Name for HTTP basic authentication; none when empty.
    password_file : Path or None
        File that holds the password of `user`.
    token_file : Path or None
        File that holds a bearer token.
    tls : Tls or None
        Own certificate, and whose certificates are trusted instead of the system's.
    timeout_s : float
        Seconds without an answer after which the server counts as down.
    """

    url: str = Field(pattern=r"^https?://")
    user: str = ""
    password_file: Path | None = None
    token_file: Path | None = None
    tls: Tls | None = None
    timeout_s: float = Field(default=60.0, gt=0)

    @model_validator(mode="after")
    def _one_proof(self) -> WebServer:
        if bool(self.user) != (self.password_file is not None):
            raise ValueError("user and password_file belong together")
        if self.user and self.token_file is not None:
            raise ValueError("user and token_file exclude each other")
        if (self.user or self.token_file is not None) and self.url.startswith("http://") and not self._is_local():
            raise ValueError("a password or token would travel unencrypted: use https")
        return self

    def _is_local(self) -> bool:
        return re.match(r"http://(localhost|127\.0\.0\.1|\[::1\])[:/]", self.url + "/") is not None


def read_settings(path: Path, kind: type[AnySettings], what: str, page: str) -> AnySettings:
    """Read settings from a YAML file; paths in it are relative to the file's folder.

    Parameters
    ----------
    path : Path
        YAML file.
    kind : type of Settings
        Class of the settings.
    what : str
        What the file is called in messages, such as "configuration".
    page : str
        Page of the documentation that describes the keys.

    Raises
    ------
    UnreadableFileError
        When the file cannot be read or is not YAML.
    UsageError
        When a key is unknown, missing or wrong; every such key is named.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UnreadableFileError(
            f"The {what} cannot be read ({type(error).__name__}).", f"Give a YAML file, see {page}."
        ) from error
    if not isinstance(content, dict):
        raise UsageError(f"The {what} holds no keys.", f"See {page} for an example.")
    try:
        settings = kind.model_validate(content)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc'])) or 'the whole'}: {e['msg']}" for e in error.errors()]
        raise UsageError(f"The {what} is wrong. {'; '.join(faults)}.", f"See {page}.") from None
    found: AnySettings = _from_folder(settings, path.resolve().parent)
    return found


def _from_folder(value: Any, folder: Path) -> Any:
    """The same value with every path in it made absolute."""
    if isinstance(value, Path):
        return folder / value.expanduser()
    if isinstance(value, BaseModel):
        # model_construct would keep the old values of what is nested; model_copy takes these as given.
        return value.model_copy(update={name: _from_folder(v, folder) for name, v in dict(value).items()})
    if isinstance(value, tuple):
        return tuple(_from_folder(v, folder) for v in value)
    if isinstance(value, dict):
        return {key: _from_folder(v, folder) for key, v in value.items()}
    return value
