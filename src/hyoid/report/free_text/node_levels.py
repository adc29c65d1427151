"""Nodal levels as reports name them: numbers, ranges, lists, and groups with names of their own."""

from __future__ import annotations

import re

from hyoid.report.free_text.vocabulary import NODE

_ROMAN = {"1": "I", "2": "II", "3": "III", "4": "IV", "5": "V", "6": "VI", "7": "VII"}
_ORDER = ("I", "II", "III", "IV", "V", "VI", "VII")
ONE_LEVEL = r"(?:vii|vi|iv|v|iii|ii|i|[1-7])[ -]?(?:[ab](?![a-z]))?(?:/[ab](?![a-z]))?"
_JOINT = r"\s*(?:,|/|&|\+|-|and|to|through|or|, and)\s*"
_NUMBERING = (
    r" (?:in (?:no\b|number|total)|nos?\b|in all\b|(?:right|left) (?:levels?\b|[iv]+[ab]?\b))"  # "II, III, 6 in no."
)
LEVELS = re.compile(
    rf"\b(?:levels?|stations?|sectors?|zones?|groups?|areas?|compartments?|lvl)\s*[-:]?\s*({ONE_LEVEL}(?:{_JOINT}(?:levels?\s*)?{ONE_LEVEL}(?![\w]|\.\d| ?x ?\d| ?[cm]m\b|{_NUMBERING}))*)(?![\w]|\.\d)(?! (?:x|cm|mm|nodes? of))"
)
_SURE = r"(?:vii|vi|iii|ii|iv(?! contrast)|i[ab]|[1-6][ab]|v[ab])[ab]?"
_LONE_LEVELS = re.compile(
    rf"(?<![\w.-])({_SURE}(?:{_JOINT}{ONE_LEVEL}(?![\w]|{_NUMBERING}))*|i(?:{_JOINT}{_SURE}(?![\w]))+)(?![\w-])(?! (?:nerve|segment))"
)
_BARE_LEVEL = re.compile(
    r"\b(?:(?:ii|iii|iv|vi|vii|v)[ab]?|i[ab]|[1-6][ab])(?= (?:lymph ?)?(?:nodes?|lns?|nodal|lad|adenopathy|levels?|sectors?|stations?|zones?|groups?|compartments?|"
    r"lymphadenopathy)\b)"
)
_NAMED_LEVELS = (
    (re.compile(r"\bsub-?mental\b(?! (?:space|gland))"), "Ia"),
    (re.compile(r"\bsubmandibular (?:lymph|node|nodal|ln|level|station)"), "Ib"),
    (re.compile(r"\b(?:upper|superior) (?:internal )?(?:deep )?(?:jugular|cervical)|\bjugulo-?digastric"), "II"),
    (re.compile(r"\b(?:mid(?:dle)?) (?:internal )?(?:deep )?(?:jugular|cervical)"), "III"),
    (re.compile(r"\b(?:lower|inferior) (?:internal )?(?:deep )?(?:jugular|cervical)"), "IV"),
    (re.compile(r"\bposterior (?:triangle|cervical)|\bspinal accessory"), "V"),
    (re.compile(r"\bretro-?pharyngeal (?:lymph|node|nodal|ln|lad)"), "VIIa"),
)


def levels_in(words: str) -> tuple[tuple[int, int, tuple[str, ...]], ...]:
    """Find the levels named in a plain sentence: (start, end, levels); ranges are spelled out.

    Examples
    --------
    >>> levels_in("levels ii-iv on the left, level ib")
    ((0, 12, ('II', 'III', 'IV')), (26, 34, ('Ib',)))
    """
    found = []
    for match in LEVELS.finditer(words):
        found.append((match.start(), match.end(), _spelled_out(match.group(1))))
    lone = [*(_LONE_LEVELS.finditer(words) if NODE.search(words) else ()), *_BARE_LEVEL.finditer(words)]
    for match in lone:
        if all(match.end() <= start or match.start() >= end for start, end, _ in found):
            found.append((match.start(), match.end(), _spelled_out(match.group())))
    for pattern, level in _NAMED_LEVELS:
        for match in pattern.finditer(words):
            free = all(match.end() <= start or match.start() >= end for start, end, _ in found)
            explained = LEVELS.match(words[match.end() :].lstrip(" (")) or re.search(
                r"level[^,;]*\($", words[: match.start()]
            )
            if free and not explained:
                found.append((match.start(), match.end(), (level,)))
    return tuple(sorted(found))


def _spelled_out(text: str) -> tuple[str, ...]:
    """Levels of a list such as "ii, iii" or "iia/b" or "2 to 4"."""
    levels: list[str] = []
    pieces = re.split(r"(\s*(?:,|&|\+|-(?=\s*(?:[ivx1-7]))|/(?![ab]\b)|\band\b|\bto\b|\bthrough\b|\bor\b)\s*)", text)
    joint = ""
    for piece in pieces:
        name = re.fullmatch(r"\s*(?:levels?\s*)?(vii|vi|iv|v|iii|ii|i|[1-7])[ -]?([ab])?(?:/([ab]))?\s*", piece)
        if name is None:
            joint = piece.strip() or joint
            continue
        roman = _ROMAN.get(name.group(1), name.group(1).upper())
        if joint in ("-", "to", "through") and levels:
            first = _ORDER.index(re.match(r"[IV]+", levels[-1]).group())  # type: ignore[union-attr]
            levels += _ORDER[first + 1 : _ORDER.index(roman)]
        parts = [part for part in name.groups()[1:] if part]
        levels += [f"{roman}{part}" for part in parts] or [roman]
        joint = ""
    return tuple(dict.fromkeys(levels))
