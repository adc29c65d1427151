"""DICOM slices to one regular volume, or a refusal that names the slices.

Preconditions, each checked: one series, one frame of reference, one orientation, one pixel spacing and size, no
localizer among the slices, no position twice, no position left out, origins on one line. Slices are sorted by their
position along the normal of ImageOrientationPatient; instance numbers and file names only name them in messages.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from scipy import ndimage

from hyoid.errors import MissingTagError, SeriesError, UnreadableFileError
from hyoid.io.dicom import headers
from hyoid.io.dicom.headers import Instance
from hyoid.io.dicom.mixed import (
    refuse_duplicates,
    refuse_interleaved,
    refuse_mixed,
    refuse_several_series,
    without_copies,
)
from hyoid.io.dicom.pixels import StoredPixels, stored_pixels
from hyoid.io.dicom.slice import Slice, normal_of, slices_of
from hyoid.io.dicom.spacing import even_behind_rounding, irregularity
from hyoid.io.dicom.straighten import even_out, straighten
from hyoid.io.dicom.suv import refuse_enhanced_pet
from hyoid.volume import AIR_HU, Geometry, Quantity, Volume

# Padding of such a value could be tissue; beyond twelve bits and an extended scale there is none.
_TISSUE_HU = (-900, 3071)
# 16 bits from -8192, the widest scale of a scanner; and twelve signed bits.
_MOST_HU, _LEAST_RESTORED_HU = 57343, -2048
# Origins may leave the normal by this fraction of a pixel over the whole stack before the stack counts as sheared.
SHEAR_TOLERANCE_PX = 0.2
_EXPORT_AGAIN = "Export the series again, complete."
_QUANTITIES = {"CT": Quantity.HU, "MR": Quantity.MR, "PT": Quantity.BQ_PER_ML}
_PET_QUANTITIES = {"BQML": Quantity.BQ_PER_ML, "GML": Quantity.SUV}
# RescaleType (0028,1054) of CT images whose values are not HU, PS3.3 C.11.1.1.2.
_NOT_HU = {"OD", "MGML", "Z_EFF", "ED", "EDW", "PCT"}


@dataclass(frozen=True, eq=False)
class LoadedSeries:
    """DICOM series as one volume, with what was changed while reading.

    Parameters
    ----------
    volume : Volume
        Slices ascend toward the head where the slice normal allows it.
    headers : tuple of Dataset
        Headers without pixels, in slice order (one for a multi-frame object).
    warnings : tuple of str
        What was repaired or set aside.
    provenance : dict
        What was done to the grid: `gantry_tilt_deg`, `shear_mm_per_slice`, `regularized_step_mm`.
    """

    volume: Volume
    headers: tuple[Dataset, ...]
    warnings: tuple[str, ...] = ()
    provenance: dict[str, float] = field(default_factory=dict)


def read_series(
    slices: Sequence[Dataset | Path | str | Instance],
    *,
    regularize: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> LoadedSeries:
    """Read the volume of one DICOM series given as datasets, files, or instances, in any order.

    Parameters
    ----------
    slices : sequence of Dataset, path or Instance
        All objects of the series, single-frame or multi-frame.
    regularize : bool
        Fill gaps and even out irregular steps by linear interpolation between neighbouring slices, and record it.
        Off by default, because interpolated slices are not measured ones.
    on_progress : callable, optional
        Called with (slices done, slices in all).

    Raises
    ------
    SeriesError
        When slices are missing, doubled or mixed; the message names them by position and instance number.
    MissingTagError
        When position, orientation, spacing or rescaling is not in the headers.
    UnreadableFileError
        When a file is truncated, corrupt, or does not decompress.
    """
    if not slices:
        raise SeriesError("The series holds no images.", _EXPORT_AGAIN)
    instances = [_as_instance(s) for s in slices]
    refuse_several_series(instances)
    instances, copies = without_copies(instances)
    pieces = [piece for instance in instances for piece in slices_of(instance)]
    quantity = _quantity(pieces[0])
    refuse_mixed(pieces)
    pieces.sort(key=lambda p: p.position_mm)
    normal = normal_of(pieces[0].orientation)
    positions_mm = np.array([p.position_mm for p in pieces])
    steps = np.diff(positions_mm)
    refuse_duplicates(pieces, steps)
    refuse_interleaved(pieces)
    irregular, even = irregularity(pieces, steps), None
    if irregular:
        even = even_behind_rounding(pieces)
        irregular = "" if even else irregular
    if irregular and not regularize:
        raise SeriesError(irregular, "Export the missing slices, or allow interpolation with --regularize.")

    warnings = [*copies, *_header_warnings(pieces), *([str(even)] if even else [])]
    provenance: dict[str, float] = {}
    array, padding = _stack(pieces, quantity, on_progress)
    warnings += padding

    step_mm = float(np.median(steps)) if len(steps) else _thickness_mm(pieces[0])
    axes, origins = _pixel_axes(pieces[0]), np.array([p.origin_lps_mm for p in pieces])
    origin = origins[0] + (normal * (even.start_mm - positions_mm[0]) if even else 0.0)
    outside = AIR_HU if quantity is Quantity.HU else 0
    shift_px = _shear_px(pieces, origins, axes, positions_mm)
    if shift_px is not None:
        tilt_deg, shear_mm = _tilt(origins, normal, step_mm)
        array, moved_px = straighten(array, shift_px, outside)
        origin = origin + axes @ moved_px
        provenance |= {"gantry_tilt_deg": round(tilt_deg, 3), "shear_mm_per_slice": round(shear_mm, 4)}
        warnings.append(
            f"The slices are sheared by {shear_mm:.3f} mm each (gantry tilt {tilt_deg:.2f} degrees): every slice was "
            "shifted within its plane onto a straight grid."
        )
    if irregular:
        array = even_out(array, positions_mm, step_mm)
        provenance["regularized_step_mm"] = step_mm
        warnings.append(f"{irregular} Slices were interpolated linearly, {step_mm:.3f} mm apart, as asked.")
    elif len(pieces) > 1:
        step_mm = even.step_mm if even else float(steps.mean())

    matrix = np.eye(4)
    matrix[:3, 0] = normal * step_mm
    matrix[:3, 1:3] = axes
    matrix[:3, 3] = origin
    geometry = Geometry(array.shape, matrix, headers.text(pieces[0].header, "FrameOfReferenceUID"))
    kept = tuple({id(p.header): p.header for p in pieces}.values())
    return LoadedSeries(Volume(array, geometry, quantity), kept, tuple(warnings), provenance)


def without_padding(array: NDArray[Any]) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Set CT values below air to air, and warn where there were any.

    Scanners fill the corners outside their field of view with values such as -3024, which no tissue has.

    Parameters
    ----------
    array : ndarray, HU
        CT, any shape.
    """
    if array.min() >= AIR_HU:
        return array, ()
    warning = f"Values below {AIR_HU} HU (padding outside the scanner's field of view) were set to it."
    return np.maximum(array, array.dtype.type(AIR_HU)), (warning,)


