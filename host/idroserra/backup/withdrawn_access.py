"""Keeps tokens and users that were withdrawn since a backup from coming back with its restore."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from idroserra.auth.roles import Role
from idroserra.auth.users import SCHEMA
from idroserra.core.sqlite import connect, connect_reader, transaction
from idroserra.i18n.translate import gettext as _

_USERS, _AUDIT = "users.db", "audit.db"
_WITHDRAWN = "NOT IN (SELECT name FROM now.users)"
_CHANGES = (
    f"DELETE FROM openid_users WHERE user {_WITHDRAWN}",
    f"DELETE FROM users WHERE name {_WITHDRAWN}",
    "UPDATE openid_users SET is_locked_out=1"
    " WHERE user IN (SELECT user FROM now.openid_users WHERE is_locked_out)",
)


def withdraw_access(staging: Path, folder: Path, report: Callable[[str], None]) -> None:
    """Withdraw in `staging` the tokens and users that `folder`, which is to be replaced, no longer
    has, if its audit log continues that of the backup: else it is of another host. Users stay
    where no admin would.

    Damage in `folder` is reported only. Raises sqlite3.Error."""
    if not (staging / _USERS).exists() or not (folder / _USERS).exists():
        return
    with closing(connect(staging / _USERS, SCHEMA)) as database:
        try:
            if not _continues(folder / _AUDIT, staging / _AUDIT):
                return
            database.execute("ATTACH ? AS now", (str(folder / _USERS),))
            with transaction(database):
                database.execute(
                    "DELETE FROM tokens WHERE hash NOT IN (SELECT hash FROM now.tokens)")
                if _leaves_admin(database):
                    for change in _CHANGES:
                        database.execute(change)
        except sqlite3.Error as error:
            report(_("{file}: {error}: tokens and users that were withdrawn since the backup are "
                     "valid again").format(file=folder / _USERS, error=error))


def _continues(current: Path, older: Path) -> bool:
    """Return whether the last row of the log `older` is in `current`. Raises sqlite3.Error."""
    if not current.exists() or not older.exists():
        return False
    last = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1"
    with closing(connect_reader(older)) as log:
        row = log.execute(last).fetchone()
    with closing(connect_reader(current)) as log:
        return row is not None and log.execute(
            "SELECT 1 FROM audit WHERE (seq, hash) = (?, ?)", row).fetchone() is not None


def _leaves_admin(database: sqlite3.Connection) -> bool:
    return database.execute(
        "SELECT 1 FROM welcome_users JOIN now.users AS still USING (name)"
        " WHERE welcome_users.role = ?", (Role.ADMIN.label,)).fetchone() is not None
