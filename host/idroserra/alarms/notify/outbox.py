"""Tables of notices and deliveries in alarms.db.

One transaction writes a notice with its LastNotification rows, so that a restart repeats nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from idroserra.alarms.notify.message import Notice
from idroserra.alarms.notify.policy import WINDOW_MS, LastNotification
from idroserra.core.reasons import Reason, pack_reason, sentences_to_json, unpack_reason
from idroserra.core.sqlite import Database, Upgrades

KEPT_MS = 90 * 86_400_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS notices (
    id INTEGER PRIMARY KEY, unix_ms INTEGER NOT NULL, kind TEXT NOT NULL,
    priority TEXT NOT NULL, title TEXT NOT NULL, body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS notice_words (
    notice INTEGER NOT NULL, language TEXT NOT NULL, title TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (notice, language)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deliveries (
    notice INTEGER NOT NULL, target TEXT NOT NULL, state TEXT NOT NULL, tries INTEGER NOT NULL,
    due_unix_ms INTEGER NOT NULL, done_unix_ms INTEGER, error TEXT NOT NULL,
    PRIMARY KEY (notice, target)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notified (
    key TEXT PRIMARY KEY, raised_unix_ms INTEGER NOT NULL, told_unix_ms INTEGER NOT NULL,
    reminders INTEGER NOT NULL
) WITHOUT ROWID;
"""
# Deliveries of before reasons had a sentence in the column `error`.
_UPGRADES = Upgrades("deliveries", ((sentences_to_json("deliveries", "error"),),))
_NOTICE = "unix_ms, kind, priority, title, body, id"
_COUNTED = ("alarm", "reminder")


class Delivery(NamedTuple):
    """One notice for one target. state: waiting, sent or failed (no more attempts). error: why
    the last attempt failed, or None."""

    notice: int
    target: str
    state: str
    tries: int
    due_unix_ms: int
    done_unix_ms: int | None
    error: Reason | None


class Outbox(Database):
    """Reads and writes; every method may be called from any thread and raises StoreUnavailable."""

    def __init__(self, path: Path) -> None:
        """Open or create the tables, and upgrade them. Raises OSError, sqlite3.Error,
        StoreUnavailable."""
        super().__init__(path, _SCHEMA, _UPGRADES)
        with self.transaction() as connection:
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name='told'").fetchone():
                # The former name of the table.
                connection.execute("INSERT OR IGNORE INTO notified SELECT * FROM told")
                connection.execute("DROP TABLE told")

    def post(
        self, notice: Notice, targets: Iterable[str], notified: Iterable[LastNotification] = ()
    ) -> int:
        """Store a notice for some targets, with what it notifies of; return its id."""
        with self.transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO notices (unix_ms, kind, priority, title, body) VALUES (?,?,?,?,?)",
                notice[:5])
            number = int(cursor.lastrowid or 0)
            connection.executemany(
                "INSERT INTO notice_words VALUES (?,?,?,?)",
                [(number, language, *words) for language, words in notice.words.items()])
            connection.executemany(
                "INSERT INTO deliveries VALUES (?,?,'waiting',0,?,NULL,'')",
                [(number, target, notice.unix_ms) for target in targets])
            connection.executemany("INSERT OR REPLACE INTO notified VALUES (?,?,?,?)", notified)
            _prune(connection, notice.unix_ms)
            return number

    def last_notifications(self) -> dict[str, LastNotification]:
        """Return the last notification of each alarm, by its key."""
        return {row[0]: LastNotification(*row)
                for row in self.query("SELECT * FROM notified")}

    def forget(self, keys: Iterable[str]) -> None:
        """Delete the last notifications of alarms, so that they are notified again."""
        with self.transaction() as connection:
            connection.executemany("DELETE FROM notified WHERE key=?", [(key,) for key in keys])

    def sent_unix_ms(self, now_unix_ms: int) -> list[int]:
        """Return when the alarms and reminders of the last window were written."""
        return [row[0] for row in self.query(
            "SELECT unix_ms FROM notices WHERE unix_ms > ? AND kind IN (?,?)",
            (now_unix_ms - WINDOW_MS, *_COUNTED))]

    def newest_unix_ms(self, kind: str) -> int | None:
        """Return when the newest notice of a kind was written, or None."""
        [[unix_ms]] = self.query(
            "SELECT max(unix_ms) FROM notices WHERE kind=?", (kind,))
        return None if unix_ms is None else int(unix_ms)

    def due(self, now_unix_ms: int) -> dict[str, list[tuple[Notice, Delivery]]]:
        """Return all that waits for each target that has a delivery due, oldest first."""
        rows = self.query(
            f"SELECT {_NOTICE}, d.* FROM deliveries d JOIN notices n ON n.id = d.notice"
            " WHERE d.state='waiting' AND d.target IN (SELECT target FROM deliveries"
            " WHERE state='waiting' AND due_unix_ms <= ?) ORDER BY n.id", (now_unix_ms,))
        found: dict[str, list[tuple[Notice, Delivery]]] = {}
        words = self._words()
        for row in rows:
            notice = Notice(*row[:6])._replace(words=words.get(row[5], {}))
            found.setdefault(row[7], []).append((notice, _delivery(row[6:])))
        return found

    def _words(self) -> dict[int, dict[str, tuple[str, str]]]:
        """Return the translations of the waiting notices, by notice."""
        found: dict[int, dict[str, tuple[str, str]]] = {}
        for number, language, title, body in self.query(
                "SELECT * FROM notice_words WHERE notice IN"
                " (SELECT notice FROM deliveries WHERE state='waiting')"):
            found.setdefault(number, {})[language] = (title, body)
        return found

    def mark(self, deliveries: Sequence[Delivery]) -> None:
        """Write the outcome of deliveries."""
        with self.transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO deliveries VALUES (?,?,?,?,?,?,?)",
                [(*delivery[:6], pack_reason(delivery.error)) for delivery in deliveries])

    def newest(self, limit: int) -> list[tuple[Notice, list[Delivery]]]:
        """Return the newest notices with their deliveries, newest first."""
        notices = [Notice(*row) for row in self.query(
            f"SELECT {_NOTICE} FROM notices ORDER BY id DESC LIMIT ?", (limit,))]
        rows = self.query(
            "SELECT * FROM deliveries WHERE notice >= ? ORDER BY target",
            (min((notice.id for notice in notices), default=0),))
        deliveries = [_delivery(row) for row in rows]
        return [(notice, [d for d in deliveries if d.notice == notice.id]) for notice in notices]

    def newest_of(self, target: str, state: str) -> Delivery | None:
        """Return the newest delivery to a target in a state, or None."""
        rows = self.query("SELECT * FROM deliveries WHERE target=? AND state=?"
                          " ORDER BY notice DESC LIMIT 1", (target, state))
        return _delivery(rows[0]) if rows else None


def _delivery(row: Sequence[Any]) -> Delivery:
    return Delivery._make((*row[:6], unpack_reason(row[6])))


def _prune(connection: sqlite3.Connection, now_unix_ms: int) -> None:
    connection.execute("DELETE FROM notices WHERE unix_ms < ?", (now_unix_ms - KEPT_MS,))
    for table in ("deliveries", "notice_words"):
        connection.execute(f"DELETE FROM {table} WHERE notice NOT IN (SELECT id FROM notices)")
