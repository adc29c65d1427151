"""Who works on what: a lease that is not renewed runs out, and another node goes on."""

from __future__ import annotations

from collections.abc import Iterable

from hyoid.interfaces.node.ledger.database import Database


class Leases:
    """Leases by name, each with one owner.

    Parameters
    ----------
    database : Database
        The ledger's file.
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def hold(self, name: str, owner: str, seconds: float) -> bool:
        """Take or renew a lease, unless another owner holds a live one."""
        now = self._db.clock()
        with self._db.change():
            done = self._db.run(
                "INSERT INTO leases VALUES(?, ?, ?) ON CONFLICT(name) DO UPDATE SET owner = excluded.owner, "
                "until = excluded.until WHERE owner = excluded.owner OR until <= ?",
                (name, owner, now + seconds, now),
            )
            return done > 0

    def is_live(self, name: str) -> bool:
        """Tell whether anybody holds a lease."""
        return bool(self._db.rows("SELECT 1 FROM leases WHERE name = ? AND until > ?", (name, self._db.clock())))

    def renew(self, names: Iterable[str], owner: str, seconds: float) -> None:
        """Prolong leases of an owner; what ran out is not brought back."""
        now = self._db.clock()
        with self._db.change():
            self._db.run_each(
                "UPDATE leases SET until = ? WHERE name = ? AND owner = ? AND until > ?",
                [(now + seconds, name, owner, now) for name in names],
            )

    def drop(self, owner: str, name: str | None = None) -> None:
        """Give back one lease of an owner, or all."""
        with self._db.change():
            self._db.run("DELETE FROM leases WHERE owner = ? AND (? IS NULL OR name = ?)", (owner, name, name))
