"""One image plane of a DICOM object: where it lies, how its values are scaled, how to load it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import UID

from hyoid.errors import MissingTagError, SeriesError
from hyoid.io.dicom import headers
from hyoid.io.dicom.headers import Instance

_IDENTITY = {
    "SOPClassUID": "(0008,0016)", "SOPInstanceUID": "(0008,0018)", "StudyInstanceUID": "(0020,000D)",
    "SeriesInstanceUID": "(0020,000E)",
}  # fmt: skip
# De-identification also makes letters of numbers; two values, or none, are no identifier.
_UID = re.compile(r"[0-9A-Za-z._-]{1,64}")


@dataclass(frozen=True, eq=False)
class Slice:
    """Image plane: a whole single-frame object or one frame of a multi-frame one.

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
    frames : int
        How many the object holds.
    rescale_type : str
        RescaleType (0028,1054): what the rescaled values are.
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
    frames: int = 1
    rescale_type: str = ""

    @property
    def position_mm(self) -> float:
        """Place along the slice normal."""
        return float(self.origin_lps_mm @ normal_of(self.orientation))

    @property
    def name(self) -> str:
        """Place and instance number of the slice, for messages."""
        number = "without number" if self.instance is None else str(self.instance)
        return f"slice at {self.position_mm:.2f} mm (instance {number})"


def normal_of(orientation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the unit normal of a plane, toward the head unless the plane stands upright (then toward back or left).

    Parameters
    ----------
    orientation : ndarray, shape (6,)
        ImageOrientationPatient (0020,0037): directions of a row and of a column, LPS.

    Examples
    --------
    >>> normal_of(np.array([1.0, 0, 0, 0, -1, 0])).tolist()
    [0.0, 0.0, 1.0]
    """
    normal = np.cross(orientation[:3], orientation[3:])
    deciding = 2 if abs(normal[2]) > 0.1 else int(np.argmax(np.abs(normal)))
    return normal * np.sign(normal[deciding]) / np.linalg.norm(normal) + 0.0


def slices_of(instance: Instance) -> list[Slice]:
    """Split one DICOM object into its planes.

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
    _require_identity(header, what)
    count = headers.integer(header, "NumberOfFrames") or 1
    groups = headers.items(header, "PerFrameFunctionalGroupsSequence")
    if not groups:
        if count > 1:
            raise SeriesError(
                f"Image {what} holds {count} frames and one position: where the others lie is not told.",
                "Export the series as one file per slice, or as an Enhanced (multi-frame) object.",
            )
        return [Slice(header, instance.load, 0, number, **_plane([header], what), malformed=malformed)]
    if len(groups) != count:
        raise SeriesError(
            f"Image {what} holds {count} frames and describes {len(groups)}.", "Export the series again, complete."
        )
    shared = headers.items(header, "SharedFunctionalGroupsSequence") or [Dataset()]
    frames = []
    for index, group in enumerate(groups):
        macros = [item for holder in (group, shared[0]) for item in _macros(holder)]
        plane = _plane([*macros, header], f"frame {index + 1}")
        frames.append(Slice(header, instance.load, index, index + 1, **plane, malformed=malformed, frames=count))
    return frames


_OF_NO_PATIENT = ("DICOS", "Eddy Current")


def _require_identity(header: Dataset, what: str) -> None:
    """Refuse an image that nothing can refer to."""
    with headers.quiet_pydicom():
        uid = UID(headers.text(header, "SOPClassUID"))
        # Retired classes, and those of baggage and of materials, belong to no object that results refer to.
        of_patient = "Image Storage" in uid.name and not uid.is_retired and not uid.name.startswith(_OF_NO_PATIENT)
    if not of_patient:
        raise SeriesError(
            f"The SOP Class UID (0008,0016) of {what} is not that of an image.", "Choose the original series."
        )
    for keyword, tag in _IDENTITY.items():
        if not _UID.fullmatch(headers.text(header, keyword)):
            raise MissingTagError(
                f"{keyword} {tag} is absent or malformed in {what}: results could not refer to the image.",
                "Export the series again with complete headers.",
            )


def _macros(group: Dataset) -> list[Dataset]:
    """Items of the functional groups that place and scale a frame."""
    names = (
        "PlanePositionSequence",
        "PlaneOrientationSequence",
        "PixelMeasuresSequence",
        "PixelValueTransformationSequence",
    )
    return [found[0] for name in names if (found := headers.items(group, name))]


def _plane(holders: list[Dataset], what: str) -> dict[str, Any]:
    """Fields of a slice that place and scale it, each from the first dataset that has its keyword."""

    def find(keyword: str) -> Dataset:
        return next((h for h in holders if keyword in h), holders[-1])

    def required(keyword: str, count: int) -> NDArray[np.float64]:
        return headers.required_numbers(find(keyword), keyword, count, what)

    spacing = required("PixelSpacing", 2)
    if spacing.min() <= 0:
        raise MissingTagError(f"PixelSpacing (0028,0030) of {what} is not positive.", "Export the series again.")
    rows, columns = (int(required(keyword, 1)[0]) for keyword in ("Rows", "Columns"))
    if "ModalityLUTSequence" in holders[-1]:
        raise SeriesError(
            f"The values of {what} are looked up in a table (ModalityLUTSequence (0028,3000)), not rescaled.",
            "Choose the original series.",
        )
    needed = headers.text(holders[-1], "Modality") != "MR"
    scale = []
    for keyword, default in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0)):
        found = headers.numbers(find(keyword), keyword, 1)
        if found is None and (needed or keyword in find(keyword)):
            found = required(keyword, 1)
        scale.append(default if found is None else float(found[0]))
    if scale[0] == 0:
        raise MissingTagError(f"RescaleSlope (0028,1053) of {what} is 0.", "Export the series again.")
    return {
        "origin_lps_mm": required("ImagePositionPatient", 3),
        "orientation": _orthonormal(required("ImageOrientationPatient", 6), what),
        "spacing_mm": spacing,
        "size": (rows, columns),
        "slope": scale[0],
        "intercept": scale[1],
        "rescale_type": headers.text(find("RescaleType"), "RescaleType").upper(),
    }


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
