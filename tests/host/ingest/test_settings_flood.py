"""Many settings, infos and reports of one node: they delay no record of another node."""

import sqlite3
import threading
from contextlib import closing

import pytest

from idro.protocol import messages_host
from idro.protocol.messages import AS_FLASHED, Batch, ConfigReport, EventRecord, Info, Record
from idro.protocol.settings import defaults
from idro.protocol.system_host import UNKNOWN_SYSTEM
from idroserra.core.config import MqttConfig
from idroserra.ingest.consumer import Ingest
from idroserra.ingest.spool import Spool
from idroserra.mqtt.connection import IncomingMessage, MqttConnection
from idroserra.nodes.commands import Commands
from idroserra.nodes.latest_events import LatestEvents
from idroserra.nodes.live import LiveState
from idroserra.nodes.node import Node
from idroserra.nodes.registry import Nodes
from idroserra.server.message_handler import HostMessageHandler
from idroserra.setpoints.history import SettingsHistory
from support.commits import commits_of

NODE, OTHER = "idro-flood", "idro-good"
T0 = 1_795_507_200_000
BOOT_UNIX_MS = T0 - 2_000_000
MANY = 300


class Host:
    """Ingest and what it calls, without a broker; `now` is the time of arrival."""

    def __init__(self, folder):
        self.now = T0
        self.link = MqttConnection(MqttConfig(), lambda: self.now)
        self.spool = Spool(folder / "spool.db", max_mb=4)
        self.nodes = Nodes(folder / "state.db", "farm")
        self.live = LiveState()
        self.commands = Commands(
            folder / "state.db", self.nodes, self.live, self.link, self.spool.epoch)
        self.history = SettingsHistory(folder / "state.db")
        self.ingest = Ingest(self.link, self.spool, HostMessageHandler(
            self.nodes, self.commands, self.live, None, LatestEvents(None, lambda: self.now),
            self.history))

    def arrive(self, node, leaf, payload):
        self.link.inbox.put(
            IncomingMessage(f"idro/v1/{node}/up/{leaf}", payload, False, self.now, 1, 1, 0))

    def connect(self, node, boot_id="b1"):
        self.arrive(node, "info", messages_host.pack_info(Info(
            "0.1.0", "esp32-reservoir", "esp32", boot_id, 5_000, BOOT_UNIX_MS, "host", "power_on",
            "", (), {}, (), False, 25, 0, AS_FLASHED, UNKNOWN_SYSTEM)))

    def configured(self, node, revs):
        records = [EventRecord(rev, 1_000 * rev, "configured", {"rev": rev, "by": "ann"})
                   for rev in revs]
        self.arrive(node, "event", messages_host.pack_event(
            Batch("b1", BOOT_UNIX_MS, None, revs[0], records)))

    def report(self, node, rev):
        self.arrive(node, "config", messages_host.pack_config_report(
            ConfigReport(rev, None, defaults() | {"ph.target": target(rev)})))

    def read(self, node):
        self.arrive(node, "telemetry", messages_host.pack_telemetry(
            Batch("b1", BOOT_UNIX_MS, None, 1, [Record(1, 1_000, {"reservoir.ph": 6.0}, {})])))

    def step(self):
        """Handle all messages that wait."""
        while not self.link.inbox.empty():
            self.ingest.step()

    def close(self):
        self.commands.close()
        self.history.close()
        self.nodes.close()
        self.spool.close()


def target(rev):
    return 5 + rev % 200 / 100


@pytest.fixture
def host(tmp_path):
    host = Host(tmp_path)
    yield host
    host.close()


def test_events_and_reports_of_one_node_cost_the_ingest_hardly_a_commit(host):
    with commits_of(host.history._database._connection) as of_history, commits_of(
            host.nodes._database._connection) as of_nodes:
        for first in range(1, MANY, 20):
            host.configured(NODE, range(first, first + 20))
        for rev in range(MANY):
            host.report(NODE, rev)
        host.read(OTHER)
        host.step()
        assert host.spool.stored_upto(OTHER, "b1") == 1
        assert len(of_history) == 0
        assert len(of_nodes) <= 4  # two new nodes, the first report
        host.history.of(Node(NODE, "farm"))
        assert len(of_history) == 1


def test_infos_of_one_node_cost_the_ingest_hardly_a_commit(host, tmp_path):
    def saved():
        with closing(Nodes(tmp_path / "state.db", "farm")) as nodes:
            return nodes.get(NODE).info.boot_id

    with commits_of(host.nodes._database._connection) as of_nodes:
        for boot in range(MANY):
            host.connect(NODE, f"b{boot}")
            host.report(NODE, boot)
        host.step()
    assert len(of_nodes) <= 2
    assert host.nodes.get(NODE).info.boot_id == f"b{MANY - 1}"
    host.now += 61_000
    host.arrive(NODE, "status", b"online")
    host.step()
    assert saved() == f"b{MANY - 1}"
    host.connect(NODE, "again")
    host.step()
    assert saved() == "again"


def test_connections_and_repeated_reports_of_one_node_fill_no_live_stream(host):
    host.report(NODE, 1)
    host.step()
    subscription = host.live.subscribe()
    for _ in range(MANY):
        host.arrive(NODE, "status", b"offline")
        host.arrive(NODE, "status", b"online")
        host.connect(NODE)
        host.report(NODE, 1)
    host.report(NODE, 2)
    host.step()
    assert [(one["type"], one["reported_rev"]) for one in subscription.take()] == [("config", 2)]
    assert host.nodes.get(NODE).online


def test_a_good_node_loses_no_change_beside_a_flood(tmp_path):
    with closing(Host(tmp_path)) as host:
        host.connect(OTHER)
        for rev in range(1, 1_001):
            host.configured(NODE, [rev])
            if rev % 50 == 0:
                host.configured(OTHER, [rev])
                host.report(OTHER, rev)
        host.step()
    with closing(SettingsHistory(tmp_path / "state.db")) as history:
        found = history.of(Node(OTHER, "farm"))
    revs = range(50, 1_001, 50)
    assert list(found.begins) == [BOOT_UNIX_MS + 1_000 * rev for rev in revs]
    assert [one["ph.target"] for one in found.values] == [target(rev) for rev in revs]


def test_the_newest_report_outlives_a_host_that_ends(tmp_path):
    with closing(Host(tmp_path)) as host:
        for rev in range(5):
            host.report(OTHER, rev)
        host.step()
        assert host.nodes.get(OTHER).report.rev == 4
    with closing(Nodes(tmp_path / "state.db", "farm")) as nodes:
        assert nodes.get(OTHER).report.rev == 4


def test_reports_are_saved_within_a_minute_of_messages(host, tmp_path):
    def saved():
        with closing(Nodes(tmp_path / "state.db", "farm")) as nodes:
            return nodes.get(OTHER).report.rev

    for rev in range(5):
        host.report(OTHER, rev)
    host.step()
    host.now += 61_000
    host.arrive(OTHER, "status", b"online")
    host.step()
    assert saved() == 4
    host.report(OTHER, 5)
    host.step()
    assert saved() == 5


def test_changes_are_written_while_nobody_reads(host, tmp_path, eventually):
    def written():
        with closing(sqlite3.connect(tmp_path / "state.db")) as database:
            return database.execute(
                "SELECT count(*) FROM settings_history WHERE node=?", (OTHER,)).fetchone()[0]

    thread = threading.Thread(target=host.history.run)
    thread.start()
    try:
        for rev in (1, 2):
            host.configured(OTHER, [rev])
            host.step()
            eventually(lambda expected=rev: written() == expected, 30, "the change")
    finally:
        host.history.stop()
        thread.join()
