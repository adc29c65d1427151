"""What a sentence says of each place it names: involved, spared, doubtful, changed by treatment; on which side.

A sentence is cut into clauses. In each, words that say something ("infiltrating", "spared", "no sign of erosion") are
found, and every place is given to the word that governs it: the word in front of it ("infiltrating the tonsil"), or
the predicate behind it ("the tonsil is spared"). The idea is that of NegEx (Chapman et al. 2001, DOI
10.1006/jbin.2001.1029), with predicates, uncertainty and sides added.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from hyoid.anatomy.structures import Side
from hyoid.report.free_text.cues import BE, Cue, CueKind, Way, cues_in
from hyoid.report.free_text.vocabulary import Mention, mentions_in, sides_in


class State(StrEnum):
    """What is said of a place."""

    INVOLVED = "involved"
    NOT_INVOLVED = "not involved"
    EQUIVOCAL = "equivocal"
    CHANGED = "changed"
    TREATED = "treated"


@dataclass(frozen=True)
class Assertion:
    """One place and what is said of it.

    Parameters
    ----------
    mention : Mention
    state : State
    sides : frozenset of Side
        Empty when no side is named.
    cue : str
        The words that say it.
    rest_only : bool
        Said of the rest ("otherwise normal"): it does not speak against what is said elsewhere.
    """

    mention: Mention
    state: State
    sides: frozenset[Side]
    cue: str
    rest_only: bool = False


_CLAUSE = re.compile(
    r";|,? (?:but|however|while|whilst|whereas|although|though|except(?: for)?|apart from|aside from|other than|"
    r"yet)\b,?"
)
_UNSURE = re.compile(
    r"\b(?:likely|probabl[ey]|possibl[ey]|possibility of|suspicious|suspicion|suspected|suggest\w*|"
    r"questionabl[ey]|presumabl[ey]|conceivabl[ey]|"
    r"question of|"
    r"equivocal(?:ly)?|may(?: be)?|might|could be|can not be (?:\w+ )?(?:excluded|ruled out)|"
    r"not (?:be )?(?:\w+ )?(?:excluded|ruled out)|"
    r"concerning for|concern for|worrisome|uncertain(?:ly)?|indeterminate|doubtful|borderline|\?)"
)
_NOT_EXCLUDED = re.compile(
    r"\b(?:difficult|hard|impossible) to (?:exclude|rule out)|"
    r"\b(?:can|could) ?not be (?:\w+ )?(?:excluded|ruled out)|\bnot (?:\w+ )?(?:excluded|ruled out)"
)
_TREATMENT = re.compile(
    r"radiogenic|actinic|radiation o?edema|"
    r"(?:secondary to|due to|following|from|after|attributable to|related to) (?:\w+ )?(?:radi\w+|irradiation|rt|treatment|therapy|chemo\w*)\b|"
    r"post-? ?(?:rt|radi\w+|ct/rt|ccrt|treatment|therapy|op\w*|surg\w+|chemo\w*|"
    r"irradiation)(?: \w+)? ?(?:changes?|sequela\w*|o?edema|"
    r"effects?|fibrosis|thickening)|(?:radiation|treatment|therapy|rt)[- ](?:induced|related|change\w*)|"
    r"radiation (?:changes?|mucositis)|"
    r"sequela\w* of (?:radi\w+|treatment|therapy)|(?:inflammatory|reactive) (?:changes?|o?edema|thickening)"
)
_LANDMARK = re.compile(
    r"\b(?:level|(?:upper|lower|inferior|superior|anterior|posterior) (?:border|margin|edge|end)|"
    r"plane of) ?(?:of)? (?:the )?$"
)
_SIDE_BEHIND_CUE = re.compile(r" (?:by (?:the )?(?:mass|tumou?r|lesion) )?(?:on|at) (?:the )?(right|left|both)\b")
_MASS = re.compile(r"\b(?:mass|tumou?r|lesion|growth|neoplasm|carcinoma|disease)\b")
_NO_TUMOUR_WORD = re.compile(r"o?edema|swell|swollen|asymmetr|fullness|prominen|stranding|bulky|enlarg")
_UNMADE = re.compile(
    rf"^[^,;]*?\b(?:{BE} )?(?:(?:can|could) ?not be (?:\w+ )?(?:seen|identified|demonstrated|detected|found)|"
    r"not (?:\w+ )?(?:seen|identified|demonstrated|present|evident|noted|appreciated|"
    r"visuali[sz]ed|detected|found|observed|suspected)|absent|excluded|ruled out|resolved|no longer)"
)
_OTHERWISE = re.compile(r"\b(?:otherwise|remaining|remainder|rest of|other)\b")


def assertions_in(words: str) -> tuple[Assertion, ...]:
    """Everything a plain sentence says of the places it names; places of which nothing is said are left out.

    Parameters
    ----------
    words : str
        From `hyoid.report.free_text.sentences.plain`.

    Examples
    --------
    >>> found = assertions_in("mass involves the tonsil, sparing the soft palate")
    >>> [(a.mention.term.keys, a.state.value) for a in found]
    [(('tonsil',), 'involved'), (('soft_palate',), 'not involved')]
    """
    found: list[Assertion] = []
    start = 0
    for border in [*_CLAUSE.finditer(words), None]:
        end = border.start() if border else len(words)
        found += _in_clause(words, start, end)
        start = border.end() if border else end
    return tuple(_share_both(words, found))


def _in_clause(words: str, start: int, end: int) -> list[Assertion]:
    clause = words[start:end]
    mentions = mentions_in(clause)
    cues = cues_in(clause, mentions)
    found = []
    for at, mention in enumerate(mentions):
        cue = _governing(clause, mentions, at, cues)
        if cue is None or not mention.term.keys or _LANDMARK.search(clause[: mention.start]):
            continue
        state = _state(clause, cue, mentions)
        if state is None:
            continue
        moved = replace(mention, start=mention.start + start, end=mention.end + start)
        rest = _OTHERWISE.search(clause) is not None and state is State.NOT_INVOLVED
        sides = _sides(clause, mentions, at)
        behind = _SIDE_BEHIND_CUE.match(clause[cue.end :]) if cue.way is Way.BACK else None
        sides = sides or (sides_in(behind.group(1)) if behind else sides)
        found.append(Assertion(moved, state, sides, clause[cue.start : cue.end], rest))
    return found


def _governing(clause: str, mentions: tuple[Mention, ...], at: int, cues: list[Cue]) -> Cue | None:
    """The cue that speaks of a mention."""
    mention = mentions[at]
    inside = [c for c in cues if c.start <= mention.start and mention.end <= c.end]
    behind = next((c for c in cues if c.way is Way.BACK and c.start >= mention.end), None)
    adjacent = next((c for c in cues if c.noun and c.strong and clause[mention.end : c.start] == " "), None)
    if adjacent is not None and not inside:
        return adjacent
    if inside and inside[0].way is Way.ITSELF:
        undone = behind if behind is not None and behind.kind in (CueKind.NORMAL, CueKind.UNSEEN) else None
        if undone is not None and inside[0].kind is not CueKind.NORMAL and undone.kind is CueKind.NORMAL:
            return undone
        return inside[0]
    ahead = next((c for c in reversed(cues) if c.way in (Way.AHEAD, Way.ITSELF) and c.end <= mention.start), None)
    if (
        ahead is not None
        and ahead.way is Way.ITSELF
        and not re.fullmatch(r"[ ,]*(?:or|nor|and)? ?(?:of )?(?:the )?\w*", clause[ahead.end : mention.start])
    ):
        ahead = None
    if behind is not None and any(c.start > mention.end and c.end <= behind.start and c.way is Way.AHEAD for c in cues):
        # Another word ahead stands between: the predicate belongs to what follows that word, unless it has no subject.
        behind = behind if ahead is None and _subject_reaches(clause, mention, behind, cues) else None
    if ahead is None or behind is None:
        return ahead or behind
    return behind if _is_subject(clause, mentions, at, behind, ahead) else ahead


def _subject_reaches(clause: str, mention: Mention, cue: Cue, cues: list[Cue]) -> bool:
    between = [c for c in cues if c.start > mention.end and c.end <= cue.start and c.way is Way.AHEAD]
    return all(not c.strong or c.noun for c in between) and len(clause[mention.end : cue.start]) < 60


def _is_subject(clause: str, mentions: tuple[Mention, ...], at: int, cue: Cue, ahead: Cue) -> bool:
    """Whether the predicate `cue` speaks of a place to which another word ahead could reach too.

    The subject of "is" is the last place; of "are", the places joined by "and" behind the last comma or new article.
    """
    between = [m for m in mentions if ahead.end <= m.start and m.end <= cue.start]
    gap = clause[between[-1].end : cue.start]
    verb = re.search(rf"\b({BE})\b", gap + clause[cue.start : cue.end])
    if verb is None and len(gap.strip(" :-")) > 0:
        return cue.noun and len(gap) < 12 and mentions[at] is between[-1]
    if mentions[at] is between[-1]:
        return True
    plural = verb is not None and verb.group(1) in (
        "are",
        "were",
        "appear",
        "remain",
        "look",
        "seem",
        "show",
        "demonstrate",
        "have",
    )
    if not plural:
        return False
    place = between.index(mentions[at])
    joints = [clause[a.end : b.start] for a, b in zip(between[place:], between[place + 1 :], strict=False)]
    return all(
        ("," not in joint and not re.search(r"\band the\b.*$", joint))
        or re.fullmatch(r" and (?:the )?(?:right |left |bilateral |both )*", joint)
        for joint in joints
    )


def _state(clause: str, cue: Cue, mentions: tuple[Mention, ...]) -> State | None:
    if cue.kind is CueKind.UNSEEN:
        return None
    near = clause[max(0, cue.start - 45) : cue.start]
    near = re.split(r",|\band\b|\bwith\b", near)[-1]
    behind = (
        re.split(r",|;|\b(?:and|with|sparing|without|extending)\b", clause[cue.end :])[0]
        if cue.noun or cue.way is not Way.AHEAD
        else clause[cue.end : cue.end + 12]
    )
    words = clause[cue.start : cue.end]
    unsure = _UNSURE.search(near) is not None or _UNSURE.search(words + behind) is not None
    soft = cue.kind is CueKind.SOFT or "thickening" in words
    state = State.EQUIVOCAL if unsure or cue.kind is CueKind.DOUBT else State.INVOLVED
    if cue.kind is CueKind.NORMAL:
        state = State.EQUIVOCAL if _NOT_EXCLUDED.search(clause[cue.start :]) else State.NOT_INVOLVED
    elif cue.noun and _NOT_EXCLUDED.search(clause[cue.end :]):
        state = State.EQUIVOCAL
    elif cue.noun and _UNMADE.match(_without(mentions, clause, cue.end)):
        state = State.NOT_INVOLVED
    elif soft and _TREATMENT.search(clause):
        state = State.TREATED
    elif _TREATMENT.search(clause[: cue.start]) and re.match(r"involv|affect", words) and not _MASS.search(clause):
        state = State.TREATED
    elif soft and (_NO_TUMOUR_WORD.search(words) or re.search(r"o?edema|swell|swollen", near)):
        state = State.CHANGED
    return state


def _without(mentions: tuple[Mention, ...], clause: str, start: int) -> str:
    """The clause behind `start`, the places listed there left out, so that a predicate behind a list is found."""
    kept, at = "", start
    for mention in mentions:
        if mention.start >= at:
            kept += re.sub(r",", " ", clause[at : mention.start])
            at = mention.end
    return kept + clause[at:]


def _sides(clause: str, mentions: tuple[Mention, ...], at: int) -> frozenset[Side]:
    """Side of a place: named in its own words, before it since the last joint, or right behind it."""
    mention = mentions[at]
    own = sides_in(clause[mention.start : mention.end])
    if own:
        return own
    since = mentions[at - 1].end if at else 0
    lead = re.split(r",|\bthe\b|;", clause[since : mention.start])
    before = sides_in(_since_joint(lead[-1]))
    if before:
        return before
    until = mentions[at + 1].start if at + 1 < len(mentions) else len(clause)
    behind = re.match(
        r" ?\(?(?:wall |side )?(?:on |in |of |to |at )?(?:the |its )?(right|left|both|"
        r"bilateral(?:ly)?)\b(?! (?:and (?:right|left|bilateral)|neck|level))",
        clause[mention.end : until],
    )
    return sides_in(behind.group(1)) if behind else frozenset()


def _since_joint(words: str) -> str:
    """Words since the last "and", unless it joins two sides ("right and left")."""
    if re.search(r"\b(?:right|left) and (?:right|left)\b", words):
        return words
    return re.split(r"\b(?:and|or|with|to|of)\b", words)[-1]


def _share_both(words: str, found: list[Assertion]) -> list[Assertion]:
    """ "Bilateral A and B" is bilateral B too."""
    shared: list[Assertion] = []
    for assertion in found:
        last = shared[-1] if shared else None
        if (
            last is not None
            and not assertion.sides
            and len(last.sides) == 2
            and words[last.mention.end : assertion.mention.start] == " and "
        ):
            assertion = replace(assertion, sides=last.sides)  # noqa: PLW2901
        shared.append(assertion)
    return shared
