"""Numbers that a report spells out in words, as digits."""

from __future__ import annotations

import re

_ONES = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19,
}  # fmt: skip
_TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
_UNIT = r"(?:centimet(?:er|re)s?|millimet(?:er|re)s?|cms?|mms?)"
_DIGIT = "|".join(_ONES)
_WHOLE = rf"(?:(?:{'|'.join(_TENS)})(?:[- ](?:{_DIGIT}))?|{_DIGIT})"
_SPELLED = rf"(?:half a|{_WHOLE}(?: and a half| point (?:{_DIGIT})(?: (?:{_DIGIT}))?)?)"
_LENGTH = re.compile(
    rf"(?<![\w-]){_SPELLED}(?:[ -]{_UNIT})?(?: (?:by|times|x) {_SPELLED}(?:[ -]{_UNIT})?)*[ -]{_UNIT}(?!\w)"
    rf"|(?<![\w-]){_SPELLED}[ -](?={_UNIT}(?!\w))"
)
_ROMAN = ("", "i", "ii", "iii", "iv", "v", "vi")
_LEVEL_WORD = "one|two|three|four|five|six"
_LEVEL = re.compile(
    rf"\blevels? (?:{_LEVEL_WORD})(?: ?[ab]\b)?(?:(?:,| and|, and| to) (?:{_LEVEL_WORD})\b(?! (?:enlarged|nodes?|lymph)))*"
)
_DOZEN = re.compile(r"\b(half a|a|one) dozen\b")
_LEADING = re.compile(rf"\s*(?P<word>{_WHOLE})\b|\s*(?P<digits>\d{{1,2}})(?![\d.,]*\s*(?:mm|cm|x))", re.IGNORECASE)


def with_digits(words: str) -> str:
    """Write lengths and nodal levels in words as numbers: only where a unit follows or "level" stands before.

    Parameters
    ----------
    words : str
        Sentence in lower case.

    Examples
    --------
    >>> with_digits("three point two by two point five centimetres, two nodes of twenty-one millimetres")
    '3.2 x 2.5 centimetres, two nodes of 21 millimetres'
    >>> with_digits("one and a half centimetres"), with_digits("half a dozen nodes"), with_digits("level two and three")
    ('1.5 centimetres', 'six nodes', 'level ii and iii')
    """
    words = _LEVEL.sub(
        lambda m: re.sub(rf"\b(?:{_LEVEL_WORD})\b", lambda n: _ROMAN[_ONES[n.group()]], m.group()), words
    )
    words = _DOZEN.sub(lambda m: "six" if m.group(1) == "half a" else "twelve", words)

    def spelled(match: re.Match[str]) -> str:
        text = match.group()
        text = re.sub(r" (?:by|times) (?=\w)", " x ", text)
        return re.sub(rf"(?<![\w.-]){_SPELLED}(?![\w])", lambda m: f"{value_of(m.group()):g}", text).replace("-m", " m")

    return _LENGTH.sub(spelled, words)


def value_of(words: str) -> float:
    """Give the value of a number in words.

    Examples
    --------
    >>> value_of("thirty-five"), value_of("two and a half"), value_of("three point two"), value_of("half a")
    (35.0, 2.5, 3.2, 0.5)
    """
    if words == "half a":
        return 0.5
    if words.endswith(" and a half"):
        return value_of(words.removesuffix(" and a half")) + 0.5
    whole, _, decimals = words.partition(" point ")
    total = float(sum({**_ONES, **_TENS}[part] for part in re.split(r"[- ]", whole)))
    digits = "".join(str(_ONES[part]) for part in decimals.split())
    return total + float(f"0.{digits}") if digits else total


def in_words(number: int) -> str:
    """Write a whole number below twenty in words, and a greater one in digits.

    Examples
    --------
    >>> in_words(3), in_words(24)
    ('three', '24')
    """
    return next((word for word, value in _ONES.items() if value == number), str(number))


def number_in(value: str) -> tuple[int | None, str]:
    """Find the number that a value begins with, and what follows it; None where it begins with none.

    Examples
    --------
    >>> number_in("3 (largest 24 mm)"), number_in("Six"), number_in("24 mm")
    ((3, ' (largest 24 mm)'), (6, ''), (None, '24 mm'))
    """
    match = _LEADING.match(value.lower())
    if match is None:
        return None, value
    number = int(match["digits"]) if match["digits"] else int(value_of(match["word"]))
    return number, value[match.end() :]
