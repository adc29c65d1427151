"""Where free text says the mass is, and how large."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from hyoid.anatomy.structures import Side
from hyoid.report.free_text.assertions import State, assertions_in
from hyoid.report.free_text.sentences import Part, Sentence
from hyoid.report.free_text.sizes import Size, sizes_in
from hyoid.report.free_text.vocabulary import MASS_WORDS, NODE_WORDS, PLACE_FIRST, Mention, mentions_in, sides_in

_UPTAKE = r"(?:intense|intensely|avid|avidly|hypermetabolic|increased|marked|focal|abnormal|fdg[- ]avid)(?: \w+){0,2} (?:uptake|activity|focus|lesion|thickening|enhancement)"
_MASS = re.compile(rf"(?<![\w-])(?:{MASS_WORDS}|{_UPTAKE})(?![\w])")
_HEADED = re.compile(
    rf"^(?:(?:epicent(?:re|er)|origin|seat|site|location)(?: of (?:the )?(?:{MASS_WORDS}))?(?= ?[:|=])|(?:the )?(?:index |main )?(?:{MASS_WORDS}))(?: (?:tumou?r|site|lesion|location))?(?: (?:in|on))? ?[:|=-] ?(?:{MASS_WORDS})?"
)
_ELSEWHERE = re.compile(
    r"\b(?:lungs?|pulmonary|(?:upper|lower|middle) lobe|mediastin\w+|pleural|hepatic|liver|adrenal|kidney|brain|cerebr\w+|oesophageal hiatus|breast|bone metasta\w+|thyroid nodule|"
    r"carina|bronch\w+|spleen)\b"
)
_NO_SITE = (State.NOT_INVOLVED, State.TREATED, State.CHANGED)
_PLACE_HEADS = re.compile(rf" ?[:|] ?(?:(?!by\b|free\b|clear\b|from\b)[\w.-]+,? ){{0,3}}?(?:{MASS_WORDS})(?![\w])")
_ORIGIN = re.compile(
    r"\b(?:cent(?:re|ere|er)d|epicent\w+|arising|originating|arises|primary (?:site )?(?:in|of)|"
    r"based)\b[^,;]{0,30}?\b(?:in|on|at|from|of|within)\b"
)
_PLACE_AHEAD = re.compile(
    r"\b(?:in|of|at|within|involving|involves|along|over|on|from|occup(?:ying|ies)|replac(?:ing|es)|fill(?:ing|s)|infiltrat(?:ing|es)|epicentred|centred)\b"
)
_SIZE_THEN_VERB = re.compile(
    r" (?:about |some |approx\w* )?\d[^;]*?\b(?:reach|extend|cross|abut|touch|approach|spread)\w*"
)
_HELD_BY = re.compile(
    rf" (?:(?:is|are|appears?) )?(?:\w+ly )?(?:thickened|replaced|occupied|infiltrated|invaded|filled|expanded|distorted|involved|destroyed|taken up) "
    rf"(?:by|with) (?!the\b|this\b)(?:[\w-]+,? ){{0,5}}?(?:{MASS_WORDS})(?![\w])"
)
"""What a place is filled by: "the cord is thickened by an enhancing lesion"."""
_DENIED = re.compile(
    rf"\bno (?:evidence of |definite |obvious |discrete |residual |recurrent |enhancing |focal |significant |"
    rf"local |measurable |suspicious |or |"
    rf"mucosal |abnormal |soft[- ]tissue |primary |new )*(?:{MASS_WORDS})(?![\w])"
)
_NONE_LEFT = re.compile(r"\b(?:residual|recurren\w+|primary|mass|lesion|tumou?r|growth|evidence of disease)\b")
_SUBJECT = re.compile(
    rf"(?<![\w-])(?:(?P<node>(?:{NODE_WORDS})(?: (?:metasta\w+|mass(?:es)?|conglomerates?|deposits?))?|conglomerates?)|(?P<mass>{MASS_WORDS}|{_UPTAKE})|(?P<other>airway|nodules?|cysts?|"
    rf"abscess|collection|tube|stent|calcul\w+|stenosis|lumen))(?![\w])"
)


@dataclass(frozen=True)
class Place:
    """Site of the mass as a sentence gives it.

    Parameters
    ----------
    site : str
        Empty where only a side is said.
    sides : frozenset of Side
        Sides named for the site; empty when no side is named.
    rank : int
        How plainly: 3 "centred in", 2 a place behind or in front of the word mass.
    sentence : Sentence
        Sentence that gives the site.
    """

    site: str
    sides: frozenset[Side]
    rank: int
    sentence: Sentence


def places_of_mass(sentences: tuple[Sentence, ...]) -> tuple[Place, ...]:
    """List the sites of the mass, best said first: findings before impression before clinical background.

    Parameters
    ----------
    sentences : tuple of Sentence
        Findings, impression and clinical background.
    """
    order = (Part.FINDINGS, Part.IMPRESSION, Part.HISTORY)
    found = [_sided(place) for sentence in sentences if sentence.part in order for place in _places(sentence)]
    return tuple(sorted(found, key=lambda p: (p.sentence.part is Part.HISTORY, -p.rank, order.index(p.sentence.part))))


def _sided(place: Place) -> Place:
    """A place that a mass is centred on has, without one of its own, the only side that the sentence names before nodes."""
    words = place.sentence.plain
    node = re.search(NODE_WORDS, words)
    sides = sides_in(words[: node.start()] if node else words)
    sure = place.rank > 2 or re.match(r"[^,;]*\bon the (?:right|left)\b", words) is not None
    return replace(place, sides=sides) if sure and not place.sides and len(sides) == 1 else place


def mass_sizes(sentences: tuple[Sentence, ...]) -> tuple[tuple[Size, Sentence], ...]:
    """List the sizes of the mass in order; "It measures 3 cm" follows the sentence before.

    Parameters
    ----------
    sentences : tuple of Sentence
        Findings and impression.
    """
    found = []
    of_mass = False
    for sentence in sentences:
        words = sentence.plain
        if _of_elsewhere(words):
            of_mass = False
            continue
        for size in sizes_in(words):
            if _subject(words, size, follows_mass=of_mass) == "mass":
                found.append((size, sentence))
        subjects = list(_SUBJECT.finditer(words))
        if subjects:
            of_mass = subjects[0].lastgroup == "mass" and subjects[-1].lastgroup != "node"
        elif not re.match(r"(?:its?|this|these|the) ", words):
            of_mass = False
    return tuple(found)


def denials_of_mass(sentences: tuple[Sentence, ...]) -> tuple[Sentence, ...]:
    """List the sentences that say there is no mass at all, not only none in one place."""
    found = []
    for sentence in sentences:
        match = _DENIED.search(sentence.plain)
        if match is None or mentions_in(sentence.plain) or not _NONE_LEFT.search(match.group()):
            continue
        if not re.search(NODE_WORDS, sentence.plain[: match.end() + 12]):
            found.append(sentence)
    return tuple(found)


def _of_elsewhere(words: str) -> bool:
    """Whether a sentence speaks of another part of the body and of no place that a mass of the neck arises in."""
    return _ELSEWHERE.search(words) is not None and not any(m.term.site for m in mentions_in(words))


def _subject(words: str, size: Size, *, follows_mass: bool) -> str:
    """What a size is the size of: "mass", "node", "other", or empty."""
    behind = re.match(r"\s*(?:[a-z][\w-]*,? ){0,8}?" + _SUBJECT.pattern, words[size.end :])
    opened = re.search(
        r"(?:^|[:(]|\b(?:a|an|the|and|with|is|of|shows?|approx|approximately|about)) ?(?:\w+ )?$", words[: size.start]
    )
    if behind is not None and opened is not None:
        between = words[size.end : size.end + behind.start(behind.lastgroup or 0)]
        if not re.search(r"\b(?:with|and)\b|[.;]", between):
            return behind.lastgroup or ""
    before = list(_SUBJECT.finditer(words[: size.start]))
    if before:
        return before[-1].lastgroup or ""
    if re.match(
        r"(?:its?|this|which|these|the (?:same|disease|abnormality|former))\b|measur|(?:approx\w* )?size|"
        r"dimensions?|max\w*",
        words,
    ):
        return "mass" if follows_mass else ""
    return ""


def _places(sentence: Sentence) -> list[Place]:
    words = sentence.plain
    if _DENIED.search(words) or _of_elsewhere(words):
        return []
    spared = {(a.mention.start, a.mention.end) for a in assertions_in(words) if a.state in _NO_SITE}
    sited = [m for m in mentions_in(words) if m.term.site and (m.start, m.end) not in spared]
    headed = _HEADED.match(words)
    if headed is not None:
        ahead = [m for m in sited if 0 <= m.start - headed.end() <= 40]
        if ahead:
            return [Place(ahead[0].term.site, _side_of(words, ahead[0], headed.end()), 3, sentence)]
    led = next((m for m in sited if _PLACE_HEADS.match(words, m.end) and m.start < 30), None)
    heads = _PLACE_HEADS.match(words, led.end) if led else None
    if (
        led is not None
        and not (led.term.is_region and any(m.start > led.end for m in sited))
        and heads
        and not any(led.end <= m.start < heads.end() for m in mentions_in(words))
        and not re.search(r"\bno\b|\bnot\b", words[led.end : led.end + 20])
    ):
        return [Place(led.term.site, _side_of(words, led, 0), 2, sentence)]
    origin = _ORIGIN.search(words)
    if origin is not None:
        ahead = [m for m in sited if 0 <= m.start - origin.end() <= 40]
        if ahead:
            return [Place(ahead[0].term.site, _side_of(words, ahead[0], origin.end()), 3, sentence)]
    holder = next((m for m in sited if _HELD_BY.match(words, m.end)), None)
    if holder is not None:
        return [Place(holder.term.site, _side_of(words, holder, 0), 2, sentence)]
    for mass in _MASS.finditer(words):
        if re.search(NODE_WORDS + r"\s*$", words[: mass.start()]):
            continue
        front = [m for m in sited if 0 <= mass.start() - m.end <= 25 and _close(words[m.end : mass.start()])]
        if front:
            side = _side_of(words, front[-1], max(0, front[-1].start - 25)) or sides_in(
                words[front[-1].end : mass.start()]
            )
            return [Place(front[-1].term.site, side, 2, sentence)]
        first = [m for m in sited if m.end <= mass.start() and PLACE_FIRST.fullmatch(words[m.end : mass.start()])]
        if first and re.search(r"\b(?:in|within|at|along)\b[\w -]*$", words[: first[0].start]):
            return [Place(first[0].term.site, _side_of(words, first[0], 0), 2, sentence)]
        beside = next(
            (
                m
                for m in sited
                if re.fullmatch(r",? (?:(?:on the )?(?:right|left|rt|lt) )?", words[mass.end() : m.start])
            ),
            None,
        )
        if beside is not None and mass.start() < 30:
            return [Place(beside.term.site, _side_of(words, beside, mass.end()), 2, sentence)]
        for link in _PLACE_AHEAD.finditer(words, mass.end()):
            ahead = [m for m in sited if 0 <= m.start - link.end() <= 45 and ";" not in words[link.end() : m.start]]
            if ahead and link.group() == "of" and _SIZE_THEN_VERB.match(words, link.end()):
                continue
            if ahead and not re.search(r"\bnot\b|\bno\b|\bspar", words[mass.end() : ahead[0].start]):
                side = _side_of(words, ahead[0], link.end()) or _sided_mass(words, mass.start())
                return [Place(ahead[0].term.site, side, 2, sentence)]
    return []


def _close(between: str) -> bool:
    return re.fullmatch(r" (?:[a-z-]+ ){0,2}|\s*", between) is not None and not re.search(
        r"\b(?:and|by|of|the|is|are|from|to|with|for)\b", between
    )


def _sided_mass(words: str, at: int) -> frozenset[Side]:
    """Side in front of the word mass: "right-sided mass"."""
    match = re.search(r"\b(right|left)(?:[- ]sided)? (?:\w+ ){0,2}$", words[:at])
    return sides_in(match.group(1)) if match else frozenset()


def _side_of(words: str, mention: Mention, since: int) -> frozenset[Side]:
    """Side of a site: within or before its words, else right behind it."""
    own = sides_in(words[mention.start : mention.end]) or sides_in(words[since : mention.start])
    if own:
        return own
    behind = re.match(
        r"[ (]*(?:mass |lesion |tumou?r |growth |carcinoma )?(?:,? ?(?:on|to|in|of) (?:the )?|,|\()? ?(right|"
        r"left)\b(?! (?:level|neck|cervical))",
        words[mention.end :],
    )
    return sides_in(behind.group(1)) if behind else frozenset()
