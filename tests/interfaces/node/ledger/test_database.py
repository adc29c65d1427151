"""The file under the ledger: transactions, versions, damage."""

import pytest

from hyoid.errors import UnreadableFileError
from hyoid.interfaces.node.ledger.database import Database


@pytest.fixture
def database(tmp_path):
    database = Database(tmp_path / "ledger.sqlite", lambda: 5.0)
    yield database
    database.close()


def count(database):
    return database.rows("SELECT COUNT(*) FROM seen")[0][0]


def test_a_change_counts_as_a_whole_or_not_at_all(database):
    with pytest.raises(KeyError), database.change():
        database.run("INSERT INTO seen VALUES('a', 'b')")
        with database.change():  # part of the outer one
            database.run("INSERT INTO seen VALUES('c', 'd')")
        raise KeyError
    assert count(database) == 0
    with database.change():
        database.run_each("INSERT INTO seen VALUES(?, ?)", [("a", "b"), ("c", "d")])
    assert count(database) == 2


def test_another_connection_sees_what_was_committed_and_keeps_its_version(database, tmp_path):
    with database.change():
        database.run("INSERT INTO seen VALUES('a', 'b')")
    again = Database(tmp_path / "ledger.sqlite", lambda: 5.0)
    assert count(again) == 1 and again.rows("PRAGMA journal_mode")[0][0] == "wal"
    with again.change():
        again.run("PRAGMA user_version = 99")
    again.close()
    with pytest.raises(UnreadableFileError, match="version 99"):
        Database(tmp_path / "ledger.sqlite", lambda: 5.0)


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "bad").write_bytes(b"no database at all, but long enough to be looked at" * 100)
    with pytest.raises(UnreadableFileError, match="damaged"):
        Database(tmp_path / "bad", lambda: 5.0)
