"""The alarms' own file, alarms.db: what stands, and the journal of every change.

What is normal is not kept as standing; the journal keeps it for a year and a bit.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from idroserra.alarms.active import ActiveAlarm, Transition
from idroserra.alarms.kpis import Raised
from idroserra.alarms.rules import Rule
from idroserra.alarms.state_machine import NORMAL, Alarm
from idroserra.core.errors import StoreUnavailable
from idroserra.core.sqlite import connect

JOURNAL_KEPT_MS = 400 * 86_400_000
PRUNE_EVERY = 1_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS alarms (
    key TEXT PRIMARY KEY, rule TEXT NOT NULL, site TEXT NOT NULL, node TEXT NOT NULL,
    part TEXT NOT NULL, text TEXT NOT NULL, changed_unix_ms INTEGER NOT NULL,
    is_active INTEGER NOT NULL, is_acked INTEGER NOT NULL, cause TEXT NOT NULL,
    shelved_until_unix_ms INTEGER, is_out_of_service INTEGER NOT NULL, raised_unix_ms INTEGER
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journal (
    id INTEGER PRIMARY KEY, unix_ms INTEGER NOT NULL, key TEXT NOT NULL, rule TEXT NOT NULL,
    site TEXT NOT NULL, node TEXT NOT NULL, part TEXT NOT NULL, priority TEXT NOT NULL,
    was TEXT NOT NULL, state TEXT NOT NULL, text TEXT NOT NULL, by TEXT NOT NULL,
    comment TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS journal_time ON journal (unix_ms);
"""
# An alarm of the host itself has neither a node nor a site as its part.
_OF_SITE = "(node != '' OR part LIKE '@%')"
_JOURNAL = "unix_ms, key, rule, site, node, part, priority, was, state, text, by, comment"


class AlarmDatabase:
    """Reads and writes. Every method may be called from any thread."""

    def __init__(self, path: Path) -> None:
        """Open or create the file. Raises OSError, sqlite3.Error."""
        self._lock = threading.Lock()
        self._database = connect(path, _SCHEMA)
        self._written_count = 0

    def standing(self, rules: Mapping[str, Rule]) -> dict[str, ActiveAlarm]:
        """Return what stood when it was last saved, of the rules there still are."""
        with self._lock:
            rows = self._database.execute(
                "SELECT key, rule, site, node, part, text, changed_unix_ms, is_active, is_acked,"
                " cause, shelved_until_unix_ms, is_out_of_service, raised_unix_ms FROM alarms"
            ).fetchall()
        return {row[0]: _standing(row, rules[row[1]]) for row in rows if row[1] in rules}

    def save(self, changed: Iterable[ActiveAlarm], journal: Iterable[Transition]) -> None:
        """Write states and their journal lines, all or none. Raises StoreUnavailable."""
        with self._lock:
            try:
                self._database.execute("BEGIN IMMEDIATE")
                for standing in changed:
                    self._put(standing)
                for change in journal:
                    self._add(change)
                self._database.execute("COMMIT")
            except sqlite3.Error as error:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise StoreUnavailable(f"alarms.db: {error}") from error

    def history(
        self, from_unix_ms: int, to_unix_ms: int, limit: int, node: str | None = None,
        site: str | None = None,
    ) -> list[Transition]:
        """Return the newest `limit` changes of [from, to), oldest first: of a node; of a site,
        with those of the host. Raises StoreUnavailable."""
        rows = self._ask(
            f"SELECT {_JOURNAL} FROM journal WHERE unix_ms >= ? AND unix_ms < ?"
            " AND (? IS NULL OR node = ?)"
            f" AND (? IS NULL OR site = ? OR NOT ({_OF_SITE})) ORDER BY id DESC LIMIT ?",
            (from_unix_ms, to_unix_ms, node, node, site, site, limit))
        return [Transition(*row) for row in reversed(rows)]

    def rename_site(self, site: str, name: str) -> None:
        """Call a site otherwise in what happened there. Raises StoreUnavailable."""
        self._ask(f"UPDATE journal SET site = ? WHERE site = ? AND {_OF_SITE}", (name, site))

    def raised(self, from_unix_ms: int, to_unix_ms: int) -> list[Raised]:
        """Return every time people were told of an alarm in [from, to). Raises
        StoreUnavailable."""
        return [Raised(*row) for row in self._ask(
            "SELECT unix_ms, key, site, priority FROM journal WHERE unix_ms >= ? AND unix_ms < ?"
            " AND state = 'unacknowledged' AND was != 'unacknowledged' ORDER BY id",
            (from_unix_ms, to_unix_ms))]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def _ask(self, query: str, values: tuple[object, ...]) -> list[Any]:
        with self._lock:
            try:
                return self._database.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise StoreUnavailable(f"alarms.db: {error}") from error

    def _put(self, standing: ActiveAlarm) -> None:
        alarm = standing.alarm
        if alarm == NORMAL._replace(raised_unix_ms=alarm.raised_unix_ms):
            self._database.execute("DELETE FROM alarms WHERE key=?", (standing.key,))
            return
        self._database.execute(
            "INSERT OR REPLACE INTO alarms VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (standing.key, standing.rule.name, standing.site, standing.node, standing.part,
             standing.text, standing.changed_unix_ms, alarm.is_active, alarm.is_acked, alarm.cause,
             alarm.shelved_until_unix_ms, alarm.is_out_of_service, alarm.raised_unix_ms))

    def _add(self, change: Transition) -> None:
        self._database.execute(
            f"INSERT INTO journal ({_JOURNAL}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", tuple(change))
        self._written_count += 1
        if self._written_count % PRUNE_EVERY == 0:
            self._database.execute("DELETE FROM journal WHERE unix_ms < ?",
                                   (change.unix_ms - JOURNAL_KEPT_MS,))


def _standing(row: tuple[Any, ...], rule: Rule) -> ActiveAlarm:
    key, _, site, node, part, text, changed_unix_ms = row[:7]
    is_active, is_acked, cause, shelved_until_unix_ms, is_out, raised_unix_ms = row[7:]
    alarm = Alarm(bool(is_active), bool(is_acked), cause, shelved_until_unix_ms, bool(is_out),
                  None, raised_unix_ms)
    return ActiveAlarm(key, rule, site, node, part, text, alarm, changed_unix_ms)
