"""Builds Wi-Fi and MQTT from the provisioned credentials."""

import os
import random

from idro.net.publisher import Broker, Publisher
from idro.net.wifi import Wifi
from idro.protocol.topics import is_node_id

_MQTT_PORT, _TLS_PORT = 1_883, 8_883
_MAX_DER_BYTES = 512  # of a certificate, or its key
# Longer than every back-off and deadline in idro.net: a task silent for so long hangs.
_SILENT_MS = 300_000


class NetworkTask:
    """Wi-Fi and publisher. `store` is the NVS, `handlers` are those of idro.net.publisher."""

    def __init__(self, *, store, clock, outbox, handlers, events, beat, dose_or_handshake):
        self._clock = clock
        random.seed(int.from_bytes(os.urandom(4), "little"))
        self.wifi = Wifi(
            store.text("wifi_ssid"), store.text("wifi_pass"), clock, random.randint,
            store.number("wifi_dbm"), store.text("wifi_country"))
        open_stream, port = _transport(store, self.wifi.open)
        broker = Broker(
            store.text("broker_host"), store.number("broker_port") or port, store.text("node_id"),
            store.text("broker_pass") or None, bool(store.number("broker_tls")), open_stream)
        self._node_id = broker.node_id
        self.publisher = Publisher(broker, outbox, clock, handlers, random.randint)
        self.publisher.dose_or_handshake = dose_or_handshake
        self.publisher.on_alive = lambda: beat("link")
        self.publisher.on_no_memory = lambda: events.memory_refused("line")
        self.wifi.on_alive = lambda: beat("wifi")

    def add_tasks(self, add):
        """Register the tasks with the supervisor's add(); none without a node id."""
        if not is_node_id(self._node_id):
            print("no network: this board has no node id")
            return
        add("wifi", self.wifi.run, silent_ms=_SILENT_MS)
        add("link", self.publisher.run, silent_ms=_SILENT_MS)

    @property
    def is_stored_lately(self):
        """True while connected and the host has stored records in the last five minutes."""
        publisher = self.publisher
        return (
            publisher.connected and publisher.last_stored_ms is not None
            and self._clock.now_ms() - publisher.last_stored_ms < _SILENT_MS)


def _transport(store, open_plain):
    """Return (open, default port): only TLS on a board that was provisioned for it."""
    if not store.number("broker_tls"):
        return open_plain, _MQTT_PORT
    from idro.net.tls import Tls

    ca, certificate, key = [
        store.blob(name, _MAX_DER_BYTES) for name in ("tls_ca", "tls_cert", "tls_key")]
    return Tls(ca, certificate, key, open_plain).open, _TLS_PORT
