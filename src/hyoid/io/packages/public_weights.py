"""Public weights: a table of them, and how they come to a machine, are carried to another, and are kept intact.

A pulled model is a folder with `provenance.json`: source, licence, citation, and size and SHA-256 of every file.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal
from urllib.parse import quote

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hyoid.errors import ModelUnusableError, UsageError
from hyoid.io.atomic import atomic_write, output_folder
from hyoid.io.packages.download import download, fetch_json, sha256_of
from hyoid.io.packages.signature import check_signature, public_key
from hyoid.progress import Stages

PROVENANCE = "provenance.json"
GITHUB_API = "https://api.github.com"
HUGGINGFACE = "https://huggingface.co"
MAX_UNPACKED_BYTES = 20 * 1024**3


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GithubRelease(_Frozen):
    """Zip among the assets of a GitHub release."""

    kind: Literal["github_release"]
    repository: str
    tag: str
    asset: str

    @property
    def page(self) -> str:
        """Address of the weights' page, for a person."""
        return f"https://github.com/{self.repository}/releases/tag/{self.tag}"


class HuggingFace(_Frozen):
    """A repository of files, or one folder of it."""

    kind: Literal["huggingface"]
    repository: str
    folder: str = ""
    revision: str = "main"

    @property
    def page(self) -> str:
        """Address of the weights' page, for a person."""
        return f"{HUGGINGFACE}/{self.repository}"


class PublicModel(_Frozen):
    """Row of the table of public weights.

    Parameters
    ----------
    name, words : str
        Name to pull by, and what the model does in a sentence.
    kind : {"nnunet", "encoder"}
        Whether the weights are an nnU-Net folder to run, or an encoder to begin a training with.
    source : GithubRelease or HuggingFace
        Where the files are fetched from.
    licence, cite : str
        Licence of the weights, and the paper to cite.
    noncommercial : bool
        The licence forbids commercial use.
    bytes : int, optional
        Size that the source stated when the table was written.
    structures : dict of int to str
        Label of the model to structure of `hyoid.anatomy.structures`.
    taught_by : {"real", ""}
        Whether contours of real patients taught the weights; "" where their authors do not say.
    used_by : tuple of str
        Commands that use the weights: "report", "midrt".
    channels : tuple of str
        What the input channels mean, for networks on mid-treatment MR (`hyoid.preprocess.midrt_input`); empty where the
        names in `dataset.json` tell.
    """

    name: str
    words: str
    kind: Literal["nnunet", "encoder"]
    source: Annotated[GithubRelease | HuggingFace, Field(discriminator="kind")]
    licence: str
    cite: str
    noncommercial: bool = False
    bytes: int | None = None
    structures: dict[int, str] = Field(default_factory=dict)
    taught_by: Literal["real", ""] = ""
    used_by: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()


class PulledFile(_Frozen):
    """Record of one pulled file."""

    bytes: int
    sha256: str


class Provenance(_Frozen):
    """Record of a pulled model's source, licence and files.

    Parameters
    ----------
    hash_from_source : bool
        Whether the source published the hashes that were compared; else they are those of the first pull.
    """

    schema_version: Literal[1] = 1
    model: PublicModel
    hash_from_source: bool
    files: dict[str, PulledFile]
    signed: str = ""


class _Remote(_Frozen):
    """A file at its source."""

    path: str
    url: str
    bytes: int | None
    sha256: str | None


def read_table(path: Path) -> dict[str, PublicModel]:
    """Read the table of public weights, by name.

    Parameters
    ----------
    path : Path
        YAML, a list of rows.

    Raises
    ------
    UsageError
        When it cannot be read or a row is wrong.
    """
    try:
        rows = [PublicModel.model_validate(row) for row in yaml.safe_load(path.read_text(encoding="utf-8"))]
    except (OSError, yaml.YAMLError, TypeError, ValidationError) as error:
        raise UsageError(
            f"The table of models cannot be read: {error}.", "Compare it with the one in the package."
        ) from None
    return {row.name: row for row in rows}


