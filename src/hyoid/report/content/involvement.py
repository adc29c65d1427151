"""Involvement of a structure: measured where tumour and structure are outlined, else predicted, else not assessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hyoid.anatomy.involvement import FIELDS_OF_NODES, INVOLVED_ML, INVOLVED_SHARE, organs_of_field
from hyoid.anatomy.structures import BY_NAME, ORGANS, Side, Structure, opposite
from hyoid.anatomy.subsites import FIELD_BY_KEY, SUBSITE_BY_NAME, SUBSITES
from hyoid.report.content.contact import Grade, Meeting, meet
from hyoid.report.content.patches import Patch, distance_mm, joined, region, sides_of
from hyoid.report.content.scale import Likelihood, Predicted, degrees_words, likelihood, measured_status, predicted
from hyoid.report.content.scene import Involvement, Mass, Scene
from hyoid.report.content.schema import (
    NOT_ASSESSED,
    Evidence,
    Line,
    LineStatus,
    OutlineStatus,
    Region,
    Status,
    unanswered_line,
)
from hyoid.report.content.template import ADDENDUM, BY_KEY, FIELDS, TARGET, Field, Kind

NO_OUTLINE = f"{NOT_ASSESSED}: no outline"
NO_PRIMARY = f"{NOT_ASSESSED}: no primary tumour outlined"
COVERED_BY_TARGET = "Target over: "
VESSEL_FIELD = "carotid_arteries_ijv"
_MEASURABLE = (Kind.INVOLVEMENT, Kind.SIDED_INVOLVEMENT)
_NEEDS_READER = {
    "airway_compromise": "needs a reader",
    "et_tube_in_situ": "needs a reader",
    "extranodal_extension": "needs a reader",
    "loss_of_fat_planes": "needs a reader",
}
_MASKS_ONLY = "Overlap of outlines is contact; whether tumour invades is not told by masks"
_THROMBOSIS = "Thrombosis is not assessed"
_VESSEL_BY_A_MODEL = (
    "The degrees are of a network's outline of the vessel: whether it is abutted or encased is for a reader"
)
MUCOSA = ("Oral Cavity", "Oropharynx", "Larynx", "Glottis")
"""Regions of sub-sites that a tumour occupies."""
MUCOSAL_FIELDS = ("pyriform_sinus", "post_cricoid_region")
HOLDING_TUMOURS = ("tongue", "oropharynx", "hypopharynx", "larynx", "larynx_air")
_SLIGHT_SHARE = 0.01  # an overlap below one hundredth of the structure is within the spread of two observers
_LARGE_SHARE = 0.1
_BESIDE_MM = 10.0  # of an organ: sub-sites in its wall and the fat behind it lie within this distance

ORGANS_OF_FIELD: dict[str, tuple[str, ...]] = {
    row.key: FIELD_BY_KEY[row.key].organs for row in FIELDS if row.kind in _MEASURABLE
}
FIELD_OF_ORGAN = {organ: key for key, organs in ORGANS_OF_FIELD.items() for organ in organs}


@dataclass(frozen=True)
class Sources:
    """Makers of the outlines and predictions that a report's lines rest on.

    Parameters
    ----------
    outlines : {"reader", "accepted", "model"}
        Who stands behind the outlines of lesions.
    tumour : str
        Name of whoever drew them.
    classifier : str
        Name of the model that predicts involvement.
    outlined : bool
        Whether anybody outlined lesions at all.
    whole_scan : bool
        Whether the classifier answers of the scan as a whole, so that no outline is needed.
    organs_by_model : bool
        Whether networks outlined the organs.
    """

    outlines: OutlineStatus
    tumour: str
    classifier: str
    outlined: bool = True
    whole_scan: bool = False
    organs_by_model: bool = False

    @property
    def status(self) -> Status:
        """Status of evidence that rests on the outlines."""
        return "model" if self.outlines == "model" else "reader"

    @property
    def against_organs(self) -> LineStatus:
        """Status of what is measured between outlines of lesions and of organs: no better than the lesser of both."""
        return measured_status("model" if self.organs_by_model else self.outlines)

    def predicts(self, *, mucosal: bool) -> Predicted:
        """Tell what a classifier predicts: of deep structures overlap with the outline, and that is contact.

        Parameters
        ----------
        mucosal : bool
            Whether the structure is mucosa, which a tumour occupies.
        """
        return Predicted.INVOLVEMENT if mucosal or self.whole_scan else Predicted.CONTACT


def involvement_lines(
    scene: Scene, answers: Mapping[str, Involvement], sources: Sources
) -> tuple[dict[str, Line], tuple[Line, ...]]:
    """Write the template's involvement fields by key, and lines of structures that the template does not name.

    Parameters
    ----------
    scene : Scene
        Organs and lesions on the canonical grid.
    answers : mapping of str to Involvement
        Predictions for the index lesion, by field or organ; without an index lesion nothing is answered, unless the
        classifier answers of the whole scan.
    sources : Sources
        Who stands behind outlines and predictions.
    """
    answers = {} if scene.index is None and not sources.whole_scan else answers
    lines = {}
    for row in FIELDS:
        if row.kind in (*_MEASURABLE, Kind.FINDING, Kind.YES_NO):
            lines[row.key] = _field_line(row, scene, answers, sources)
    outside = []
    for organ in ORGANS:
        if organ.name not in FIELD_OF_ORGAN and (line := _organ_line(organ, scene, answers, sources)) is not None:
            outside.append(line)
    return lines, tuple(outside)


def coverage_lines(scene: Scene, answers: Mapping[str, Involvement], classifier: str) -> tuple[Line, ...]:
    """Write what the high-dose target is predicted to cover, one line per field, outside the template.

    Parameters
    ----------
    scene : Scene
        Organs and lesions on the canonical grid.
    answers : mapping of str to Involvement
        Predicted coverage, by field or organ.
    classifier : str
        Name of the model.
    """
    lines = []
    keys = [row.key for row in FIELDS if row.kind in _MEASURABLE] + [organ.name for organ in ORGANS]
    for key in keys:
        if key in BY_NAME and key in FIELD_OF_ORGAN:
            continue
        named = {name: answers[name] for name in (key, *ORGANS_OF_FIELD.get(key, ())) if name in answers}
        words = BY_KEY[key].words if key in BY_KEY else BY_NAME[key].words
        line = _classified(key, words, TARGET, named, scene, classifier, what=Predicted.COVERAGE)
        if line is not None:
            lines.append(
                line.model_copy(update={"key": f"target_{key}", "words": f"{COVERED_BY_TARGET}{_lower(words)}"})
            )
    return tuple(lines)


def _field_line(row: Field, scene: Scene, answers: Mapping[str, Involvement], sources: Sources) -> Line:
    """Measured where it can be, else classified, else not assessed."""
    blank = unanswered_line(row.key)
    named = {name: answers[name] for name in (row.key, *ORGANS_OF_FIELD.get(row.key, ())) if name in answers}
    what = sources.predicts(mucosal=row.section in MUCOSA or row.key in MUCOSAL_FIELDS)
    said = _classified(row.key, row.words, row.section, named, scene, sources.classifier, what=what)
    if said is not None and (near := _beside_outline(row.key, said, scene)):
        said = _left_open(said, near)
    if row.kind not in _MEASURABLE:
        return said or blank.model_copy(update={"value": f"{NOT_ASSESSED}: {_NEEDS_READER[row.key]}"})
    measured = _measured(row.key, row.words, row.section, _structures_of(row.key, scene), scene, sources)
    if measured is not None and measured.status == "Missing" and said is not None:
        return said.model_copy(update={"flags": (*said.flags, measured.value)})
    return _with_second_opinion(measured, said) or blank.model_copy(update={"value": _unknown(row.key, scene, sources)})


def _unknown(key: str, scene: Scene, sources: Sources) -> str:
    """Why nothing is said of a field."""
    if not sources.outlined:
        return NO_OUTLINE
    if scene.index is None:
        return NO_PRIMARY
    organs = ORGANS_OF_FIELD.get(key, ())
    return f"{NOT_ASSESSED}: {', '.join(_paired(organs)) if organs else 'structure'} not outlined"


def _structures_of(key: str, scene: Scene) -> dict[str, Patch]:
    """Outlined structures whose involvement fills a field: sub-sites first, else organs."""
    found = {r.name: scene.subsites[r.name] for r in SUBSITES if r.field == key and r.name in scene.subsites}
    return found or {n: scene.organs[n] for n in ORGANS_OF_FIELD[key] if n in scene.organs}


def _meetings(key: str, structures: Mapping[str, Patch], scene: Scene) -> list[Meeting]:
    """Every structure against the index lesion and, for fields that nodes reach, each node; the strongest first."""
    masses: list[Mass] = [] if scene.index is None else [scene.index]
    if key in FIELDS_OF_NODES:
        masses += scene.nodes
    found = [meet(name, patch, mass, scene) for name, patch in structures.items() for mass in masses]
    return sorted(found, key=lambda m: (-m.grade, -(m.degrees or 0), -m.share))


def _measured(
    key: str, words: str, section: str, structures: Mapping[str, Patch], scene: Scene, sources: Sources
) -> Line | None:
    """Line from overlap and contact; None without a tumour outline or without the structure."""
    meetings = _meetings(key, structures, scene)
    if not meetings:
        return None
    line = Line(key=key, words=words, section=section)
    met = [m for m in meetings if m.grade is not Grade.APART]
    evidence = tuple(
        Evidence(status=sources.status, source=sources.tumour, region=region(m.where, scene.geometry), note=_note(m))
        for m in met or [m for m in meetings if m.mass is (scene.index or scene.nodes[0])]
    )
    absent = _absent(key, structures)
    status = sources.against_organs
    if not met:
        clear = f"{', '.join(_paired(tuple(structures)))} clear of the outline"
        if absent:
            value = f"{NOT_ASSESSED}: {', '.join(absent)} not outlined ({clear})"
            return line.model_copy(update={"value": value})
        if scene.index is None:
            return line.model_copy(update={"value": f"{NO_PRIMARY} (nodes: no contact)"})
        value = "Not involved by the primary tumour"
        if key in FIELDS_OF_NODES and scene.nodes:
            value += " or the outlined nodes"
        return line.model_copy(update={"value": value, "status": status, "evidence": evidence})
    flags = [f"Not outlined: {', '.join(absent)}"] if absent else []
    value, more = _vessel_words(met) if key == VESSEL_FIELD else _contact_words(key, met, len(structures) > 1)
    return line.model_copy(update={"value": value, "status": status, "evidence": evidence, "flags": (*flags, *more)})


def _vessel_words(met: Sequence[Meeting]) -> tuple[str, list[str]]:
    """Each vessel with the lesion that reaches it, the greatest contact first."""
    flags = [_THROMBOSIS]
    if met[0].graded:
        told = [f"{m.mass.name} {m.term} the {_sided(m.structure.words)} over {degrees_words(m.degrees)}" for m in met]
        value = "; ".join(told)
    else:
        told = [f"{_lower(m.mass.name)} and {_sided(m.structure.words)}, {degrees_words(m.degrees)}" for m in met]
        value = f"In contact: {'; '.join(told)}"
        flags.append(_VESSEL_BY_A_MODEL)
    if any(m.grade is Grade.OVERLAP for m in met):
        flags.append(_MASKS_ONLY)
    return value, flags


def _contact_words(key: str, met: Sequence[Meeting], several: bool) -> tuple[str, list[str]]:
    """Sub-sites that tumour occupies are involved; organs with a border of their own are in contact."""
    # Mucosa that a tumour occupies is involved; beyond it, and in organs, overlap of outlines does not tell invasion.
    is_subsite = met[0].name not in BY_NAME and (SUBSITE_BY_NAME[met[0].name].region in MUCOSA or key in MUCOSAL_FIELDS)
    occupied = [
        m
        for m in met
        if is_subsite and (m.overlap_ml >= INVOLVED_ML or m.share >= INVOLVED_SHARE) and m.mass.role == "index lesion"
    ]
    if occupied:
        told = "; ".join(
            f"{_lower(m.structure.words)} ({m.overlap_ml:.2f} ml, {_percent(m.share)} of the structure)"
            if several
            else f"{m.overlap_ml:.2f} ml, {_percent(m.share)} of the structure"
            for m in occupied
        )
        value = f"Involved: {told}"
        if key in BY_KEY and BY_KEY[key].kind is Kind.SIDED_INVOLVEMENT:
            sides = {m.side for m in occupied}
            letter = "Both" if len(sides) > 1 else "R" if Side.RIGHT in sides else "L" if Side.LEFT in sides else ""
            value = f"{letter} - {value[0].lower()}{value[1:]}" if letter else value
        return value, []
    value = "In contact: " + "; ".join(_contact(m) for m in met)
    flags = []
    most = max(m.share for m in met)
    if any(m.grade is Grade.OVERLAP for m in met):
        flags.append(_MASKS_ONLY)
    if 0 < most < _SLIGHT_SHARE:
        flags.append("Overlap below 1 % of the structure, within the spread of outlines")
    if most >= _LARGE_SHARE and not is_subsite:
        flags.append("Large overlap: look for invasion")
    return value, flags


def _contact(meeting: Meeting) -> str:
    words = f"{_lower(meeting.mass.name)} and {_sided(meeting.structure.words)}, outlines"
    if meeting.grade is Grade.TOUCH:
        return f"{words} touch"
    return f"{words} overlap ({meeting.overlap_ml:.2f} ml, {_percent(meeting.share)} of the structure)"


def _note(meeting: Meeting) -> str:
    """The finding in numbers, beside its source."""
    words, cause = meeting.structure.words, _lower(meeting.mass.name)
    if meeting.grade is Grade.APART:
        return f"{words}: clear of {cause}"
    degrees = "" if meeting.degrees is None else f", {degrees_words(meeting.degrees)} of the circumference"
    if meeting.grade is Grade.TOUCH:
        return f"{words}: within one voxel of {cause}{degrees}"
    return f"{words}: shares {meeting.overlap_ml:.2f} ml with {cause}{degrees}"


def _absent(key: str, structures: Mapping[str, Patch]) -> list[str]:
    """What a field also asks about and nobody outlined."""
    if any(name not in BY_NAME for name in structures):
        asked: tuple[str, ...] = tuple(r.name for r in SUBSITES if r.field == key)
    else:
        asked = ORGANS_OF_FIELD.get(key, ())
    return _paired(tuple(name for name in asked if name not in structures))


def _paired(names: Sequence[str]) -> list[str]:
    """Structures in words, a pair as one."""
    found = []
    for name in names:
        base, _, side = name.rpartition("_")
        words = BY_NAME[name].words.partition(",")[0] if name in BY_NAME else base.replace("_", " ") or name
        if side not in ("left", "right"):
            found.append(_lower(BY_NAME[name].words if name in BY_NAME else name.replace("_", " ")))
        elif opposite(name) not in names:
            found.append(f"{side} {_lower(words)}")
        else:
            found.append(f"{_lower(words)} of either side")
    return list(dict.fromkeys(found))


def _classified(
    key: str,
    words: str,
    section: str,
    answers: Mapping[str, Involvement],
    scene: Scene,
    classifier: str,
    *,
    what: Predicted = Predicted.INVOLVEMENT,
) -> Line | None:
    """Line from a classifier's probabilities; None when it says nothing of this field."""
    if not answers:
        return None
    ranked = sorted(answers.items(), key=lambda item: -item[1].probability)
    words_of = {name: likelihood(a.probability, flagged=a.answer != "no") for name, a in ranked}
    head = next(word for word in Likelihood if word in words_of.values())
    told = [(name, a) for name, a in ranked if words_of[name] is head]
    spoken = [] if head is Likelihood.UNLIKELY else told
    sides = [BY_NAME[n].side.value for n, _ in spoken if n in BY_NAME and BY_NAME[n].side is not Side.MIDLINE]
    if spoken and key in BY_KEY and BY_KEY[key].kind is Kind.SIDED_INVOLVEMENT:
        sides = sides or _sides_of_index(scene)
    where = f", {' and '.join(dict.fromkeys(sides))}" if sides else ""
    evidence = tuple(
        Evidence(
            status="model",
            source=classifier,
            probability=a.probability,
            region=_region_of(name, scene),
            note=f"{_name_words(name, words)}: {a.probability:.2f}, threshold {a.threshold:.2f}"
            + ("" if a.equivocal is None else f", band of doubt {a.equivocal[0]:.2f} to {a.equivocal[1]:.2f}")
            + f"; {a.meaning}"
            + (f"; taught by {a.taught_by}" if a.taught_by else ""),
        )
        for name, a in ranked
    )
    return Line(
        key=key,
        words=words,
        section=section,
        value=f"{what} {head}{where}",
        status="model",
        probability=told[0][1].probability,
        evidence=evidence,
    )


