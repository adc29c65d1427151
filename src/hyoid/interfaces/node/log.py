"""Two logs of JSON lines: what the node did, and who sent what to whom. Neither names a patient."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

EVENTS_FILE, AUDIT_FILE = "events.jsonl", "audit.jsonl"


class Log:
    """Writer of both logs.

    A file is opened for every line, so that others may rotate it; a line is one write, so that nodes may share it.

    Parameters
    ----------
    folder : Path
        State folder of the node; must exist.
    clock : callable
        Returns seconds since the epoch.
    echo : bool
        Write events to standard output too, where systemd and containers collect these.
    """

    def __init__(self, folder: Path, clock: Callable[[], float], *, echo: bool = False) -> None:
        self._folder, self._clock, self._echo = folder, clock, echo
        self._lock = Lock()

    def event(self, event: str, **fields: str | float | None) -> None:
        """Log what happened; a full disk loses the line, not the work.

        Parameters
        ----------
        event : str
            What happened, in one word or two.
        **fields : str, float or None
            Pseudonyms, counts, reasons; never text from a header.
        """
        line = self._line(event, fields)
        if self._echo:
            with self._lock:
                sys.stdout.write(line)
                sys.stdout.flush()
        try:
            self._append(EVENTS_FILE, line, durable=False)
        except OSError:
            return

    def audit(self, event: str, **fields: str | float | None) -> None:
        """Log who sent or received an object; the line is on the disk when this returns.

        Raises
        ------
        OSError
            When the line cannot be written: then the caller's work does not count as done either.
        """
        self._append(AUDIT_FILE, self._line(event, fields), durable=True)

    def _line(self, event: str, fields: dict[str, str | float | None]) -> str:
        time = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds")
        return json.dumps({"time": time, "event": event, **fields}) + "\n"

    def _append(self, name: str, line: str, *, durable: bool) -> None:
        handle = os.open(self._folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, line.encode())
            if durable:
                os.fsync(handle)
        finally:
            os.close(handle)
