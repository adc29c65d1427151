"""Words that leave a whole statement open: questions, conditions, what others held and was not confirmed.

The grammar of a clause does not resolve these; whatever a clause under such a reservation says of a place is doubtful.
"""

from __future__ import annotations

import re

_AHEAD = re.compile(
    r"\b(?:whether(?: or not)?|(?<!as )if(?! anything\b)|unless|provided that|in case|hardly any|scarcely|barely any|little (?:evidence|suspicion|sign)|"
    r"(?:not|never) (?:\w+ )?(?:believe|think|feel|hold|convinced|persuaded|agree)|disagree\w*|doubt(?:ful)? that|unlikely that|"
    r"(?:to|biops\w+ to) (?:check|look|search|test|screen) for|worr(?:y|ies|ied) (?:about|of)|fears?|no longer (?:is|are))\b|"
    r"^(?:had|were|should) (?:the|there|it|this|a|an)\b"
)
"""Reaches what follows in its stretch of the sentence."""
_NO_DOUBT = re.compile(r"\b(?:no|without|little|beyond) (?:\w+ )?doubt that\b")
_AROUND = re.compile(
    r"\b(?:(?:remains?|is|are|left|stays?) (?:an? )?(?:open question|unanswered|unresolved|undecided|moot)|remains? open(?! (?:and|to|on|at|for|with)\b)|"
    r"at risk|improbable|unlikely|would|escap(?:es?|ed|ing)|mimic\w*|simulated|"
    r"(?:this|these|which|it|that) (?:may|might|could) (?:also |well |equally )?(?:be|represent|reflect|correspond))\b"
)
"""Reaches its stretch of the sentence, in front and behind."""
_TAKEN_BACK = re.compile(
    r"\b(?:(?:is|was|are|were|proves?|proved) not (?:the case|so|true|correct|borne out)|(?:not|never) (?:be )?(?:confirm(?:ed)?|corroborated?|substantiated?|reproduced?|borne out|upheld)|"
    r"(?:not agree|disagree)\w*)\b"
)
"""Speaks of the whole sentence."""


def reserved_in(words: str) -> tuple[tuple[int, int], ...]:
    """Find the stretches of a plain sentence that stand under a reservation.

    Parameters
    ----------
    words : str
        One sentence in lower case, without its full stop.
        From `hyoid.report.free_text.sentences.plain`.

    Returns
    -------
    tuple of (int, int)
        First character and end of each stretch.

    Examples
    --------
    >>> reserved_in("the lip is normal; whether the cricoid is invaded remains open")
    ((19, 62), (18, 62))
    >>> reserved_in("the lip is normal")
    ()
    """
    if takes_back(words):
        return ((0, len(words)),)
    found: list[tuple[int, int]] = []
    for stretch in re.finditer(r"[^;]+", words):
        text = _NO_DOUBT.sub(lambda m: " " * len(m.group()), stretch.group())
        found += [(stretch.start() + match.start(), stretch.end()) for match in _AHEAD.finditer(text)]
        if _AROUND.search(text):
            found.append(stretch.span())
    return tuple(found)


def takes_back(words: str) -> bool:
    """Tell whether a plain sentence says that a statement was not confirmed or is not so.

    Parameters
    ----------
    words : str
        One sentence in lower case, without its full stop.

    Examples
    --------
    >>> takes_back("on our review this is not the case"), takes_back("this is the case")
    (True, False)
    """
    return _TAKEN_BACK.search(words) is not None
