"""Sizes as reports write them, in centimetres."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NUMBER = r"(\d+(?:[.,]\d+)?)"
_UNIT = r"(cms?|mms?|centimet(?:er|re)s?|millimet(?:er|re)s?)"
_AXIS = r"(?:\s*\(?\b(?:ap|tr|trans|cc|si|ml|transverse(?:ly)?|cranio-?caudal(?:ly)?|antero-?posterior(?:ly)?|(?:in )?(?:width|height|depth|length)|wide|high|long|deep|w|h|l)\b\)?)?"
_NAMED = (
    r"\s*in (?:the )?(?:ap|tr|cc|si|anteroposterior|transverse|craniocaudal|axial)(?: dimension| plane| diameter)?"
    r"(?:,? and|,| by)"
)
_LISTED = r"\s*\(?(?:transverse(?:ly)?|cranio-?caudal(?:ly)?|antero-?posterior(?:ly)?|ap|tr|cc)\)?(?:,? and|,)"  # "3 cm transverse, 2 cm ..."
_MORE = rf"(?:(?:{_AXIS}\s*(?:x|by)|{_NAMED}|{_LISTED})\s*{_NUMBER}\s*-?\s*{_UNIT}?)"
_SHARED = re.compile(
    rf"(?:\b(?:of|measur\w+|are|to|about|approx\w*|with)|[:(,]) ?(?P<first>\d+(?:[.,]\d+)?) (?:and|or|,|/) \d+(?:[.,]\d+)? ?-?(?P<unit>{_UNIT})(?! ?x)"
)
"""A length whose unit is that of the next: "of 22 and 15 mm"."""
_SIZE = re.compile(rf"(?<![\d.,/-]){_NUMBER}\s*-?\s*{_UNIT}?{_MORE}?{_MORE}?(?![\d/])")
_NOT_A_SIZE = re.compile(
    r"(?:<|>|less than|smaller than|below|under|more than|larger than|greater than|exceeding|over|above|within|"
    r"distance of|depth of|shift of|shift by|displaced by|margin of|thickness of|slice thickness|"
    r"collimation|length of|"
    r"(?:exten\w+|grow\w*|reach\w*|spread\w*|protrud\w*|infiltrat\w+|cross\w+)[^,;.()]*\b(?:by|for|over)(?: a (?:length|distance) of)?|depth of (?:invasion|infiltration)[^,;.]*|doi[ :=]*|"
    r"diameter of the airway|residual lumen|deviat\w+ by) ?(?:about |approx |approximately |up to |maximum |~)?$"
)
_DISTANCE_AFTER = re.compile(
    r"^\s*(?:away|from|above|below|beyond|short of|superior to|inferior to|deep|slices?|thick\b|sections?|collimation|"
    r"reconstruction|intervals?|nodule|extension|of the midline|(?:in )?depth|depth|short of|proximal|distal|calculus|cyst)"
)


@dataclass(frozen=True)
class Size:
    """A size at its place in a sentence.

    Parameters
    ----------
    axes_cm : tuple of float
        One to three lengths in the order written.
    start, end : int
        Characters of the plain sentence.
    """

    axes_cm: tuple[float, ...]
    start: int
    end: int

    @property
    def words(self) -> str:
        """As the template holds it.

        Examples
        --------
        >>> Size((2.0, 2.4), 0, 0).words
        '2 x 2.4 cm'
        """
        return " x ".join(f"{length:g}" for length in self.axes_cm) + " cm"

    @property
    def longest_cm(self) -> float:
        """Greatest length."""
        return max(self.axes_cm)


def sizes_in(words: str) -> tuple[Size, ...]:
    """Find the sizes of a plain sentence; limits ("larger than 1 cm") and distances are no sizes.

    Parameters
    ----------
    words : str
        Sentence from `hyoid.report.free_text.sentences.plain`.

    Examples
    --------
    >>> [size.words for size in sizes_in("2 x 2.4 cm, the other 18 mm, none larger than 1 cm")]
    ['2 x 2.4 cm', '1.8 cm']
    """
    found = []
    shared = {match.start("first"): match["unit"] for match in _SHARED.finditer(words)}
    for match in _SIZE.finditer(words):
        numbers, units = match.groups()[0::2], match.groups()[1::2]
        named = [unit for unit in units if unit] or ([shared[match.start()]] if match.start() in shared else [])
        if not named or _NOT_A_SIZE.search(words[: match.start()]) or _DISTANCE_AFTER.search(words[match.end() :]):
            continue
        axes = []
        for number, unit in zip(numbers, units, strict=True):
            if number is not None:
                scale = 0.1 if (unit or named[-1]).startswith("m") else 1.0
                axes.append(round(float(number.replace(",", ".")) * scale, 4))
        if all(0 < length < 30 for length in axes):  # no tumour of the neck is longer than 30 cm
            found.append(Size(tuple(axes), match.start(), match.end()))
    return tuple(found)
