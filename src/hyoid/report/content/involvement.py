"""Involvement of a structure: measured where a tumour is outlined, else a classifier's word, else `Missing`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from scipy import ndimage

from hyoid.anatomy.involvement import FIELDS_OF_NODES
from hyoid.anatomy.structures import BY_NAME, ORGANS, Side, Structure
from hyoid.anatomy.subsites import FIELD_BY_KEY, SUBSITE_BY_NAME, SUBSITES
from hyoid.report.content.patches import Patch, grown, joined, region, shared_part, sides_of
from hyoid.report.content.scene import Involvement, Scene
from hyoid.report.content.schema import Evidence, Line, Region, Status
from hyoid.report.content.template import BY_KEY, FIELDS, OUTSIDE, Field, Kind

# How a classifier's answer begins.
_YES, _DOUBT, _NO = "Predicted", "Equivocal", "Not predicted"
_MEASURABLE = (Kind.INVOLVEMENT, Kind.SIDED_INVOLVEMENT)
_VESSELS = ("carotid_left", "carotid_right", "jugular_left", "jugular_right")
_DOUBTFUL_SHARE = 0.01  # an overlap below one hundredth of the structure is within the spread of two observers

ORGANS_OF_FIELD: dict[str, tuple[str, ...]] = {
    row.key: FIELD_BY_KEY[row.key].organs for row in FIELDS if row.kind in _MEASURABLE
}
FIELD_OF_ORGAN = {organ: key for key, organs in ORGANS_OF_FIELD.items() for organ in organs}


class Grade(IntEnum):
    """How a tumour outline meets a structure."""

    APART = 0
    CONTACT = 1
    OVERLAP = 2


@dataclass(frozen=True, eq=False)
class Meeting:
    """One structure and one tumour outline."""

    name: str
    structure: Patch
    side: Side
    cause: str
    grade: Grade
    overlap_ml: float
    share: float
    where: Patch
    encased_degrees: int | None = None


@dataclass(frozen=True)
class Sources:
    """Who outlined the tumour and who classified."""

    tumour: tuple[Status, str]
    classifier: str


def involvement_lines(
    scene: Scene, answers: Mapping[str, Involvement], sources: Sources
) -> tuple[dict[str, Line], tuple[Line, ...]]:
    """Lines of the template's involvement fields by key, and lines of structures that the template does not name.

    Parameters
    ----------
    scene : Scene
    answers : mapping of str to Involvement
    sources : Sources
    """
    lines = {}
    for row in FIELDS:
        if row.kind in (*_MEASURABLE, Kind.FINDING, Kind.YES_NO):
            lines[row.key] = _field_line(row, scene, answers, sources)
    outside = []
    for organ in ORGANS:
        if organ.name not in FIELD_OF_ORGAN and (line := _organ_line(organ, scene, answers, sources)) is not None:
            outside.append(line)
    return lines, tuple(outside)


def meet(
    name: str, structure: Patch, tumour: Patch, *, side: Side, cause: str, scene: Scene, encasement: bool = False
) -> Meeting:
    """Overlap and contact (within one voxel, over faces, edges and corners) of a structure and a tumour.

    Parameters
    ----------
    name : str
    structure, tumour : Patch
    side : Side
        Of the structure.
    cause : str
        What the tumour is, in words.
    scene : Scene
    encasement : bool
        Also measure over how much of its circumference the tumour touches the structure.
    """
    overlap = shared_part(structure, tumour)
    touching = overlap or shared_part(tumour, grown(structure, scene.shape))
    grade = Grade.OVERLAP if overlap else Grade.CONTACT if touching else Grade.APART
    where = touching or structure
    return Meeting(
        name=name,
        structure=structure,
        side=side,
        cause=cause,
        grade=grade,
        overlap_ml=overlap.voxels * scene.geometry.voxel_ml if overlap else 0.0,
        share=overlap.voxels / structure.voxels if overlap else 0.0,
        where=Patch(structure.words, where.mask, where.box),
        encased_degrees=encased_degrees(structure, tumour, scene.shape) if encasement and touching else None,
    )


def encased_degrees(vessel: Patch, tumour: Patch, shape: tuple[int, int, int]) -> int:
    """Part of a vessel's circumference that tumour touches, in degrees, in the axial slice where it is greatest.

    Counted on the ring of voxels around the vessel in each slice (faces and corners), rounded to ten degrees.

    Parameters
    ----------
    vessel, tumour : Patch
    shape : (D, H, W)
    """
    around = grown(vessel, shape)
    inner = np.zeros(around.mask.shape, bool)
    inner[
        tuple(slice(a - s, b - s) for a, b, s in zip(vessel.box.start, vessel.box.stop, around.box.start, strict=True))
    ] = vessel.mask
    ring = ndimage.binary_dilation(inner, np.ones((1, 3, 3))) & ~inner
    touched = shared_part(Patch("", ring, around.box), tumour)
    if touched is None:
        return 0
    offset = touched.box.start[0] - around.box.start[0]
    totals = ring.sum(axis=(1, 2))[offset : offset + touched.box.shape[0]]
    shares = touched.mask.sum(axis=(1, 2)) / np.maximum(totals, 1)
    return int(round(36 * float(shares.max())) * 10)


def _field_line(row: Field, scene: Scene, answers: Mapping[str, Involvement], sources: Sources) -> Line:
    """Measured where it can be, else classified, else Missing."""
    named = {name: answers[name] for name in (row.key, *ORGANS_OF_FIELD.get(row.key, ())) if name in answers}
    said = _classified(row.key, row.words, row.section, named, scene, sources)
    if row.kind not in _MEASURABLE:
        return said or Line(key=row.key, words=row.words, section=row.section)
    structures = _structures_of(row.key, scene)
    measured = _measured(row.key, row.words, row.section, structures, scene, sources)
    if measured is not None and row.kind is Kind.SIDED_INVOLVEMENT:
        measured = measured.model_copy(update={"value": _sided(measured.value, structures, row.key, scene)})
    return _with_second_opinion(measured, said) or Line(key=row.key, words=row.words, section=row.section)


def _structures_of(key: str, scene: Scene) -> dict[str, tuple[Patch, Side]]:
    """Outlined structures whose involvement fills a field: sub-sites first, else organs."""
    found = {r.name: (scene.subsites[r.name], r.side) for r in SUBSITES if r.field == key and r.name in scene.subsites}
    if found:
        return found
    return {n: (scene.organs[n], BY_NAME[n].side) for n in ORGANS_OF_FIELD[key] if n in scene.organs}


def _meetings(key: str, structures: Mapping[str, tuple[Patch, Side]], scene: Scene) -> list[Meeting]:
    """Every structure against the primary and, for fields that nodes reach, the nodes; the strongest first."""
    tumours = [(scene.primary, "primary tumour")]
    if key in FIELDS_OF_NODES:
        tumours.append((scene.nodes, "nodes"))
    found = [
        meet(name, patch, tumour, side=side, cause=cause, scene=scene, encasement=name in _VESSELS)
        for name, (patch, side) in structures.items()
        for tumour, cause in tumours
        if tumour is not None
    ]
    return sorted(found, key=lambda m: (-m.grade, -m.share, -(m.encased_degrees or 0)))


def _measured(
    key: str, words: str, section: str, structures: Mapping[str, tuple[Patch, Side]], scene: Scene, sources: Sources
) -> Line | None:
    """Line from overlap and contact; None without a tumour outline or without the structure."""
    meetings = _meetings(key, structures, scene)
    if not meetings:
        return None
    status, source = sources.tumour
    grade = meetings[0].grade
    top = [m for m in meetings if m.grade is grade]
    several = len(structures) > 1
    if grade is Grade.APART:
        value = "Not involved"
    else:
        head = "Involved" if grade is Grade.OVERLAP else "In contact with the tumour outline, no overlap"
        details = [d for m in top if (d := _detail(m, name_it=several))]
        value = f"{head}: {'; '.join(details)}" if details else head
    flags = []
    missing = [BY_NAME[n].words for n in ORGANS_OF_FIELD.get(key, ()) if n not in structures] if structures else []
    if missing and not any(name in SUBSITE_BY_NAME for name in structures):
        flags.append(f"Not outlined: {', '.join(missing)}")
    if grade is Grade.OVERLAP and max(m.share for m in top) < _DOUBTFUL_SHARE:
        flags.append("Overlap below 1 % of the structure, within the spread of outlines")
    if status == "model":
        flags.append("Measured on a predicted tumour outline")
    shown = [m for m in meetings if m.grade is not Grade.APART] or meetings
    evidence = tuple(
        Evidence(status=status, source=source, region=region(m.where, scene.geometry), note=_note(m)) for m in shown
    )
    return Line(
        key=key, words=words, section=section, value=value, status="measured", evidence=evidence, flags=tuple(flags)
    )


def _detail(meeting: Meeting, *, name_it: bool) -> str:
    """What stands behind the colon: structure, cause, numbers."""
    numbers = []
    if meeting.cause == "nodes":
        numbers.append("by a node")
    if meeting.grade is Grade.OVERLAP:
        numbers.append(f"{meeting.overlap_ml:.2f} ml, {_percent(meeting.share)} of the structure")
    if meeting.encased_degrees:
        numbers.append(f"touches {meeting.encased_degrees} degrees of the circumference")
    text = ", ".join(numbers)
    if not name_it:
        return text
    words = meeting.structure.words
    return f"{words[0].lower()}{words[1:]}" + (f" ({text})" if text else "")


def _note(meeting: Meeting) -> str:
    """The finding in numbers, beside its source."""
    words = meeting.structure.words
    if meeting.grade is Grade.APART:
        return f"{words}: clear of the {meeting.cause}"
    if meeting.grade is Grade.CONTACT:
        return f"{words}: within one voxel of the {meeting.cause}"
    return f"{words}: shares {meeting.overlap_ml:.2f} ml with the {meeting.cause}"


def _sided(value: str, structures: Mapping[str, tuple[Patch, Side]], key: str, scene: Scene) -> str:
    """R, L or Both before the measured value, as the template asks for."""
    hit = {m.side for m in _meetings(key, structures, scene) if m.grade is Grade.OVERLAP}
    letter = "Both" if len(hit) > 1 else "R" if Side.RIGHT in hit else "L" if Side.LEFT in hit else ""
    return f"{letter} - {value[0].lower()}{value[1:]}" if letter else value


def _classified(
    key: str, words: str, section: str, answers: Mapping[str, Involvement], scene: Scene, sources: Sources
) -> Line | None:
    """Line from a classifier's probabilities; None when it says nothing of this field."""
    if not answers:
        return None
    ranked = sorted(answers.items(), key=lambda item: -item[1].probability)
    head, told = _NO, ranked
    for answer, words_of in (("yes", _YES), ("equivocal", _DOUBT)):
        if those := [(name, a) for name, a in ranked if a.answer == answer]:
            head, told = words_of, those
            break
    meanings = list(dict.fromkeys(a.meaning for _, a in told))
    spoken = told if head != _NO else []
    sides = [BY_NAME[n].side.value for n, _ in spoken if n in BY_NAME and BY_NAME[n].side is not Side.MIDLINE]
    if spoken and key in BY_KEY and BY_KEY[key].kind is Kind.SIDED_INVOLVEMENT:
        sides = sides or _sides_of_primary(scene)
    where = f", {' and '.join(sides)}" if sides else ""
    evidence = tuple(
        Evidence(
            status="model",
            source=sources.classifier,
            probability=a.probability,
            region=_region_of(name, scene),
            note=f"{_name_words(name, words)}: {a.probability:.2f}, threshold {a.threshold:.2f}"
            + ("" if a.equivocal is None else f", equivocal {a.equivocal[0]:.2f} to {a.equivocal[1]:.2f}")
            + ("" if a.meaning in meanings else f"; {a.meaning}")
            + (f"; taught by {a.taught_by}" if a.taught_by else ""),
        )
        for name, a in ranked
    )
    return Line(
        key=key,
        words=words,
        section=section,
        value=f"{head}{where}: {'; '.join(meanings)}",
        status="model",
        probability=told[0][1].probability,
        evidence=evidence,
    )


