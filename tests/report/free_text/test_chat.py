import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from hyoid.errors import UsageError
from hyoid.report.free_text.agreement import DISAGREE, ONE_ONLY, BothEngine
from hyoid.report.free_text.chat import LOCAL, ChatEngine, accepted_lines
from hyoid.report.free_text.structure import structure_text

TEXT = "Name: Jane Roe\n\nCT neck. Mass in the right tonsil measuring 2 x 2.4 cm. The epiglottis is normal."
GOOD = [
    {"key": "tonsil", "value": "R - involved", "sentence": "Mass in the right tonsil measuring 2 x 2.4 cm."},
    {"key": "size_of_the_mass", "value": "2 x 2.4 cm", "sentence": "Mass in the right tonsil measuring 2 x 2.4 cm."},
]


class Server(ThreadingHTTPServer):
    """Answers every question alike, and remembers what was asked."""

    daemon_threads = True

    def __init__(self, *, content="", status=200, wait_s=0.0, message=None, unknown=()):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.status, self.wait_s, self.message = content, status, wait_s, message
        self.asked = []
        self.unknown = unknown

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, dict(self.headers), body))
        refused = body["response_format"]["type"] in self.server.unknown
        time.sleep(self.server.wait_s)
        message = self.server.message or {"role": "assistant", "content": self.server.content}
        answer = json.dumps({"choices": [{"message": message}]}).encode()
        try:
            self.send_response(400 if refused else self.server.status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
        except ConnectionError:
            self.close_connection = True  # the client no longer waits

    def log_message(self, *arguments):
        pass


@pytest.fixture
def serve():
    servers = []

    def start(**options):
        server = Server(**options)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def lines(*changed):
    return json.dumps({"lines": [*changed]})


def by_chat(server, **options):
    return structure_text(TEXT, ChatEngine(server.address, "small-model", **options))


def assert_rules_filled(report, reason):
    assert [model.name for model in report.models] == ["rules for free text"]
    assert report.warnings[0].startswith("The chat engine's answer was refused: ")
    assert reason in report.warnings[0]
    assert report.line("tonsil").value == "R - involved"
    assert report.line("epiglottis").value == "Not involved"


def test_a_good_answer_fills_the_template(serve):
    server = serve(content=lines(*GOOD))
    report = by_chat(server, key="secret")
    assert {line.key: line.value for line in report.lines if line.status == "text"} == {
        "tonsil": "R - involved", "size_of_the_mass": "2 x 2.4 cm",
    }  # fmt: skip
    assert report.line("tonsil").evidence[0].source == GOOD[0]["sentence"]
    assert [model.name for model in report.models] == ["small-model"]
    assert report.warnings == ()


def test_it_asks_twice_at_temperature_zero_with_a_schema_and_without_identifiers(serve):
    server = serve(content=lines(*GOOD))
    by_chat(server, key="secret")
    assert [path for path, *_ in server.asked] == ["/v1/chat/completions"] * 2
    for _, headers, body in server.asked:
        assert headers["Authorization"] == "Bearer secret"
        assert body["temperature"] == 0
        assert body["response_format"]["type"] == "json_schema"
        assert "Roe" not in json.dumps(body)
    assert len(server.asked[1][2]["messages"]) == len(server.asked[0][2]["messages"]) + 2


@pytest.mark.parametrize("content", ["not json", "[]", '{"lines": [{"key": "lip"}]}', '{"other": 1}', ""])
def test_an_answer_that_does_not_parse_falls_back(serve, content):
    assert_rules_filled(by_chat(serve(content=content)), "does not parse")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"key": "lip", "value": "Involved", "sentence": "The lip is involved."}, "not in the report (line lip)"),
        ({"key": "lip", "value": "Involved", "sentence": ""}, "not in the report"),
        ({"key": "patient", "value": "Jane Roe", "sentence": "The epiglottis is normal."}, "does not have"),
        ({"key": "spleen", "value": "Involved", "sentence": "The epiglottis is normal."}, "does not have"),
        (
            {"key": "epiglottis", "value": "Fine", "sentence": "The epiglottis is normal."},
            "none that the template takes",
        ),
        (
            {"key": "max_size", "value": "9 cm", "sentence": GOOD[0]["sentence"]},
            "does not stand in the quoted sentence",
        ),
        (GOOD[0], "twice"),
    ],
)
def test_one_unproven_line_refuses_the_whole_answer(serve, answer, reason):
    assert_rules_filled(by_chat(serve(content=lines(*GOOD, answer))), reason)


