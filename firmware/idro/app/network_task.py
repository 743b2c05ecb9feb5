"""Builds Wi-Fi and MQTT from the provisioned credentials."""

import os
import random

from idro.net.publisher import Broker, Publisher
from idro.net.wifi import Wifi
from idro.protocol.reason import Reason
from idro.protocol.topics import is_node_id

_MQTT_PORT, _TLS_PORT = 1_883, 8_883
# Longer than every back-off and deadline in idro.net: a task silent for so long hangs.
_SILENT_MS = 300_000


class NetworkTask:
    """Wi-Fi and publisher. `store` is the NVS, `handlers` are those of idro.net.publisher.

    `take_certificate` is the action of the command `certificate`."""

    def __init__(self, *, store, clock, outbox, handlers, events, beat, dose_or_handshake):
        self._clock = clock
        random.seed(int.from_bytes(os.urandom(4), "little"))
        self.wifi = Wifi(
            store.text("wifi_ssid"), store.text("wifi_pass"), clock, random.randint,
            store.number("wifi_dbm"), store.text("wifi_country"))
        open_stream, port, trial = self.wifi.open, _MQTT_PORT, None
        if store.number("broker_tls"):  # a board that was provisioned for TLS uses nothing else
            from idro.app.certificate_trial import CertificateTrial

            trial = CertificateTrial(store, clock, events.record)
            open_stream, port = trial.opener(self.wifi.open), _TLS_PORT
        broker = Broker(
            store.text("broker_host"), store.number("broker_port") or port, store.text("node_id"),
            store.text("broker_pass") or None, bool(store.number("broker_tls")), open_stream)
        self._node_id = broker.node_id
        self.publisher = Publisher(broker, outbox, clock, handlers, random.randint)
        self.publisher.dose_or_handshake = dose_or_handshake
        self.publisher.on_alive = lambda: beat("link")
        self.take_certificate = trial.start(self.publisher) if trial else (
            lambda args, by, answer: answer("refused", Reason("no_tls")))
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
