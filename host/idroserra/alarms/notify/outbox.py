"""Notices and deliveries, in memory and in the tables of alarms.db.

One transaction writes a notice with its LastNotification rows, so that a restart repeats nothing.
What a full disk does not take is written when there is room: it keeps no notice back, and repeats
none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from idroserra.alarms.notify.message import Notice
from idroserra.alarms.notify.policy import WINDOW_MS, LastNotification
from idroserra.core.errors import StoreUnavailable
from idroserra.core.reasons import Reason, pack_reason, sentences_to_json, unpack_reason
from idroserra.core.sqlite import Database, Upgrades

KEPT_MS = 90 * 86_400_000
LONGEST_RETRY_MS = 1_800_000
GIVE_UP_MS = 86_400_000  # a notice of this age is not tried again
MOST_SENT = 50  # in a window of the policy: fewer
MOST_LATE = 10_000

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
_Write = tuple[str, Sequence[Sequence[object]]]  # a statement, and the rows that it is run with
_PRUNE: tuple[_Write, ...] = tuple(
    (f"DELETE FROM {table} WHERE notice NOT IN (SELECT id FROM notices)", [()])
    for table in ("deliveries", "notice_words"))


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
    """Every method may be called from any thread; only __init__, newest() and newest_of() raise
    StoreUnavailable.

    What waits and what people were notified of is in memory. `failure`: why the last write
    failed, "" if it did not."""

    def __init__(self, path: Path) -> None:
        """Open or create the tables, and upgrade them. Raises OSError, sqlite3.Error,
        StoreUnavailable."""
        super().__init__(path, _SCHEMA, _UPGRADES)
        with self.transaction() as connection:
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name='told'").fetchone():
                # The former name of the table.
                connection.execute("INSERT OR IGNORE INTO notified SELECT * FROM told")
                connection.execute("DROP TABLE told")
        self._waiting = self._read_waiting()
        self._notified = {row[0]: LastNotification(*row)
                          for row in self.query("SELECT * FROM notified")}
        self._newest_unix_ms: dict[str, int] = dict(self.query(
            "SELECT kind, unix_ms FROM notices WHERE id IN"
            " (SELECT max(id) FROM notices GROUP BY kind)"))
        self._sent_unix_ms = deque([row[0] for row in reversed(self.query(
            "SELECT unix_ms FROM notices WHERE kind IN (?,?)"
            " AND id IN (SELECT notice FROM deliveries) ORDER BY id DESC LIMIT ?",
            (*_COUNTED, MOST_SENT)))], MOST_SENT)
        self._number = int(self.query("SELECT coalesce(max(id), 0) FROM notices")[0][0])
        self._late: list[_Write] = []
        self.failure = ""

    def post(
        self, notice: Notice, targets: Iterable[str], notified: Sequence[LastNotification] = ()
    ) -> int:
        """Keep a notice for some targets, with what it notifies of; return its id."""
        with self._lock:
            self._number = number = self._number + 1
            deliveries = [Delivery(number, target, "waiting", 0, notice.unix_ms, None, None)
                          for target in targets]
            for one in deliveries:
                self._waiting[number, one.target] = notice._replace(id=number), one
            self._notified |= {one.key: one for one in notified}
            self._newest_unix_ms[notice.kind] = notice.unix_ms
            if deliveries and notice.kind in _COUNTED:
                self._sent_unix_ms.append(notice.unix_ms)
            oldest = (notice.unix_ms - KEPT_MS,)
            self._write(
                (f"INSERT INTO notices ({_NOTICE}) VALUES (?,?,?,?,?,?)",
                 [(*notice[:5], number)]),
                ("INSERT INTO notice_words VALUES (?,?,?,?)",
                 [(number, language, *words) for language, words in notice.words.items()]),
                _put(deliveries),
                ("INSERT OR REPLACE INTO notified VALUES (?,?,?,?)", notified),
                ("DELETE FROM notices WHERE unix_ms < ?", [oldest]), *_PRUNE)
            return number

    def save(self) -> None:
        """Write what could not be written before, if there is room now."""
        with self._lock:
            if self._late:
                self._write()

    def last_notifications(self) -> dict[str, LastNotification]:
        """Return the last notification of each alarm, by its key."""
        with self._lock:
            return dict(self._notified)

    def forget(self, keys: Iterable[str]) -> None:
        """Delete the last notifications of alarms, so that they are notified again."""
        with self._lock:
            gone = [(key,) for key in keys if self._notified.pop(key, None)]
            self._write(("DELETE FROM notified WHERE key=?", gone))

    def sent_unix_ms(self, now_unix_ms: int) -> list[int]:
        """Return when the alarms and reminders of the last window were written. Those without a
        recipient do not count: they delay no later one."""
        with self._lock:
            return [at for at in self._sent_unix_ms if now_unix_ms - WINDOW_MS < at]

    def newest_unix_ms(self, kind: str) -> int | None:
        """Return when the newest notice of a kind was written, or None."""
        return self._newest_unix_ms.get(kind)

    def due(self, now_unix_ms: int) -> dict[str, list[tuple[Notice, Delivery]]]:
        """Return all that waits for each target that has a delivery due, oldest first.

        One that is due later than LONGEST_RETRY_MS from now is due: the clock was set back."""
        with self._lock:
            waiting = list(self._waiting.values())
        targets = {one.target for _, one in waiting
                   if not 0 < one.due_unix_ms - now_unix_ms <= LONGEST_RETRY_MS}
        found: dict[str, list[tuple[Notice, Delivery]]] = {}
        for notice, one in waiting:
            if one.target in targets:
                found.setdefault(one.target, []).append((notice, one))
        return found

    def mark(self, deliveries: Sequence[Delivery]) -> None:
        """Keep the outcome of deliveries."""
        with self._lock:
            for one in deliveries:
                notice, _ = self._waiting[one.notice, one.target]
                self._waiting[one.notice, one.target] = notice, one
                if one.state != "waiting":
                    del self._waiting[one.notice, one.target]
            self._write(_put(deliveries))

    def _write(self, *writes: _Write) -> None:
        """Write these, and before them what could not be written."""
        self._late = [*self._late, *writes][-MOST_LATE:]
        try:
            with self.transaction() as connection:
                for sql, rows in self._late:
                    connection.executemany(sql, rows)
        except StoreUnavailable as error:
            self.failure = error.why
        else:
            self._late, self.failure = [], ""

    def _read_waiting(self) -> dict[tuple[int, str], tuple[Notice, Delivery]]:
        """Return the stored deliveries that wait, oldest first."""
        words: dict[int, dict[str, tuple[str, str]]] = {}
        for number, language, title, body in self.query(
                "SELECT * FROM notice_words WHERE notice IN"
                " (SELECT notice FROM deliveries WHERE state='waiting')"):
            words.setdefault(number, {})[language] = (title, body)
        found = {}
        for row in self.query(
                f"SELECT {_NOTICE}, d.* FROM deliveries d JOIN notices n ON n.id = d.notice"
                " WHERE d.state='waiting' ORDER BY n.id"):
            notice = Notice(*row[:6])._replace(words=words.get(row[5], {}))
            found[row[5], row[7]] = notice, _delivery(row[6:])
        return found

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


def _put(deliveries: Iterable[Delivery]) -> _Write:
    return ("INSERT OR REPLACE INTO deliveries VALUES (?,?,?,?,?,?,?)",
            [(*one[:6], pack_reason(one.error)) for one in deliveries])
