"""What workers say of themselves, in the spool that they share with the host: a row each.

A worker (worker.py) renews it every few seconds, and counts what it takes in the commit of the
records themselves. Who is dead says nothing: that is how the host, its alarms and the doctor know.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from idroserra.web.display import duration_text

RENEW_MS = 5_000
SILENT_MS = 4 * RENEW_MS
BEHIND_MS = 30_000
CONNECTED, STOPPED = "connected", "stopped"

SIGNS_SCHEMA = """
CREATE TABLE IF NOT EXISTS workers (
    name TEXT PRIMARY KEY, started_unix_ms INTEGER NOT NULL, seen_unix_ms INTEGER NOT NULL,
    state TEXT NOT NULL, behind_ms INTEGER NOT NULL, records INTEGER NOT NULL DEFAULT 0,
    duplicates INTEGER NOT NULL DEFAULT 0
);
"""


class WorkerSign(NamedTuple):
    """The last of one worker.

    state: CONNECTED, STOPPED by somebody, or what keeps it from the broker. behind_ms: how long
    the oldest message that it had in hand had waited. records, duplicates: of all its time."""

    name: str
    started_unix_ms: int
    seen_unix_ms: int
    state: str
    behind_ms: int
    records: int = 0
    duplicates: int = 0

    def trouble(self, now_unix_ms: int) -> str | None:
        """Return what is wrong with the worker now; None for one that works or was stopped."""
        silent_ms = now_unix_ms - self.seen_unix_ms
        if self.state == STOPPED:
            return None
        if silent_ms > SILENT_MS:
            return f"silent for {duration_text(silent_ms)}: it was killed, or hangs"
        if self.state != CONNECTED:
            return f"not at the broker: {self.state}"
        if self.behind_ms > BEHIND_MS:
            return f"{duration_text(self.behind_ms)} behind with what arrives"
        return None


def sign(database: sqlite3.Connection, told: WorkerSign) -> None:
    """Renew the row of a worker; what it has counted stays."""
    database.execute(
        "INSERT INTO workers (name, started_unix_ms, seen_unix_ms, state, behind_ms)"
        " VALUES (?,?,?,?,?) ON CONFLICT (name) DO UPDATE SET"
        " started_unix_ms=excluded.started_unix_ms, seen_unix_ms=excluded.seen_unix_ms,"
        " state=excluded.state, behind_ms=excluded.behind_ms", told[:5])


def count(database: sqlite3.Connection, name: str, records: int, duplicates: int) -> None:
    """Add what a worker took in one commit, within it."""
    database.execute(
        "UPDATE workers SET records=records+?, duplicates=duplicates+? WHERE name=?",
        (records, duplicates, name))


def forget(database: sqlite3.Connection, name: str) -> bool:
    """Remove the row of a worker that is given up for good; False where there is none."""
    return database.execute("DELETE FROM workers WHERE name=?", (name,)).rowcount > 0


def read_signs(database: sqlite3.Connection) -> list[WorkerSign]:
    """Return the last sign of every worker, by name."""
    return [WorkerSign(*row) for row in database.execute("SELECT * FROM workers ORDER BY name")]
