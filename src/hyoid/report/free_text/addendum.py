"""What free text says and the template has no line for: other places, stage as written, uptake, change, incidental findings."""

from __future__ import annotations

import re

from hyoid.report.content.schema import Evidence, Line
from hyoid.report.free_text.answers import side_words
from hyoid.report.free_text.assertions import State, assertions_in
from hyoid.report.free_text.sentences import Part, Sentence

SECTION = "Addendum"
"""Section of lines that stand behind the template."""

_STATES = {
    State.INVOLVED: "Involved",
    State.NOT_INVOLVED: "Not involved",
    State.EQUIVOCAL: "Equivocal",
    State.CHANGED: "Changed, tumour not stated",
    State.TREATED: "Changed, likely by treatment",
}
_WEIGHT = (State.INVOLVED, State.EQUIVOCAL, State.TREATED, State.CHANGED, State.NOT_INVOLVED)
_PRESENT = (Part.FINDINGS, Part.IMPRESSION)
_STAGE = re.compile(
    r"\b[cpyar]{0,3}T(?:is|[0-4xX][a-d]?)(?:\s*\([^)]{1,12}\))?[\s,/]*(?:[cpy]{0,2}N(?:[0-3xX][a-c]?)(?:\s*\([^)]{1,12}\))?[\s,/]*)?(?:[cp]?M[01xX][a-c]?)?"
    r"(?:\s*,?\s*\(?(?:AJCC|UICC|TNM)\s*\d{0,2}(?:th)?(?: ed(?:ition|\.)?)?\)?)?"
)
_NI_RADS = re.compile(
    r"NI-?RADS(?:\s+(?:category|score))?\s*:?\s*[0-4][ab]?(?:\s+(?:for (?:the )?)?(?:primary(?: site)?|neck|nodes?|nodal))?",
    re.IGNORECASE,
)
_UPTAKE = re.compile(
    r"\b(?:SUV|suv)\s*-?(?:max|mean|peak|Max|MAX|bw)?\s*(?:of|=|:|is)?\s*\d+(?:[.,]\d+)?|\bDeauville\s*(?:score)?\s*[1-5]",
    re.IGNORECASE,
)
_CHANGE = re.compile(
    r"\b(?:previously|formerly|prior|interval|unchanged|stable|since (?:the )?(?:last|previous|prior)|compared (?:with|to)|(?:increas|decreas)\w+ in size|smaller|larger|regress\w+|progress\w+|"
    r"(?:partial|complete|metabolic|incomplete) (?:\w+ )?response|no response|resolved|new (?:lesion|mass|nodes?|focus)|no new)\b",
    re.IGNORECASE,
)
_INCIDENTAL = re.compile(
    r"\b(?:lungs?|pulmonary|upper lobe|lower lobe|pleural|effusion|mediastin\w+|apic\w+|emphysema\w*|thyroid nodules?|thyroid (?:lobes?|cyst\w*)|goit\w+|struma|mastoid\w*|sinus(?:es|itis)?|antr(?:um|al)|"
    r"spondyl\w+|degenerative|spine|vertebra\w*|granuloma\w*|calcifi\w+|plaques?|atheroscler\w+|dental|dentition|caries|carious|teeth|cysts?|nodules?|fibro\w+|scarring|liver|hepatic|adrenal|renal|bone island|"
    r"metasta\w+)\b",
    re.IGNORECASE,
)
_NOTHING_THERE = re.compile(
    r"^(?:(?:the )?[\w /,-]{0,60}?(?:are|is|appears?|:|-)?\s*(?:clear|normal|unremarkable|well (?:aerated|pneumati[sz]ed)|intact|aerated|free|negative)\.?$|no\b(?![^.;]*\bbut\b)[^.;]*\.?$|normal\b[^.;]*\.?$)",
    re.IGNORECASE,
)


def addendum_lines(sentences: tuple[Sentence, ...], used: frozenset[str]) -> tuple[Line, ...]:
    """Write the lines behind the template, each with the sentences that it rests on.

    Parameters
    ----------
    sentences : tuple of Sentence
        The whole report.
    used : frozenset of str
        Sentences that lines of the template quote; what these say is not repeated as incidental.

    Examples
    --------
    >>> from hyoid.report.free_text.sentences import read_sentences
    >>> found = addendum_lines(read_sentences("The mandible is eroded on the left. Stage: cT4a N1."), frozenset())
    >>> [(line.words, line.value) for line in found]
    [('Mandible', 'Involved, left'), ('Stage as written', 'cT4a N1')]
    """
    present = tuple(s for s in sentences if s.part in _PRESENT)
    lines = _places(present)
    said = {source for line in lines for source in (e.source for e in line.evidence)}
    everywhere = tuple(s for s in sentences if s.part in (*_PRESENT, Part.ELSEWHERE))
    lines += _written("stage", "Stage as written", _STAGE, everywhere, whole=False)
    lines += _written("ni_rads", "NI-RADS as written", _NI_RADS, everywhere, whole=False)
    lines += _written("uptake", "Uptake as written", _UPTAKE, everywhere, whole=False)
    lines += _written("change_since_prior", "Change since the prior scan", _CHANGE, present, whole=True)
    incidental = tuple(
        s
        for s in everywhere
        if s.text not in used
        and s.text not in said
        and s.part is not Part.IMPRESSION
        and not _NOTHING_THERE.match(s.text)
    )
    lines += _written("incidental_findings", "Incidental findings", _INCIDENTAL, incidental, whole=True)
    return tuple(lines)


def _places(present: tuple[Sentence, ...]) -> list[Line]:
    """What is said of places that the template does not have."""
    said: dict[str, list[tuple[State, frozenset, Sentence]]] = {}
    for sentence in present:
        for assertion in assertions_in(sentence.plain):
            name = assertion.mention.term.beyond
            if name and name != "Chest":
                said.setdefault(name, []).append((assertion.state, assertion.sides, sentence))
    lines = []
    for name, rows in said.items():
        state = next(state for state in _WEIGHT if any(row[0] is state for row in rows))
        sides = frozenset().union(*(row[1] for row in rows if row[0] is state))
        side = side_words(sides)
        value = f"{_STATES[state]}, {side}" if side else _STATES[state]
        sources = dict.fromkeys(row[2].text for row in rows if row[0] is state)
        lines.append(_line("beyond_" + re.sub(r"\W+", "_", name.lower()), name, value, tuple(sources)))
    return lines


def _written(
    key: str, words: str, pattern: re.Pattern[str], sentences: tuple[Sentence, ...], *, whole: bool
) -> list[Line]:
    """A line with words as they stand in the report: what fits a pattern, or the whole sentence that holds it."""
    found: dict[str, None] = {}
    sources: dict[str, None] = {}
    for sentence in sentences:
        matches = [" ".join(m.group().split()).strip(" ,/") for m in pattern.finditer(sentence.text)]
        if matches:
            sources[sentence.text] = None
            found.update(dict.fromkeys([sentence.text] if whole else matches))
    return [_line(key, words, " ".join(found) if whole else "; ".join(found), tuple(sources))] if found else []


def _line(key: str, words: str, value: str, sources: tuple[str, ...]) -> Line:
    evidence = tuple(Evidence(status="text", source=source) for source in sources)
    return Line(key=key, words=words, section=SECTION, value=value, status="text", evidence=evidence)