def _beside_outline(key: str, said: Line, scene: Scene) -> str:
    """Organ in or beside which an unlikely sub-site lies, in words, where the index lesion comes near to that organ.

    There the outline itself speaks against "unlikely": the sub-site is not outlined, so nothing shows that it is clear.
    """
    if scene.index is None or not said.value.endswith(f" {Likelihood.UNLIKELY}"):
        return ""
    for name in organs_of_field(key):
        organ = scene.organs.get(name)
        if organ is not None and distance_mm(organ, scene.index.patch, scene.geometry) <= _BESIDE_MM:
            return _lower(BY_NAME[name].words)
    return ""


def _left_open(said: Line, organ: str) -> Line:
    """The line of a network's "unlikely" beside the outline: not assessed, with what the network said."""
    value = f"{NOT_ASSESSED}: not outlined, and the tumour outline reaches its surroundings ({organ})"
    flag = f"The network calls it {Likelihood.UNLIKELY} ({said.probability:.2f}), which does not show that it is clear"
    return said.model_copy(update={"value": value, "status": "Missing", "probability": None, "flags": (flag,)})


def _sides_of_index(scene: Scene) -> list[str]:
    """Sides on which the index lesion lies; none without one, or in the midline."""
    if scene.index is None:
        return []
    sides = sides_of(scene.index.patch, scene.geometry, scene.midline_x_mm)
    return [side.value for side in sides if side is not Side.MIDLINE]