def pull(model: PublicModel, folder: Path, *, allow_noncommercial: bool, on_progress: Stages) -> Provenance:
    """Fetch a model into `folder`, resuming files that an interrupted run left.

    Parameters
    ----------
    model : PublicModel
        Row of the table of public weights.
    folder : Path
        Holds one folder per model.
    allow_noncommercial : bool
        Whether the user states that the use is not commercial.
    on_progress : Stages
        Called with (file, bytes done, bytes in all).

    Raises
    ------
    UsageError
        When the licence forbids commercial use, and nobody stated another use.
    ModelUnusableError
        When the source cannot be reached, or what came is not what it stated.
    OutputError
        When the disk is full.
    """
    refuse_noncommercial(model, allowed=allow_noncommercial)
    waiting = folder / f".{model.name}.pulling"
    remotes = _remote_files(model.source)
    files: dict[str, PulledFile] = {}
    for remote in remotes:
        target = waiting / _inside(remote.path)
        if not (target.is_file() and remote.sha256 and sha256_of(target) == remote.sha256):
            name = remote.path
            download(
                remote.url,
                target,
                size=remote.bytes,
                sha256=remote.sha256,
                on_progress=lambda done, total, name=name: on_progress(name, done, total),  # type: ignore[misc]
            )
    if isinstance(model.source, GithubRelease):
        archive = waiting / model.source.asset
        _unzip(archive, waiting)
        archive.unlink()
    for path in sorted(p for p in waiting.rglob("*") if p.is_file()):
        name = path.relative_to(waiting).as_posix()
        files[name] = PulledFile(bytes=path.stat().st_size, sha256=sha256_of(path))
    provenance = Provenance(model=model, hash_from_source=all(r.sha256 for r in remotes), files=files)
    (waiting / PROVENANCE).write_text(provenance.model_dump_json(indent=1), encoding="utf-8")
    _replace(waiting, folder / model.name)
    return provenance


def refuse_noncommercial(model: PublicModel, *, allowed: bool) -> None:
    """Refuse weights whose licence forbids commercial use, where nobody said that the use is not commercial.

    Raises
    ------
    UsageError
    """
    if model.noncommercial and not allowed:
        raise UsageError(
            f"The licence of {model.name} ({model.licence}) forbids commercial use.",
            "If your use is not commercial, add --allow-noncommercial; outputs will say so.",
        )


def pack(folders: list[Path], target: Path) -> Path:
    """Pack pulled models in one zip, to carry to a machine without a network.

    Parameters
    ----------
    folders : list of Path
        Pulled models.
    target : Path
        Zip file to write.

    Raises
    ------
    ModelUnusableError
        When a model is not intact.
    """
    for folder in folders:
        verify(folder)
    with atomic_write(target) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for folder in folders:
            for path in sorted(p for p in folder.rglob("*") if p.is_file()):
                archive.write(path, f"{folder.name}/{path.relative_to(folder).as_posix()}")
    return target


def pull_pack(archive: Path, folder: Path, *, allow_noncommercial: bool, key: str = "") -> list[Provenance]:
    """Take the models of a pack, checked file by file, and against its signature where a key is given.

    Without a key nobody vouches for the pack: its files are compared with the hashes that it carries itself.

    Parameters
    ----------
    archive : Path
        Zip of `pack`.
    folder : Path
        Where the models go.
    allow_noncommercial : bool
        Whether the user states that a non-commercial use is allowed.
    key : str
        Public key of minisign; empty: no signature is checked.

    Raises
    ------
    UsageError
        As `refuse_noncommercial`.
    ModelUnusableError
        When the file is damaged or no pack, or another key signed it.
    """
    signed = ""
    if key:
        known = public_key(key)
        signed = f"{known.name}: {check_signature(archive, known)}"
    pulled = []
    with output_folder(folder) as temporary:
        _unzip(archive, temporary)
        for inside in sorted(p for p in temporary.iterdir() if p.is_dir()):
            provenance = verify(inside)
            refuse_noncommercial(provenance.model, allowed=allow_noncommercial)
            # What a pack says of its own signature counts for nothing.
            provenance = provenance.model_copy(update={"signed": signed})
            (inside / PROVENANCE).write_text(provenance.model_dump_json(indent=1), encoding="utf-8")
            pulled.append(provenance)
    if not pulled:
        raise ModelUnusableError(f"{archive.name} holds no model.", "Give a file that `hyoid models pack` made.")
    return pulled


