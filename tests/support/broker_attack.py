"""Attacks a broker as one node with a valid certificate.

broker_attack.py ADDRESS PORT CA CERT KEY NODE SECONDS [KIND ...]. KINDS are done in turn, each
with as many packets as the broker takes; the session is one that the broker keeps. Prints the
number of bytes that were sent, and ends with 1 if it was never connected.
"""

import itertools
import select
import socket
import ssl
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from idroserra.mqtt import packets

TURN_S = 0.5
PAUSE_S = 0.05  # before the next connection
BATCH = 100
BIG = b"x" * 16_000
LEVELS = 199  # of a topic; mosquitto allows 200
FILTERS = 30  # in one packet of at most 16 kB
RECORD = (b'{"v":1,"boot_id":"deadbeef","boot_unix_ms":null,"sent_at_ms":1,"oldest_seq":1,'
          b'"records":[{"seq":%d,"at_ms":1,"values":{"reservoir.ph":6.0}}]}')


def _text(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data


def _publish(first: int, topic: str, payload: bytes, mid: int = 0) -> bytes:
    body = _text(topic.encode()) + (struct.pack(">H", mid) if first & 6 else b"") + payload
    return packets.pack(packets.Packet(first, body))


def _retained(node: str, number: int) -> bytes:
    """Retained messages on topics of its own, a new one each."""
    leaf = ("x%d", "telemetry/x%d", "a/b/x%d")[number % 3] % number
    return _publish(0x31, f"idro/v1/{node}/up/{leaf}", BIG)


def _own(node: str, number: int) -> bytes:
    """Big retained messages on the topics of the protocol."""
    leaf = ("status", "info", "telemetry", "event", "ack", "config", "update")[number % 7]
    return _publish(0x31, f"idro/v1/{node}/up/{leaf}", BIG)


def _subscriptions(node: str, number: int) -> bytes:
    """Long filters, a new one each."""
    body = struct.pack(">H", 1)
    for index in range(FILTERS):
        body += _text(b"%d" % (number * FILTERS + index) + b"/a" * LEVELS) + b"\x01"
    return packets.pack(packets.Packet(0x82, body))


def _own_subscriptions(node: str, number: int) -> bytes:
    """Filters in the shape of the protocol's, a new one each."""
    body = struct.pack(">H", 1)
    for index in range(FILTERS):
        name = f"idro/v1/{node}/down/{number * FILTERS + index}/+"
        body += _text(name.encode()) + b"\x01"
    return packets.pack(packets.Packet(0x82, body))


def _records(node: str, number: int) -> bytes:
    """Small valid messages, each with a new record."""
    return _publish(0x32, f"idro/v1/{node}/up/telemetry", RECORD % (number + 1),
                    1 + number % 60_000)


def _rubbish(node: str, number: int) -> bytes:
    """Small invalid messages."""
    return _publish(0x32, f"idro/v1/{node}/up/event", b"{%d" % number, 1 + number % 60_000)


def _half_sent(node: str, number: int) -> bytes:
    """Messages with QoS 2 that are never released."""
    return _publish(0x34, f"idro/v1/{node}/up/event", BIG, 1 + number % 60_000)


KINDS: dict[str, Callable[[str, int], bytes]] = {
    "retained": _retained, "own": _own, "subscriptions": _subscriptions,
    "own_subscriptions": _own_subscriptions, "records": _records, "rubbish": _rubbish,
    "half_sent": _half_sent,
}


class Attacker:
    """One connection at a time."""

    def __init__(
        self, address: tuple[str, int], ca: Path, cert: Path, key: Path, node: str
    ) -> None:
        self._context = ssl.create_default_context(cafile=str(ca))
        self._context.load_cert_chain(cert, key)
        self._address, self._node = address, node
        self._numbers = {kind: itertools.count() for kind in KINDS}
        self.sent_bytes = self.connections = 0

    def run(self, kinds: Iterator[str], until_s: float) -> None:
        """Attack until a time of the monotonic clock."""
        while time.monotonic() < until_s:
            try:
                with self._connect() as connection:
                    self.connections += 1
                    while time.monotonic() < until_s:
                        self._turn(connection, next(kinds), until_s)
            except OSError:  # the broker hung up
                select.select([], [], [], PAUSE_S)

    def _connect(self) -> ssl.SSLSocket:
        plain = socket.create_connection(self._address, 5)
        connection = self._context.wrap_socket(plain, server_hostname="localhost")
        connection.sendall(packets.connect(self._node, None, None, 60, None))
        if connection.recv(4)[3:] != b"\0":
            raise ConnectionError("refused")
        connection.setblocking(False)
        return connection

    def _turn(self, connection: ssl.SSLSocket, kind: str, until_s: float) -> None:
        """Send packets of one kind for TURN_S; what comes back is thrown away."""
        end_s = min(until_s, time.monotonic() + TURN_S)
        numbers, make = self._numbers[kind], KINDS[kind]
        while time.monotonic() < end_s:
            data = b"".join(make(self._node, next(numbers)) for _ in range(BATCH))
            while data and time.monotonic() < end_s + TURN_S:
                data = self._step(connection, data)
            if data:  # a rest would be half a packet
                raise ConnectionError("the broker does not read")

    def _step(self, connection: ssl.SSLSocket, data: bytes) -> bytes:
        try:
            if connection.recv(65_536) == b"":
                raise ConnectionError("closed")
        except ssl.SSLWantReadError:
            pass
        try:
            count = connection.send(data[:65_536])
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
            select.select([connection], [connection], [], 0.1)
            return data
        self.sent_bytes += count
        return data[count:]


def main() -> int:
    host, port, ca, cert, key, node, seconds, *kinds = sys.argv[1:]
    attacker = Attacker((host, int(port)), Path(ca), Path(cert), Path(key), node)
    attacker.run(itertools.cycle(kinds or KINDS), time.monotonic() + float(seconds))
    print(f"{attacker.sent_bytes} bytes in {attacker.connections} connections")
    return 0 if attacker.connections else 1


if __name__ == "__main__":
    sys.exit(main())
