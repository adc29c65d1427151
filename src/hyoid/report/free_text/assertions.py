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
from hyoid.report.free_text.vocabulary import MASS_WORDS, Mention, mentions_in, sides_in


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


class _Kind(StrEnum):
    DISEASE = "disease"
    SOFT = "soft"  # thickening, oedema: tumour or not
    DOUBT = "doubt"
    NORMAL = "normal"
    NEGATOR = "negator"
    UNSEEN = "unseen"
    NOTHING = "nothing"  # words that look like a cue and are none


class _Way(StrEnum):
    AHEAD = "ahead"
    BACK = "back"
    ITSELF = "itself"


@dataclass(frozen=True)
class _Cue:
    kind: _Kind
    way: _Way
    start: int
    end: int
    reach: int
    noun: bool = False
    strong: bool = True


_Raw = tuple[int, int, _Kind, bool]  # start, end, kind, whether it is a noun
_BE = r"(?:is|are|was|were|be|been|being|appears?|appeared|remains?|looks?|seems?|shows?|demonstrates?|has|have)"
_STEMS = (
    r"involv|infiltrat|invad|erod|destroy|encas|effac|obliterat|narrow|compromis|replac|breach|occlud|thrombos|affect|"
    r"encroach|penetrat|engulf|attenuat|abut|displac|compress|thicken|enlarg|indent"
)
_ACTIVE = (
    r"up to and including|as far as|transgress(?:es|ing)|permeat(?:es|ing)|surround(?:s|ing)|straddl(?:es|ing)|"
    r"(?:bulg|protrud)(?:es|ing)(?= into)|"
    r"involv(?:es|ing)|infiltrat(?:es|ing)|invad(?:es|ing)|erod(?:es|ing)|destroy(?:s|ing)|encas(?:es|ing)|"
    r"effac(?:es|ing)|"
    r"obliterat(?:es|ing)|narrow(?:s|ing)(?= the)|compromis(?:es|ing)|replac(?:es|ing)|breach(?:es|ing)|"
    r"occlud(?:es|ing)|"
    r"affect(?:s|ing)|encroach(?:es|ing)|penetrat(?:es|ing)|engulf(?:s|ing)|cross(?:es|ing)(?= (?:in)?to)|"
    r"extend(?:s|ing)?|reach(?:es|ing)?|spread(?:s|ing)?(?= (?:in)?to| along| across)|gr(?:ow(?:s|n|ing)?|ew)(?= in)|"
    r"involve|infiltrate|invade|erode|destroy|encase|efface|obliterate|compromise|breach|occlude|affect|penetrate|"
    r"traversing|traverses|track(?:s|ing)|tethering|epicentred|epicentered|centred|centered|arising|originating|"
    r"occupying|occupies"
)
_NOUNS = (
    r"loss of (?:the )?normal \w+|transgression|permeation|ingrowth|growth(?= into)|"
    r"involvement|infiltration|invasion|erosions?|destruction|extensions?|encasement|effacement|obliteration|"
    r"thrombosis|"
    r"narrowing|compromise|occlusion|breach|penetration|encroachment|spread|infiltrate"
)
_DONE = (
    r"involved|infiltrated|invaded|eroded|destroyed|encased|effaced|obliterated|narrowed|compromised|replaced|breached|"
    r"occluded|thrombosed|affected|penetrated|diseased|engulfed|abnormal"
)
_SOFT = (
    r"thickening|thickened|o?edema(?:tous)?|swelling|swollen|asymmetr(?:y|ic|ical)|fullness|prominen(?:ce|t)|"
    r"stranding|bulky|"
    r"hyper-?enhanc\w+|enlarged|enlargement"
)
_NORMAL = (
    r"(?:grossly |otherwise )?(?:(?:well )?separate from|inconspicuous|regular(?! (?:margin|border))|tumou?r-free|delineated normally|away from|distant from|remote from|negative(?! for)|normal(?:ly)?(?: (?:in appearance|limits|looking|appearing))?|unremarkable|spared|"
    r"maintained|preserved|intact|uninvolved|unaffected|patent|clear(?! cell)|free|within normal limits|"
    r"not remarkable|wnl|"
    r"undisturbed|uncompromised|adequate|respected|disease[- ]free|symmetrical|nad|healthy|pristine|unobstructed)"
)
_DOUBT_WORDS = (
    r"(?:can|could) ?not be (?:\w+ )?cleared|"
    r"inseparable from|(?:not|cannot be) separable from|adherent to|fixed to|contiguous with|merging with|"
    r"abut(?:s|ting|ment|ted)?|in contact with|contacts?|close(?:ly)? (?:to|applied to)|indistinct(?:ness)?|"
    r"(?:loss|obliteration|effacement|blurring) of (?:the )?(?:intervening |normal |"
    r"adjacent )?fat ?planes?(?: between)?(?: with| around)?|"
    r"ill-?defined (?:fat )?planes? with|indenting|compressing|compresses|displacing|displaces"
)
_NEGATOR = (
    r"no longer|no|not|without|neither|nor|never|absence of|absent|lack of|negative for|devoid of|free (?:of|"
    r"from)|clear of|"
    r"rather than|failed to|stops? short of|rules? out|(?<!to )excludes?|resolution of|complete resolution of|nil"
)
PLACE_FIRST = re.compile(
    r"(?: on the (?:right|left)(?: side)?)?,? (?:there (?:is|are)|shows?|demonstrates?|reveals?|harbou?rs|contains?) "
    r"(?:[\w-]+,? ){0,6}"
)
"""Words between a place and the mass it holds: "in the tonsil there is a large mass"."""
_PREPOSITION = re.compile(r"\b(?:in|of|at|within|along|over|on) (?:the )?")
_AHEAD_OF_PLACE = re.compile(
    r"\s*(?:\w+ly )?(?:of|in|into|to|onto|across|along|with|through|within|at|around|over|beyond|for|the|both|"
    r"bilateral|right|left)\b"
)
_PATTERNS: tuple[tuple[_Kind, str], ...] = (
    (
        _Kind.NOTHING,
        r"post-? ?contrast|contrast[- ]enhanced|normal variant|clear cell|free (?:edge|margin|flap)|no\. ?\d|"
        r"normal[- ]sized|"
        r"not only|no (?:interval |significant )?change|extended|(?:extent|extending) (?:from|superior|"
        r"inferior)\w*(?= (?:to|by) \d)",
    ),
    (
        _Kind.UNSEEN,
        r"(?:not|poorly|incompletely|inadequately) (?:(?:adequately|clearly|completely|fully|well|optimally|reliably) )?"
        r"(?:imaged|delineated|depicted|covered)|not (?:adequately|completely|fully|optimally|reliably) (?:seen|visuali[sz]ed)|"
        r"(?:poorly|incompletely|inadequately) (?:seen|visuali[sz]ed|assessed|evaluated)|degraded|non-?diagnostic|"
        r"(?:can|could) ?not be (?:\w+ )?(?:assess|evaluat|comment|visuali|delineat|determin)\w*|"
        r"not (?:\w+ )?(?:assess|evaluat|"
        r"imaged|included|visuali[sz]ed separately)\w*|obscured|limited (?:by|due)|suboptimally|not well (?:seen|"
        r"visuali\w+|assessed)|"
        r"surgically absent|resected|excised|status post",
    ),
    (
        _Kind.DISEASE,
        r"(?:peri-?neural|intra-? ?cranial|(?:extra|peri)-? ?nodal|extra-? ?capsular) (?:tumou?r )?(?:extension|"
        r"spread|invasion|"
        r"involvement|disease|component|infiltration)|ene|ecs",
    ),
    (_Kind.DOUBT, _DOUBT_WORDS),
    (_Kind.DISEASE, rf"(?:{_ACTIVE})"),
    (_Kind.DISEASE, rf"(?:{_NOUNS})"),
    (_Kind.DISEASE, rf"(?:{_DONE})"),
    (_Kind.SOFT, rf"(?:{_SOFT})"),
    (_Kind.DISEASE, rf"abnormalit(?:y|ies)|pathological findings?|patholog(?:y|ies)|{MASS_WORDS}|disease|deposits?"),
    (_Kind.NORMAL, rf"(?:{_NORMAL}|spar(?:es|ing)|preserv(?:es|ing|ation of)|maintain(?:s|ing)|respect(?:s|ing))"),
    (_Kind.NEGATOR, rf"(?:{_NEGATOR})"),
)
_COMPILED = [(kind, re.compile(rf"(?<![\w-])(?:{pattern})(?!\w|-free)")) for kind, pattern in _PATTERNS]
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
_NOTHING_BEHIND = re.compile(
    r"\W*(?:(?:\w+ly )?(?:seen|identified|noted|present|evident|demonstrated|found|detected|appreciated|"
    r"visuali[sz]ed))?\W*"
)
_LANDMARK = re.compile(
    r"\b(?:level|(?:upper|lower|inferior|superior|anterior|posterior) (?:border|margin|edge|end)|"
    r"plane of) ?(?:of)? (?:the )?$"
)
_SIDE_BEHIND_CUE = re.compile(r" (?:by (?:the )?(?:mass|tumou?r|lesion) )?(?:on|at) (?:the )?(right|left|both)\b")
_MASS = re.compile(r"\b(?:mass|tumou?r|lesion|growth|neoplasm|carcinoma|disease)\b")
_WEAK = re.compile(rf"{MASS_WORDS}|disease|deposits?")
_NO_TUMOUR_WORD = re.compile(r"o?edema|swell|swollen|asymmetr|fullness|prominen|stranding|bulky|enlarg")
_LIST = re.compile(r" ?(?:,|,? ?(?:or|nor)|/) ?(?:any |definite |frank |gross |significant |\w+ing |\w+al |\w+ous )?")
_UNMADE = re.compile(
    rf"^[^,;]*?\b(?:{_BE} )?(?:(?:can|could) ?not be (?:\w+ )?(?:seen|identified|demonstrated|detected|found)|"
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
    cues = _cues(clause, mentions)
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
        behind = _SIDE_BEHIND_CUE.match(clause[cue.end :]) if cue.way is _Way.BACK else None
        sides = sides or (sides_in(behind.group(1)) if behind else sides)
        found.append(Assertion(moved, state, sides, clause[cue.start : cue.end], rest))
    return found


def _cues(clause: str, mentions: tuple[Mention, ...]) -> list[_Cue]:
    """Words that say something, in order, each negation joined to what it denies."""
    raw: list[_Raw] = []
    for kind, pattern in _COMPILED:
        for m in pattern.finditer(clause):
            if all(m.end() <= a or m.start() >= b for a, b, *_ in raw):
                noun = (
                    re.fullmatch(rf"{_NOUNS}|{_SOFT}|{MASS_WORDS}|disease|deposits?|abnormalit\w+", m.group())
                    is not None
                )
                raw.append((m.start(), m.end(), kind, noun))
    raw.sort()
    raw = [c for c, following in zip(raw, [*raw[1:], None], strict=False) if not _only_names(clause, c, following)]
    neither = any(clause[a:b] == "neither" for a, b, *_ in raw)
    raw = [cue for cue in raw if not (neither and clause[cue[0] : cue[1]] == "nor")]
    cues: list[_Cue] = []
    skip = denied = False
    for at, (start, end, kind, noun) in enumerate(raw):
        if skip:
            skip = False
            continue
        following = raw[at + 1] if at + 1 < len(raw) else None
        denied = (
            denied
            and kind in (_Kind.DISEASE, _Kind.SOFT)
            and _LIST.fullmatch(clause[raw[at - 1][1] : start]) is not None
        )
        if denied:
            way = _way(clause, (start, end, kind, noun), mentions)
            cues.append(_Cue(_Kind.NORMAL, way, start, end, end, noun))
            continue
        if kind is _Kind.NEGATOR:
            joined = following is not None and (clause[start:end] == "neither" or _joins(clause[end : following[0]]))
            if joined and following is not None:
                flipped = _denied(following[2])
                way = _way(clause, following, mentions)
                behind = any(end <= m.start and m.end <= following[0] for m in mentions)
                cues.append(
                    _Cue(flipped, _Way.ITSELF if behind else way, start, following[1], following[1], following[3])
                )
                skip = True
                denied = flipped is _Kind.NORMAL
            elif _denies_alone(clause, end, mentions):
                cues.append(_Cue(_Kind.NORMAL, _negator_way(clause, start, end, mentions), start, end, end))
            continue
        weak = _WEAK.fullmatch(clause[start:end]) is not None and kind is _Kind.DISEASE
        way = _way(clause, (start, end, kind, noun), mentions)
        if weak and not _names_place(clause, start, end, mentions):
            continue
        if kind is not _Kind.NOTHING:
            cues.append(_Cue(kind, way, start, end, end, noun, strong=not weak))
    return cues


def _only_names(clause: str, cue: _Raw, following: _Raw | None) -> bool:
    """Whether "tumour" only names what spreads: "tumour spread to", "tumour is seen invading"."""
    start, end, kind, _ = cue
    if following is None or kind is not _Kind.DISEASE or not _WEAK.fullmatch(clause[start:end]):
        return False
    return following[2] in (_Kind.DISEASE, _Kind.SOFT) and clause[end : following[0]].strip() == ""


def _joins(between: str) -> bool:
    """Whether a negator reaches the next cue over these words."""
    between = re.sub(r"^ (?:\w+ly )?(?:appear|seem|look|be|been|being)(?: to)?(?: be| have| have been)?\b", "", between)
    return len(between) < 90 and re.search(rf"\b(?:{_BE}|with|which)\b(?! (?:a|any) )", between) is None


def _denied(kind: _Kind) -> _Kind:
    """What a kind of cue says when it is denied."""
    if kind is _Kind.NORMAL:
        return _Kind.DISEASE
    return kind if kind in (_Kind.UNSEEN, _Kind.NOTHING) else _Kind.NORMAL


def _names_place(clause: str, start: int, end: int, mentions: tuple[Mention, ...]) -> bool:
    """Whether "mass" or the like says where it is: "mass in the tonsil", "tonsillar mass"."""
    if any(
        0 <= start - m.end <= 12
        and re.fullmatch(r"[ \w-]*", clause[m.end : start])
        and not re.search(rf"\b(?:{_BE}|by|and|or|to|from|of|the)\b", clause[m.end : start])
        for m in mentions
    ):
        return True
    if any(m.end <= start and PLACE_FIRST.fullmatch(clause[m.end : start]) for m in mentions):
        return True
    ahead = re.match(r"[^,;]{0,90}", clause[end:])
    stops = [end + m.end() for m in _PREPOSITION.finditer(ahead.group() if ahead else "")]
    return any(0 <= m.start - stop <= 25 and "," not in clause[stop : m.start] for stop in stops for m in mentions)


def _way(clause: str, cue: _Raw, mentions: tuple[Mention, ...]) -> _Way:
    """Whether a cue governs the places behind it in the text or those in front."""
    start, end, kind, noun = cue
    words = clause[start:end]
    if any(m.start >= start and m.end <= end for m in mentions):
        return _Way.ITSELF
    before = any(m.end <= start for m in mentions)
    after = any(m.start >= end for m in mentions)
    if kind is _Kind.UNSEEN:
        way = _Way.BACK
    elif kind is _Kind.NORMAL:
        active = re.match(r"spar(?:es|ing)|preserv(?:es|ing|ation)|maintain(?:s|ing)|respect(?:s|ing)", words)
        adjective = re.match(
            r"(?:normal|unremarkable|patent|intact|symmetrical|clear|preserved|maintained)", words
        ) and _touches(clause, end, mentions)
        predicate = re.search(
            rf"\b{_BE}(?: \w+ly)? ?(?:within )?$|[:,-] ?$", clause[:start]
        ) is not None or _touches_back(clause, start, mentions)
        way = _Way.AHEAD if active or (adjective and not predicate) else _Way.BACK
    elif kind is _Kind.DOUBT or re.fullmatch(_ACTIVE, words):
        way = _Way.AHEAD
    elif noun and re.fullmatch(MASS_WORDS, words) and _touches_back(clause, start, mentions):
        way = _Way.BACK
    elif noun:
        ahead = _AHEAD_OF_PLACE.match(clause[end:]) or re.fullmatch(MASS_WORDS, words)
        way = _Way.AHEAD if ahead else _Way.BACK
    elif re.match(r"\s*(?:the|both|right|left)\b", clause[end:]) and re.search(
        r"\b(?:has|have|had) (?:\w+ly )?$", clause[:start]
    ):
        way = _Way.AHEAD
    else:
        way = _Way.BACK
    if way is _Way.BACK and not before and after:
        return _Way.AHEAD
    return _Way.BACK if way is _Way.AHEAD and not after and before else way


def _negator_way(clause: str, start: int, end: int, mentions: tuple[Mention, ...]) -> _Way:
    if re.fullmatch(r"absent|nil", clause[start:end]) or not any(m.start >= end for m in mentions):
        return _Way.BACK
    return _Way.AHEAD


def _denies_alone(clause: str, end: int, mentions: tuple[Mention, ...]) -> bool:
    """Whether a negator without anything denied says something: at the end ("orbit: no"), or right before a place."""
    if _NOTHING_BEHIND.fullmatch(clause[end:]):
        return True
    return any(m.start >= end and re.fullmatch(r" (?:\w+ ){0,3}", clause[end : m.start]) for m in mentions)


def _touches(clause: str, end: int, mentions: tuple[Mention, ...]) -> bool:
    """Whether a place follows at once."""
    return any(
        m.start >= end
        and re.fullmatch(
            r"(?: \w+ly)? (?:appearing |looking |appearance of )?(?:the )?(?:right |left |bilateral |both |"
            r"visualised |visualized )*",
            clause[end : m.start],
        )
        for m in mentions
    )


def _touches_back(clause: str, start: int, mentions: tuple[Mention, ...]) -> bool:
    """Whether a place stands right before."""
    return any(
        m.end <= start and re.fullmatch(r"[ ,:-]{1,3}(?:also |grossly |both |well )?", clause[m.end : start])
        for m in mentions
    )


def _governing(clause: str, mentions: tuple[Mention, ...], at: int, cues: list[_Cue]) -> _Cue | None:
    """The cue that speaks of a mention."""
    mention = mentions[at]
    inside = [c for c in cues if c.start <= mention.start and mention.end <= c.end]
    behind = next((c for c in cues if c.way is _Way.BACK and c.start >= mention.end), None)
    adjacent = next((c for c in cues if c.noun and c.strong and clause[mention.end : c.start] == " "), None)
    if adjacent is not None and not inside:
        return adjacent
    if inside and inside[0].way is _Way.ITSELF:
        undone = behind if behind is not None and behind.kind in (_Kind.NORMAL, _Kind.UNSEEN) else None
        if undone is not None and inside[0].kind is not _Kind.NORMAL and undone.kind is _Kind.NORMAL:
            return undone
        return inside[0]
    ahead = next((c for c in reversed(cues) if c.way in (_Way.AHEAD, _Way.ITSELF) and c.end <= mention.start), None)
    if (
        ahead is not None
        and ahead.way is _Way.ITSELF
        and not re.fullmatch(r"[ ,]*(?:or|nor|and)? ?(?:of )?(?:the )?\w*", clause[ahead.end : mention.start])
    ):
        ahead = None
    if behind is not None and any(
        c.start > mention.end and c.end <= behind.start and c.way is _Way.AHEAD for c in cues
    ):
        # Another word ahead stands between: the predicate belongs to what follows that word, unless it has no subject.
        behind = behind if ahead is None and _subject_reaches(clause, mention, behind, cues) else None
    if ahead is None or behind is None:
        return ahead or behind
    return behind if _is_subject(clause, mentions, at, behind, ahead) else ahead


def _subject_reaches(clause: str, mention: Mention, cue: _Cue, cues: list[_Cue]) -> bool:
    between = [c for c in cues if c.start > mention.end and c.end <= cue.start and c.way is _Way.AHEAD]
    return all(not c.strong or c.noun for c in between) and len(clause[mention.end : cue.start]) < 60


def _is_subject(clause: str, mentions: tuple[Mention, ...], at: int, cue: _Cue, ahead: _Cue) -> bool:
    """Whether the predicate `cue` speaks of a place to which another word ahead could reach too.

    The subject of "is" is the last place; of "are", the places joined by "and" behind the last comma or new article.
    """
    between = [m for m in mentions if ahead.end <= m.start and m.end <= cue.start]
    gap = clause[between[-1].end : cue.start]
    verb = re.search(rf"\b({_BE})\b", gap + clause[cue.start : cue.end])
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


def _state(clause: str, cue: _Cue, mentions: tuple[Mention, ...]) -> State | None:
    if cue.kind is _Kind.UNSEEN:
        return None
    near = clause[max(0, cue.start - 45) : cue.start]
    near = re.split(r",|\band\b|\bwith\b", near)[-1]
    behind = (
        re.split(r",|;|\b(?:and|with|sparing|without|extending)\b", clause[cue.end :])[0]
        if cue.noun or cue.way is not _Way.AHEAD
        else clause[cue.end : cue.end + 12]
    )
    words = clause[cue.start : cue.end]
    unsure = _UNSURE.search(near) is not None or _UNSURE.search(words + behind) is not None
    soft = cue.kind is _Kind.SOFT or "thickening" in words
    state = State.EQUIVOCAL if unsure or cue.kind is _Kind.DOUBT else State.INVOLVED
    if cue.kind is _Kind.NORMAL:
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
