"""Whether an answer can stand on the sentence that it quotes: the same check for every engine.

The check knows nothing of how an answer was found. It reads the quoted sentence by the grammar and refuses what the sentence
denies, doubts or does not name.
"""

from __future__ import annotations

import re
from functools import reduce

from hyoid.anatomy.structures import Side
from hyoid.report.content.template import Field, Kind
from hyoid.report.free_text.answers import NO_MASS, NO_NODES, NO_SIZE, is_answer
from hyoid.report.free_text.assertions import State, assertions_in
from hyoid.report.free_text.lexicon import Kind as Word
from hyoid.report.free_text.lexicon import Sense, tokens_in
from hyoid.report.free_text.lymph_nodes import speaks_of_nodes
from hyoid.report.free_text.node_levels import levels_in
from hyoid.report.free_text.sentences import Part, Sentence
from hyoid.report.free_text.sizes import sizes_in
from hyoid.report.free_text.spelling import plain
from hyoid.report.free_text.vocabulary import mentions_in, sides_in

_STATED = (Kind.INVOLVEMENT, Kind.SIDED_INVOLVEMENT, Kind.FINDING, Kind.YES_NO)
_PARTS = (Part.FINDINGS, Part.IMPRESSION)
_SPELLED = {
    "1": "one|a|an|single|solitary|node|1",
    "2": "two|both|2",
    "3": "three|3",
    "4": "four|4",
    "5": "five|5",
    "6": "six|6",
}


def why_refused(row: Field, value: str, sentence: Sentence) -> str:
    """Tell why an answer cannot stand on its sentence; empty when it can.

    Parameters
    ----------
    row : Field
        Line of the template.
    value : str
        The answer, in the template's words.
    sentence : Sentence
        The sentence of the report that it quotes.

    Examples
    --------
    >>> from hyoid.report.content.template import BY_KEY
    >>> from hyoid.report.free_text.sentences import read_sentences
    >>> doubt = read_sentences("Invasion of the lip cannot be excluded.")[0]
    >>> why_refused(BY_KEY["lip"], "Involved", doubt)
    'the sentence says equivocal'
    >>> why_refused(BY_KEY["lip"], "Equivocal", doubt)
    ''
    """
    if not is_answer(row, value):
        return "it is no answer of this line"
    history = sentence.part is Part.HISTORY and row.kind is Kind.LOCATION
    if sentence.part not in _PARTS and not history:
        return f"the sentence is {sentence.part.value}"
    words = sentence.plain
    if value in (NO_MASS, NO_NODES, NO_SIZE) or value == "0":
        return (
            ""
            if re.search(r"\b(?:no|not|without|none|nil|negative|normal|resolved|clear)\b", words)
            else "the sentence denies nothing"
        )
    if row.kind in _STATED:
        return _why_not_stated(row, value, words)
    if row.kind is Kind.SIZE:
        return _why_not_size(row, value, words)
    if row.kind is Kind.COUNT:
        return _why_not_count(value, words)
    return _why_not_place(row, value, words)


def state_in(value: str) -> tuple[State | None, frozenset[Side]]:
    """Read the state and the sides of an answer; no state (None) where the answer gives none.

    Parameters
    ----------
    value : str
        Answer in the template's words, such as "R - involved".

    Examples
    --------
    >>> state_in("R - involved")
    (<State.INVOLVED: 'involved'>, frozenset({<Side.RIGHT: 'right'>}))
    """
    head, dash, rest = value.partition(" - ")
    sides = {"R": "right", "L": "left", "Both": "both"}.get(head, "") if dash else ""
    words = (rest if dash else value).lower()
    for said, state in _STATES:
        if words == said or words.startswith(f"{said}, "):
            return state, sides_in(sides or words[len(said) :])
    return None, frozenset()


