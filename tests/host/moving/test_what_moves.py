"""What a host keeps of a node moves with it, or is known to stay."""

import sqlite3
from contextlib import closing

from idroserra.calibration.history import CalibrationHistory, PastCalibration
from idroserra.calibration.procedures import Point
from idroserra.core.config import load_config
from idroserra.core.page_settings import FILE as SETTINGS
from idroserra.core.page_settings import PageSettings
from idroserra.core.sqlite import connect
from idroserra.ingest.refusals import Unread
from idroserra.ingest.spool import Spool
from idroserra.moving.package import PARTS, SCHEMA, insert_rows, save_rows
from idroserra.server.service import Service
from idroserra.web.node_titles import TITLES

NODE, OTHER = "idro-a1", "idro-b2"
STORE = "store.db"  # its rows move as history
# What was sent, seen or done at the old host; `pending` is history before it is in the store.
STAY = {("alarms.db", "alarms"), ("alarms.db", "journal"), ("feeds.db", "feed_spans"),
        ("feeds.db", "marks"), ("spool.db", "pending"), ("spool.db", "rejected"),
        ("state.db", "commands"), ("state.db", "leaving_nodes"), ("state.db", "node_updates")}


def start_once(folder):
    config = load_config(overrides={"data_dir": str(folder), "site": "test"})
    Service(config).stop()


def package_of(file, path):
    with closing(sqlite3.connect(path, uri=True, isolation_level=None)) as database:
        database.executescript(SCHEMA)
        database.execute("INSERT INTO moving VALUES (?,'')", (NODE,))
        save_rows(database, file)


def test_each_table_with_nodes_moves_or_is_known_to_stay(tmp_path):
    start_once(tmp_path)
    found = set()
    for path in tmp_path.glob("*.db"):
        with closing(sqlite3.connect(path)) as database:
            found |= {(path.name, table) for table, in database.execute(
                "SELECT m.name FROM sqlite_schema AS m, pragma_table_info(m.name) AS c"
                " WHERE m.type='table' AND c.name='node'")}
    moved = {(part.file, part.table) for part in PARTS}
    assert {one for one in found if one[0] != STORE} - STAY <= moved


def calibration(node, past_id, by="ann"):
    return PastCalibration(
        past_id, node, "ph", None, by, 1_795_507_200_000, True, 90, {"slope_pct": 97.0},
        [Point("buffer 7", 7.0, 412.0, 21.0)], {"ph.slope": (1.0, 1.1)})


def test_calibrations_move_and_those_of_others_stay_as_they_are(tmp_path):
    old, new = tmp_path / "old" / "state.db", tmp_path / "new" / "state.db"
    for path in (old, new):
        start_once(path.parent)
    with closing(CalibrationHistory(old)) as history:
        for past in (calibration(OTHER, "x0"), calibration(NODE, "a1"), calibration(NODE, "a2")):
            history.add(past)
        history.mark_undone("a2", 1_795_507_300_000, "bob")
        expected = history.of(NODE)
    with closing(CalibrationHistory(new)) as history:
        history.add(calibration(OTHER, "y1", "eve"))
        others = history.of(OTHER)
    package_of(old, tmp_path / "package")
    for _ in range(2):
        insert_rows(tmp_path / "package", new)
    with closing(CalibrationHistory(new)) as history:
        assert [(one.undone is not None) for one in expected] == [True, False]
        assert history.of(NODE) == expected
        assert history.of(OTHER) == others


def test_records_that_this_version_cannot_read_move(tmp_path):
    """The node may have erased them, and a later version reads them."""
    old, new = tmp_path / "old" / "spool.db", tmp_path / "new" / "spool.db"
    for path in (old, new):
        Spool(path).close()
    for path, node in ((old, NODE), (new, OTHER)):
        with closing(connect(path, "")) as database:
            database.execute(
                "INSERT INTO unread (node, boot_id, leaf, payload, error, unix_ms)"
                " VALUES (?,?,?,?,?,?)", Unread(node, "b1", "telemetry", b"{", "of 2030", 5))
    package_of(old, tmp_path / "package")
    for _ in range(2):
        insert_rows(tmp_path / "package", new)
    with closing(Spool(new)) as spool:
        assert sorted(one.node for one in spool.rejected()) == [NODE, OTHER]


def test_a_package_sets_nothing_but_its_nodes(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        start_once(folder)
        with closing(PageSettings(folder)) as settings:
            settings.put(TITLES, OTHER, folder.name, "ann", 1)
            settings.put(TITLES, NODE, folder.name, "ann", 1)
    path = tmp_path / "package"
    package_of(old / SETTINGS, path)
    with closing(sqlite3.connect(path)) as package, package:
        package.execute("INSERT INTO moved_settings SELECT section, ?, value, by, unix_ms"
                        " FROM moved_settings", (OTHER,))
        package.execute("ALTER TABLE moved_settings ADD COLUMN"
                        " \"name) SELECT 1; DROP TABLE main.settings; --\"")
    insert_rows(path, new / SETTINGS)
    with closing(PageSettings(new)) as settings:
        assert settings.all(TITLES) == {NODE: "old", OTHER: "new"}
