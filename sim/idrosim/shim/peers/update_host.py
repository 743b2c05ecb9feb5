"""Host side of an over-the-air update, written from the contract: offers and file transfer.

A release is a local folder: manifest, signature, and the files named in the manifest. It is
offered once per boot of the node until the node refuses it or runs it.
"""

import binascii
import hashlib
import json
import struct

_TTL_MS = 30_000


class UpdateHost:
    """Sends through the FakeHost `host`. Idle until offer()."""

    def __init__(self, runtime, host):
        self._runtime = runtime
        self._host = host
        self._release = None  # see offer()
        self._offered_to = []  # boot ids
        self._manifest = b""
        self._answered = 0

    def state(self):
        """Return the state that survives a reset of the node, JSON-able."""
        return [self._release, self._offered_to, self._answered]

    def restore(self, state):
        """Restore what `state` returned."""
        self._release, self._offered_to, self._answered = state
        if self._release is not None:
            self._manifest = self._read("manifest")

    def offer(self, release):
        """Offer a release: {"folder", "key_id", "version"}. Optional: "silent_after": number of
        answers before silence, "spoil": path sent with a flipped bit, "cancel": withdraw it."""
        if release.get("cancel"):
            self._send("cancel", {})
            self._release = None
            return
        self._release = release
        self._offered_to = []
        self._manifest = self._read("manifest")
        self.node_is_up()

    def node_is_up(self):
        """Offer the release to a node that has reported its boot id."""
        boot_id = self._host.boot_id
        release = self._release
        if release is None or boot_id is None or boot_id in self._offered_to:
            return
        manifest = self._manifest
        sent = self._send("offer", {
            "sha256": _hex(hashlib.sha256(manifest).digest()), "size": len(manifest),
            "signature": str(binascii.b2a_base64(self._read("signature")), "ascii").strip(),
            "key_id": release["key_id"], "version": release.get("version", "9.9.9"),
        })
        if sent:
            self._offered_to.append(boot_id)

    def runs(self, info):
        """Stop offering the release if `info` shows that the node runs it."""
        if info.get("update", {}).get("release") == _hex(hashlib.sha256(self._manifest).digest()):
            self._release = None

    def answered(self, payload):
        """Stop offering a release that the node refused."""
        ack = json.loads(payload)
        if ack["id"].startswith("update-") and ack["outcome"] == "refused":
            self._release = None

    def asked(self, payload):
        """Answer a request of up/update."""
        release = self._release
        if release is None:
            return
        self._answered += 1
        if self._answered > release.get("silent_after", 1 << 30):
            return
        request = json.loads(payload)
        path, start = request["path"], request["offset"]
        data = bytearray(self._read(path)[start : start + request["size"]])
        if path == release.get("spoil") and data:
            data[0] ^= 1
        head = struct.pack(">8sH", binascii.unhexlify(request["sha256"])[:8], request["number"])
        self._host.broker.send(self._host.topic("update_data"), head + bytes(data), qos=0)

    def _read(self, path):
        try:
            with self._runtime.disk.open(self._release["folder"] + "/" + path, "rb") as file:
                return file.read()
        except OSError:
            return b""

    def _send(self, verb, args):
        host = self._host
        now_ms = self._runtime.clock.now_us // 1_000
        body = {
            "v": 1, "id": f"update-{now_ms}", "verb": verb, "args": args, "boot_id": host.boot_id,
            "not_after_at_ms": host.uptime_ms() + _TTL_MS, "by": "scenario"}
        return host.broker.send(host.topic("update"), host.sign("update", body))


def _hex(data):
    return "".join([f"{byte:02x}" for byte in data])