def read_provenance(folder: Path) -> Provenance:
    """Read the record of source, licence and files that a pulled model carries.

    Raises
    ------
    ModelUnusableError
        When the folder holds no pulled weights, or its record is damaged.
    """
    try:
        return Provenance.model_validate_json((folder / PROVENANCE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ModelUnusableError(f"{folder.name} holds no readable {PROVENANCE}.", "Pull the model again.") from None


def verify(folder: Path) -> Provenance:
    """Compare every file of a pulled model with its hash.

    Raises
    ------
    ModelUnusableError
        When one is missing or differs.
    """
    provenance = read_provenance(folder)
    for name, known in provenance.files.items():
        path = folder / _inside(name)
        if not path.is_file():
            raise ModelUnusableError(f"{provenance.model.name} lacks {name}.", "Pull the model again.")
        if path.stat().st_size != known.bytes or sha256_of(path) != known.sha256:
            raise ModelUnusableError(
                f"{name} of {provenance.model.name} is damaged: its hash is not the one noted.", "Pull the model again."
            )
    return provenance


def _remote_files(source: GithubRelease | HuggingFace) -> list[_Remote]:
    """Files of a source with the size and hash that it states."""
    if isinstance(source, GithubRelease):
        release = fetch_json(f"{GITHUB_API}/repos/{source.repository}/releases/tags/{quote(source.tag)}")
        return list(_assets(release, source))
    listing = (
        f"{HUGGINGFACE}/api/models/{source.repository}/tree/{source.revision}/{quote(source.folder)}?recursive=true"
    )
    found = [_huggingface_file(row, source) for row in fetch_json(listing) if row.get("type") == "file"]
    if not found:
        raise ModelUnusableError(f"{source.page} lists no files.", "Look whether its authors moved them.")
    return found


def _assets(release: Any, source: GithubRelease) -> Iterator[_Remote]:
    for asset in release.get("assets", ()):
        if asset["name"] == source.asset:
            digest = str(asset.get("digest") or "")
            sha256 = digest.removeprefix("sha256:") if digest.startswith("sha256:") else None
            yield _Remote(path=source.asset, url=asset["browser_download_url"], bytes=asset["size"], sha256=sha256)
            return
    raise ModelUnusableError(f"{source.page} has no {source.asset}.", "Look whether its authors moved it.")


def _huggingface_file(row: dict[str, Any], source: HuggingFace) -> _Remote:
    path = row["path"]
    inside = PurePosixPath(path).relative_to(source.folder).as_posix() if source.folder else path
    return _Remote(
        path=inside,
        url=f"{HUGGINGFACE}/{source.repository}/resolve/{source.revision}/{quote(path)}",
        bytes=row.get("size"),
        sha256=(row.get("lfs") or {}).get("oid"),
    )


def _unzip(archive: Path, folder: Path) -> None:
    """Unpack, refusing what would leave the folder or fill the disk."""
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [m for m in opened.infolist() if not m.is_dir() and "__MACOSX" not in m.filename]
            if sum(m.file_size for m in members) > MAX_UNPACKED_BYTES:
                raise ModelUnusableError(
                    f"{archive.name} unpacks to more than 20 GB.", "Archives of models are smaller: pull it again."
                )
            for member in members:
                _inside(member.filename)
                opened.extract(member, folder)
    except zipfile.BadZipFile as error:
        raise ModelUnusableError(f"{archive.name} is damaged: {error}.", "Pull the model again.") from None


def _inside(name: str) -> str:
    """A relative path that stays where it is put."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ModelUnusableError(f"A file would be written outside the model: {name!r}.", "Do not trust this source.")
    return path.as_posix()


def _replace(new: Path, target: Path) -> None:
    """Put a finished folder in the place of an older one."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)
