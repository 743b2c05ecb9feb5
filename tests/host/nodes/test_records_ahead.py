"""Records of a boot that was dated too late: they hide nothing of the boot after it."""

import pytest

from idro.protocol import messages_host
from idro.protocol.messages import AS_FLASHED, Batch, EventRecord, Info, Record
from idro.protocol.system_host import UNKNOWN_SYSTEM
from idroserra.alarms.conditions_node import NODE_WATCHES
from idroserra.alarms.rules import load_rules
from idroserra.alarms.snapshot import NodeSnapshot, Snapshot
from idroserra.core.config import MqttConfig
from idroserra.ingest.consumer import Ingest
from idroserra.ingest.spool import Spool
from idroserra.ingest.store_writer import StoreWriter
from idroserra.mqtt.connection import IncomingMessage, MqttConnection
from idroserra.nodes.commands import Commands
from idroserra.nodes.latest_events import ASK_EVERY_MS, LatestEvents
from idroserra.nodes.live import LiveState
from idroserra.nodes.registry import Nodes
from idroserra.server.message_handler import HostMessageHandler
from idroserra.setpoints.history import SettingsHistory
from support.store_rig import sqlite_store

NODE = "idro-a1"
NOW = 1_795_507_200_000
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
PH = "reservoir.ph"
LATCH = {"reason": {"code": "latch_no_effect", "values": {}}}

store = sqlite_store


class Host:
    """Ingest, store and caches of a host on a clock that the test moves."""

    def __init__(self, folder, store):
        self.unix_ms = NOW
        self.link = MqttConnection(MqttConfig(), self.now)
        self.spool = Spool(folder / "spool.db")
        self.nodes = Nodes(folder / "state.db", "farm")
        self.live = LiveState(self.nodes.is_after)
        self.events = LatestEvents(lambda: store, self.now, self.nodes.is_after)
        self.commands = Commands(
            folder / "state.db", self.nodes, self.live, self.link, self.spool.epoch)
        self.history = SettingsHistory(folder / "state.db")
        self.writer = StoreWriter(self.spool, store, self.now)
        self.ingest = Ingest(self.link, self.spool, HostMessageHandler(
            self.nodes, self.commands, self.live, None, self.events, self.history))

    def now(self):
        return self.unix_ms

    def arrive(self, leaf, payload):
        self.link.inbox.put(IncomingMessage(
            f"idro/v1/{NODE}/up/{leaf}", payload, False, self.unix_ms, 1, 1, 0))
        self.ingest.step()

    def begin(self, boot_id, *before):
        """Receive the info of a boot after the earlier ones that have records left."""
        info = Info("0.1.0", "esp32-reservoir", "esp32", boot_id, 1_000, None, "none", "power_on",
                    "0" * 64, (PH,), {}, tuple((one, HOUR_MS) for one in before), False, 100, 0,
                    AS_FLASHED, UNKNOWN_SYSTEM)
        self.arrive("info", messages_host.pack_info(info))

    def read(self, boot_id, epoch_unix_ms, seq, at_ms, value):
        """Receive one reading of the pH."""
        self.arrive("telemetry", messages_host.pack_telemetry(Batch(
            boot_id, epoch_unix_ms, at_ms, 1, [Record(seq, at_ms, {PH: value}, {})])))

    def event(self, boot_id, epoch_unix_ms, at_ms, *events):
        """Receive a message of (seq, kind, detail) of one instant, and store it."""
        self.arrive("event", messages_host.pack_event(Batch(boot_id, epoch_unix_ms, at_ms, 1, [
            EventRecord(seq, at_ms, kind, detail) for seq, kind, detail in events])))
        self.writer.drain(10)

    def active(self):
        """Return which alarms of the node's events are active."""
        self.events.is_read(NODE)
        node = NodeSnapshot(
            node=NODE, site="farm", is_online=True, last_seen_unix_ms=self.unix_ms,
            stale_after_ms=30_000, settings={}, channels=(), readings={}, groups=(),
            events=self.events.all(NODE))
        snapshot = Snapshot(self.unix_ms, "farm", NOW, nodes=(node,))
        return {name for name, rule in load_rules(None).items()
                if rule.watch in ("latched", "water", "irrigation_no_flow")
                for found in NODE_WATCHES[rule.watch](rule, snapshot, node, lambda key: False)
                if found.is_present}

    def close(self):
        self.commands.close()
        self.history.close()
        self.nodes.close()
        self.spool.close()


