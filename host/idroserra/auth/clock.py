"""A clock for the deadlines of sessions, passwords and set-up tokens, which cannot be set back.

It runs at the rate of the machine's uptime, so a step of the wall clock changes no deadline, and
a restart of the host neither. After a restart of the machine it is the wall clock, or the last
time that was saved if the wall clock is behind that: a machine without a battery for its clock
does not count how long it was off.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from idroserra.auth.users import AccessFile

_BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")


class Uptime(NamedTuple):
    """The time since the start of the machine, sleep included. boot_id: "" if it is unknown."""

    boot_id: str
    ms: int


def system_uptime() -> Uptime:
    """Return the uptime of this machine; without Linux, a monotonic time of this process."""
    boot_id = _boot_id()
    if not boot_id:
        return Uptime("", time.monotonic_ns() // 1_000_000)
    return Uptime(boot_id, time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000)


@cache
def _boot_id() -> str:
    return _BOOT_ID_FILE.read_text("ascii").strip() if _BOOT_ID_FILE.exists() else ""


class SecurityClock(AccessFile):
    """A clock in ms, near Unix time, that only goes forward. Its newest time is in users.db."""

    def __init__(
        self, path: Path, now_unix_ms: Callable[[], int],
        uptime: Callable[[], Uptime] = system_uptime,
    ) -> None:
        """Open users.db. Raises OSError, sqlite3.Error."""
        super().__init__(path, now_unix_ms)
        self._uptime = uptime
        now, saved = uptime(), self._saved()
        if saved is not None and now.boot_id and now.boot_id == saved[1] and now.ms >= saved[2]:
            begin_ms = saved[0] + now.ms - saved[2]
        else:
            begin_ms = max(now_unix_ms(), 0 if saved is None else saved[0])
        self._offset_ms = begin_ms - now.ms
        self.save()

    def now_ms(self) -> int:
        """Return the time."""
        return self._offset_ms + self._uptime().ms

    def save(self) -> None:
        """Save the time; not on a full disk."""
        with suppress(sqlite3.Error), self._changing() as database:
            self.save_in(database)

    def save_in(self, database: sqlite3.Connection) -> None:
        """Save the time in the transaction of another part of users.db. Raises sqlite3.Error."""
        now = self._uptime()
        database.execute("INSERT OR REPLACE INTO security_clock VALUES (1, ?, ?, ?)",
                         (self._offset_ms + now.ms, now.boot_id, now.ms))

    def close(self) -> None:
        """Save the time and close the file."""
        self.save()
        super().close()

    def _saved(self) -> tuple[int, str, int] | None:
        """Return the saved (time in ms, boot id, uptime in ms), None if there is none."""
        with self._lock:
            found: tuple[int, str, int] | None = self._reader.execute(
                "SELECT now_ms, boot_id, uptime_ms FROM security_clock").fetchone()
        return found
