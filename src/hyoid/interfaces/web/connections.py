"""Connections that stop half-way or send too much: none holds a place for ever, or more memory than it may."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADERS_S, BODY_S = 20.0, 60.0
"""Longest wait for a whole request line with headers, and for the next part of a body, s."""


async def body_of(request: Request, largest_bytes: int) -> bytes | None:
    """Read the body of a request; None as soon as it is larger than it may be.

    Parameters
    ----------
    request : Request
        Request whose body is still to come.
    largest_bytes : int
        Largest body that is read.
    """
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > largest_bytes:
            return None
    return bytes(content)


class PromptProtocol(H11Protocol):
    """HTTP/1.1 whose connections are closed when the headers of a request do not come in time.

    Uvicorn closes connections that are idle after a request; one that never asks, or stops amid its headers, it keeps.
    """

    headers_s: float = HEADERS_S
    _clock: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock with the connection."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Stop the clock when the headers are complete; start it again for the next request."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Start the clock for the next request, of which a part may be there already."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock with the connection."""
        super().connection_lost(exc)
        if self._clock is not None:
            self._clock.cancel()

    def _awaits_headers(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _watch(self) -> None:
        if not self._awaits_headers():
            if self._clock is not None:
                self._clock.cancel()
                self._clock = None
        elif self._clock is None:
            self._clock = self.loop.call_later(self.headers_s, self._give_up)

    def _give_up(self) -> None:
        self._clock = None
        if self._awaits_headers() and not self.transport.is_closing():
            self.transport.close()


class BodyTimeout:
    """Application whose clients count as gone when the next part of a request's body does not come in time.

    Parameters
    ----------
    app : ASGIApp
        Application that reads the bodies.
    seconds : float
        Longest wait for the next part, s.
    """

    def __init__(self, app: ASGIApp, seconds: float = BODY_S) -> None:
        self.app, self.seconds = app, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        complete = scope["type"] != "http"

        async def in_time() -> Message:
            nonlocal complete
            if complete:  # what comes now is the end of the connection, for which a long answer may wait
                return await receive()
            try:
                message: dict[str, Any] = dict(await asyncio.wait_for(receive(), self.seconds))
            except TimeoutError:
                complete = True
                return {"type": "http.disconnect"}
            complete = message["type"] != "http.request" or not message.get("more_body", False)
            return message

        await self.app(scope, in_time, send)
