"""The node's end of the line: joins the network, publishes, hands what comes in to the node."""

import os
import random

from idro.board import BOARD, VERSION
from idro.net.module_cache import unload
from idro.net.publisher import Broker, Handlers, Publisher
from idro.net.wifi import Wifi
from idro.protocol.messages import ConfigReport, Info
from idro.protocol.topics import is_node_id
from idro.update import slots

_MQTT_PORT, _TLS_PORT = 1_883, 8_883
_MAX_DER_BYTES = 512  # of a certificate, or its key
# Longer than any back-off and every deadline of theirs: who is silent for so long hangs.
_SILENT_MS = 300_000


class NetworkTask:
    """Wi-Fi and publisher of one node. `commands` checks and runs what the host asks for."""

    def __init__(self, node, commands):
        """`node` gives store, clock, outbox, settings, supervisor, and takes settings and the
        host's time."""
        self._node = node
        self._commands = commands
        store = node.store
        random.seed(int.from_bytes(os.urandom(4), "little"))
        self.wifi = Wifi(
            store.text("wifi_ssid"), store.text("wifi_pass"), node.clock, random.randint
        )
        open_line, port = _way_to_broker(store, self.wifi.open)
        broker = Broker(
            store.text("broker_host"), store.number("broker_port") or port,
            store.text("node_id"), store.text("broker_pass") or None, open_line,
        )
        handlers = Handlers(
            self._info, self._config_report, commands.receive, self._on_config, self._on_stored,
            node.updates.receive,
        )
        self._image_sha256 = _image_sha256()
        self._config_error = node.settings.error
        self._publisher = None
        if not is_node_id(broker.node):
            print("no link: this board was never given a node id")
            return
        self._publisher = Publisher(broker, node.outbox, node.clock, handlers, random.randint)
        commands.send_ack = self._publisher.send_ack
        node.updates.ask = self._publisher.ask
        self._publisher.on_alive = self._publisher_lives
        self._publisher.on_no_memory = self._no_memory
        self.wifi.on_alive = self._wifi_lives
        node.supervisor.add("wifi", self.wifi.run, silent_ms=_SILENT_MS)
        node.supervisor.add("link", self._publisher.run, silent_ms=_SILENT_MS)

    @property
    def is_stored_lately(self):
        """True where the line is up and the host has stored what came of late."""
        link = self._publisher
        return (
            link is not None and link.connected and link.last_stored_ms is not None
            and self._node.clock.now_ms() - link.last_stored_ms < _SILENT_MS
        )

    @property
    def has_unsent_ack(self):
        """True while an answer to a command waits for the line."""
        return self._publisher is not None and self._publisher.has_unsent_ack

    @property
    def out_of_memory_ms(self):
        """For how long every attempt to say something was refused memory."""
        return 0 if self._publisher is None else self._publisher.out_of_memory_ms

    def publish_info(self):
        """Publish up/info anew."""
        if self._publisher is not None:
            self._publisher.publish_info()

    def _no_memory(self):
        self._node.no_memory("line")

    def _publisher_lives(self):
        self._node.supervisor.beat("link")

    def _wifi_lives(self):
        self._node.supervisor.beat("wifi")

    def _info(self):
        node = self._node
        outputs = {name: output.kind for name, output in node.outputs.items()}
        return Info(
            slots.running.version or VERSION, BOARD["name"], BOARD["chip"], node.boot_id,
            node.clock.now_ms(), node.clock.boot_unix_ms, node.clock.quality, node.reset,
            self._image_sha256, node.telemetry.channels, outputs, node.outbox.boots(),
            BOARD["button"] is not None, node.granted_pct, node.authority.left_ms,
            node.updates.running,
        )

    def _config_report(self):
        settings = self._node.settings
        return ConfigReport(settings.rev, self._config_error, settings.values)

    def _on_config(self, pieces):
        settings = self._node.settings
        changed, error = self._commands.receive_config(pieces, settings)
        if changed is None and error is None:
            return
        self._config_error = error
        if changed is not None:
            self._node.take_settings(settings.by, changed)
        self._publisher.tell_config()

    def _on_stored(self, stored):
        if self._node.take_host_time(stored.unix_ms):
            self._publisher.publish_info()


def _image_sha256():
    from idro.app.image_hash import image_sha256

    digits = image_sha256()
    unload("idro.app.image_hash")
    return digits


def _way_to_broker(store, open_plain):
    """Return (open, its usual port): TLS where the board was told so, and then nothing else."""
    if not store.number("broker_tls"):
        return open_plain, _MQTT_PORT
    from idro.net.tls import Tls

    ca, certificate, key = [
        store.blob(name, _MAX_DER_BYTES) for name in ("tls_ca", "tls_cert", "tls_key")
    ]
    return Tls(ca, certificate, key, open_plain).open, _TLS_PORT
