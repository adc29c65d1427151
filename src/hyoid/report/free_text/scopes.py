"""How far a denial ("no", "without") or a doubt ("possible", "may") in front reaches into its clause.

The scopes are those of ConText: forwards from the word, over lists of its own kind, up to a word that ends the reach.
"""

from __future__ import annotations

import re

from hyoid.report.free_text.lexicon import Kind, Sense, Token

ARTICLE = re.compile(
    r"the|a|an|its|his|her|upper|lower|medial|lateral|anterior|posterior|inferior|superior|deep|superficial|visuali[sz]ed|cervical|remaining|entire|rest|other|"
    r"side|sides|part|third|half|aspect|wall|portion|body|segment|ring|all|in|on|of|cm|mm|large|major|great|proximal|distal|\d.*|adjacent|overlying|"
    r"tail|lobe|tip|apex|internal|external|common|muscles?|fat|space|spaces|region|mucosa|rest|remainder|major|true|false|salivary|palatine|cortex"
)
"""Small words and adjectives that may stand between a side or an article and its place."""


def reaches_back(tokens: list[Token], at: int, kind: Kind, *, through_places: bool) -> bool:
    """Tell whether a denial or a doubt in front reaches a word.

    Parameters
    ----------
    tokens : list of Token
        Stretches of one clause, in order.
    at : int
        Place of the word in it.
    kind : Kind
        `Kind.DENY` or `Kind.HEDGE`.
    through_places : bool
        The word ends a list of places that it speaks of ("no tonsil or tongue invasion").

    Examples
    --------
    >>> from hyoid.report.free_text.lexicon import tokens_in
    >>> tokens = tokens_in("no erosion or invasion of the lip, possible oedema")
    >>> reaches_back(tokens, 3, Kind.DENY, through_places=False), reaches_back(tokens, 3, Kind.HEDGE, through_places=False)
    (True, False)
    """
    token = tokens[at]
    if kind is Kind.DENY and at + 1 < len(tokens) and tokens[at + 1].text == "nor":
        return True
    listing = False
    neither = False
    for step in range(at - 1, -1, -1):
        other = tokens[step]
        if other.kind is kind and other.text not in ("nor",):
            if other.text == "rather than":
                return True
            if neither and other.text not in ("neither", "no", "none") and kind is Kind.DENY:
                return not any(t.kind is Kind.PLACE for t in tokens[step:at])
            return True
        if other.kind is Kind.NODE and not (through_places or neither):
            return False
        if other.kind in (Kind.WITH, Kind.WHICH, Kind.COLON):
            return False
        if other.kind is Kind.BE:
            # "no X is involved": the denial in front of the subject reaches the predicate
            neither = True
            continue
        if other.kind is Kind.COMMA:
            listing = True
            if not _same_list(tokens, step, at):
                return False
            continue
        if other.speaks and other.kind is not Kind.PLACE:
            if token.kind is Kind.DONE and other.kind is Kind.DONE and other.sense is token.sense:
                continue
            joined = [t for t in tokens[step + 1 : at] if t.kind in (Kind.AND, Kind.COMMA) or t.text == "nor"]
            if joined and joined[-1].text in ("or", "/", "nor", ",") and other.kind is token.kind:
                continue
            if (
                joined
                and joined[-1].text == "and"
                and other.kind is Kind.NOUN
                and token.kind is Kind.NOUN
                and kind is Kind.DENY
                and _adjacent(tokens, step, at)
            ):
                continue
            if other.sense is Sense.MASS and token.kind in (Kind.VERB, Kind.NOUN, Kind.DONE) and not joined:
                continue
            if other.kind is Kind.DONE and token.kind is Kind.NOUN and not joined:
                continue  # an adjective: "no abnormal enhancement"
            return False
        if other.kind is Kind.PLACE and not (through_places or token.kind is Kind.PLACE):
            if token.kind in (Kind.DONE,) and (neither or _subject_denied(tokens, step)):
                continue
            if token.kind is Kind.NOUN or (token.kind is Kind.PLACE):
                continue
            if _subject_denied(tokens, step):
                continue
            return False
        if (
            other.kind is Kind.AND
            and other.text == "and"
            and not listing
            and kind is Kind.DENY
            and token.kind is not Kind.PLACE
            and not through_places
            and not neither
        ):
            return False
    return False


def _adjacent(tokens: list[Token], first: int, second: int) -> bool:
    return not any(t.kind is Kind.PLACE or t.kind is Kind.PREPOSITION for t in tokens[first + 1 : second])


def _same_list(tokens: list[Token], comma: int, at: int) -> bool:
    """Whether the comma stands in a list of places or of words of one kind that is denied as a whole."""
    between = tokens[comma + 1 : at + 1]
    if any(t.kind is Kind.AND and t.text in ("or", "nor", "/") for t in tokens[comma:]):
        ahead = tokens[comma + 1 : at]
        return all(
            t.kind in (Kind.WORD, Kind.PLACE, Kind.AND, Kind.COMMA, Kind.SIDE, Kind.NOUN, Kind.PREPOSITION, Kind.DONE)
            for t in ahead
        )
    return len(between) <= 1


def _subject_denied(tokens: list[Token], step: int) -> bool:
    """Whether the subject begins with "no" or "neither"."""
    for other in reversed(tokens[:step]):
        if other.kind is Kind.DENY:
            return other.text in ("no", "neither", "nor", "none")
        if not (other.kind in (Kind.PLACE, Kind.AND, Kind.SIDE, Kind.COMMA) or ARTICLE.fullmatch(other.text)):
            return False
    return False
