"""The settings that nodes reported, as time series in state.db: history is judged by them.

A row has what changed from the row before. Rows that ended before the retention of the store are
deleted; the last one before it stays.

A write takes milliseconds if a node has many revisions. A thread makes it, for all waiting changes
of a node at once, so that the ingest does not wait.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from idroserra.core import protocol
from idroserra.core.errors import StoreUnavailable
from idroserra.core.sqlite import Database
from idroserra.nodes.node import Node
from idroserra.setpoints.series import (
    Revision,
    SettingsSeries,
    pruned,
    series_of,
    with_event,
    with_report,
)

DAY_MS = 86_400_000
MAX_REVISIONS = 2_000  # of a node: a change a day for five years
MAX_WAITING = 500  # changes of a node; the newest are kept
REST_PER_WRITE = 4  # rest after a write, in durations of the write: a fifth of a CPU at most

_SCHEMA = """
CREATE TABLE IF NOT EXISTS settings_history (
    node TEXT NOT NULL, life INTEGER NOT NULL, rev INTEGER NOT NULL,
    from_unix_ms INTEGER NOT NULL, is_exact INTEGER NOT NULL, boot_id TEXT NOT NULL,
    changes TEXT,
    PRIMARY KEY (node, life, rev)
) WITHOUT ROWID;
"""
_SELECT = ("SELECT life, rev, from_unix_ms, is_exact, boot_id, changes FROM settings_history"
           " WHERE node=? ORDER BY life, rev")

_Row = tuple[int, int, int, bool, str, str | None]
_Change = Callable[[Sequence[Revision]], list[Revision]]
_Waiting = deque[tuple[int, _Change]]


class SettingsHistory:
    """The series of every node. Thread-safe."""

    def __init__(self, path: Path, keep_days: int = 0) -> None:
        """Open the tables in the file `path`. keep_days: 0 is for ever. Raises StoreUnavailable,
        OSError, sqlite3.Error."""
        self._keep_ms = keep_days * DAY_MS
        self._database = Database(path, _SCHEMA)
        self._lock = threading.Lock()  # of _waiting
        self._writing = threading.Lock()
        self._newest: dict[str, tuple[str, int, Mapping[str, Any]]] = {}
        self._waiting: dict[str, _Waiting] = {}
        self._is_waiting, self._ending = threading.Event(), threading.Event()

    def run(self) -> None:
        """Write changes until stop(). The loop of one thread."""
        while not self._ending.is_set():
            self._is_waiting.wait()
            self._is_waiting.clear()
            for node in self._nodes_waiting():
                began_s = time.monotonic()
                with suppress(StoreUnavailable):
                    self._write(node)
                if self._ending.wait(REST_PER_WRITE * (time.monotonic() - began_s)):
                    return

    def stop(self) -> None:
        """End run(); close() writes what is left."""
        self._ending.set()
        self._is_waiting.set()

    def begin(self, nodes: Iterable[Node], now_unix_ms: int) -> None:
        """Add the settings of nodes without a series, as of now: those of an earlier version."""
        known = {node for node, in self._database.query("SELECT node FROM settings_history")}
        for node in nodes:
            if node.report is not None and node.node not in known:
                self.on_report(node.node, node.report, "", now_unix_ms)

    def on_report(
        self, node: str, report: protocol.ConfigReport, boot_id: str, unix_ms: int
    ) -> None:
        """Take a report of the active settings that arrived at unix_ms; boot_id "" for a copy
        that the broker kept."""
        newest = boot_id, report.rev, report.values
        if self._newest.get(node) == newest:
            return
        self._newest[node] = newest
        self._change(node, unix_ms, lambda known: with_report(
            known, report.rev, report.values, boot_id, unix_ms))

    def on_configured(
        self, node: str, detail: Mapping[str, Any], boot_id: str, unix_ms: int
    ) -> None:
        """Take an event `configured`: when a revision became active."""
        rev = detail.get("rev")
        if isinstance(rev, int):
            self._change(node, unix_ms, lambda known: with_event(
                known, rev, unix_ms, boot_id))

    def of(self, node: Node) -> SettingsSeries:
        """Return the series of a node. Raises StoreUnavailable."""
        with suppress(StoreUnavailable):  # a full disk: what was written before is the answer
            self._write(node.node)
        found = series_of(_revisions(self._database.query(_SELECT, (node.node,))))
        if found.begins or node.report is None:
            return found
        return SettingsSeries((node.report_unix_ms or 0,), (node.report.values,))  # unsaved yet

    def close(self) -> None:
        """Write what waits and close the file."""
        for node in self._nodes_waiting():
            with suppress(StoreUnavailable):
                self._write(node)
        self._database.close()

    def _change(self, node: str, unix_ms: int, change: _Change) -> None:
        """Let a change wait for the thread; while the disk is full it waits for the next one."""
        with self._lock:
            self._waiting.setdefault(node, deque(maxlen=MAX_WAITING)).append((unix_ms, change))
        self._is_waiting.set()

    def _nodes_waiting(self) -> list[str]:
        with self._lock:
            return list(self._waiting)

    def _write(self, node: str) -> None:
        """Write the changes of a node that wait. Raises StoreUnavailable: they wait on."""
        with self._writing:
            with self._lock:
                changes = self._waiting.pop(node, None)
            if changes is None:
                return
            try:
                self._apply(node, changes)
            except StoreUnavailable:
                with self._lock:
                    changes.extend(self._waiting.get(node, ()))
                    self._waiting[node] = changes
                raise

    def _apply(self, node: str, changes: _Waiting) -> None:
        rows: list[_Row] = self._database.query(_SELECT, (node,))
        before = after = _revisions(rows)
        for _, change in changes:
            after = change(after)
        keep_from = max(at for at, _ in changes) - self._keep_ms if self._keep_ms else 0
        after = pruned(after, keep_from, MAX_REVISIONS)
        same = sum(1 for _ in takewhile(
            lambda pair: pair[0] is pair[1], zip(before, after, strict=False)))
        values: Mapping[str, Any] = next(
            (one.values for one in reversed(after[:same]) if one.values), {})
        gone_and_new = rows[same:], _rows(after[same:], values)
        with self._database.transaction() as connection:
            _save(connection, node, *gone_and_new)


def _save(connection: Connection, node: str, before: list[_Row], after: list[_Row]) -> None:
    """Delete and insert the rows that differ."""
    gone, new = set(before) - set(after), set(after) - set(before)
    connection.executemany("DELETE FROM settings_history WHERE node=? AND life=? AND rev=?",
                           [(node, *row[:2]) for row in gone])
    connection.executemany("INSERT INTO settings_history VALUES (?,?,?,?,?,?,?)",
                           [(node, *row) for row in new])


def _revisions(rows: Iterable[_Row]) -> list[Revision]:
    """Return the revisions of rows: each with all its settings."""
    found, values = [], dict[str, Any]()
    for life, rev, from_unix_ms, is_exact, boot_id, changes in rows:
        if changes is not None:
            changed = json.loads(changes)
            values = {**values, **changed}
            if None in changed.values():
                values = {key: value for key, value in values.items() if value is not None}
        found.append(Revision(life, rev, from_unix_ms, bool(is_exact), boot_id,
                              None if changes is None else values))
    return found


def _rows(revisions: Iterable[Revision], before: Mapping[str, Any]) -> list[_Row]:
    """Return the rows of revisions after the settings `before`: each with what changed; null is a
    setting that went."""
    found: list[_Row] = []
    for one in revisions:
        changes = None
        if one.values is not None:
            changes = json.dumps({
                **{key: None for key in before if key not in one.values},
                **{key: value for key, value in one.values.items() if before.get(key) != value},
            }, sort_keys=True)
            before = one.values
        found.append((one.life, one.rev, one.from_unix_ms, one.is_exact, one.boot_id, changes))
    return found
