"""The table of bottle fillings, in alarms.db."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any, NamedTuple

from idroserra.core.errors import StoreUnavailable
from idroserra.core.sqlite import connect

_SCHEMA = """
CREATE TABLE IF NOT EXISTS fillings (
    id INTEGER PRIMARY KEY, node TEXT NOT NULL, doser TEXT NOT NULL, volume_ul INTEGER NOT NULL,
    filled_unix_ms INTEGER NOT NULL, by TEXT NOT NULL, stock TEXT NOT NULL, meq_per_ml REAL
);
CREATE INDEX IF NOT EXISTS fillings_by_doser ON fillings (node, doser, id);
"""
# An older file has one row for each bottle: its newest filling.
_MOVE_BOTTLES = """
INSERT INTO fillings
    SELECT NULL, node, doser, volume_ul, filled_unix_ms, by, '', NULL FROM bottles;
DROP TABLE bottles;
"""


class Bottle(NamedTuple):
    """One filling of a bottle.

    stock: a key of stock_solutions.STOCKS, or ""; meq_per_ml: None if it is not known."""

    node: str
    doser: str
    volume_ul: int
    filled_unix_ms: int
    by: str
    stock: str = ""
    meq_per_ml: float | None = None


class InventoryDatabase:
    """Reads and writes fillings. Every method may be called from any thread."""

    def __init__(self, path: Path) -> None:
        """Open or create the file. Raises OSError, sqlite3.Error."""
        self._lock = threading.Lock()
        self._database = connect(path, _SCHEMA)
        if self._database.execute("SELECT 1 FROM sqlite_master WHERE name='bottles'").fetchone():
            self._database.executescript(f"BEGIN;{_MOVE_BOTTLES}COMMIT;")

    def fill(self, bottle: Bottle) -> None:
        """Store a filling. Raises StoreUnavailable."""
        self._query("INSERT INTO fillings VALUES (NULL,?,?,?,?,?,?,?)", tuple(bottle))

    def unfill(self, node: str, doser: str) -> None:
        """Delete the newest filling of a bottle. Raises StoreUnavailable."""
        self._query("DELETE FROM fillings WHERE id = (SELECT max(id) FROM fillings"
                    " WHERE node = ? AND doser = ?)", (node, doser))

    def fillings(self) -> list[Bottle]:
        """Return every filling, oldest first. Raises StoreUnavailable."""
        return [Bottle(*row) for row in self._query(
            "SELECT node, doser, volume_ul, filled_unix_ms, by, stock, meq_per_ml FROM fillings"
            " ORDER BY id", ())]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def _query(self, query: str, values: tuple[object, ...]) -> list[Any]:
        with self._lock:
            try:
                return self._database.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise StoreUnavailable(f"alarms.db: {error}") from error
