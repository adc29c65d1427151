"""DICOM slices to one regular volume, or a refusal that names the slices.

Preconditions, each checked: one series, one frame of reference, one orientation, one pixel spacing and size, no
localizer among the slices, no position twice, no position left out, origins on one line. Slices are sorted by their
position along the normal of ImageOrientationPatient; instance numbers and file names only name them in messages.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from hyoid.errors import MissingTagError, SeriesError, UnreadableFileError
from hyoid.io.dicom import headers
from hyoid.io.dicom.headers import Instance
from hyoid.io.dicom.slice import Slice, normal_of, slices_of
from hyoid.io.dicom.straighten import even_out, straighten
from hyoid.volume import Geometry, Quantity, Volume

AIR_HU = -1024
# A step between slices may differ from the median by this fraction: positions are often rounded to 0.1 mm.
STEP_TOLERANCE = 0.05
# Origins may leave the normal by this fraction of a pixel over the whole stack before the stack counts as sheared.
SHEAR_TOLERANCE_PX = 0.2
_EXPORT_AGAIN = "Export the series again, complete."
_QUANTITIES = {"CT": Quantity.HU, "MR": Quantity.MR, "PT": Quantity.BQ_PER_ML}
_PET_QUANTITIES = {"BQML": Quantity.BQ_PER_ML, "GML": Quantity.SUV}
# RescaleType (0028,1054) of CT images whose values are not HU, PS3.3 C.11.1.1.2.
_NOT_HU = {"OD", "MGML", "Z_EFF", "ED", "EDW", "PCT"}


@dataclass(frozen=True, eq=False)
class LoadedSeries:
    """A series as one volume.

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
    """Volume of one DICOM series given as datasets, files, or instances, in any order.

    Parameters
    ----------
    slices : sequence of Dataset, path or Instance
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
    _refuse_mixed_headers(instances)
    pieces = [piece for instance in instances for piece in slices_of(instance)]
    quantity = _quantity(pieces[0].header)
    _refuse_mixed(pieces)
    pieces.sort(key=lambda p: p.position_mm)
    normal = normal_of(pieces[0].orientation)
    positions_mm = np.array([p.position_mm for p in pieces])
    steps = np.diff(positions_mm)
    _refuse_duplicates(pieces, steps)
    irregular = _irregularity(pieces, steps)
    if irregular and not regularize:
        raise SeriesError(irregular, "Export the missing slices, or allow interpolation with --regularize.")

    warnings = _header_warnings(pieces)
    provenance: dict[str, float] = {}
    array = _stack(pieces, quantity, on_progress)
    if quantity is Quantity.HU:
        array, padding = without_padding(array)
        warnings += padding

    step_mm = float(np.median(steps)) if len(steps) else _thickness_mm(pieces[0])
    axes, origins = _pixel_axes(pieces[0]), np.array([p.origin_lps_mm for p in pieces])
    origin = origins[0]
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
        step_mm = float(steps.mean())

    matrix = np.eye(4)
    matrix[:3, 0] = normal * step_mm
    matrix[:3, 1:3] = axes
    matrix[:3, 3] = origin
    geometry = Geometry(array.shape, matrix, headers.text(pieces[0].header, "FrameOfReferenceUID"))
    kept = tuple({id(p.header): p.header for p in pieces}.values())
    return LoadedSeries(Volume(array, geometry, quantity), kept, tuple(warnings), provenance)


def without_padding(array: NDArray[Any]) -> tuple[NDArray[Any], tuple[str, ...]]:
    """CT values with everything below air set to air, and a warning where there was any.

    Scanners fill the corners outside their field of view with values such as -3024, which no tissue has.

    Parameters
    ----------
    array : ndarray, HU
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


def _quantity(header: Dataset) -> Quantity:
    modality = headers.text(header, "Modality")
    if modality not in _QUANTITIES:
        raise SeriesError(f"The series has modality {modality or 'unknown'}.", "Give a CT, MR or PET series.")
    if modality == "PT":
        units = headers.text(header, "Units")
        if units not in _PET_QUANTITIES:
            raise SeriesError(
                f"The PET series has units {units or 'unknown'}; BQML and GML are read here.",
                "`hyoid petct` also reads the counts of scanners that store their own SUV factor.",
            )
        return _PET_QUANTITIES[units]
    rescale_type = headers.text(header, "RescaleType")
    if modality == "CT" and rescale_type in _NOT_HU:
        raise SeriesError(
            f"The CT series holds values of type {rescale_type}, not HU.", "Choose a series in Hounsfield units."
        )
    return _QUANTITIES[modality]


def _refuse_mixed_headers(instances: list[Instance]) -> None:
    """Refuse what shows before the slices' own geometry is read: several series, localizers."""
    series = Counter(headers.text(i.header, "SeriesInstanceUID") for i in instances)
    if len(series) > 1:
        raise SeriesError(f"The images belong to {len(series)} series.", "Give one series at a time.")
    scouts = [i for i in instances if "LOCALIZER" in headers.words(i.header, "ImageType")]
    if scouts and len(scouts) < len(instances):
        names = ", ".join(f"instance {headers.integer(i.header, 'InstanceNumber')}" for i in scouts[:5])
        raise SeriesError(f"{len(scouts)} localizer image(s) lie in the series ({names}).", "Remove the localizer.")
    if scouts:
        raise SeriesError("The series is a localizer (scout).", "Choose the axial series.")


