"""Makes a data folder as the host left it before reasons had codes: reasons are sentences."""

import json
import sqlite3
from contextlib import closing

from idroserra.core import protocol
from idroserra.core.paths import PACKAGE

T0 = 1_795_507_200_000
NODE = "idro-a"
BOOT = "b0b0b0b0b0b0b0b0"

STORE = """
PRAGMA auto_vacuum=INCREMENTAL;
CREATE TABLE series (series INTEGER PRIMARY KEY, node TEXT NOT NULL,
 channel TEXT NOT NULL, UNIQUE (node, channel));
CREATE TABLE samples (series INTEGER NOT NULL, unix_ms INTEGER NOT NULL,
 scaled INTEGER NOT NULL, PRIMARY KEY (series, unix_ms)) WITHOUT ROWID;
CREATE TABLE events (node TEXT NOT NULL, boot_id TEXT NOT NULL,
 seq INTEGER NOT NULL, unix_us INTEGER NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL,
 PRIMARY KEY (node, boot_id, seq)) WITHOUT ROWID;
CREATE INDEX events_by_time ON events (node, unix_us);
CREATE TABLE packed (place INTEGER PRIMARY KEY, count INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE packed_1m (place INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE rollup_15m (series INTEGER NOT NULL, unix_ms INTEGER NOT NULL,
 count INTEGER NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL, total INTEGER NOT NULL,
 last INTEGER NOT NULL, PRIMARY KEY (series, unix_ms)) WITHOUT ROWID;
CREATE TABLE rollup_1d (series INTEGER NOT NULL, unix_ms INTEGER NOT NULL,
 count INTEGER NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL, total INTEGER NOT NULL,
 last INTEGER NOT NULL, PRIMARY KEY (series, unix_ms)) WITHOUT ROWID;
CREATE TABLE kept (resolution TEXT PRIMARY KEY, from_unix_ms INTEGER NOT NULL);
PRAGMA user_version=2;
"""
ALARMS = """
CREATE TABLE alarms (
    key TEXT PRIMARY KEY, rule TEXT NOT NULL, site TEXT NOT NULL, node TEXT NOT NULL,
    part TEXT NOT NULL, text TEXT NOT NULL, changed_unix_ms INTEGER NOT NULL,
    is_active INTEGER NOT NULL, is_acked INTEGER NOT NULL, cause TEXT NOT NULL,
    shelved_until_unix_ms INTEGER, is_out_of_service INTEGER NOT NULL, raised_unix_ms INTEGER
) WITHOUT ROWID;
CREATE TABLE journal (
    id INTEGER PRIMARY KEY, unix_ms INTEGER NOT NULL, key TEXT NOT NULL, rule TEXT NOT NULL,
    site TEXT NOT NULL, node TEXT NOT NULL, part TEXT NOT NULL, priority TEXT NOT NULL,
    was TEXT NOT NULL, state TEXT NOT NULL, text TEXT NOT NULL, by TEXT NOT NULL,
    comment TEXT NOT NULL
);
CREATE INDEX journal_time ON journal (unix_ms);
CREATE TABLE notices (
    id INTEGER PRIMARY KEY, unix_ms INTEGER NOT NULL, kind TEXT NOT NULL,
    priority TEXT NOT NULL, title TEXT NOT NULL, body TEXT NOT NULL
);
CREATE TABLE deliveries (
    notice INTEGER NOT NULL, target TEXT NOT NULL, state TEXT NOT NULL, tries INTEGER NOT NULL,
    due_unix_ms INTEGER NOT NULL, done_unix_ms INTEGER, error TEXT NOT NULL,
    PRIMARY KEY (notice, target)
) WITHOUT ROWID;
CREATE TABLE notified (
    key TEXT PRIMARY KEY, raised_unix_ms INTEGER NOT NULL, told_unix_ms INTEGER NOT NULL,
    reminders INTEGER NOT NULL
) WITHOUT ROWID;
"""
SPOOL = """
CREATE TABLE boots (
    boot INTEGER PRIMARY KEY, node TEXT NOT NULL, boot_id TEXT NOT NULL,
    epoch_unix_ms INTEGER, hint_unix_ms INTEGER,
    floor_seq INTEGER NOT NULL DEFAULT 0, lost INTEGER NOT NULL DEFAULT 0,
    UNIQUE (node, boot_id)
);
CREATE TABLE seen (
    boot INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    PRIMARY KEY (boot, first)
) WITHOUT ROWID;
CREATE TABLE rejected (
    id INTEGER PRIMARY KEY, node TEXT NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL,
    reason TEXT NOT NULL, unix_ms INTEGER NOT NULL
);
CREATE TABLE unread (
    id INTEGER PRIMARY KEY, node TEXT NOT NULL, boot_id TEXT NOT NULL, leaf TEXT NOT NULL,
    payload BLOB NOT NULL, reason TEXT NOT NULL, unix_ms INTEGER NOT NULL
);
CREATE TABLE counters (
    node TEXT NOT NULL, name TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (node, name)
) WITHOUT ROWID;
CREATE TABLE pending (
    id INTEGER PRIMARY KEY, node TEXT NOT NULL, boot_id TEXT NOT NULL,
    epoch_unix_ms INTEGER NOT NULL, leaf TEXT NOT NULL, record_count INTEGER NOT NULL,
    body BLOB NOT NULL
);
"""
STATE = """
CREATE TABLE nodes (
    node TEXT PRIMARY KEY, site TEXT NOT NULL, key BLOB, last_seen_unix_ms INTEGER, info BLOB,
    wanted_rev INTEGER NOT NULL DEFAULT 0, wanted_by TEXT NOT NULL DEFAULT '',
    wanted_values TEXT, report BLOB
) WITHOUT ROWID;
CREATE TABLE commands (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, node TEXT NOT NULL, verb TEXT NOT NULL,
    args TEXT NOT NULL, by TEXT NOT NULL, sent_unix_ms INTEGER NOT NULL,
    ends_unix_ms INTEGER NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL
);
CREATE TABLE recipe_runs (
    node TEXT PRIMARY KEY, name TEXT NOT NULL, toml TEXT NOT NULL, by TEXT NOT NULL,
    started_unix_ms INTEGER NOT NULL, first_day_unix_ms INTEGER NOT NULL,
    state TEXT NOT NULL, state_by TEXT NOT NULL, state_unix_ms INTEGER NOT NULL,
    reason TEXT NOT NULL,
    told_day INTEGER, told_rev INTEGER NOT NULL, told_unix_ms INTEGER NOT NULL,
    told_state TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE rollouts (
    id TEXT PRIMARY KEY, release TEXT NOT NULL, version TEXT NOT NULL, board_class TEXT NOT NULL,
    nodes TEXT NOT NULL, wave_nodes INTEGER NOT NULL, watch_ms INTEGER NOT NULL,
    per_site INTEGER NOT NULL, by TEXT NOT NULL, begun_unix_ms INTEGER NOT NULL,
    state TEXT NOT NULL, state_unix_ms INTEGER NOT NULL, reason TEXT NOT NULL
);
CREATE TABLE node_updates (
    rollout TEXT NOT NULL, node TEXT NOT NULL, state TEXT NOT NULL,
    state_unix_ms INTEGER NOT NULL, reason TEXT NOT NULL, wave INTEGER,
    quiet_unix_ms INTEGER, offers INTEGER NOT NULL, done_bytes INTEGER NOT NULL,
    heard_unix_ms INTEGER NOT NULL, offered_unix_ms INTEGER, told_unix_ms INTEGER NOT NULL,
    PRIMARY KEY (rollout, node)
) WITHOUT ROWID;
"""
# Events of the node, as its older firmware sent them: kind, detail.
EVENTS = (
    ("boot", {"reset": "brown_out", "version": "0.1.0"}),
    ("decided", {"loop": "ph", "reason": "held: reservoir.ph has a fault: noisy"}),
    ("dosed", {"actuator": "ph_down", "volume_ul": 1_500, "on_ms": 900, "by": "control",
               "reason": "pH high: ph_down, 6.40 at 5.80, 40 ml/pH, drift +0.01/h"}),
    ("refused", {"actuator": "ph_down", "reason": "circulation is off"}),
    ("latched", {"reason": "dosing had no effect"}),
)
# An event that waits in the spool: seq, at_ms, kind, detail.
WAITING = (9, 9_000, "latched", {"reason": "three abnormal resets within a day"})
CONFIG_ERROR = 'ph.target: number in 4.5..7.5 needed, not "9"'


