"""The chat engine: any OpenAI-compatible endpoint fills the template, and what it cannot prove is refused.

The endpoint is asked twice, to populate and to refine (SGRNet, section 4.1), at temperature 0 with a JSON schema for
its answer. Every answer must quote a sentence of the report and use the template's words; its numbers must stand in the
quoted sentence. Otherwise the whole answer is refused and the rules fill the template, which the report says. A line whose
sentence, read by the grammar, says something else is left out (`hyoid.report.free_text.guard`).
"""

from __future__ import annotations

import http.client
import json
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from hyoid.errors import UsageError
from hyoid.report.content.schema import Evidence, Line, ModelUse
from hyoid.report.content.template import BY_KEY, Kind
from hyoid.report.free_text.answers import answerable, blank, is_answer
from hyoid.report.free_text.guard import why_refused
from hyoid.report.free_text.rules import RULES, fill_by_rules
from hyoid.report.free_text.sentences import Sentence, plain
from hyoid.report.free_text.sizes import sizes_in
from hyoid.report.free_text.structure import Filled

POPULATE = (
    "You fill a structured template from a radiology report of the head and neck. Answer only what the report "
    "states of "
    "the present scan; leave out every line that it does not support. For each answered line give its key, its "
    "value and "
    "the sentence of the report that supports it, copied exactly. Involvement lines take one of: Involved; Not "
    "involved; "
    "Equivocal; Changed, likely by treatment; Changed, tumour not stated; followed by ', right', ', left' or ', both "
    "sides' where the report gives a side. The tonsil takes 'R - involved', 'L - involved', 'Both - involved' or 'Not "
    "involved'. Findings take Present, Absent or Equivocal; the ET tube takes Y or N. Sizes are in cm, like '2 "
    "x 2.4 cm'. "
    "Number of nodes is a number or Multiple. Side is Ipsi, Bi or Contra. Keys and lines: "
)
REFINE = (
    "Check this draft against the report. Remove lines that the report does not support, that speak of an "
    "earlier scan, or "
    "whose sentence is not copied exactly; correct wrong values; add lines that were missed. Give the whole "
    "answer again."
)
LOCAL = {"llama.cpp": "http://localhost:8080/v1", "ollama": "http://localhost:11434/v1"}
"""Servers on this machine by name, at their own default addresses; both take a JSON schema."""

_LONGEST_ANSWER = 1_000_000  # bytes; a full template is a few thousand


class _Answer(BaseModel):
    """One answered line as the endpoint gives it."""

    model_config = ConfigDict(extra="forbid")
    key: str
    value: str
    sentence: str


class _Answers(BaseModel):
    """The whole answer."""

    model_config = ConfigDict(extra="forbid")
    lines: list[_Answer]


_FORMATS: tuple[dict[str, Any], ...] = (
    {
        "type": "json_schema",
        "json_schema": {"name": "template", "strict": True, "schema": _Answers.model_json_schema()},
    },
    {"type": "json_object"},  # servers that do not know schemas; the answer is checked all the same
)
_FENCE = re.compile(r"^\s*```(?:json)?\s*(.*?)\s*```\s*$", re.DOTALL)


@dataclass(frozen=True)
class ChatEngine:
    """Fills the template by a chat endpoint; an engine for `hyoid.report.free_text.structure.structure_text`.

    Parameters
    ----------
    endpoint : str
        Base address, for instance "http://localhost:8000/v1", or a name of `LOCAL`.
    model : str
        Name the endpoint knows it by.
    key : str, optional
        Sent as bearer token.
    timeout_s : float
        For each of the two questions.

    Raises
    ------
    UsageError
        When the address is not http or https, or the model has no name.
    """

    endpoint: str
    model: str
    key: str = ""
    timeout_s: float = 120.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "endpoint", LOCAL.get(self.endpoint, self.endpoint))
        if not re.match(r"https?://[^/]+", self.endpoint):
            raise UsageError(
                f"The endpoint {self.endpoint!r} is no address.", "Give one like http://localhost:8000/v1."
            )
        if not self.model:
            raise UsageError("The chat engine needs the name of a model.", "Give it with --model.")

    def __call__(self, text: str, sentences: tuple[Sentence, ...]) -> Filled:
        """Lines by the endpoint; by the rules, with a warning, where its answer is refused."""
        result = self.lines(text, sentences)
        if isinstance(result, str):
            warning = f"The chat engine's answer was refused: {result} The rules filled the template instead."
            return Filled(fill_by_rules(sentences), RULES, (warning,))
        return result

    def lines(self, text: str, sentences: tuple[Sentence, ...]) -> Filled | str:
        """Ask the endpoint for the lines that its sentences support; in words why there are none.

        Parameters
        ----------
        text : str
            The report without identifiers.
        sentences : tuple of Sentence
            Its sentences, by which every answer is checked.
        """
        result = self._ask_twice(text)
        if isinstance(result, str):
            return result
        kept, warnings = supported_lines(result, sentences)
        source = ModelUse(name=self.model, licence="", trained_on="chat endpoint chosen by the user")
        return Filled(kept, source, warnings)

    def _ask_twice(self, text: str) -> dict[str, Line] | str:
        """Lines, or in words why there are none."""
        listed = "; ".join(f"{row.key} = {row.words}" for row in answerable())
        messages = [{"role": "system", "content": POPULATE + listed}, {"role": "user", "content": text}]
        content = ""
        for step in ("populate", "refine"):
            if step == "refine":
                messages += [{"role": "assistant", "content": content}, {"role": "user", "content": REFINE}]
            answer = self._ask(messages, _FORMATS[0])
            if isinstance(answer, _Refusal) and answer.unknown_format:
                answer = self._ask(messages, _FORMATS[1])
            if isinstance(answer, _Refusal):
                return answer.reason
            content = answer
        return accepted_lines(content, text)

    def _ask(self, messages: list[dict[str, str]], response_format: dict[str, Any]) -> str | _Refusal:
        """Content of one answer."""
        body = {
            "model": self.model,
            "temperature": 0,
            "messages": messages,
            "response_format": response_format,
        }
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        request = urllib.request.Request(
            self.endpoint.rstrip("/") + "/chat/completions", json.dumps(body).encode(), headers
        )
        try:
            with urllib.request.urlopen(request, timeout=self.timeout_s) as response:
                answer: Any = json.loads(response.read(_LONGEST_ANSWER))
            message = answer["choices"][0]["message"]
            if message.get("refusal"):
                return _Refusal("the model declined.")
            return str(message["content"])
        except urllib.error.HTTPError as error:
            error.close()
            return _Refusal(
                f"the endpoint answered with HTTP error {error.code}.", unknown_format=error.code in (400, 422)
            )
        except TimeoutError:
            return _Refusal(f"no answer within {self.timeout_s:g} s.")
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            late = isinstance(getattr(error, "reason", None), TimeoutError)
            return _Refusal(f"no answer within {self.timeout_s:g} s." if late else "the endpoint cannot be reached.")
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            return _Refusal("it is not an answer of a chat endpoint.")


