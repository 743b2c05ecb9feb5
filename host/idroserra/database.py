"""Opening a SQLite file the way the host needs it: WAL, full sync, no waiting on strangers."""

from __future__ import annotations

import sqlite3
from pathlib import Path

PAGE_BYTES = 4_096
WAL_LIMIT_BYTES = 16 * 1024 * 1024


def connect(path: Path, schema: str) -> sqlite3.Connection:
    """Return a connection in autocommit mode to the file, created with `schema` where needed.

    synchronous=FULL: what is committed survives a power cut. The caller serialises its use.
    Raises sqlite3.Error.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
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
    """Return a connection that only reads, beside the writing one. Raises sqlite3.Error."""
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    database.execute("PRAGMA query_only=1")
    return database