def _sides_of_primary(scene: Scene) -> list[str]:
    """Sides on which an outlined primary lies; none without one, or in the midline."""
    if scene.primary is None:
        return []
    sides = sides_of(scene.primary, scene.geometry, scene.midline_x_mm)
    return [side.value for side in sides if side is not Side.MIDLINE]


def _organ_line(organ: Structure, scene: Scene, answers: Mapping[str, Involvement], sources: Sources) -> Line | None:
    """Line of a structure outside the template: when the tumour meets it, or a classifier speaks of it."""
    named = {organ.name: answers[organ.name]} if organ.name in answers else {}
    said = _classified(organ.name, organ.words, OUTSIDE, named, scene, sources)
    structures = {organ.name: (scene.organs[organ.name], organ.side)} if organ.name in scene.organs else {}
    measured = _measured(organ.name, organ.words, OUTSIDE, structures, scene, sources)
    if measured is not None and measured.value == "Not involved" and said is None:
        return None
    return _with_second_opinion(measured, said)


def _with_second_opinion(measured: Line | None, said: Line | None) -> Line | None:
    """The measured line with the classifier's evidence, flagged where the two disagree; or whichever there is."""
    if measured is None or said is None:
        return measured or said
    clear = measured.value.startswith("Not involved")
    agree = not said.value.startswith(_YES if clear else _NO)
    flags = measured.flags if agree else (*measured.flags, f"The classifier differs ({said.probability:.2f})")
    return measured.model_copy(update={"evidence": measured.evidence + said.evidence, "flags": flags})


def _region_of(name: str, scene: Scene) -> Region | None:
    """Where to look for an organ, or for the organs of a field; None when nothing of it is outlined."""
    names = (name,) if name in BY_NAME else ORGANS_OF_FIELD.get(name, ())
    patch = joined(_name_words(name, BY_KEY[name].words if name in BY_KEY else name), _found(names, scene))
    return None if patch is None else region(patch, scene.geometry)


def _found(names: tuple[str, ...], scene: Scene) -> list[Patch]:
    return [scene.organs[name] for name in names if name in scene.organs]


def _name_words(name: str, words: str) -> str:
    return BY_NAME[name].words if name in BY_NAME else words


def _percent(share: float) -> str:
    return "below 1 %" if 0 < share < 0.01 else f"{100 * share:.0f} %"