_STATES = (
    ("involved", State.INVOLVED),
    ("present", State.INVOLVED),
    ("y", State.INVOLVED),
    ("not involved", State.NOT_INVOLVED),
    ("absent", State.NOT_INVOLVED),
    ("n", State.NOT_INVOLVED),
    ("equivocal", State.EQUIVOCAL),
    ("changed, likely by treatment", State.TREATED),
    ("changed, tumour not stated", State.CHANGED),
)


def _why_not_stated(row: Field, value: str, words: str) -> str:
    state, sides = state_in(value)
    if state is None:
        return "it gives several states"
    if not sides <= _named_sides(words):
        return "the sentence names another side"
    if row.key == "loss_of_fat_planes":
        return "" if re.search(r"\bfat\b|\bplanes?\b", words) else "the sentence does not name the place"
    named = [m for m in mentions_in(words) if row.key in m.term.keys]
    if not named:
        return "the sentence does not name the place"
    read = [a for a in assertions_in(words) if row.key in a.mention.term.keys]
    exact = [a for a in read if not a.mention.term.is_region or a.state is State.NOT_INVOLVED]
    told = {a.state for a in exact if not sides or not a.sides or a.sides & sides}
    if row.key == "et_tube_in_situ" or (told and state in told):
        return ""
    if told:
        return f"the sentence says {next(s.value for s in State if s in told)}"
    return _why_not_unread(state, words)


def _why_not_unread(state: State, words: str) -> str:
    """Where the grammar reads nothing of the place, its sentence must hold words of that kind and none against it."""
    tokens = tokens_in(words)
    denied = any(t.kind in (Word.DENY, Word.GONE) for t in tokens)
    doubted = any(t.kind in (Word.HEDGE, Word.OPEN) for t in tokens)
    gone = any(t.kind is Word.GONE for t in tokens) and not any(t.kind is Word.NOUN for t in tokens)
    if gone or any(t.sense is Sense.UNSEEN for t in tokens):
        return "the sentence does not assess the place"
    if state is State.NOT_INVOLVED:
        fits = any(t.kind is Word.DENY or t.sense in (Sense.NORMAL, Sense.FREE) for t in tokens)
        return "" if fits and not doubted else "the sentence does not spare the place"
    if state is State.INVOLVED:
        fits = any(t.sense in (Sense.INVADE, Sense.WEAK, Sense.MASS, Sense.FINDING) for t in tokens)
        return "" if fits and not denied and not doubted else "the sentence does not involve the place"
    return ""


def _named_sides(words: str) -> frozenset[Side]:
    """Every side that a sentence names."""
    return reduce(frozenset.union, (sides_in(piece) for piece in words.split(" ")), frozenset[Side]())


def _why_not_size(row: Field, value: str, words: str) -> str:
    said = {size.axes_cm for size in sizes_in(words)}
    if any(size.axes_cm not in said for size in sizes_in(plain(value))):
        return "the size does not stand in the sentence"
    if row.key == "size_of_the_mass" and speaks_of_nodes(words) and not mentions_in(words):
        return "the sentence speaks of nodes"
    return ""


def _why_not_count(value: str, words: str) -> str:
    number = re.match(r"\d+", value)
    if number and not re.search(rf"\b(?:{_SPELLED.get(number.group(), number.group())})\b", words):
        return "the number does not stand in the sentence"
    levels = {level for *_, found in levels_in(value.lower()) for level in found}
    said = {level for *_, found in levels_in(words) for level in found}
    if not levels <= said:
        return "the levels do not stand in the sentence"
    return "" if speaks_of_nodes(words) or said else "the sentence does not speak of nodes"


def _why_not_place(row: Field, value: str, words: str) -> str:
    if row.kind is Kind.SIDE:
        return "" if speaks_of_nodes(words) or levels_in(words) else "the sentence does not speak of nodes"
    wanted = {m.term.pattern for m in mentions_in(plain(value))}
    named = {m.term.pattern for m in mentions_in(words)}
    if wanted and not wanted & named:
        return "the sentence does not name the place"
    return "" if sides_in(value.lower()) <= _named_sides(words) else "the sentence names another side"