def _as_instance(source: Dataset | Path | str | Instance) -> Instance:
    if isinstance(source, Instance):
        return source
    if isinstance(source, Dataset):
        header = copy.deepcopy(source)
        header.pop("PixelData", None)
        return Instance(header, lambda: source)
    path = Path(source)
    try:
        header = headers.parse(path.read_bytes())
    except OSError as error:
        raise UnreadableFileError(f"An image cannot be opened ({error.strerror}).", "Check the path.") from None
    if header is None:
        raise UnreadableFileError("A DICOMDIR is a table of contents, not an image.", "Give the images themselves.")
    return Instance(header, lambda: headers.parse(path.read_bytes(), pixels=True))


def _quantity(piece: Slice) -> Quantity:
    header = piece.header
    modality = headers.text(header, "Modality")
    if modality not in _QUANTITIES:
        raise SeriesError(f"The series has modality {modality or 'unknown'}.", "Give a CT, MR or PET series.")
    if modality == "PT":
        refuse_enhanced_pet(header)
        units = headers.text(header, "Units")
        if units not in _PET_QUANTITIES:
            raise SeriesError(
                f"The PET series has units {units or 'unknown'}; BQML and GML are read here.",
                "`hyoid petct` also reads the counts of scanners that store their own SUV factor.",
            )
        return _PET_QUANTITIES[units]
    if modality == "CT" and piece.rescale_type in _NOT_HU:
        raise SeriesError(
            f"The CT series holds values of type {piece.rescale_type}, not HU.", "Choose a series in Hounsfield units."
        )
    return _QUANTITIES[modality]


def _stack(
    pieces: list[Slice], quantity: Quantity, on_progress: Callable[[int, int], None] | None
) -> tuple[NDArray[np.int16] | NDArray[np.float32], list[str]]:
    """Rescaled pixels, int16 where that loses nothing, else float32; and notes of what was set to air."""
    whole = all(p.slope == 1 and p.intercept == round(p.intercept) and abs(p.intercept) < 2**20 for p in pieces)
    array: NDArray[Any] = np.empty(0)
    outside = AIR_HU if quantity is Quantity.HU else 0
    loaded: tuple[Any, StoredPixels] | None = None
    padded, decoded = 0, 0
    for index, piece in enumerate(pieces):
        # All frames of a multi-frame object decode at once.
        if loaded is None or loaded[0] is not piece.load or decoded >= piece.frames:
            loaded, decoded = (piece.load, stored_pixels(piece.load(), piece.name)), 0
        decoded += 1
        pixels = loaded[1]
        described = (piece.frames, *piece.size)
        if pixels.values.shape != described:
            raise UnreadableFileError(
                f"The pixels of {piece.name} are {pixels.values.shape}, not {described} (frames, rows, columns).",
                _EXPORT_AGAIN,
            )
        if not index:
            # Only now: a header that lies about rows and columns would ask for any amount of memory.
            array = np.empty((len(pieces), *piece.size), np.int32 if whole else np.float32)
        stored = pixels.values[piece.frame]
        if whole and not (stored.dtype.kind in "iu" and np.abs(stored, dtype=np.int64).max() < 2**30):
            whole, array = False, array.astype(np.float32)
        values = array[index]
        values[:] = stored if whole else stored * piece.slope
        values += array.dtype.type(piece.intercept)
        if pixels.padding is not None:
            nothing = _outside_the_body(values, pixels.padding[piece.frame], quantity)
            padded += int(nothing.any())
            values[nothing] = outside
        if quantity is Quantity.HU:
            _refuse_impossible_hu(values, pixels, piece)
        if on_progress:
            on_progress(index + 1, len(pieces))
    notes = [f"Padding (PixelPaddingValue (0028,0120)) of {padded} slice(s) was set to {outside}."] if padded else []
    if quantity is Quantity.HU:
        array, below = without_padding(array)
        notes += below
    fits = whole and np.iinfo(np.int16).min <= array.min() and array.max() <= np.iinfo(np.int16).max
    return array.astype(np.int16) if fits else array.astype(np.float32, copy=False), notes