@pytest.fixture
def host(tmp_path, store):
    host = Host(tmp_path, store)
    yield host
    host.close()


def test_a_reading_of_a_boot_dated_a_month_ahead_hides_none_of_the_next_boot(host):
    host.begin("a")
    host.read("a", NOW + 30 * DAY_MS, 1, 1_000, 5.8)
    host.begin("b", "a")
    for number in range(1, 50):
        host.unix_ms += 5_000
        host.read("b", NOW - HOUR_MS, number, HOUR_MS + 5_000 * number, 9.4)
        assert host.live.channels(NODE)[PH] == {
            "value": 9.4, "fault": None, "unix_ms": host.unix_ms}


def test_a_backlog_of_a_boot_dated_ahead_hides_none_of_the_running_boot(host):
    host.begin("b", "a")
    host.read("b", NOW - HOUR_MS, 1, HOUR_MS, 9.4)
    host.event("b", NOW - HOUR_MS, HOUR_MS, (2, "latched", LATCH))
    host.read("a", NOW + 30 * DAY_MS, 1, 1_000, 5.8)
    host.event("a", NOW + 30 * DAY_MS, 1_000, (2, "resumed", {"by": "anna"}))
    assert host.live.channels(NODE)[PH]["value"] == 9.4
    assert host.active() == {"dosing_latched"}


@pytest.mark.parametrize("is_set_first", [True, False],
                         ids=["arrive after the clock was set", "arrive before"])
def test_events_of_a_boot_dated_ahead_silence_no_alarm_of_the_next_boot(host, is_set_first):
    """The clock was 2 h ahead when boot a was dated. It is set right, and the node restarts."""
    epoch_unix_ms = NOW + 2 * HOUR_MS
    host.unix_ms = NOW if is_set_first else epoch_unix_ms
    host.begin("a")
    host.event("a", epoch_unix_ms, 20 * MINUTE_MS if is_set_first else 0,
               (1, "boot", {"reset": "power_on"}), (2, "water", {"state": "normal"}),
               (3, "irrigation_no_flow", {"state": "ended"}), (4, "latched", LATCH),
               (5, "resumed", {"by": "anna"}))
    host.unix_ms = NOW + 21 * MINUTE_MS
    assert host.active() == set()
    for minute in range(22, 25):
        host.unix_ms = NOW + minute * MINUTE_MS
        assert host.active() == set()
    host.unix_ms = NOW + 25 * MINUTE_MS
    host.begin("b")
    host.event("b", NOW + 24 * MINUTE_MS, 30_000,
               (1, "boot", {"reset": "power_on"}), (2, "latched", LATCH),
               (3, "water", {"state": "falls", "moved_mm": 40}),
               (4, "irrigation_no_flow", {"state": "began", "on_ms": 9_000}))
    expected = {"dosing_latched", "leak", "roots_dry"}
    assert host.active() == expected
    for _ in range(180):  # the store is read again: boot a's events come to be of the past
        host.unix_ms += ASK_EVERY_MS
        assert host.active() == expected


def test_events_of_a_boot_dated_ahead_keep_their_order(host):
    host.begin("a")
    host.event("a", NOW + HOUR_MS, 1_000, (1, "resumed", {"by": "anna"}), (2, "latched", LATCH))
    host.begin("b")
    host.event("b", NOW, 1_000, (1, "boot", {"reset": "power_on"}))
    assert host.active() == {"dosing_latched"}
    host.event("a", NOW + HOUR_MS, 2_000, (3, "resumed", {"by": "anna"}))
    assert host.active() == set()
    host.unix_ms += ASK_EVERY_MS
    assert host.active() == set()
