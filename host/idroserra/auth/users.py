"""Users in users.db: name, role, password hash, and the one-time set-up token."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from idroserra.auth.errors import InvalidRequest, UnknownUserOrToken
from idroserra.auth.passwords import (
    check_password,
    hash_password,
    hash_token,
    is_password,
    new_token,
)
from idroserra.auth.roles import Role, role_of
from idroserra.core.sqlite import connect, connect_reader, transaction
from idroserra.core.text import Text
from idroserra.i18n.marker import N_

SETUP_MS = 86_400_000
NAME = re.compile(r"[a-z][a-z0-9._-]{0,31}")
# Names with another meaning in the logs of nodes and host.
_RESERVED = frozenset({"api", "cli", "control", "host", "local", "recipe", "setup", "token"})

SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    name TEXT PRIMARY KEY, role TEXT NOT NULL, password TEXT NOT NULL,
    made_unix_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sessions (
    hash BLOB PRIMARY KEY, user TEXT NOT NULL, begun_unix_ms INTEGER NOT NULL,
    used_unix_ms INTEGER NOT NULL, confirmed_unix_ms INTEGER NOT NULL,
    address TEXT NOT NULL, agent TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tokens (
    name TEXT PRIMARY KEY, role TEXT NOT NULL, hash BLOB NOT NULL UNIQUE, by TEXT NOT NULL,
    made_unix_ms INTEGER NOT NULL, used_unix_ms INTEGER
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS preferences (
    user TEXT PRIMARY KEY, language TEXT NOT NULL, ec TEXT NOT NULL, temperature TEXT NOT NULL,
    volume TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS setup (
    only_one INTEGER PRIMARY KEY CHECK (only_one = 1), hash BLOB NOT NULL,
    ends_unix_ms INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS security_clock (
    only_one INTEGER PRIMARY KEY CHECK (only_one = 1), now_ms INTEGER NOT NULL,
    boot_id TEXT NOT NULL, uptime_ms INTEGER NOT NULL
);
"""


@dataclass(frozen=True)
class User:
    """One user."""

    name: str
    role: Role
    made_unix_ms: int


class AccessFile:
    """Thread-safe access to users.db, which host and command line may write.

    Reading waits for no write: a stop is not delayed by a slow or locked disk."""

    def __init__(self, path: Path, now_unix_ms: Callable[[], int]) -> None:
        """Open or create the file. Raises OSError, sqlite3.Error."""
        self._now_unix_ms = now_unix_ms
        self._lock = threading.RLock()  # of the reader and of memory; no write is awaited with it
        self._write_lock = threading.Lock()
        self._database = connect(path, SCHEMA)
        self._reader = connect_reader(path)

    def close(self) -> None:
        """Close the file."""
        with self._write_lock, self._lock:
            self._reader.close()
            self._database.close()

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """Run a transaction: commit, or roll back on an exception.

        What is read meanwhile by other methods is the file as it was before."""
        with self._write_lock, transaction(self._database):
            yield self._database


