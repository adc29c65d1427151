"""What a sentence says of each place it names: involved, spared, doubtful, changed by treatment; on which side.

`hyoid.report.free_text.clauses` gives every place the words that speak of it, in order; here these become one state.
Safety comes before coverage: a doubt anywhere makes "involved" doubtful, a denial right behind a weak word denies it, and
what cannot be resolved is doubtful or left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from hyoid.anatomy.structures import Side
from hyoid.report.free_text.clauses import Governed, Reading, Told, read_sentence
from hyoid.report.free_text.lexicon import Kind, Sense, Token
from hyoid.report.free_text.reservations import doubt_ahead, leaves_open, reserved_in
from hyoid.report.free_text.vocabulary import Mention, sides_in


class State(StrEnum):
    """State of a place, as a sentence gives it."""

    INVOLVED = "involved"
    NOT_INVOLVED = "not involved"
    EQUIVOCAL = "equivocal"
    CHANGED = "changed"
    TREATED = "treated"


@dataclass(frozen=True)
class Assertion:
    """Place of a sentence and what is said of this place.

    Parameters
    ----------
    mention : Mention
        The place and its words in the sentence.
    state : State
        State that the sentence gives the place.
    sides : frozenset of Side
        Sides named for the place; empty when no side is named.
    cue : str
        Words that give the state.
    rest_only : bool
        The state holds for the rest ("otherwise normal") or for a part ("its tip"): it does not speak against what is
        said elsewhere.
    """

    mention: Mention
    state: State
    sides: frozenset[Side]
    cue: str
    rest_only: bool = False


_TUMOUR = (Sense.INVADE, Sense.MASS, Sense.WEAK, Sense.FINDING)
_OTHERWISE = re.compile(r"\b(?:otherwise|remaining|remainder|rest of|other|elsewhere|contralateral|opposite)\b")
_PART = re.compile(
    r"\b(?:apex|tip|wall|anterior|posterior|medial|lateral|superior|inferior|upper|lower|deep|superficial|outer|inner|cortex|lamina|third|half|part|portion|"
    r"aspect|margin|edge|tail|surface|segment|third)\b"
)
_THROUGH = re.compile(
    r"the|a|an|side|sided|part|half|wall|aspect|surface|third|portion|lateral|medial|anterior|posterior|superior|inferior|upper|lower|deep|superficial|tip|"
    r"margin|border|edge|body|lobe|tail|lamina|ala|true|false|internal|external|common|visuali[sz]ed|\w+al|\w+ed|\w+ing|large|small|ipsilateral|apex|cortex|inner|outer|also|its"
)
_CENTRED = re.compile(r"(?:epi)?cent|based|aris|originat|localis|localiz")
"""Where a mass arises: what the sentence calls its only side is that of the place."""
_MIDLINE = (
    "epiglottis", "anterior_commissure", "posterior_commissure", "subglottis", "preepiglottic_space", "vestibule", "post_cricoid_region",
    "prevertebral_space", "esophagus", "tracheal_cartilages", "airway_compromise", "et_tube_in_situ", "lip", "intracranial_extension",
    "extranodal_extension", "loss_of_fat_planes",
)  # fmt: skip

_UNMARKED_UPTAKE = re.compile(r"uptake|activity|accumulation")
"""Uptake that is called neither intense nor physiological."""
_FAT_SPACES = {"preepiglottic_space", "paraglottic_space", "parapharyngeal_space", "prevertebral_space"}


def assertions_in(words: str) -> tuple[Assertion, ...]:
    """List what a plain sentence says of the places it names; places of which nothing is said are left out.

    Parameters
    ----------
    words : str
        Sentence from `hyoid.report.free_text.sentences.plain`.

    Examples
    --------
    >>> found = assertions_in("mass involves the tonsil, sparing the soft palate")
    >>> [(a.mention.term.keys, a.state.value) for a in found]
    [(('tonsil',), 'involved'), (('soft_palate',), 'not involved')]
    """
    return assertions_of(read_sentence(words), words)


def assertions_of(reading: Reading, words: str) -> tuple[Assertion, ...]:
    """List everything that a read sentence says of its places.

    Parameters
    ----------
    reading : Reading
        Sentence as `read_sentence` reads it.
    words : str
        The plain sentence itself.
    """
    found = []
    only = sides_in(words)
    rest = _OTHERWISE.search(words) is not None
    reserved = reserved_in(words)
    for governed in reading.governed:
        term = governed.place.term
        if term is None or not (governed.told or _left_open(governed.place, reading, words)):
            continue
        open_to_doubt = any(start <= governed.place.start < end for start, end in reserved)
        state = state_of(governed, reading) if governed.told else State.EQUIVOCAL
        unseen = any(told.sense is Sense.UNSEEN for told in governed.told)
        if state is None and not (open_to_doubt and not unseen):
            continue
        if state is None or open_to_doubt:
            state = State.EQUIVOCAL
        sides = sides_in(" ".join(t.text for t in governed.own_sides)) or sides_of(governed.place, reading)
        if not sides and len(only) == 1 and any(_CENTRED.match(told.token.text) for told in governed.told):
            sides = only if term.keys and term.keys[0] not in _MIDLINE else sides
        part = _PART.search(words[max(0, governed.place.start - 24) : governed.place.end + 24]) is not None
        cue = " ".join(dict.fromkeys(told.token.text for told in governed.told))
        mention = Mention(term, governed.place.start, governed.place.end)
        rest_only = (rest and state is State.NOT_INVOLVED) or (part and state is State.NOT_INVOLVED)
        found.append(Assertion(mention, state, sides, cue, rest_only))
    return tuple(_sided(found))


def _left_open(place: Token, reading: Reading, words: str) -> bool:
    """Whether a sentence says of a place only what is not known, and that it is not sure: "is a bit grey, hard to say"."""
    if any(g.told for g in reading.governed) or not leaves_open(words) or (place.term and place.term.is_region):
        return False
    if doubt_ahead(words, place.start):
        return True
    at = reading.tokens.index(place)
    behind = [t for t in reading.tokens[at + 1 : at + 5] if t.kind not in (Kind.SIDE, Kind.PREPOSITION)]
    return not any(t.kind is Kind.NODE for t in reading.tokens) and any(
        t.kind in (Kind.BE, Kind.COLON) for t in behind[:2]
    )


def _sided(found: list[Assertion]) -> list[Assertion]:
    """What is involved without a side has that of the same line in the same sentence: "spread along right V3"."""
    sided: dict[tuple[str, ...], frozenset[Side]] = {}
    only = len(frozenset().union(*(a.sides for a in found))) == 1
    for assertion in found:
        if len(assertion.sides) == 1 and (only or assertion.state is not State.NOT_INVOLVED):
            sided.setdefault(assertion.mention.term.keys, assertion.sides)
    return [
        replace(a, sides=sided[a.mention.term.keys])
        if not a.sides and a.state is not State.NOT_INVOLVED and a.mention.term.keys in sided
        else a
        for a in found
    ]


def state_of(governed: Governed, reading: Reading) -> State | None:
    """Find one state from everything told of a place; None where nothing safe can be said.

    Parameters
    ----------
    governed : Governed
        Place with everything that is told of it.
    reading : Reading
        Reading of the whole sentence, which says whether it speaks of treatment.
    """
    told = governed.told
    if any(t.sense is Sense.UNSEEN for t in told):
        return None
    told = [
        t for n, t in enumerate(told) if not (t.bare and t.sense is Sense.MASS and not (t.doubted or t.denied) and n)
    ]
    if (
        governed.place.term
        and governed.place.term.keys
        and set(governed.place.term.keys) <= _FAT_SPACES
        and not reading.treated
    ):
        told = [replace(t, doubted=True) if t.token.text.endswith("stranding") and not t.denied else t for t in told]
    if reading.treated and any(t.sense is Sense.SOFT and not t.denied for t in told):
        doubt = any(t.doubted and t.sense in _TUMOUR and not t.denied for t in told)
        return State.EQUIVOCAL if doubt or _tumour_in_question(reading) else State.TREATED
    state: State | None = None
    before: Told | None = None
    for t in told:
        state = _after(state, before, t)
        before = t
    if governed.loose:
        return None if state is State.NOT_INVOLVED else State.EQUIVOCAL
    return state


def one_state(told: Told) -> State:
    """Give the state that one word gives by itself.

    Parameters
    ----------
    told : Told
        Word that tells something of a place, denied or doubted or neither.
    """
    if told.sense is Sense.MASS and not told.denied and _UNMARKED_UPTAKE.fullmatch(told.token.text):
        return State.EQUIVOCAL
    if told.sense in _TUMOUR:
        return State.NOT_INVOLVED if told.denied else State.EQUIVOCAL if told.doubted else State.INVOLVED
    if told.sense is Sense.TOUCH:
        return State.NOT_INVOLVED if told.denied else State.EQUIVOCAL
    if told.sense is Sense.SOFT:
        return State.NOT_INVOLVED if told.denied else State.EQUIVOCAL if told.doubted else State.CHANGED
    if told.denied and told.sense is Sense.FREE:
        return State.INVOLVED
    return State.EQUIVOCAL if told.denied or told.doubted else State.NOT_INVOLVED


def _after(state: State | None, before: Told | None, told: Told) -> State:
    """State once another word is told of the same place."""
    new = one_state(told)
    if state is None or before is None or state is new:
        return new
    strong = before.sense in (Sense.INVADE, Sense.MASS, Sense.FINDING) and not before.denied
    result = new
    if state is State.INVOLVED:
        same = before.token.text[:4] == told.token.text[:4]
        if told.sense is Sense.MASS and told.doubted:
            result = State.EQUIVOCAL
        elif told.token.text.startswith("physiologic"):
            result = State.NOT_INVOLVED
        elif strong:
            result = State.EQUIVOCAL if same and new is State.NOT_INVOLVED else State.INVOLVED
        elif new is State.NOT_INVOLVED:
            result = State.NOT_INVOLVED if told.denied else State.INVOLVED
        elif new is State.CHANGED or told.sense is Sense.TOUCH:
            result = State.INVOLVED
    elif state is State.EQUIVOCAL:
        touch = before.sense is Sense.TOUCH or (before.sense is Sense.SOFT and not before.denied)
        if told.token.text.startswith("physiologic"):
            result = State.NOT_INVOLVED
        elif new is State.NOT_INVOLVED:
            result = new if touch and (told.denied or told.sense is Sense.FREE) else State.EQUIVOCAL
        elif new is not State.INVOLVED or before.doubted:
            result = State.EQUIVOCAL
    elif state is State.NOT_INVOLVED:
        if new is State.INVOLVED:
            result = State.INVOLVED if before.denied else State.EQUIVOCAL
        elif new is State.EQUIVOCAL and told.sense is Sense.TOUCH and before.denied:
            result = State.NOT_INVOLVED
        elif new is State.CHANGED and before.denied:
            result = State.NOT_INVOLVED
    return result


def _tumour_in_question(reading: Reading) -> bool:
    """Whether a sentence weighs tumour against the effect of treatment."""
    words = " ".join(token.text for token in reading.tokens)
    return (
        re.search(
            r"\b(?:versus|vs|or) (?:\w+ ){0,2}?(?:residual|recurren\w+|tumou?r|disease|persistent)|(?:residual|recurren\w+|persistent|viable)(?: \w+)? (?:versus|vs|or)\b|"
            r"(?:recurrence|tumou?r|residu\w+|disease)(?: \w+){0,3} (?:can not be (?:\w+ )?excluded|not excluded|is (?:\w+ )?(?:possible|suspected))|"
            r"\b(?:equivocal|suspicious|indeterminate)\b|can not (?:exclude|rule out)",
            words,
        )
        is not None
    )


def sides_of(place: Token, reading: Reading) -> frozenset[Side]:
    """Find the sides that the words around a place give it; a side in front of a list is that of each place in it.

    Parameters
    ----------
    place : Token
        Place in the sentence.
    reading : Reading
        Reading of the whole sentence.
    """
    tokens = reading.tokens
    at = tokens.index(place)
    if place.sense is Sense.FINDING:
        ahead = next((n for n in range(at + 1, len(tokens)) if tokens[n].kind is Kind.PLACE), None)
        other = tokens[ahead].term if ahead is not None else None
        if ahead is not None and other and place.term and other.keys == place.term.keys:
            return sides_in(place.text) or _side_before(tokens, at) or _side_before(tokens, ahead)
    own = sides_in(place.text) or _side_before(tokens, at) or _side_behind(tokens, at) or _side_of_its_part(tokens, at)
    if own:
        return own
    keys = place.term.keys if place.term else ()
    if keys and keys[0] not in _MIDLINE:
        shared = _side_of_list(tokens, at)
        if shared:
            return shared
    return _leading_side(tokens, at)


def _side_of_its_part(tokens: tuple[Token, ...], at: int) -> frozenset[Side]:
    """Side of the part that is spoken of: "the palate, which is invaded in its right half"."""
    stop = next((n for n in range(at + 1, len(tokens)) if tokens[n].kind in (Kind.PLACE, Kind.STOP)), len(tokens))
    behind = " ".join(t.text for t in tokens[at + 1 : stop])
    match = re.search(
        r"\b(?:in|on|of|at|over|along) (?:its|the|their) (right|left) (?:part|half|side|portion|aspect|third)\b", behind
    )
    return sides_in(match.group(1)) if match else frozenset()


def _side_before(tokens: tuple[Token, ...], at: int) -> frozenset[Side]:
    sides: frozenset[Side] = frozenset()
    for step in range(at - 1, -1, -1):
        token = tokens[step]
        if token.kind is Kind.SIDE:
            sides |= sides_in(token.text)
            nearer = step > 1 and tokens[step - 1].kind is Kind.AND and tokens[step - 2].kind is Kind.SIDE
            if not nearer:
                return sides
        elif token.kind is Kind.AND and sides:
            continue
        elif (
            token.kind is Kind.PREPOSITION
            and token.text in ("of", "in")
            and step
            and (
                tokens[step - 1].kind is Kind.SIDE
                or re.fullmatch(
                    r"side|part|half|wall|aspect|portion|lobe|tip|surface|third|border|cortex|body|lamina",
                    tokens[step - 1].text,
                )
            )
        ):
            continue
        elif not (token.kind in (Kind.WORD, Kind.DONE) and (_THROUGH.fullmatch(token.text) or token.kind is Kind.DONE)):
            return sides
    return sides


def _side_behind(tokens: tuple[Token, ...], at: int) -> frozenset[Side]:
    """Side told behind a place and its predicate, before another place is named."""
    listing = True
    for step in range(at + 1, len(tokens)):
        token = tokens[step]
        if token.kind is Kind.PLACE:
            joined = tokens[at + 1 : step]
            if not (
                listing
                and joined
                and all(t.kind in (Kind.AND, Kind.COMMA, Kind.WORD) for t in joined)
                and tokens[step].term
                and tokens[at].term
            ):
                return frozenset()
            if any(t.kind is Kind.SIDE for t in joined):
                return frozenset()
            continue
        if token.kind in (Kind.STOP, Kind.BUT, Kind.NODE, Kind.WITH, Kind.WHICH, Kind.SIZE):
            return frozenset()
        if token.kind is Kind.SIDE:
            if _belongs_ahead(tokens, step):
                return frozenset()
            before = tokens[step - 1]
            article = before.text in ("the", "its") and step >= 2
            link = tokens[step - 2] if article else before
            ends = (
                step + 1 == len(tokens)
                or tokens[step + 1].kind in (Kind.STOP, Kind.COMMA)
                or tokens[step + 1].text == ")"
            )
            direct = (
                step == at + 1
                or (before.kind is Kind.COMMA and ends)
                or (before.kind in (Kind.COMMA, Kind.COLON) and step == at + 2)
                or before.text == "("
            )
            if (
                direct
                or (link.kind is Kind.PREPOSITION and link.text in ("on", "in", "at", "of", "to", "along"))
                or token.text in ("bilaterally", "both sides", "bilateral")
                or before.speaks
            ):
                both = sides_in(token.text)
                if step + 2 < len(tokens) and tokens[step + 1].kind is Kind.AND and tokens[step + 2].kind is Kind.SIDE:
                    both |= sides_in(tokens[step + 2].text)
                return both
            return frozenset()
        if token.kind is Kind.COMMA:
            after = tokens[step + 1] if step + 1 < len(tokens) else None
            if after is None or after.kind not in (Kind.PLACE, Kind.SIDE):
                return frozenset()
        if token.kind is Kind.AND and not (step + 1 < len(tokens) and tokens[step + 1].kind in (Kind.PLACE, Kind.WORD)):
            return frozenset()
        listing = listing and token.kind in (Kind.AND, Kind.COMMA, Kind.WORD)
    return frozenset()


def _belongs_ahead(tokens: tuple[Token, ...], step: int) -> bool:
    """Whether a side word stands in front of another place or of nodes."""
    for at, token in enumerate(tokens[step + 1 : step + 5], start=step + 1):
        if token.kind is Kind.AND and not (at + 1 < len(tokens) and tokens[at + 1].kind is Kind.SIDE):
            return False
        if token.kind in (Kind.PLACE, Kind.NODE) or token.text in ("level", "levels", "neck", "cervical"):
            return True
        if not (
            token.kind is Kind.WORD and _THROUGH.fullmatch(token.text) and token.text not in ("side", "sided")
        ) and token.kind not in (Kind.AND, Kind.SIDE):
            return False
    return False


def _side_of_list(tokens: tuple[Token, ...], at: int) -> frozenset[Side]:
    """Side in front of the list that a place stands in, where no article or preposition parts it from the list."""
    step = at - 1
    if step < 0 or tokens[step].kind not in (Kind.AND, Kind.COMMA):
        # "right medial wall and apex": adjectives may stand between
        if (
            step < 1
            or tokens[step].kind is not Kind.WORD
            or not _THROUGH.fullmatch(tokens[step].text)
            or tokens[step].text in ("the", "a", "its")
        ):
            return frozenset()
        step -= 1
        if tokens[step].kind not in (Kind.AND, Kind.COMMA):
            return frozenset()
    while step >= 0 and tokens[step].kind in (Kind.AND, Kind.COMMA):
        step -= 1
    if step < 0 or tokens[step].kind is not Kind.PLACE:
        return frozenset()
    return _side_before(tokens, step) or sides_in(tokens[step].text) or _side_of_list(tokens, step)


def _leading_side(tokens: tuple[Token, ...], at: int) -> frozenset[Side]:
    """Side at the head of the sentence: "On the right, ..." or "Right: ..."."""
    words = " ".join(token.text for token in tokens[:5])
    head = re.match(
        r"(?:on|to) (?:the |its )?(right|left|both sides)(?: side)?(?: ,|$| the| there)|(right|left|bilateral)(?: side| neck)? :",
        words,
    )
    if head is None or any(t.kind is Kind.STOP for t in tokens[:at]):
        return frozenset()
    return sides_in(head.group(1) or head.group(2))
