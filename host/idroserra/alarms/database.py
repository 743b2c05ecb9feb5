"""Tables of the alarms in alarms.db: alarms that are not normal, and the journal of transitions.

The journal is kept for 400 days, and of each node, and of the host itself, KEPT_OF_NODE rows: one
that raises an alarm every second fills no disk, and takes no row of another.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from idroserra.alarms.active import ActiveAlarm, Transition
from idroserra.alarms.kpis import Raised
from idroserra.alarms.rules import Rule
from idroserra.alarms.state_machine import Alarm, from_backup
from idroserra.core.reasons import Reason, pack_reason, sentences_to_json, unpack_reason
from idroserra.core.sqlite import Database, Upgrades

JOURNAL_KEPT_MS = 400 * 86_400_000
KEPT_OF_NODE = 20_000
PRUNE_EVERY = 1_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS alarms (
    key TEXT PRIMARY KEY, rule TEXT NOT NULL, site TEXT NOT NULL, node TEXT NOT NULL,
    part TEXT NOT NULL, reason TEXT NOT NULL, changed_unix_ms INTEGER NOT NULL,
    is_active INTEGER NOT NULL, is_acked INTEGER NOT NULL, cause TEXT NOT NULL,
    shelved_until_unix_ms INTEGER, is_out_of_service INTEGER NOT NULL, raised_unix_ms INTEGER
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journal (
    id INTEGER PRIMARY KEY, unix_ms INTEGER NOT NULL, key TEXT NOT NULL, rule TEXT NOT NULL,
    site TEXT NOT NULL, node TEXT NOT NULL, part TEXT NOT NULL, priority TEXT NOT NULL,
    was TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL, by TEXT NOT NULL,
    comment TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS journal_time ON journal (unix_ms);
CREATE INDEX IF NOT EXISTS journal_node ON journal (node, id);
"""
# Tables of before reasons had a sentence in the column `text`.
_UPGRADES = Upgrades("alarms", ((
    "ALTER TABLE alarms RENAME COLUMN text TO reason",
    "ALTER TABLE journal RENAME COLUMN text TO reason",
    sentences_to_json("alarms", "reason"),
    sentences_to_json("journal", "reason"),
),))
# A host alarm has no node, and its part does not start with @.
_OF_SITE = "(node != '' OR part LIKE '@%')"
_STANDING = "('unacknowledged', 'acknowledged', 'suppressed')"
_SILENCED = ("shelved", "out_of_service")
_JOURNAL = "unix_ms, key, rule, site, node, part, priority, was, state, reason, by, comment"


class Silenced(NamedTuple):
    """An alarm that people silenced: shelved, out of service or both."""

    shelved_until_unix_ms: int | None = None
    is_out_of_service: bool = False


