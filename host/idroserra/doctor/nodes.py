"""Checks for nodes that are not adopted or wait for a choice, and the permissions of the keys."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from idroserra.core.sqlite import connect_reader
from idroserra.doctor.result import Check
from idroserra.nodes.restored import read_restored, reported_values

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
        return Check("nodes", "warn",
                     "not adopted, so they keep their records and cannot be commanded: "
                     f"{_listed(unadopted)}",
                     "`idroserra provision` with the board on USB, or `idroserra node adopt NODE "
                     "--key-file FILE`; if it is not yours, check the users of the broker")
    return Check("nodes", "ok", f"{len(rows)} adopted")


def check_restored(folder: Path) -> Iterator[Check]:
    """Check whether the settings of a restored backup wait for a choice."""
    path = folder / "state.db"
    if not path.is_file():
        return
    try:
        with closing(connect_reader(path)) as database:
            if not database.execute("SELECT 1 FROM sqlite_schema WHERE name='restored_settings'"
                                    ).fetchone():
                return
            reports = dict(database.execute("SELECT node, report FROM nodes"))
            waiting = sorted(
                node for node, one in read_restored(database).items()
                if (own := reported_values(reports[node])) is None or one.differences(own))
    except sqlite3.Error:  # check_nodes reports it
        return
    if waiting:
        yield Check("restored backup", "warn",
                    f"its settings wait until a person chooses: {_listed(waiting)}",
                    "on the page of the node, or `idroserra node restored NODE`")


def _listed(nodes: list[str]) -> str:
    more = "" if len(nodes) <= _MAX_NAMES else f" and {len(nodes) - _MAX_NAMES} more"
    return f"{', '.join(nodes[:_MAX_NAMES])}{more}"
