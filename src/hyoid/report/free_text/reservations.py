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
_OF_A_PERSON = re.compile(
    r"\b(?:i|we|one) (?:can|could|would|will|do|did|am|are|was|were|may|might|have|has|had) (?:\w+ly )?not (?:\w+ly )?"
    r"(?!see\b|seen\b|find\b|found\b|identif|detect|demonstrat|note\b|recogni|appreciate|observe|visuali|show\b|discern|make out|spot\b)|"
    r"\b(?:i|we|one) (?:still |also |do |did )?(?:wonder|question|query|hesitate|doubt|worry|fear|suspect)s?\b|"
    r"\b(?:i|we) (?:am|are|was|were|remain|feel) (?:a (?:little|bit) |somewhat |rather |slightly |still |also |less |not )*(?:worried|concerned|uneasy|unsure|uncertain|wary|suspicious|troubled|bothered|in two minds|sure|certain|unhappy|happy|hesitant|sceptical|skeptical|unconvinced)\b|"
    r"\b(?:my|our|some|any|slight|real|with a|put a|a) (?:\w+ )?(?:doubts?|worry|worries|concerns?|question marks?|reservations?|misgivings|suspicions?) (?:is|are|remains?|about|over|concerns?|as to|regarding|against|that)\b|"
    r"\b(?:question mark over|jury is (?:still )?out|keep (?:an eye|a close eye) on|to be watched)\b"
)
"""A writer's own doubt, which reaches what follows: "I cannot promise that ...", "I wonder about ..."."""
_NO_DOUBT = re.compile(r"\b(?:no|without|little|beyond) (?:\w+ )?doubt that\b")
_AROUND = re.compile(
    r"\b(?:(?:remains?|is|are|left|stays?) (?:an? )?(?:open question|unanswered|unresolved|undecided|moot)|remains? open(?! (?:and|to|on|at|for|with)\b)|"
    r"(?:hard|difficult|impossible|unable|not able|not possible|tricky) to (?:be (?:\w+ )?(?:sure|certain|definite|specific)|say|tell|judge|decide|know|determine|commit|separate|distinguish|call)|"
    r"(?:can|could|may|am|are|is|do|does|did) not (?:\w+ ){0,2}?(?:decide|determine|tell|be (?:\w+ )?(?:sure|certain)|sure|certain|commit|resolve|settle|know|rule|exclude)|"
    r"undecided|(?:hang (?:my|our) hat|swear|bet|insist)|could be either|either way|(?:recorded|reported|taken|scored|classed|graded|labelled) as (?:equivocal|indeterminate|uncertain|doubtful|possible)|"
    r"(?:opinions?|readers?|reports?|panel|reviewers?) (?:\w+ )?(?:differ\w*|divided|split|vary|disagree\w*)|no (?:consensus|agreement)|remains? to be (?:seen|proven|shown|clarified|determined)|"
    r"between (?:a |an )?(?:second |new |synchronous )?(?:tumou?r|primary|recurrence|disease|lesion)[^;]* and|"
    r"versus|vs|(?:can|could) not be (?:\w+ )?(?:separated|distinguished|differentiated|discriminated|told)\b|"
    r"(?:tumou?r|recurrence|disease|invasion|infiltration|malignan\w+|neoplas\w+) or (?:\w+ ){0,2}?(?:o?edema|scar\w*|inflam\w+|fibrosis|granulation|post\w*|treatment|radiation|reactive|denervation|artefact|artifact|lymphoid|mucosa|redundan\w+|secretions?|retained)|"
    r"(?:o?edema|scar\w*|inflam\w+|fibrosis|granulation|changes?|reactive|denervation|artefact|artifact|lymphoid \w+|mucosa|secretions?) or (?:\w+ ){0,2}?(?:tumou?r|recurrence|disease|invasion|infiltration|malignan\w+|neoplas\w+)|"
    r"to be (?:judged|decided|determined|adjudicated|verified|confirmed|checked|clarified|correlated|compared)|(?:can|could) not (?:be )?distinguish\w*|"
    r"at risk|improbable|unlikely|would(?! (?:\w+ )?(?:call|regard|class|classify|label|read|describe) (?:this|that|it|these|those)\b)|escap(?:es?|ed|ing)|mimic\w*|simulated|"
    r"(?:this|these|which|it|that) (?:may|might|could) (?:also |well |equally )?(?:be|represent|reflect|correspond))\b"
)
"""Reaches its stretch of the sentence, in front and behind."""
_TAKEN_BACK = re.compile(
    r"\b(?:(?:is|was|are|were|proves?|proved) not (?:the case|so|true|correct|borne out)|(?:not|never) (?:be )?(?:confirm(?:ed)?|corroborated?|substantiated?|reproduced?|borne out|upheld)|(?:recorded|reported|taken|scored|classed|graded|labelled) as (?:equivocal|indeterminate|uncertain|doubtful)|"
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
        for pattern in (_AHEAD, _OF_A_PERSON):
            found += [(stretch.start() + match.start(), stretch.end()) for match in pattern.finditer(text)]
        if _AROUND.search(text):
            found.append(stretch.span())
    return tuple(found)


_MEANING = re.compile(
    r"^(?:its|the|their|this|whose)(?: \w+)? (?:meaning|significance|nature|cause|a?etiology|relevance|interpretation) (?:of (?:this|which|it) )?(?:is|are|remains?) (?:\w+ )?"
    r"(?:uncertain|unclear|unknown|indeterminate|doubtful|debatable|open|questionable|not (?:clear|known|certain))"
)


def questions_before(words: str) -> bool:
    """Tell whether a plain sentence leaves open what the one before means: "Its significance is uncertain".

    Parameters
    ----------
    words : str
        One sentence in lower case, without its full stop.

    Examples
    --------
    >>> questions_before("its meaning is uncertain"), questions_before("its margin is smooth")
    (True, False)
    """
    return _MEANING.match(words) is not None


def leaves_open(words: str) -> bool:
    """Tell whether a plain sentence says that something is not known or not sure.

    Parameters
    ----------
    words : str
        One sentence in lower case, without its full stop.

    Examples
    --------
    >>> leaves_open("the fat is a little grey, hard to say"), leaves_open("the fat is a little grey")
    (True, False)
    """
    return _AROUND.search(words) is not None or _OF_A_PERSON.search(words) is not None


def doubt_ahead(words: str, at: int) -> bool:
    """Tell whether a writer's own doubt stands right in front of a place: "I am not sure about the subglottis".

    Parameters
    ----------
    words : str
        One sentence in lower case, without its full stop.
    at : int
        First character of the place.

    Examples
    --------
    >>> doubt_ahead("i am not sure about the subglottis", 24), doubt_ahead("i am not sure. the lip is normal", 19)
    (True, False)
    """
    found = [match.end() for match in _OF_A_PERSON.finditer(words) if match.end() <= at]
    return bool(found) and re.search(r"[.;]|\b(?:but|is|are)\b", words[found[-1] : at]) is None


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
