"""API tokens: a name, a role, and a secret that is shown once and stored hashed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from idroserra.auth.errors import InvalidRequest, UnknownUserOrToken
from idroserra.auth.passwords import hash_token, new_token
from idroserra.auth.roles import Role, role_of
from idroserra.auth.users import AccessFile, check_name
from idroserra.core.text import Text
from idroserra.i18n.marker import N_

USED_EVERY_MS = 3_600_000  # minimum interval between writes of the last use


@dataclass(frozen=True)
class Token:
    """One token, without its secret."""

    name: str
    role: Role
    by: str
    made_unix_ms: int
    used_unix_ms: int | None


class Tokens(AccessFile):
    """The API tokens."""

    def __init__(self, path: Path, now_unix_ms: Callable[[], int]) -> None:
        """Open users.db. Raises OSError, sqlite3.Error."""
        super().__init__(path, now_unix_ms)
        self._used: dict[bytes, int] = {}  # hash: last use in Unix ms, not written yet

    def all(self) -> list[Token]:
        """Return all tokens, sorted by name."""
        with self._lock:
            rows = self._reader.execute(
                "SELECT name, role, by, made_unix_ms, used_unix_ms FROM tokens ORDER BY name"
            ).fetchall()
        return [Token(name, role_of(role), by, made, used) for name, role, by, made, used in rows]

    def make(self, name: str, role: Role, by: str) -> str:
        """Create a token and return its secret, to be shown once. Raises InvalidRequest."""
        plain, secret = check_name(name), new_token()
        with self._changing() as database:
            try:
                database.execute(
                    "INSERT INTO tokens VALUES (?,?,?,?,?,NULL)",
                    (plain, role.label, hash_token(secret), by, self._now_unix_ms()))
            except sqlite3.IntegrityError:
                raise InvalidRequest(Text(
                    N_("name: there is a token {name}; revoke it first"), name=plain)) from None
        return secret

    def revoke(self, name: str) -> None:
        """Revoke a token. Raises UnknownUserOrToken."""
        with self._changing() as database:
            if not database.execute("DELETE FROM tokens WHERE name=?",
                                    (name.strip().lower(),)).rowcount:
                raise UnknownUserOrToken(
                    Text(N_("token: there is no '{name}'"), name=name[:32]))

    def find(self, secret: str) -> Token | None:
        """Return the token with this secret and note its use; None if it is unknown."""
        hashed = hash_token(secret)
        with self._lock:
            row = self._reader.execute(
                "SELECT name, role, by, made_unix_ms, used_unix_ms FROM tokens WHERE hash=?",
                (hashed,)).fetchone()
        if row is None:
            return None
        token = Token(row[0], role_of(row[1]), *row[2:])
        now = self._now_unix_ms()
        if token.used_unix_ms is None or now - token.used_unix_ms >= USED_EVERY_MS:
            with self._lock:
                self._used[hashed] = now
        return token

    def save_uses(self) -> None:
        """Write the last uses; without room on the disk with the next call."""
        with self._lock:
            uses = dict(self._used)
        if not uses:
            return
        with suppress(sqlite3.Error):
            with self._changing() as database:
                database.executemany("UPDATE tokens SET used_unix_ms=? WHERE hash=?",
                                     [(used, hashed) for hashed, used in uses.items()])
            with self._lock:  # one that was used meanwhile is written with the next call
                self._used = dict(self._used.items() - uses.items())
