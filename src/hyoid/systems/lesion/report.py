"""Report on lesions that were outlined by clicks: made again at every click, on organs that were cut out once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from hyoid.anatomy.lesion_attributes import ATTRIBUTE_WORDS
from hyoid.anatomy.staging import Edition
from hyoid.anatomy.structures import GTVN, GTVP
from hyoid.characters import one_line
from hyoid.errors import UsageError
from hyoid.geometry.boxes import crop_geometry, hull
from hyoid.geometry.orientation import canonical_geometry, from_canonical
from hyoid.io.masks import boxed
from hyoid.io.packages.model_package import Manifest
from hyoid.io.study import Study
from hyoid.metrics.lesions import Component, find_components
from hyoid.provenance import Provenance, by_reader, edited
from hyoid.report.content import schema
from hyoid.report.content.build import ReportInputs, build_report, findings_of
from hyoid.report.content.patches import Patch, region
from hyoid.report.content.scene import (
    GTVN_LABEL,
    GTVP_LABEL,
    Involvement,
    Mass,
    Scene,
    make_scene,
    measured_masses,
    with_masses,
)
from hyoid.report.content.staging import StagingRequest
from hyoid.report.content.template import ADDENDUM
from hyoid.systems.lesion.pipeline import Outline
from hyoid.systems.lesion.response import FollowedLesion, response_conclusion, response_lines
from hyoid.systems.lesion.session import AddAddendum, LesionState, SignOff, State
from hyoid.systems.organs import model_use, outlining_models, sources_of_organs
from hyoid.systems.outlines import Outlines, outlines_on
from hyoid.volume import Geometry, Quantity, Volume

ACCEPTED = "A reader went through this report and accepted it."
_LABELS = {"GTVp": GTVP_LABEL, "GTVn": GTVN_LABEL}
_OVERRULED = "Overruled by the reader"
_EARLIER = "outline of the earlier scan"
_BY_READERS = {"hand", "earlier", "earlier, edited"}


@dataclass(frozen=True, eq=False)
class Anatomy:
    """Part of a report that stays the same from click to click.

    Parameters
    ----------
    inputs : ReportInputs
        Facts and organs for the report, still without lesions.
    scene : Scene
        Organs and sub-sites cut out of the scan, against which lesions are measured.
    outlined_by : mapping of int to Provenance
        The network that outlined an organ, by label.
    source : ModelUse or None
        Model that outlined the lesions of a draft; None where no draft has lesions.
    """

    inputs: ReportInputs
    scene: Scene
    outlined_by: Mapping[int, Provenance] = field(default_factory=dict)
    source: schema.ModelUse | None = None


def anatomy_of(
    study: Study,
    modality: str,
    organs: Volume | None = None,
    manifests: Sequence[Manifest] = (),
    warnings: tuple[str, ...] = (),
) -> Anatomy:
    """Cut out the organs of a scan once, for all reports of a session.

    Parameters
    ----------
    study : Study
        Scan as it was read, with its warnings and header facts.
    modality : {"CT", "MR", "PT"}
        Modality of the scan.
    organs : Volume, optional
        Labels on the canonical grid; None: not outlined.
    manifests : sequence of Manifest
        Manifests of the models that outlined the organs.
    warnings : tuple of str
        Sentences for the report on how organs were outlined.
    """
    inputs, outlined_by = scan_inputs(study, modality), outlining_models(manifests)
    inputs = replace(
        inputs,
        organs=inputs.organs if organs is None else organs,
        **sources_of_organs(manifests),
        warnings=warnings,
    )
    return anatomy_from(inputs, outlined_by)


def scan_inputs(study: Study, modality: str) -> ReportInputs:
    """Write down what a report knows of a scan before anything is outlined.

    Parameters
    ----------
    study : Study
        Scan as it was read, with its warnings and header facts.
    modality : {"CT", "MR", "PT", "PT/CT"}
        Modality of the scan.
    """
    geometry = canonical_geometry(study.volume.geometry)
    facts = schema.Study(
        modality=modality,
        spacing_mm=geometry.spacing_mm,
        slices=geometry.shape[0],
        warnings=study.warnings,
        fingerprint=study.fingerprint,
    )
    return ReportInputs(study=facts, organs=Volume(np.zeros(geometry.shape, np.uint8), geometry, Quantity.LABEL))


def anatomy_from(
    inputs: ReportInputs,
    outlined_by: Mapping[int, Provenance] = MappingProxyType({}),
    source: schema.ModelUse | None = None,
) -> Anatomy:
    """Cut out the organs of prepared inputs once, for all reports of a session.

    Parameters
    ----------
    inputs : ReportInputs
        Facts, organs and predictions, without lesions.
    outlined_by : mapping of int to Provenance
        Who outlined a structure, by label.
    source : ModelUse, optional
        Model that outlined the lesions of the draft.
    """
    scene = make_scene(inputs)
    if inputs.findings is None:
        inputs = replace(inputs, findings=findings_of(inputs, scene))
    return Anatomy(inputs, scene, outlined_by, source)


@dataclass(frozen=True, eq=False)
class Answered:
    """Sub-sites that a network says an outlined primary overlaps.

    Parameters
    ----------
    answers : mapping of str to Involvement
        Answer for each field; empty where the network could not see the outline.
    source : ModelUse
        The network.
    warnings : tuple of str
        What a reader must know of the answers, or why there are none.
    """

    answers: Mapping[str, Involvement]
    source: schema.ModelUse
    warnings: tuple[str, ...] = ()


def index_of(scene: Scene) -> Patch | None:
    """Find the outline of the index lesion, the largest primary tumour in the neck; None without one."""
    return None if scene.index is None else scene.index.patch


def scene_of(
    anatomy: Anatomy, lesions: Sequence[tuple[LesionState, Outline]], measurements: Measurements | None = None
) -> Scene:
    """Put outlined lesions among the organs.

    Parameters
    ----------
    anatomy : Anatomy
        Organs and facts of the scan.
    lesions : sequence of (LesionState, Outline)
        Lesions with an outline on the canonical grid.
    measurements : Measurements, optional
        Measurements of earlier reports on the same scan.
    """
    return with_masses(anatomy.scene, (measurements or Measurements()).masses(lesions, anatomy.scene))


def lesion_report(
    anatomy: Anatomy,
    lesions: Sequence[tuple[LesionState, Outline]],
    state: State,
    manifest: Manifest,
    scene: Scene | None = None,
    *,
    answered: Answered | None = None,
    prior: schema.Report | None = None,
    followed: Sequence[FollowedLesion] = (),
) -> schema.Report:
    """Report the whole template, and under it five attributes of every lesion.

    Parameters
    ----------
    anatomy : Anatomy
        Organs and facts of the scan, from `anatomy_of`.
    lesions : sequence of (LesionState, Outline)
        Those with at least one prompt.
    state : State
        Overruled lines, and whether the reader accepted.
    manifest : Manifest
        Manifest of the interactive network.
    scene : Scene, optional
        Lesions among the organs, where `scene_of` put them there before.
    answered : Answered, optional
        Sub-sites that the index lesion overlaps; None: not asked, or not yet.
    prior : Report, optional
        Report of an earlier scan of the patient, with which lesions are compared.
    followed : sequence of FollowedLesion
        Lesions of an earlier scan that was registered to this one, and what became of these.
    """
    geometry = anatomy.scene.geometry
    scene = scene or scene_of(anatomy, lesions)
    status, source = _stands_behind(lesions, state, anatomy.source, model_use(manifest))
    # The map itself is not read again: its components are in the scene.
    looked = bool(state.lesions or state.drafts)
    inputs = replace(
        anatomy.inputs,
        lesions=anatomy.inputs.organs if looked else None,
        lesions_status=status if looked else "reader",
        lesions_source=source if looked else None,
        staging=_staging(state),
        prior_lesions=None if prior is None else prior.lesions,
    )
    if answered is not None:
        inputs = replace(
            inputs,
            involvement=answered.answers,
            involvement_source=answered.source,
            warnings=(*inputs.warnings, *answered.warnings),
        )
    report = build_report(inputs, scene)
    lines = [
        *report.lines,
        *response_lines(followed, geometry, status if looked else "reader"),
        *(line for of in lesions for line in _attribute_lines(*of, manifest, geometry)),
    ]
    conclusion = response_conclusion(followed)
    known = {line.key for line in lines}
    lost = [key for key in state.overruled if key not in known]
    warnings = list(report.warnings)
    if state.accepted:
        warnings.insert(0, ACCEPTED if state.signed is None else signed_words(state))
    warnings += [f"Addendum{_by(row)}: {row.words}" for row in state.addenda]
    if lost:
        warnings.append(f"{len(lost)} overruled line(s) belong to a lesion that is no longer there.")
    return report.model_copy(
        update={
            "impression": (*(() if conclusion is None else (conclusion,)), *report.impression),
            "lines": tuple(_overruled(line, state.overruled) for line in lines),
            "warnings": tuple(warnings),
        }
    )


def signed_words(state: State) -> str:
    """Say who signed which version, and when.

    Parameters
    ----------
    state : State
        State of a signed session.
    """
    assert state.signed is not None
    return f"Version {state.version}, signed{_by(state.signed)}."


def check_overrule(report: schema.Report, key: str) -> None:
    """Refuse to overrule a line that the report does not have, or that holds the patient's name.

    Raises
    ------
    UsageError
        When it does not.
    """
    if key == "patient" or all(line.key != key for line in report.lines):
        raise UsageError(f"The report has no line {key!r} to overrule.", "Choose a line of the report.")


def changed_lines(before: schema.Report | None, now: schema.Report) -> tuple[str, ...]:
    """List the keys of the lines that say something else than before."""
    said = {} if before is None else {line.key: _said(line) for line in before.lines}
    return tuple(line.key for line in now.lines if said.get(line.key) != _said(line))


def outlines_of(
    lesions: Sequence[tuple[LesionState, Outline]],
    organs: Volume | None,
    geometry: Geometry,
    outlined_by: Mapping[int, Provenance] = MappingProxyType({}),
) -> Outlines:
    """Collect what was outlined by clicks, and the organs, on the scan's own grid; a primary and a node may overlap.

    Parameters
    ----------
    lesions : sequence of (LesionState, Outline)
        Outlines lie on the canonical grid.
    organs : Volume, LABEL, optional
        Labels on the canonical grid; None: not outlined.
    geometry : Geometry
        The scan's own grid.
    outlined_by : mapping of int to Provenance
        Who outlined a structure, by label.
    """
    masks: dict[int, NDArray[np.bool_]] = {}
    shape = canonical_geometry(geometry).shape
    for lesion, outline in lesions:
        if outline.box is not None:
            whole = masks.setdefault(GTVP if lesion.target == "GTVp" else GTVN, np.zeros(shape, bool))
            whole[outline.box.slices] |= outline.mask
    targets, _ = boxed({label: from_canonical(mask, geometry) for label, mask in masks.items()}, geometry)
    return replace(outlines_on(geometry, organs=organs, outlined_by=outlined_by), targets=targets)


def drawn_by_whom(
    lesions: Sequence[tuple[LesionState, Outline]], drafted: Provenance | None, manifest: Manifest
) -> dict[int, Provenance]:
    """Name who outlined each target: a draft's network, a reader who edited it or clicked, a reader's own hand.

    Parameters
    ----------
    lesions : sequence of (LesionState, Outline)
        Lesions of the session.
    drafted : Provenance or None
        Network that outlined the lesions of the draft.
    manifest : Manifest
        Manifest of the interactive network.
    """
    clicked = edited(manifest.name, manifest.version)
    draft = drafted or clicked
    makers = {
        "draft": draft,
        "draft, edited": edited(draft.name, draft.version),
        "earlier": edited(_EARLIER),
        "earlier, edited": edited(_EARLIER),
        "network": clicked,
        "hand": by_reader(),
    }
    found: dict[int, Provenance] = {}
    for target, label in (("GTVp", GTVP), ("GTVn", GTVN)):
        kinds = {makers[lesion.made_by] for lesion, _ in lesions if lesion.target == target and lesion.steps}
        if len(kinds) == 1:
            found[label] = kinds.pop()
        elif kinds:
            names = sorted({" ".join(filter(None, (kind.name, kind.version))) for kind in kinds} - {""})
            found[label] = edited(", ".join(names))
    return found


class Measurements:
    """Masses that were found and measured in outlines before; of the latest report only.

    A click changes one outline, and a report measures all: those that are as they were are not measured again.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], tuple[Mass, ...]] = {}

    def masses(self, lesions: Sequence[tuple[LesionState, Outline]], scene: Scene) -> tuple[Mass, ...]:
        """Measure the connected parts of all outlines, largest first and numbered per label."""
        there = [(lesion, outline) for lesion, outline in lesions if outline.box is not None]
        found: dict[tuple[object, ...], tuple[Mass, ...]] = {}
        for group in _touching(there):
            # Outlines are values that are replaced, never changed: the same one has the same masses.
            key = (scene.midline_x_mm, *((lesion.target, outline) for lesion, outline in group))
            masses = self._kept.get(key)
            if masses is None:
                masses = tuple(measured_masses(_components(group, scene.geometry), scene.midline_x_mm))
            found[key] = masses
        self._kept = found
        ordered = sorted(
            (mass for masses in found.values() for mass in masses),
            key=lambda mass: (-mass.row.voxels, mass.row.label, mass.patch.box.start),
        )
        seen: dict[int, int] = {}
        numbered = []
        for mass in ordered:
            seen[mass.row.label] = seen.get(mass.row.label, 0) + 1
            numbered.append(replace(mass, row=replace(mass.row, lesion=seen[mass.row.label])))
        return tuple(numbered)


