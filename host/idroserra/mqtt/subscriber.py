"""An MQTT client for the ingest that only subscribes and acknowledges.

A general-purpose client needs three to ten times as much CPU per message (docs/adr/0014). One
thread reads large chunks, passes them on unparsed and sends acknowledgements. It does nothing
else: a broker with default limits drops messages when a client reads too slowly. The session is
persistent; a dead connection is detected within 20 s, and `silent` is called for one without
messages.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from idroserra.core.config import MqttConfig
from idroserra.mqtt import packets
from idroserra.mqtt.addresses import BrokerAddresses
from idroserra.mqtt.packets import MalformedPacket

KEEPALIVE_S = 15  # in CONNECT; the broker disconnects after one and a half times this
QUIET_S = 7.0  # send PINGREQ after this time without traffic
DEAD_S = 18.0  # reconnect after this time without received data
SILENT_S = 10.0  # report a connection without messages every time this passes
ANSWER_S = 10.0
RECONNECT_S = (1.0, 5.0)
MAX_PACKET_BYTES = 262_144
_CHUNK_BYTES = 1_048_576
# Under load the thread wakes up for this many bytes or after this time: a wake-up for every
# message would cost more than the message.
_WAKE_BYTES = 131_072
_NAP_S = 0.1
_LEAST_MESSAGE_BYTES = 9  # of its topic alone; answers to PINGREQ that arrive at once are shorter
_BUFFER_BYTES = 1_048_576  # receive buffer of the kernel


class Subscriber:
    """The subscription. Callbacks in its thread: `connected(number)`; `received(number, data)`
    with bytes of connection `number`, split anywhere; `silent(number, times)` after SILENT_S
    without a message, `times` in a row; `lost(why)`. While `is_full()` it does not read."""

    def __init__(
        self, config: MqttConfig, client_id: str, topic_filters: Sequence[str],
        connected: Callable[[int], None], received: Callable[[int, bytes], None],
        silent: Callable[[int, int], None], lost: Callable[[str], None],
        is_full: Callable[[], bool],
    ) -> None:
        self._config = config
        self._addresses = BrokerAddresses(config.host, config.port)
        self._client_id = client_id
        self._filters = topic_filters
        self._connected, self._received = connected, received
        self._silent, self._lost = silent, lost
        self._is_full = is_full
        self._is_v5 = config.protocol == "5"
        self._number = 0
        self._has_session = self._must_flush = False
        self._abort_reason: str | None = None
        self._lock = threading.Lock()
        self._out = bytearray()
        self._stopping = threading.Event()
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    def start(self) -> None:
        """Connect, and reconnect after each loss, until stop()."""
        self._thread.start()

    def leave(self) -> None:
        """Disconnect for good. The broker keeps unacknowledged messages."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._wake_up()
        if self._thread.is_alive():
            self._thread.join()
        with self._lock:
            self._has_session = False

    def stop(self) -> None:
        """Disconnect, and release what the other methods use."""
        self.leave()
        self._wake.close()
        self._woken.close()

    def ack(self, number: int, mids: Iterable[int]) -> None:
        """Acknowledge messages of connection `number`; an earlier connection is ignored."""
        data = packets.pubacks(mids)
        with self._lock:
            if number != self._number or not self._has_session or not data:
                return
            self._out += data
        self._wake_up()

    def write(self, data: bytes) -> None:
        """Send packets; without a session they are dropped."""
        with self._lock:
            if not self._has_session:
                return
            self._out += data
        self._wake_up()

    def flush(self) -> bool:
        """Pass on all bytes received so far, possibly b"". Returns False without a session."""
        if not self._has_session:
            return False
        self._must_flush = True
        self._wake_up()
        return True

    def abort(self, number: int, why: str) -> None:
        """Close connection `number`, which is of no use, and connect to the next address."""
        with self._lock:
            if number == self._number:
                self._abort_reason = why
        self._wake_up()

    def _wake_up(self) -> None:
        with suppress(BlockingIOError):  # a wake-up is already pending
            self._wake.send(b"\0")

    def _run(self) -> None:
        wait_s = RECONNECT_S[0]
        while not self._stopping.is_set():
            number = self._number
            try:
                with self._open() as connection:
                    self._read(connection)
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
        """Return a connection on which CONNECT was sent. Raises OSError, MalformedPacket."""
        config = self._config
        connection = self._addresses.connect(ANSWER_S)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _wake_for(connection, _BUFFER_BYTES)  # Linux enlarges the buffer, and keeps its size
            _wake_for(connection, 1)
            if config.is_tls:
                connection = _tls(config).wrap_socket(connection, server_hostname=config.host)
            password = None if config.password is None else config.password.get_secret_value()
            properties = packets.connect_properties(
                config.session_expiry_s, config.receive_maximum, MAX_PACKET_BYTES
            ) if self._is_v5 else None
            connection.sendall(packets.connect(
                self._client_id, config.user, password, KEEPALIVE_S, properties))
        except (OSError, MalformedPacket):
            connection.close()
            raise
        return connection

    def _read(self, connection: socket.socket) -> None:
        """Read until stop(). Raises OSError, MalformedPacket."""
        parser = packets.PacketParser(MAX_PACKET_BYTES)
        buffer = memoryview(bytearray(_CHUNK_BYTES))
        connection.setblocking(False)
        opened_s = received_s = sent_s = pinged_s = heard_s = time.monotonic()
        is_up = is_napping = False
        silences = 0
        while not self._stopping.is_set():
            is_paused = is_up and self._is_full()
            may_have = self._wait(connection, is_paused, is_napping)
            now_s = time.monotonic()
            must_flush, self._must_flush = self._must_flush, False
            may_have |= must_flush and not is_paused
            data = _receive(connection, buffer) if may_have else b""
            if data or is_paused:
                received_s = now_s
            if len(data) >= _LEAST_MESSAGE_BYTES or is_paused:
                heard_s, silences = now_s, 0
            elif is_up and now_s - heard_s > SILENT_S:
                heard_s, silences = now_s, silences + 1
                self._silent(self._number, silences)
            naps = is_up and bool(data)
            if data and not is_up:
                is_up = self._handshake(parser, data)
            elif data or must_flush:
                self._received(self._number, data)
            if is_napping != naps:
                is_napping = naps
                _wake_for(connection, _WAKE_BYTES if is_napping else 1)
            if self._send(connection):
                sent_s = now_s
            if self._abort_reason is not None:
                self._addresses.not_accepted()
                raise MalformedPacket(self._abort_reason)
            if not is_up and now_s - opened_s > ANSWER_S or now_s - received_s > DEAD_S:
                raise MalformedPacket("no answer: the connection is dead")
            if now_s - max(pinged_s, min(received_s, sent_s)) > QUIET_S:
                self._queue(packets.PINGREQ)
                pinged_s = now_s
        with suppress(OSError):
            self._queue(packets.DISCONNECT_PACKET)
            self._send(connection)

    def _wait(self, connection: socket.socket, is_paused: bool, is_napping: bool) -> bool:
        """Wait for an event; return whether the connection may have data."""
        has_pending = _has_pending(connection) and not is_paused
        ready, _, _ = select.select(
            [self._woken] if is_paused else [connection, self._woken],
            [connection] if self._out else [], [],
            0 if has_pending else _NAP_S if is_napping else 1.0)
        if self._woken in ready:
            self._woken.recv(4_096)
        return has_pending or connection in ready or (is_napping and not is_paused)

    def _handshake(self, parser: packets.PacketParser, data: bytes) -> bool:
        """Handle CONNACK and SUBACK; return True once subscribed. Raises MalformedPacket.

        The broker may send messages of the session before SUBACK."""
        is_up = False
        messages = []
        for packet in parser.feed(data):
            if packet.kind == packets.PUBLISH:
                messages.append(packet)
                continue
            refused = packets.refusal(packet, self._is_v5)
            if refused is not None:
                raise MalformedPacket(f"refused by the broker: {refused}")
            if packet.kind == packets.CONNACK:
                with self._lock:
                    self._number += 1
                    self._has_session, self._abort_reason = True, None
                self._queue(packets.subscribe(self._filters, self._is_v5))
            else:
                is_up = True
                self._addresses.accepted()
                self._connected(self._number)
        data = b"".join(packets.pack(packet) for packet in messages)
        data += parser.take_rest() if is_up else b""
        if data:
            self._received(self._number, data)
        return is_up

    def _queue(self, data: bytes) -> None:
        with self._lock:
            self._out += data

    def _send(self, connection: socket.socket) -> bool:
        """Send queued bytes without blocking; return whether any were sent."""
        with self._lock:
            if not self._out:
                return False
            try:
                count = connection.send(self._out)
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                return False
            del self._out[:count]
        return True


