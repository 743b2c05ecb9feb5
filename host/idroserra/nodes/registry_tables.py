"""The tables of the registry in state.db, and how those of earlier versions become them."""

from __future__ import annotations

from idroserra.core.sqlite import Upgrades
from idroserra.nodes import restored

SCHEMA = """
CREATE TABLE IF NOT EXISTS nodes (
    node TEXT PRIMARY KEY,
    site TEXT NOT NULL,
    key BLOB,
    last_seen_unix_ms INTEGER,
    info BLOB,
    wanted_rev INTEGER NOT NULL DEFAULT 0,
    wanted_by TEXT NOT NULL DEFAULT '',
    wanted_values TEXT,
    report BLOB
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS next_keys (node TEXT PRIMARY KEY, key BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS leaving_nodes (
    node TEXT PRIMARY KEY, until_unix_ms INTEGER NOT NULL
) WITHOUT ROWID;
""" + restored.SCHEMA
# The error in a stored report was a sentence before reasons had codes.
UPGRADES = Upgrades("nodes", ((
    "UPDATE nodes SET report = CAST(json_set(CAST(report AS TEXT), '$.error', json_object('code',"
    " 'sentence', 'values', json_object('detail', CAST(report AS TEXT) ->> '$.error'))) AS BLOB)"
    " WHERE json_type(CAST(report AS TEXT), '$.error') = 'text'",),))
SELECT = ("SELECT node, site, key, last_seen_unix_ms, info, wanted_rev, wanted_by, wanted_values,"
          " report FROM nodes")
SELECT_NEXT = "SELECT node, next_keys.key FROM next_keys JOIN nodes USING (node)"
SELECT_LEAVING = "SELECT node, until_unix_ms FROM leaving_nodes JOIN nodes USING (node)"
