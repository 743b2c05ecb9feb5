"""Minimal host at the far end of the simulated network.

It answers records with a signed down/stored for the contiguous prefix of each boot, sends the
desired settings on every connection, and the commands of the timeline. A command can be abnormal:
`copies`, `is_retained`, `late_ms` past its end, `is_forged` with a wrong key, `is_replay` repeats
the last. The signature is computed from the contract (HMAC-SHA256, RFC 2104), independently of the
firmware.
"""

import binascii
import hashlib
import json

from idrosim.shim.peers.update_host import UpdateHost

COMMAND_TTL_MS = 30_000
_BLOCK_BYTES = 64
_INNER_PAD = int.from_bytes(b"\x36" * _BLOCK_BYTES, "big")
_OUTER_PAD = int.from_bytes(b"\x5c" * _BLOCK_BYTES, "big")
_boot_ids = {}  # bytes: text


def hmac_sha256_hex(key, data):
    """Return the HMAC-SHA256 of `data` as 64 hex digits, in bytes."""
    if len(key) > _BLOCK_BYTES:
        key = hashlib.sha256(key).digest()
    block = int.from_bytes(key + bytes(_BLOCK_BYTES - len(key)), "big")
    inner = hashlib.sha256((block ^ _INNER_PAD).to_bytes(_BLOCK_BYTES, "big"))
    inner.update(data)
    outer = hashlib.sha256((block ^ _OUTER_PAD).to_bytes(_BLOCK_BYTES, "big"))
    outer.update(inner.digest())
    return binascii.hexlify(outer.digest())


def _quoted(payload):
    """Return the UTF-8 `payload` as a JSON string, faster than json.dumps."""
    if b"\n" in payload or b"\r" in payload or b"\t" in payload:
        return json.dumps(str(payload, "utf-8")).encode()
    if b"\\" in payload:
        payload = payload.replace(b"\\", b"\\\\")
    return b'"' + payload.replace(b'"', b'\\"') + b'"'


def _batch(batch):
    """Return (boot_id, sent_at_ms, oldest_seq, [seq]) of a decoded message with records."""
    seqs = [item["seq"] for item in batch["records"]]
    return batch["boot_id"], batch["sent_at_ms"], batch["oldest_seq"], seqs


def _telemetry(payload):
    """Return the same of up/telemetry by a search for keys; its values contain no quotes.

    This avoids parsing all channels of every sample.
    """
    boot_at = payload.find(b'"boot_id":') + 10
    boot_at = payload.find(b'"', boot_at) + 1
    name = payload[boot_at : payload.find(b'"', boot_at)]
    boot_id = _boot_ids.get(name)
    if boot_id is None:
        boot_id = _boot_ids[name] = str(name, "utf-8")
    seqs = []
    at = payload.find(b'"seq":')
    while at >= 0:
        seqs.append(_number(payload, at + 6))
        at = payload.find(b'"seq":', at + 6)
    sent_at = payload.find(b'"sent_at_ms":') + 13
    sent_at_ms = None if payload[sent_at : sent_at + 4] == b"null" else _number(payload, sent_at)
    return boot_id, sent_at_ms, _number(payload, payload.find(b'"oldest_seq":') + 13), seqs


def _number(payload, at):
    value = 0
    while payload[at] == 32:
        at += 1
    while 48 <= payload[at] <= 57:
        value = value * 10 + payload[at] - 48
        at += 1
    return value


