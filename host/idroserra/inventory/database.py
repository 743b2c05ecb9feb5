"""The table of bottle fillings, in alarms.db."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from idroserra.core.sqlite import Database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS fillings (
    id INTEGER PRIMARY KEY, node TEXT NOT NULL, doser TEXT NOT NULL, volume_ul INTEGER NOT NULL,
    filled_unix_ms INTEGER NOT NULL, by TEXT NOT NULL, stock TEXT NOT NULL, meq_per_ml REAL
);
CREATE INDEX IF NOT EXISTS fillings_by_doser ON fillings (node, doser, id);
"""
# An older file has one row for each bottle: its newest filling.
_MOVE_BOTTLES = (
    "INSERT INTO fillings"
    " SELECT NULL, node, doser, volume_ul, filled_unix_ms, by, '', NULL FROM bottles",
    "DROP TABLE bottles")


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


class InventoryDatabase(Database):
    """Reads and writes fillings. Every method may be called from any thread."""

    def __init__(self, path: Path) -> None:
        """Open or create the file. Raises OSError, sqlite3.Error, StoreUnavailable."""
        super().__init__(path, _SCHEMA)
        if self.query("SELECT 1 FROM sqlite_master WHERE name='bottles'"):
            with self.transaction() as connection:
                for statement in _MOVE_BOTTLES:
                    connection.execute(statement)

    def fill(self, bottle: Bottle) -> None:
        """Store a filling. Raises StoreUnavailable."""
        self.query("INSERT INTO fillings VALUES (NULL,?,?,?,?,?,?,?)", tuple(bottle))

    def unfill(self, node: str, doser: str) -> None:
        """Delete the newest filling of a bottle. Raises StoreUnavailable."""
        self.query("DELETE FROM fillings WHERE id = (SELECT max(id) FROM fillings"
                   " WHERE node = ? AND doser = ?)", (node, doser))

    def fillings(self) -> list[Bottle]:
        """Return every filling, oldest first. Raises StoreUnavailable."""
        return [Bottle(*row) for row in self.query(
            "SELECT node, doser, volume_ul, filled_unix_ms, by, stock, meq_per_ml FROM fillings"
            " ORDER BY id")]