def _touching(lesions: Sequence[tuple[LesionState, Outline]]) -> list[list[tuple[LesionState, Outline]]]:
    """Outlines in groups whose boxes meet, directly or through others; no part of a lesion lies in two groups."""
    groups: list[list[tuple[LesionState, Outline]]] = []
    for one in lesions:
        meeting = [group for group in groups if any(_meet(one[1], other[1]) for other in group)]
        groups = [group for group in groups if group not in meeting]
        joined = [row for group in meeting for row in group] + [one]
        groups.append(sorted(joined, key=lambda row: row[0].number))
    return groups


def _meet(first: Outline, second: Outline) -> bool:
    """Whether two boxes overlap or touch, over a face, an edge or a corner."""
    assert first.box is not None and second.box is not None
    return all(
        a <= d and c <= b
        for a, b, c, d in zip(first.box.start, first.box.stop, second.box.start, second.box.stop, strict=True)
    )


def _components(group: Sequence[tuple[LesionState, Outline]], geometry: Geometry) -> tuple[Component, ...]:
    """Connected parts of outlines, found in the part of the grid that holds them."""
    there = [(lesion, outline.box, outline.mask) for lesion, outline in group if outline.box is not None]
    part = hull(box for _, box, _ in there)
    labels = np.zeros(part.shape, np.uint8)
    for lesion, box, mask in sorted(there, key=lambda row: row[0].target == "GTVp"):
        labels[box.slices_from(part.start)][mask] = _LABELS[lesion.target]
    found = find_components(Volume(labels, crop_geometry(geometry, part), Quantity.LABEL))
    return tuple(replace(c, box=c.box.moved(part.start)) for c in found)


