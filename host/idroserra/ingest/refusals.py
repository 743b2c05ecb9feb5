"""Keeps rejected messages and unreadable records, the same share for each node.

Above the limit of a table the node with the most rows loses its oldest one, so that a node whose
messages cannot be read does not displace those of others. A node with too many bytes of unreadable
records loses its own oldest ones.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from typing import NamedTuple

REJECTED_PAYLOAD_BYTES = 8_192
STEP_ROWS = 200  # read at a time, of up to 16 kB each: the spool is locked meanwhile
MOST_UNREAD_BYTES = 64_000_000  # of one node: more than 100,000 records of a real one
MOST_DELETED = 20  # for each record that is added: a file of an earlier version shrinks in steps
LOG_EVERY_S = 3_600.0  # of one node

_log = logging.getLogger("idroserra")

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
        self._unread_bytes: dict[str, int] | None = None  # by node; None: not loaded
        self._logged_s: dict[str, float] = {}

    def reload(self) -> None:
        """Discard the state in memory after a roll-back."""
        self._rows.clear()
        self._unread_bytes = None

    def reject(self, item: Rejected) -> None:
        """Store a rejected message."""
        self._make_room("rejected", item.node)
        self._database.execute(
            "INSERT INTO rejected (node, topic, payload, error, unix_ms) VALUES (?,?,?,?,?)",
            item._replace(payload=item.payload[:REJECTED_PAYLOAD_BYTES]))

    def add_unread(self, item: Unread) -> list[str]:
        """Store an unreadable record; return the node of each that is deleted for it."""
        sizes = self._sizes()
        deleted = self._make_room("unread", item.node)
        sizes[item.node] = sizes.get(item.node, 0) + len(item.payload)
        for _ in range(MOST_DELETED):
            if sizes[item.node] <= MOST_UNREAD_BYTES or self._rows["unread"][item.node] == 1:
                break
            self._rows["unread"][item.node] -= 1
            deleted += self._delete_oldest("unread", item.node)
        self._database.execute(
            "INSERT INTO unread (node, boot_id, leaf, payload, error, unix_ms)"
            " VALUES (?,?,?,?,?,?)", item)
        for node in set(deleted):
            self._log_deleted(node)
        return deleted

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
        self.reload()

    def _make_room(self, table: str, node: str) -> list[str]:
        """Count a row of `node`; above the limit delete the oldest of the node with the most.
        Return the node of each deleted row."""
        deleted = []
        if table not in self._rows:
            self._rows[table] = dict(self._database.execute(
                f"SELECT node, count(*) FROM {table} GROUP BY node"))
        rows = self._rows[table]
        rows[node] = rows.get(node, 0) + 1
        while sum(rows.values()) > self._max[table]:
            largest = max(rows, key=lambda one: rows[one])
            rows[largest] -= 1
            deleted += self._delete_oldest(table, largest)
        return deleted

    def _delete_oldest(self, table: str, node: str) -> list[str]:
        """Delete the oldest row of a node; return [node], [] if it has none."""
        for row, length in self._database.execute(
                f"SELECT id, length(payload) FROM {table} WHERE node=? ORDER BY id LIMIT 1",
                (node,)).fetchall():
            self._database.execute(f"DELETE FROM {table} WHERE id=?", (row,))
            if table == "unread":
                self._sizes()[node] -= length
            return [node]
        return []

    def _sizes(self) -> dict[str, int]:
        """Return {node: bytes of its unreadable records}."""
        if self._unread_bytes is None:
            self._unread_bytes = dict(self._database.execute(
                "SELECT node, sum(length(payload)) FROM unread GROUP BY node"))
        return self._unread_bytes

    def _log_deleted(self, node: str) -> None:
        now_s = time.monotonic()
        if now_s - self._logged_s.get(node, -LOG_EVERY_S) >= LOG_EVERY_S:
            self._logged_s[node] = now_s
            _log.warning("%s: too many unreadable records: the oldest are deleted and count as "
                         "lost; update the host, or revoke the node", node)
