"""Keeps rejected messages and unreadable records, the same share for each node.

Above the limit of a table the node with the most rows loses its oldest one, so that a node whose
messages cannot be read does not displace those of others.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

REJECTED_PAYLOAD_BYTES = 8_192
STEP_ROWS = 2_000  # read at a time

SCHEMA = """
CREATE TABLE IF NOT EXISTS rejected (
    id INTEGER PRIMARY KEY, node TEXT NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL,
    error TEXT NOT NULL, unix_ms INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS rejected_by_node ON rejected (node, id);
CREATE TABLE IF NOT EXISTS unread (
    id INTEGER PRIMARY KEY, node TEXT NOT NULL, boot_id TEXT NOT NULL, leaf TEXT NOT NULL,
    payload BLOB NOT NULL, error TEXT NOT NULL, unix_ms INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS unread_by_node ON unread (node, id);
"""


class Rejected(NamedTuple):
    """An invalid message; node is "" if it is unknown. error: a technical text in English."""

    node: str
    topic: str
    payload: bytes
    error: str
    unix_ms: int


class Unread(NamedTuple):
    """An unreadable record: `payload` is a message with this record only."""

    node: str
    boot_id: str
    leaf: str
    payload: bytes
    error: str
    unix_ms: int


class Refusals:
    """The two tables. Works within transactions of the spool, as the receipt log."""

    def __init__(self, database: sqlite3.Connection, max_rejected: int, max_unread: int) -> None:
        self._database = database
        self._max = {"rejected": max_rejected, "unread": max_unread}
        self._rows: dict[str, dict[str, int]] = {}  # {table: {node: rows}}, empty: not loaded

    def reload(self) -> None:
        """Discard the state in memory after a roll-back."""
        self._rows.clear()

    def reject(self, item: Rejected) -> None:
        """Store a rejected message."""
        self._make_room("rejected", item.node)
        self._database.execute(
            "INSERT INTO rejected (node, topic, payload, error, unix_ms) VALUES (?,?,?,?,?)",
            item._replace(payload=item.payload[:REJECTED_PAYLOAD_BYTES]))

    def add_unread(self, item: Unread) -> None:
        """Store an unreadable record."""
        self._make_room("unread", item.node)
        self._database.execute(
            "INSERT INTO unread (node, boot_id, leaf, payload, error, unix_ms)"
            " VALUES (?,?,?,?,?,?)", item)

    def unread(self, after_row: int, error_end: str) -> list[tuple[int, Unread]]:
        """Return (id, record) of the oldest STEP_ROWS unreadable records after one, of those whose
        error ends with a text."""
        return [(row[0], Unread(*row[1:])) for row in self._database.execute(
            "SELECT id, node, boot_id, leaf, payload, error, unix_ms FROM unread"
            " WHERE id > ? AND error LIKE '%' || ? ORDER BY id LIMIT ?",
            (after_row, error_end, STEP_ROWS))]

    def forget_unread(self, row: int) -> None:
        """Delete a stored record that is readable now."""
        self._database.execute("DELETE FROM unread WHERE id=?", (row,))
        self._rows.clear()

    def _make_room(self, table: str, node: str) -> None:
        """Count a row of `node`; above the limit delete the oldest of the node with the most."""
        if table not in self._rows:
            self._rows[table] = dict(self._database.execute(
                f"SELECT node, count(*) FROM {table} GROUP BY node"))
        rows = self._rows[table]
        rows[node] = rows.get(node, 0) + 1
        while sum(rows.values()) > self._max[table]:
            largest = max(rows, key=lambda one: rows[one])
            rows[largest] -= 1
            self._database.execute(
                f"DELETE FROM {table} WHERE id = (SELECT min(id) FROM {table} WHERE node=?)",
                (largest,))
