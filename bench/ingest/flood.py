"""Load generator of readings over MQTT: flood.py PORT KIND COUNT RATE FIRST EPOCH_UNIX_MS

Publishes COUNT messages with QoS 1 as 50 nodes over 5 connections, RATE per second or, with 0, as
fast as the broker accepts them, at most 500 unacknowledged. KIND is "contract" (the format of our
nodes) or "plain" (the same readings as a flat JSON object, for peers). Prints JSON: sent, acked,
took_s. The records of a node start at number FIRST; record n is dated n ms after EPOCH_UNIX_MS.
Messages are built before the first is sent.
"""

from __future__ import annotations

import json
import selectors
import socket
import struct
import sys
import time

NODES = 50
CONNECTIONS = 5
WINDOW = 500
STEP_MS = 1  # so that no reading is in the future
CHUNK = 64
PUBACK_BYTES = 4


def readings(seq: int) -> dict[str, float]:
    """Return the readings of a node."""
    return {
        "reservoir.ph": round(5.5 + seq % 997 / 1000, 3), "reservoir.ec_us_cm": 1500 + seq % 400,
        "reservoir.temp_c": round(20 + seq % 31 / 10, 1), "reservoir.level_mm": 150 + seq % 50,
        "air.temp_c": round(22 + seq % 29 / 10, 1), "air.rh_pct": round(60 + seq % 17 / 10, 1),
        "node.heap_free_b": 80_000 + seq % 977, "node.rssi_dbm": -60 + seq % 7,
    }


def payload(kind: str, seq: int, epoch_unix_ms: int) -> bytes:
    """Return the message of one record."""
    if kind == "plain":
        flat = {name.replace(".", "_"): value for name, value in readings(seq).items()}
        body = {**flat, "unix_ms": epoch_unix_ms + seq * STEP_MS}
    else:
        records = [{"seq": seq, "at_ms": seq * STEP_MS, "values": readings(seq), "faults": {}}]
        body = {"v": 1, "boot_id": "b0000001", "boot_unix_ms": epoch_unix_ms,
                "sent_at_ms": seq * STEP_MS, "oldest_seq": 1, "records": records}
    return json.dumps(body, separators=(",", ":")).encode()


def packet(kind: str, node: str, seq: int, mid: int, epoch_unix_ms: int) -> bytes:
    """Return a PUBLISH of MQTT 3.1.1 with QoS 1."""
    topic = f"idro/v1/{node}/up/telemetry".encode()
    body = struct.pack(">H", len(topic)) + topic + struct.pack(">H", mid)
    body += payload(kind, seq, epoch_unix_ms)
    return b"\x32" + _length(len(body)) + body


def _length(count: int) -> bytes:
    found = b""
    while True:
        count, low = divmod(count, 128)
        found += bytes([low | (128 if count else 0)])
        if not count:
            return found


class Publisher:
    """One connection and its packets."""

    def __init__(self, port: int, number: int) -> None:
        self.packets: list[bytes] = []
        self.sent = self.acked = 0
        self._rest = b""
        self._in = 0
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        name = f"flood-{number}".encode()
        body = b"\x00\x04MQTT\x04\x02\x00\x00" + struct.pack(">H", len(name)) + name
        self.socket.sendall(b"\x10" + _length(len(body)) + body)
        assert self.socket.recv(4)[3:] == b"\0", "the broker refused the connection"
        self.socket.setblocking(False)

    def send(self, upto: int) -> None:
        """Send packets up to number `upto`, limited by socket and window."""
        while True:
            if not self._rest:
                end = min(upto, self.acked + WINDOW, self.sent + CHUNK, len(self.packets))
                if end <= self.sent:
                    return
                self._rest = b"".join(self.packets[self.sent : end])
                self.sent = end
            try:
                self._rest = self._rest[self.socket.send(self._rest):]
            except BlockingIOError:
                return

    def receive(self) -> None:
        """Count acknowledgements."""
        try:
            self._in += len(self.socket.recv(65_536))
        except BlockingIOError:
            return
        self.acked = self._in // PUBACK_BYTES


def main() -> None:
    """Send, and print the result."""
    kind, rate = sys.argv[2], float(sys.argv[4])
    port, count, first, epoch_unix_ms = (int(sys.argv[number]) for number in (1, 3, 5, 6))
    publishers = [Publisher(port, number) for number in range(CONNECTIONS)]
    for number in range(count):
        node = number % NODES
        to = publishers[node % CONNECTIONS]
        mid = len(to.packets) % 65_535 + 1
        seq = number // NODES + first
        to.packets.append(packet(kind, f"idro-f{node:02d}", seq, mid, epoch_unix_ms))
    print("ready", flush=True)
    sys.stdin.readline()
    began_s = time.monotonic()
    with selectors.DefaultSelector() as selector:
        for publisher in publishers:
            selector.register(publisher.socket, selectors.EVENT_READ, publisher)
        while any(each.acked < len(each.packets) for each in publishers):
            due = count if not rate else int((time.monotonic() - began_s) * rate)
            for publisher in publishers:
                publisher.send(due // CONNECTIONS if due < count else count)
            for key, _ in selector.select(0.002):
                key.data.receive()
    print(json.dumps({
        "sent": sum(each.sent for each in publishers),
        "acked": sum(each.acked for each in publishers),
        "took_s": time.monotonic() - began_s,
    }), flush=True)


if __name__ == "__main__":
    main()
