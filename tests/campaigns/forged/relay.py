"""A proxy that acts as a compromised broker: it sets the retain flag on marked messages.

mosquitto sets that flag only for new subscriptions. The relay sets it on every PUBLISH that
contains `MARK` and forwards everything else unchanged.
"""

import socket
import threading
from contextlib import suppress

from idroserra.broker.local import free_port
from idroserra.mqtt.packets import PUBLISH, Packet, PacketParser, pack

MARK = b"retained-"
_CHUNK_BYTES = 65_536


class Relay:
    """A context manager that listens on `port` and forwards to 127.0.0.1:`to_port`."""

    def __init__(self, to_port: int) -> None:
        self.port = free_port()
        self.flagged_count = 0
        self._to_port = to_port
        self._server = socket.create_server(("127.0.0.1", self.port))
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, name="relay", daemon=True)

    def __enter__(self) -> "Relay":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.drop()
        self._thread.join(60)

    def drop(self) -> None:
        """Close every connection; the node reconnects."""
        for line in self._open:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._to_port), 60)
            far.settimeout(None)
            self._open = [near, far]
            threading.Thread(target=self._forward, args=(near, far, False), daemon=True).start()
            threading.Thread(target=self._forward, args=(far, near, True), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, flags: bool) -> None:
        splitter = PacketParser(1_000_000)
        with suppress(OSError):
            while data := source.recv(_CHUNK_BYTES):
                sink.sendall(b"".join(map(self._flagged, splitter.feed(data))) if flags else data)
        for line in (source, sink):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def _flagged(self, packet: Packet) -> bytes:
        if packet.first >> 4 == PUBLISH and MARK in packet.body:
            self.flagged_count += 1
            packet = Packet(packet.first | 1, packet.body)
        return pack(packet)
