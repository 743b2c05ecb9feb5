"""MQTT 3.1.1 client for one connection, on the asyncio of MicroPython and CPython.

QoS 0 and 1, last will, clean session, no reconnect: a Client serves one connection and is then
discarded. `open(host, port)` returns its two streams. Only CONNACK proves a connection: on some
ports a refused one opens too.

Three tasks a connection read, write and check deadlines; none polls. A missing response is
detected one to two `response_ms` after the request. The only error is LinkError.
"""

import asyncio
from collections import namedtuple

from idro.errors import LinkError
from idro.net import mqtt_packets as packets

# user, password, will_topic and will_payload may be None. response_ms: the deadline of every
# response and write. keepalive_s: a ping is sent after half of it without traffic.
Options = namedtuple(
    "Options",
    ("client_id", "user", "password", "will_topic", "will_payload", "keepalive_s", "response_ms"))
# payload: bytes, or a list of bytes if longer than mqtt_packets.WHOLE_BYTES.
Message = namedtuple("Message", ("topic", "payload", "retain"))

MAX_IN_FLIGHT = 4
MAX_IN_FLIGHT_BYTES = 3_000  # in RAM until PUBACK: then publishing waits
MAX_INBOX = 8
_CROWDED = 12  # packets not yet written to the stream: then publishing waits
_MAX_OUTGOING = 24
# Written without drain(), such as a few PUBACKs. The next packet drains them.
_UNDRAINED_BYTES = 32
_READ_BYTES = 512
_CLOSE_MS = 1_000


