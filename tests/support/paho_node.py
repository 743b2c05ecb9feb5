"""A scripted node: a paho client with the messages of the contract.

It authenticates commands and acknowledges them with `answer`, or not at all.
"""

import hashlib
import hmac
import itertools
import threading
import time

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from idro.protocol import messages, messages_host, settings, system_host, topics
from idro.protocol.reason import Reason
from idroserra.mqtt.paho_client import stop_client, stop_loop
from support.node_answers import done_reason

BOOT_ID = "7f3a11aa"
UPTIME_MS = 2 * 86_400_000
CHANNELS = (
    "reservoir.ph", "reservoir.ec_us_cm", "reservoir.temp_c", "reservoir.level_mm",
    "air.temp_c", "air.rh_pct", "light.duty_pct", "circulation.on_pct",
)
OUTPUTS = {
    "ph_down": "doser", "ph_up": "doser", "nutrient_a": "doser", "nutrient_b": "doser",
    "circulation": "switch", "light": "dimmer",
}
READING = {
    "reservoir.ph": 5.85, "reservoir.ec_us_cm": 1590, "reservoir.temp_c": 20.5,
    "reservoir.level_mm": 203, "air.temp_c": 23.4, "air.rh_pct": 61.0, "light.duty_pct": 80,
    "circulation.on_pct": 100,
}


def now_unix_ms():
    return time.time_ns() // 1_000_000


class PahoNode:
    """answer: outcome of its acks, None for no ack; reason: their Reason, None for that of `done`;
    refuse_config: the Reason to refuse settings, or None.

    commands: each once, though the host sends a stop again until it has the answer."""

    def __init__(self, node, port, key=b"k" * 32, context=None):
        self.node = node
        self.key = key
        self.answer = "done"
        self.reason = None
        self.commands = []
        self._command_ids = set()
        self.stored_upto = {}
        # Readings stay fresh for three periods, which is longer than any test takes.
        self.values = settings.defaults() | {"dosing.enabled": True, "sample.every_ms": 60_000}
        self.refuse_config = None
        self.withholds_config = False
        self._config_rev = 0
        self.has_button, self.granted_pct, self.earn_left_ms = True, 100, 0
        self.system = system_host.UNKNOWN_SYSTEM
        self._seqs = itertools.count(1)  # several threads may publish
        self.boot_id, self._boot_unix_ms = BOOT_ID, now_unix_ms() - UPTIME_MS
        self._ready = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=node)
        if context is None:
            self._client.username_pw_set(node)
        else:
            self._client.tls_set_context(context)
        self._client.will_set(topics.up(node, "status"), b"offline", qos=1, retain=True)
        # At every connection, as a node does: a broker that has just started may end the first.
        self._client.on_connect = lambda client, *_: client.subscribe(
            [(topics.down(node, leaf), 1) for leaf in topics.DOWN])
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._ready.wait(60)

    @property
    def at_ms(self):
        return now_unix_ms() - self._boot_unix_ms

    def announce(self):
        """Publish what a node publishes on connecting."""
        self._publish("status", messages.pack_status(True))
        self._publish("info", messages_host.pack_info(messages.Info(
            "0.1.0", "esp32-reservoir", "esp32", self.boot_id, self.at_ms, self._boot_unix_ms,
            "host", "power_on", "ab" * 32, CHANNELS, OUTPUTS, (), self.has_button,
            self.granted_pct, self.earn_left_ms, messages.AS_FLASHED, self.system)))
        self.report(0)

    def report(self, rev, error=None):
        """Publish the active settings."""
        self._publish("config", messages_host.pack_config_report(
            messages.ConfigReport(rev, error, self.values)))

    def read(self, values=None, faults=None, ago_ms=0, at_ms=None):
        """Publish one record, of now, of `ago_ms` ago or of `at_ms`, and return its seq."""
        values = READING | (values or {})
        values = {key: value for key, value in values.items() if key not in (faults or {})}
        record = messages.Record(
            next(self._seqs), at_ms or self.at_ms - ago_ms, values, faults or {})
        self._publish("telemetry", messages_host.pack_telemetry(self._batch([record])))
        return record.seq

    def tell(self, kind, detail, ago_ms=0, at_ms=None):
        """Publish one event, of now, of `ago_ms` ago or of `at_ms`. A value may be a Reason."""
        detail = {key: value.as_json() if isinstance(value, Reason) else value
                  for key, value in detail.items()}
        record = messages.EventRecord(
            next(self._seqs), at_ms or self.at_ms - ago_ms, kind, detail)
        self._publish("event", messages_host.pack_event(self._batch([record])))

    def publish_raw(self, leaf, payload):
        """Publish any payload."""
        self._publish(leaf, payload)

    def live(self, count=1, step_ms=60_000):
        """Publish `count` records up to now, with slightly varying pH; return the last seq."""
        seq = 0
        for index in range(count - 1, -1, -1):
            seq = self.read({"reservoir.ph": 5.80 + 0.02 * (index % 5)}, ago_ms=index * step_ms)
        return seq

    def leave(self):
        """Close the socket without DISCONNECT, so that the broker publishes the last will."""
        stop_loop(self._client)
        self._client.socket().close()

    def close(self):
        """Disconnect."""
        stop_client(self._client)

    def _batch(self, records):
        return messages.Batch(self.boot_id, self._boot_unix_ms, self.at_ms, 1, records)

    def _publish(self, leaf, payload):
        sent = self._client.publish(topics.up(self.node, leaf), payload, qos=1,
                                    retain=leaf in topics.RETAINED_UP)
        sent.wait_for_publish(60)
        assert sent.is_published(), f"the broker never took up/{leaf}"

    def _on_message(self, client, userdata, message):
        leaf = topics.parse(message.topic)[2]
        if leaf == "stored":
            signed = messages.unpack_stored(self.node, message.payload)
            self._check(signed)
            stored = signed.message
            self.stored_upto[stored.boot_id] = stored.seq_upto
        elif leaf == "command":
            signed = messages.unpack_command(self.node, message.payload)
            self._check(signed)
            if signed.message.id not in self._command_ids:
                self._command_ids.add(signed.message.id)
                self.commands.append(signed.message)
            if self.answer is not None:
                reason = self.reason or done_reason(signed.message)
                ack = messages.Ack(
                    signed.message.id, self.answer, reason, self.boot_id, self.at_ms)
                client.publish(topics.up(self.node, "ack"), messages.pack_ack(ack), qos=1)
        elif leaf == "config" and message.payload:
            signed = messages.unpack_config(self.node, [message.payload])
            self._check(signed)
            if self.refuse_config is None:  # else it reports the revision in force
                self.values, self._config_rev = signed.message.values, signed.message.rev
            if not self.withholds_config:
                self._publish_config()

    def confirm_config(self):
        """Publish the report that `withholds_config` held back."""
        self.withholds_config = False
        self._publish_config()

    def _publish_config(self):
        report = messages.ConfigReport(self._config_rev, self.refuse_config, self.values)
        self._client.publish(topics.up(self.node, "config"),
                             messages_host.pack_config_report(report), qos=1, retain=True)

    def _check(self, signed):
        data = signed.signed
        data = b"".join(data) if isinstance(data, list) else data
        wanted = hmac.new(self.key, data, hashlib.sha256).hexdigest()
        assert hmac.compare_digest(wanted, signed.auth), "the host's signature is wrong"