def _attribute_lines(
    lesion: LesionState, outline: Outline, manifest: Manifest, geometry: Geometry
) -> list[schema.Line]:
    """One line per attribute of Table 1 of Gu et al."""
    if outline.box is None:
        return []
    look = region(Patch(f"Lesion {lesion.number}", outline.mask, outline.box), geometry)
    lines, use = [], model_use(manifest)
    for name, words in ATTRIBUTE_WORDS.items():
        key = f"lesion_{lesion.number}_{name}"
        title = f"Lesion {lesion.number} ({lesion.target}): {name}"
        chances = outline.attributes.get(name)
        if chances is None:
            lines.append(schema.Line(key=key, words=title, section=ADDENDUM, value=schema.NOT_ASSESSED))
            continue
        best = max(chances, key=lambda k: chances[k])
        note, teachers = ", ".join(f"{words[k]} {p:.2f}" for k, p in chances.items()), manifest.learned_from.words(name)
        note += f"; taught by {teachers}" if teachers else ""
        evidence = schema.Evidence(
            status="model", source=use.words, probability=round(chances[best], 4), region=look, note=note
        )
        lines.append(
            schema.Line(
                key=key,
                words=title,
                section=ADDENDUM,
                value=words[best],
                status="model",
                probability=round(chances[best], 4),
                evidence=(evidence,),
            )
        )
    return lines


