"""The ledger as a whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hyoid.interfaces.node.ledger.arrivals import Arrivals
from hyoid.interfaces.node.ledger.database import Database
from hyoid.interfaces.node.ledger.jobs import Jobs
from hyoid.interfaces.node.ledger.leases import Leases
from hyoid.interfaces.node.ledger.outbox import Outbox
from hyoid.interfaces.node.ledger.summary import summary

LEDGER_FILE = "ledger.sqlite"


class Ledger:
    """An open ledger, with a part for each of its tasks.

    Parameters
    ----------
    path : Path
        SQLite file, made where absent; see `Database`.
    clock : callable
        Returns seconds since the epoch.
    """

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._database = Database(path, clock)
        self.clock = clock
        self.arrivals = Arrivals(self._database)
        self.jobs = Jobs(self._database)
        self.leases = Leases(self._database)
        self.outbox = Outbox(self._database)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def summary(self) -> dict[str, object]:
        """Count what is in which state; nothing in it identifies a patient."""
        return summary(self._database)