class AlarmDatabase(Database):
    """Reads and writes. Every method may be called from any thread."""

    def __init__(self, path: Path) -> None:
        """Open or create the file, and upgrade its tables. Raises OSError, sqlite3.Error,
        StoreUnavailable."""
        super().__init__(path, _SCHEMA, _UPGRADES)
        self._written: Counter[str] = Counter()  # rows of each node since the last were pruned

    def not_normal(self, rules: Mapping[str, Rule]) -> dict[str, ActiveAlarm]:
        """Return the saved alarms whose rule still exists, by key. Raises StoreUnavailable."""
        rows = self.query(
            "SELECT key, rule, site, node, part, reason, changed_unix_ms, is_active, is_acked,"
            " cause, shelved_until_unix_ms, is_out_of_service, raised_unix_ms FROM alarms")
        return {row[0]: _alarm(row, rules[row[1]]) for row in rows if row[1] in rules}

    def save(self, changed: Iterable[ActiveAlarm], journal: Iterable[Transition]) -> None:
        """Write states and journal entries in one transaction. Raises StoreUnavailable."""
        with self.transaction() as connection:
            for active in changed:
                _put(connection, active)
            for change in journal:
                self._add(connection, change)

    def history(
        self, from_unix_ms: int, to_unix_ms: int, limit: int, node: str | None = None,
        site: str | None = None,
    ) -> list[Transition]:
        """Return the newest `limit` transitions of [from, to), oldest first: of a node, or of a
        site and the host. Raises StoreUnavailable."""
        rows = self.query(
            f"SELECT {_JOURNAL} FROM journal WHERE unix_ms >= ? AND unix_ms < ?"
            " AND (? IS NULL OR node = ?)"
            f" AND (? IS NULL OR site = ? OR NOT ({_OF_SITE})) ORDER BY id DESC LIMIT ?",
            (from_unix_ms, to_unix_ms, node, node, site, site, limit))
        return _transitions(reversed(rows))

    def standing(self, node: str, unix_ms: int) -> list[Transition]:
        """Return the transitions, oldest first, since which alarms of a node were active at a
        time, and neither shelved nor out of service. Raises StoreUnavailable."""
        return _transitions(self.query(
            "WITH ended AS (SELECT key, max(id) AS end_id FROM journal WHERE node = ? AND"
            f" unix_ms < ? AND state NOT IN {_STANDING} GROUP BY key)"
            f" SELECT {_JOURNAL} FROM journal LEFT JOIN ended USING (key) WHERE node = ? AND"
            " unix_ms < ? AND id > coalesce(end_id, 0) ORDER BY id",
            (node, unix_ms, node, unix_ms)))

    def rename_site(self, site: str, name: str) -> None:
        """Rename a site in the journal. Raises StoreUnavailable."""
        self.query(
            f"UPDATE journal SET site = ? WHERE site = ? AND {_OF_SITE}", (name, site))

    def raised(self, from_unix_ms: int, to_unix_ms: int) -> list[Raised]:
        """Return the annunciated alarms of [from, to). Raises StoreUnavailable."""
        return [Raised(*row) for row in self.query(
            "SELECT unix_ms, key, site, priority FROM journal WHERE unix_ms >= ? AND unix_ms < ?"
            " AND state = 'unacknowledged' AND was != 'unacknowledged' ORDER BY id",
            (from_unix_ms, to_unix_ms))]

    def annunciate_again(
        self, silenced: Mapping[str, Silenced], reason: Reason, now_unix_ms: int
    ) -> list[str]:
        """Return alarms to service and unshelve them unless they are in `silenced`, and let active
        ones wait for an acknowledgement. Return the keys of those that were shelved or out of
        service. Raises StoreUnavailable."""
        keys = []
        with self.transaction() as connection:
            for row in connection.execute(
                    "SELECT key, is_active, is_acked, cause, shelved_until_unix_ms,"
                    " is_out_of_service, raised_unix_ms FROM alarms ORDER BY key").fetchall():
                old, now = _alarm_of(row[1:]), silenced.get(row[0], Silenced())
                new = from_backup(old, now.shelved_until_unix_ms, is_out=now.is_out_of_service)
                if new != old:
                    _restore(connection, row[0], old, new, reason, now_unix_ms)
                if old.state in _SILENCED and new.state not in _SILENCED:
                    keys.append(row[0])
        return keys

    def _add(self, connection: sqlite3.Connection, change: Transition) -> None:
        connection.execute(
            f"INSERT INTO journal ({_JOURNAL}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
            (*change[:9], pack_reason(change.reason), *change[10:]))
        self._written[change.node] += 1
        if self._written.total() >= PRUNE_EVERY:
            connection.execute("DELETE FROM journal WHERE unix_ms < ?",
                               (change.unix_ms - JOURNAL_KEPT_MS,))
            connection.executemany(
                "DELETE FROM journal WHERE node = ? AND id <= (SELECT id FROM journal"
                " WHERE node = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
                [(node, node, KEPT_OF_NODE) for node in self._written])
            self._written.clear()


def _transitions(rows: Iterable[tuple[Any, ...]]) -> list[Transition]:
    return [Transition._make((*row[:9], unpack_reason(row[9]), *row[10:])) for row in rows]


def _put(connection: sqlite3.Connection, active: ActiveAlarm) -> None:
    alarm = active.alarm
    if alarm.is_normal:
        connection.execute("DELETE FROM alarms WHERE key=?", (active.key,))
        return
    connection.execute(
        "INSERT OR REPLACE INTO alarms VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (active.key, active.rule.name, active.site, active.node, active.part,
         pack_reason(active.reason), active.changed_unix_ms, alarm.is_active, alarm.is_acked,
         alarm.cause, alarm.shelved_until_unix_ms, alarm.is_out_of_service,
         alarm.raised_unix_ms))


def _alarm(row: tuple[Any, ...], rule: Rule) -> ActiveAlarm:
    key, _, site, node, part, stored, changed_unix_ms = row[:7]
    return ActiveAlarm(key, rule, site, node, part, unpack_reason(stored), _alarm_of(row[7:]),
                       changed_unix_ms)


def _alarm_of(row: tuple[Any, ...]) -> Alarm:
    is_active, is_acked, cause, shelved_until_unix_ms, is_out, raised_unix_ms = row
    return Alarm(bool(is_active), bool(is_acked), cause, shelved_until_unix_ms, bool(is_out),
                 None, raised_unix_ms)


def _restore(
    connection: sqlite3.Connection, key: str, old: Alarm, new: Alarm, reason: Reason,
    now_unix_ms: int,
) -> None:
    """Write an alarm that changes with a restore, whatever its rule, and its transition."""
    if new.state != old.state:
        connection.execute(
            f"INSERT INTO journal ({_JOURNAL}) SELECT ?, key, rule, site, node, part, coalesce("
            "(SELECT priority FROM journal WHERE node = alarms.node AND key = alarms.key"
            " ORDER BY id DESC LIMIT 1), 'high'), ?, ?, ?, '', '' FROM alarms WHERE key = ?",
            (now_unix_ms, old.state, new.state, pack_reason(reason), key))
    if new.is_normal:
        connection.execute("DELETE FROM alarms WHERE key = ?", (key,))
    else:
        connection.execute(
            "UPDATE alarms SET changed_unix_ms = ?, is_acked = ?, shelved_until_unix_ms = ?,"
            " is_out_of_service = ? WHERE key = ?",
            (now_unix_ms, new.is_acked, new.shelved_until_unix_ms, new.is_out_of_service, key))
