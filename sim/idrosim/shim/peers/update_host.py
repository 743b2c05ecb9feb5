"""The host's side of an update over the air, from the contract: it offers and answers questions.

A release is a folder of this machine: manifest, signature, and the files that the manifest names.
It is offered once for each boot of the node until one answer was "refused" or the node runs it.
"""

import binascii
import hashlib
import json
import struct

_TTL_MS = 30_000


class UpdateHost:
    """`host` is the HostEnd. Nothing is offered before offer()."""

    def __init__(self, rig, host):
        self._rig = rig
        self._host = host
        self._release = None  # {"folder", "key_id", and what to do otherwise than it should be}
        self._offered_to = []  # boots
        self._manifest = b""
        self._answered = 0

    def state(self):
        """Return what outlives a reset of the node, JSON-able."""
        return [self._release, self._offered_to, self._answered]

    def restore(self, state):
        """Take up where `state` left off."""
        self._release, self._offered_to, self._answered = state
        if self._release is not None:
            self._manifest = self._read("manifest")

    def offer(self, release):
        """Offer a release from now on: {"folder", "key_id", "version"}. Of these may be had too:
        "silent_after": answers after which nothing is answered, "spoil": path whose bytes come
        with one flipped, "cancel": it is taken back instead."""
        if release.get("cancel"):
            self._send("cancel", {})
            self._release = None
            return
        self._release = release
        self._offered_to = []
        self._manifest = self._read("manifest")
        self.node_is_up()

    def node_is_up(self):
        """The node has told who it is, or something new is to be offered."""
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
        """Stop offering what the node runs."""
        if info.get("update", {}).get("release") == _hex(hashlib.sha256(self._manifest).digest()):
            self._release = None

    def answered(self, payload):
        """Stop offering what was refused."""
        ack = json.loads(payload)
        if ack["id"].startswith("update-") and ack["outcome"] == "refused":
            self._release = None

    def asked(self, payload):
        """Answer one up/update."""
        release = self._release
        if release is None:
            return
        self._answered += 1
        if self._answered > release.get("silent_after", 1 << 30):
            return
        ask = json.loads(payload)
        data = bytearray(self._read(ask["path"])[ask["offset"] : ask["offset"] + ask["size"]])
        if ask["path"] == release.get("spoil") and data:
            data[0] ^= 1
        head = struct.pack(">8sH", binascii.unhexlify(ask["sha256"])[:8], ask["number"])
        self._host.broker.send(self._host.topic("update_data"), head + bytes(data))

    def _read(self, path):
        try:
            with self._rig.disk.open(self._release["folder"] + "/" + path, "rb") as file:
                return file.read()
        except OSError:
            return b""

    def _send(self, verb, args):
        host = self._host
        body = {
            "v": 1, "id": f"update-{self._rig.clock.now_us // 1_000}", "verb": verb, "args": args,
            "boot_id": host.boot_id, "not_after_at_ms": host.uptime_ms() + _TTL_MS,
            "by": "scenario",
        }
        return host.broker.send(host.topic("update"), host.sign("update", body))


def _hex(data):
    return "".join([f"{byte:02x}" for byte in data])
