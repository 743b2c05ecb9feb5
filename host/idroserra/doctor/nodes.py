"""The doctor's look at the nodes: who reports without being adopted, and are the keys kept?"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from idroserra.core.sqlite import connect_reader
from idroserra.doctor.result import Check

_MOST_NAMES = 5


def look_at_nodes(folder: Path) -> Check:
    """Is every node that reports adopted, and is the file with the keys for this user alone?"""
    path = folder / "state.db"
    if not path.is_file():
        return Check("nodes", "ok", "none yet: `idroserra provision` makes a board one")
    if path.stat().st_mode & 0o077:
        return Check("nodes", "fail", f"{path}: others may read the nodes' keys",
                     f"chmod 600 {path}, then a new key for each: `idroserra provision --new-key`")
    try:
        database = connect_reader(path)
        try:
            rows = database.execute("SELECT node, key IS NULL FROM nodes ORDER BY node").fetchall()
        finally:
            database.close()
    except sqlite3.Error as error:
        return Check("nodes", "fail", f"{path}: {error}", "stop the host and restore a backup")
    strangers = [node for node, is_stranger in rows if is_stranger]
    if strangers:
        more = "" if len(strangers) <= _MOST_NAMES else f" and {len(strangers) - _MOST_NAMES} more"
        return Check("nodes", "warn",
                     f"not adopted, so they cannot be commanded: "
                     f"{', '.join(strangers[:_MOST_NAMES])}{more}",
                     "`idroserra provision` with the board on USB, or `idroserra node adopt NODE "
                     "--key-file FILE`; not yours: look at who may log in at the broker")
    return Check("nodes", "ok", f"{len(rows)} adopted")
