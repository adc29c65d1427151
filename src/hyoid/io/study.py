"""One study in, whatever holds it: folder, zip, one DICOM file, or a volume file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from hyoid.errors import SeriesError, UnreadableFileError, UnsuitableScanError, UsageError
from hyoid.io import sources
from hyoid.io.dicom import headers
from hyoid.io.dicom.headers import Instance
from hyoid.io.dicom.series import read_series, without_padding
from hyoid.io.dicom.series_choice import SeriesInfo, choose, group_by_series
from hyoid.io.dicom.study_choice import of_one_study
from hyoid.io.files.volumes import SUFFIXES, image_suffix, load_image, require_intensities
from hyoid.volume import Quantity, Volume

MODALITIES = ("CT", "MR", "PT")
_FILE_QUANTITIES = {"CT": Quantity.HU, "MR": Quantity.MR}


@dataclass(frozen=True, eq=False)
class Study:
    """Scan that was read from a study, with its headers and warnings.

    Parameters
    ----------
    volume : Volume
        HU for CT, MR for MR, BQ_PER_ML for PET.
    series : SeriesInfo or None
        DICOM series that was read, why, and what else was there; None for a volume file.
    headers : tuple of Dataset
        Slice headers without pixels, in slice order, for DICOM that refers to them; empty for a volume file.
    warnings : tuple of str
        What was repaired, set aside or passed over.
    fingerprint : str
        SHA-256 of voxels and geometry.
    provenance : dict
        What was done to the grid, see `LoadedSeries`.
    """

    volume: Volume
    series: SeriesInfo | None
    headers: tuple[Dataset, ...]
    warnings: tuple[str, ...]
    fingerprint: str
    provenance: dict[str, float] = field(default_factory=dict)


def read_study(
    path: str | Path,
    *,
    modality: str = "CT",
    series: str | None = None,
    study: str | None = None,
    regularize: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Study:
    """Read the series of one modality from a study.

    Parameters
    ----------
    path : path
        Folder or zip with DICOM files of any names, in any order; one DICOM file (its series is taken from its folder);
        a DICOMDIR; or a NIfTI, NRRD, MHA or MHD file.
    modality : {"CT", "MR", "PT"}
        Modality (0008,0060) of the series to read.
    series : str, optional
        SeriesInstanceUID, number or description, where the automatic choice is not wanted.
    study : str, optional
        Number of the study from 1, in the order of dates, or its StudyInstanceUID, where there are several.
    regularize : bool
        Fill gaps between slices by interpolation, see `read_series`.
    on_progress : callable, optional
        Called with (slices done, slices in all).

    Raises
    ------
    UnreadableFileError
        When nothing there can be read, or the archive is unsafe.
    SeveralStudiesError
        When there are several patients or studies, and none was chosen.
    SeriesError
        When no series fits, or its slices do not form one volume.
    UnsuitableScanError
        When a file's numbers cannot be those of the modality.
    UsageError
        When `modality`, `study` or `series` fits nothing.
    """
    path = Path(path)
    if modality not in MODALITIES:
        raise UsageError(f"hyoid reads CT, MR and PT, not {modality!r}.", "Choose CT, MR or PT.")
    if not path.exists():
        raise UnreadableFileError("The study does not exist.", "Check the path.")
    if path.is_file() and image_suffix(path):
        return _from_file(path, modality)
    instances, passed_over = dicom_instances(path)
    if path.is_file() and series is None and not _is_zip(path):
        first = headers.parse(path.read_bytes())
        series = headers.text(first, "SeriesInstanceUID") if first is not None else None
    place = "folder" if path.is_dir() else "archive" if _is_zip(path) else "folder of the file"
    wanted = () if series is None else (series,)
    instances, chosen = of_one_study(instances, place, (modality,), study=study, series=wanted)
    info, members = choose(group_by_series(instances), modality, series)
    if info.modality != modality:
        raise SeriesError(
            f"The chosen series is {info.modality or 'no image'}, not {modality}.", f"Give a {modality} series."
        )
    loaded = read_series(members, regularize=regularize, on_progress=on_progress)
    require_possible(loaded.volume, modality)
    notes = [f"{passed_over} file(s) that are not DICOM images were passed over."] if passed_over else []
    warnings = (*loaded.warnings, *chosen, *notes)
    return Study(loaded.volume, info, loaded.headers, warnings, fingerprint(loaded.volume), loaded.provenance)


# Between the densest air that a scanner measures and the lightest tissue; no organ is as light as the second.
_AIR_HU, _ALL_AIR_HU = -200, -700
# A PET of the brain alone, whose uptake is the highest of large organs, stays below 20.
_MOST_MEAN_SUV = 50.0


def require_possible(volume: Volume, modality: str) -> None:
    """Refuse a series whose values no scan of its modality has: one value everywhere, or a CT without air or tissue.

    Parameters
    ----------
    volume : Volume
        Scan as it was read.
    modality : {"CT", "MR", "PT"}
        Modality (0008,0060) that its series states.

    Raises
    ------
    UnsuitableScanError
        With the values.
    """
    low, high = float(volume.array.min()), float(volume.array.max())
    if low == high:
        raise UnsuitableScanError(
            f"The {modality} holds the value {low:g} everywhere: nothing was scanned.", "Export it again."
        )
    if volume.quantity is Quantity.SUV:
        held = float(volume.array[volume.array > 0].mean()) if high > 0 else 0.0
        if held > _MOST_MEAN_SUV:
            raise UnsuitableScanError(
                f"The PET is said to hold SUV, and its mean is {held:.0f}: over a body it is about 1.",
                "Check its units: values in Bq/mL need --pet-units bqml, or a DICOM series that says so.",
            )
    if modality == "CT" and (low > _AIR_HU or high < _ALL_AIR_HU):
        raise UnsuitableScanError(
            f"The series says that it is CT, and its values lie between {low:g} and {high:g}: in Hounsfield units air "
            "is -1000, fat -100 and soft tissue 0 to 80.",
            "Check modality, rescale slope and intercept, or export it again in Hounsfield units.",
        )


def fingerprint(volume: Volume) -> str:
    """Hash the voxels and where they lie with SHA-256, the same for the same scan in any container.

    Examples
    --------
    >>> from hyoid.volume import Geometry
    >>> v = Volume(np.zeros((1, 1, 2), np.int16), Geometry.axial((1, 1, 2), (1, 1, 1)), Quantity.HU)
    >>> fingerprint(v) == fingerprint(v.with_array(v.array.astype(np.float32)))
    True
    """
    digest = hashlib.sha256((np.round(volume.geometry.ijk_to_lps, 3) + 0.0).astype("<f8").tobytes())
    digest.update(str(volume.geometry.shape).encode())
    # A buffer slice by slice: float32 holds every HU exactly, and the container's type does not count.
    for plane in volume.array:
        digest.update(np.ascontiguousarray(plane, dtype="<f4").data)
    return digest.hexdigest()


def _is_zip(path: Path) -> bool:
    return sources.is_archive(sources.read_start(path))


def dicom_instances(path: Path) -> tuple[list[Instance], int]:
    """Find the DICOM objects in a folder, zip or beside a file, and count the other files there."""
    if path.is_dir():
        found, place = sources.in_folder(path), "folder"
    elif _is_zip(path):
        found, place = sources.in_zip(path), "archive"
    elif headers.looks_like_dicom(sources.read_start(path)):
        # A DICOMDIR lists what lies in the folders beside it.
        listing = headers.parse(path.read_bytes()) is None
        found, place = sources.in_folder(path.parent) if listing else sources.beside(path), "folder"
    else:
        if sources.is_other_archive(path):
            raise UnreadableFileError("The archive is no zip archive.", "Unpack it, and give the folder.")
        raise UnreadableFileError(
            "The file is neither DICOM nor a zip archive nor an image that hyoid reads.",
            f"Give a DICOM folder or zip, or a file ending in {', '.join(SUFFIXES)}.",
        )
    instances = []
    for read in found.reads:
        header = headers.parse(read())
        if header is not None:
            instances.append(Instance(header, _loader(read)))
    if not instances:
        packed = (
            f", {found.archives} of them archives, which are given by themselves or unpacked" if found.archives else ""
        )
        raise UnreadableFileError(
            f"The {place} holds no DICOM images ({found.passed_over} other files{packed}).",
            f"Give the folder or zip that holds the series, or a file ending in {', '.join(SUFFIXES)}.",
        )
    return instances, found.passed_over


def _loader(read: Callable[[], bytes]) -> Callable[[], Dataset]:
    def load() -> Dataset:
        dataset = headers.parse(read(), pixels=True)
        if dataset is None:
            raise UnreadableFileError("An image became a DICOMDIR while it was read.", "Read the study again.")
        return dataset

    return load


def _from_file(path: Path, modality: str) -> Study:
    if modality not in _FILE_QUANTITIES:
        raise UnsuitableScanError(
            "A volume file does not say in which units its PET is.", "Give the DICOM series, or use `hyoid petct`."
        )
    image = load_image(path, _FILE_QUANTITIES[modality])
    volume, warnings = require_intensities(image.volume), image.notes
    if modality == "CT":
        _refuse_not_hu(volume)
        array, padding = without_padding(volume.array)
        volume, warnings = volume.with_array(array), (*warnings, *padding)
    else:
        require_possible(volume, modality)
    return Study(volume, None, (), warnings, fingerprint(volume))


def _refuse_not_hu(volume: Volume) -> None:
    """Refuse a file whose numbers cannot be Hounsfield units."""
    low, high = float(volume.array.min()), float(volume.array.max())
    if low > -200 or high < 100 or low < -32768 or high > 65535:
        raise UnsuitableScanError(
            f"The image holds values from {low:g} to {high:g}: these are not Hounsfield units, where air is -1000.",
            "Give a CT in Hounsfield units, not windowed, rescaled or another modality.",
        )
