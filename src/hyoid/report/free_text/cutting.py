"""Where one clause of a sentence ends and the next begins."""

from __future__ import annotations

from collections.abc import Sequence

from hyoid.report.free_text.lexicon import Kind, Sense, Token
from hyoid.report.free_text.scopes import ARTICLE

_PLURAL = ("are", "were", "appear", "remain", "look", "seem", "show", "demonstrate", "have")
_LISTING = (Kind.AND, Kind.COMMA)
_NP = (Kind.PLACE, Kind.SIDE, Kind.AND)


def clauses_of(tokens: list[Token]) -> list[list[Token]]:
    """Cut a sentence into clauses; words that only part two clauses are left out.

    Parameters
    ----------
    tokens : list of Token
        Stretches of one sentence, in order.

    Examples
    --------
    >>> from hyoid.report.free_text.lexicon import tokens_in
    >>> [[t.text for t in clause] for clause in clauses_of(tokens_in("lip spared, orbit eroded"))]
    [['lip', 'spared'], ['orbit', 'eroded']]
    """
    clauses: list[list[Token]] = [[]]
    for at, token in enumerate(tokens):
        if token.kind in (Kind.STOP, Kind.BUT):
            clauses.append([])
        elif (
            token.kind in _LISTING
            and says(clauses[-1])
            and not _goes_on(clauses[-1], tokens[at + 1 :])
            and _new_subject(tokens, at + 1)
        ):
            clauses.append([])
        elif (
            token.kind is Kind.AND
            and token.text == "and"
            and at + 1 < len(tokens)
            and tokens[at + 1].text in ("there is", "there are")
        ):
            clauses.append([])
        else:
            clauses[-1].append(token)
    return [clause for clause in clauses if clause]


def says(tokens: Sequence[Token]) -> bool:
    """Tell whether a word among these stretches says something of a place.

    Parameters
    ----------
    tokens : sequence of Token
        Stretches of one clause.
    """
    return any(token.speaks or token.kind is Kind.GONE for token in tokens)


def _goes_on(clause: Sequence[Token], following: Sequence[Token]) -> bool:
    """Whether a list goes on that has no predicate yet: "uptake in the tonsils and in the cords is symmetrical"."""
    predicate = any(token.kind in (Kind.BE, Kind.SHOW, Kind.VERB, Kind.DONE, Kind.GONE) for token in clause)
    ahead = next((t for t in following if t.kind in (Kind.BE, Kind.SHOW, Kind.VERB)), None)
    listed = bool(following) and following[0].kind is Kind.PREPOSITION and following[0].text in ("in", "of")
    return not predicate and listed and ahead is not None and ahead.kind is Kind.BE


def _new_subject(tokens: list[Token], at: int) -> bool:
    """Whether a subject with its own predicate begins here: places, then "is ..." or a predicate at once."""
    start, places = at, 0
    joined = False
    while at < len(tokens):
        token = tokens[at]
        if token.kind is Kind.PLACE:
            places += 1
        elif token.kind is Kind.COMMA or token.kind is Kind.AND:
            joined = True
        elif not (
            token.kind in _NP
            or ARTICLE.fullmatch(token.text)
            or (token.kind is Kind.PREPOSITION and token.text in ("on", "of", "in"))
        ):
            break
        at += 1
    if places == 0 or at >= len(tokens):
        return False
    token = tokens[at]
    if token.kind in (Kind.BE, Kind.SHOW):
        if places > 1 and joined and token.text not in _PLURAL:
            return False
        return any(t.speaks for t in tokens[at + 1 : at + 4]) or any(
            t.kind in (Kind.DENY, Kind.HEDGE, Kind.GONE) for t in tokens[at + 1 : at + 2]
        )
    if token.kind is Kind.COLON:
        # "thickened epiglottis and arytenoids: ..." is one list
        return not (start > 1 and tokens[start - 1].kind is Kind.AND and tokens[start - 2].kind is Kind.PLACE)
    if token.kind in (Kind.DENY, Kind.GONE) and token.text in ("not",) and at + 1 < len(tokens):
        token = tokens[at + 1]
    while (
        token.kind is Kind.WORD
        and (token.text.endswith("ly") or token.text in ("itself", "themselves", "proper"))
        and at + 1 < len(tokens)
    ):
        at += 1
        token = tokens[at]
    following = tokens[at + 1] if at + 1 < len(tokens) else None
    attributive = following is not None and following.kind in (Kind.PLACE, Kind.NODE)
    if token.kind is Kind.DONE:
        return not attributive and (token.sense in (Sense.FREE, Sense.NORMAL, Sense.UNSEEN) or places == 1)
    return token.kind is Kind.VERB and token.text.endswith("s") and places == 1 and token.sense is Sense.TOUCH
