"""Log-in sessions: a random id in a cookie, stored hashed.

A session ends `idle_ms` after its last use and `absolute_ms` after its log-in. A visible page
counts as use.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from idroserra.auth.passwords import hash_token
from idroserra.auth.roles import Role, role_of
from idroserra.auth.users import AccessFile

USED_EVERY_MS = 30_000  # minimum interval between writes of the last use
MAX_PER_USER = 50
NEVER_AGAIN = 2**53


@dataclass(frozen=True)
class Session:
    """One open session."""

    hash: bytes
    user: str
    role: Role
    begun_unix_ms: int
    used_unix_ms: int
    confirmed_unix_ms: int


class Sessions(AccessFile):
    """The open sessions."""

    def __init__(
        self, path: Path, now_unix_ms: Callable[[], int], idle_ms: int, absolute_ms: int
    ) -> None:
        """Open users.db. Raises OSError, sqlite3.Error."""
        super().__init__(path, now_unix_ms)
        self.absolute_ms = absolute_ms
        self._idle_ms = idle_ms

    def begin(self, user: str, address: str, agent: str, *, is_asked_again: bool = True) -> str:
        """Return the id of a new session for the cookie, and delete ended sessions.

        is_asked_again: whether critical actions ask for the password again after FRESH_MS."""
        session_id, now = secrets.token_urlsafe(32), self._now_unix_ms()
        confirmed = now if is_asked_again else NEVER_AGAIN
        with self._changing() as database:
            database.execute(
                "DELETE FROM sessions WHERE used_unix_ms <= ? OR begun_unix_ms <= ?",
                (now - self._idle_ms, now - self.absolute_ms))
            database.execute(
                "DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE user=?"
                " ORDER BY used_unix_ms DESC LIMIT -1 OFFSET ?)", (user, MAX_PER_USER - 1))
            database.execute(
                "INSERT INTO sessions VALUES (?,?,?,?,?,?,?)",
                (hash_token(session_id), user, now, now, confirmed, address, agent[:200]))
        return session_id

    def find(self, session_id: str) -> Session | None:
        """Return the session of a cookie and record its use; None if it has ended."""
        hashed, now = hash_token(session_id), self._now_unix_ms()
        with self._lock:
            row = self._database.execute(
                "SELECT hash, user, role, begun_unix_ms, used_unix_ms, confirmed_unix_ms"
                " FROM sessions JOIN users ON user = name WHERE hash=?", (hashed,)).fetchone()
        if row is None:
            return None
        session = Session(row[0], row[1], role_of(row[2]), *row[3:])
        if (now - session.used_unix_ms >= self._idle_ms
                or now - session.begun_unix_ms >= self.absolute_ms):
            return None
        if now - session.used_unix_ms >= min(USED_EVERY_MS, self._idle_ms // 2):
            # On a full disk the session stays valid: stopping the pumps must work.
            with suppress(sqlite3.Error), self._changing() as database:
                database.execute("UPDATE sessions SET used_unix_ms=? WHERE hash=?", (now, hashed))
        return session

    def confirm(self, hashed: bytes) -> None:
        """Set the time of the last password check to now."""
        with self._changing() as database:
            database.execute("UPDATE sessions SET confirmed_unix_ms=? WHERE hash=?",
                             (self._now_unix_ms(), hashed))

    def end(self, hashed: bytes) -> None:
        """End one session."""
        with self._changing() as database:
            database.execute("DELETE FROM sessions WHERE hash=?", (hashed,))

    def end_all(self, user: str) -> int:
        """End all sessions of a user and return their number."""
        with self._changing() as database:
            return database.execute("DELETE FROM sessions WHERE user=?", (user,)).rowcount

    def count(self, user: str) -> int:
        """Return the number of open sessions of a user."""
        now = self._now_unix_ms()
        with self._lock:
            found: int = self._database.execute(
                "SELECT COUNT(*) FROM sessions WHERE user=? AND used_unix_ms > ?"
                " AND begun_unix_ms > ?",
                (user, now - self._idle_ms, now - self.absolute_ms)).fetchone()[0]
        return found