def make_old_folder(folder):
    """Make spool.db, store.db, alarms.db and state.db in the folder."""
    _make(folder / "store.db", STORE, {"events": [
        (NODE, BOOT, seq, (T0 + seq * 1_000) * 1_000 + seq, kind, json.dumps(detail))
        for seq, (kind, detail) in enumerate(EVENTS, 1)]})
    _make(folder / "spool.db", SPOOL, {
        "boots": [(1, NODE, BOOT, T0, None, 0, 0)],
        "seen": [(1, 1, 9)],
        "rejected": [(1, NODE, f"idro/v1/{NODE}/up/status", b"?", "status: not UTF-8", T0)],
        "unread": [(1, NODE, BOOT, "event", b"{}", "kind: 'sang' is not one of ...", T0 + 1)],
        "counters": [(NODE, "rejected", 2)],
        "pending": [(1, NODE, BOOT, T0, "event", 1,
                     json.dumps([WAITING]).encode())]})
    latch, silent = f"dosing_latched/{NODE}", f"node_silent/{NODE}"
    _make(folder / "alarms.db", ALARMS, {
        "alarms": [
            (latch, "dosing_latched", "farm", NODE, "", "Why: dosing had no effect.", T0, 1, 0, "",
             None, 0, T0),
            (silent, "node_silent", "farm", NODE, "", "", T0, 1, 1, "", None, 0, T0)],
        "journal": [
            (1, T0, latch, "dosing_latched", "farm", NODE, "", "high", "normal",
             "unacknowledged", "Why: dosing had no effect.", "", ""),
            (2, T0 + 1, silent, "node_silent", "farm", NODE, "", "high", "unacknowledged",
             "acknowledged", "Last heard 3 min ago.", "anna", 'says "soon"')],
        "notices": [(1, T0, "alarm", "high", "farm: idro-a: Dosing is locked", "HIGH ...")],
        "deliveries": [(1, "phone", "failed", 2, T0, T0, 'Failed to send "x": error=401.'),
                       (1, "office", "sent", 1, T0, T0, "")],
        "notified": [(latch, T0, T0, 1)]})
    values = protocol.check_settings({})
    report = {"v": 1, "rev": 4, "error": CONFIG_ERROR, "values": values}
    recipe = (PACKAGE / "recipes" / "library" / "lettuce.toml").read_text("utf-8")
    _make(folder / "state.db", STATE, {
        "nodes": [(NODE, "farm", b"k" * 32, T0, None, 5, "anna", json.dumps(values),
                   json.dumps(report).encode())],
        "commands": [
            (1, "c1", NODE, "dose", '{"actuator": "ph_down", "volume_ul": 900}', "anna", T0,
             T0 + 30_000, "refused", "circulation is off"),
            (2, "c2", NODE, "stop", "{}", "anna", T0 + 1, T0 + 30_000, "pending", "")],
        "recipe_runs": [
            (NODE, "lettuce", recipe, "anna", T0, T0, "held", "host", T0,
             f"the node refused the setpoints: {CONFIG_ERROR}", 3, 5, T0, "refused")],
        "rollouts": [
            ("r1", "5" * 64, "0.2.0", "esp32", json.dumps([NODE]), 1, 60_000, 0, "anna", T0,
             "stopped", T0, f"{NODE} reverted: three boots brought no confirmation")],
        "node_updates": [
            ("r1", NODE, "reverted", T0, "three boots brought no confirmation", 0, None, 1, 0, T0,
             T0, T0)]})


def _make(path, schema, rows):
    with closing(sqlite3.connect(path)) as database:
        database.executescript(schema)
        for table, content in rows.items():
            marks = ",".join("?" * len(content[0]))
            database.executemany(f"INSERT INTO {table} VALUES ({marks})", content)
        database.commit()
