"""The way in for the ingest: an MQTT client of ours that subscribes and acknowledges, and no more.

A general client costs three to ten times as much a message (docs/adr/0014). One thread reads what
there is in large pieces, hands each on as it is, and sends the acknowledgements others give it. It
does nothing else: a broker with stock limits drops what does not fit into the buffers of a line
whose reader is late. The session is kept by the broker; a dead line is noticed in 20 s.
"""

from __future__ import annotations

import logging
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from idroserra.core.config import MqttConfig
from idroserra.mqtt import packets
from idroserra.mqtt.packets import MalformedPacket

KEEPALIVE_S = 15  # what the broker is told: it gives us up after one and a half of it
QUIET_S = 7.0  # without a word for so long: ask
DEAD_S = 18.0  # without an answer either: the line is dead
ANSWER_S = 10.0
RECONNECT_S = (1.0, 30.0)
MAX_PACKET_BYTES = 262_144
_PIECE_BYTES = 1_048_576
# While messages come: the thread wakes up for so many bytes, and else so often. For every message
# would cost more than the message.
_WAKE_BYTES = 131_072
_NAP_S = 0.1
_ROOM_BYTES = 1_048_576  # what the kernel shall keep of a line while nobody reads it

_log = logging.getLogger("idroserra")


class Subscriber:
    """The subscription. Told, in its thread: `connected(number)`; `took(number, data)`, the bytes
    of what comes on connection `number`, cut anywhere; `lost(why)`. While `is_full()` nothing is
    taken off the line."""

    def __init__(
        self, config: MqttConfig, client_id: str, topic_filters: Sequence[str],
        connected: Callable[[int], None], took: Callable[[int, bytes], None],
        lost: Callable[[str], None], is_full: Callable[[], bool],
    ) -> None:
        self._config = config
        self._client_id = client_id
        self._filters = topic_filters
        self._connected, self._took, self._lost = connected, took, lost
        self._is_full = is_full
        self._is_v5 = config.protocol == "5"
        self._number = 0
        self._has_session = self._is_hastened = False
        self._nonsense: str | None = None
        self._lock = threading.Lock()
        self._out = bytearray()
        self._stopping = threading.Event()
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    def start(self) -> None:
        """Connect, and again whenever the line is lost, until stop()."""
        self._thread.start()

    def stop(self) -> None:
        """Say good-bye and end, once. The broker keeps what is not acknowledged."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._wake_up()
        if self._thread.is_alive():
            self._thread.join()
        self._wake.close()
        self._woken.close()

    def ack(self, number: int, mids: Iterable[int]) -> None:
        """Acknowledge messages of connection `number`; those of an earlier one come again."""
        data = packets.pubacks(mids)
        with self._lock:
            if number != self._number or not self._has_session or not data:
                return
            self._out += data
        self._wake_up()

    def write(self, data: bytes) -> None:
        """Send packets, where there is a session to send them in."""
        with self._lock:
            if not self._has_session:
                return
            self._out += data
        self._wake_up()

    def flush(self) -> bool:
        """Take what has come by now and hand it on, b"" where that is nothing; False: no line."""
        if not self._has_session:
            return False
        self._is_hastened = True
        self._wake_up()
        return True

    def abort(self, number: int, why: str) -> None:
        """Give up connection `number`, which brings nonsense, and build another."""
        with self._lock:
            if number == self._number:
                self._nonsense = why
        self._wake_up()

    def _wake_up(self) -> None:
        with suppress(BlockingIOError):  # it is awake already
            self._wake.send(b"\0")

    def _run(self) -> None:
        wait_s = RECONNECT_S[0]
        while not self._stopping.is_set():
            number = self._number
            try:
                with self._open() as line:
                    self._read(line)
                return
            except (OSError, MalformedPacket) as error:
                if self._number != number:
                    wait_s = RECONNECT_S[0]
                with self._lock:
                    self._has_session = False
                    self._out.clear()
                self._lost(str(error) or type(error).__name__)
            self._stopping.wait(wait_s)
            wait_s = min(2 * wait_s, RECONNECT_S[1])

    def _open(self) -> socket.socket:
        """Return a line with its session and subscription. Raises OSError, WireError."""
        config = self._config
        line = socket.create_connection((config.host, config.port), ANSWER_S)
        try:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _wake_for(line, _ROOM_BYTES)  # Linux makes room for it, and keeps that
            _wake_for(line, 1)
            if config.is_tls:
                line = _tls(config).wrap_socket(line, server_hostname=config.host)
            password = None if config.password is None else config.password.get_secret_value()
            properties = packets.connect_properties(
                config.session_expiry_s, config.receive_maximum, MAX_PACKET_BYTES
            ) if self._is_v5 else None
            line.sendall(packets.connect(
                self._client_id, config.username, password, KEEPALIVE_S, properties))
        except (OSError, MalformedPacket):
            line.close()
            raise
        return line

    def _read(self, line: socket.socket) -> None:
        """Take what comes until stop(). Raises OSError, WireError."""
        splitter = packets.PacketParser(MAX_PACKET_BYTES)
        buffer = memoryview(bytearray(_PIECE_BYTES))
        line.setblocking(False)
        opened_s = heard_s = spoke_s = asked_s = time.monotonic()
        is_up = is_napping = False
        while not self._stopping.is_set():
            is_deaf = is_up and self._is_full()
            may_have = self._wait(line, is_deaf, is_napping)
            now_s = time.monotonic()
            is_hastened, self._is_hastened = self._is_hastened, False
            may_have |= is_hastened and not is_deaf
            data = _receive(line, buffer) if may_have else b""
            if data or is_deaf:
                heard_s = now_s
            naps = is_up and bool(data)
            if data and not is_up:
                is_up = self._begin(splitter, data)
            elif data or is_hastened:
                self._took(self._number, data)
            if is_napping != naps:
                is_napping = naps
                _wake_for(line, _WAKE_BYTES if is_napping else 1)
            if self._flush(line):
                spoke_s = now_s
            if self._nonsense is not None:
                raise MalformedPacket(self._nonsense)
            if not is_up and now_s - opened_s > ANSWER_S or now_s - heard_s > DEAD_S:
                raise MalformedPacket("no answer: the line is dead")
            if now_s - max(asked_s, min(heard_s, spoke_s)) > QUIET_S:
                self._say(packets.PINGREQ)
                asked_s = now_s
        with suppress(OSError):
            self._say(packets.DISCONNECT_PACKET)
            self._flush(line)

    def _wait(self, line: socket.socket, is_deaf: bool, is_napping: bool) -> bool:
        """Wait until there is something to do; return whether the line may have something."""
        waits = _waits(line) and not is_deaf
        ready, _, _ = select.select(
            [self._woken] if is_deaf else [line, self._woken], [line] if self._out else [], [],
            0 if waits else _NAP_S if is_napping else 1.0)
        if self._woken in ready:
            self._woken.recv(4_096)
        return waits or line in ready or (is_napping and not is_deaf)

    def _begin(self, splitter: packets.PacketParser, data: bytes) -> bool:
        """Take part in the opening; return True once the subscription stands. Raises WireError.

        The broker may send messages of the session before it answers the subscription."""
        is_up = False
        messages = []
        for packet in splitter.feed(data):
            if packet.kind == packets.PUBLISH:
                messages.append(packet)
                continue
            refused = packets.refusal(packet, self._is_v5)
            if refused is not None:
                raise MalformedPacket(f"refused by the broker: {refused}")
            if packet.kind == packets.CONNACK:
                with self._lock:
                    self._number += 1
                    self._has_session, self._nonsense = True, None
                self._say(packets.subscribe(self._filters, self._is_v5))
            else:
                is_up = True
                self._connected(self._number)
        data = b"".join(packets.pack(packet) for packet in messages)
        data += splitter.take_rest() if is_up else b""
        if data:
            self._took(self._number, data)
        return is_up

    def _say(self, data: bytes) -> None:
        with self._lock:
            self._out += data

    def _flush(self, line: socket.socket) -> bool:
        """Send what goes out without waiting; True where something did."""
        with self._lock:
            if not self._out:
                return False
            try:
                count = line.send(self._out)
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                return False
            del self._out[:count]
        return True


def _tls(config: MqttConfig) -> ssl.SSLContext:
    """Return what checks the broker's certificate and shows ours. Raises OSError."""
    context = ssl.create_default_context(
        cafile=None if config.ca_file is None else str(config.ca_file))
    if config.cert_file is not None:
        context.load_cert_chain(config.cert_file, config.key_file)
    return context


def _wake_for(line: socket.socket, count: int) -> None:
    """Let select() see a line once so many bytes wait; where the system can't, with the first."""
    with suppress(OSError):
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)


def _waits(line: socket.socket) -> bool:
    """True while decrypted bytes wait that select() does not see."""
    return isinstance(line, ssl.SSLSocket) and line.pending() > 0


def _receive(line: socket.socket, buffer: memoryview) -> bytes:
    """Return what there is, b"" where nothing is yet. Raises OSError at the end of the line.

    By way of `buffer`: a new megabyte for each small piece is three calls of the kernel."""
    try:
        count = line.recv_into(buffer)
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return b""
    if not count:
        raise ConnectionError("the broker closed the line")
    return bytes(buffer[:count])
