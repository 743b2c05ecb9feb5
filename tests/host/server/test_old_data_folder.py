"""A data folder of before reasons had codes opens, is upgraded once, and shows its history."""

import sqlite3
from contextlib import closing

import pytest

from idroserra.alarms.database import AlarmDatabase
from idroserra.alarms.notify.outbox import Outbox
from idroserra.alarms.rules import load_rules
from idroserra.alarms.summary import headline
from idroserra.core.config import load_config
from idroserra.core.errors import StoreUnavailable
from idroserra.core.reasons import Reason, sentence
from idroserra.core.sqlite import Database, Upgrades
from idroserra.export.csv_export import events_csv
from idroserra.history.sqlite.store import SqliteStore
from idroserra.i18n.reasons import reason_text
from idroserra.ingest.spool import Spool
from idroserra.ingest.store_writer import StoreWriter
from idroserra.recipes.run_store import RecipeRunTable
from idroserra.server.service import Service
from idroserra.updates.database import RolloutDatabase
from support.old_folder import CONFIG_ERROR, EVENTS, NODE, T0, WAITING, make_old_folder

LATCH, SILENT = f"dosing_latched/{NODE}", f"node_silent/{NODE}"
TWICE = range(2)  # upgraded when opened first, opened as it is then


@pytest.fixture
def folder(tmp_path):
    make_old_folder(tmp_path)
    return tmp_path


def content(path):
    """Return every row of a database."""
    with closing(sqlite3.connect(path)) as database:
        tables = [name for name, in database.execute(
            "SELECT name FROM sqlite_schema WHERE type='table' ORDER BY name")]
        return {table: database.execute(f"SELECT * FROM {table}").fetchall() for table in tables}


def test_alarms_keep_their_sentences(folder):
    for _ in TWICE:
        database = AlarmDatabase(folder / "alarms.db")
        found = database.not_normal(load_rules())
        assert {key: one.reason for key, one in found.items()} == {
            LATCH: sentence("Why: dosing had no effect."), SILENT: None}
        assert headline(found[LATCH]) == (
            "idro-a: Dosing is locked: Why: dosing had no effect.")
        assert headline(found[SILENT]) == "idro-a: The node is silent"
        assert [(one.reason, one.by, one.comment) for one in database.history(0, 2 * T0, 9)] == [
            (sentence("Why: dosing had no effect."), "", ""),
            (sentence("Last heard 3 min ago."), "anna", 'says "soon"')]
        database.close()


def test_new_reasons_stand_beside_old_sentences(folder):
    database = AlarmDatabase(folder / "alarms.db")
    old = database.not_normal(load_rules())[LATCH]
    database.save([old._replace(reason=Reason("latch_no_effect"))], [])
    database.close()
    database = AlarmDatabase(folder / "alarms.db")
    assert database.not_normal(load_rules())[LATCH].reason == Reason("latch_no_effect")
    assert len(database.history(0, 2 * T0, 9)) == 2
    database.close()


def test_notices_and_their_errors_are_kept(folder):
    for _ in TWICE:
        outbox = Outbox(folder / "alarms.db")
        [(notice, deliveries)] = outbox.newest(9)
        assert notice.title == "farm: idro-a: Dosing is locked"
        assert {one.target: one.error for one in deliveries} == {
            "phone": sentence('Failed to send "x": error=401.'), "office": None}
        assert list(outbox.last_notifications()) == [LATCH]
        outbox.close()


def test_events_keep_their_sentences(folder):
    for _ in TWICE:
        store = SqliteStore(folder / "store.db")
        events = store.events(NODE, T0, T0 + 60_000)
        assert [(event.kind, event.detail) for event in events] == list(EVENTS)
        lines = "".join(events_csv(events, None)).splitlines()
        assert len(lines) == 1 + len(EVENTS)
        for line, (_, detail) in zip(lines[1:], EVENTS, strict=True):
            assert line.count(str(detail.get("reason", "")).replace('"', '""')) >= 1
        store.close()


def test_the_spool_keeps_what_waits_and_what_was_rejected(folder):
    for is_first in (True, False):
        spool, store = Spool(folder / "spool.db"), SqliteStore(folder / "store.db")
        assert [one.error for one in spool.rejected()] == [
            "kind: 'sang' is not one of ...", "status: not UTF-8"]
        writer = StoreWriter(spool, store, lambda: T0)
        assert writer.move_block() == (1 if is_first else 0)
        [event] = store.events(NODE, T0, T0 + 60_000, ["latched"])[1:]
        assert event.detail == WAITING[3]
        store.close()
        spool.close()


