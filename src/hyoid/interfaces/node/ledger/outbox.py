"""What leaves: one entry for each object and destination, so that nothing is sent twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hyoid.interfaces.node.ledger.database import Database


@dataclass(frozen=True)
class Delivery:
    """One object, or one folder of results, on its way to one destination.

    Parameters
    ----------
    destination : str
        Name of the destination.
    object : str
        Pseudonym of what is sent.
    job : str
        Job whose results hold the file.
    file : str
        Path below the job's results; "." is the whole folder.
    attempts : int
        Attempts that failed so far.
    in_doubt : bool
        Sending began and nobody knows whether it succeeded: the destination has to be asked.
    """

    destination: str
    object: str
    job: str
    file: str
    attempts: int
    in_doubt: bool


class Outbox:
    """Deliveries to destinations.

    Parameters
    ----------
    database : Database
        The ledger's file.
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def due(self, destination: str) -> list[Delivery]:
        """List what a destination should get now, oldest job first."""
        rows = self._db.rows(
            "SELECT deliveries.* FROM deliveries JOIN jobs USING(job) WHERE destination = ? "
            "AND deliveries.state IN ('waiting', 'sending') AND deliveries.next_at <= ? ORDER BY created, file",
            (destination, self._db.clock()),
        )
        return [
            Delivery(r["destination"], r["object"], r["job"], r["file"], r["attempts"], r["state"] == "sending")
            for r in rows
        ]

    def begin_sending(self, item: Delivery) -> None:
        """Enter that sending begins; whoever finds this entry later has to ask the destination."""
        self._mark(item, "sending")

    def delivered(self, item: Delivery) -> None:
        """Enter that a destination has an object."""
        with self._db.change():
            self._mark(item, "sent")
            complete_job(self._db, item.job)

    def deliver_later(self, item: Delivery, reason: str, next_at: float, *, in_doubt: bool) -> None:
        """Put a delivery back until a time; in doubt where nobody knows whether the object arrived."""
        with self._db.change():
            self._mark(item, "sending" if in_doubt else "waiting", reason)
            self._db.run(
                "UPDATE deliveries SET attempts = attempts + 1, next_at = ? WHERE destination = ? AND object = ?",
                (next_at, item.destination, item.object),
            )

    def refuse_delivery(self, item: Delivery, reason: str) -> None:
        """Put a job before a person because a destination does not take an object of its results."""
        with self._db.change():
            self._mark(item, "refused", reason)
            self._db.run(
                "UPDATE jobs SET state = 'quarantined', reason = ?, changed = ? WHERE job = ?",
                (f"{item.destination}: {reason}", self._db.clock(), item.job),
            )

    def _mark(self, item: Delivery, state: str, reason: str = "") -> None:
        with self._db.change():
            self._db.run(
                "UPDATE deliveries SET state = ?, reason = ? WHERE destination = ? AND object = ?",
                (state, reason, item.destination, item.object),
            )


def enter_deliveries(database: Database, job: str, files: Mapping[tuple[str, str], str]) -> None:
    """Enter what has to be sent; what a destination has already is left out."""
    for (destination, key), file in files.items():
        database.run(
            "INSERT INTO deliveries(destination, object, job, file, state) VALUES(?, ?, ?, ?, 'waiting') "
            "ON CONFLICT(destination, object) DO UPDATE SET job = excluded.job, file = excluded.file, "
            "attempts = 0, next_at = 0, reason = '', "
            "state = CASE state WHEN 'sending' THEN 'sending' ELSE 'waiting' END WHERE state != 'sent'",
            (destination, key, job, file),
        )


def complete_job(database: Database, job: str) -> None:
    """Enter that a job is sent once every destination has everything."""
    database.run(
        "UPDATE jobs SET state = 'sent', changed = ? WHERE job = ? AND state = 'sending' "
        "AND NOT EXISTS (SELECT 1 FROM deliveries WHERE job = jobs.job AND state != 'sent')",
        (database.clock(), job),
    )
