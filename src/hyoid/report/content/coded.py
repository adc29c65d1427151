"""What a report says, as coded findings: one list from which DICOM SR and FHIR are written, both saying the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from hyoid.anatomy import codes
from hyoid.anatomy.codes import Code
from hyoid.anatomy.structures import BY_NAME
from hyoid.anatomy.subsites import FIELD_BY_KEY
from hyoid.report.content.change import volume_change
from hyoid.report.content.levels import level_names
from hyoid.report.content.response import ResponseLine, ResponseReport
from hyoid.report.content.scale import Likelihood
from hyoid.report.content.schema import Change, Lesion, Line, Report
from hyoid.report.content.template import STAGING

_KINDS = {
    kind: Code(*BY_NAME[name].code)
    for kind, name in (("GTVp", "gtvp"), ("GTVn", "gtvn"), ("target region", "target_region"))
}
# Words of hyoid's own response categories -> words of the reporting element. What may have vanished has no code: no
# outline shows that it resolved.
_CHANGES = {
    "much smaller": "smaller",
    "smaller": "smaller",
    "similar": "stable",
    "larger": "larger",
    "much larger": "larger",
    "new": "new",
}


# RECIST 1.1 (Eisenhauer et al. 2009, 10.1016/j.ejca.2008.10.026): measurable from this size on, two lesions per organ.
_TARGET_MM, _TARGET_NODE_MM, _TARGETS_PER_ORGAN = 10.0, 15.0, 2
_PARTIAL_PERCENT, _PROGRESS_PERCENT, _PROGRESS_MM = -30.0, 20.0, 5.0
_RECIST = (
    "Diameters by the rules of RECIST 1.1: axial long axis of primary foci from 10 mm on, short axis of nodes from 15 "
    "mm on, two of each at most. The category compares with the earlier report alone, not with the smallest sum ever; "
    "lesions that are new, or no target, are not judged"
)


@dataclass(frozen=True)
class Measured:
    """One number of a finding.

    Parameters
    ----------
    name, unit : Code
        What was measured, in which unit.
    value : float
        The number.
    derivation : Code or None
        Which value of many it is, such as the maximum.
    """

    name: Code
    value: float
    unit: Code
    derivation: Code | None = None


@dataclass(frozen=True)
class Finding:
    """One group of a coded report.

    Parameters
    ----------
    identifier : str
        Name of the finding, unique within a report and the same in every report of its kind.
    words : str
        What the report says, for people.
    kind : Code or None
        What was found, such as a primary tumour; None where the finding is an answer only.
    sites : tuple of Code
        Where.
    side : str
        "left", "right", or empty.
    measured : tuple of Measured
        Numbers.
    answers : tuple of (Code, Code)
        Question and answer.
    lesion : Lesion or None
        The lesion that is measured; None for lines of the template, and for lesions that are no longer outlined.
    """

    identifier: str
    words: str
    kind: Code | None = None
    sites: tuple[Code, ...] = ()
    side: str = ""
    measured: tuple[Measured, ...] = ()
    answers: tuple[tuple[Code, Code], ...] = ()
    lesion: Lesion | None = field(default=None, repr=False)


def lesion_identifier(lesion: Lesion) -> str:
    """Name a lesion as its segment and its group of measurements call it.

    Parameters
    ----------
    lesion : Lesion
        Lesion of a report.

    Returns
    -------
    str
        Such as "GTVn 2": the second largest of its kind.
    """
    return lesion.kind if lesion.kind == "target region" else f"{lesion.kind} {lesion.lesion}"


def coded_findings(report: Report | ResponseReport) -> tuple[Finding, ...]:
    """List what a report says as coded findings: lesions first, then answered lines of the template.

    Parameters
    ----------
    report : Report or ResponseReport
        Report of one scan, or of the response between two.
    """
    if isinstance(report, ResponseReport):
        return _response_findings(report)
    changes = {change.lesion: change for change in report.changes if change.lesion}
    found = []
    for lesion in report.lesions:
        change = changes.get(lesion.name)
        more: tuple[Measured, ...] = ()
        answers: tuple[tuple[Code, Code], ...] = ()
        if change is not None:
            more = _change_numbers(change.before_ml, change.after_ml)
            answers = _change_answer(change.before_ml, change.after_ml)
        found.append(_lesion_finding(lesion, more, answers, "" if change is None else change.words))
    for gone in (change for change in report.changes if not change.lesion):
        found.append(
            Finding(
                identifier=f"{gone.kind} before: {gone.prior}",
                words=gone.words,
                kind=_KINDS[gone.kind],
                measured=_change_numbers(gone.before_ml, None),
            )
        )
    if (response := response_by_diameters(report.changes)) is not None:
        found.append(response)
    return (*found, *(f for line in report.lines if (f := _line_finding(line, report)) is not None))


def response_by_diameters(changes: Sequence[Change]) -> Finding | None:
    """Sum the diameters of target lesions then and now, by the rules of RECIST 1.1.

    Parameters
    ----------
    changes : sequence of Change
        Every lesion in an earlier report and in this one.

    Returns
    -------
    Finding or None
        None without a target lesion. Without a category where one is not outlined now: that is not evidence that the
        lesion is gone.
    """
    targets: list[tuple[float, float | None]] = []
    for kind, least in (("GTVp", _TARGET_MM), ("GTVn", _TARGET_NODE_MM)):
        both = [
            (c.before_long_mm, c.after_long_mm) if kind == "GTVp" else (c.before_short_mm, c.after_short_mm)
            for c in changes
            if c.kind == kind
        ]
        known = [(before, after) for before, after in both if before is not None and before >= least]
        targets += sorted(known, key=lambda pair: -pair[0])[:_TARGETS_PER_ORGAN]
    if not targets:
        return None
    before = sum(pair[0] for pair in targets)
    numbers = [Measured(codes.SUM_BEFORE, round(before, 3), codes.MM)]
    lengths = [after for _, after in targets if after is not None]
    words = f"{len(targets)} target lesion{'s' if len(targets) > 1 else ''}, sum of diameters {before:.1f} mm before"
    if len(lengths) < len(targets):
        missing = len(targets) - len(lengths)
        words = f"{words}; {missing} not outlined now, so no sum is compared. {_RECIST}."
        return Finding("sum_of_diameters", words, sites=(codes.NECK,), measured=tuple(numbers))
    now = sum(lengths)
    percent = round(100 * (now / before - 1), 6)
    numbers += [
        Measured(codes.SUM_NOW, round(now, 3), codes.MM),
        Measured(codes.SUM_CHANGE, round(percent, 2), codes.PERCENT),
    ]
    category = codes.STABLE_DISEASE
    if percent >= _PROGRESS_PERCENT and now - before >= _PROGRESS_MM:
        category = codes.PROGRESSIVE_DISEASE
    elif percent <= _PARTIAL_PERCENT:
        category = codes.PARTIAL_RESPONSE
    return Finding(
        "sum_of_diameters",
        f"{words}, {now:.1f} mm now ({percent:+.0f} %). {_RECIST}.",
        sites=(codes.NECK,),
        measured=tuple(numbers),
        answers=((codes.CURRENT_RESPONSE, category),),
    )


def _lesion_finding(
    lesion: Lesion, more: tuple[Measured, ...], answers: tuple[tuple[Code, Code], ...], words: str
) -> Finding:
    numbers = [
        Measured(codes.VOLUME, lesion.volume_ml, codes.ML),
        Measured(codes.DIAMETER, lesion.longest_diameter_mm, codes.MM, codes.MAXIMUM),
        Measured(codes.LONG_AXIS, lesion.axial_long_mm, codes.MM),
        Measured(codes.SHORT_AXIS, lesion.axial_short_mm, codes.MM),
    ]
    if lesion.uptake is not None:
        numbers += [
            Measured(codes.SUV, lesion.uptake.suv_max, codes.SUV_UNIT, codes.MAXIMUM),
            Measured(codes.SUV, lesion.uptake.suv_mean, codes.SUV_UNIT, codes.MEAN),
            Measured(codes.METABOLIC_VOLUME, lesion.uptake.mtv_ml, codes.ML),
            Measured(codes.GLYCOLYSIS, lesion.uptake.tlg_g, codes.GRAM),
        ]
    levels = level_names(lesion.level)
    said = [*answers]
    if lesion.role == "node":
        sites = tuple(dict.fromkeys(codes.site_of_level(level) for level in levels)) or (codes.CERVICAL_NODE,)
        level = codes.ELEMENTS["level"].question
        said += [(level, found) for name in levels if (found := codes.element_of_level(name)) is not None]
        extension = {"yes": "present", "no": "absent"}.get(lesion.extranodal_extension.lower())
        if extension is not None:
            element = codes.ELEMENTS["extranodal_extension"]
            said.append((element.question, element.answers[extension]))
    else:
        site = codes.site_of_words(lesion.site)
        sites = () if site is None else (site,)
    parts = [lesion.name, lesion.side, lesion.site, lesion.level, lesion.necrosis, words]
    return Finding(
        identifier=lesion_identifier(lesion),
        words=". ".join(part[0].upper() + part[1:] for part in parts if part) + ".",
        kind=_KINDS[lesion.kind],
        sites=sites,
        side=lesion.side if lesion.side in codes.SIDES else "",
        measured=(*numbers, *more),
        answers=tuple(dict.fromkeys(said)),
        lesion=lesion,
    )


def _change_numbers(before_ml: float | None, after_ml: float | None) -> tuple[Measured, ...]:
    numbers = [] if before_ml is None else [Measured(codes.VOLUME_BEFORE, before_ml, codes.ML)]
    if before_ml and after_ml is not None:
        percent = round(100 * (after_ml / before_ml - 1), 2)
        numbers.append(Measured(codes.VOLUME_CHANGE, percent, codes.PERCENT))
    return tuple(numbers)


def _change_answer(before_ml: float | None, after_ml: float | None) -> tuple[tuple[Code, Code], ...]:
    """By the printed definition of `hyoid.report.content.change`."""
    element = codes.ELEMENTS["change"]
    if not before_ml:
        return ()  # no counterpart was outlined before, which does not make the lesion new
    _, word = volume_change(before_ml, after_ml or 0.0)
    return ((element.question, element.answers[_CHANGES[word]]),) if word in _CHANGES else ()


def _line_finding(line: Line, report: Report) -> Finding | None:
    """An answered line of involvement, nodes or staging; None for others, whose numbers stand with the lesions."""
    if line.status == "Missing":
        return None
    answers: list[tuple[Code, Code]] = []
    sites: tuple[Code, ...] = ()
    numbers: tuple[Measured, ...] = ()
    if line.key in FIELD_BY_KEY:
        sites = (codes.FIELD_CODES[line.key],)
        if (answer := _involvement(line.value)) is not None:
            answers.append((codes.SITE_INVOLVEMENT, answer))
        invasion = {codes.INVOLVED: "present", codes.UNINVOLVED: "absent"}.get(answer) if answer else None
        if invasion and line.key in codes.ELEMENTS:
            answers.append((codes.ELEMENTS[line.key].question, codes.ELEMENTS[line.key].answers[invasion]))
    elif line.key == "number_of_nodes":
        nodes = [lesion for lesion in report.lesions if lesion.role == "node"]
        sites, numbers = (codes.CERVICAL_NODE,), (Measured(codes.NUMBER_OF_LESIONS, len(nodes), codes.ONE),)
        if nodes:
            element = codes.ELEMENTS["number_of_nodes"]
            answers.append((element.question, element.answers["single" if len(nodes) == 1 else "multiple"]))
            element = codes.ELEMENTS["side_of_nodes"]
            sides = {lesion.side for lesion in nodes} - {"midline"}
            if sides:
                word = "bilateral" if len(sides) == 2 else sides.pop()
                answers.append((element.question, element.answers[word]))
    elif line.section != STAGING and line.key not in ("extranodal_extension", "loss_of_fat_planes"):
        return None
    who = line.evidence[0].source if line.evidence else ""
    said = f"{line.words}: {line.value} [{line.status}{f'; {who}' if who else ''}]"
    return Finding(line.key, said, sites=sites, measured=numbers, answers=tuple(answers))


def _involvement(value: str) -> Code | None:
    """Code of the answer that a line of involvement gives; None for an answer in other words."""
    words = value.lower()
    if words.startswith("not involved"):
        return codes.UNINVOLVED
    if re.match(r"(?:both - |r - |l - )?involved\b", words):
        return codes.INVOLVED
    for word in Likelihood:
        if words.startswith(f"involvement {word}"):
            return codes.LIKELIHOODS[word.value]
    if words.startswith("in contact") or re.search(r"\b(?:abuts|encases) the\b", words):
        return codes.CONTACT
    return None


def _response_findings(report: ResponseReport) -> tuple[Finding, ...]:
    """Lesions of the later scan, then every followed lesion with its change."""
    return (
        *(_lesion_finding(lesion, (), (), "") for lesion in report.lesions),
        *(_followed(line, report.definition) for line in report.response),
    )


def _followed(line: ResponseLine, definition: str) -> Finding:
    element = codes.ELEMENTS["change"]
    word = _CHANGES.get(line.change.partition(",")[0])
    numbers = [*_change_numbers(line.before_ml, line.after_ml)]
    if line.after_ml is not None:
        numbers.insert(0, Measured(codes.VOLUME, line.after_ml, codes.ML))
    if line.present is not None:
        numbers.append(Measured(codes.PRESENCE, line.present, codes.ONE))
    return Finding(
        identifier=f"{line.name}, followed from the earlier scan",
        words=f"{line.name}: {line.change}. Categories: {definition}",
        kind=_KINDS[line.kind],
        measured=tuple(numbers),
        answers=() if word is None else ((element.question, element.answers[word]),),
    )


def clinical_stages(report: Report | ResponseReport) -> Sequence[tuple[Code, Line]]:
    """Find the lines on cT and cN that were answered, each with the code of its question."""
    if isinstance(report, ResponseReport):
        return ()
    questions = {"ct": codes.CLINICAL_T, "cn": codes.CLINICAL_N}
    return [
        (questions[line.key[:2]], line)
        for line in report.lines
        if line.section == STAGING and line.status != "Missing" and line.key[:2] in questions
    ]
