"""The file under the ledger: SQLite with a write-ahead log, synced at every commit."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

from hyoid.errors import UnreadableFileError

_VERSION = 1
_SYNCHRONOUS = "FULL"  # a commit is on the disk, not on its way
_PATIENCE_S = 30
"""How long a writer waits for others."""
_SCHEMA = """
CREATE TABLE studies(study TEXT PRIMARY KEY, patient TEXT NOT NULL, state TEXT NOT NULL, changed REAL NOT NULL,
    keep_until REAL NOT NULL DEFAULT 0);
CREATE TABLE objects(object TEXT PRIMARY KEY, study TEXT NOT NULL, series TEXT NOT NULL, digest TEXT NOT NULL,
    source TEXT NOT NULL, file TEXT);
CREATE INDEX objects_of_study ON objects(study);
CREATE TABLE rejected(file TEXT PRIMARY KEY, source TEXT NOT NULL, reason TEXT NOT NULL, time REAL NOT NULL);
CREATE TABLE jobs(job TEXT PRIMARY KEY, study TEXT NOT NULL, rule TEXT NOT NULL, series TEXT NOT NULL,
    state TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, interruptions INTEGER NOT NULL DEFAULT 0,
    next_at REAL NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '', created REAL NOT NULL, changed REAL NOT NULL,
    has_results INTEGER NOT NULL DEFAULT 0);
CREATE INDEX jobs_by_state ON jobs(state, next_at);
CREATE TABLE deliveries(destination TEXT, object TEXT, job TEXT NOT NULL, file TEXT NOT NULL, state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, next_at REAL NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '',
    PRIMARY KEY(destination, object));
CREATE INDEX deliveries_of_job ON deliveries(job);
CREATE INDEX deliveries_by_object ON deliveries(object);
CREATE TABLE seen(source TEXT, what TEXT, PRIMARY KEY(source, what));
CREATE TABLE leases(name TEXT PRIMARY KEY, owner TEXT NOT NULL, until REAL NOT NULL);
"""


class Database:
    """One connection, which the threads of a node share.

    Parameters
    ----------
    path : Path
        SQLite file, made where absent.
    clock : callable
        Returns seconds since the epoch.

    Raises
    ------
    UnreadableFileError
        When the file is no ledger, or was written by another version.
    """

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._lock = RLock()
        self._connection = sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        try:
            version = self._open()
        except sqlite3.DatabaseError as error:
            self.close()
            if isinstance(error, sqlite3.OperationalError):  # full, locked or read-only: no damage
                raise
            raise UnreadableFileError("The ledger is damaged.", "Restore the state folder from a backup.") from error
        if version != _VERSION:
            self.close()
            raise UnreadableFileError(
                f"The ledger is of version {version}; this hyoid writes {_VERSION}.", "Use the hyoid that wrote it."
            )

    def _open(self) -> int:
        self.run("PRAGMA journal_mode = WAL")
        self.run(f"PRAGMA synchronous = {_SYNCHRONOUS}")
        with self.change():
            if self.rows("PRAGMA user_version")[0][0] == 0:
                for statement in _SCHEMA.split(";"):
                    self.run(statement)
                self.run(f"PRAGMA user_version = {_VERSION}")
            return int(self.rows("PRAGMA user_version")[0][0])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def rows(self, statement: str, values: Sequence[object] | dict[str, object] = ()) -> list[sqlite3.Row]:
        """Run a statement and return its rows.

        Parameters
        ----------
        statement : str
            SQL.
        values : sequence or dict
            What stands for its question marks or names.
        """
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def run(self, statement: str, values: Sequence[object] | dict[str, object] = ()) -> int:
        """Run a statement and return how many rows it changed; see `rows`."""
        with self._lock:
            return self._connection.execute(statement, values).rowcount

    def run_each(self, statement: str, values: Iterable[Sequence[object]]) -> None:
        """Run a statement once for each set of values."""
        with self._lock:
            self._connection.executemany(statement, values)

    @contextmanager
    def change(self) -> Iterator[None]:
        """Make one transaction of the block, which waits for other writers; part of the outer one inside another."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
