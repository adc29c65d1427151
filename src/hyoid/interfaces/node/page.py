"""The status page: numbers, states and reasons, read-only; nothing in it identifies a patient."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from hyoid.interfaces.node.config import StatusPage
from hyoid.report.content.schema import STATEMENT

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:.5rem 0 1.5rem}td,th{padding:.2rem .8rem;text-align:left;"
    "border-bottom:1px solid #ddd}.bad{color:#a00000}"
)


@contextmanager
def serving(config: StatusPage, status: Callable[[], dict[str, Any]]) -> Iterator[int]:
    """Serve `/` as a page and `/status.json` while the block runs.

    Parameters
    ----------
    config : StatusPage
        Address and port.
    status : callable
        Returns the numbers, from `Node.status`.

    Yields
    ------
    int
        Port that is served.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            if self.path == "/":
                self._answer(200, "text/html; charset=utf-8", page(status()))
            elif self.path == "/status.json":
                self._answer(200, "application/json", json.dumps(status()))
            else:
                self._answer(404, "text/plain; charset=utf-8", "There is only / and /status.json.")

        def _answer(self, code: int, kind: str, text: str) -> None:
            body = text.encode()
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer((config.host, config.port), Handler)
    thread = Thread(target=server.serve_forever, name="status page")
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def page(status: dict[str, Any]) -> str:
    """Write the page of one moment.

    Parameters
    ----------
    status : dict
        From `Node.status`.
    """
    jobs = [(state, str(count)) for state, count in status["jobs"].items()]
    studies = [(which, str(count)) for which, count in status["studies"].items()]
    ways = [
        (name, ", ".join(f"{count} {state}" for state, count in sorted(states.items())))
        for name, states in sorted(status["deliveries"].items())
    ]
    unreached = [(r["destination"], str(r["objects"]), str(r["attempts"]), r["reason"]) for r in status["unreached"]]
    troubles = [(r["job"][:12], r["rule"], r["state"], r["reason"]) for r in status["troubles"]]
    oldest = status["oldest_waiting_s"]
    room = "" if status["has_room"] else ' <b class="bad">too little: nothing is taken in</b>'
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="10">'
        f"<title>hyoid node</title><style>{_STYLE}</style><h1>hyoid node</h1>"
        f"<p>{status['nodes']} node(s) at work; {status['free_gb']} GiB free{room}; oldest job that waits: "
        f"{'none' if oldest is None else f'{oldest:.0f} s'}; {status['unreadable_objects']} unreadable object(s) in "
        "quarantine.</p>"
        + _table("Jobs", ("state", "jobs"), jobs)
        + _table("Studies", ("", "studies"), studies)
        + _table("Deliveries", ("destination", "objects"), ways)
        + _table("Destinations that do not answer", ("destination", "objects", "attempts", "reason"), unreached)
        + _table("What a person should look at", ("job", "rule", "state", "reason"), troubles)
        + f"<p>{escape(STATEMENT)}</p></html>"
    )


def _table(title: str, head: tuple[str, ...], rows: list[Any]) -> str:
    if not rows:
        return ""
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<h2>{escape(title)}</h2><table><tr>{names}</tr>{body}</table>"
