"""Checks for nodes that are not adopted, and the permissions of the key file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from idroserra.core.sqlite import connect_reader
from idroserra.doctor.result import Check

_MAX_NAMES = 5


def check_nodes(folder: Path) -> Check:
    """Check that every reporting node is adopted and only this user can read the keys."""
    path = folder / "state.db"
    if not path.is_file():
        return Check("nodes", "ok", "none yet: set one up with `idroserra provision`")
    if path.stat().st_mode & 0o077:
        return Check("nodes", "fail", f"{path}: node keys are readable by other users",
                     f"chmod 600 {path}, then new keys: `idroserra provision --new-key`")
    try:
        with closing(connect_reader(path)) as database:
            rows = database.execute("SELECT node, key IS NULL FROM nodes ORDER BY node").fetchall()
    except sqlite3.Error as error:
        return Check("nodes", "fail", f"{path}: {error}", "stop the host and restore a backup")
    unadopted = [node for node, is_unadopted in rows if is_unadopted]
    if unadopted:
        more = "" if len(unadopted) <= _MAX_NAMES else f" and {len(unadopted) - _MAX_NAMES} more"
        return Check("nodes", "warn",
                     f"not adopted, so they cannot be commanded: "
                     f"{', '.join(unadopted[:_MAX_NAMES])}{more}",
                     "`idroserra provision` with the board on USB, or `idroserra node adopt NODE "
                     "--key-file FILE`; if it is not yours, check the users of the broker")
    return Check("nodes", "ok", f"{len(rows)} adopted")
