"""Opens the host's SQLite files (write-ahead log, full sync) and locks its data folder.

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
from typing import Any

from idroserra.core.errors import StoreUnavailable

PAGE_BYTES = 4_096
WAL_LIMIT_BYTES = 16 * 1024 * 1024


def connect(path: Path, schema: str) -> sqlite3.Connection:
    """Return a connection in autocommit mode; creates the file and the tables of `schema`.

    With synchronous=FULL a commit survives a power cut. The caller serialises the use of the
    connection. Raises OSError, sqlite3.Error.
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
        database.executescript(schema)
    except sqlite3.Error:
        database.close()
        raise
    return database


def connect_reader(path: Path) -> sqlite3.Connection:
    """Return a read-only connection. Raises sqlite3.Error."""
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    database.execute("PRAGMA query_only=1")
    return database


class Database:
    """A SQLite file that several threads share. Every method raises StoreUnavailable."""

    def __init__(self, path: Path, schema: str) -> None:
        """Open or create the file. Raises OSError, sqlite3.Error."""
        self._name = path.name
        self._lock = threading.RLock()
        self._connection = connect(path, schema)

    def query(self, sql: str, values: Iterable[object] = ()) -> list[Any]:
        """Execute a statement in autocommit mode and return its rows."""
        with self._locked() as connection:
            return connection.execute(sql, tuple(values)).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit what is executed on the connection; roll back on any exception."""
        with self._locked() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

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
