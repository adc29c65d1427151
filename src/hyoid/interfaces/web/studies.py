"""Studies that the workspace can open: those in a folder named at its start, and those dragged into the page."""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from hyoid.errors import InputRefusedError, UsageError
from hyoid.interfaces.mr_pair import PairRequest, open_pair
from hyoid.interfaces.web.looks import Look, Looks, shown_entries, volume_files
from hyoid.io.cohorts.hntsmrg import is_hntsmrg_case
from hyoid.io.files.volumes import image_suffix
from hyoid.io.petct import PetRequest, read_petct
from hyoid.io.study import MODALITIES, read_study
from hyoid.workspace.scans import Scans
from hyoid.workspace.workspace import first_readable

# Names such as a scanner gives to patients never leave the machine; the page shows them to the reader who has the file.
_SUFFIXES = (".zip", ".dcm")
QUOTA_BYTES = 20 * 1024**3
_ANY_PET = PetRequest()
"""Largest size of all uploads together, bytes, where nobody says otherwise: ten of the largest."""


@dataclass(frozen=True)
class Entry:
    """Study in the list of studies that can be opened."""

    key: str
    name: str
    path: Path


class Studies:
    """Studies that the workspace can open.

    Parameters
    ----------
    folder : Path or None
        Named at the start: its own DICOM files, or what lies in it.
    uploads : Path
        Where dragged files go.
    largest_bytes : int
        Largest size of an upload.
    quota_bytes : int
        Largest size of all uploads together.
    pet : PetRequest
        What is known of PET volume files whose names do not tell their units.
    """

    def __init__(
        self,
        folder: Path | None,
        uploads: Path,
        largest_bytes: int,
        quota_bytes: int = QUOTA_BYTES,
        pet: PetRequest = _ANY_PET,
    ) -> None:
        if folder is not None and not folder.exists():
            raise UsageError("The folder of studies does not exist.", "Check the path.")
        self.folder, self.uploads, self.largest_bytes, self.quota_bytes = folder, uploads, largest_bytes, quota_bytes
        self.pet, self.looks = pet, Looks(uploads.parent / "looks.json")

    def entries(self) -> list[Entry]:
        """List the studies by name; uploads, the latest first, before those of the folder."""
        sent = sorted(self.uploads.glob("*/*"), key=lambda p: -p.stat().st_mtime) if self.uploads.is_dir() else []
        rows = [Entry(f"u{path.parent.name}", path.name, path) for path in sent if not path.name.endswith(".part")]
        if self.folder is None:
            return rows
        if self.folder.is_file():
            return [*rows, _entry(self.folder, self.folder.parent)]
        if is_hntsmrg_case(self.folder):
            return [*rows, _entry(self.folder, self.folder.parent)]
        members = sorted(p for p in self.folder.iterdir() if not p.name.startswith("."))
        readable = [p for p in members if p.is_dir() or image_suffix(p) or p.suffix.lower() in _SUFFIXES]
        loose = [p for p in members if p.is_file() and p not in readable]
        slices = [p for p in readable if p.suffix.lower() == ".dcm"]
        if (loose and not readable) or len(slices) > 1:
            # The folder is one study of many slices.
            return [*rows, _entry(self.folder, self.folder.parent)]
        return [*rows, *(_entry(p, self.folder) for p in shown_entries(readable))]

    def looked(self) -> list[tuple[Entry, Look | None]]:
        """List what can be opened with what each study holds, as far as that is known; label maps are left out."""
        rows = [(entry, self.looks.known(entry.path)) for entry in self.entries()]
        return [(entry, look) for entry, look in rows if look is None or look.kind != "label map"]

    def look_around(self) -> None:
        """Look at every study that nobody has looked at; takes a second or so for each."""
        for entry in self.entries():
            self.looks.look(entry.path)

    def read(self, key: str) -> Scans:
        """Read a study: PET/CT, a pair of MR, or one scan (CT where there is one, else MR, else PET).

        Raises
        ------
        UsageError
            When the key is unknown.
        InputRefusedError
            When the study cannot be read.
        """
        path = next((entry.path for entry in self.entries() if entry.key == key), None)
        if path is None:
            raise UsageError("This study is not here any more.", "Drag it into the page again, or name its folder.")
        kind = self.looks.look(path).kind
        if kind == "MR pair":
            opened = open_pair(PairRequest(path))
            return Scans(opened.mid, "MR pair", pair=opened.pair)
        if path.is_dir() and (files := volume_files(path)):
            path = files[0]
        refused: tuple[str, ...] = ()
        if kind == "PT/CT":
            try:
                petct = read_petct(path, self.pet)
                return Scans(petct.ct, "PT/CT", petct=petct)
            except InputRefusedError as refusal:
                refused = (f"The PET was left out. {refusal.problem} {refusal.cure}",)
            except UsageError as refusal:
                refused = (f"The PET was left out. {refusal.problem} Start `hyoid serve` with --pet-units.",)
        first = [m for m in MODALITIES if m == kind] + [m for m in MODALITIES if m != kind]
        study, modality = first_readable({m: partial(read_study, path, modality=m) for m in first})
        study = replace(study, warnings=(*refused, *study.warnings))
        return Scans(study, modality)  # type: ignore[arg-type]

    async def receive(self, name: str, announced: int | None, chunks: AsyncIterator[bytes]) -> Entry:
        """Keep an uploaded file.

        Parameters
        ----------
        name : str
            As the reader's machine calls it; only its end is used as it is.
        announced : int or None
            Content-Length.
        chunks : async iterator of bytes

        Raises
        ------
        InputRefusedError
            When it is too large, empty, cut short, or of a kind that hyoid does not read, or the uploads fill their
            quota.
        """
        limit = f"{self.largest_bytes / 1024**3:.1f} GiB"
        too_large = InputRefusedError(
            f"The file is larger than {limit}, the most this server takes.",
            "Start `hyoid serve` with the folder that holds it, or with a larger --largest-upload-gb.",
        )
        if announced is not None and announced > self.largest_bytes:
            raise too_large
        safe = re.sub(r"[^A-Za-z0-9._-]", "_", Path(name).name)[-80:].lstrip(".") or "study"
        if not image_suffix(Path(safe)) and Path(safe).suffix.lower() not in _SUFFIXES:
            raise InputRefusedError(
                f"hyoid does not open {Path(safe).suffix or 'files without suffix'} here.",
                "Drag a zip of a DICOM study, or a NIfTI, NRRD or MHA file.",
            )
        held = sum(file.stat().st_size for file in self.uploads.glob("*/*"))
        full = InputRefusedError(
            f"The uploads fill the {self.quota_bytes / 1024**3:.1f} GiB that this server keeps.",
            "Delete uploads that are done with, or start `hyoid serve` with a larger --all-uploads-gb.",
        )
        if held + (announced or 0) > self.quota_bytes:
            raise full
        key = secrets.token_hex(6)
        part = self.uploads / key / f"{safe}.part"
        part.parent.mkdir(parents=True)
        size = 0
        try:
            with part.open("wb") as file:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > self.largest_bytes:
                        raise too_large
                    if held + size > self.quota_bytes:
                        raise full
                    file.write(chunk)
            if not size or (announced is not None and size != announced):
                raise InputRefusedError(f"The upload was cut short after {size} bytes.", "Drag the file again.")
            part.rename(part.with_name(safe))
        except BaseException:
            part.unlink(missing_ok=True)
            part.parent.rmdir()
            raise
        return Entry(f"u{key}", safe, part.with_name(safe))

    def delete(self, key: str) -> None:
        """Delete an upload from the disk.

        Parameters
        ----------
        key : str
            Key of the entry.

        Raises
        ------
        UsageError
            When no upload has that key; studies of the folder named at the start are never deleted.
        """
        entry = next((entry for entry in self.entries() if entry.key == key), None)
        if entry is None or entry.path.parent.parent != self.uploads:
            raise UsageError("There is no such upload.", "Only what was dragged into the page can be deleted.")
        shutil.rmtree(entry.path.parent)


def _entry(path: Path, above: Path) -> Entry:
    return Entry(hashlib.sha256(str(path.relative_to(above)).encode()).hexdigest()[:12], path.name, path)
