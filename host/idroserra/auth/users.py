"""Users in users.db: name, role, password hash, and the one-time set-up token.

A user of an OpenID provider has no password, and is bound to the issuer and its subject: names and
addresses of a provider may change hands, these do not. Its role is that of its last log-in there.
"""

from __future__ import annotations

import re
import sqlite3
import threading
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from idroserra.auth.errors import InvalidRequest, LockedOut, UnknownUserOrToken
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
MOST_NAME_CHARS = 32
NAME = re.compile(r"[a-z][a-z0-9._-]{0,31}")
# Names with another meaning in the logs of nodes and host.
_RESERVED = frozenset(
    {"anonymous", "api", "cli", "control", "host", "local", "recipe", "setup", "token"})

SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    name TEXT PRIMARY KEY, role TEXT NOT NULL, password TEXT NOT NULL,
    made_unix_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS openid_users (
    issuer TEXT NOT NULL, subject TEXT NOT NULL, user TEXT NOT NULL UNIQUE,
    is_locked_out INTEGER NOT NULL, PRIMARY KEY (issuer, subject)
) WITHOUT ROWID;
CREATE VIEW IF NOT EXISTS welcome_users AS SELECT name, role, password FROM users
    WHERE name NOT IN (SELECT user FROM openid_users WHERE is_locked_out);
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
    """One user. issuer, subject: who it is at an OpenID provider, "" for one with a password."""

    name: str
    role: Role
    made_unix_ms: int
    issuer: str = ""
    subject: str = ""
    is_locked_out: bool = False


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
                "SELECT name, role, made_unix_ms, coalesce(issuer, ''), coalesce(subject, ''),"
                " coalesce(is_locked_out, 0) FROM users LEFT JOIN openid_users ON user = name"
                " ORDER BY name").fetchall()
        return [User(name, role_of(role), made, issuer, subject, bool(locked))
                for name, role, made, issuer, subject, locked in rows]

    def get(self, name: str) -> User:
        """Return a user. Raises UnknownUserOrToken."""
        found = next((user for user in self.all() if user.name == _plain(name)), None)
        if found is None:
            raise UnknownUserOrToken(Text(N_("user: there is no '{name}'"), name=name[:32]))
        return found

    @property
    def has_admin(self) -> bool:
        """Whether an admin with a password exists, who is let in without a network."""
        return bool(self._admins())

    def _admins(self) -> list[User]:
        return [one for one in self.all() if one.role is Role.ADMIN and not one.issuer]

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
        _check_has_password(user)
        check_password(password, user.name)
        hashed = hash_password(password)
        with self._changing() as database:
            database.execute("UPDATE users SET password=? WHERE name=?", (hashed, user.name))
            database.execute("DELETE FROM sessions WHERE user=? AND hash<>?", (user.name, keep))

    def set_role(self, name: str, role: Role) -> None:
        """Change a role, also in open sessions. Raises UnknownUserOrToken, InvalidRequest."""
        with self._changing() as database:
            user = self.get(name)
            _check_has_password(user)
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
            database.execute("DELETE FROM openid_users WHERE user=?", (user.name,))

    def of_provider(self, issuer: str, subject: str) -> User | None:
        """Return the user that is this subject at an OpenID provider."""
        found = (one for one in self.all() if (one.issuer, one.subject) == (issuer, subject))
        return next(found, None) if issuer else None

    def enter(self, issuer: str, subject: str, wanted_name: str, role: Role) -> User:
        """Return the user of a person whom an OpenID provider lets in with `role`; a new one if it
        is their first time. A lower role than before ends their sessions.

        Raises LockedOut."""
        known = self._known(issuer, subject)
        if known is not None and known.role is role:
            return known  # nothing to write: a full disk keeps no one out
        with self._changing() as database:
            known = self._known(issuer, subject)
            if known is None:
                user = self._insert(database, self._free_name(wanted_name), role, "")
                database.execute("INSERT INTO openid_users VALUES (?,?,?,0)",
                                 (issuer, subject, user.name))
                return replace(user, issuer=issuer, subject=subject)
            database.execute("UPDATE users SET role=? WHERE name=?", (role.label, known.name))
            if role < known.role:
                database.execute("DELETE FROM sessions WHERE user=?", (known.name,))
        return replace(known, role=role)

    def _known(self, issuer: str, subject: str) -> User | None:
        user = self.of_provider(issuer, subject)
        if user is not None and user.is_locked_out:
            raise LockedOut(user.name)
        return user

    def lock_out(self, name: str, *, is_locked_out: bool) -> None:
        """Keep a user of an OpenID provider out, or let them in again.

        Raises UnknownUserOrToken, InvalidRequest."""
        with self._changing() as database:
            user = self.get(name)
            if not user.issuer:
                raise InvalidRequest(Text(
                    N_("{name}: has a password; remove the user instead"), name=user.name))
            database.execute("UPDATE openid_users SET is_locked_out=? WHERE user=?",
                             (is_locked_out, user.name))

    def _free_name(self, wanted: str) -> str:
        """Return the name nearest to `wanted` that is valid and not taken."""
        ascii_name = unicodedata.normalize("NFKD", wanted.partition("@")[0].lower())
        plain = re.sub(r"[^a-z0-9._-]+", "-", ascii_name.encode("ascii", "ignore").decode())
        stem = re.sub(r"^[^a-z]+", "", plain).rstrip("-._")[:MOST_NAME_CHARS] or "user"
        taken = _RESERVED | {one.name for one in self.all()}
        name, number = stem, 1
        while name in taken:
            number += 1
            name = f"{stem[:MOST_NAME_CHARS - len(str(number)) - 1]}-{number}"
        return name

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
        if [user] == self._admins():
            raise InvalidRequest(Text(
                N_("{name}: the only admin with a password; make another one first"),
                name=user.name))

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


def _check_has_password(user: User) -> None:
    if user.issuer:
        raise InvalidRequest(Text(
            N_("{name}: logs in at {issuer}, which decides on role and password"),
            name=user.name, issuer=user.issuer))


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
