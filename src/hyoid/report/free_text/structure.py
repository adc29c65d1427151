"""Free-text report -> the structured template, every answer with the sentence it came from."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from hyoid.errors import InputRefusedError
from hyoid.report.content.schema import Conclusion, Line, ModelUse, Report
from hyoid.report.content.template import FIELDS, FRONT, Kind
from hyoid.report.free_text.addendum import addendum_lines
from hyoid.report.free_text.answers import blank
from hyoid.report.free_text.identity import refuse_two_patients, without_identifiers
from hyoid.report.free_text.intake import readable
from hyoid.report.free_text.language import in_english, language_of
from hyoid.report.free_text.lymph_nodes import speaks_of_nodes
from hyoid.report.free_text.node_levels import levels_in
from hyoid.report.free_text.printed import is_template, read_template
from hyoid.report.free_text.rules import CONTRADICTORY, RULES, fill_by_rules
from hyoid.report.free_text.sentences import Part, Sentence, plain, read_sentences
from hyoid.report.free_text.vocabulary import mentions_in


@dataclass(frozen=True)
class Filled:
    """Lines that an engine filled, and who filled these.

    Parameters
    ----------
    lines : dict of str to Line
        Answered lines by key.
    source : ModelUse
        Who filled them.
    warnings : tuple of str
        What a reader must know, for instance that another engine's answer was refused.
    """

    lines: dict[str, Line]
    source: ModelUse
    warnings: tuple[str, ...] = ()


Engine = Callable[[str, tuple[Sentence, ...]], Filled]
"""Fills the template from a text without identifiers and its sentences."""

PRINTED = ModelUse(name="printed template", licence="not applicable", trained_on="nothing")
_TITLE_REACH = 160  # characters in which a report names its scan
_PET = r"\b(?:PET|pet)\b"
_MR = r"\b(?:MRI?|MRT|mri|Mri|Magnetic resonance)\b"
_CT = r"\b(?:CE)?CT\b|\bComputed tomography\b|\bct\b|\bCt\b"
_NECK = re.compile(
    r"\b(?:neck|face|head (?:and|&) neck|larynx|pharynx|oropharynx|oral cavity|tongue|cervical|nasopharynx|pns|hals)\b"
)
_OTHER_PARTS = re.compile(
    r"\b(?:abdom\w+|pelvi[sc]\w*|liver|hepatic|kidneys?|renal|spleen|pancrea\w+|gall ?bladder|bowel|colon|"
    r"uter\w+|ovar\w+|prostate|"
    r"bladder|knee|meniscus|acl|hip|shoulder|ankle|wrist|elbow|femur|tibia|lumbar|thoracic spine|"
    r"l[1-5]-?[/-]?[ls][1-5]|"
    r"chest|lungs?|pulmonary|pleura\w*|mediastin\w+|heart|cardiac|coronary|breast|ventricles|cerebr\w+|hippocamp\w+|"
    r"basal ganglia|corpus callosum|sulci)\b"
)


def structure_text(text: str, engine: Engine | None = None) -> Report:
    """Fill the template from a free-text report.

    Every line is there: answered with status "text" and the sentences it rests on, quoted, or `Missing`. Sentences on
    earlier scans, the clinical background (but for the primary's site, and then flagged), technique and advice fill
    nothing. Lines that identify the patient are dropped before anything is read. A template that was printed or filled
    by hand is read back line by line.

    Parameters
    ----------
    text : str
        Free-text radiology report, plain or HTML.
    engine : Engine, optional
        Engine that answers the lines; by default the rules.

    Returns
    -------
    Report
        Without a study, lesions and organs: text measures nothing.

    Raises
    ------
    InputRefusedError
        When the text is empty, too long, no plain text, speaks of another part of the body, or holds two patients.

    Examples
    --------
    >>> report = structure_text("CT neck. Mass in the right tonsil measuring 2 x 2.4 cm. No cervical lymphadenopathy.")
    >>> [line.value for line in report.lines if line.status == "text"][:3]
    ['Tonsil, right side', '2 x 2.4 cm', 'R - involved']
    """
    text = readable(text)
    if len(re.findall(r"[^\W\d_]{2,}", text)) < 3:
        raise InputRefusedError("The report is empty.", "Give the text of a radiology report of the head and neck.")
    refuse_two_patients(text)
    clean = without_identifiers(text)
    if is_template(clean):
        return _report(Filled(read_template(clean), PRINTED))
    sentences = read_sentences(clean)
    _refuse_other_part(sentences, language_of(clean))
    filled = (engine or fill_with_rules)(clean, sentences)
    unread = sum(s.part is Part.UNREAD for s in sentences)
    if unread:
        filled = replace(
            filled, warnings=(*filled.warnings, f"Sentences too long to read: {unread}. Nothing is taken from these.")
        )
    used = frozenset(e.source for line in filled.lines.values() for e in line.evidence)
    return _report(filled, title=title_of(clean), addendum=addendum_lines(sentences, used))


def fill_with_rules(text: str, sentences: tuple[Sentence, ...]) -> Filled:
    """Fill the template by the rules; offline, and the default engine.

    Parameters
    ----------
    text : str
        Not used; rules read the sentences.
    sentences : tuple of Sentence
        Sentences of the whole report, in order.
    """
    del text
    return Filled(fill_by_rules(sentences), RULES)


def _refuse_other_part(sentences: tuple[Sentence, ...], language: str) -> None:
    """Refuse a report that names no place of the neck, or names other parts in its title or more often."""
    words = [plain(in_english(s.text, language)) for s in sentences]
    title = " ".join(w for w, s in zip(words, sentences, strict=True) if s.part is Part.TECHNIQUE)
    neck = sum(
        sum(bool(m.term.keys or m.term.site) for m in mentions_in(w))
        + speaks_of_nodes(w)
        + len(levels_in(w))
        + len(_NECK.findall(w))
        for w in words
    )
    other = sum(len(_OTHER_PARTS.findall(w)) for w in words)
    named_other = _OTHER_PARTS.search(title) is not None and _NECK.search(title) is None
    if neck == 0 or other > 2 * neck or (named_other and other >= neck):
        raise InputRefusedError(
            "The text does not read as a report of the head and neck.",
            "Give a report that describes the neck; reports of other parts of the body do not fit the template.",
        )


def title_of(text: str) -> str:
    """Choose the template's title for the scan that a report names first; empty for a contrast CT or an unnamed scan.

    Parameters
    ----------
    text : str
        Report as it came in.

    Examples
    --------
    >>> title_of("MRI oropharynx and neck with gadolinium"), title_of("FDG PET/CT"), title_of("CECT neck")
    ('MRI for Head & Neck Cancers', 'PET/CT for Head & Neck Cancers', '')
    """
    head = " ".join(text.split())[:_TITLE_REACH]
    pet, mr, ct = (re.search(pattern, head) for pattern in (_PET, _MR, _CT))
    if pet:
        name = "PET/MRI" if re.match(r".{0,12}MR", head[pet.start() :]) else "PET/CT"
    elif mr and ct and re.search(r"\b(?:CT|CECT) (?:and|&|\+) MR|\bMRI? (?:and|&|\+) (?:CE)?CT", head):
        name = "CT and MRI"
    elif mr and (not ct or mr.start() < ct.start()):
        name = "MRI"
    elif (
        ct
        and re.search(r"\b(?:non-?contrast|unenhanced|without (?:iv |intravenous )?contrast)\b", head, re.IGNORECASE)
        and not re.search(r"with and without", head, re.IGNORECASE)
    ):
        name = "CT without contrast"
    else:
        return ""
    return FRONT.replace("CECT", name)


def _report(filled: Filled, title: str = "", addendum: tuple[Line, ...] = ()) -> Report:
    lines = tuple(filled.lines.get(row.key, blank(row)) for row in FIELDS)
    warnings = list(filled.warnings)
    torn = [line.words for line in lines if CONTRADICTORY in line.flags]
    if torn:
        warnings.append(f"Sentences contradict each other on: {', '.join(torn)}. Both are kept.")
    answered = [line for line in lines if line.status != "Missing"]
    if not answered:
        warnings.append("No line of the template is answered by the text.")
    return Report(
        impression=(
            Conclusion(
                words=_summary(lines, len(answered)), rests_on=("primary_location_of_the_mass", "size_of_the_mass")
            ),
        ),
        study=None,
        models=(filled.source,),
        lines=lines,
        lesions=(),
        organs=(),
        missing_organs=(),
        warnings=tuple(warnings),
        empty=not answered,
        title=title,
        addendum=addendum,
    )


def _summary(lines: tuple[Line, ...], answered: int) -> str:
    """Site and size, and how much of the template the text answers."""
    by_key = {line.key: line for line in lines}
    place, size = by_key["primary_location_of_the_mass"].value, by_key["size_of_the_mass"].value
    asked = sum(row.kind is not Kind.IDENTITY for row in FIELDS)
    return f"Site: {place}. Size: {size}. The text answers {answered} of {asked} lines."