def _refuse_mixed(pieces: list[Slice]) -> None:
    """Refuse differing frames, orientations, spacings or sizes, naming the slices in the minority."""
    checks: tuple[tuple[str, Callable[[Slice], Any], float], ...] = (
        ("modality", lambda p: headers.text(p.header, "Modality"), 0.0),
        ("frame of reference", lambda p: headers.text(p.header, "FrameOfReferenceUID"), 0.0),
        ("orientation", lambda p: p.orientation, 1e-3),
        ("pixel spacing", lambda p: p.spacing_mm, 1e-4),
        ("size in pixels", lambda p: p.size, 0.0),
    )
    for what, key, tolerance in checks:
        groups: list[list[Slice]] = []
        for piece in pieces:
            near = (g for g in groups if _alike(key(piece), key(g[0]), tolerance))
            group = next(near, None)
            if group is None:
                groups.append([piece])
            else:
                group.append(piece)
        if len(groups) > 1:
            usual = max(groups, key=len)
            odd = [p for g in groups if g is not usual for p in g]
            raise SeriesError(
                f"The slices differ in {what}: {len(odd)} of {len(pieces)} are unlike the others ({_names(odd)}).",
                "Give one series without the others.",
            )


def _alike(first: Any, second: Any, tolerance: float) -> bool:
    return bool(np.allclose(first, second, rtol=0, atol=tolerance)) if tolerance else first == second


def _refuse_duplicates(pieces: list[Slice], steps: NDArray[np.float64]) -> None:
    # Two slices are one position when they are closer than a fifth of the usual step, however thin that is.
    distinct = steps[steps > 1e-3]
    same = steps <= max(1e-3, 0.2 * float(np.median(distinct)) if len(distinct) else 0.0)
    if not same.any():
        return
    doubled = [p for i, p in enumerate(pieces) if (i > 0 and same[i - 1]) or (i < len(same) and same[i])]
    repeats = len(doubled) - len({headers.text(p.header, "SOPInstanceUID") for p in doubled})
    hint = (
        "The same image is stored more than once."
        if repeats
        else "They may be two phases, echoes or reconstructions stored as one series."
    )
    raise SeriesError(
        f"{int(same.sum())} position(s) hold more than one slice ({_names(doubled)}). {hint}",
        "Remove the duplicates, or give one phase at a time.",
    )


def _irregularity(pieces: list[Slice], steps: NDArray[np.float64]) -> str:
    """What is irregular about the steps between slices, '' when nothing is."""
    if not len(steps):
        return ""
    usual = float(np.median(steps))
    odd = np.flatnonzero(np.abs(steps - usual) > STEP_TOLERANCE * usual)
    ratios = steps[odd] / usual
    if len(odd) and np.all(np.abs(ratios - np.round(ratios)) < 0.1) and np.all(ratios > 1.5):
        gaps = "; ".join(
            f"{round(r) - 1} between {pieces[i].name} and {pieces[i + 1].name}"
            for i, r in zip(odd[:5], ratios[:5], strict=True)
        )
        more = f"; and {len(odd) - 5} more gaps" if len(odd) > 5 else ""
        return f"{int(np.round(ratios - 1).sum())} slice(s) are missing: {gaps}{more} (usual step {usual:.3f} mm)."
    if not len(odd):
        even = np.linspace(pieces[0].position_mm, pieces[-1].position_mm, len(pieces))
        off = np.abs([p.position_mm for p in pieces] - even)
        if off.max() <= 0.5 * usual:
            return ""
        odd = np.array([int(np.argmax(off)) - 1])
    first = pieces[odd[0]].name, pieces[odd[0] + 1].name
    return (
        f"The slices are unevenly spaced: steps of {steps.min():.3f} to {steps.max():.3f} mm, first between {first[0]} "
        f"and {first[1]} (usual step {usual:.3f} mm)."
    )


def _stack(
    pieces: list[Slice], quantity: Quantity, on_progress: Callable[[int, int], None] | None
) -> NDArray[np.int16] | NDArray[np.float32]:
    """Rescaled pixels, int16 where that loses nothing, else float32."""
    whole = all(p.slope == 1 and p.intercept == round(p.intercept) for p in pieces)
    array: NDArray[Any] = np.empty((len(pieces), *pieces[0].size), np.int32 if whole else np.float32)
    loaded: tuple[Any, NDArray[Any]] | None = None
    for index, piece in enumerate(pieces):
        # All frames of a multi-frame object decode at once.
        if loaded is None or loaded[0] is not piece.load or piece.frame == 0:
            loaded = (piece.load, headers.decode_pixels(piece.load(), piece.name))
        stored = loaded[1] if loaded[1].ndim == 2 else loaded[1][piece.frame]
        if stored.shape != piece.size:
            raise UnreadableFileError(
                f"The pixels of {piece.name} are {stored.shape}, not {piece.size}.", _EXPORT_AGAIN
            )
        array[index] = stored if whole else stored * piece.slope
        array[index] += array.dtype.type(piece.intercept)
        if on_progress:
            on_progress(index + 1, len(pieces))
    if quantity is Quantity.HU and whole:
        array = np.maximum(array, np.iinfo(np.int16).min)
    fits = whole and np.iinfo(np.int16).min <= array.min() and array.max() <= np.iinfo(np.int16).max
    return array.astype(np.int16) if fits else array.astype(np.float32, copy=False)


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
    malformed = sorted({keyword for p in pieces for keyword in p.malformed})
    if not malformed:
        return []
    return [
        f"Headers hold values that DICOM does not allow, in {', '.join(malformed)}: dates and numbers among them were "
        "blanked, text was kept."
    ]


def _names(pieces: list[Slice]) -> str:
    shown = ", ".join(p.name for p in pieces[:6])
    return f"{shown}, and {len(pieces) - 6} more" if len(pieces) > 6 else shown
