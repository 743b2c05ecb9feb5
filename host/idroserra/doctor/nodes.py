"""Checks nodes: adoption, what they run on, restored settings, and the permissions of keys."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from idroserra.core.reasons import Reason
from idroserra.core.sqlite import connect_reader
from idroserra.doctor.result import Check
from idroserra.i18n.reasons import reason_text
from idroserra.nodes.node import node_from_row
from idroserra.nodes.registry_tables import SELECT, SELECT_LEAVING
from idroserra.nodes.restored import read_restored, reported_values
from idroserra.nodes.system import problems_of

_MAX_NAMES = 5
_SYSTEMS = "MicroPython of nodes"


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


def check_leaving(folder: Path) -> Iterator[Check]:
    """Check whether nodes leave for another host, so that this one confirms none of their
    records."""
    path = folder / "state.db"
    if not path.is_file():
        return
    try:
        with closing(connect_reader(path)) as database:
            rows = database.execute(
                f"SELECT node, until_unix_ms FROM ({SELECT_LEAVING}) WHERE until_unix_ms > ?"
                " ORDER BY node", (time.time_ns() // 1_000_000,)).fetchall()
    except sqlite3.Error:  # no such table yet, or check_nodes reports it
        return
    if rows:
        until = datetime.fromtimestamp(rows[0][1] / 1_000, UTC)
        yield Check("moving nodes", "warn", "they keep their records for another host until "
                    f"{until:%Y-%m-%d %H:%M} UTC: {_listed([node for node, _ in rows])}",
                    "go on with `idroserra move` (docs/cluster.md), or keep them: `idroserra move "
                    "cancel SITE`")


def check_systems(folder: Path) -> Iterator[Check]:
    """Check what each node reports to run on: release of MicroPython, PSRAM, CPU frequency."""
    path = folder / "state.db"
    if not path.is_file():
        return
    try:
        with closing(connect_reader(path)) as database:
            nodes = [node_from_row(row) for row in database.execute(f"{SELECT} ORDER BY node")]
    except sqlite3.Error:  # check_nodes reports it
        return
    infos = {node.node: node.info for node in nodes if node.info is not None}
    if infos:
        yield _systems({node: problems_of(info.chip, info.system)
                        for node, info in infos.items()})


def _systems(problems: Mapping[str, Mapping[str, Reason | None]]) -> Check:
    found = [f"{node}: {reason_text(problem)}" for node, parts in problems.items()
             for problem in parts.values() if problem is not None]
    if found:
        return Check(_SYSTEMS, "warn", "; ".join(found),
                     "write a supported MicroPython with PSRAM support: `idroserra flash`, "
                     "docs/flash.md; replace a board without PSRAM")
    unknown = [node for node, parts in problems.items() if not parts]
    texts = []
    if len(unknown) < len(problems):
        texts.append(f"{len(problems) - len(unknown)} with a supported release, PSRAM and full "
                     "CPU frequency")
    if unknown:
        texts.append(f"not reported by {_listed(unknown)}, whose firmware is older")
    return Check(_SYSTEMS, "ok", "; ".join(texts))


def _listed(nodes: list[str]) -> str:
    more = "" if len(nodes) <= _MAX_NAMES else f" and {len(nodes) - _MAX_NAMES} more"
    return f"{', '.join(nodes[:_MAX_NAMES])}{more}"