def test_the_report_of_a_node_keeps_its_error_and_commands_their_answers(folder):
    for _ in TWICE:
        service = Service(load_config(overrides={"data_dir": str(folder), "site": "farm"}))
        node = service.nodes.get(NODE)
        assert node.report.error == sentence(CONFIG_ERROR)
        assert (node.report.rev, node.wanted_rev, node.key) == (4, 5, b"k" * 32)
        pending, refused = service.commands.recent(NODE)
        assert (refused.state, refused.reason) == ("refused", sentence("circulation is off"))
        assert (pending.state, pending.reason) == ("pending", None)
        service.stop()


def test_a_spool_of_before_unread_records_were_kept_is_upgraded(folder):
    with closing(sqlite3.connect(folder / "spool.db")) as database:
        database.execute("DROP TABLE unread")
        database.commit()
    for _ in TWICE:
        spool = Spool(folder / "spool.db")
        assert [one.error for one in spool.rejected()] == ["status: not UTF-8"]
        spool.close()


def test_a_sentence_that_an_earlier_version_writes_after_a_downgrade_is_read(folder):
    RecipeRunTable(folder / "state.db").close()
    with closing(sqlite3.connect(folder / "state.db")) as database:
        database.execute("UPDATE recipe_runs SET reason='not sent: offline'")
        database.commit()
    table = RecipeRunTable(folder / "state.db")
    assert table.all()[NODE].reason == sentence("not sent: offline")
    table.close()


def test_recipe_runs_keep_why_they_are_held(folder):
    for _ in TWICE:
        table = RecipeRunTable(folder / "state.db")
        run = table.all()[NODE]
        assert run.reason == sentence(f"the node refused the setpoints: {CONFIG_ERROR}")
        assert (run.state, run.told_day) == ("held", 3)
        table.close()


def test_rollouts_keep_why_they_stopped(folder):
    for _ in TWICE:
        database = RolloutDatabase(folder / "state.db")
        [rollout] = database.rollouts()
        assert rollout.reason == sentence(
            f"{NODE} reverted: three boots brought no confirmation")
        assert database.nodes("r1")[NODE].reason == sentence(
            "three boots brought no confirmation")
        database.close()


def test_a_host_opens_the_folder_and_upgrades_it_once(folder):
    config = load_config(overrides={"data_dir": str(folder), "site": "farm"})
    found = []
    for _ in TWICE:
        service = Service(config)
        assert {one.key for one in service.alarms.alarms.all()} == {LATCH, SILENT}
        assert CONFIG_ERROR in reason_text(service.recipes.pause_reason(NODE))
        assert "three boots" in reason_text(service.updates.failed(NODE))
        assert "three boots" in reason_text(service.updates.stopped()["esp32"])
        service.stop()
        found.append({name: content(folder / name) for name in ("alarms.db", "state.db")})
    assert found[0] == found[1]


def test_an_upgrade_that_fails_leaves_the_old_tables(folder):
    path = folder / "alarms.db"
    before = content(path)
    upgrades = Upgrades("alarms", (
        ("ALTER TABLE alarms RENAME COLUMN text TO reason", "UPDATE absent SET reason = 1"),))
    with pytest.raises(sqlite3.OperationalError, match="absent"):
        Database(path, "", upgrades)
    assert content(path) == before
    AlarmDatabase(path).close()


def test_tables_of_a_newer_version_are_left_alone(folder):
    path = folder / "alarms.db"
    AlarmDatabase(path).close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE versions SET version = 9 WHERE name = 'alarms'")
        database.commit()
    before = content(path)
    with pytest.raises(StoreUnavailable, match="version 9 of alarms is of a newer Idroserra"):
        AlarmDatabase(path)
    assert content(path) == before


def test_new_tables_need_no_upgrade(tmp_path):
    AlarmDatabase(tmp_path / "alarms.db").close()
    Outbox(tmp_path / "alarms.db").close()
    assert content(tmp_path / "alarms.db")["versions"] == [("alarms", 1), ("deliveries", 1)]
