"""Volumes in NIfTI, NRRD, MHA and MHD files."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from hyoid.errors import GeometryError, OutputError, UnreadableFileError, UsageError, WrongQuantityError
from hyoid.geometry.resample import from_sitk, to_sitk
from hyoid.io.atomic import atomic_write
from hyoid.volume import Quantity, Volume

SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
# A file with at most this many different whole numbers holds labels, not intensities.
_MOST_LABELS = 256
_NOT_NUMBERS = ("The image holds values that are no numbers (NaN or infinite).", "Export the image again.")


def image_suffix(path: Path) -> str:
    """Suffix of an image file that hyoid reads, '' for any other.

    Examples
    --------
    >>> image_suffix(Path("a.b.NII.GZ")), image_suffix(Path("scan.dcm"))
    ('.nii.gz', '')
    """
    return next((s for s in SUFFIXES if path.name.lower().endswith(s)), "")


def read_image(path: str | Path, quantity: Quantity) -> Volume:
    """Volume in a file, with positions in LPS whatever the format stores.

    Parameters
    ----------
    path : path
        NIfTI, NRRD, MHA or MHD.
    quantity : Quantity
        What the numbers measure; files do not say.

    Returns
    -------
    Volume
        Whole numbers in the file's own type where that is an integer, else float32.

    Raises
    ------
    UnreadableFileError
        When the file is absent, truncated, corrupt, of another format, or holds NaN.
    GeometryError
        When it is not one 3D image with one value per voxel, or does not say how it lies in the patient.
    WrongQuantityError
        When intensities were asked for and the file holds a label map.
    """
    volume = _read(Path(path), quantity)
    array = volume.array
    if np.issubdtype(array.dtype, np.floating):
        if not np.all(np.isfinite(array)):
            raise UnreadableFileError(*_NOT_NUMBERS)
        array = array.astype(np.float32, copy=False)
    if quantity in (Quantity.HU, Quantity.MR) and _is_label_like(array):
        raise WrongQuantityError(
            "The file holds a few whole numbers from 0 upward, like a label map.", "Give the scan, not its masks."
        )
    return volume.with_array(array)


def read_labels(path: str | Path) -> Volume:
    """Label map in a file, as the smallest unsigned type that holds it.

    Parameters
    ----------
    path : path
        NIfTI, NRRD, MHA or MHD. Floating-point files are accepted when every value is a whole number.

    Raises
    ------
    UnreadableFileError, GeometryError
        As `read_image`.
    WrongQuantityError
        When a value is negative or not a whole number.
    """
    volume = _read(Path(path), Quantity.LABEL)
    array = volume.array
    whole = np.issubdtype(array.dtype, np.integer) or bool(np.all(array == np.rint(array)))
    if not whole or array.min() < 0 or array.max() > np.iinfo(np.uint16).max:
        raise WrongQuantityError(
            f"The file is no label map: it holds values from {array.min():g} to {array.max():g}"
            f"{'' if whole else ', not all whole'}.",
            "Give a file whose voxels are label numbers, 0 for background.",
        )
    return volume.with_array(array.astype(np.uint8 if array.max() < 256 else np.uint16))


def write_image(volume: Volume, path: str | Path) -> Path:
    """Write a volume by its suffix: .nii, .nii.gz, .nrrd, .mha. The file appears whole or not at all.

    Parameters
    ----------
    volume : Volume
        bool is written as uint8.
    path : path

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


def _read(path: Path, quantity: Quantity) -> Volume:
    suffix = image_suffix(path)
    if not suffix:
        raise UnreadableFileError(
            f"hyoid does not read {path.suffix or 'files without suffix'} as an image.", f"Give {', '.join(SUFFIXES)}."
        )
    if not path.is_file():
        raise UnreadableFileError("The image file does not exist.", "Check the path.")
    if suffix.startswith(".nii"):
        _refuse_damaged_nifti(path)
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
    return from_sitk(image, quantity)


def _refuse_damaged_nifti(path: Path) -> None:
    """Refuse a NIfTI file that ends before its last voxel or holds NaN: ITK reads both as zeros without a word."""
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    try:
        with opener(path, "rb") as file:
            header = file.read(540)
            start, data_bytes, floating = _nifti_layout(header)
            file.seek(start)
            length, finite = 0, True
            # A multiple of every voxel size, so that no value is split between chunks.
            while chunk := file.read(1 << 20):
                if floating is not None and finite:
                    whole = len(chunk) // floating.itemsize * floating.itemsize
                    finite = bool(np.isfinite(np.frombuffer(chunk[:whole], floating)).all())
                length += len(chunk)
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise UnreadableFileError(
            f"The image cannot be read: it is truncated, corrupt or not NIfTI ({type(error).__name__}).",
            "Export or download it again.",
        ) from None
    if not _has_orientation(header):
        raise GeometryError(
            "The NIfTI header does not say how the image lies in the patient (qform_code and sform_code are 0).",
            "Convert it again from DICOM: left and right cannot be told apart.",
        )
    if length < data_bytes:
        raise UnreadableFileError(
            f"The image cannot be read: it is truncated ({length} of {data_bytes} bytes of voxels).",
            "Export or download it again.",
        )
    if not finite:
        raise UnreadableFileError(*_NOT_NUMBERS)


def _has_orientation(header: bytes) -> bool:
    """Whether qform_code or sform_code of a NIfTI header is set; both stand side by side, 2 or 4 bytes each."""
    at, length = (252, 4) if 348 in (int.from_bytes(header[:4], o) for o in ("little", "big")) else (344, 8)
    return any(header[at : at + length])


def _nifti_layout(header: bytes) -> tuple[int, int, np.dtype | None]:
    """Start and length in bytes of the voxels in a NIfTI-1 or NIfTI-2 file, and their type where that is a float.

    Offsets are those of nifti1.h and nifti2.h: sizes `dim`, `datatype`, bits per voxel `bitpix`, `vox_offset`.
    """
    order = "<" if header[:4] in (b"\x5c\x01\x00\x00", b"\x1c\x02\x00\x00") else ">"
    (size,) = struct.unpack_from(f"{order}i", header, 0)
    if size == 348:
        dim = struct.unpack_from(f"{order}8h", header, 40)
        datatype, bits = struct.unpack_from(f"{order}2h", header, 70)
        (start,) = struct.unpack_from(f"{order}f", header, 108)
    elif size == 540:
        datatype, bits = struct.unpack_from(f"{order}2h", header, 12)
        dim = struct.unpack_from(f"{order}8q", header, 16)
        (start,) = struct.unpack_from(f"{order}q", header, 168)
    else:
        raise struct.error("no NIfTI header")
    floating = {16: np.dtype(f"{order}f4"), 64: np.dtype(f"{order}f8")}.get(datatype)
    return int(start), math.prod(dim[1 : dim[0] + 1]) * bits // 8, floating


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
