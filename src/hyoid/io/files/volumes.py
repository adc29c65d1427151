"""Volumes in NIfTI, NRRD, MHA and MHD files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from hyoid.errors import GeometryError, OutputError, UnreadableFileError, UsageError, WrongQuantityError
from hyoid.geometry.resample import from_sitk, to_sitk
from hyoid.io.atomic import atomic_write
from hyoid.io.files.grids import checked_grid
from hyoid.io.files.nifti import read_nifti
from hyoid.io.files.text_headers import check_metaimage, check_nrrd
from hyoid.volume import Quantity, Volume

SUFFIXES = (".nii.gz", ".nii", ".hdr", ".nrrd", ".nhdr", ".mha", ".mhd")
# A file with at most this many different whole numbers holds labels, not intensities.
_MOST_LABELS = 256
_NIFTI = (".nii.gz", ".nii", ".hdr")
# Labels went through floating point: by how much they may be off, and what steps still tell labels apart.
_NEARLY_WHOLE, _MOST_STEP = 1e-3, 0.25
_NOT_NUMBERS = ("The image holds values that are no numbers (NaN or infinite).", "Export the image again.")


def image_suffix(path: Path) -> str:
    """Find the suffix of an image file that hyoid reads, '' for any other.

    Examples
    --------
    >>> image_suffix(Path("a.b.NII.GZ")), image_suffix(Path("scan.dcm"))
    ('.nii.gz', '')
    """
    return next((s for s in SUFFIXES if path.name.lower().endswith(s)), "")


@dataclass(frozen=True, eq=False)
class LoadedImage:
    """Volume of a file with what was mended while it was read.

    Parameters
    ----------
    volume : Volume
        Voxels and their grid.
    notes : tuple of str
        What was mended, in sentences for a reader.
    """

    volume: Volume
    notes: tuple[str, ...] = ()


def read_image(path: str | Path, quantity: Quantity) -> Volume:
    """Read a volume from a file, with positions in LPS whatever the format stores; see `load_image`."""
    return load_image(path, quantity).volume


def load_image(path: str | Path, quantity: Quantity) -> LoadedImage:
    """Read a volume from a file, with notes of what had to be mended.

    Parameters
    ----------
    path : path
        NIfTI-1 or -2 (also as a pair .hdr and .img), NRRD, MHA or MHD.
    quantity : Quantity
        What the numbers measure; files do not say.

    Returns
    -------
    LoadedImage
        Whole numbers in the file's own type where that is an integer, else float32.

    Raises
    ------
    UnreadableFileError
        When the file is absent, truncated, corrupt, of another format, or holds NaN.
    GeometryError
        When it is not one 3D image with one value per voxel, does not say how it lies in the patient, or contradicts
        itself about that.
    WrongQuantityError
        When a CT was asked for and the file holds a label map.
    """
    image = _read(Path(path), quantity)
    volume = image.volume
    if np.issubdtype(volume.array.dtype, np.floating):
        volume = volume.with_array(volume.array.astype(np.float32, copy=False))
    if quantity is Quantity.HU:
        require_intensities(volume)
    return LoadedImage(volume, image.notes)


def require_intensities(volume: Volume) -> Volume:
    """Return a scan, and refuse a label map in its place.

    Raises
    ------
    WrongQuantityError
        When all values are whole, from 0 upward, and few.
    """
    if _is_label_like(volume.array):
        raise WrongQuantityError(
            "The file holds a few whole numbers from 0 upward, like a label map.", "Give the scan, not its masks."
        )
    return volume


def read_labels(path: str | Path) -> Volume:
    """Read a label map from a file, as the smallest unsigned type that holds every label.

    Parameters
    ----------
    path : path
        Label map, a file as for `load_image`. Values may be off whole numbers by rounding: by a thousandth, or by half
        a step of the numbers that a scaled file can hold.

    Raises
    ------
    UnreadableFileError, GeometryError
        As `load_image`.
    WrongQuantityError
        When a value is negative or not a whole number.
    """
    image = _read(Path(path), Quantity.LABEL)
    array = image.volume.array
    nearest = array if np.issubdtype(array.dtype, np.integer) else np.rint(array)
    whole = nearest is array or bool(np.all(np.abs(array - nearest) <= max(_NEARLY_WHOLE, 0.51 * image.step)))
    if not whole or image.step > _MOST_STEP or nearest.min() < 0 or nearest.max() > np.iinfo(np.uint16).max:
        raise WrongQuantityError(
            f"The file is no label map: it holds values from {array.min():g} to {array.max():g}"
            f"{'' if whole else ', not all whole'}.",
            "Give a file whose voxels are label numbers, 0 for background.",
        )
    return image.volume.with_array(nearest.astype(np.uint8 if nearest.max() < 256 else np.uint16))


def write_image(volume: Volume, path: str | Path) -> Path:
    """Write a volume by its suffix: .nii, .nii.gz, .nrrd, .mha. The file appears whole or not at all.

    Parameters
    ----------
    volume : Volume
        Voxels to write; bool is written as uint8.
    path : path
        File to write.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    UsageError
        When the suffix is none of these.
    OutputError
        When the file cannot be written.
    """
    path = Path(path)
    suffix = image_suffix(path)
    if suffix not in (".nii", ".nii.gz", ".nrrd", ".mha"):
        raise UsageError(
            f"hyoid does not write {path.suffix or 'files without suffix'}.", "Use .nii.gz, .nrrd or .mha."
        )
    with atomic_write(path) as unfinished:
        try:
            sitk.WriteImage(to_sitk(volume), str(unfinished), useCompression=suffix != ".nii", compressionLevel=1)
        except RuntimeError as error:
            raise OutputError(
                f"{path.name} cannot be written ({_last_line(error)}).", "Check the disk and the folder's permissions."
            ) from None
    return path


def write_nifti(volume: Volume, path: str | Path) -> Path:
    """Write NIfTI; its RAS coordinates are made here and nowhere else. See `write_image`."""
    path = Path(path)
    if image_suffix(path) not in (".nii", ".nii.gz"):
        raise UsageError(f"A NIfTI file ends in .nii or .nii.gz, not {path.suffix!r}.", "Rename it.")
    return write_image(volume, path)


@dataclass(frozen=True, eq=False)
class _Image:
    """Voxels as a file states them; `step` is the distance of neighbouring values of a scaled file, else 0."""

    volume: Volume
    notes: tuple[str, ...]
    step: float = 0.0


def _read(path: Path, quantity: Quantity) -> _Image:
    suffix = image_suffix(path)
    if not suffix:
        raise UnreadableFileError(
            f"hyoid does not read {path.suffix or 'files without suffix'} as an image.", f"Give {', '.join(SUFFIXES)}."
        )
    if not path.is_file():
        raise UnreadableFileError("The image file does not exist.", "Check the path.")
    image = _read_nifti(path, quantity) if suffix in _NIFTI else _read_by_itk(path, suffix, quantity)
    array = image.volume.array
    if np.issubdtype(array.dtype, np.floating) and not np.all(np.isfinite(array)):
        raise UnreadableFileError(*_NOT_NUMBERS)
    return image


def _read_nifti(path: Path, quantity: Quantity) -> _Image:
    loaded = read_nifti(path)
    return _Image(Volume(loaded.array, loaded.geometry, quantity), loaded.notes, loaded.step)


def _read_by_itk(path: Path, suffix: str, quantity: Quantity) -> _Image:
    notes = check_nrrd(path) if suffix in (".nrrd", ".nhdr") else check_metaimage(path)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        if reader.GetDimension() == 3 or _is_flat_4d(reader):
            size = list(reader.GetSize())
            # ITK pads a 4D file of one time point; asking for size 0 along time drops that axis.
            reader.SetExtractSize(size[:3] + [0] * (len(size) - 3))
            image = reader.Execute()
        else:
            image = None
    except RuntimeError as error:
        raise UnreadableFileError(
            f"The image cannot be read: it is truncated, corrupt or not {suffix} ({_last_line(error)}).",
            "Export it again.",
        ) from None
    if image is None:
        raise GeometryError(
            f"The image has {reader.GetDimension()} dimensions of sizes {reader.GetSize()}.", "Give one 3D image."
        )
    volume = from_sitk(image, quantity)
    geometry, more = checked_grid(volume.geometry.shape, volume.geometry.ijk_to_lps)
    return _Image(Volume(volume.array, geometry, quantity), (*notes, *more))


def _is_flat_4d(reader: sitk.ImageFileReader) -> bool:
    return reader.GetDimension() > 3 and all(n == 1 for n in reader.GetSize()[3:])


def _is_label_like(array: np.ndarray) -> bool:
    """Whether all values are whole, non-negative and few."""
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 65535 or not np.all(array == np.rint(array)):
        return False
    present = np.bincount(array.astype(np.int64).ravel()) > 0
    return int(present.sum()) <= 32 and high < _MOST_LABELS


def _last_line(error: Exception) -> str:
    """Reason that SimpleITK gives, without the paths it quotes."""
    line = str(error).strip().splitlines()[-1].strip()
    return " ".join(word for word in line.split() if "/" not in word and "\\" not in word)[:120]
