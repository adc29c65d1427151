import asyncio
import http.client
import socket
import threading
import time

import pytest
import uvicorn
from fastapi import FastAPI

from hyoid.interfaces.web.connections import BodyTimeout, PromptProtocol


class Hasty(PromptProtocol):
    headers_s = 0.15


@pytest.fixture(scope="module")
def port():
    app = FastAPI()
    app.get("/")(lambda: "here")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=number, log_level="error", http=Hasty))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield number
    server.should_exit = True
    thread.join(10)


WHOLE, HALF = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\nHos"


@pytest.mark.parametrize("said", [b"", HALF, WHOLE + HALF])
def test_a_connection_without_whole_headers_is_closed(port, said):
    with socket.create_connection(("127.0.0.1", port), timeout=4) as connection:
        connection.sendall(said)
        heard = b""
        while part := connection.recv(1000):  # ends when the server closes
            heard += part
    assert heard.endswith(b'"here"') == (said == WHOLE + HALF)


def test_requests_in_time_are_answered_one_after_the_other(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=4)
    for _ in range(3):
        connection.request("GET", "/")
        assert connection.getresponse().read() == b'"here"'
    connection.close()


def heard_by(messages, *, kind="http"):
    """What an application hears of a client that sends these messages and then nothing."""
    heard = []

    async def receive():
        if not messages:
            await asyncio.sleep(0.3 if heard[-1].get("more_body") else 0.05)
            return {"type": "http.disconnect", "late": True}
        return messages.pop(0)

    async def app(scope, receive, send):
        while not heard or heard[-1]["type"] == "http.request":
            heard.append(await receive())

    asyncio.run(BodyTimeout(app, 0.1)({"type": kind}, receive, None))
    return heard


def test_a_body_that_stops_half_way_counts_as_a_client_that_is_gone():
    part = {"type": "http.request", "body": b"1", "more_body": True}
    assert heard_by([part, part])[-1] == {"type": "http.disconnect"}


def test_a_whole_body_is_passed_on_and_a_long_answer_is_waited_for():
    whole = [{"type": "http.request", "body": b"1", "more_body": True}, {"type": "http.request", "body": b"2"}]
    assert heard_by(list(whole)) == [*whole, {"type": "http.disconnect", "late": True}]
