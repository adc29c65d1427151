"""Words that say something of a place: involved, thickened, doubtful, normal, denied; and which way they look."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from hyoid.report.free_text.vocabulary import MASS_WORDS, Mention


class CueKind(StrEnum):
    """What a cue says."""

    DISEASE = "disease"
    SOFT = "soft"  # thickening, oedema: tumour or not
    DOUBT = "doubt"
    NORMAL = "normal"
    NEGATOR = "negator"
    UNSEEN = "unseen"
    NOTHING = "nothing"  # words that look like a cue and are none


class Way(StrEnum):
    """Which places a cue governs: those behind it in the text, those in front, or the one within its own words."""

    AHEAD = "ahead"
    BACK = "back"
    ITSELF = "itself"


@dataclass(frozen=True)
class Cue:
    """One cue at its place in a clause.

    Parameters
    ----------
    kind : CueKind
    way : Way
    start, end : int
        Characters of the clause; with the negation where there is one.
    noun : bool
        "Invasion", not "invades".
    strong : bool
        False for "mass" and the like, which mostly name the subject.
    """

    kind: CueKind
    way: Way
    start: int
    end: int
    noun: bool = False
    strong: bool = True


_Raw = tuple[int, int, CueKind, bool]  # start, end, kind, whether it is a noun
BE = r"(?:is|are|was|were|be|been|being|appears?|appeared|remains?|looks?|seems?|shows?|demonstrates?|has|have)"
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
_PATTERNS: tuple[tuple[CueKind, str], ...] = (
    (
        CueKind.NOTHING,
        r"post-? ?contrast|contrast[- ]enhanced|normal variant|clear cell|free (?:edge|margin|flap)|no\. ?\d|"
        r"normal[- ]sized|"
        r"not only|no (?:interval |significant )?change|extended|(?:extent|extending) (?:from|superior|"
        r"inferior)\w*(?= (?:to|by) \d)",
    ),
    (
        CueKind.UNSEEN,
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
        CueKind.DISEASE,
        r"(?:peri-?neural|intra-? ?cranial|(?:extra|peri)-? ?nodal|extra-? ?capsular) (?:tumou?r )?(?:extension|"
        r"spread|invasion|"
        r"involvement|disease|component|infiltration)|ene|ecs",
    ),
    (CueKind.DOUBT, _DOUBT_WORDS),
    (CueKind.DISEASE, rf"(?:{_ACTIVE})"),
    (CueKind.DISEASE, rf"(?:{_NOUNS})"),
    (CueKind.DISEASE, rf"(?:{_DONE})"),
    (CueKind.SOFT, rf"(?:{_SOFT})"),
    (CueKind.DISEASE, rf"abnormalit(?:y|ies)|pathological findings?|patholog(?:y|ies)|{MASS_WORDS}|disease|deposits?"),
    (CueKind.NORMAL, rf"(?:{_NORMAL}|spar(?:es|ing)|preserv(?:es|ing|ation of)|maintain(?:s|ing)|respect(?:s|ing))"),
    (CueKind.NEGATOR, rf"(?:{_NEGATOR})"),
)
_COMPILED = [(kind, re.compile(rf"(?<![\w-])(?:{pattern})(?!\w|-free)")) for kind, pattern in _PATTERNS]
_NOTHING_BEHIND = re.compile(
    r"\W*(?:(?:\w+ly )?(?:seen|identified|noted|present|evident|demonstrated|found|detected|appreciated|"
    r"visuali[sz]ed))?\W*"
)
_WEAK = re.compile(rf"{MASS_WORDS}|disease|deposits?")
_LIST = re.compile(r" ?(?:,|,? ?(?:or|nor)|/) ?(?:any |definite |frank |gross |significant |\w+ing |\w+al |\w+ous )?")


def cues_in(clause: str, mentions: tuple[Mention, ...]) -> list[Cue]:
    """Words that say something, in order, each negation joined to what it denies.

    Parameters
    ----------
    clause : str
        Plain words without a clause border.
    mentions : tuple of Mention
        Places named in it.

    Examples
    --------
    >>> from hyoid.report.free_text.vocabulary import mentions_in
    >>> clause = "no erosion of the cricoid"
    >>> [(cue.kind.value, cue.way.value) for cue in cues_in(clause, mentions_in(clause))]
    [('normal', 'ahead')]
    """
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
    cues: list[Cue] = []
    skip = denied = False
    for at, (start, end, kind, noun) in enumerate(raw):
        if skip:
            skip = False
            continue
        following = raw[at + 1] if at + 1 < len(raw) else None
        denied = (
            denied
            and kind in (CueKind.DISEASE, CueKind.SOFT)
            and _LIST.fullmatch(clause[raw[at - 1][1] : start]) is not None
        )
        if denied:
            way = _way(clause, (start, end, kind, noun), mentions)
            cues.append(Cue(CueKind.NORMAL, way, start, end, noun))
            continue
        if kind is CueKind.NEGATOR:
            joined = following is not None and (clause[start:end] == "neither" or _joins(clause[end : following[0]]))
            if joined and following is not None:
                flipped = _denied(following[2])
                way = _way(clause, following, mentions)
                behind = any(end <= m.start and m.end <= following[0] for m in mentions)
                cues.append(Cue(flipped, Way.ITSELF if behind else way, start, following[1], following[3]))
                skip = True
                denied = flipped is CueKind.NORMAL
            elif _denies_alone(clause, end, mentions):
                cues.append(Cue(CueKind.NORMAL, _negator_way(clause, start, end, mentions), start, end))
            continue
        weak = _WEAK.fullmatch(clause[start:end]) is not None and kind is CueKind.DISEASE
        way = _way(clause, (start, end, kind, noun), mentions)
        if weak and not _names_place(clause, start, end, mentions):
            continue
        if kind is not CueKind.NOTHING:
            cues.append(Cue(kind, way, start, end, noun, strong=not weak))
    return cues


def _only_names(clause: str, cue: _Raw, following: _Raw | None) -> bool:
    """Whether "tumour" only names what spreads: "tumour spread to", "tumour is seen invading"."""
    start, end, kind, _ = cue
    if following is None or kind is not CueKind.DISEASE or not _WEAK.fullmatch(clause[start:end]):
        return False
    return following[2] in (CueKind.DISEASE, CueKind.SOFT) and clause[end : following[0]].strip() == ""


def _joins(between: str) -> bool:
    """Whether a negator reaches the next cue over these words."""
    between = re.sub(r"^ (?:\w+ly )?(?:appear|seem|look|be|been|being)(?: to)?(?: be| have| have been)?\b", "", between)
    return len(between) < 90 and re.search(rf"\b(?:{BE}|with|which)\b(?! (?:a|any) )", between) is None


def _denied(kind: CueKind) -> CueKind:
    """What a kind of cue says when it is denied."""
    if kind is CueKind.NORMAL:
        return CueKind.DISEASE
    return kind if kind in (CueKind.UNSEEN, CueKind.NOTHING) else CueKind.NORMAL


def _names_place(clause: str, start: int, end: int, mentions: tuple[Mention, ...]) -> bool:
    """Whether "mass" or the like says where it is: "mass in the tonsil", "tonsillar mass"."""
    if any(
        0 <= start - m.end <= 12
        and re.fullmatch(r"[ \w-]*", clause[m.end : start])
        and not re.search(rf"\b(?:{BE}|by|and|or|to|from|of|the)\b", clause[m.end : start])
        for m in mentions
    ):
        return True
    if any(m.end <= start and PLACE_FIRST.fullmatch(clause[m.end : start]) for m in mentions):
        return True
    ahead = re.match(r"[^,;]{0,90}", clause[end:])
    stops = [end + m.end() for m in _PREPOSITION.finditer(ahead.group() if ahead else "")]
    return any(0 <= m.start - stop <= 25 and "," not in clause[stop : m.start] for stop in stops for m in mentions)


def _way(clause: str, cue: _Raw, mentions: tuple[Mention, ...]) -> Way:
    """Whether a cue governs the places behind it in the text or those in front."""
    start, end, kind, noun = cue
    words = clause[start:end]
    if any(m.start >= start and m.end <= end for m in mentions):
        return Way.ITSELF
    before = any(m.end <= start for m in mentions)
    after = any(m.start >= end for m in mentions)
    if kind is CueKind.UNSEEN:
        way = Way.BACK
    elif kind is CueKind.NORMAL:
        active = re.match(r"spar(?:es|ing)|preserv(?:es|ing|ation)|maintain(?:s|ing)|respect(?:s|ing)", words)
        adjective = re.match(
            r"(?:normal|unremarkable|patent|intact|symmetrical|clear|preserved|maintained)", words
        ) and _touches(clause, end, mentions)
        predicate = re.search(
            rf"\b{BE}(?: \w+ly)? ?(?:within )?$|[:,-] ?$", clause[:start]
        ) is not None or _touches_back(clause, start, mentions)
        way = Way.AHEAD if active or (adjective and not predicate) else Way.BACK
    elif kind is CueKind.DOUBT or re.fullmatch(_ACTIVE, words):
        way = Way.AHEAD
    elif noun and re.fullmatch(MASS_WORDS, words) and _touches_back(clause, start, mentions):
        way = Way.BACK
    elif noun:
        ahead = _AHEAD_OF_PLACE.match(clause[end:]) or re.fullmatch(MASS_WORDS, words)
        way = Way.AHEAD if ahead else Way.BACK
    elif re.match(r"\s*(?:the|both|right|left)\b", clause[end:]) and re.search(
        r"\b(?:has|have|had) (?:\w+ly )?$", clause[:start]
    ):
        way = Way.AHEAD
    else:
        way = Way.BACK
    if way is Way.BACK and not before and after:
        return Way.AHEAD
    return Way.BACK if way is Way.AHEAD and not after and before else way


def _negator_way(clause: str, start: int, end: int, mentions: tuple[Mention, ...]) -> Way:
    if re.fullmatch(r"absent|nil", clause[start:end]) or not any(m.start >= end for m in mentions):
        return Way.BACK
    return Way.AHEAD


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
