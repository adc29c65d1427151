"""Cases found in a folder: DICOM studies by patient and study, image files, pairs of examinations, texts."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset

from hyoid.errors import UnreadableFileError, UsageError
from hyoid.io import sources
from hyoid.io.cohorts.hntsmrg import is_hntsmrg_case
from hyoid.io.cohorts.listed import Kind, ListedCase
from hyoid.io.cohorts.nnunet import case_name, channel_files, stem_of
from hyoid.io.dicom import headers
from hyoid.io.dicom.study_choice import IMAGES
from hyoid.io.files.volumes import image_suffix

_START = 1 << 16  # bytes; patient, study and modality stand in front


@dataclass
class _Found:
    """DICOM study while its files are met."""

    patient: str
    uid: str
    folder: Path
    archive: bool
    modalities: Counter[str] = field(default_factory=Counter)


def find_cases(folder: Path, kind: Kind, *, leave_out: Path | None = None) -> list[ListedCase]:
    """Find the cases in a folder, in the order of their identifiers' rows.

    Parameters
    ----------
    folder : Path
        Searched with all folders below; hidden ones are passed over.
    kind : str
        What the folder is searched for.
    leave_out : Path, optional
        Folder that is not searched.

    Raises
    ------
    UsageError
        When only a table can say what a case of this kind is.
    """
    if kind == "table":
        raise UsageError("For this job a folder does not tell what belongs together.", "Give a table.")
    files = list(_files_below(folder, leave_out))
    if kind == "texts":
        return _numbered(_unique_names([f for f in files if f.suffix.lower() == ".txt"], folder), "text")
    if kind == "midrt":
        pairs = sorted(p for p in {f.parent.parent for f in files} if is_hntsmrg_case(p))
        return _numbered([(_safe(p.name), (p,)) for p in pairs], "pair of MR in the layout of HNTS-MRG")
    images = [f for f in files if image_suffix(f)]
    if kind == "petct":
        pairs = [f.parent for f in images if stem_of(f).endswith("__CT")]
        members = _numbered([(_safe(p.name), (p,)) for p in sorted(set(pairs))], "CT and PET in the layout of HECKTOR")
    elif kind == "channels" and (channels := channel_files(images)):
        members = _numbered([(_safe(n), tuple(c[k] for k in sorted(c))) for n, c in sorted(channels.items())], "image")
    else:
        members = _numbered(_unique_names(images, folder), "image file")
    if kind == "images":
        return members
    rest = [f for f in files if not image_suffix(f)]
    return members + _studies(rest, folder, "CT" if kind in ("ct", "petct") else "", first=len(members) + 1)


def study_name(uid: str) -> str:
    """Name a study without a word from its headers: the letter s and twelve digits of a hash.

    Parameters
    ----------
    uid : str
        StudyInstanceUID.
    """
    return f"s{hashlib.sha256(uid.encode()).hexdigest()[:12]}"


def _files_below(folder: Path, leave_out: Path | None) -> Iterable[Path]:
    """Files below a folder in order, without hidden ones."""
    skipped = None if leave_out is None else leave_out.resolve()
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and (Path(root) / f).resolve() != skipped)
        yield from (Path(root) / name for name in sorted(names) if not name.startswith("."))


def _studies(files: Sequence[Path], folder: Path, modality: str, *, first: int) -> list[ListedCase]:
    """DICOM studies by patient and study UID; those without images of the modality are left out."""
    found: dict[tuple[str, str, str], _Found] = {}
    for file in files:
        start = sources.read_start(file)
        archive = sources.is_archive(start)
        reads: Sequence[sources.Read] = ()
        if archive:
            try:
                reads = sources.in_zip(file).reads
            except UnreadableFileError:
                # The job says what is wrong with the archive.
                found["", "", str(file)] = _Found("", str(file.relative_to(folder)), file, archive)
        elif headers.looks_like_dicom(start):
            reads = (sources.reader(file),)
        for read in reads:
            header = _header(read)
            kind = "" if header is None else headers.text(header, "Modality")
            if header is None or kind not in IMAGES:
                continue
            who = headers.text(header, "PatientID") or headers.text(header, "PatientName")
            uid = headers.text(header, "StudyInstanceUID")
            place = file if archive else file.parent
            study = found.setdefault((who, uid, str(file) if archive else ""), _Found(who, uid, place, archive))
            study.modalities[kind] += 1
            if not archive:
                study.folder = Path(os.path.commonpath([study.folder, file.parent]))
    studies = sorted(found.values(), key=lambda s: (s.patient, s.uid))
    patients = {who: number for number, who in enumerate(dict.fromkeys(s.patient for s in studies), start=1)}
    alone = _alone([study.folder for study in studies])
    cases: list[ListedCase] = []
    for study in (s for s in studies if modality in ("", *s.modalities) or not s.modalities):
        images = ", ".join(f"{n} {kind}" for kind, n in sorted(study.modalities.items()))
        cases.append(
            ListedCase(
                first + len(cases),
                study_name(study.uid),
                (str(study.folder),),
                options=() if study.folder in alone else ("--study", study.uid),
                words=f"DICOM study: {images} image(s)" if images else "archive that cannot be read",
                patient=patients[study.patient],
            )
        )
    return cases


def _alone(places: Sequence[Path]) -> set[Path]:
    """Folders and archives that hold one study, with no other study above or below."""
    counts = Counter(places)
    above = {parent for place in counts for parent in place.parents}
    single = {place for place, n in counts.items() if n == 1} - above
    return {place for place in single if counts.keys().isdisjoint(place.parents)}


def _header(read: sources.Read) -> Dataset | None:
    """Header of a DICOM file from its first bytes, or from all where these do not do; None where it has none."""
    for count in (_START, -1):
        try:
            header = headers.parse(read(count))
        except UnreadableFileError:
            continue
        if header is None or headers.text(header, "Modality"):
            return header
    return None


def _numbered(found: Sequence[tuple[str, tuple[Path, ...]]], words: str) -> list[ListedCase]:
    return [
        ListedCase(row, case, tuple(str(p) for p in paths), words=words)
        for row, (case, paths) in enumerate(found, start=1)
    ]


def _unique_names(files: Sequence[Path], folder: Path) -> list[tuple[str, tuple[Path, ...]]]:
    """Files by name, or by their path where names are not unique, as among cases in folders of their own."""
    names = [_safe(case_name(f) if image_suffix(f) else f.stem) for f in files]
    if len({name.lower() for name in names}) < len(names):
        names = [
            _safe("_".join((*f.relative_to(folder).parent.parts, name))) for f, name in zip(files, names, strict=True)
        ]
    return [(name, (file,)) for name, file in zip(names, files, strict=True)]


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)[:80].lstrip("._-") or "case"
