"""The settings that a restored backup wants of each node, until a person chooses.

They may be older than those the node runs, so they are not sent: the node's own stay active, and
page, terminal and doctor show the differences. The choice ends it: the node's settings are kept,
or those of the backup are sent as any change. Without a difference there is nothing to choose.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

from idroserra.core import protocol

SCHEMA = """
CREATE TABLE IF NOT EXISTS restored_settings (
    node TEXT PRIMARY KEY, made_unix_ms INTEGER NOT NULL, rev INTEGER NOT NULL,
    settings TEXT NOT NULL
) WITHOUT ROWID;
"""


class RestoredSettings(NamedTuple):
    """The newest settings of a node in a backup, {} if it had none; made_unix_ms: when it was
    made."""

    made_unix_ms: int
    rev: int
    values: Mapping[str, Any]

    def differences(self, reported: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        """Return {setting: (in the backup, as reported)} of the settings that differ."""
        return {key: (self.values[key], reported.get(key)) for key in protocol.SETTINGS
                if key in self.values and self.values[key] != reported.get(key)}


def read_restored(database: sqlite3.Connection) -> dict[str, RestoredSettings]:
    """Return what is to be chosen, by node."""
    rows = database.execute("SELECT node, made_unix_ms, rev, settings FROM restored_settings"
                            " JOIN nodes USING (node)")
    return {node: RestoredSettings(made, rev, json.loads(values))
            for node, made, rev, values in rows}


def hold_back(database: sqlite3.Connection, made_unix_ms: int) -> None:
    """Move the desired settings in the state.db of a backup aside, and forget its reports.

    What was to be chosen when the backup was made is replaced by newer settings of the node in
    it. Raises sqlite3.Error, ValueError for an unreadable row."""
    database.executescript(SCHEMA)
    rows = database.execute("SELECT node, wanted_rev, wanted_values, report FROM nodes").fetchall()
    for node, rev, values, packed in rows:
        wanted = {} if values is None else json.loads(values)
        report = _report(packed)
        if report is not None and (not wanted or report.rev > rev):
            rev, wanted = report.rev, dict(report.values)
        verb = "REPLACE" if wanted else "IGNORE"
        database.execute(f"INSERT OR {verb} INTO restored_settings VALUES (?,?,?,?)",
                         (node, made_unix_ms, rev, json.dumps(wanted)))
    database.execute(
        "UPDATE nodes SET wanted_rev=0, wanted_by='', wanted_values=NULL, report=NULL")


def reported_values(packed: bytes | None) -> Mapping[str, Any] | None:
    """Return the settings in a stored report, None without one or for an older protocol."""
    report = _report(packed)
    return None if report is None else report.values


def _report(packed: bytes | None) -> protocol.ConfigReport | None:
    try:
        return None if packed is None else protocol.unpack_config_report(packed)
    except protocol.ProtocolError:
        return None
