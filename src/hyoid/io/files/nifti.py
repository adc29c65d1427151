"""NIfTI-1 and NIfTI-2 files to voxels and where they lie; a header that contradicts itself is refused.

Two matrices and the voxel sizes may each say where voxels lie. Programs differ in which they believe (ITK the qform,
nibabel the sform), so masks of one would lie elsewhere in another: here they must agree. Offsets are those of nifti1.h
and nifti2.h. RAS coordinates become LPS here.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from hyoid.errors import GeometryError, UnreadableFileError
from hyoid.io.files.grids import NOTED_VOXELS, SILENT_VOXELS, VOXEL_MM, checked_grid, largest_shift_mm
from hyoid.volume import Geometry

_TYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
_NOT_ONE_VALUE = {32: "complex numbers", 1792: "complex numbers", 128: "colours", 2304: "colours", 1: "single bits"}
_MAGIC = {b"n+1\0": False, b"ni1\0": True, b"n+2\0": False, b"ni2\0": True}
# xyzt_units: code to (name, mm); 0 is unknown, and then everybody means millimetres.
_UNITS = {0: ("mm", 1.0), 1: ("metres", 1000.0), 2: ("mm", 1.0), 3: ("micrometres", 1e-3)}
# Codes of qform and sform: 0 none, 1 scanner, ..., 5 another template.
_LAST_CODE = 5
# Deflate cannot shrink more.
_MOST_SHRINKING = 1032
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
# pixdim may be rounded to three digits; beyond, it and the sform speak of different voxels.
_SAME_SIZE, _ROUNDED_SIZE = 1e-3, 1e-2
_SINGLE_PRECISION = 1e-6
# Nothing of a patient lies farther from the origin, in any unit.
_FARTHEST = 1e8
_CONVERT = "Convert the image again from DICOM."


@dataclass(frozen=True)
class NiftiHeader:
    """Header of a NIfTI file, as far as voxels and places depend on it.

    Parameters
    ----------
    order : {"<", ">"}
        Byte order: "<" little endian, ">" big endian.
    shape : tuple of int
        (x, y, z), fastest first; further axes have length one.
    dtype : str
        Type of the stored voxels, NumPy's letters without byte order.
    start : int
        Byte of the first voxel.
    paired : bool
        Whether the voxels lie in an `.img` file beside.
    pixdim : tuple of float
        qfac and the three voxel sizes.
    unit : int
        Code of the spatial unit.
    slope, inter : float
        Value = stored * slope + inter, as the file says.
    qform : tuple of float or None
        b, c, d of the quaternion and the offset; None where its code is 0.
    sform : ndarray, shape (3, 4), or None
        Matrix from voxel (x, y, z) to RAS, in the spatial unit; None where its code is 0.
    """

    order: str
    shape: tuple[int, int, int]
    dtype: str
    start: int
    paired: bool
    pixdim: tuple[float, float, float, float]
    unit: int
    slope: float
    inter: float
    qform: tuple[float, ...] | None
    sform: NDArray[np.float64] | None


@dataclass(frozen=True, eq=False)
class LoadedNifti:
    """Voxels of a NIfTI file and where they lie.

    Parameters
    ----------
    array : ndarray, shape (D, H, W)
        Voxels in the file's own type, or float32 where the header scales them.
    geometry : Geometry
        Grid of the voxels in LPS, mm.
    notes : tuple of str
        Notes of what was mended.
    step : float
        Distance of neighbouring values that a scaled file can hold; 0 where the header does not scale.
    """

    array: NDArray[Any]
    geometry: Geometry
    notes: tuple[str, ...]
    step: float


def read_nifti(path: Path) -> LoadedNifti:
    """Read voxels in the axis order (slice, row, column) with their grid in LPS.

    Parameters
    ----------
    path : Path
        `.nii`, `.nii.gz`, or the `.hdr` of a pair.

    Raises
    ------
    UnreadableFileError
        When the file is truncated, corrupt or no NIfTI.
    GeometryError
        When it is not one 3D image with one value per voxel, does not say how it lies, or says so in two ways that
        differ.
    """
    start = _first_bytes(path, 544)
    header = parse_header(start)
    geometry, notes = _grid(header)
    array = _voxels(header, path)
    scaled = _scaled(array, header)
    whole = np.issubdtype(array.dtype, np.integer) and scaled is not array
    return LoadedNifti(scaled, geometry, notes, abs(header.slope) if whole else 0.0)


def parse_header(start: bytes) -> NiftiHeader:
    """Parse the header in the first 540 bytes of a file.

    Raises
    ------
    UnreadableFileError, GeometryError
        As `read_nifti`.
    """
    size, order = next(((n, o) for n in (348, 540) for o in "<>" if start[:4] == struct.pack(f"{o}i", n)), (0, "<"))
    if not size or len(start) < size:
        raise UnreadableFileError(
            "The image cannot be read: it is truncated, corrupt or not NIfTI.", "Export it again."
        )

    def get(kind: str, at: int) -> tuple[Any, ...]:
        return struct.unpack_from(f"{order}{kind}", start, at)

    if size == 348:
        magic, dim, (datatype, bits) = start[344:348], get("8h", 40), get("2h", 70)
        pixdim, (offset, slope, inter), unit = get("8f", 76), get("3f", 108), start[123]
        qcode, scode = get("2h", 252)
        quaternion, rows = get("6f", 256), get("12f", 280)
    else:
        magic, dim, (datatype, bits) = start[4:8], get("8q", 16), get("2h", 12)
        pixdim, (offset,), (slope, inter), unit = get("8d", 104), get("q", 168), get("2d", 176), get("i", 500)[0]
        qcode, scode = get("2i", 344)
        quaternion, rows = get("6d", 352), get("12d", 400)
    if magic not in _MAGIC or (magic[2:3] == b"2") != (size == 540):
        raise GeometryError(
            "The file is an ANALYZE image, or damaged: its header has no NIfTI mark.",
            f"{_CONVERT[:-1]}: ANALYZE does not say where left and right are.",
        )
    shape = _shape(dim)
    if datatype in _NOT_ONE_VALUE:
        raise GeometryError(f"The image holds {_NOT_ONE_VALUE[datatype]}.", "Give one number per voxel.")
    if datatype not in _TYPES or bits != 8 * np.dtype(_TYPES[datatype]).itemsize:
        raise UnreadableFileError(
            f"The header is damaged: voxels of type {datatype} with {bits} bits are unknown.", "Export it again."
        )
    if not (0 <= qcode <= _LAST_CODE and 0 <= scode <= _LAST_CODE):
        raise UnreadableFileError(
            f"The header is damaged: qform_code {qcode} and sform_code {scode} are unknown.", "Export it again."
        )
    paired = _MAGIC[magic]
    # In this order: a number that is none, or is endless, has no integer.
    if not (0 if paired else size + 4) <= offset < _FARTHEST or offset != int(offset):
        raise UnreadableFileError(
            f"The header is damaged: the voxels would begin at byte {offset:g}, within it.", "Export it again."
        )
    return NiftiHeader(
        order=order,
        shape=shape,
        dtype=_TYPES[datatype],
        start=int(offset),
        paired=paired,
        pixdim=pixdim[:4],
        unit=unit & 7,
        slope=slope,
        inter=inter,
        qform=quaternion if qcode > 0 else None,
        sform=np.array(rows, np.float64).reshape(3, 4) if scode > 0 else None,
    )


def _shape(dim: tuple[int, ...]) -> tuple[int, int, int]:
    axes, sizes = dim[0], dim[1 : dim[0] + 1]
    if not 1 <= axes <= 7 or any(n < 1 for n in sizes):
        raise UnreadableFileError(f"The header is damaged: it gives sizes {tuple(dim)}.", "Export it again.")
    if axes < 3 or any(n != 1 for n in sizes[3:]):
        raise GeometryError(f"The image has {axes} dimensions of sizes {tuple(sizes)}.", "Give one 3D image.")
    return int(sizes[0]), int(sizes[1]), int(sizes[2])


def _grid(header: NiftiHeader) -> tuple[Geometry, tuple[str, ...]]:
    """Grid in mm and LPS of a header whose statements agree."""
    if header.qform is None and header.sform is None:
        raise GeometryError(
            "The NIfTI header does not say how the image lies in the patient (qform_code and sform_code are 0).",
            "Convert it again from DICOM: left and right cannot be told apart.",
        )
    sizes = np.array(header.pixdim[1:], np.float64)
    if not np.all(np.abs(sizes) < _FARTHEST) or sizes.min() <= 0:
        raise GeometryError(
            f"The voxel sizes (pixdim) are {', '.join(f'{s:g}' for s in sizes)}: they must be positive.", _CONVERT
        )
    notes: list[str] = []
    scale = _unit_mm(header, sizes, notes)
    qform = None if header.qform is None else _qform(header.qform, header.pixdim[0], sizes)
    xyz = qform if header.sform is None else np.vstack([header.sform, [0, 0, 0, 1]])
    assert xyz is not None
    if not np.all(np.abs(xyz) < _FARTHEST) or abs(np.linalg.det(xyz[:3, :3])) < 1e-12:
        raise GeometryError("The sform or qform of the header is no usable matrix.", _CONVERT)
    lengths = np.linalg.norm(xyz[:3, :3], axis=0)
    _require_same_sizes(lengths, sizes, notes)
    if header.sform is not None and qform is not None:
        _require_same_places(header.shape, xyz, qform, notes)
    xyz = xyz.copy()
    # Where both are the same but for the sform's single precision, pixdim is the number that was meant.
    xyz[:3, :3] *= np.where(np.abs(sizes / lengths - 1) < _SINGLE_PRECISION, sizes / lengths, 1.0)
    xyz[:3] *= scale
    matrix = (_RAS_TO_LPS @ xyz)[:, [2, 1, 0, 3]]
    geometry, more = checked_grid((header.shape[2], header.shape[1], header.shape[0]), matrix)
    return geometry, (*notes, *more)


def _unit_mm(header: NiftiHeader, sizes: NDArray[np.float64], notes: list[str]) -> float:
    """Millimetres in the header's unit of length, refused where voxels of that size cannot be."""
    if header.unit not in _UNITS:
        raise GeometryError(f"The header's unit of length ({header.unit}) is unknown.", _CONVERT)
    name, scale = _UNITS[header.unit]
    if scale != 1.0:
        if sizes.min() * scale < VOXEL_MM[0] or sizes.max() * scale > VOXEL_MM[1]:
            raise GeometryError(
                f"The header gives voxels of {' x '.join(f'{s:g}' for s in sizes)} {name}, which cannot be.",
                "Correct the unit in the header (xyzt_units), or convert the image again from DICOM.",
            )
        notes.append(f"The header states lengths in {name}: they were turned into millimetres.")
    return scale


