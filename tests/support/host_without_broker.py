"""A host that is not started: messages of a node are handed to it, at times of a virtual clock.

Every message is packed by the contract, and decoded, committed and dispatched as `Ingest` does.
"""

from idro.protocol import messages, messages_host, settings, system_host
from idroserra.core.config import load_config
from idroserra.homeassistant.bridge import Bridge
from idroserra.ingest.decoder import read_records
from idroserra.ingest.handler import LastMessage
from idroserra.ingest.received import Received
from idroserra.mqtt.connection import IncomingMessage
from idroserra.server.message_handler import HostMessageHandler
from idroserra.server.service import Service
from idroserra.web.node_view import NodeViews
from support.paho_node import CHANNELS, OUTPUTS, READING

NODE = "idro-a"
BEGIN_UNIX_MS = 1_795_507_200_000


class HostWithoutBroker:
    """The host, its three faces, and one node of it. `unix_ms` is the time of all of them."""

    def __init__(self, folder, **config):
        self.unix_ms = BEGIN_UNIX_MS
        config = load_config(overrides={"data_dir": str(folder), "site": "test",
                                        "homeassistant": {"enabled": True}, **config})
        self.service = service = Service(config, lambda: self.unix_ms)
        self.views = NodeViews(service.nodes, service.live, service.latest_events,
                               service.recipes, service.states)
        self.bridge = Bridge(
            config, nodes=service.nodes, live=service.live, commands=service.commands,
            alarms=service.alarms, states=service.states, audit=service.access.audit.add,
            page_url=lambda: None, link=service._mqtt)
        self._handler = HostMessageHandler(
            service.nodes, service.commands, service.live, service.updates,
            service.latest_events, service.settings_history)
        service.nodes.adopt(NODE, b"k" * 32)
        self.values = settings.defaults() | {"dosing.enabled": True, "sample.every_ms": 60_000}
        self.rev, self._boot_id, self._boot_unix_ms, self._seq = 0, "", 0, 0

    @property
    def node(self):
        """The registry's copy of the node."""
        return self.service.nodes.get(NODE)

    def boot(self):
        """The node starts, connects and reports its settings."""
        self._boot_unix_ms, self._seq = self.unix_ms, 0
        self._boot_id = f"{self.unix_ms // 1_000 % 2**32:08x}"
        self.unix_ms += 1_000
        self.connect(online=True)
        self._arrive("info", messages_host.pack_info(messages.Info(
            "0.1.0", "esp32-reservoir", "esp32", self._boot_id, self._at_ms, self._boot_unix_ms,
            "host", "power_on", "ab" * 32, CHANNELS, OUTPUTS, (), True, 100, 0,
            messages.AS_FLASHED, system_host.UNKNOWN_SYSTEM)))
        self.report()
        self.tell("boot", reset="power_on", version="0.1.0", last_error=None)

    def resume(self, before):
        """The node runs on, in the boot that it had with an earlier host of this folder."""
        self._boot_id, self._boot_unix_ms = before._boot_id, before._boot_unix_ms
        self._seq = before._seq

    def connect(self, *, online):
        """The broker's word on the connection of the node."""
        self._arrive("status", messages.pack_status(online))

    def report(self, error=None, rev=None, **values):
        """The node reports its settings; double underscores in names are dots."""
        self.values |= {name.replace("__", "."): value for name, value in values.items()}
        self.rev = self.rev if rev is None else rev
        self._arrive("config", messages_host.pack_config_report(
            messages.ConfigReport(self.rev, error, self.values)))

    def read(self, values=None, faults=None):
        """The node publishes one record."""
        values = READING | (values or {})
        values = {key: value for key, value in values.items() if key not in (faults or {})}
        self.read_only(values, faults)

    def read_only(self, values, faults=None):
        """The node publishes one record of these channels alone."""
        self._seq += 1
        record = messages.Record(self._seq, self._at_ms, values, faults or {})
        self._take("telemetry", messages_host.pack_telemetry(self._batch(record)))

    def tell(self, kind, reason=None, **detail):
        """The node publishes one event, with a Reason if the kind has one."""
        if reason is not None:
            detail["reason"] = reason.as_json()
        self._seq += 1
        record = messages.EventRecord(self._seq, self._at_ms, kind, detail)
        self._take("event", messages_host.pack_event(self._batch(record)))

    def close(self):
        self.service.stop()

    @property
    def _at_ms(self):
        return self.unix_ms - self._boot_unix_ms

    def _batch(self, record):
        return messages.Batch(
            self._boot_id, self._boot_unix_ms, self._at_ms, record.seq, [record])

    def _arrive(self, leaf, payload):
        item = self._handler.on_message(NODE, leaf, IncomingMessage(
            f"idro/v1/{NODE}/up/{leaf}", payload, False, self.unix_ms, 1, 1, 0))
        if item is not None:
            self.service.spool.commit([item])

    def _take(self, leaf, payload):
        batch, unread = read_records(leaf, payload)
        assert not unread, unread
        self._handler.on_heartbeats(
            {NODE: LastMessage(batch.boot_id, batch.sent_at_ms, self.unix_ms)})
        self._handler.tick()
        committed = self.service.spool.commit(
            [Received(NODE, leaf, batch, self.unix_ms, unread)])
        for accepted in committed.accepted:
            self._handler.on_records(accepted, self.unix_ms, 50)
