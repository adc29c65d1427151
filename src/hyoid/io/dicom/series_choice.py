"""Which series of a study to use, and how to say why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hyoid.errors import SeriesError, UsageError
from hyoid.io.dicom import acquisition, headers
from hyoid.io.dicom.headers import Instance
from hyoid.io.dicom.slice import normal_of

_SECONDARY = {"DERIVED", "SECONDARY", "MIP", "MINIP", "MPR", "AVERAGE", "PROJECTION IMAGE", "REFORMATTED"}
_PHASE = {"P", "PHASE", "PHASE MAP", "VELOCITY"}  # MR that shows the phase of the signal
_PROJECTED = {"MIP", "MINIP", "MIN IP", "PROJECTION IMAGE", "VOLUME RENDERED"}
_COVERING = 0.5  # share of the longest series' length that a series must reach to stand for the patient
_CLEARLY_MORE = 1.1  # times as many slices
_PLANES = {0: "sagittal", 1: "coronal", 2: "axial"}


@dataclass(frozen=True)
class SeriesInfo:
    """Description of a series; its words (`str`) do not identify the patient.

    Parameters
    ----------
    index : int
        Place in the list of series from 1, in the order of series number.
    modality : str
        (0008,0060)
    slices : int
        Images, or frames of a multi-frame object.
    description : str
        SeriesDescription (0008,103E): free text that may name the patient, never shown.
    number : int or None
        SeriesNumber (0020,0011).
    uid : str
        SeriesInstanceUID (0020,000E); for references between DICOM objects, never shown.
    plane : {"axial", "coronal", "sagittal", ""}
        Empty where the images have no orientation.
    original : bool
        Whether the images are neither derived, projected nor reformatted nor phases of MR, by ImageType (0008,0008).
    localizer : bool
        Whether the series is a scout view, by ImageType (0008,0008).
    projected : bool
        Whether a pixel is the highest or lowest of many (MIP, MinIP), or a drawing, by ImageType (0008,0008).
    length_mm : float
        From the first to the last slice, mm; 0 where positions are absent, or for a multi-frame object.
    sharp : bool
        Whether a CT was reconstructed for bone or lung, by its kernel (0018,1210).
    enhanced : bool
        Whether a contrast agent was given, by its tags (0018,0010) and (0018,1040).
    t2 : bool
        Whether an MR is weighted for T2, by its echo time (0018,0081).
    why : str
        Why it was chosen; empty for the others.
    others : tuple of str
        What else the study holds; filled for the chosen series.
    """

    index: int
    modality: str
    slices: int
    description: str
    number: int | None
    uid: str
    plane: str
    original: bool
    localizer: bool
    projected: bool = False
    length_mm: float = 0.0
    sharp: bool = False
    enhanced: bool = False
    t2: bool = False
    why: str = ""
    others: tuple[str, ...] = ()

    def __str__(self) -> str:
        kind = ", localizer" if self.localizer else ", projection" if self.projected else ""
        kind = kind or ("" if self.original else ", derived")
        kind += ", sharp kernel" * self.sharp + ", contrast agent" * self.enhanced + ", T2-weighted" * self.t2
        name = f"#{self.index}" if self.number is None else str(self.number)
        where = f", {self.plane}" if self.plane else ""
        return f"series {name}: {self.modality or 'no modality'}, {self.slices} slices{where}{kind}"


def group_by_series(instances: Sequence[Instance]) -> list[tuple[SeriesInfo, list[Instance]]]:
    """Sort instances into series and describe each, in the order of series number."""
    groups: dict[str, list[Instance]] = {}
    for instance in instances:
        groups.setdefault(headers.text(instance.header, "SeriesInstanceUID"), []).append(instance)

    def order(item: tuple[str, list[Instance]]) -> tuple[int, str]:
        number = headers.integer(item[1][0].header, "SeriesNumber")
        return (10**9 if number is None else number, item[0])

    ordered = sorted(groups.items(), key=order)
    return [(_describe(i + 1, uid, members), members) for i, (uid, members) in enumerate(ordered)]


def choose(
    groups: Sequence[tuple[SeriesInfo, list[Instance]]], modality: str, wanted: str | None = None
) -> tuple[SeriesInfo, list[Instance]]:
    """Pick a series: the one asked for, else the one that reasons speak for; without a clear reason ask.

    The reasons, in this order: axial, original, as long as half the longest or longer, a soft kernel and a contrast
    agent (CT), T2 weighting (MR), at least a tenth more slices than any other.

    Parameters
    ----------
    groups : from `group_by_series`
        Series of the study, each with its instances.
    modality : {"CT", "MR", "PT"}
        Modality (0008,0060) to pick among, where no series is asked for.
    wanted : str, optional
        SeriesInstanceUID, series number, or (part of) the description.

    Raises
    ------
    SeriesError
        When no series has the modality, all that have are projections (MIP and the like), or no reason tells which
        of several is meant.
    UsageError
        When `wanted` fits no series, or more than one.
    """
    listing = "; ".join(str(info) for info, _ in groups)
    if wanted is not None:
        fits = asked_for(groups, wanted)
        if len(fits) != 1:
            raise UsageError(
                f"{len(fits) or 'No'} series fit the one that was asked for. The study holds {listing}.",
                "Give a series number, a SeriesInstanceUID, or a description that fits one of them.",
            )
        return _with_reason(fits[0], groups, "asked for")
    candidates = [g for g in groups if g[0].modality == modality and not g[0].localizer]
    if not candidates:
        raise SeriesError(
            f"The study holds no {modality} series to read. It holds {listing}.",
            f"Give a study with a {modality} series.",
        )
    placed = [g for g in candidates if g[0].plane] or candidates
    sliced = [g for g in placed if not g[0].projected]
    if not sliced:
        raise SeriesError(
            f"The {modality} series are projections (MIP and the like), not slices of the patient: {listing}.",
            "Give the series that they were made from.",
        )
    best, reasons = _best(sliced)
    info = best[0]
    if len(candidates) == 1:
        return _with_reason(best, groups, f"the only {modality} series")
    kind = " ".join(filter(None, [info.plane, "original" if info.original else "derived"]))
    with_words = f" with {' and '.join(reasons)}" if reasons else ""
    return _with_reason(best, groups, f"of {len(candidates)} {modality} series the {kind} one{with_words}")


def _best(
    candidates: Sequence[tuple[SeriesInfo, list[Instance]]],
) -> tuple[tuple[SeriesInfo, list[Instance]], list[str]]:
    """The series that the reasons speak for, and those of the reasons that told it from others of its kind."""
    rank = max((info.plane == "axial", info.original) for info, _ in candidates)
    left = [g for g in candidates if (g[0].plane == "axial", g[0].original) == rank]
    longest = max(info.length_mm for info, _ in left)
    reasons = []
    for words, holds in (
        ("enough length", lambda info: not info.length_mm or info.length_mm >= _COVERING * longest),
        ("a soft kernel", lambda info: not info.sharp),
        ("contrast agent", lambda info: info.enhanced),
        ("T2 weighting", lambda info: info.t2),
    ):
        those = [g for g in left if holds(g[0])]
        if those and len(those) < len(left):
            left = those
            reasons.append(words)
    left = sorted(left, key=lambda g: g[0].slices, reverse=True)
    if len(left) > 1:
        if left[0][0].slices < _CLEARLY_MORE * left[1][0].slices:
            same = [g[0] for g in left if left[0][0].slices < _CLEARLY_MORE * g[0].slices]
            raise SeriesError(
                f"Nothing tells which of {len(same)} {same[0].modality} series is meant: "
                f"{'; '.join(map(str, sorted(same, key=lambda info: info.index)))}.",
                "Choose one with --series and its number (--pet-series for a PET, --series-pre and --series-mid for MR "
                "before and during treatment).",
            )
        reasons.append("most slices")
    return left[0], reasons


def asked_for(
    groups: Sequence[tuple[SeriesInfo, list[Instance]]], wanted: str
) -> list[tuple[SeriesInfo, list[Instance]]]:
    """Find the series that fit, by UID, else by number, else by whole description, else by part of it.

    Parameters
    ----------
    groups : from `group_by_series`
        Series of the study, each with its instances.
    wanted : str
        SeriesInstanceUID, series number, `#` with the place in the list, or (part of) the description.
    """
    tests = (
        lambda info: info.uid == wanted,
        lambda info: str(info.number) == wanted or f"#{info.index}" == wanted,
        lambda info: info.description.casefold() == wanted.casefold(),
        lambda info: wanted.casefold() in info.description.casefold(),
    )
    for test in tests:
        fits = [g for g in groups if test(g[0])]
        if fits:
            return fits
    return []


def _with_reason(
    chosen: tuple[SeriesInfo, list[Instance]], groups: Sequence[tuple[SeriesInfo, list[Instance]]], why: str
) -> tuple[SeriesInfo, list[Instance]]:
    others = tuple(str(info) for info, _ in groups if info is not chosen[0])
    fields = {**chosen[0].__dict__, "why": why, "others": others}
    return SeriesInfo(**fields), chosen[1]


def _describe(index: int, uid: str, members: list[Instance]) -> SeriesInfo:
    first = members[len(members) // 2].header
    kinds, modality = set(headers.words(first, "ImageType")), headers.text(first, "Modality")
    frames = sum(headers.integer(m.header, "NumberOfFrames") or 1 for m in members)
    return SeriesInfo(
        index=index,
        modality=modality,
        slices=frames,
        description=headers.text(first, "SeriesDescription"),
        number=headers.integer(first, "SeriesNumber"),
        uid=uid,
        plane=_plane(members),
        original=not kinds & _SECONDARY and not (modality == "MR" and kinds & _PHASE),
        projected=bool(kinds & _PROJECTED),
        length_mm=_length_mm(members),
        sharp=acquisition.is_sharp(first),
        enhanced=modality == "CT" and acquisition.contrast_agent(first) is not None,
        t2=modality == "MR" and acquisition.is_t2_weighted(first),
        localizer=all("LOCALIZER" in headers.words(m.header, "ImageType") for m in members),
    )


def _length_mm(members: list[Instance]) -> float:
    """From the first to the last image along the normal of the images, mm; 0 where places are absent."""
    orientation = headers.numbers(members[0].header, "ImageOrientationPatient", 6)
    places = [headers.numbers(m.header, "ImagePositionPatient", 3) for m in members]
    known = [place for place in places if place is not None]
    if orientation is None or not known or not np.any(np.cross(orientation[:3], orientation[3:])):
        return 0.0
    return float(np.ptp(np.array(known) @ normal_of(orientation)))


def _plane(members: list[Instance]) -> str:
    header = members[len(members) // 2].header
    holders = [header]
    for name in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        if header.get(name):
            holders += [s[0] for s in [header[name].value[0].get("PlaneOrientationSequence")] if s]
    orientation = next(
        (o for h in holders if (o := headers.numbers(h, "ImageOrientationPatient", 6)) is not None), None
    )
    if orientation is None or not np.any(np.cross(orientation[:3], orientation[3:])):
        return ""
    return _PLANES[int(np.argmax(np.abs(normal_of(orientation))))]