def _organ_line(organ: Structure, scene: Scene, answers: Mapping[str, Involvement], sources: Sources) -> Line | None:
    """Line of a structure outside the template: when the tumour meets it, or a classifier speaks of it."""
    named = {organ.name: answers[organ.name]} if organ.name in answers else {}
    what = sources.predicts(mucosal=False)
    said = _classified(organ.name, organ.words, ADDENDUM, named, scene, sources.classifier, what=what)
    structures = {organ.name: scene.organs[organ.name]} if organ.name in scene.organs else {}
    # A tumour lies in the organ of its site: that is no contact.
    holds = organ.name in HOLDING_TUMOURS
    measured = None if holds else _measured(organ.name, organ.words, ADDENDUM, structures, scene, sources)
    if measured is not None and not measured.value.startswith("In contact") and said is None:
        return None
    return _with_second_opinion(measured, said)


def _with_second_opinion(measured: Line | None, said: Line | None) -> Line | None:
    """The measured line with the classifier's evidence, flagged where the two disagree; or whichever there is."""
    if measured is None or said is None:
        return measured or said
    clear = measured.value.startswith("Not involved")
    found, flags = predicted(said.value), measured.flags
    if found is not None and found[1] is (Likelihood.LIKELY if clear else Likelihood.UNLIKELY):
        flags = (*flags, f"The classifier differs: {_lower(said.value)} ({said.probability:.2f})")
    return measured.model_copy(update={"evidence": measured.evidence + said.evidence, "flags": flags})


def _region_of(name: str, scene: Scene) -> Region | None:
    """Where to look for an organ, or for the organs of a field; None when nothing of it is outlined."""
    names = (name,) if name in BY_NAME else ORGANS_OF_FIELD.get(name, ())
    patch = joined(
        _name_words(name, BY_KEY[name].words if name in BY_KEY else name),
        [scene.organs[n] for n in names if n in scene.organs],
    )
    return None if patch is None else region(patch, scene.geometry)


def _name_words(name: str, words: str) -> str:
    return BY_NAME[name].words if name in BY_NAME else words


def _lower(words: str) -> str:
    return f"{words[0].lower()}{words[1:]}"


def _sided(words: str) -> str:
    """ "Parotid gland, right" as a sentence has it: "right parotid gland"."""
    base, comma, side = words.rpartition(", ")
    return f"{side} {_lower(base)}" if comma and side in ("left", "right") else _lower(words)


def _percent(share: float) -> str:
    return "below 1 %" if 0 < share < 0.01 else f"{100 * share:.0f} %"
