"""Checks that an admin exists, file permissions, and the audit log's integrity."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from idroserra.auth.audit import AuditBroken, verify
from idroserra.auth.service import AUDIT_FILE, USERS_FILE
from idroserra.core.sqlite import connect_reader
from idroserra.doctor.result import Check


def check_users(folder: Path) -> Check:
    """Check that an admin exists and that only this user can read the file."""
    path = folder / USERS_FILE
    if not path.is_file():
        return Check("users", "warn", "no users yet",
                     "start the host: it prints a link that creates the first admin")
    if path.stat().st_mode & 0o077:
        return Check("users", "fail", f"{path}: readable by other users", f"chmod 600 {path}")
    try:
        with closing(connect_reader(path)) as database:
            rows = database.execute("SELECT role, COUNT(*) FROM users WHERE password<>''"
                                    " GROUP BY role").fetchall()
            of_provider, = database.execute(
                "SELECT COUNT(*) FROM users WHERE password=''").fetchone()
    except sqlite3.Error as error:
        return Check("users", "fail", f"{path}: {error}", "restore a backup made with --with-keys")
    counts = dict(rows)
    if not counts.get("admin"):
        return Check("users", "warn", "no admin with a password yet",
                     "`idroserra user setup-token` prints a link that creates the first admin")
    found = ", ".join(f"{count} {role}" for role, count in sorted(counts.items()))
    if of_provider:
        found += f", and {of_provider} of an OpenID provider"
    return Check("users", "ok", found)


def check_audit(folder: Path) -> Check:
    """Verify the hash chain of the audit log."""
    path = folder / AUDIT_FILE
    if not path.is_file():
        return Check("audit log", "ok", "none yet")
    try:
        seq, _ = verify(path)
    except AuditBroken as error:
        return Check("audit log", "fail", str(error),
                     "the log was modified: compare it with a backup")
    except (OSError, sqlite3.Error) as error:
        return Check("audit log", "fail", f"{path}: {error}", "restore a backup")
    return Check("audit log", "ok", f"{seq} rows, chain intact")
