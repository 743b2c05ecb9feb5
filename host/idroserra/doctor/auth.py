"""The doctor's look at users and the audit log: can anybody log in, and is the record whole?"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from idroserra.auth.audit import AuditBroken, verify
from idroserra.auth.service import AUDIT_FILE, USERS_FILE
from idroserra.core.sqlite import connect_reader
from idroserra.doctor.result import Check


def look_at_users(folder: Path) -> Check:
    """Is there an admin, and are the users for this user's eyes alone?"""
    path = folder / USERS_FILE
    if not path.is_file():
        return Check("users", "warn", "nobody can log in yet",
                     "start the host: it prints the link that makes the first admin")
    if path.stat().st_mode & 0o077:
        return Check("users", "fail", f"{path}: others may read it", f"chmod 600 {path}")
    try:
        database = connect_reader(path)
        try:
            rows = database.execute("SELECT role, COUNT(*) FROM users GROUP BY role").fetchall()
        finally:
            database.close()
    except sqlite3.Error as error:
        return Check("users", "fail", f"{path}: {error}", "restore a backup made with --with-keys")
    counts = dict(rows)
    if not counts.get("admin"):
        return Check("users", "warn", "nobody can log in as admin yet",
                     "`idroserra user setup-token` prints the link that makes the first one")
    found = ", ".join(f"{count} {role}" for role, count in sorted(counts.items()))
    return Check("users", "ok", found)


def look_at_audit(folder: Path) -> Check:
    """Does the chain of the audit log hold?"""
    path = folder / AUDIT_FILE
    if not path.is_file():
        return Check("audit log", "ok", "none yet")
    try:
        seq, _ = verify(path)
    except AuditBroken as error:
        return Check("audit log", "fail", str(error),
                     "somebody changed the record: compare it with that of a backup")
    except (OSError, sqlite3.Error) as error:
        return Check("audit log", "fail", f"{path}: {error}", "restore a backup")
    return Check("audit log", "ok", f"{seq} rows, each where it was written")
