"""What a path of the list of studies holds, at a glance: modality, slices, whether it is a label map.

Found in the background and remembered by path, size and time, so that a list of studies appears at once.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from hyoid.errors import HyoidError
from hyoid.io.atomic import write_text
from hyoid.io.cohorts import hecktor, plain
from hyoid.io.cohorts.hntsmrg import is_hntsmrg_case
from hyoid.io.dicom.series_choice import group_by_series
from hyoid.io.files.volumes import image_suffix, load_image
from hyoid.io.study import dicom_instances
from hyoid.volume import Quantity

Kind = Literal["CT", "MR", "PT", "PT/CT", "MR pair", "label map", "unreadable"]
_MASK_WORDS = re.compile(
    r"(^|[^a-z])(masks?|segs?|segmentations?|labels?|contours?|organs?|lesions?|levels|gtv[pn]?|ptv|oar|targets|structures)"
    r"([^a-z]|$)"
)
_MOST_LABELS = 64
_MODALITIES: tuple[Kind, ...] = ("CT", "MR", "PT")  # the first of these that is there is opened


class Look(BaseModel):
    """Kind of a study and its number of slices.

    Attributes
    ----------
    kind : str
        Modality, "label map", or "unreadable".
    slices : int
        Slices of the scan that would be opened; 0 where that is not known.
    """

    model_config = ConfigDict(frozen=True)
    kind: Kind
    slices: int = 0


class Looks:
    """Looks of paths, remembered in a file.

    Parameters
    ----------
    file : Path
        Where looks are kept.
    """

    def __init__(self, file: Path) -> None:
        self._file, self._lock = file, Lock()
        self._known: dict[str, Look] = {}
        with suppress(OSError, ValidationError):  # made again
            self._known = TypeAdapter(dict[str, Look]).validate_json(file.read_text(encoding="utf-8"))

    def known(self, path: Path) -> Look | None:
        """Return the look of a path, where somebody looked before."""
        with self._lock:
            return self._known.get(_state_of(path))

    def look(self, path: Path) -> Look:
        """Look at a path, unless somebody did before."""
        found = self.known(path)
        if found is None:
            found = look_at(path)
            with self._lock:
                self._known[_state_of(path)] = found
                rows = {key: look.model_dump() for key, look in self._known.items()}
                write_text(self._file, json.dumps(rows))
        return found


def look_at(path: Path) -> Look:
    """Tell what a file or folder holds.

    Parameters
    ----------
    path : Path
        DICOM folder, zip or file, volume file, HNTS-MRG or HECKTOR case folder.
    """
    try:
        if path.is_dir() and is_hntsmrg_case(path):
            return Look(kind="MR pair")
        if path.is_file() and image_suffix(path):
            return _look_at_file(path)
        inside = volume_files(path) if path.is_dir() else []
        if inside:
            return _look_at_file(inside[0])
        groups = [info for info, _ in group_by_series(dicom_instances(path)[0]) if not info.localizer]
    except (HyoidError, OSError):
        return Look(kind="unreadable")
    most: Counter[str] = Counter()
    for info in groups:
        most[info.modality] = max(most[info.modality], info.slices)
    kinds: list[Kind] = [kind for kind in _MODALITIES if most[kind]]
    if not kinds:
        return Look(kind="unreadable")
    return Look(kind="PT/CT" if most["CT"] and most["PT"] else kinds[0], slices=most[kinds[0]])


def volume_files(folder: Path) -> list[Path]:
    """List the volume files of a folder that hold a scan to open: its CT where there is one, no label maps."""
    files = [p for p in sorted(folder.iterdir()) if p.is_file() and image_suffix(p) and not named_as_mask(p)]
    cts = [p for p in files if is_ct_name(p)]
    return cts or files


def named_as_mask(path: Path) -> bool:
    """Tell whether a file is named as a label map.

    Examples
    --------
    >>> named_as_mask(Path("pt_1_mask.nii.gz")), named_as_mask(Path("organs.nii.gz")), named_as_mask(Path("ct.nii"))
    (True, True, False)
    """
    return bool(image_suffix(path)) and _MASK_WORDS.search(_stem(path).lower()) is not None


def is_ct_name(path: Path) -> bool:
    """Tell whether a file is named as the CT of a PET/CT or of a virtual patient."""
    return _stem(path).endswith(hecktor.CT) or _stem(path) == plain.CT


def pet_beside(path: Path) -> Path | None:
    """Find the PET file that belongs to a CT file by name; None where there is none."""
    suffix = image_suffix(path)
    for ct, pet in ((hecktor.CT, hecktor.PET), (plain.CT, plain.PET)):
        stem = _stem(path)
        if stem.endswith(ct) if ct.startswith("__") else stem == ct:
            other = path.with_name(stem[: -len(ct)] + pet + path.name[-len(suffix) :])
            return other if other.is_file() else None
    return None


def is_label_map(array: NDArray[np.generic]) -> bool:
    """Tell whether the numbers of a volume are labels: whole, 0 to 255, few, and most of them 0.

    Examples
    --------
    >>> is_label_map(np.array([0, 0, 0, 1, 2])), is_label_map(np.array([-1000, 0, 40])), is_label_map(np.arange(200))
    (True, False, False)
    """
    part = array[:: max(1, array.shape[0] // 64)]
    if part.dtype.kind == "f" and not np.array_equal(part, np.round(part)):
        return False
    if part.min() < 0 or part.max() > 255:
        return False
    # A picture may hold few values in one slice; of the whole volume, labels are few.
    return len(np.unique(part)) <= _MOST_LABELS and int(np.count_nonzero(part == 0)) * 2 >= part.size


def _look_at_file(path: Path) -> Look:
    if named_as_mask(path):
        return Look(kind="label map")
    image = load_image(path, Quantity.MR)
    array = image.volume.array
    slices = int(array.shape[0])
    if is_label_map(array):
        return Look(kind="label map", slices=slices)
    if float(array.min()) > -200 or float(array.max()) < 100:
        return Look(kind="MR", slices=slices)
    return Look(kind="CT" if pet_beside(path) is None else "PT/CT", slices=slices)


def shown_entries(paths: Sequence[Path]) -> list[Path]:
    """Leave out of a list of paths the PET files that belong to a CT file, and what is named as a label map."""
    pets = {pet for path in paths if image_suffix(path) and (pet := pet_beside(path)) is not None}
    return [path for path in paths if path not in pets and not named_as_mask(path)]


def _stem(path: Path) -> str:
    suffix = image_suffix(path)
    return path.name[: -len(suffix)] if suffix else path.name


def _state_of(path: Path) -> str:
    """Digest of place and state, which tells a name to nobody who reads the file of looks."""
    return hashlib.sha256(_place_and_state(path).encode()).hexdigest()


def _place_and_state(path: Path) -> str:
    try:
        state = path.stat()
        inside = sum(1 for _ in path.iterdir()) if path.is_dir() else state.st_size
    except OSError:
        return str(path)
    return f"{path}|{inside}|{state.st_mtime_ns}"