@dataclass(frozen=True)
class _Refusal:
    reason: str
    unknown_format: bool = False


def supported_lines(lines: dict[str, Line], sentences: tuple[Sentence, ...]) -> tuple[dict[str, Line], tuple[str, ...]]:
    """Leave out lines whose quoted sentence says something else; a warning names these.

    Parameters
    ----------
    lines : dict of str to Line
        Answered lines by key, each quoting a stretch of the report.
    sentences : tuple of Sentence
        Sentences of the report.
    """
    kept, refused = {}, []
    for key, line in lines.items():
        reasons = [why_refused(BY_KEY[key], line.value, s) for s in _quoted(line.evidence[0].source, sentences)]
        if "" in reasons:
            kept[key] = line
        else:
            refused.append(f"{line.words} ({reasons[0] if reasons else 'no sentence of the report'})")
    warnings = (f"Answers of the chat engine that their sentences do not support were left out: {'; '.join(refused)}.",)
    return kept, warnings if refused else ()


def _quoted(quote: str, sentences: tuple[Sentence, ...]) -> list[Sentence]:
    """Sentences that a quotation stands in, or that stand in the quotation."""
    return [s for s in sentences if s.plain and (quote in s.text or s.text in quote)]


def accepted_lines(content: str, text: str) -> dict[str, Line] | str:
    """Read the lines of an endpoint's answer, or say in words why the answer is refused.

    Parameters
    ----------
    content : str
        JSON with `lines`, each with `key`, `value`, `sentence`.
    text : str
        The report that was sent.

    Examples
    --------
    >>> accepted_lines('{"lines": [{"key": "lip", "value": "Involved", "sentence": "The lip."}]}', "Nothing of it.")
    'it quotes a sentence that is not in the report (line lip).'
    """
    fenced = _FENCE.match(content)
    try:
        answers = _Answers.model_validate_json(fenced.group(1) if fenced else content)
    except ValidationError:
        return "it does not parse."
    report = _collapsed(text)
    lines: dict[str, Line] = {}
    for answer in answers.lines:
        reason = _why_not(answer, report, lines)
        if reason:
            return reason
        evidence = Evidence(status="text", source=" ".join(answer.sentence.split()))
        lines[answer.key] = blank(BY_KEY[answer.key]).model_copy(
            update={"value": answer.value, "status": "text", "evidence": (evidence,)}
        )
    return lines


def _why_not(answer: _Answer, report: str, lines: dict[str, Line]) -> str:
    """Why one line is refused; empty when it is not."""
    row = BY_KEY.get(answer.key)
    if row is None or row.is_heading or row.kind is Kind.IDENTITY:
        return "it names a line that the template does not have."
    quote = _collapsed(answer.sentence)
    if len(quote.split()) < 2 or quote not in report:
        return f"it quotes a sentence that is not in the report (line {row.key})."
    if answer.key in lines:
        return f"it answers the line {row.key} twice."
    if not is_answer(row, answer.value):
        return f"its value for the line {row.key} is none that the template takes."
    if row.kind is Kind.SIZE:
        said = {size.axes_cm for size in sizes_in(plain(answer.sentence))}
        if any(size.axes_cm not in said for size in sizes_in(plain(answer.value))):
            return f"its size for the line {row.key} does not stand in the quoted sentence."
    return ""


def _collapsed(text: str) -> str:
    return " ".join(text.split())
