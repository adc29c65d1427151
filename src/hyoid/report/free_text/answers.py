"""The words in which free text answers a line of the template; the same for every engine."""

from __future__ import annotations

import re

from hyoid.anatomy.structures import Side
from hyoid.report.content.schema import IDENTIFIERS, Line, unanswered_line
from hyoid.report.content.template import FIELDS, Field, Kind
from hyoid.report.free_text.assertions import State
from hyoid.report.free_text.lymph_nodes import MULTIPLE
from hyoid.report.free_text.sizes import sizes_in

NO_MASS = "No mass seen"
NO_NODES = "Not applicable, no node"
NO_SIZE = "Not applicable, no mass"

_INVOLVEMENT = {
    State.INVOLVED: "Involved",
    State.NOT_INVOLVED: "Not involved",
    State.EQUIVOCAL: "Equivocal",
    State.CHANGED: "Changed, tumour not stated",
    State.TREATED: "Changed, likely by treatment",
}
_FINDING = {
    State.INVOLVED: "Present",
    State.NOT_INVOLVED: "Absent",
    State.EQUIVOCAL: "Equivocal",
    State.CHANGED: "Changed, tumour not stated",
    State.TREATED: "Changed, likely by treatment",
}
_SIDES = {
    frozenset({Side.RIGHT}): "right",
    frozenset({Side.LEFT}): "left",
    frozenset({Side.RIGHT, Side.LEFT}): "both sides",
}
_LETTERS = {"right": "R", "left": "L", "both sides": "Both"}


def blank(row: Field) -> Line:
    """Make the line of a field, unanswered."""
    flags = (IDENTIFIERS,) if row.kind is Kind.IDENTITY else ()
    return unanswered_line(row.key).model_copy(update={"flags": flags})


def side_words(sides: frozenset[Side]) -> str:
    """Write "right", "left", "both sides", or nothing for sides."""
    return _SIDES.get(sides, "")


def state_words(row: Field, state: State, sides: frozenset[Side]) -> str:
    """Write the answer of an involvement line, a finding or a yes-or-no line.

    Examples
    --------
    >>> from hyoid.report.content.template import BY_KEY
    >>> state_words(BY_KEY["tonsil"], State.INVOLVED, frozenset({Side.RIGHT}))
    'R - involved'
    >>> state_words(BY_KEY["skull_base"], State.NOT_INVOLVED, frozenset())
    'Not involved'
    """
    if row.kind is Kind.YES_NO:
        return {State.INVOLVED: "Y", State.NOT_INVOLVED: "N"}.get(state, "Equivocal")
    words = (_FINDING if row.kind is Kind.FINDING else _INVOLVEMENT)[state]
    side = side_words(sides)
    if row.kind is Kind.SIDED_INVOLVEMENT and side:
        return f"{_LETTERS[side]} - {words[0].lower()}{words[1:]}"
    return f"{words}, {side}" if side else words


def is_answer(row: Field, value: str) -> bool:
    """Tell whether a value is one that free text can give to this line.

    Parameters
    ----------
    row : Field
        Line of the template.
    value : str
        Answer in the template's words, such as "R - involved".
    """
    if row.kind is Kind.IDENTITY or not value.strip():
        return False
    if row.kind in (Kind.INVOLVEMENT, Kind.SIDED_INVOLVEMENT, Kind.FINDING, Kind.YES_NO):
        return all(part in _possible(row) for part in value.split("; "))
    if row.kind is Kind.SIZE:
        return value in (NO_SIZE, NO_NODES) or sizes_in(value.lower()) != ()
    if row.kind is Kind.COUNT:
        return re.match(r"(?:\d+|Multiple|Present)\b", value) is not None
    if row.kind is Kind.SIDE:
        return value == NO_NODES or re.match(r"(?:Ipsi|Bi|Contra|Right|Left)\b", value) is not None
    return True


def _possible(row: Field) -> set[str]:
    sides = [frozenset[Side](), *_SIDES]
    return {state_words(row, state, s) for state in State for s in sides}


def count_words(count: int) -> str:
    """Write the number of nodes; `MULTIPLE` and unknown numbers in words."""
    return "Multiple" if count == MULTIPLE else str(count) if count else "Present, number not stated"


def answerable() -> tuple[Field, ...]:
    """List the lines that free text may answer: all but the patient."""
    return tuple(row for row in FIELDS if row.kind is not Kind.IDENTITY)
