"""The status page."""

import json
import urllib.error
import urllib.request

import pytest

from hyoid.interfaces.node.config import StatusPage
from hyoid.interfaces.node.node import Node
from hyoid.interfaces.node.page import page, serving


def test_the_page_says_every_number_and_shows_text_as_text(place):
    status = Node(place).status()
    status["troubles"] = [{"job": "ab" * 16, "rule": "<b>", "state": "failed", "reason": "x & y", "attempts": 1}]
    status["unreached"] = [{"destination": "pacs", "objects": 2, "attempts": 3, "reason": "down"}]
    status["deliveries"] = {"pacs": {"sent": 4, "waiting": 2}}
    text = page(status)
    expected = (
        "&lt;b&gt;",
        "x &amp; y",
        "abababababab<",
        "4 sent, 2 waiting",
        "down",
        "Research use only",
        "quarantined",
    )
    for words in expected:
        assert words in text
    assert "<b>" not in text and "What a person should look at" not in page(status | {"troubles": []})
    assert "nothing is taken in" in page(status | {"has_room": False})


def test_two_addresses_are_answered_and_nothing_can_be_changed(place):
    config = StatusPage.model_construct(host="127.0.0.1", port=0)
    with serving(config, Node(place).status) as port:
        base = f"http://127.0.0.1:{port}"
        with urllib.request.urlopen(f"{base}/status.json", timeout=5) as answer:
            assert json.load(answer)["jobs"]["sent"] == 0
        with urllib.request.urlopen(base, timeout=5) as answer:
            assert b"hyoid node" in answer.read() and "default-src 'none'" in answer.headers["Content-Security-Policy"]
        for request in (f"{base}/other", urllib.request.Request(base, data=b"x", method="POST")):
            with pytest.raises(urllib.error.HTTPError) as refusal:
                urllib.request.urlopen(request, timeout=5)
            assert refusal.value.code in (404, 501)
            refusal.value.close()
