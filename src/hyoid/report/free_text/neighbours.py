"""Sides that a neighbouring sentence or a heading gives: "a tumour on the right. It reaches ... On the same side ..."."""

from __future__ import annotations

import re

from hyoid.anatomy.structures import Side
from hyoid.report.free_text.node_levels import levels_in
from hyoid.report.free_text.vocabulary import MASS_WORDS, NODE, mentions_in, sides_in

_OTHER = {Side.RIGHT: Side.LEFT, Side.LEFT: Side.RIGHT}
_SAME = re.compile(r"\b(?:on|of|at) (?:the same|that|this|the affected) side\b")
_OPPOSITE = re.compile(r"\b(?:on |of |at )?the (?:opposite|other|contralateral|unaffected) side(?: of the neck)?\b")
_PROCESS = re.compile(
    rf"\b(?:{MASS_WORDS}|process|disease|pathology|findings?|changes?|side is (?:affected|involved|diseased))\b"
)
_SIDED_PROCESS = re.compile(
    rf"(?P<head>.*?\b(?P<side>right|left)[- ]sided (?:\w+ )?(?:{MASS_WORDS}|process|disease)(?: ?[:;,-]|$))(?P<rest>.*)$"
)
_LEAVES = re.compile(r"\b(?:midline|both|bilateral\w*|either side|each side|symmetric\w*)\b")
_UNPAIRED = frozenset({
    "epiglottis", "anterior_commissure", "posterior_commissure", "subglottis", "preepiglottic_space", "vestibule",
    "post_cricoid_region", "prevertebral_space", "esophagus", "tracheal_cartilages", "airway_compromise",
    "et_tube_in_situ", "lip", "intracranial_extension", "extranodal_extension", "loss_of_fat_planes", "skull_base",
    "cricoid_cartilage", "thyroid_cartilage", "soft_palate",
})  # fmt: skip


class Sides:
    """Sides that hold from sentence to sentence, while a report is read in order."""

    def __init__(self) -> None:
        self.last: Side | None = None
        self.process: Side | None = None

    def read(self, words: str, *, headed: Side | None = None, starts: bool = False) -> str:
        """Write out the sides that a plain sentence takes from the sentences before.

        Parameters
        ----------
        words : str
            Plain sentence.
        headed : Side, optional
            Side that a heading gives to all its sentences.
        starts : bool
            A paragraph begins here: what held in the one before does not hold.

        Examples
        --------
        >>> sides = Sides()
        >>> [sides.read(words) for words in ("there is a tumour on the right", "it fills the tonsil")]
        ['there is a tumour on the right', 'it fills the right tonsil']
        >>> sides.read("on the other side the tonsil is normal")
        'on the left the tonsil is normal'
        """
        if starts:
            self.process = None
        known = self.process or self.last
        if known is not None:
            words = _SAME.sub(f"on the {known.value}", words)
        if self.process is not None:
            words = re.sub(r"\bipsilateral\b", self.process.value, words)
            words = re.sub(r"\bipsilaterally\b", f"on the {self.process.value}", words)
        if known is not None and _OPPOSITE.search(words):
            # An aside: "the same side" is still that of before.
            return _OPPOSITE.sub(f"on the {_OTHER[known].value}", words)
        sides = sides_in(words)
        sided = _SIDED_PROCESS.match(words)
        if sided and not sides_in(sided["rest"]):
            self.last = self.process = Side(sided["side"])
            return sided["head"] + with_side(sided["rest"], self.process)
        if len(sides) == 1:
            (self.last,) = sides
            unplaced = not any(m.term.keys or m.term.site for m in mentions_in(words))
            if unplaced and _PROCESS.search(words) and not NODE.search(words):
                self.process = self.last
            return words
        if sides or _LEAVES.search(words):
            return words
        side = headed or (self.process if self.process is self.last else None)
        return words if side is None else with_side(words, side)


def with_side(words: str, side: Side) -> str:
    """Write a side in front of every paired place, level and node of a plain sentence.

    Parameters
    ----------
    words : str
        Plain sentence that names no side.
    side : Side
        Side to write.

    Examples
    --------
    >>> with_side("mass of the pyriform sinus, the epiglottis is free; nodes : level ii", Side.LEFT)
    'mass of the left pyriform sinus, the epiglottis is free; nodes : left level ii'
    """
    starts = {m.start for m in mentions_in(words) if m.term.keys and not _UNPAIRED.intersection(m.term.keys)}
    levels = [start for start, *_ in levels_in(words)]
    starts.update(levels or [m.start() for m in NODE.finditer(words)])
    for start in sorted(starts, reverse=True):
        words = f"{words[:start]}{side.value} {words[start:]}"
    return words
