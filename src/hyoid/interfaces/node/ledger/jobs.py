"""What is to be done: jobs, claimed under a lease, finished by whoever holds it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from hyoid.errors import HyoidError
from hyoid.interfaces.node.ledger.database import Database
from hyoid.interfaces.node.ledger.outbox import complete_job, enter_deliveries

JOB_STATES = ("waiting", "running", "failed", "sending", "sent", "quarantined", "superseded")
_LIVE = "EXISTS (SELECT 1 FROM leases WHERE name = 'job:' || jobs.job AND until > :now)"
_MINE = "EXISTS (SELECT 1 FROM leases WHERE name = 'job:' || jobs.job AND owner = :owner AND until > :now)"


class LostLeaseError(HyoidError):
    """Raised when work is to be finished that another node has taken over, or that newer objects replaced."""


@dataclass(frozen=True)
class Job:
    """One run of a command on series of a study.

    Parameters
    ----------
    job : str
        Hash of study, rule and content: the same input gives the same job.
    study : str
        Pseudonym of the study.
    rule : str
        Name of the rule that chose the job.
    series : tuple of str
        Pseudonyms of the series that go in.
    attempts : int
        Runs that failed so far.
    created : float
        Seconds since the epoch.
    """

    job: str
    study: str
    rule: str
    series: tuple[str, ...]
    attempts: int = 0
    created: float = 0.0


class Jobs:
    """Jobs of settled studies.

    Parameters
    ----------
    database : Database
        The ledger's file.
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def settle(self, study: str, changed: float, job: Job | None, keep_until: float = 0.0) -> bool:
        """Close a study and give it its job.

        A job with the same input exists once: a study that came again begins nothing. Other jobs of the study that are
        not sent yet rest on an earlier state of it and are replaced.

        Parameters
        ----------
        study : str
            Pseudonym of the study.
        changed : float
            Time of its last object when the job was chosen.
        job : Job or None
            What is to be done; None where no rule wants the study.
        keep_until : float
            Time until which a prior stays, seconds since the epoch.

        Returns
        -------
        bool
            False where an object came meanwhile: the study stays open.
        """
        now = self._db.clock()
        with self._db.change():
            done = self._db.run(
                "UPDATE studies SET state = 'settled', keep_until = ? "
                "WHERE study = ? AND state = 'receiving' AND changed = ?",
                (keep_until, study, changed),
            )
            if done == 0:
                return False
            self._db.run(
                "UPDATE jobs SET state = 'superseded', changed = ? WHERE study = ? AND job IS NOT ? "
                "AND state IN ('waiting', 'failed', 'running', 'quarantined')",
                (now, study, job.job if job else None),
            )
            if job:
                self._db.run(
                    "INSERT INTO jobs(job, study, rule, series, state, created, changed) "
                    "VALUES(?, ?, ?, ?, 'waiting', ?, ?) ON CONFLICT(job) DO UPDATE SET state = 'waiting', "
                    "changed = excluded.changed WHERE state = 'superseded'",
                    (job.job, study, job.rule, json.dumps(job.series), now, now),
                )
        return True

    def claim(self, owner: str, seconds: float, interruptions: int) -> Job | None:
        """Claim the oldest job that is due, for one owner under a lease.

        A job that runs without a live lease was interrupted: its node is gone. It is begun again, and put before a
        person once that happened `interruptions` times.
        """
        now = self._db.clock()
        with self._db.change():
            while True:
                found = self._db.rows(
                    "SELECT jobs.* FROM jobs JOIN studies USING(study) WHERE studies.state = 'settled' "
                    f"AND jobs.state IN ('waiting', 'failed', 'running') AND next_at <= :now AND NOT {_LIVE} "
                    "ORDER BY created, job LIMIT 1",
                    {"now": now},
                )
                if not found:
                    return None
                row = found[0]
                interrupted = row["interruptions"] + (row["state"] == "running")
                if interrupted < interruptions:
                    break
                self._put(row["job"], "quarantined", f"The node ended {interrupted} times while this job ran.")
            self._db.run(
                "UPDATE jobs SET state = 'running', interruptions = ?, changed = ? WHERE job = ?",
                (interrupted, now, row["job"]),
            )
            self._db.run("INSERT OR REPLACE INTO leases VALUES(?, ?, ?)", (f"job:{row['job']}", owner, now + seconds))
        return _job(row)

    def is_running(self, job: str, owner: str) -> bool:
        """Tell whether a job is still this owner's: neither taken over nor replaced."""
        return bool(
            self._db.rows(
                f"SELECT 1 FROM jobs WHERE job = :job AND state = 'running' AND {_MINE}",
                {"job": job, "owner": owner, "now": self._db.clock()},
            )
        )

    def finish(self, job: str, owner: str, files: Mapping[tuple[str, str], str]) -> None:
        """Enter that the results of a job lie in their place and what has to be sent.

        What a destination has already is not sent again.

        Parameters
        ----------
        job : str
            Job that ran.
        owner : str
            Who ran it.
        files : mapping of (str, str) to str
            File below the results, by destination and object.

        Raises
        ------
        LostLeaseError
            When the job is no longer this owner's.
        """
        with self._db.change():
            self._leave(job, owner, "sending", "", 0.0)
            self._db.run("UPDATE jobs SET has_results = 1 WHERE job = ?", (job,))
            enter_deliveries(self._db, job, files)
            complete_job(self._db, job)

    def retry(self, job: str, owner: str, reason: str, next_at: float, *, counts: bool) -> None:
        """Put a job back until a time; `counts` where the run failed by itself.

        Raises
        ------
        LostLeaseError
            When the job is no longer this owner's.
        """
        with self._db.change():
            self._leave(job, owner, "failed" if counts else "waiting", reason, next_at)
            self._db.run("UPDATE jobs SET attempts = attempts + ? WHERE job = ?", (int(counts), job))

    def quarantine(self, job: str, owner: str, reason: str) -> None:
        """Put a job before a person.

        Raises
        ------
        LostLeaseError
            When the job is no longer this owner's.
        """
        with self._db.change():
            self._leave(job, owner, "quarantined", reason, 0.0)

    def release(self, which: str) -> int:
        """Let jobs in quarantine begin again, all for "all"; refused deliveries go on instead of a new run.

        Returns
        -------
        int
            Jobs that go on.
        """
        now = self._db.clock()
        with self._db.change():
            rows = self._db.rows(
                "SELECT job FROM jobs WHERE state = 'quarantined' AND (? = 'all' OR job LIKE ? || '%')", (which, which)
            )
            for row in rows:
                again = self._db.run(
                    "UPDATE deliveries SET state = 'waiting', attempts = 0, next_at = 0 "
                    "WHERE job = ? AND state = 'refused'",
                    (row["job"],),
                )
                self._db.run(
                    "UPDATE jobs SET state = ?, attempts = 0, interruptions = 0, next_at = 0, changed = ? "
                    "WHERE job = ?",
                    ("sending" if again else "waiting", now, row["job"]),
                )
        return len(rows)

    def _leave(self, job: str, owner: str, state: str, reason: str, next_at: float) -> None:
        """End the run of a job by its owner."""
        done = self._db.run(
            "UPDATE jobs SET state = :state, reason = :reason, next_at = :next_at, changed = :now "
            f"WHERE job = :job AND state = 'running' AND {_MINE}",
            {"job": job, "owner": owner, "state": state, "reason": reason, "next_at": next_at, "now": self._db.clock()},
        )
        if done == 0:
            raise LostLeaseError("The job was taken over by another node, or newer objects came.")
        self._db.run("DELETE FROM leases WHERE name = ?", (f"job:{job}",))

    def _put(self, job: str, state: str, reason: str) -> None:
        self._db.run(
            "UPDATE jobs SET state = ?, reason = ?, changed = ? WHERE job = ?", (state, reason, self._db.clock(), job)
        )

    def with_results(self) -> set[str]:
        """List the jobs whose results lie in their place."""
        return {row["job"] for row in self._db.rows("SELECT job FROM jobs WHERE has_results = 1")}

    def expire_results(self, results_s: float, quarantine_s: float) -> list[str]:
        """List the jobs whose results may be deleted, and forget these."""
        now = self._db.clock()
        with self._db.change():
            rows = self._db.rows(
                "SELECT job FROM jobs WHERE has_results = 1 AND state IN ('sent', 'superseded', 'quarantined') "
                "AND changed <= CASE state WHEN 'quarantined' THEN ? ELSE ? END AND NOT EXISTS (SELECT 1 FROM "
                "deliveries WHERE deliveries.job = jobs.job AND deliveries.state IN ('waiting', 'sending'))",
                (now - quarantine_s, now - results_s),
            )
            self._db.run_each("UPDATE jobs SET has_results = 0 WHERE job = ?", [(row["job"],) for row in rows])
        return [row["job"] for row in rows]


def _job(row: sqlite3.Row) -> Job:
    series = tuple(json.loads(row["series"]))
    return Job(row["job"], row["study"], row["rule"], series, row["attempts"], row["created"])
