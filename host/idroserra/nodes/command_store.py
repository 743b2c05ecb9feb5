"""The commands in state.db."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from idroserra.core.sqlite import connect
from idroserra.nodes.command_state import COLUMNS, SCHEMA, UPGRADES, CommandState, from_row, store


class CommandStore:
    """The stored commands. Any thread may call; `lock` is held meanwhile."""

    def __init__(self, path: Path) -> None:
        """Open state.db. Raises OSError, sqlite3.Error, StoreUnavailable."""
        self.lock = threading.RLock()
        self._database = connect(path, SCHEMA, UPGRADES)

    def pending(self) -> list[CommandState]:
        """Return the commands without an outcome, oldest first."""
        with self.lock:
            rows = self._database.execute(
                f"SELECT {COLUMNS} FROM commands WHERE state='pending' ORDER BY number")
            return [from_row(row) for row in rows]

    def find(self, command_id: str) -> CommandState | None:
        """Return a command, None for an unknown id."""
        with self.lock:
            row = self._database.execute(
                f"SELECT {COLUMNS} FROM commands WHERE id=?", (command_id,)).fetchone()
        return None if row is None else from_row(row)

    def recent(self, node: str, count: int) -> list[CommandState]:
        """Return the newest commands of a node, newest first."""
        with self.lock:
            rows = self._database.execute(f"SELECT {COLUMNS} FROM commands WHERE node=?"
                                          " ORDER BY number DESC LIMIT ?", (node, count))
            return [from_row(row) for row in rows]

    def store(self, command: CommandState) -> bool:
        """Store a command or its new state; return False if the disk does not take it."""
        with self.lock:
            try:
                store(self._database, command)
            except sqlite3.Error:
                return False
        return True

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
        """Close the file."""
        with self.lock:
            self._database.close()