class Client:
    """One connection to a broker: connect(), then publish(), subscribe() and take_message()."""

    def __init__(self, open, clock, options, on_change):
        """`on_change()` is called after a message, the end of the connection, when there is room
        again, and at least every response_ms. It must not block."""
        self._open = open
        self._clock = clock
        self._options = options
        self._on_change = on_change
        self._writer = None
        self._reader = None
        self._tasks = []
        self._decoder = packets.Decoder()
        self._changed = asyncio.Event()
        self._queued = asyncio.Event()
        self._outgoing = []
        self._due_ms = {}  # expected packet or "write": deadline
        self._in_flight = {}  # packet id: [packet, deadline, sent twice]
        self._suback_codes = {}  # packet id of SUBSCRIBE: return codes
        self._last_packet_id = 0
        self._sent_ms = 0
        self._received_ms = 0
        self._inbox = []
        self._inbox_read = asyncio.Event()
        self.error = None  # the LinkError that ended the connection
        self.is_connected = False
        self.oversized_count = 0
        self._out_of_memory_count = 0

    async def open(self, host, port):
        """Open the stream. Raises LinkError."""
        limit_ms = self._options.response_ms
        try:
            streams = await _within(self._open(host, port), limit_ms, "connect")
        except OSError as error:
            raise LinkError(f"broker: {host}:{port} {error!r}") from None
        self._reader, self._writer = streams

    async def log_in(self):
        """Send CONNECT and wait for CONNACK; with TLS the handshake is here. Raises LinkError."""
        self._received_ms = self._clock.now_ms()
        self._due_ms["CONNACK"] = self._received_ms + self._options.response_ms
        self._queue(packets.connect(self._options))
        self._tasks = [
            asyncio.create_task(self._read_loop()), asyncio.create_task(self._write_loop()),
            asyncio.create_task(self._deadline_loop())]
        await self._wait_until(lambda: self.is_connected)

    async def subscribe(self, topic):
        """Subscribe to a topic filter, at QoS 1, and wait for SUBACK. Raises LinkError."""
        packet_id = self._next_packet_id()
        self._due_ms[f"SUBACK {packet_id}"] = self._clock.now_ms() + self._options.response_ms
        self._queue(packets.subscribe(packet_id, topic))
        await self._wait_until(lambda: packet_id in self._suback_codes)
        codes = self._suback_codes.pop(packet_id)
        if len(codes) != 1 or codes[0] & 0x80:
            raise LinkError(f"broker: refused to subscribe to {topic}")

    async def publish(self, topic, payload, qos=1, retain=False):
        """Send a message, bytes or a list of bytes, once the window has room. Raises LinkError.

        Returns before it has arrived: see is_acknowledged.
        """
        self.check()
        if not self.has_room:
            await self._wait_until(lambda: self.has_room)
        packet_id = self._next_packet_id() if qos else None
        payload = payload if isinstance(payload, list) else [payload]
        packet = packets.publish(topic, payload, qos, retain, packet_id)
        if qos:
            due_ms = self._clock.now_ms() + self._options.response_ms
            self._in_flight[packet_id] = [packet, due_ms, False]
        self._queue(packet)

    def publish_first(self, topic, payload):
        """Send a message with QoS 0 before everything queued, room or not. Raises LinkError."""
        self.check()
        self._outgoing.insert(0, packets.publish(topic, [payload], 0, False, None))
        self._queued.set()

    def take_message(self, first=None):
        """Return the oldest received Message, or None. While MAX_INBOX wait, reading stops.

        One whose payload contains the bytes `first` is taken before the others."""
        if not self._inbox:
            return None
        self._inbox_read.set()
        if first is not None:
            for index, message in enumerate(self._inbox):
                if not isinstance(message.payload, list) and first in message.payload:
                    return self._inbox.pop(index)
        return self._inbox.pop(0)

    def check(self):
        """Raise the LinkError that ended the connection, if it has ended."""
        if self.error is not None:
            raise self.error

    @property
    def refused_count(self):
        """How many times memory was refused for a message or for the connection."""
        return self._decoder.refused_count + self._out_of_memory_count

    @property
    def is_acknowledged(self):
        """True when the broker has acknowledged everything published."""
        return not self._in_flight

    @property
    def has_room(self):
        """True when publish() would not wait."""
        if len(self._in_flight) >= MAX_IN_FLIGHT or len(self._outgoing) >= _CROWDED:
            return False
        in_flight_bytes = 0
        for entry in self._in_flight.values():
            in_flight_bytes += packets.size_of(entry[0])
        return in_flight_bytes < MAX_IN_FLIGHT_BYTES

    async def close(self, *, politely=False):
        """End the connection. With `politely` it sends DISCONNECT: the will is not published."""
        if politely and self.error is None and self.is_connected:
            self._queue(packets.DISCONNECT_PACKET)
            self._due_ms["DISCONNECT"] = self._clock.now_ms() + _CLOSE_MS
            try:  # noqa: SIM105  (MicroPython has no contextlib)
                await self._wait_until(lambda: not self._outgoing and "write" not in self._due_ms)
            except LinkError:
                pass  # the connection has ended already
        self._end("closed by us")
        for task in self._tasks:
            task.cancel()
        self._tasks = []
        if self._writer is not None:
            self._writer.close()
            try:  # noqa: SIM105  (MicroPython has no contextlib)
                await _within(self._writer.wait_closed(), _CLOSE_MS, "close")
            except (LinkError, OSError):
                pass  # the socket is gone either way
            self._writer = None

    async def _read_loop(self):
        try:
            while True:
                data = await self._reader.read(_READ_BYTES)
                if not data:
                    raise LinkError("broker: closed the connection")
                self._received_ms = self._clock.now_ms()
                had_room = self.has_room
                for first, body, whole in self._decoder.feed(data):
                    self._take(first, body, whole)
                self._changed.set()
                if self._inbox or not (had_room and self._in_flight):
                    self._on_change()
                while len(self._inbox) >= MAX_INBOX:
                    self._inbox_read.clear()
                    await self._inbox_read.wait()
        except LinkError as error:
            self._end(error.why)
        except OSError as error:
            self._end(f"broker: read {error!r}")
        except MemoryError:
            self._end_out_of_memory("read")
        finally:
            self._end("reading ended")

    async def _write_loop(self):
        undrained_bytes = 0
        try:
            while True:
                is_crowded = False
                while self._outgoing:
                    is_crowded = is_crowded or len(self._outgoing) >= _CROWDED
                    packet = self._outgoing.pop(0)
                    self._sent_ms = self._clock.now_ms()
                    self._due_ms["write"] = self._sent_ms + self._options.response_ms
                    for piece in packet if isinstance(packet, list) else (packet,):
                        self._writer.write(piece)
                        undrained_bytes += len(piece)
                        if undrained_bytes > _UNDRAINED_BYTES:
                            undrained_bytes = 0
                            await self._writer.drain()
                    del self._due_ms["write"]
                self._changed.set()
                if is_crowded:
                    self._on_change()
                self._queued.clear()
                await self._queued.wait()
        except OSError as error:
            self._end(f"broker: write {error!r}")
        except MemoryError:
            self._end_out_of_memory("write")
        finally:
            self._end("writing ended")

    async def _deadline_loop(self):
        try:
            while self.error is None:
                now_ms = self._clock.now_ms()
                self._check_deadlines(now_ms)
                await self._clock.sleep_ms(max(1, self._next_due_ms(now_ms) - now_ms))
                self._signal()
        except LinkError as error:
            self._end(error.why)
        except MemoryError:
            self._end_out_of_memory("keep the deadlines")
        finally:
            self._end("keeping ended")

    def _next_due_ms(self, now_ms):
        """Send a ping on a quiet connection; return when to check again, as uptime in ms."""
        limit_ms = self._options.response_ms
        quiet_ms = self._options.keepalive_s * 500
        next_ms = now_ms + min(limit_ms, quiet_ms)
        if self.is_connected and "PINGRESP" not in self._due_ms:
            ping_ms = min(self._sent_ms, self._received_ms) + quiet_ms
            if now_ms >= ping_ms:
                self._due_ms["PINGRESP"] = now_ms + limit_ms
                self._queue(packets.PINGREQ_PACKET)
            else:
                next_ms = min(next_ms, ping_ms)
        for due_ms in self._due_ms.values():
            next_ms = min(next_ms, due_ms)
        for entry in self._in_flight.values():
            next_ms = min(next_ms, entry[1])
        return next_ms

    def _check_deadlines(self, now_ms):
        for what, due_ms in self._due_ms.items():
            if now_ms >= due_ms:
                self._end(f"broker: no {what} within {self._options.response_ms} ms")
                return
        for packet_id, entry in self._in_flight.items():
            if now_ms < entry[1]:
                continue
            if entry[2]:
                self._end(f"broker: no PUBACK {packet_id} for two sendings")
                return
            entry[0][0][0] |= packets.DUP
            entry[1] = now_ms + self._options.response_ms
            entry[2] = True
            self._queue(entry[0])

    def _take(self, first, body, whole):
        kind = first & 0xF0
        if kind == packets.PUBLISH and self.is_connected:
            self._take_publish(first, body, whole)
        elif not whole:
            raise LinkError(f"broker: packet {first:#x} is too large")
        elif kind == packets.CONNACK and not self.is_connected:
            packets.read_connack(body)
            self._due_ms.pop("CONNACK", None)
            self.is_connected = True
        elif kind == packets.PUBACK and self.is_connected:
            self._in_flight.pop(packets.read_packet_id(body, "PUBACK"), None)
        elif kind == packets.SUBACK and self.is_connected:
            packet_id = packets.read_packet_id(body, "SUBACK")
            if self._due_ms.pop(f"SUBACK {packet_id}", None) is not None:
                self._suback_codes[packet_id] = body[2:]
        elif kind == packets.PINGRESP and self.is_connected:
            self._due_ms.pop("PINGRESP", None)
        else:
            raise LinkError(f"broker: unexpected packet {first:#x}")

    def _take_publish(self, first, body, whole):
        topic, payload, qos, retain, packet_id = packets.read_publish(first, body)
        if whole:
            self._inbox.append(Message(topic, payload, retain))
        else:
            self.oversized_count += 1
        if qos:
            self._queue(packets.puback(packet_id))

    def _queue(self, packet):
        if len(self._outgoing) >= _MAX_OUTGOING:
            raise LinkError("broker: does not read what it asks for")
        self._outgoing.append(packet)
        self._queued.set()

    def _next_packet_id(self):
        packet_id = self._last_packet_id
        while True:
            packet_id = packet_id % 65_535 + 1
            if packet_id not in self._in_flight:
                self._last_packet_id = packet_id
                return packet_id

    async def _wait_until(self, is_met):
        while True:
            self.check()
            if is_met():
                return
            self._changed.clear()
            await self._changed.wait()

    def _signal(self):
        self._changed.set()
        self._on_change()

    def _end_out_of_memory(self, what):
        """End the connection after a MemoryError: a new one starts with empty buffers."""
        self._out_of_memory_count += 1
        self._end(f"no memory to {what}")

    def _end(self, why):
        if self.error is None:
            self.error = LinkError(why)
            self.is_connected = False
            self._signal()


async def _within(awaitable, limit_ms, what):
    """Await a coroutine with a deadline. Raises LinkError when it passes."""
    try:
        return await asyncio.wait_for(awaitable, limit_ms / 1_000)
    except asyncio.TimeoutError:  # noqa: UP041  (MicroPython has no built-in TimeoutError)
        raise LinkError(f"broker: {what} took more than {limit_ms} ms") from None