def _qform(stated: tuple[float, ...], qfac: float, sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Matrix of the quaternion, as nifti1.h defines it; a left-handed grid has qfac -1."""
    b, c, d = stated[:3]
    square = min(abs(b), 2) ** 2 + min(abs(c), 2) ** 2 + min(abs(d), 2) ** 2  # no number stays none
    if not np.all(np.abs(stated) < _FARTHEST) or not square <= 1 + 1e-4:
        raise GeometryError("The qform of the header is no rotation (its quaternion is longer than 1).", _CONVERT)
    a = math.sqrt(max(0.0, 1 - square))
    length = math.sqrt(a * a + square)
    a, b, c, d = a / length, b / length, c / length, d / length
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * sizes * (1, 1, -1 if qfac < 0 else 1)
    matrix[:3, 3] = stated[3:]
    return matrix


def _require_same_sizes(found: NDArray[np.float64], stated: NDArray[np.float64], notes: list[str]) -> None:
    """Refuse voxel sizes (pixdim) that are not those of the matrix."""
    # A stated size may be as small as a number can be; then the quotient is infinite, and refused.
    with np.errstate(over="ignore", divide="ignore"):
        off = float(np.abs(found / stated - 1).max())
    if off > _ROUNDED_SIZE:
        raise GeometryError(
            f"The header contradicts itself: voxels of {' x '.join(f'{s:.4g}' for s in stated)} by pixdim and of "
            f"{' x '.join(f'{s:.4g}' for s in found)} by the sform.",
            f"{_CONVERT[:-1]}, or correct whichever is wrong.",
        )
    if off > _SAME_SIZE:
        notes.append(f"pixdim is rounded ({off:.1%} off): the sform's voxel sizes were used.")


def _require_same_places(
    shape: tuple[int, int, int], sform: NDArray[np.float64], qform: NDArray[np.float64], notes: list[str]
) -> None:
    """Refuse two matrices that put the voxels at different places."""
    apart = largest_shift_mm(shape, sform, qform)
    voxel = float(np.linalg.norm(sform[:3, :3], axis=0).min())
    if apart > NOTED_VOXELS * voxel:
        raise GeometryError(
            f"The header contradicts itself: sform and qform put voxels up to {apart:.2f} apart (in its unit of "
            "length), and programs differ in which they believe.",
            f"{_CONVERT[:-1]}, or copy the right one over the other.",
        )
    if apart > SILENT_VOXELS * voxel:
        notes.append(f"sform and qform of the header differ by up to {apart:.3f}: the sform was used.")


def _voxels(header: NiftiHeader, path: Path) -> NDArray[Any]:
    """Stored voxels, (D, H, W), in the machine's byte order."""
    source = _image_file(path) if header.paired else path
    dtype = np.dtype(f"{header.order}{header.dtype}")
    count = math.prod(header.shape)
    wanted = count * dtype.itemsize
    try:
        packed = _is_gzip(source)
        if wanted > source.stat().st_size * (_MOST_SHRINKING if packed else 1):
            raise _truncated(None, wanted)
        array = np.empty(count, dtype)
        with closing(_opened(source)) as file:
            file.seek(header.start)
            got = _fill(file, memoryview(array.view(np.uint8).data))
            while packed and file.read(1 << 20):
                pass  # to the end: only there does gzip say that what came before was right
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableFileError(
            f"The image cannot be read: it is truncated, corrupt or not NIfTI ({type(error).__name__}).",
            "Export or download it again.",
        ) from None
    if got < wanted:
        raise _truncated(got, wanted)
    native = array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
    return native.reshape(header.shape[::-1])


def _truncated(got: int | None, wanted: int) -> UnreadableFileError:
    there = "" if got is None else f"{got} of "
    return UnreadableFileError(
        f"The image cannot be read: it is truncated ({there}{wanted} bytes of voxels).", "Export or download it again."
    )


def _fill(file: BinaryIO, into: memoryview) -> int:
    done = 0
    while done < len(into):
        chunk = file.read(min(1 << 20, len(into) - done))
        if not chunk:
            break
        into[done : done + len(chunk)] = chunk
        done += len(chunk)
    return done


def _scaled(array: NDArray[Any], header: NiftiHeader) -> NDArray[Any]:
    """Stored times scl_slope plus scl_inter; a slope of zero or no number means no scaling, by the standard."""
    if header.slope == 0 or not math.isfinite(header.slope) or (header.slope, header.inter) == (1, 0):
        return array
    if not math.isfinite(header.inter):
        raise UnreadableFileError("The header scales voxels by an scl_inter that is no number.", "Export it again.")
    scaled = np.empty(array.shape, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # found afterwards, as a value that is no number
        for into, plane in zip(scaled, array, strict=True):
            into[:] = plane.astype(np.float64) * header.slope + header.inter
    return scaled


def _image_file(header_file: Path) -> Path:
    """`.img` (or `.img.gz`) file beside a `.hdr`."""
    stem = header_file.name[: -len(".hdr")]
    for name in (f"{stem}.img", f"{stem}.img.gz", f"{stem}.IMG"):
        if (found := header_file.with_name(name)).is_file():
            return found
    raise UnreadableFileError("The voxels of the NIfTI pair (.img beside .hdr) are not there.", "Give both files.")


def _first_bytes(path: Path, count: int) -> bytes:
    try:
        with closing(_opened(path)) as file:
            return file.read(count)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableFileError(
            f"The image cannot be read: it is truncated, corrupt or not NIfTI ({type(error).__name__}).",
            "Export or download it again.",
        ) from None


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _opened(path: Path) -> BinaryIO:
    """File to read, unpacked when its first bytes are gzip's, whatever its name says."""
    return cast(BinaryIO, gzip.open(path, "rb")) if _is_gzip(path) else path.open("rb")