def _stands_behind(
    lesions: Sequence[tuple[LesionState, Outline]],
    state: State,
    drafted: schema.ModelUse | None,
    clicked: schema.ModelUse,
) -> tuple[schema.OutlineStatus, schema.ModelUse | None]:
    """Status of the outlines, and the model that drew most of what a reader must know of."""
    kinds = {lesion.made_by for lesion, _ in lesions}
    if kinds and kinds <= _BY_READERS:
        return "reader", None
    of_draft = bool(kinds) and kinds <= {"draft", "draft, edited"} | _BY_READERS
    source = drafted if drafted is not None and of_draft else clicked
    return "accepted" if state.accepted else "model", source


def _staging(state: State) -> StagingRequest | None:
    asked = state.staging
    if asked is None or asked.site is None:
        return None
    return StagingRequest(asked.site, asked.editions or tuple(Edition), asked.depth_mm, asked.all_nodes)


def _by(action: SignOff | AddAddendum) -> str:
    """Who did something and when, as far as that is known."""
    who = f" by {one_line(action.who)}" if action.who else ""
    return f"{who} on {one_line(action.when)}" if action.when else who


def _overruled(line: schema.Line, words: Mapping[str, str]) -> schema.Line:
    """The line in the reader's words, with what the software said as evidence."""
    if line.key not in words:
        return line
    own = schema.Evidence(
        status="reader", source="reader", note=f"Overruled; the software said: {line.value}", region=line.region
    )
    return line.model_copy(
        update={
            "value": words[line.key],
            "status": "reader",
            "probability": None,
            "evidence": (own, *line.evidence),
            "flags": (*line.flags, _OVERRULED),
        }
    )


def _said(line: schema.Line) -> tuple[object, ...]:
    return line.value, line.status, line.flags
