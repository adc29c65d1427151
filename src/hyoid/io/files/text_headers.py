"""Headers of NRRD and MetaImage files, checked before ITK reads them: ITK fills in what they do not say.

ITK takes an absent `space`, `TransformMatrix` or spacing as the identity, without a word, so that left and right of a
foreign file are a guess.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
from numpy.typing import NDArray

from hyoid.errors import GeometryError, UnreadableFileError

# Either header is a page of text; more is no header.
_LONGEST = 1 << 20
_SPACES = {
    "left-posterior-superior", "lps", "right-anterior-superior", "ras", "left-anterior-superior", "las",
}  # fmt: skip
_CONVERT = "Convert the image again from DICOM."
_ENCODINGS = {"raw", "gzip", "gz", "ascii", "text", "txt", "hex"}
_ROTATIONS = ("TransformMatrix", "Orientation", "Rotation")
_WHOLE = ("CompressedDataSize", "ElementNumberOfChannels")
# A scan of 2048 x 2048 x 1000 voxels.
_MOST_VOXELS = 1 << 32
_UNPLACED = "Convert it again from DICOM: left and right cannot be told apart."
_NO_ORIGIN = "The header does not say where the image begins ({}): zero was taken."
# MetaImage names an axis by where it comes from: R is one from the right to the left, along x of LPS.
_FROM = (("R", "L"), ("A", "P"), ("I", "S"))


def check_nrrd(path: Path) -> tuple[str, ...]:
    """Refuse an NRRD header that does not say, or says in two ways, how the image lies; return notes.

    Parameters
    ----------
    path : Path
        `.nrrd` or `.nhdr`.

    Raises
    ------
    GeometryError
        When the space is absent or none of a patient's, directions are absent, or units or spacings contradict.
    UnreadableFileError
        When the file is no NRRD, or the file of its voxels is absent or elsewhere than beside it.
    """
    lines = _header_lines(path, lambda line: not line)
    if not lines or not re.fullmatch(r"NRRD000[1-5]", lines[0]):
        raise UnreadableFileError("The image cannot be read: it is truncated, corrupt or not NRRD.", "Export it again.")
    pairs = (line.partition(": ") if ": " in line else line.partition(":") for line in lines[1:] if ":=" not in line)
    fields = {key.strip().lower(): value.strip() for key, mark, value in pairs if mark and not key.startswith("#")}
    _require_sizes(fields.get("dimension", ""), fields.get("sizes", ""), "NRRD")
    keys = [
        line.partition(":")[0].strip().lower() for line in lines[1:] if ":=" not in line and line[:1] not in ("#", "")
    ]
    if len(set(keys)) < len(keys):
        raise UnreadableFileError("The NRRD header is damaged (a field stands in it twice).", "Export it again.")
    space = fields.get("space", "").lower()
    if space not in _SPACES:
        said = f"its space is {space[:40]!r}" if space else "it has no space field"
        raise GeometryError(f"The NRRD header does not say how the image lies in the patient ({said}).", _UNPLACED)
    directions = [_vector(v) for v in re.findall(r"none|\([^)]*\)", fields.get("space directions", ""))]
    axes = [v for v in directions if v is not None]
    if len(axes) != 3 or any(v.shape != (3,) for v in axes):
        raise GeometryError("The NRRD header has no three space directions.", _UNPLACED)
    if fields.get("encoding", "raw").lower() not in _ENCODINGS:
        raise UnreadableFileError(
            f"The voxels are packed as {fields['encoding'][:20]!r}; raw, gzip, ascii and hex are read.",
            "Save the image again with one of these.",
        )
    units = [u for u in re.findall(r'"([^"]*)"', fields.get("space units", "")) if u]
    if any(u.lower() not in ("mm", "millimeter", "millimeters", "millimetre") for u in units):
        raise GeometryError(f"The NRRD header states lengths in {units[0][:20]!r}; mm are read.", _CONVERT)
    stated = [_number(v) for v in fields.get("spacings", "").split()]
    pairs_of_sizes = zip(axes, [s for s in stated if math.isfinite(s)], strict=False)
    if any(abs(float(np.linalg.norm(v)) / s - 1) > 1e-3 for v, s in pairs_of_sizes if s):
        raise GeometryError("The NRRD header contradicts itself: spacings differ from space directions.", _CONVERT)
    _require_beside(path, _spread(path, fields.get("data file", fields.get("datafile", ""))))
    return () if "space origin" in fields else (_NO_ORIGIN.format("space origin"),)


def check_metaimage(path: Path) -> tuple[str, ...]:
    """Refuse a MetaImage header that does not say, or says in two ways, how the image lies; return notes.

    Parameters
    ----------
    path : Path
        `.mha` or `.mhd`.

    Raises
    ------
    GeometryError
        When TransformMatrix or ElementSpacing is absent, or AnatomicalOrientation contradicts the matrix.
    UnreadableFileError
        When the file is no MetaImage, or the file of its voxels is absent or elsewhere than beside it.
    """
    lines = _header_lines(path, lambda line: line.replace(" ", "").startswith("ElementDataFile="))
    pairs = (line.partition("=") for line in lines)
    fields = {key.strip(): value.strip() for key, mark, value in pairs if mark}
    if "NDims" not in fields or "ElementDataFile" not in fields:
        raise UnreadableFileError(
            "The image cannot be read: it is truncated, corrupt or not MetaImage.", "Export it again."
        )
    _require_sizes(fields["NDims"], fields.get("DimSize", ""), "MetaImage")
    keys = [line.partition("=")[0].strip() for line in lines]
    axes_count, lists = int(fields["NDims"]), ("Offset", "Position", "Origin", "CenterOfRotation", "ElementSpacing")
    counts = dict.fromkeys(lists, axes_count) | dict.fromkeys(_ROTATIONS, axes_count**2)
    malformed = [k for k, n in counts.items() if k in fields and not _are_numbers(fields[k], n)]
    malformed += [k for k in _WHOLE if k in fields and not fields[k].isdecimal()]
    if malformed or len(set(keys)) < len(keys):
        raise UnreadableFileError(
            f"The MetaImage header is damaged ({', '.join(malformed) or 'a field stands in it twice'}).",
            "Export it again.",
        )
    rotation = next((fields[k] for k in _ROTATIONS if k in fields), None)
    if rotation is None:
        raise GeometryError(
            "The MetaImage header does not say how the image lies in the patient (no TransformMatrix).", _UNPLACED
        )
    spacing = [_number(v) for v in fields.get("ElementSpacing", "").split()]
    if not spacing or not all(s > 0 and math.isfinite(s) for s in spacing):
        raise GeometryError("The MetaImage header has no positive voxel sizes (ElementSpacing).", _CONVERT)
    numbers = np.array([_number(v) for v in rotation.split()])
    said = fields.get("AnatomicalOrientation", "???")
    # ITK writes three axes; only those of a volume can be compared.
    if numbers.shape == (9,) and re.fullmatch("[RLAPIS]{3}", said) and np.all(np.isfinite(numbers)):
        axes = numbers.reshape(3, 3)
        seen = "".join(_FROM[int(np.argmax(np.abs(a)))][int(a[np.argmax(np.abs(a))] < 0)] for a in axes)
        if seen != said:
            raise GeometryError(
                f"The MetaImage header contradicts itself: AnatomicalOrientation is {said}, and TransformMatrix "
                f"gives {seen}.",
                _CONVERT,
            )
    for alike in (("Offset", "Position", "Origin"), _ROTATIONS):
        if len({tuple(_number(v) for v in fields[k].split()) for k in alike if k in fields}) > 1:
            raise GeometryError(f"The MetaImage header contradicts itself: {' and '.join(alike)} differ.", _CONVERT)
    _require_beside(path, "" if fields["ElementDataFile"] == "LOCAL" else _spread(path, fields["ElementDataFile"]))
    return () if {"Offset", "Position", "Origin"} & set(fields) else (_NO_ORIGIN.format("Offset"),)


def _header_lines(path: Path, is_last: Callable[[str], bool]) -> list[str]:
    """Lines of the text at the beginning of a file, up to the last one of the header."""
    try:
        with path.open("rb") as file:
            start = file.read(_LONGEST)
    except OSError as error:
        raise UnreadableFileError(f"The image cannot be opened ({error.strerror}).", "Check the path.") from None
    lines: list[str] = []
    for raw in start.split(b"\n"):
        line = raw.decode("latin-1").rstrip("\r")
        if not line.replace("\t", "").isprintable():
            break
        lines.append(line)
        if is_last(line):
            break
    return lines


def _spread(path: Path, name: str) -> str:
    """Name of the file of voxels; voxels that are spread over several files are refused."""
    if name.startswith("LIST") or "%" in name:
        raise UnreadableFileError(
            f"The voxels of the {path.suffix[1:].lower()} file are spread over several files.",
            "Save the image again as one file.",
        )
    return name


def _require_beside(path: Path, name: str) -> None:
    """Refuse a file of voxels that is absent, or outside the header's own folder."""
    if not name:
        return
    if len(PurePosixPath(name).parts) != 1 or len(PureWindowsPath(name).parts) != 1:
        raise UnreadableFileError("The header names voxels in another folder.", "Put both files into one folder.")
    if not path.with_name(name).is_file():
        raise UnreadableFileError("The file of voxels that the header names is not there.", "Give both files.")


def _require_sizes(axes: str, sizes: str, what: str) -> None:
    """Refuse numbers of axes and voxels that cannot be: ITK's readers crash on some."""
    words = sizes.split()
    if axes not in ("1", "2", "3", "4", "5") or len(words) != int(axes) or not all(_is_size(w) for w in words):
        raise UnreadableFileError(
            f"The {what} header is damaged: its sizes are {sizes[:40]!r} along {axes[:8]!r} axes.", "Export it again."
        )
    if math.prod(int(w) for w in words) > _MOST_VOXELS:
        raise UnreadableFileError(f"The {what} header gives more voxels than any scan has.", "Export it again.")


def _is_size(word: str) -> bool:
    return word.isdecimal() and 0 < int(word[:10]) < 2**31 and len(word) < 11


def _are_numbers(text: str, count: int) -> bool:
    found = [_number(v) for v in text.split()]
    return len(found) == count and all(math.isfinite(v) for v in found)


def _vector(text: str) -> NDArray[np.float64] | None:
    if text == "none":
        return None
    return np.array([_number(v) for v in text.strip("()").split(",")])


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
