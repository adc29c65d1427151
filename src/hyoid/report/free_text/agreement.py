"""Rules and model side by side: only what both say is answered."""

from __future__ import annotations

from dataclasses import dataclass

from hyoid.report.content.schema import Line, ModelUse
from hyoid.report.free_text.answers import answerable, blank
from hyoid.report.free_text.chat import ChatEngine
from hyoid.report.free_text.guard import state_in
from hyoid.report.free_text.rules import RULES, fill_by_rules
from hyoid.report.free_text.sentences import Sentence
from hyoid.report.free_text.structure import Filled

DISAGREE = "Rules and model disagree"
ONE_ONLY = "Only one of rules and model answers"


@dataclass(frozen=True)
class BothEngine:
    """Fills the template with what rules and a chat model say alike; an engine for `structure_text`.

    Parameters
    ----------
    chat : ChatEngine
        Where it gives no answer that can be used, the rules fill the template alone and the report says so.
    """

    chat: ChatEngine

    def __call__(self, text: str, sentences: tuple[Sentence, ...]) -> Filled:
        """Lines that both give; flagged and unanswered where they differ."""
        rules = fill_by_rules(sentences)
        model = self.chat.lines(text, sentences)
        if isinstance(model, str):
            warning = f"The chat engine's answer was refused: {model} The rules filled the template alone."
            return Filled(rules, RULES, (warning,))
        source = ModelUse(
            name=f"{RULES.name} and {self.chat.model}, where both agree",
            version=RULES.version,
            trained_on="rules by hand; chat endpoint chosen by the user",
        )
        return Filled(agreed_lines(rules, model.lines), source, model.warnings)


def agreed_lines(rules: dict[str, Line], model: dict[str, Line]) -> dict[str, Line]:
    """Keep the lines that both engines answer alike; the others are blank with a flag that says why.

    Parameters
    ----------
    rules, model : dict of str to Line
        Answered lines by key.

    Examples
    --------
    >>> lip = blank(answerable()[2]).model_copy(update={"value": "Involved", "status": "text"})
    >>> other = lip.model_copy(update={"value": "Not involved"})
    >>> agreed_lines({"lip": lip}, {"lip": lip})["lip"].value, agreed_lines({"lip": lip}, {"lip": other})["lip"].flags
    ('Involved', ('Rules and model disagree',))
    """
    lines = {}
    for row in answerable():
        one, other = rules.get(row.key), model.get(row.key)
        if one is not None and other is not None and _alike(one.value, other.value):
            quoted = {e.source for e in one.evidence}
            more = tuple(e for e in other.evidence if e.source not in quoted)
            lines[row.key] = one.model_copy(update={"evidence": one.evidence + more})
        elif one is not None or other is not None:
            flag = DISAGREE if one is not None and other is not None else ONE_ONLY
            lines[row.key] = blank(row).model_copy(update={"flags": (flag,)})
    return lines


def _alike(one: str, other: str) -> bool:
    """Whether two answers say the same; a side that only one of them gives is no difference."""
    (state, sides), (other_state, other_sides) = state_in(one), state_in(other)
    if state is not None or other_state is not None:
        return state is other_state and (not sides or not other_sides or sides == other_sides)
    return one.lower().partition(" (")[0] == other.lower().partition(" (")[0]
