"""Whether images belong to one scan: refusals of what one series must not mix, and copies that are one image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyoid.errors import SeriesError
from hyoid.io.dicom import headers
from hyoid.io.dicom.headers import Instance
from hyoid.io.dicom.pixels import stored_pixels
from hyoid.io.dicom.slice import Slice

# Two passes over the patient are at least this far apart; slices of one are not, unless it walks along the patient.
_PAUSE_S = 10.0
_ONE_THICKNESS = 1.1
_PLACED_AND_SCALED = (
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope", "RescaleIntercept",
    "PixelPaddingValue", "NumberOfFrames",
)  # fmt: skip


def without_copies(instances: Sequence[Instance]) -> tuple[list[Instance], tuple[str, ...]]:
    """Keep each image once, and note where the same one was stored several times.

    Parameters
    ----------
    instances : sequence of Instance
        Images of one series, in any order.

    Raises
    ------
    SeriesError
        When different images have one SOPInstanceUID (0008,0018): results could not say which they mean.
    """
    by_uid: dict[str, list[Instance]] = {}
    for instance in instances:
        by_uid.setdefault(headers.text(instance.header, "SOPInstanceUID"), []).append(instance)
    kept, dropped = [], 0
    for uid, members in by_uid.items():
        if uid and len(members) > 1:
            different = sum(not _same_image(members[0], other) for other in members[1:])
            if different:
                raise SeriesError(
                    f"{different + 1} different images have one SOPInstanceUID (0008,0018).",
                    "Export the series again; a tool has given several images one identifier.",
                )
            dropped += len(members) - 1
        kept += members[:1] if uid else members
    notes = (f"{dropped} image(s) were stored more than once, and read once.",) if dropped else ()
    return kept, notes


def _same_image(first: Instance, second: Instance) -> bool:
    if any(headers.text(first.header, k) != headers.text(second.header, k) for k in _PLACED_AND_SCALED):
        return False
    one, other = (stored_pixels(i.load(), "an image that is stored twice").values for i in (first, second))
    return np.array_equal(one, other)


def refuse_several_series(instances: Sequence[Instance]) -> None:
    """Refuse what shows before the slices' own geometry is read: several series or studies, localizers.

    Raises
    ------
    SeriesError
        When the images are not those of one series.
    """
    for keyword, what in (("SeriesInstanceUID", "series"), ("StudyInstanceUID", "studies")):
        found = Counter(headers.text(i.header, keyword) for i in instances)
        if len(found) > 1:
            raise SeriesError(f"The images belong to {len(found)} {what}.", "Give one series at a time.")
    scouts = [i for i in instances if "LOCALIZER" in headers.words(i.header, "ImageType")]
    if scouts and len(scouts) < len(instances):
        names = ", ".join(f"instance {headers.integer(i.header, 'InstanceNumber')}" for i in scouts[:5])
        raise SeriesError(f"{len(scouts)} localizer image(s) lie in the series ({names}).", "Remove the localizer.")
    if scouts:
        raise SeriesError("The series is a localizer (scout).", "Choose the axial series.")


def refuse_mixed(pieces: Sequence[Slice]) -> None:
    """Refuse differing frames, orientations, spacings, sizes or contrasts, naming the slices in the minority.

    Raises
    ------
    SeriesError
        When slices differ in what one scan has one of.
    """

    def stated(keyword: str) -> Callable[[Slice], Any]:
        return lambda piece: headers.text(piece.header, keyword)

    def measured(keyword: str) -> Callable[[Slice], Any]:
        """Number of a slice, however it is written; below zero where there is none."""
        return lambda piece: -1.0 if (n := headers.numbers(piece.header, keyword, 1)) is None else float(n[0])

    checks: tuple[tuple[str, Callable[[Slice], Any], float], ...] = (
        ("modality", stated("Modality"), 0.0),
        ("frame of reference", stated("FrameOfReferenceUID"), 0.0),
        ("orientation", lambda p: p.orientation, 1e-3),
        ("pixel spacing", lambda p: p.spacing_mm, 1e-4),
        ("size in pixels", lambda p: p.size, 0.0),
        ("type of values", lambda p: p.rescale_type, 0.0),
        ("echo time", measured("EchoTime"), 1e-6),
        ("tube voltage", measured("KVP"), 1e-6),
        ("reconstruction kernel", stated("ConvolutionKernel"), 0.0),
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
                f"The slices differ in {what}: {len(odd)} of {len(pieces)} are unlike the others ({names_of(odd)}).",
                "Give one series without the others.",
            )


def refuse_duplicates(pieces: Sequence[Slice], steps_mm: NDArray[np.float64]) -> None:
    """Refuse positions that hold several slices.

    Parameters
    ----------
    pieces : sequence of Slice, by position
        Slices of one series, ascending along the normal.
    steps_mm : ndarray
        Differences of the slices' positions along the normal, one fewer than slices, mm.

    Raises
    ------
    SeriesError
        Naming the slices.
    """
    # Two slices are one position when they are closer than a fifth of the usual step, however thin that is.
    distinct = steps_mm[steps_mm > 1e-3]
    same = steps_mm <= max(1e-3, 0.2 * float(np.median(distinct)) if len(distinct) else 0.0)
    if not same.any():
        return
    doubled = [p for i, p in enumerate(pieces) if (i > 0 and same[i - 1]) or (i < len(same) and same[i])]
    raise SeriesError(
        f"{int(same.sum())} position(s) hold more than one slice ({names_of(doubled)}). They may be two phases, echoes "
        "or reconstructions stored as one series.",
        "Remove the duplicates, or give one phase at a time.",
    )


def refuse_interleaved(pieces: Sequence[Slice]) -> None:
    """Refuse two passes over the patient whose slices take turns: phases, reconstructions, or a patient who moved.

    One pass numbers and times its slices in the order of their positions, and all of them are equally thick. MR is left
    alone: one pass takes every other slice first.

    Parameters
    ----------
    pieces : sequence of Slice, by position
        Slices of one series, ascending along the normal.

    Raises
    ------
    SeriesError
        When acquisition numbers, times, phases or thicknesses take turns along the patient.
    """
    if headers.text(pieces[0].header, "Modality") == "MR" or pieces[0].frames > 1:
        return
    told: dict[str, list[int | None]] = {
        "AcquisitionNumber (0020,0012)": [headers.integer(p.header, "AcquisitionNumber") for p in pieces],
        "AcquisitionTime (0008,0032)": _passes([_seconds(p) for p in pieces]),
        "TemporalPositionIdentifier (0020,0100)": [
            headers.integer(p.header, "TemporalPositionIdentifier") for p in pieces
        ],
        "SliceThickness (0018,0050)": _thicknesses(pieces),
    }
    for what, found in told.items():
        changes = sum(a != b for a, b in pairwise(found))
        several = len(set(found))
        if None not in found and 1 < several <= changes:
            raise SeriesError(
                f"The slices of {several} acquisitions take turns along the patient, by {what}: two phases or "
                "reconstructions, or a patient who moved between.",
                "Give one acquisition at a time.",
            )


def names_of(pieces: Sequence[Slice]) -> str:
    """Name slices as messages do, the first six."""
    shown = ", ".join(p.name for p in pieces[:6])
    return f"{shown}, and {len(pieces) - 6} more" if len(pieces) > 6 else shown


def _passes(times_s: Sequence[float | None]) -> list[int | None]:
    """Number of the pass of each slice: a pause begins another."""
    known = sorted({t for t in times_s if t is not None})
    pauses = [b for a, b in pairwise(known) if b - a > _PAUSE_S]
    return [None if t is None else int(np.searchsorted(pauses, t, side="right")) for t in times_s]


def _thicknesses(pieces: Sequence[Slice]) -> list[int | None]:
    """Number of the thickness of each slice; thicknesses within a tenth are one."""
    stated = [headers.numbers(p.header, "SliceThickness", 1) for p in pieces]
    known = sorted({float(s[0]) for s in stated if s is not None and s[0] > 0})
    limits = [larger for smaller, larger in pairwise(known) if larger > _ONE_THICKNESS * smaller]
    return [None if s is None else int(np.searchsorted(limits, float(s[0]), side="right")) for s in stated]


def _seconds(piece: Slice) -> float | None:
    """AcquisitionDateTime's or AcquisitionTime's time of day."""
    stated = headers.text(piece.header, "AcquisitionDateTime")[8:14] or headers.text(piece.header, "AcquisitionTime")
    digits = stated[:6]
    if len(digits) < 6 or not digits.isdigit():
        return None
    return int(digits[:2]) * 3600.0 + int(digits[2:4]) * 60.0 + int(digits[4:6])


def _alike(first: Any, second: Any, tolerance: float) -> bool:
    return bool(np.allclose(first, second, rtol=0, atol=tolerance)) if tolerance else first == second
