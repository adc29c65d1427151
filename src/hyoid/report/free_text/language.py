"""Reports in other languages: a vocabulary file turns their words, phrase by phrase, into those that the rules know."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files

ENGLISH = "en"
LANGUAGES = ("de",)
"""Languages that a vocabulary file is there for, beside English."""

_LEAST_WORDS = 4  # words of a language's own that a text must hold
_LEAST_SHARE = 0.07  # of all words; German reports hold 0.15 and more, English ones none


@cache
def _vocabulary(language: str) -> dict[str, dict]:
    text = (files("hyoid.report.free_text") / "words" / f"{language}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@cache
def _phrases(language: str) -> tuple[re.Pattern[str], tuple[tuple[re.Pattern[str], str], ...], dict[str, str]]:
    """One pattern for all phrases; those with a `*` by pattern, the others by word."""
    rows = _vocabulary(language)["phrases"]
    ordered = sorted(rows, key=len, reverse=True)
    one = re.compile(r"(?<!\w)(?:" + "|".join(_pattern(row) for row in ordered) + r")(?!\w)")
    open_ended = tuple((re.compile(_pattern(row)), rows[row]) for row in ordered if "*" in row)
    return one, open_ended, rows


def _pattern(row: str) -> str:
    return re.escape(row).replace(r"\*", r"\w*")


def language_of(text: str) -> str:
    """Tell the language of a report: "en", or one that there is a vocabulary file for.

    Parameters
    ----------
    text : str
        Report in any language.

    Examples
    --------
    >>> language_of("CT des Halses. Tumor der linken Tonsille. Kein Nachweis von Lymphknoten und ohne Infiltration.")
    'de'
    >>> language_of("CT of the neck. Mass in the left tonsil.")
    'en'
    """
    words = re.findall(r"[^\W\d_]+", text.lower())
    for language in LANGUAGES:
        own = set(_vocabulary(language)["marks"]["words"])
        found = sum(word in own for word in words)
        if found >= _LEAST_WORDS and found >= _LEAST_SHARE * len(words):
            return language
    return ENGLISH


def in_english(text: str, language: str) -> str:
    """Put a sentence into the words that the rules know; English comes back as it is.

    Parameters
    ----------
    text : str
        Sentence of the report.
    language : str
        Language of the report, from `language_of`.

    Examples
    --------
    >>> in_english("Die linke Tonsille ist nicht infiltriert.", "de")
    'the left tonsil is not infiltrated.'
    """
    if language == ENGLISH:
        return text
    one, open_ended, rows = _phrases(language)
    words = re.sub(r"(?<=\d),(?=\d)", ".", " ".join(text.lower().split()))
    return one.sub(lambda m: _said(m.group(), m.start(), rows, open_ended), words)


def _said(phrase: str, at: int, rows: dict[str, str], open_ended: tuple[tuple[re.Pattern[str], str], ...]) -> str:
    if phrase == "der" and at == 0:
        return "the"
    if phrase in rows:
        return rows[phrase]
    return next(said for pattern, said in open_ended if pattern.fullmatch(phrase))


def heading_in_english(words: str, language: str) -> str:
    """Put a heading of the whole report ("Befund") into English; every other heading comes back as it is.

    Parameters
    ----------
    words : str
        Heading of the report.
    language : str
        Language of the report, from `language_of`.

    Examples
    --------
    >>> heading_in_english("Beurteilung", "de"), heading_in_english("Tonsille", "de")
    ('Impression', 'Tonsille')
    """
    if language == ENGLISH:
        return words
    sections = _vocabulary(language)["sections"]
    return sections.get(words.strip().lower(), words)
