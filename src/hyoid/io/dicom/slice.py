"""One image plane of a DICOM object: where it lies, how its values are scaled, how to load it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from hyoid.errors import MissingTagError, SeriesError
from hyoid.io.dicom import headers
from hyoid.io.dicom.headers import Instance


@dataclass(frozen=True, eq=False)
class Slice:
    """One plane, a whole single-frame object or one frame of a multi-frame one.

    Parameters
    ----------
    header : Dataset
        Without pixels; shared by the frames of one object.
    load : callable
        Returns the dataset with pixels.
    frame : int
        Index into a multi-frame object, 0 otherwise.
    instance : int or None
        InstanceNumber (0020,0013), or the frame number; for messages only.
    origin_lps_mm : ndarray, shape (3,)
        ImagePositionPatient (0020,0032): centre of the first pixel.
    orientation : ndarray, shape (6,)
        ImageOrientationPatient (0020,0037), unit vectors.
    spacing_mm : ndarray, shape (2,)
        PixelSpacing (0028,0030): between rows, between columns.
    size : tuple of int
        (rows, columns)
    slope, intercept : float
        Value = stored * slope + intercept.
    malformed : tuple of str
        Keywords whose values break DICOM's rules.
    """

    header: Dataset
    load: Callable[[], Dataset]
    frame: int
    instance: int | None
    origin_lps_mm: NDArray[np.float64]
    orientation: NDArray[np.float64]
    spacing_mm: NDArray[np.float64]
    size: tuple[int, int]
    slope: float
    intercept: float
    malformed: tuple[str, ...] = ()

    @property
    def position_mm(self) -> float:
        """Place along the slice normal."""
        return float(self.origin_lps_mm @ normal_of(self.orientation))

    @property
    def name(self) -> str:
        """How messages name it."""
        number = "without number" if self.instance is None else str(self.instance)
        return f"slice at {self.position_mm:.2f} mm (instance {number})"


def normal_of(orientation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit normal of a plane, toward the head unless the plane stands upright (then toward back or left).

    Parameters
    ----------
    orientation : ndarray, shape (6,)

    Examples
    --------
    >>> normal_of(np.array([1.0, 0, 0, 0, -1, 0])).tolist()
    [0.0, 0.0, 1.0]
    """
    normal = np.cross(orientation[:3], orientation[3:])
    deciding = 2 if abs(normal[2]) > 0.1 else int(np.argmax(np.abs(normal)))
    return normal * np.sign(normal[deciding]) / np.linalg.norm(normal) + 0.0


def slices_of(instance: Instance) -> list[Slice]:
    """Planes of one DICOM object.

    Raises
    ------
    MissingTagError
        When position, orientation, spacing, size or (for CT and PET) rescaling is absent.
    SeriesError
        When the image is in colour.
    """
    header = instance.header
    malformed = headers.set_aside_malformed(header)
    number = headers.integer(header, "InstanceNumber")
    what = f"instance {'without number' if number is None else number}"
    if (headers.integer(header, "SamplesPerPixel") or 1) != 1:
        raise SeriesError(f"Image {what} is in colour (a screenshot or an overlay).", "Choose the original series.")
    rows, columns = (int(headers.required_numbers(header, k, 1, what)[0]) for k in ("Rows", "Columns"))
    if "PerFrameFunctionalGroupsSequence" not in header:
        plane = _plane([header], what)
        return [Slice(header, instance.load, 0, number, *plane[:3], (rows, columns), *plane[3:], malformed)]
    shared = header.get("SharedFunctionalGroupsSequence") or [Dataset()]
    frames = []
    for index, group in enumerate(header.PerFrameFunctionalGroupsSequence):
        macros = [item for holder in (group, shared[0]) for item in _macros(holder)]
        plane = _plane([*macros, header], f"frame {index + 1}")
        frames.append(
            Slice(header, instance.load, index, index + 1, *plane[:3], (rows, columns), *plane[3:], malformed)
        )
    return frames


def _macros(group: Dataset) -> list[Dataset]:
    """Items of the functional groups that place and scale a frame."""
    names = (
        "PlanePositionSequence",
        "PlaneOrientationSequence",
        "PixelMeasuresSequence",
        "PixelValueTransformationSequence",
    )
    return [group[name].value[0] for name in names if name in group and len(group[name].value)]


def _plane(holders: list[Dataset], what: str) -> tuple[Any, Any, Any, float, float]:
    """Origin, orientation, spacing, slope and intercept from the first dataset that has each."""

    def find(keyword: str) -> Dataset:
        return next((h for h in holders if keyword in h), holders[-1])

    def required(keyword: str, count: int) -> NDArray[np.float64]:
        return headers.required_numbers(find(keyword), keyword, count, what)

    origin = required("ImagePositionPatient", 3)
    orientation = _orthonormal(required("ImageOrientationPatient", 6), what)
    spacing = required("PixelSpacing", 2)
    if spacing.min() <= 0:
        raise MissingTagError(f"PixelSpacing (0028,0030) of {what} is not positive.", "Export the series again.")
    needed = headers.text(holders[-1], "Modality") != "MR"
    scale = []
    for keyword, default in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0)):
        found = headers.numbers(find(keyword), keyword, 1)
        if found is None and needed:
            found = required(keyword, 1)
        scale.append(default if found is None else float(found[0]))
    return origin, orientation, spacing, scale[0], scale[1]


def _orthonormal(orientation: NDArray[np.float64], what: str) -> NDArray[np.float64]:
    """Exactly perpendicular unit vectors from rounded ones.

    Raises
    ------
    MissingTagError
        When they are not nearly so.
    """
    across, down = orientation[:3], orientation[3:]
    lengths = np.linalg.norm(across), np.linalg.norm(down)
    if min(lengths) < 0.99 or max(lengths) > 1.01 or abs(across @ down) > 0.01:
        raise MissingTagError(
            f"ImageOrientationPatient (0020,0037) of {what} is not two perpendicular unit vectors.",
            "Export the series again with complete headers.",
        )
    across = across / lengths[0]
    down = down - (down @ across) * across
    return np.concatenate([across, down / np.linalg.norm(down)])