def _tls(config: MqttConfig) -> ssl.SSLContext:
    """Return the TLS context with the broker's CA and the client certificate. Raises OSError."""
    context = ssl.create_default_context(
        cafile=None if config.ca_file is None else str(config.ca_file))
    if config.cert_file is not None:
        context.load_cert_chain(config.cert_file, config.key_file)
    return context


def _wake_for(connection: socket.socket, count: int) -> None:
    """Let select() report the socket from `count` bytes on, where the system supports it."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)


def _has_pending(connection: socket.socket) -> bool:
    """True while decrypted bytes are pending, which select() does not report."""
    return isinstance(connection, ssl.SSLSocket) and connection.pending() > 0


def _receive(connection: socket.socket, buffer: memoryview) -> bytes:
    """Return the available bytes, possibly b"". Raises OSError when the broker disconnects.

    A TLS connection returns one record at a time, and mosquitto sends each message as a record.
    Reuses `buffer`: allocating a megabyte for each small chunk takes three system calls."""
    size = 0
    try:
        while size < len(buffer):
            count = connection.recv_into(buffer[size:])
            if not count and not size:
                raise ConnectionError("the broker closed the connection")
            size += count
            if not count or not isinstance(connection, ssl.SSLSocket):
                break
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        pass
    return bytes(buffer[:size])