class Users(AccessFile):
    """The users. Names are lower case."""

    def __init__(
        self, path: Path, now_unix_ms: Callable[[], int], security_ms: Callable[[], int]
    ) -> None:
        """Open users.db; `security_ms` is the time of the SecurityClock. Raises OSError,
        sqlite3.Error."""
        super().__init__(path, now_unix_ms)
        self._security_ms = security_ms

    def all(self) -> list[User]:
        """Return all users, sorted by name."""
        with self._lock:
            rows = self._reader.execute(
                "SELECT name, role, made_unix_ms FROM users ORDER BY name").fetchall()
        return [User(name, role_of(role), made) for name, role, made in rows]

    def get(self, name: str) -> User:
        """Return a user. Raises UnknownUserOrToken."""
        found = next((user for user in self.all() if user.name == _plain(name)), None)
        if found is None:
            raise UnknownUserOrToken(Text(N_("user: there is no '{name}'"), name=name[:32]))
        return found

    @property
    def has_admin(self) -> bool:
        """Whether an admin exists."""
        return any(user.role is Role.ADMIN for user in self.all())

    def add(self, name: str, role: Role, password: str) -> User:
        """Add a user. Raises InvalidRequest."""
        plain = _checked(name)
        check_password(password, plain)
        hashed = hash_password(password)
        with self._changing() as database:
            return self._insert(database, plain, role, hashed)

    def check(self, name: str, password: str) -> User | None:
        """Return the user if the password is right, else None. Both take the same time."""
        with self._lock:
            row = self._reader.execute(
                "SELECT password FROM users WHERE name=?", (_plain(name),)).fetchone()
        if not is_password(None if row is None else row[0], password):
            return None
        try:
            return self.get(name)
        except UnknownUserOrToken:  # removed meanwhile
            return None

    def set_password(self, name: str, password: str, keep: bytes = b"") -> None:
        """Change a password and end the user's sessions, except the one with the hash `keep`.

        Raises UnknownUserOrToken, InvalidRequest."""
        user = self.get(name)
        check_password(password, user.name)
        hashed = hash_password(password)
        with self._changing() as database:
            database.execute("UPDATE users SET password=? WHERE name=?", (hashed, user.name))
            database.execute("DELETE FROM sessions WHERE user=? AND hash<>?", (user.name, keep))

    def set_role(self, name: str, role: Role) -> None:
        """Change a role, also in open sessions. Raises UnknownUserOrToken, InvalidRequest."""
        with self._changing() as database:
            user = self.get(name)
            if role is not Role.ADMIN:
                self._check_not_last(user)
            database.execute("UPDATE users SET role=? WHERE name=?", (role.label, user.name))

    def remove(self, name: str) -> None:
        """Remove a user and end their sessions. Raises UnknownUserOrToken, InvalidRequest."""
        with self._changing() as database:
            user = self.get(name)
            self._check_not_last(user)
            database.execute("DELETE FROM users WHERE name=?", (user.name,))
            database.execute("DELETE FROM sessions WHERE user=?", (user.name,))
            database.execute("DELETE FROM preferences WHERE user=?", (user.name,))

    def new_setup_token(self) -> str:
        """Return a new set-up token: it creates the first admin, once, within a day.

        It replaces an older one. Raises InvalidRequest if an admin exists."""
        token = new_token()
        with self._changing() as database:
            self._check_no_admin()
            database.execute(
                "INSERT OR REPLACE INTO setup VALUES (1, ?, ?)",
                (hash_token(token), self._security_ms() + SETUP_MS))
        return token

    def set_up(self, token: str, name: str, password: str) -> User:
        """Create the first admin. Raises InvalidRequest; the token then remains valid."""
        self._check_setup(token)
        plain = _checked(name)
        check_password(password, plain)
        hashed = hash_password(password)
        with self._changing() as database:
            self._check_setup(token)
            user = self._insert(database, plain, Role.ADMIN, hashed)
            database.execute("DELETE FROM setup")
        return user

    def _insert(self, database: sqlite3.Connection, name: str, role: Role, hashed: str) -> User:
        now = self._now_unix_ms()
        try:
            database.execute("INSERT INTO users VALUES (?,?,?,?)", (name, role.label, hashed, now))
        except sqlite3.IntegrityError:
            raise InvalidRequest(Text(N_("name: {name} is taken"), name=name)) from None
        return User(name, role, now)

    def _check_not_last(self, user: User) -> None:
        admins = [one for one in self.all() if one.role is Role.ADMIN]
        if [user] == admins:
            raise InvalidRequest(Text(
                N_("{name}: the only admin; make another one first"), name=user.name))

    def _check_no_admin(self) -> None:
        if self.has_admin:
            raise InvalidRequest(N_(
                "there is an admin already: let them add you, or give you a new password"))

    def _check_setup(self, token: str) -> None:
        with self._lock:
            row = self._reader.execute("SELECT hash, ends_unix_ms FROM setup").fetchone()
        self._check_no_admin()
        if row is None or row[0] != hash_token(token):
            raise InvalidRequest(N_("token: not the host's newest setup token"))
        if not 0 <= row[1] - self._security_ms() <= SETUP_MS:
            raise InvalidRequest(
                N_("token: too old; the host prints a new one when it is restarted"))


def _plain(name: str) -> str:
    return name.strip().lower()


def check_name(name: str) -> str:
    """Return a name in its stored form. Raises InvalidRequest."""
    plain = _plain(name)
    if not NAME.fullmatch(plain):
        raise InvalidRequest(N_("name: 1 to 32 of a-z, 0-9, . _ and -, a letter first"))
    return plain


def _checked(name: str) -> str:
    plain = check_name(name)
    if plain in _RESERVED:
        raise InvalidRequest(
            Text(N_("name: {name} means the machine; choose another one"), name=plain))
    return plain
