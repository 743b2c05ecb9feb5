"""Opens the host's SQLite files (write-ahead log, full sync) and locks its data folder.

In a folder that a standby follows, no connection folds the write-ahead log into the file: that is
for Litestream, which loses what another process folds in before it has read it.

Only the host's user may read the folder and its files: state.db holds the keys of the nodes.
"""

from __future__ import annotations

import fcntl
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

from idroserra.core.errors import StoreUnavailable

PAGE_BYTES = 4_096
WAL_LIMIT_BYTES = 16 * 1024 * 1024
FOLLOWED = "litestream"  # the folder of Litestream's state, in a data folder that is followed


class Upgrades(NamedTuple):
    """How tables of earlier versions become those of the present schema.

    table: of the schema; its version is the number of steps that were made. steps: the statements
    of each. The table `versions` has the versions, because the schemas of several modules share a
    file.
    """

    table: str
    steps: tuple[tuple[str, ...], ...]


def connect(path: Path, schema: str, upgrades: Upgrades | None = None) -> sqlite3.Connection:
    """Return a connection in autocommit mode; creates the file and the tables of `schema`.

    With synchronous=FULL a commit survives a power cut. The caller serialises the use of the
    connection. Raises OSError, sqlite3.Error; StoreUnavailable for tables of a newer version.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        database.execute(f"PRAGMA page_size={PAGE_BYTES}")
        database.execute("PRAGMA auto_vacuum=INCREMENTAL")
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute(f"PRAGMA journal_size_limit={WAL_LIMIT_BYTES}")
        if _is_followed(path):
            database.execute("PRAGMA wal_autocheckpoint=0")
        if upgrades is not None:
            _upgrade(path, database, upgrades)
        database.executescript(schema)
    except (sqlite3.Error, StoreUnavailable):
        database.close()  # rolls a transaction back
        raise
    return database


def _upgrade(path: Path, database: sqlite3.Connection, upgrades: Upgrades) -> None:
    """Make the steps that the tables lack, in one transaction; new tables need none."""
    table, newest = upgrades.table, len(upgrades.steps)
    database.execute("BEGIN IMMEDIATE")
    database.execute("CREATE TABLE IF NOT EXISTS versions (name TEXT PRIMARY KEY,"
                     " version INTEGER NOT NULL) WITHOUT ROWID")
    row = database.execute("SELECT version FROM versions WHERE name=?", (table,)).fetchone()
    if row is None:
        is_new = database.execute(
            "SELECT 1 FROM sqlite_schema WHERE name=?", (table,)).fetchone() is None
        row = (newest if is_new else 0,)
    found = int(row[0])
    if found > newest:
        raise StoreUnavailable(f"{path}: version {found} of {table} is of a newer Idroserra; this "
                               f"one supports {newest}")
    for step in upgrades.steps[found:]:
        for statement in step:
            database.execute(statement)
    database.execute("INSERT OR REPLACE INTO versions VALUES (?,?)", (table, newest))
    database.execute("COMMIT")


def fold_log(database: sqlite3.Connection) -> None:
    """Fold the write-ahead log into the file and empty it, unless a standby follows the folder.

    Raises sqlite3.Error."""
    path = Path(database.execute("PRAGMA database_list").fetchone()[2])
    if not _is_followed(path):
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _is_followed(path: Path) -> bool:
    return (path.parent / FOLLOWED).exists()


def connect_reader(path: Path) -> sqlite3.Connection:
    """Return a read-only connection. Raises sqlite3.Error."""
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    database.execute("PRAGMA query_only=1")
    return database


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Commit what is executed meanwhile; roll back on any exception. Raises sqlite3.Error."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:  # on a full disk SQLite may have rolled back
            database.execute("ROLLBACK")
        raise


class Database:
    """A SQLite file that several threads share. Every method raises StoreUnavailable."""

    def __init__(self, path: Path, schema: str, upgrades: Upgrades | None = None) -> None:
        """Open or create the file, and upgrade its tables. Raises OSError, sqlite3.Error,
        StoreUnavailable."""
        self._name = path.name
        self._lock = threading.RLock()
        self._connection = connect(path, schema, upgrades)

    def query(self, sql: str, values: Iterable[object] = ()) -> list[Any]:
        """Execute a statement in autocommit mode and return its rows."""
        with self._locked() as connection:
            return connection.execute(sql, tuple(values)).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit what is executed on the connection; roll back on any exception."""
        with self._locked() as connection, transaction(connection):
            yield connection

    def fold_log(self) -> None:
        """Fold the write-ahead log into the file, unless a standby follows it."""
        with self._locked() as connection:
            fold_log(connection)

    def close(self) -> None:
        """Close the file."""
        with self._locked() as connection:
            connection.close()

    @contextmanager
    def _locked(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise StoreUnavailable(f"{self._name}: {error}") from error


def lock_folder(folder: Path) -> FileIO:
    """Lock a data folder and return the lock file, which holds the lock until it is closed.

    Raises OSError; BlockingIOError if another process holds the lock."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileIO(folder / "lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise
    return lock
