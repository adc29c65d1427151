"""What arrived: objects, the studies that these belong to, and what of a watched source was taken in."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from hyoid.interfaces.node.ledger.database import Database


@dataclass(frozen=True)
class StoredObject:
    """An object on the node's disk.

    Parameters
    ----------
    object, series, study, patient : str
        Pseudonyms of its UIDs and of its patient.
    digest : str
        SHA-256 of its bytes, hexadecimal.
    source : str
        Calling AE title, or name of the folder or server that it came from.
    file : str or None
        Path below the spool; None once deleted.
    """

    object: str
    series: str
    study: str
    patient: str
    digest: str
    source: str
    file: str | None


class Arrivals:
    """Objects and studies.

    Parameters
    ----------
    database : Database
        The ledger's file.
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def find(self, key: str) -> StoredObject | None:
        """Find what is known of an object by its pseudonym."""
        rows = self._db.rows("SELECT * FROM objects JOIN studies USING(study) WHERE object = ?", (key,))
        return _stored(rows[0]) if rows else None

    def was_sent(self, key: str) -> bool:
        """Tell whether this node made the object and sent it somewhere: such an object comes back, and is no news."""
        return bool(self._db.rows("SELECT 1 FROM deliveries WHERE object = ? LIMIT 1", (key,)))

    def add(self, arrived: StoredObject) -> str | None:
        """Enter an object that lies on the disk now; its study is open again.

        Returns
        -------
        str or None
            File that held an earlier version of the object, which is needed no longer.
        """
        with self._db.change():
            before = self.find(arrived.object)
            self._db.run(
                "INSERT INTO studies(study, patient, state, changed) VALUES(?, ?, 'receiving', ?) ON CONFLICT(study) "
                "DO UPDATE SET state = 'receiving', changed = excluded.changed, patient = excluded.patient",
                (arrived.study, arrived.patient, self._db.clock()),
            )
            self._db.run(
                "INSERT OR REPLACE INTO objects(object, study, series, digest, source, file) VALUES(?, ?, ?, ?, ?, ?)",
                (arrived.object, arrived.study, arrived.series, arrived.digest, arrived.source, arrived.file),
            )
        return None if before is None else before.file

    def reject(self, file: str, source: str, reason: str) -> None:
        """Enter an object that lies in quarantine because it cannot be read."""
        with self._db.change():
            self._db.run("INSERT INTO rejected VALUES(?, ?, ?, ?)", (file, source, reason, self._db.clock()))

    def has_seen(self, source: str, what: str) -> bool:
        """Tell whether something of a watched source was taken in already."""
        return bool(self._db.rows("SELECT 1 FROM seen WHERE source = ? AND what = ?", (source, what)))

    def saw(self, source: str, what: str) -> None:
        """Enter that something of a watched source was taken in."""
        with self._db.change():
            self._db.run("INSERT OR IGNORE INTO seen VALUES(?, ?)", (source, what))

    def quiet_studies(self, quiet_s: float) -> list[tuple[str, float]]:
        """List open studies to which nothing came for so long, with the time of the last object."""
        rows = self._db.rows(
            "SELECT study, changed FROM studies WHERE state = 'receiving' AND changed <= ?",
            (self._db.clock() - quiet_s,),
        )
        return [(row["study"], row["changed"]) for row in rows]

    def objects(self, study: str) -> list[StoredObject]:
        """List the objects of a study."""
        rows = self._db.rows(
            "SELECT * FROM objects JOIN studies USING(study) WHERE study = ? ORDER BY object", (study,)
        )
        return [_stored(row) for row in rows]

    def priors(self, patient: str, but: str) -> list[str]:
        """List the studies of a patient that are kept as priors, without the study `but`."""
        if not patient:
            return []
        rows = self._db.rows(
            "SELECT study FROM studies WHERE patient = ? AND study != ? AND state = 'settled' AND keep_until > ?",
            (patient, but, self._db.clock()),
        )
        return [row["study"] for row in rows]

    def expire_scans(self, scans_s: float, unwanted_s: float, quarantine_s: float) -> list[str]:
        """Forget the files of studies that are done with, and list these for deletion.

        Parameters
        ----------
        scans_s : float
            Age from which scans of a delivered study go, s.
        unwanted_s : float
            The same for a study that no rule fits.
        quarantine_s : float
            The same for a study that a person should look at.
        """
        now = self._db.clock()
        with self._db.change():
            files = self._db.rows(
                "SELECT file FROM objects JOIN studies USING(study) WHERE file IS NOT NULL AND state = 'settled' "
                "AND keep_until <= :now AND changed <= CASE WHEN EXISTS (SELECT 1 FROM jobs WHERE "
                "jobs.study = studies.study) THEN :scans ELSE :unwanted END AND NOT EXISTS (SELECT 1 FROM jobs WHERE "
                "jobs.study = studies.study AND (jobs.state IN ('waiting', 'failed', 'running', 'sending') OR "
                "jobs.changed > CASE jobs.state WHEN 'quarantined' THEN :quarantine ELSE :scans END))",
                {"now": now, "scans": now - scans_s, "unwanted": now - unwanted_s, "quarantine": now - quarantine_s},
            )
            names = [row["file"] for row in files]
            self._db.run_each("UPDATE objects SET file = NULL WHERE file = ?", [(name,) for name in names])
        return names

    def expire_rejected(self, quarantine_s: float) -> list[str]:
        """Forget unreadable objects of a certain age, and list their files for deletion."""
        with self._db.change():
            rows = self._db.rows(
                "DELETE FROM rejected WHERE time <= ? RETURNING file", (self._db.clock() - quarantine_s,)
            )
        return [row["file"] for row in rows]

    def files(self) -> set[str]:
        """List every file that the ledger knows to lie in the spool."""
        return {row["file"] for row in self._db.rows("SELECT file FROM objects WHERE file IS NOT NULL")}


def _stored(row: sqlite3.Row) -> StoredObject:
    names = ("object", "series", "study", "patient", "digest", "source", "file")
    return StoredObject(*(row[name] for name in names))
