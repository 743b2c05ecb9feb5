"""A minimal host for tests of the node: a paho client that stores records in memory."""

import hashlib
import hmac
import threading

import paho.mqtt.client as paho

from idro.protocol import messages, messages_host, topics
from idroserra.mqtt.paho_client import stop_client

KEY = b"k" * 32  # of every node


class FakeHost:
    """Subscribes to every node. With `stores` False it never confirms records."""

    def __init__(self, port, stores=True):
        self.stores = stores
        self.topics = []  # leaf of each message, in order of arrival
        self.records = {}  # (boot_id, seq): record
        self.order = []  # (boot_id, seq) in order of first arrival
        self.payloads = {}  # leaf: newest payload
        self.batches = []
        self._floor = {}
        self._lock = threading.Lock()
        self._client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, client_id="fake-host", clean_session=False
        )
        self._client.on_connect = lambda client, *_: client.subscribe("idro/v1/+/up/#", qos=1)
        self._client.on_message = self._received
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def close(self):
        stop_client(self._client)

    def send(self, node, leaf, payload):
        self._client.publish(topics.down(node, leaf), payload, qos=1)

    def keep(self, node, leaf, payload):
        """Publish a retained message and wait until the broker has it."""
        sent = self._client.publish(topics.down(node, leaf), payload, qos=1, retain=True)
        sent.wait_for_publish(60)
        assert sent.is_published()

    def _received(self, client, _, message):
        node, _, leaf = topics.parse(message.topic)
        with self._lock:
            self.topics.append(leaf)
            self.payloads[leaf] = message.payload
            if leaf in ("telemetry", "event"):
                self._take(node, leaf, message.payload)

    def _take(self, node, leaf, payload):
        is_telemetry = leaf == "telemetry"
        unpack = messages_host.unpack_telemetry if is_telemetry else messages_host.unpack_event
        batch = unpack(payload)
        self.batches.append(batch)
        for record in batch.records:
            key = (batch.boot_id, record.seq)
            if key not in self.records:
                self.records[key] = record
                self.order.append(key)
            assert self.records[key] == record
        if self.stores:
            upto = max(self._floor.get(batch.boot_id, 0), batch.oldest_seq - 1)
            while (batch.boot_id, upto + 1) in self.records:
                upto += 1
            self._floor[batch.boot_id] = upto
            self.send(node, "stored", packed_stored(
                node, messages.Stored(batch.boot_id, upto, 1_770_000_000_000, batch.sent_at_ms)))


def packed_stored(node, stored, key=KEY):
    """Return down/stored, signed."""
    return messages_host.pack_stored(
        node, stored, lambda signed: hmac.new(key, signed, hashlib.sha256).hexdigest())
