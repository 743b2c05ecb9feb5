"""Keeps tokens that were revoked and people who were locked out since a backup from coming back
with its restore."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from idroserra.auth.errors import LockedOut
from idroserra.auth.roles import Role
from idroserra.auth.tokens import Tokens
from idroserra.auth.users import Users
from idroserra.core.sqlite import connect_reader
from idroserra.i18n.translate import gettext as _

_USERS, _AUDIT = "users.db", "audit.db"


class _Access(NamedTuple):
    """What the folder to be replaced has."""

    tokens: frozenset[bytes]  # their hashes
    users: frozenset[str]
    locked_out: tuple[tuple[str, str, str], ...]  # issuer, subject, name


def withdraw_access(staging: Path, folder: Path, report: Callable[[str], None]) -> None:
    """Withdraw in `staging` the tokens that `folder`, which is to be replaced, no longer has, lock
    out whom it locks out, and report the users that come back.

    That needs an audit log in `folder` that continues that of the backup: else it is of another
    host, or another backup was restored since. Damage in `folder` is reported only. Raises
    sqlite3.Error."""
    if not (staging / _USERS).exists() or not (folder / _USERS).exists():
        return
    path = folder / _AUDIT
    try:
        is_same = path.exists() and _continues(path, staging / _AUDIT)
        path = folder / _USERS
        now = _read(path) if is_same else None
    except sqlite3.Error as error:
        report(f"{path}: {error}")
        now = None
    if now is None:
        report(_("tokens that were revoked and people who were locked out since the backup have "
                 "access again: compare with what was in {file}").format(file=folder / _USERS))
        return
    with closing(Tokens(staging / _USERS, _no_time)) as tokens:
        revoked = sorted(name for name, secret in _tokens(staging / _USERS)
                         if secret not in now.tokens)
        for name in revoked:
            tokens.revoke(name)
    with closing(Users(staging / _USERS, _no_time, _no_time)) as users:
        back = sorted(one.name for one in users.all() if one.name not in now.users)
        for issuer, subject, name in now.locked_out:
            with suppress(LockedOut):  # they are, in the backup too
                user = users.enter(issuer, subject, name, Role.VIEWER)
                users.lock_out(user.name, is_locked_out=True)
    if revoked:
        report(_("tokens that were revoked since the backup stay revoked: {names}").format(
            names=", ".join(revoked)))
    if back:
        report(_("users who were removed since the backup can log in again: {names}").format(
            names=", ".join(back)))


def _no_time() -> int:
    return 0


def _continues(current: Path, older: Path) -> bool:
    """Return whether the last row of the log `older` is in `current`. Raises sqlite3.Error."""
    if not older.exists():
        return False
    with closing(connect_reader(older)) as log:
        row = log.execute("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    with closing(connect_reader(current)) as log:
        return row is not None and log.execute(
            "SELECT 1 FROM audit WHERE (seq, hash) = (?, ?)", row).fetchone() is not None


def _read(path: Path) -> _Access:
    """Read what is in force. Raises sqlite3.Error."""
    with closing(connect_reader(path)) as database:
        has_provider = database.execute(
            "SELECT 1 FROM sqlite_schema WHERE name='openid_users'").fetchone()
        return _Access(
            frozenset(secret for _name, secret in _tokens(path)),
            frozenset(row[0] for row in database.execute("SELECT name FROM users")),
            tuple(database.execute("SELECT issuer, subject, user FROM openid_users"
                                   " WHERE is_locked_out")) if has_provider else ())


def _tokens(path: Path) -> list[tuple[str, bytes]]:
    """Return (name, hash) of each. Raises sqlite3.Error."""
    with closing(connect_reader(path)) as database:
        return database.execute("SELECT name, hash FROM tokens").fetchall()