class FakeHost:
    """The host of one node. The builder sets `broker`.

    `boot_id` is the last boot that the node reported, None before the first.
    """

    def __init__(self, runtime, node, key, settings):
        self._runtime = runtime
        self._node = node
        self._key = key
        self._stored_topic = self.topic("stored")
        self._stored_head = self._stored_topic.encode() + b"\n"
        self._settings = settings
        self._settings_rev = 1
        self._upto = {}  # boot_id: highest seq of the contiguous prefix
        self._beyond = {}  # boot_id: [seq] after a gap
        self.boot_id = None
        self._boot_at_us = 0
        self._waiting = []  # (command, deadline_us)
        self._sent_count = 0
        self._last_sent = ""
        self.is_away = False
        self.broker = None
        self.updates = UpdateHost(runtime, self)

    def state(self):
        """Return the state that survives a reset of the node, JSON-able."""
        return {
            "upto": self._upto, "sent_count": self._sent_count, "last_sent": self._last_sent,
            "settings": self._settings, "settings_rev": self._settings_rev,
            "updates": self.updates.state(),
        }

    def restore(self, state):
        """Restore what `state` returned."""
        self._upto = state["upto"]
        self._sent_count = state["sent_count"]
        self._last_sent = state["last_sent"]
        self._settings = state["settings"]
        self._settings_rev = state["settings_rev"]
        self.updates.restore(state["updates"])

    def received(self, topic, payload):
        """Handle a message of the node."""
        if self.is_away:
            return
        runtime = self._runtime
        runtime.emit_bytes(
            b'{"t":"up","at_ms":%d,"topic":"' % (runtime.clock.now_us // 1_000)
            + topic.encode() + b'","payload":' + _quoted(payload) + b"}")
        if topic.endswith("/telemetry"):
            self._store(*_telemetry(payload))
        elif topic.endswith("/event"):
            self._store(*_batch(json.loads(payload)))
        elif topic.endswith("/info"):
            info = json.loads(payload)
            self.boot_id = info["boot_id"]
            self._boot_at_us = runtime.clock.now_us - info["at_ms"] * 1_000
            self._send_waiting()
            self.updates.runs(info)
            self.updates.node_is_up()
        elif topic.endswith("/update"):
            self.updates.asked(payload)
        elif topic.endswith("/ack"):
            self.updates.answered(payload)

    def refused(self, error):
        """Report a protocol error that the broker found."""
        self._runtime.emit({"t": "broker", "error": str(error)})

    def subscribed(self, topic):
        """Handle the subscription of the node to `topic`."""
        if topic.endswith("/down/+") and self._settings:
            self._send_settings()

    def set_settings(self, values):
        """Change settings: send them now, and whenever the node connects."""
        self._settings = dict(self._settings)
        self._settings.update(values)
        self._settings_rev += 1
        self._send_settings()

    def _send_settings(self):
        values = self._settings
        body = {"v": 1, "rev": self._settings_rev, "by": "scenario", "values": values}
        self.broker.send(self.topic("config"), self.sign("config", body), True)

    def command(self, command):
        """Send {"verb", "args", "by"} once the node is reachable, unless it expires before."""
        deadline_us = self._runtime.clock.now_us + COMMAND_TTL_MS * 1_000
        self._waiting.append((command, deadline_us))
        self._send_waiting()

    def _send_waiting(self):
        runtime = self._runtime
        while self._waiting and self.boot_id is not None:
            command, deadline_us = self._waiting[0]
            if runtime.clock.now_us < deadline_us and not self._send(command, deadline_us):
                return
            self._waiting.pop(0)

    def _send(self, command, deadline_us):
        body = {
            "v": 1, "id": f"sim-{self._sent_count + 1}", "verb": command["verb"],
            "args": command.get("args", {}), "boot_id": self.boot_id,
            "not_after_at_ms": self._end_ms(command, deadline_us),
            "by": command.get("by", "scenario"),
        }
        topic = self.topic("command")
        if not command.get("is_replay"):
            key = bytes(32) if command.get("is_forged") else self._key
            self._last_sent = str(self.sign("command", body, key), "utf-8")
        for _ in range(command.get("copies", 1)):
            if not self.broker.send(
                topic, self._last_sent.encode(), command.get("is_retained", False)
            ):
                return False
        self._sent_count += 1
        return True

    def _end_ms(self, command, deadline_us):
        """Return the uptime of the node at which a command expires, ms."""
        if "late_ms" in command:
            deadline_us = self._runtime.clock.now_us - command["late_ms"] * 1_000
        return (deadline_us - self._boot_at_us) // 1_000

    def _store(self, boot_id, sent_at_ms, oldest_seq, seqs):
        upto = max(self._upto.get(boot_id, 0), oldest_seq - 1)
        beyond = self._beyond.setdefault(boot_id, [])
        for seq in seqs:
            if seq == upto + 1:
                upto = seq
            elif seq > upto and seq not in beyond:
                beyond.append(seq)
        while beyond and upto + 1 in beyond:
            upto += 1
            beyond.remove(upto)
        self._upto[boot_id] = upto
        if beyond:
            self._beyond[boot_id] = [seq for seq in beyond if seq > upto]
        # Bytes: MicroPython searches all its names for every new text.
        body = b'{"v":1,"boot_id":"%s","seq_upto":%d,"unix_ms":%d,"sent_at_ms":%s' % (
            boot_id.encode(), upto, self._runtime.unix_ms(),
            b"null" if sent_at_ms is None else b"%d" % sent_at_ms)
        self.broker.send(
            self._stored_topic, self._with_auth(self._stored_head, body, self._key), qos=0)

    def topic(self, leaf, node=None):
        """Return the topic down/`leaf` of this node, or of another."""
        return f"idro/v1/{node or self._node}/down/{leaf}"

    def uptime_ms(self):
        """Return the uptime of the node by its last report, ms."""
        return (self._runtime.clock.now_us - self._boot_at_us) // 1_000

    def sign(self, leaf, body, key=None, node=None):
        """Return `body` signed for `node` with `key`, by default those of this node."""
        head = self.topic(leaf, node).encode() + b"\n"
        return self._with_auth(head, json.dumps(body).encode()[:-1], key or self._key)

    def _with_auth(self, head, body, key):
        """Return the JSON `body`, given without its last brace, signed with `head` before it."""
        return body + b',"auth":"' + hmac_sha256_hex(key, head + body) + b'"}'
