"""The commands in state.db. What the disk does not take of a stop or an outcome is stored later.

Otherwise a stop that ended on a full disk would be pending again after a restart of the host, and
one that waits would not.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from idroserra.core.sqlite import connect, transaction
from idroserra.nodes.command_state import (
    COLUMNS,
    KEPT_COUNT,
    SCHEMA,
    UPGRADES,
    CommandState,
    from_row,
    store,
)

UNSAVED_AGAIN_MS = 60_000


class CommandStore:
    """The stored commands. Any thread may call; `lock` is held meanwhile."""

    def __init__(self, path: Path) -> None:
        """Open state.db. Raises OSError, sqlite3.Error, StoreUnavailable."""
        self.lock = threading.RLock()
        self._database = connect(path, SCHEMA, UPGRADES)
        self._unsaved: dict[str, CommandState] = {}  # stops and outcomes; the last KEPT_COUNT
        self._tried_ms: int | None = None

    def pending(self) -> list[CommandState]:
        """Return the commands without an outcome, oldest first."""
        with self.lock:
            rows = self._database.execute(
                f"SELECT {COLUMNS} FROM commands WHERE state='pending' ORDER BY number")
            return [from_row(row) for row in rows]

    def find(self, command_id: str) -> CommandState | None:
        """Return a command, None for an unknown id."""
        with self.lock:
            if command_id in self._unsaved:
                return self._unsaved[command_id]
            row = self._database.execute(
                f"SELECT {COLUMNS} FROM commands WHERE id=?", (command_id,)).fetchone()
        return None if row is None else from_row(row)

    def recent(self, node: str, count: int) -> list[CommandState]:
        """Return the newest commands of a node, newest first."""
        with self.lock:
            rows = self._database.execute(f"SELECT {COLUMNS} FROM commands WHERE node=?"
                                          " ORDER BY number DESC LIMIT ?", (node, count))
            found = [from_row(row) for row in rows]
            return [self._unsaved.get(one.id, one) for one in found]

    def store(self, command: CommandState) -> None:
        """Store a command or its new state; keep a stop or an outcome that the disk does not
        take."""
        with self.lock:
            self._unsaved.pop(command.id, None)
            try:
                store(self._database, command)
            except sqlite3.Error:
                if command.verb == "stop" or command.state != "pending":
                    self._unsaved[command.id] = command
                if len(self._unsaved) > KEPT_COUNT:
                    del self._unsaved[next(iter(self._unsaved))]

    def save_unsaved(self, now_ms: int) -> None:
        """Store what the disk did not take; each UNSAVED_AGAIN_MS of the machine's uptime."""
        with self.lock:
            is_due = self._tried_ms is None or now_ms - self._tried_ms >= UNSAVED_AGAIN_MS
            if is_due and self._unsaved:
                self._tried_ms = now_ms
                self._save_unsaved()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Store what is stored meanwhile in one transaction, or without one each by itself."""
        with self.lock:
            with suppress(sqlite3.Error):
                self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
            finally:
                if self._database.in_transaction:  # a full disk may have ended it
                    with suppress(sqlite3.Error):
                        self._database.execute("COMMIT")
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")

    def close(self) -> None:
        """Store what the disk did not take, and close the file."""
        with self.lock:
            self._save_unsaved()
            self._database.close()

    def _save_unsaved(self) -> None:
        if not self._unsaved:
            return
        with suppress(sqlite3.Error):
            with transaction(self._database):
                for command in self._unsaved.values():
                    store(self._database, command)
            self._unsaved.clear()
