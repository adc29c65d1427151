"""Who readers are: one without a name on this machine, or whoever a proxy that authenticates says it is."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

from hyoid.characters import one_line

_LONGEST_NAME = 200
_LOOKING = ("GET", "HEAD")


@dataclass(frozen=True)
class Readers:
    """Rule of who readers are, and who of them may change something.

    Parameters
    ----------
    header : str
        Header in which a proxy names the reader; empty: readers have no names, and any may change everything.
    viewers : tuple of str
        Readers who may look and change nothing.
    """

    header: str = ""
    viewers: tuple[str, ...] = ()

    def who(self, request: Request) -> str:
        """Return the name of whoever asks; empty where readers have no names."""
        return one_line(request.headers.get(self.header, ""))[:_LONGEST_NAME] if self.header else ""

    def may_change(self, who: str) -> bool:
        """Tell whether a reader may change sessions."""
        return not self.header or (bool(who) and who not in self.viewers)

    def refusal(self, request: Request) -> tuple[str, str] | None:
        """Say why a request is refused, and what to do; None when it is not."""
        if not self.header:
            return None
        who = self.who(request)
        if not who:
            return f"The proxy did not say who asks (header {self.header}).", "Come through the proxy, and log in."
        if request.method not in _LOOKING and not self.may_change(who):
            return "You may look at sessions, and change nothing.", "Ask for the role of a reader."
        return None


NAMELESS = Readers()
"""Readers of one machine, who have no names."""