def test_a_late_answer_falls_back(serve):
    report = by_chat(serve(content=lines(*GOOD), wait_s=1.5), timeout_s=0.3)
    assert_rules_filled(report, "no answer within 0.3 s")


@pytest.mark.parametrize("status", [401, 429, 500])
def test_an_http_error_falls_back(serve, status):
    assert_rules_filled(by_chat(serve(status=status)), f"HTTP error {status}")


def test_a_model_that_declines_falls_back(serve):
    assert_rules_filled(by_chat(serve(message={"refusal": "no", "content": None})), "declined")


def test_an_answer_of_another_kind_falls_back(serve):
    assert_rules_filled(by_chat(serve(message=["no message"])), "not an answer of a chat endpoint")


def test_an_endpoint_that_is_not_there_falls_back(serve):
    server = serve()
    server.shutdown()
    server.server_close()
    assert_rules_filled(by_chat(server), "cannot be reached")


@pytest.mark.parametrize(("endpoint", "model"), [("", "m"), ("file:///etc/passwd", "m"), ("http://x", "")])
def test_an_endpoint_without_address_or_model_is_wrong_usage(endpoint, model):
    with pytest.raises(UsageError):
        ChatEngine(endpoint, model)


def test_a_quotation_may_differ_in_line_breaks_only():
    content = lines({"key": "lip", "value": "Involved", "sentence": "The lip is\ninvolved."})
    assert accepted_lines(content, "The lip\nis involved.")["lip"].value == "Involved"


def test_a_line_whose_sentence_says_something_else_is_left_out(serve):
    wrong = {"key": "epiglottis", "value": "Involved", "sentence": "The epiglottis is normal."}
    report = by_chat(serve(content=lines(*GOOD, wrong)))
    assert report.line("tonsil").value == "R - involved"
    assert report.line("epiglottis").status == "Missing"
    assert report.warnings == (
        "Answers of the chat engine that their sentences do not support were left out: Epiglottis (the sentence says not "
        "involved).",
    )


def test_a_server_that_knows_no_schema_is_asked_for_json(serve):
    server = serve(content=lines(*GOOD), unknown=("json_schema",))
    assert by_chat(server).line("tonsil").value == "R - involved"
    assert [body["response_format"]["type"] for *_, body in server.asked] == ["json_schema", "json_object"] * 2


def test_an_answer_in_a_fence_is_read(serve):
    report = by_chat(serve(content=f"```json\n{lines(*GOOD)}\n```"))
    assert [model.name for model in report.models] == ["small-model"]


@pytest.mark.parametrize("name", sorted(LOCAL))
def test_servers_on_this_machine_have_names(name):
    assert ChatEngine(name, "m").endpoint == LOCAL[name]


def test_both_keep_what_both_say(serve):
    wrong = {"key": "size_of_the_mass", "value": "2 x 2.4 cm", "sentence": GOOD[1]["sentence"]}
    server = serve(content=lines(GOOD[0], wrong))
    report = structure_text(TEXT, BothEngine(ChatEngine(server.address, "small-model")))
    assert {line.key: line.value for line in report.lines if line.status == "text"} == {
        "tonsil": "R - involved", "size_of_the_mass": "2 x 2.4 cm",
    }  # fmt: skip
    assert report.line("epiglottis").flags == (ONE_ONLY,)
    assert report.models[0].name == "rules for free text and small-model, where both agree"


def test_both_leave_out_what_they_disagree_on(serve):
    other = {"key": "primary_location_of_the_mass", "value": "Tonsil", "sentence": GOOD[0]["sentence"]}
    report = structure_text(TEXT, BothEngine(ChatEngine(serve(content=lines(other)).address, "small-model")))
    assert report.line("primary_location_of_the_mass").flags == (DISAGREE,)
    assert report.empty


def test_both_fall_back_to_the_rules(serve):
    report = structure_text(TEXT, BothEngine(ChatEngine(serve(status=500).address, "small-model")))
    assert_rules_filled(report, "HTTP error 500")
