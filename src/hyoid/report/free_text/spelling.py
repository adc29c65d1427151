"""Words spelled one way: signs, abbreviations, slips of dictation, and words of another language."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from functools import cache, lru_cache
from importlib.resources import files
from itertools import combinations

from hyoid.report.free_text.lexicon import PATTERNS
from hyoid.report.free_text.vocabulary import MASS_WORDS, NODE_WORDS, TERMS

_SIGNS = tuple(
    (re.compile(pattern), spelled)
    for pattern, spelled in (
        (r"\\times|\u00d7|\*(?=\s*\d)", " x "),
        (r"(?<=\d)[xX](?=\s*\d)", " x "),
        (r"\\sim|~|\u2248|\$|\\approx", " "),
        (r"[\u2010-\u2014]", "-"),
        (r"[\u2018\u2019]", "'"),
        (
            r"\(Rt?\)|\b(?:Rt|(?<!post )(?<!Post )(?<!post-)RT(?= (?:side|neck|level|II|IV|true|false|tonsil|vocal|parotid)))\b\.?|\b[Rr]t\b\.?(?= )|\bRight\b",
            "right",
        ),
        (r"\(Lt?\)|\b[Ll][Tt]\b\.?|\bLeft\b", "left"),
        (r"(?:(?<=^)|(?<=[\s(:]))R(?=\s+[A-Za-z])", "right"),
        (r"(?:(?<=^)|(?<=[\s(:]))L(?=\s+[A-Za-z])", "left"),
        (r"(?<=[a-z] )R(?= ?(?:[.,;:)-]|$))", "right"),
        (r"(?<=[a-z] )L(?= ?(?:[.,;:)-]|$))", "left"),
        (r"(?<=[-:=] )N(?= B/L| bilateral| both)", "normal"),
        (r"(?<=[-:=]) ?N\b(?=\s*(?:[.,;]|$))", " normal"),
        (r"(?<=[a-z]{3} )N\b(?=\s*(?:[.,;]|$))", "normal"),
        (
            r"\bCC\b(?!\s*x)(?<!x CC)(?<!in CC)(?=\s*(?:[-:&,.]|no\b|and\b|normal|erosion|intact|free|is\b|involved))(?!\))",
            "cricoid cartilage",
        ),
        (r"(?<=[\dm])\s*\((?:AP|TR|CC|SI|ML|T|LL|LR|TV|PA|W|H|L|D|ap|tr|cc|si|ml)\)", " "),
        (r"^(?:[cpruy]{0,2}N|N status) ?[:=] (?=.*(?:II|IB|IA|IV|level|\bnodes?\b|LN))", "Nodes: "),
        (r"^(?:Neck|NECK|neck) ?: ?(?=.{0,20}\b(?:II|III|IV|IB|IA|VI?)[ab]?\b)", "Nodes: "),
        (r"^(?:[cpruy]{0,2}T|T status) ?[:=] ", "Tumour: "),
        (r"(?<=[A-Za-z)]) [-\u2013](?= ?(?:[.,;)]|$))", " negative"),
        (
            r"(?<![-+])\+{1,3}(?= ?(?:[.,;)]|$)| (?:B/L|bilat\w*|both|on|R|L|[Rr]t|[Ll]t|[Rr]ight|[Ll]eft)\b)",
            " positive",
        ),
        (r"\(\+\)", " positive"),
        (r"\([-\u2013]\)", " negative"),
        (r"\s*\.{4,}\s*", ": "),
        (r"(?:\+ ?/ ?-|\u00b1)(?= ?(?:[.,;)]|$))", " equivocal"),
        (r"->|=>", " \u2192 "),
        (r"(?<=[a-z])n't\b", " not"),
        (r"\b[Cc]annot\b", "can not"),
        (r"\b[Cc]an't\b", "can not"),
        (r"\((?:AP|TR|CC|SI|ML|T|W|H|L|D|LL)(?:\s*[xX]\s*(?:AP|TR|CC|SI|ML|T|W|H|L|D|LL))+\)", " "),
    )
)
_JOINED = re.compile(r"\b(mid|hemi|sub|non|re) (line|mandible|tongue|larynx|centimet\w+)\b")
_LEAST_ONE, _LEAST_TWO = 5, 9  # letters from which one slip, or two, are mended


@cache
def _table(name: str) -> dict[str, dict[str, str]]:
    """A vocabulary file."""
    text = (files("hyoid.report.free_text") / "words" / f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@cache
def _exact() -> tuple[re.Pattern[str], dict[str, str]]:
    rows = _table("en")["exact"]
    rows = {
        row.capitalize(): said for row, said in rows.items() if row.isalpha() and row.islower() and len(row) > 2
    } | rows
    words = "|".join(re.escape(word) for word in sorted(rows, key=len, reverse=True))
    return re.compile(rf"(?<![\w/])(?:{words})(?![\w/])"), rows


def plain(text: str) -> str:
    """Write words in lower case with signs, abbreviations and slips of spelling in one way.

    Examples
    --------
    >>> plain("Rt. tonsil, $\\\\sim 2 \\\\times 2.4$ cm")
    'right tonsil, 2 x 2.4 cm'
    >>> plain("leison of the oral tounge, no extranodal extention")
    'lesion of the oral tongue, no extranodal extension'
    """
    pattern, rows = _exact()
    text = re.sub(
        r"\b([A-Z]{2,4})/([A-Z]{2,4})\b",
        lambda m: f"{m[1]} / {m[2]}" if m[1] in rows and m[2] in rows else m[0],
        text,
    )
    text = pattern.sub(lambda m: rows[m.group()], text)
    for sign, spelled in _SIGNS:
        text = sign.sub(spelled, text)
    text = _JOINED.sub(r"\1\2", " ".join(text.lower().split()))
    return re.sub(r"[a-z]{5,}", lambda m: mended(m.group()), text)


@lru_cache(maxsize=20_000)
def mended(word: str) -> str:
    """Mend a word that is one slip (two in long words) from exactly one known word; leave every other word.

    Parameters
    ----------
    word : str
        Single word in lower case.

    Examples
    --------
    >>> mended("suspcious"), mended("tounge"), mended("chest")
    ('suspicious', 'tongue', 'chest')
    """
    known = known_words()
    if len(word) < _LEAST_ONE or word in known or _inflected(word, known):
        return word
    index = _deletions()
    for slips in (1, 2) if len(word) >= _LEAST_TWO else (1,):
        near = {
            candidate
            for piece in _pieces(word, slips)
            for candidate in index.get(piece, ())
            if candidate[0] == word[0]
            and abs(len(candidate) - len(word)) <= slips
            and _distance(word, candidate) <= slips
        }
        if len(near) == 1:
            return near.pop()
        if near:
            return word
    same = {c for c in index.get("".join(sorted(word)), ()) if c[0] == word[0] and c[-1] == word[-1]}
    return same.pop() if len(same) == 1 else word


def _inflected(word: str, known: frozenset[str]) -> bool:
    return any(
        word.endswith(end) and word[: -len(end)] in known for end in ("s", "es", "ed", "ing", "ly", "al", "al", "ic")
    )


@cache
def known_words() -> frozenset[str]:
    """List words that are spelled right: those of the vocabulary and ordinary words of reports."""
    text = (files("hyoid.report.free_text") / "words" / "ordinary.txt").read_text(encoding="utf-8")
    patterns = (*(term.pattern for term in TERMS), *PATTERNS, NODE_WORDS, MASS_WORDS)
    return frozenset(text.split()) | _targets() | {word for p in patterns for word in re.findall(r"[a-z]{4,}", p)}


@cache
def _targets() -> frozenset[str]:
    """Words that a slip can be mended to: those that decide what a sentence says."""
    text = (files("hyoid.report.free_text") / "words" / "decisive.txt").read_text(encoding="utf-8")
    return frozenset(text.split())


@cache
def _deletions() -> dict[str, tuple[str, ...]]:
    """Words by every spelling of them with up to two letters left out, and by their letters in order."""
    found: dict[str, list[str]] = defaultdict(list)
    for word in sorted(_targets()):
        if len(word) >= _LEAST_ONE:
            for piece in _pieces(word, 2 if len(word) >= _LEAST_TWO - 1 else 1) | {"".join(sorted(word))}:
                found[piece].append(word)
    return {piece: tuple(words) for piece, words in found.items()}


def _pieces(word: str, slips: int) -> set[str]:
    kept = {word}
    for count in range(1, slips + 1):
        for gone in combinations(range(len(word)), count):
            kept.add("".join(letter for at, letter in enumerate(word) if at not in gone))
    return kept


def _distance(one: str, other: str) -> int:
    """Slips between two words: letters added, left out, changed or swapped (Damerau, restricted)."""
    before_last: list[int] = []
    last = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        row = [i]
        for j, b in enumerate(other, start=1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, before_last[j - 2] + 1)
            row.append(cost)
        before_last, last = last, row
    return last[-1]
