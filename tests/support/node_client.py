"""A node that generates and resends records, for tests of the host.

It keeps records until down/stored, sends them in ascending order with at most WINDOW messages in
flight, and resends from the oldest unstored one after a reconnect or after RESEND_S without
progress. It authenticates and acknowledges commands.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from contextlib import suppress
from typing import Any

import paho.mqtt.client as mqtt

from idro.protocol import messages, messages_host, topics
from idro.protocol.messages import AS_FLASHED, Ack, Batch, ConfigReport, EventRecord, Info, Record
from idro.protocol.reason import Reason
from idro.protocol.system_host import UNKNOWN_SYSTEM
from idroserra.mqtt.paho_client import stop_client
from support.node_answers import done_reason

WINDOW = 4
BATCH = 10
RESEND_S = 1.5
CHANNELS = ("reservoir.ph", "reservoir.ec_us_cm", "air.temp_c")


class NodeClient:
    """A node during one boot. start() connects and sends in threads until stop()."""

    def __init__(self, port: int, node: str, key: bytes, boot_id: str = "b00t0001",
                 boot_unix_ms: int | None = None, keepalive_s: int = 30) -> None:
        self.node, self.key, self.boot_id = node, key, boot_id
        self.keepalive_s = keepalive_s
        self.boot_unix_ms = boot_unix_ms
        self.began_ms = time.monotonic_ns() // 1_000_000
        # (outcome, Reason) of its acks, whose Reason None is that of `done`; None: no ack.
        self.outcome: tuple[str, Reason | None] | None = ("done", None)
        self.commands: list[Any] = []
        self.configs: list[Any] = []
        self.refusal: Reason | None = None  # why it refuses new settings
        self.in_force: tuple[int, dict[str, Any]] = (0, {})
        self.stored_upto = 0
        self._records: list[Any] = []  # from seq stored_upto + 1
        self._seq = 0
        self._sent_upto = 0
        self._batches: dict[int, int] = {}  # message id of a batch: its last seq
        self._taken: set[int] = set()  # message ids that the broker has acknowledged
        self._window = threading.BoundedSemaphore(WINDOW)
        self._progress_s = time.monotonic()
        self._changed = threading.Condition()
        self._stopping = False
        self._port = port
        self.is_ready = threading.Event()  # it is connected and has subscribed
        self._client = self._build()
        self._thread = threading.Thread(target=self._send_all, daemon=True)

    def start(self) -> None:
        self._client.connect_async("127.0.0.1", self._port, keepalive=self.keepalive_s)
        self._client.loop_start()
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(60)
        stop_client(self._client)

    def taken_upto(self) -> int:
        """Return the highest seq that the broker has acknowledged."""
        batches = dict(self._batches)
        return max((batches[mid] for mid in self._taken.intersection(batches)), default=0)

    def now_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000 - self.began_ms + 1

    def sample(self, count: int = 1, at_ms: int | None = None, step_ms: int = 0) -> int:
        """Create `count` records, every fifth an event, and return the last seq."""
        with self._changed:
            for i in range(count):
                self._seq += 1
                at = (self.now_ms() if at_ms is None else at_ms) + i * step_ms
                if self._seq % 5 == 0:
                    record: Any = EventRecord(self._seq, at, "decided", {"loop": "ph", "n": at})
                else:
                    values = {"reservoir.ph": 5 + self._seq % 1000 / 1000,
                              "reservoir.ec_us_cm": 1500 + self._seq % 100}
                    record = Record(self._seq, at, values, {"air.temp_c": "no_ack"})
                self._records.append(record)
            self._changed.notify_all()
            return self._seq

    def publish(self, leaf: str, payload: bytes, retain: bool = False) -> None:
        """Publish any payload as this node."""
        self._client.publish(topics.up(self.node, leaf), payload, qos=1, retain=retain)

    def report(self) -> None:
        report = ConfigReport(self.in_force[0], self.refusal, self.in_force[1])
        self.publish("config", messages_host.pack_config_report(report), retain=True)

    def info(self) -> Info:
        return Info("0.1.0", "esp32-reservoir", "esp32", self.boot_id, self.now_ms(),
                    self.boot_unix_ms, "none", "power_on", "0" * 64, CHANNELS,
                    {"ph_down": "doser", "circulation": "switch"}, (), False, 100, 0, AS_FLASHED,
                    UNKNOWN_SYSTEM)

    def _build(self) -> mqtt.Client:
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=self.node,
                             clean_session=True, protocol=mqtt.MQTTv311)
        client.username_pw_set(self.node)
        client.will_set(topics.up(self.node, "status"), b"offline", qos=1, retain=True)
        client.reconnect_delay_set(1, 1)
        client.on_connect = self._on_connect
        client.on_publish = self._on_publish
        client.on_subscribe = lambda *_: self.is_ready.set()
        client.on_message = self._on_message
        return client

    def _on_connect(self, client: Any, *_: Any) -> None:
        self.is_ready.clear()
        client.subscribe([(topics.down(self.node, leaf), 1)
                          for leaf in ("command", "config", "stored")])
        self.publish("status", messages.pack_status(True), retain=True)
        self.publish("info", messages_host.pack_info(self.info()), retain=True)
        with self._changed:
            self._sent_upto = self.stored_upto
            self._changed.notify_all()

    def _on_publish(self, client: Any, userdata: Any, mid: int, *_: Any) -> None:
        self._taken.add(mid)
        with suppress(ValueError):  # other messages take no place in the window
            self._window.release()

    def _on_message(self, client: Any, userdata: Any, message: Any) -> None:
        leaf = topics.parse(message.topic)[2]
        if not message.payload:  # a retained message was cleared
            return
        if leaf == "stored":
            signed = messages.unpack_stored(self.node, message.payload)
            if self._is_authentic(signed):
                self._on_stored(signed.message)
        elif leaf == "config":
            signed = messages.unpack_config(self.node, [message.payload])
            if self._is_authentic(signed):
                self.configs.append(signed.message)
                if self.refusal is None:
                    self.in_force = signed.message.rev, signed.message.values
                self.report()
        else:
            self._on_command(messages.unpack_command(self.node, message.payload))

    def _on_stored(self, stored: Any) -> None:
        with self._changed:
            if stored.boot_id == self.boot_id and stored.seq_upto > self.stored_upto:
                del self._records[: stored.seq_upto - self.stored_upto]
                self.stored_upto = stored.seq_upto
                self._sent_upto = max(self._sent_upto, stored.seq_upto)
                self._progress_s = time.monotonic()
                self._changed.notify_all()

    def _on_command(self, signed: Any) -> None:
        assert self._is_authentic(signed)
        command = signed.message
        self.commands.append(command)
        if self.outcome is None:
            return
        outcome, reason = self.outcome
        if command.boot_id != self.boot_id or command.not_after_at_ms < self.now_ms():
            outcome, reason = "expired", Reason("too_late", late_ms=1)
        ack = Ack(command.id, outcome, reason or done_reason(command), self.boot_id,
                  self.now_ms())
        self.publish("ack", messages.pack_ack(ack))

    def _is_authentic(self, signed: Any) -> bool:
        data = signed.signed
        data = b"".join(data) if isinstance(data, list) else data
        mac = hmac.new(self.key, data, hashlib.sha256).hexdigest()
        return hmac.compare_digest(mac, signed.auth)

    def _send_all(self) -> None:
        while not self._stopping:
            with self._changed:
                batch = self._next_batch()
                if batch is None:
                    self._changed.wait(0.2)
                    continue
            if self._window.acquire(timeout=0.2):
                self._publish_batch(*batch)

    def _next_batch(self) -> tuple[str, list[Any]] | None:
        """Return (leaf, records) of the next batch without removing them."""
        if time.monotonic() - self._progress_s > RESEND_S:
            self._sent_upto = self.stored_upto
            self._progress_s = time.monotonic()
        waiting = self._records[self._sent_upto - self.stored_upto :][:BATCH]
        if not waiting or not self._client.is_connected():
            return None
        kind = type(waiting[0])
        run = []
        for record in waiting:
            if type(record) is not kind:
                break
            run.append(record)
        return ("event" if kind is EventRecord else "telemetry"), run

    def _publish_batch(self, leaf: str, records: list[Any]) -> None:
        batch = Batch(self.boot_id, self.boot_unix_ms, self.now_ms(), self.stored_upto + 1,
                      records)
        pack = messages_host.pack_event if leaf == "event" else messages_host.pack_telemetry
        self._sent_upto = max(self._sent_upto, records[-1].seq)
        sent = self._client.publish(topics.up(self.node, leaf), pack(batch), qos=1)
        self._batches[sent.mid] = records[-1].seq
