"""Alarms without a host: snapshots in, states out, on a clock that the test moves."""

from dataclasses import replace

from idroserra.alarms.database import AlarmDatabase
from idroserra.alarms.engine import AlarmEngine
from idroserra.alarms.notify.dispatcher import Dispatcher
from idroserra.alarms.notify.heartbeat import Heartbeat
from idroserra.alarms.notify.outbox import Outbox
from idroserra.alarms.notify.scheduler import NotificationScheduler
from idroserra.alarms.notify.targets import open_targets
from idroserra.alarms.rules import load_rules
from idroserra.alarms.snapshot import Group, NodeSnapshot, Reading, Snapshot
from idroserra.alarms.summary import active_alarms
from idroserra.core.config import AlarmsConfig
from idroserra.core.validation import validate
from idroserra.nodes.latest_events import Event

T0 = 1_795_507_200_000
MINUTE_MS = 60_000
SETTINGS = {"ph.target": 5.8, "ph.deadband": 0.2, "ec.target_us_cm": 1_600,
            "ec.deadband_us_cm": 80, "level.low_mm": 120, "level.full_mm": 240}
GOOD = {"reservoir.ph": 5.8, "reservoir.ec_us_cm": 1_600, "reservoir.level_mm": 200,
        "reservoir.temp_c": 20.0, "air.temp_c": 23.0, "air.rh_pct": 60.0}
CONVERTER = Group("Converter main", "adc.main", frozenset(
    {"reservoir.ph", "reservoir.ec_us_cm", "reservoir.level_mm"}))


class AlarmRig:
    """Nodes `idro-0` ... without faults at first; step() evaluates once a second.

    config: the section [alarms] of a host. Real apprise sends the notices."""

    def __init__(self, folder, count=1, rules=None, config=None, midnight_unix_ms=T0):
        self.folder = folder
        self.config = validate(config or {}, AlarmsConfig)
        self.midnight_unix_ms = midnight_unix_ms
        self.now_unix_ms = T0
        self.rules = load_rules(rules)
        self.host = {}
        self.nodes = {f"idro-{n}": {"values": dict(GOOD), "faults": {}} for n in range(count)}
        self.silent_since = {}
        self.more = {}
        self.node_states = {}
        self.open()

    def open(self):
        """Start the alarms on the file, as after a start of the host."""
        self.database = AlarmDatabase(self.folder / "alarms.db")
        self.alarms = AlarmEngine(self.rules, self.database)
        self.since_unix_ms = self.now_unix_ms
        self.outbox = Outbox(self.folder / "alarms.db")
        url = self.config.heartbeat_url
        heartbeat = Heartbeat(None if url is None else url.get_secret_value(),
                              self.config.heartbeat_every_min * MINUTE_MS, lambda: self.is_alive)
        self.is_alive = True
        self.dispatcher = Dispatcher(self.outbox, open_targets(self.config.targets), heartbeat,
                                     lambda: self.now_unix_ms)
        self.scheduler = NotificationScheduler(
            self.alarms, self.outbox, self.dispatcher, self.config, "farm",
            lambda node: self.node_states.get(node, ""),
            lambda unix_ms: (unix_ms - self.midnight_unix_ms) // MINUTE_MS % 1440)

    def close(self):
        """Close the files."""
        self.database.close()
        self.outbox.close()

    def restart(self):
        """End and start again."""
        self.close()
        self.open()

    def fail(self, node, **faults):
        """Faults by channel, with __ for the dot: reservoir__ph="no_ack"."""
        for name, fault in faults.items():
            channel = name.replace("__", ".")
            self.nodes[node]["faults"][channel] = fault

    def heal(self, node):
        """End all faults of a node."""
        self.nodes[node]["faults"].clear()

    def silence(self, *nodes):
        """Stop the messages of these nodes."""
        for node in nodes:
            self.silent_since[node] = self.now_unix_ms

    def add_event(self, node, kind, **detail):
        """Add an event of a node, now."""
        events = self.more.setdefault(node, {}).setdefault("events", {})
        events[kind] = Event(self.now_unix_ms * 1_000, kind, detail)

    def snapshot(self):
        """Return the snapshot of now."""
        is_up = self.host.get("broker", "connected") == "connected"
        snapshot = Snapshot(self.now_unix_ms, "farm", self.since_unix_ms if is_up else None,
                            undelivered=self.dispatcher.undelivered(),
                            nodes=tuple(self._node(name) for name in self.nodes))
        return replace(snapshot, **self.host)

    def step(self, for_ms=1_000, every_ms=1_000):
        """Let time pass with an evaluation every `every_ms`; return the transitions."""
        changes = []
        end = self.now_unix_ms + for_ms
        while self.now_unix_ms < end:
            self.now_unix_ms += min(every_ms, end - self.now_unix_ms)
            changes += self.alarms.step(self.snapshot())
            self.scheduler.step(self.now_unix_ms)
            self.dispatcher.step()
        return changes

    def states(self):
        """Return {key: state} of what is not normal."""
        return {one.key: one.state for one in self.alarms.all() if one.state != "normal"}

    def active(self):
        """Return the causes in their order, each with the keys of its consequences."""
        return [(one["key"], sorted(c["key"] for c in one["consequences"]))
                for one in active_alarms(self.alarms.all())]

    def _node(self, name):
        body = self.nodes[name]
        at = self.silent_since.get(name, self.now_unix_ms)
        readings = {channel: Reading(value, None, at) for channel, value in body["values"].items()}
        readings |= {channel: Reading(None, fault, at)
                     for channel, fault in body["faults"].items()}
        node = NodeSnapshot(
            node=name, site="farm", is_online=name not in self.silent_since,
            last_seen_unix_ms=at, stale_after_ms=30_000, settings=SETTINGS,
            channels=tuple(sorted(readings)), readings=readings, groups=(CONVERTER,))
        return replace(node, **self.more.get(name, {}))
