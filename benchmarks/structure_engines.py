"""Rules, a chat model and what both agree on, on the same reports; the model is a stand-in that errs at a known rate.

    python benchmarks/structure_engines.py [--reports 60] [--errors 0.15] [--seed 5]

No model needs to be there: a server on this machine answers as one would, from what the reports state, and spoils a
share of its answers: the state turned round, the side swapped, a doubt left out, a line invented with a sentence that
speaks of something else. So the table shows what the guard and the agreement catch, not how good any model is.
"""

from __future__ import annotations

import argparse
import json
import threading
from collections import Counter
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from hyoid.anatomy.subsites import FIELDS
from hyoid.phantom.text.free_text import Stated, WrittenReport
from hyoid.report.content.schema import Line
from hyoid.report.content.template import BY_KEY
from hyoid.report.free_text.agreement import agreed_lines
from hyoid.report.free_text.answers import state_words
from hyoid.report.free_text.assertions import State
from hyoid.report.free_text.chat import ChatEngine, accepted_lines, supported_lines
from hyoid.report.free_text.guard import state_in
from hyoid.report.free_text.rules import fill_by_rules
from hyoid.report.free_text.sentences import read_sentences
from hyoid.report.free_text.vocabulary import sides_in
from written.composed import Style, compose_report
from written.styles import TUNING
from written.truths import draw_truth

TURNED = {"involved": "not involved", "not involved": "involved", "equivocal": "involved", "treated": "involved"}
SWAPPED = {"left": "right", "right": "left", "": "", "both": "left"}


class StandIn(ThreadingHTTPServer):
    """Answers every question with the lines it was given."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = ""


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Answer as a chat endpoint."""
        self.rfile.read(int(self.headers["Content-Length"]))
        message = {"role": "assistant", "content": self.server.content}  # type: ignore[attr-defined]
        body = json.dumps({"choices": [{"message": message}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--reports", type=int, default=60)
    parser.add_argument("--errors", type=float, default=0.15)
    parser.add_argument("--seed", type=int, default=5)
    given = parser.parse_args()
    server = StandIn()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    engine = ChatEngine(f"http://127.0.0.1:{server.server_port}/v1", "stand-in")
    counts: dict[str, Counter[str]] = {name: Counter() for name in ("rules", "model, unchecked", "model", "both agree")}
    for number in range(given.reports):
        rng = np.random.default_rng([given.seed, number])
        style = TUNING[number % len(TUNING)]
        written = compose_report(draw_truth(rng), _clean(style), rng)
        sentences = read_sentences(written.text)
        server.content = spoiled_answer(written, given.errors, rng)
        unchecked = accepted_lines(server.content, written.text)
        checked = engine.lines(written.text, sentences)
        rules = fill_by_rules(sentences)
        if isinstance(unchecked, str) or isinstance(checked, str):
            raise SystemExit(
                f"The stand-in's answer was refused: {unchecked if isinstance(unchecked, str) else checked}"
            )
        assert supported_lines(unchecked, sentences)[0].keys() == checked.lines.keys()
        for name, lines in (
            ("rules", rules),
            ("model, unchecked", unchecked),
            ("model", checked.lines),
            ("both agree", agreed_lines(rules, checked.lines)),
        ):
            counts[name].update(score(written, lines))
    server.shutdown()
    print(f"{given.reports} reports, {given.errors:.0%} of the model's answers spoiled\n")
    print("| engine | stated | right | wrong | inverted | without support | precision | recall |")
    print("|---|" + "---|" * 7)
    for name, c in counts.items():
        answered = c["right"] + c["wrong"] + c["unsupported"]
        print(
            f"| {name} | {c['stated']} | {c['right']} | {c['wrong']} | {c['inverted']} | {c['unsupported']} | "
            f"{c['right'] / answered:.3f} | {c['right'] / c['stated']:.3f} |"
        )


def _clean(style: Style) -> Style:
    """A style without slips, whose sentences stand in the text as they were stated."""
    return replace(style, slips=0.0, lower=False)


def spoiled_answer(written: WrittenReport, errors: float, rng: np.random.Generator) -> str:
    """Answer with what a report states, a share of it spoiled."""
    lines = []
    collapsed = " ".join(written.text.split())
    quotable = {k: s for k, s in written.sentences.items() if s in collapsed and len(s.split()) > 1}
    for key, told in written.stated.items():
        if key not in quotable:
            continue
        state, side = told.state, told.side
        if rng.random() < errors:
            if rng.random() < 0.5:
                state = TURNED[state]
            else:
                side = SWAPPED[side]
        lines.append({"key": key, "value": _value(key, Stated(state, side)), "sentence": quotable[key]})
    unsaid = [f.key for f in FIELDS if f.key not in written.stated and f.key in BY_KEY and f.key != "et_tube_in_situ"]
    for key in rng.permutation(unsaid)[: int(rng.binomial(len(lines), errors))]:
        state = str(rng.choice(["involved", "not involved"]))
        sentence = str(rng.choice(list(quotable.values())))
        lines.append({"key": str(key), "value": _value(str(key), Stated(state)), "sentence": sentence})
    return json.dumps({"lines": lines})


def _value(key: str, told: Stated) -> str:
    return state_words(BY_KEY[key], State(told.state), sides_in(told.side))


def score(written: WrittenReport, lines: dict[str, Line]) -> Counter[str]:
    """Count right, wrong, inverted and unsupported involvement answers."""
    counts: Counter[str] = Counter(stated=len(written.stated))
    known = {field.key for field in FIELDS} | {"extranodal_extension"}
    for key, line in lines.items():
        state, sides = state_in(line.value)
        if key not in known or line.status != "text" or state is None:
            continue
        told = written.stated.get(key)
        if told is None:
            counts["unsupported"] += 1
        elif state.value == told.state and (not told.side or not sides or sides == sides_in(told.side)):
            counts["right"] += 1
        else:
            counts["wrong"] += 1
            counts["inverted"] += {state.value, told.state} == {"involved", "not involved"}
    return counts


if __name__ == "__main__":
    main()
