"""Log-in sessions: a random id in a cookie, stored hashed.

A session ends `idle_ms` after its last use and `absolute_ms` after its log-in, on the
SecurityClock; a session of the future has ended, too. A visible page counts as use. The last use
is noted in memory and written by save_uses(). On a full disk a new session is in memory only, and
an ended one stays ended until the host stops: somebody who comes to stop the pumps gets in.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from idroserra.auth.clock import SecurityClock
from idroserra.auth.passwords import hash_token
from idroserra.auth.roles import Role, role_of
from idroserra.auth.users import AccessFile

MAX_PER_USER = 50
# Differs for another password, and for another person of this name.
_MARK = "users.password || ' ' || users.made_unix_ms"

_log = logging.getLogger("idroserra")


@dataclass(frozen=True)
class Session:
    """One open session. Its times are those of the SecurityClock."""

    hash: bytes
    user: str
    role: Role
    begun_ms: int
    used_ms: int
    confirmed_ms: int


@dataclass(frozen=True)
class _Unsaved:
    """A session that is in memory only; `mark` is the _MARK of its user when it began."""

    session: Session
    mark: str


class Sessions(AccessFile):
    """The open sessions."""

    def __init__(self, path: Path, clock: SecurityClock, idle_ms: int, absolute_ms: int) -> None:
        """Open users.db. Raises OSError, sqlite3.Error."""
        super().__init__(path, clock.now_ms)
        self.absolute_ms = absolute_ms
        self._clock = clock
        self._idle_ms = idle_ms
        self._used: dict[bytes, int] = {}  # hash: last use, not written yet
        self._unsaved: dict[bytes, _Unsaved] = {}
        self._ended: set[bytes] = set()  # that the disk did not take

    def begin(self, user: str, address: str, agent: str, confirmed_ms: int | None = None) -> str:
        """Return the id of a new session for the cookie, and delete ended sessions.

        confirmed_ms: when the user proved who they are; by default now. NEVER_AGAIN_MS: critical
        actions never ask for it."""
        session_id, now = secrets.token_urlsafe(32), self._clock.now_ms()
        confirmed = now if confirmed_ms is None else confirmed_ms
        try:
            with self._changing() as database:
                self._clock.save_in(database)
                self._write_uses(database)
                database.execute(
                    "DELETE FROM sessions WHERE used_unix_ms <= ? OR begun_unix_ms <= ?",
                    (now - self._idle_ms, now - self.absolute_ms))
                database.execute(
                    "DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE user=?"
                    " ORDER BY used_unix_ms DESC LIMIT -1 OFFSET ?)", (user, MAX_PER_USER - 1))
                database.execute(
                    "INSERT INTO sessions VALUES (?,?,?,?,?,?,?)",
                    (hash_token(session_id), user, now, now, confirmed, address, agent[:200]))
        except sqlite3.Error as error:
            _log.error("users.db: %s: the session of %s is in memory only", error, user)
            self._begin_unsaved(Session(
                hash_token(session_id), user, Role.ANYONE, now, now, confirmed))
        return session_id

    def find(self, session_id: str) -> Session | None:
        """Return the session of a cookie and note its use; None if it has ended."""
        hashed = hash_token(session_id)
        session = self._found(hashed)
        now = self._clock.now_ms()  # after the last use, which another request may just have noted
        if session is None or not self._is_open(session, now):
            return None
        with self._lock:
            unsaved = self._unsaved.get(hashed)
            if unsaved is None:
                self._used[hashed] = now
            else:
                self._unsaved[hashed] = replace(
                    unsaved, session=replace(unsaved.session, used_ms=now))
        return session

    def save_uses(self) -> None:
        """Write the last uses; without room on the disk with the next call."""
        with suppress(sqlite3.Error):
            if self._used:
                with self._changing() as database:
                    self._clock.save_in(database)
                    uses = self._write_uses(database)
                with self._lock:  # one that was used meanwhile is written with the next call
                    self._used = dict(self._used.items() - uses.items())

    def confirm(self, hashed: bytes, age_ms: int = 0) -> None:
        """Set the time at which the user proved who they are: `age_ms` ago."""
        now = self._clock.now_ms() - age_ms
        with self._lock:
            unsaved = self._unsaved.get(hashed)
            if unsaved is not None:
                self._unsaved[hashed] = replace(
                    unsaved, session=replace(unsaved.session, confirmed_ms=now))
                return
        with self._changing() as database:
            self._clock.save_in(database)
            database.execute(
                "UPDATE sessions SET confirmed_unix_ms=? WHERE hash=?", (now, hashed))

    def end(self, hashed: bytes) -> None:
        """End one session. On a full disk it has ended until the host stops; sqlite3.Error."""
        self._end_in_memory([hashed])
        with self._changing() as database:
            database.execute("DELETE FROM sessions WHERE hash=?", (hashed,))
        with self._lock:
            self._ended.discard(hashed)

    def end_all(self, user: str) -> int:
        """End all sessions of a user, as end() does, and return their number."""
        hashes = self._hashes_of(user)
        self._end_in_memory(hashes)
        with self._changing() as database:
            database.execute("DELETE FROM sessions WHERE user=?", (user,))
        with self._lock:
            self._ended.difference_update(hashes)
        return len(hashes)

    def count(self, user: str) -> int:
        """Return the number of open sessions of a user."""
        found = [self._found(hashed) for hashed in self._hashes_of(user)]
        now = self._clock.now_ms()
        return sum(one is not None and self._is_open(one, now) for one in found)

    def _is_open(self, session: Session, now: int) -> bool:
        return (0 <= now - session.used_ms < self._idle_ms
                and 0 <= now - session.begun_ms < self.absolute_ms)

    def _found(self, hashed: bytes) -> Session | None:
        """Return a session that may be too old, with the user's present role."""
        with self._lock:
            if hashed in self._ended:
                return None
            unsaved = self._unsaved.get(hashed)
            if unsaved is not None:
                return self._with_role(unsaved)
            row = self._reader.execute(
                "SELECT hash, user, role, begun_unix_ms, used_unix_ms, confirmed_unix_ms"
                " FROM sessions JOIN welcome_users ON user = name WHERE hash=?",
                (hashed,)).fetchone()
            used_ms = self._used.get(hashed, 0)
        if row is None:
            return None
        return Session(row[0], row[1], role_of(row[2]), row[3], max(row[4], used_ms), row[5])

    def _write_uses(self, database: sqlite3.Connection) -> dict[bytes, int]:
        """Write the last uses in a transaction, and return them. Raises sqlite3.Error."""
        with self._lock:
            uses = dict(self._used)
        database.executemany("UPDATE sessions SET used_unix_ms=? WHERE hash=?",
                             [(used, hashed) for hashed, used in uses.items()])
        return uses

    def _begin_unsaved(self, session: Session) -> None:
        with self._lock:
            mark, = self._reader.execute(
                f"SELECT {_MARK} FROM users WHERE name=?", (session.user,)).fetchone()
            now = session.used_ms
            self._unsaved = {hashed: one for hashed, one in self._unsaved.items()
                             if self._is_open(one.session, now)}
            own = [hashed for hashed, one in self._unsaved.items()
                   if one.session.user == session.user]
            for hashed in own[:max(0, len(own) - MAX_PER_USER + 1)]:
                del self._unsaved[hashed]
            self._unsaved[session.hash] = _Unsaved(session, mark)

    def _with_role(self, unsaved: _Unsaved) -> Session | None:
        """Return a session in memory; None if its user is gone, is locked out, has another
        password or is another person of this name."""
        row = self._reader.execute(
            f"SELECT users.role, {_MARK} FROM welcome_users JOIN users USING (name) WHERE name=?",
            (unsaved.session.user,)).fetchone()
        if row is None or row[1] != unsaved.mark:
            return None
        return replace(unsaved.session, role=role_of(row[0]))

    def _hashes_of(self, user: str) -> list[bytes]:
        with self._lock:
            rows = self._reader.execute(
                "SELECT hash FROM sessions WHERE user=?", (user,)).fetchall()
            return [row[0] for row in rows] + [
                hashed for hashed, one in self._unsaved.items() if one.session.user == user]

    def _end_in_memory(self, hashes: list[bytes]) -> None:
        with self._lock:
            self._ended.update(hashes)
            for hashed in hashes:
                self._unsaved.pop(hashed, None)