def _outside_the_body(values: NDArray[Any], padding: NDArray[np.bool_], quantity: Quantity) -> NDArray[np.bool_]:
    """Padding of a slice; where its value is one that tissue has, only what hangs together with the image's border."""
    if quantity is not Quantity.HU or not padding.any():
        return padding
    tissue = padding & (values > _TISSUE_HU[0]) & (values <= _TISSUE_HU[1])
    if not tissue.any():
        return padding
    regions, _ = ndimage.label(tissue)
    border = np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]])
    return (padding & ~tissue) | (tissue & np.isin(regions, np.unique(border[border > 0])))


def _refuse_impossible_hu(values: NDArray[Any], pixels: StoredPixels, piece: Slice) -> None:
    """Refuse values that no CT holds: a sign was lost, or padding is not declared."""
    low, high = float(values.min()), float(values.max())
    if high > _MOST_HU or (pixels.sign_restored and low < _LEAST_RESTORED_HU):
        raise SeriesError(
            f"The values of {piece.name} reach from {low:g} to {high:g} HU, which cannot be: PixelRepresentation "
            "(0028,0103) may be wrong, or padding not declared (0028,0120).",
            "Export the series again from the scanner.",
        )


def _shear_px(
    pieces: list[Slice],
    origins: NDArray[np.float64],
    axes: NDArray[np.float64],
    positions_mm: NDArray[np.float64],
) -> NDArray[np.float64] | None:
    """How far each slice lies off the first one's normal, (row, column) pixels, shape (D, 2); None when it does not.

    Raises
    ------
    SeriesError
        When the slices are shifted sideways, but not along one line.
    """
    shift = (origins - origins[0]) @ (axes / (axes**2).sum(axis=0))
    if np.abs(shift).max() <= SHEAR_TOLERANCE_PX:
        return None
    along = (positions_mm - positions_mm[0]) / (positions_mm[-1] - positions_mm[0])
    off_line = np.abs(shift - along[:, None] * shift[-1]).max(axis=1)
    if off_line.max() > 0.5:
        odd = pieces[int(np.argmax(off_line))]
        raise SeriesError(
            f"The slices are shifted sideways irregularly, by up to {off_line.max():.1f} pixels ({odd.name}): the "
            "table moved, or two scans are mixed.",
            "Give one scan at a time.",
        )
    return shift


def _tilt(origins: NDArray[np.float64], normal: NDArray[np.float64], step_mm: float) -> tuple[float, float]:
    """Angle (degrees) between the line of the origins and the normal, and sideways mm per slice."""
    line = origins[-1] - origins[0]
    along = float(line @ normal)
    sideways = float(np.linalg.norm(line - along * normal))
    return float(np.degrees(np.arctan2(sideways, along))), sideways / along * step_mm


def _pixel_axes(piece: Slice) -> NDArray[np.float64]:
    """LPS vectors (mm) of one step along rows and along columns, shape (3, 2)."""
    # ImageOrientationPatient gives the direction of a row first, in which the column index grows.
    across, down = piece.orientation[:3], piece.orientation[3:]
    return np.stack([down * piece.spacing_mm[0], across * piece.spacing_mm[1]], axis=1)


def _thickness_mm(piece: Slice) -> float:
    found = headers.numbers(piece.header, "SliceThickness", 1)
    if found is None or found[0] <= 0:
        raise MissingTagError(
            "The series has one slice, and no SliceThickness (0018,0050).", "Give a series of several slices."
        )
    return float(found[0])


def _header_warnings(pieces: list[Slice]) -> list[str]:
    notes = []
    if malformed := sorted({keyword for p in pieces for keyword in p.malformed}):
        notes.append(
            f"Headers hold values that DICOM does not allow, in {', '.join(malformed)}: dates and numbers among them "
            "were blanked, text was kept."
        )
    if lossy := sum(headers.text(p.header, "LossyImageCompression") == "01" for p in pieces):
        notes.append(f"{lossy} image(s) were compressed with loss: their values are not quite those of the scanner.")
    return notes
