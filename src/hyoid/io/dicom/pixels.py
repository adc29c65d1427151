"""Stored values of an image as its header describes their bits, and which of them are padding.

A container of BitsAllocated holds a value of BitsStored below HighBit; what the other bits hold is nobody's business by
the standard, and differs between scanners: zeros, the sign, overlays, or padding that does not fit the value. Programs
cut these bits off and make HU of the rest. Here every bit must be accounted for, or the image is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import RLELossless

from hyoid.errors import MissingTagError, UnreadableFileError
from hyoid.io.dicom import headers

_CURE = "Export the series again from the scanner or archive, uncompressed."
_REQUIRED = ("BitsAllocated", "BitsStored", "PixelRepresentation", "SamplesPerPixel", "PhotometricInterpretation")
_TAGS = {
    "BitsAllocated": "(0028,0100)",
    "BitsStored": "(0028,0101)",
    "PixelRepresentation": "(0028,0103)",
    "SamplesPerPixel": "(0028,0002)",
    "PhotometricInterpretation": "(0028,0004)",
}
_FLOATING = ("FloatPixelData", "DoubleFloatPixelData")


@dataclass(frozen=True, eq=False)
class StoredPixels:
    """Pixels of one object before rescaling.

    Parameters
    ----------
    values : ndarray, shape (F, rows, columns)
        Frames; integers, or floating point where the object stores that.
    padding : ndarray, bool, shape of `values`, or None
        Where PixelPaddingValue (0028,0120), or the range to (0028,0121), says that nothing was measured.
    sign_restored : bool
        Whether negative values were stored without their sign in the unused bits.
    """

    values: NDArray[Any]
    padding: NDArray[np.bool_] | None
    sign_restored: bool = False


def stored_pixels(dataset: Dataset, what: str) -> StoredPixels:
    """Decode the pixels of an object and account for every stored bit.

    Parameters
    ----------
    dataset : Dataset
        DICOM object with pixels, one value per pixel.
    what : str
        How a message names the image.

    Raises
    ------
    MissingTagError
        When a tag that describes the bits is absent.
    UnreadableFileError
        When pixels do not decode, or hold bits that the header does not explain.
    """
    if any(keyword in dataset for keyword in _FLOATING):
        values = headers.decode_pixels(dataset, what)
        if not np.all(np.isfinite(values)):
            raise UnreadableFileError(f"The pixels of {what} hold values that are no numbers.", _CURE)
        return StoredPixels(_framed(values), None)
    for keyword in _REQUIRED:
        if not headers.text(dataset, keyword):
            raise MissingTagError(f"{keyword} {_TAGS[keyword]} is absent in {what}.", _CURE)
    if headers.text(dataset, "PhotometricInterpretation") not in ("MONOCHROME1", "MONOCHROME2"):
        raise UnreadableFileError(
            f"The pixels of {what} are {headers.text(dataset, 'PhotometricInterpretation')[:16]}, not grey values.",
            "Choose the original series.",
        )
    allocated, stored = (headers.integer(dataset, k) or 0 for k in ("BitsAllocated", "BitsStored"))
    high = headers.integer(dataset, "HighBit")
    high = stored - 1 if high is None else high
    if allocated not in (8, 16, 32) or not 1 <= stored <= high + 1 <= allocated:
        raise UnreadableFileError(
            f"The header of {what} contradicts itself: BitsAllocated {allocated}, BitsStored {stored}, HighBit {high}.",
            _CURE,
        )
    signed = headers.integer(dataset, "PixelRepresentation") == 1
    if stored == allocated or not _has_spare_bits(dataset):
        values = _framed(headers.decode_pixels(dataset, what))
        return StoredPixels(values, _padding(dataset, values, allocated, signed=signed))
    with _whole_containers(dataset, allocated):
        containers = _framed(headers.decode_pixels(dataset, what))
    return _accounted(dataset, containers, (allocated, stored, high), what, signed=signed)


def _framed(values: NDArray[Any]) -> NDArray[Any]:
    return values[None] if values.ndim == 2 else values


def _has_spare_bits(dataset: Dataset) -> bool:
    """Whether pixels come as containers; JPEG and its kin code the values alone."""
    syntax = dataset.file_meta.TransferSyntaxUID
    return not syntax.is_encapsulated or syntax == RLELossless


@contextmanager
def _whole_containers(dataset: Dataset, allocated: int) -> Iterator[None]:
    """Let pydicom give all bits of the containers, unsigned: on its own it drops the unused ones."""
    kept = {k: dataset[k].value for k in ("BitsStored", "HighBit", "PixelRepresentation") if k in dataset}
    try:
        with headers.quiet_pydicom():
            dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = allocated, allocated - 1, 0
        yield
    finally:
        with headers.quiet_pydicom():
            for keyword, value in kept.items():
                setattr(dataset, keyword, value)


def _accounted(
    dataset: Dataset, containers: NDArray[Any], bits: tuple[int, int, int], what: str, *, signed: bool
) -> StoredPixels:
    """Values of containers of which every bit is explained."""
    allocated, stored, high = bits
    below = high + 1 - stored
    if below:
        if np.any(containers & ((1 << below) - 1)):
            raise UnreadableFileError(
                f"The header of {what} contradicts its pixels: HighBit (0028,0102) is {high} and BitsStored "
                f"(0028,0101) {stored}, but the bits below are in use.",
                _CURE,
            )
        containers = containers >> below
    spare = allocated - high - 1
    values: NDArray[Any] = containers.astype(np.int64 if allocated == 32 else np.int32)
    full, half = 1 << stored, 1 << (stored - 1)
    above = containers >> stored
    extended, padding = False, None
    if not above.any():
        extended = signed and bool((values >= half).any())
        values = np.where(values >= half, values - full, values) if extended else values
    elif signed and np.array_equal(above, np.where(values & half, (1 << spare) - 1, 0)):
        values = np.where(values & half, values - (1 << (allocated - below)), values)
    else:
        padding = _padding(dataset, containers, allocated, signed=False)
        strange = above > 0 if padding is None else (above > 0) & ~padding
        if _overlays(dataset, stored, high, allocated):
            values = values & (full - 1)
            values = np.where(values >= half, values - full, values) if signed else values
        elif strange.any():
            raise UnreadableFileError(
                f"The header of {what} contradicts its pixels: {int(strange.sum())} of them need more than the "
                f"{stored} bits of BitsStored (0028,0101).",
                _CURE,
            )
    if padding is None:
        padding = _padding(dataset, values, allocated, signed=signed)
    return StoredPixels(values, padding, extended)


def _overlays(dataset: Dataset, stored: int, high: int, allocated: int) -> bool:
    """Whether overlays (60xx,0102) of the old kind lie in the bits above the value."""
    places = [headers.integer_at(dataset, (group, 0x0102)) for group in range(0x6000, 0x6020, 2)]
    spare = set(range(high + 1, allocated))
    return stored < allocated and any(place in spare for place in places)


def _padding(dataset: Dataset, values: NDArray[Any], allocated: int, *, signed: bool) -> NDArray[np.bool_] | None:
    """Where values lie in the range of PixelPaddingValue and PixelPaddingRangeLimit; None where nothing does."""
    limits = [headers.integer(dataset, k) for k in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    if limits[0] is None:
        return None
    # Writers mix up signs: -2000 is often written as 63536, which are the same bits.
    found = []
    for limit in limits:
        if limit is not None:
            bits = limit & ((1 << allocated) - 1)
            found.append(bits - (1 << allocated) if signed and bits >> (allocated - 1) else bits)
    mask: NDArray[np.bool_] = (values >= min(found)) & (values <= max(found))
    return mask if mask.any() else None
