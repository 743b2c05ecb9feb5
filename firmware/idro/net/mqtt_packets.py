"""MQTT 3.1.1 packets as bytes: builds those of a client, parses those of a broker.

Pure functions and one incremental Decoder; no sockets and no time. Any input raises LinkError
only. Section numbers refer to the OASIS standard mqtt-v3.1.1-os.
"""

import struct

from idro.errors import LinkError

CONNECT = 0x10
CONNACK = 0x20
PUBLISH = 0x30
PUBACK = 0x40
SUBSCRIBE = 0x82
SUBACK = 0x90
PINGRESP = 0xD0
DUP = 0x08

PINGREQ_PACKET = b"\xc0\x00"
DISCONNECT_PACKET = b"\xe0\x00"

MAX_INBOUND_BYTES = 4_352  # a down/config of 4,096 bytes with topic and packet id
WHOLE_BYTES = 1_152  # the body of a larger packet stays in pieces
_PIECE_BYTES = 512
_PREFIX_BYTES = 260  # stored of an oversized packet: enough for its topic and id
_MAX_LENGTH_BYTES = 4
_TOPICS: dict[bytes, str] = {}
_MAX_TOPICS = 4
_MAX_TOPIC_BYTES = 80
# By the return code of CONNACK, from 1.
_REFUSALS = (
    "unacceptable protocol version", "client id refused", "server unavailable",
    "bad user name or password", "not authorised")


def connect(options):
    """Return CONNECT for mqtt_client.Options: clean session, will at QoS 1, retained (3.1)."""
    flags = 0x02
    tail = _text(options.client_id)
    if options.will_topic is not None:
        flags |= 0x04 | 0x08 | 0x20
        tail += _text(options.will_topic) + _text(options.will_payload)
    if options.user is not None:
        flags |= 0x80
        tail += _text(options.user)
    if options.password is not None:
        flags |= 0x40
        tail += _text(options.password)
    head = _text("MQTT") + struct.pack(">BBH", 4, flags, options.keepalive_s)
    return _packet(CONNECT, head + tail)


def publish(topic, payload, qos, retain, packet_id):
    """Return PUBLISH (3.3) as a list of pieces. `payload` is a list of bytes.

    The first piece is a bytearray, so that DUP can be set in place.
    """
    name = topic.encode()
    first = PUBLISH | qos << 1 | (1 if retain else 0)
    length = 2 + len(name) + (2 if qos else 0) + size_of(payload)
    head = _header(first, length) + struct.pack(">H", len(name)) + name
    if qos:
        head += struct.pack(">H", packet_id)
    packet = [bytearray(head)]
    packet.extend(payload)
    return packet


def size_of(pieces):
    """Return the total bytes of a list of pieces."""
    return sum([len(piece) for piece in pieces])


def subscribe(packet_id, topic):
    """Return SUBSCRIBE for a topic filter at QoS 1 (3.8)."""
    return _packet(SUBSCRIBE, struct.pack(">H", packet_id) + _text(topic) + b"\1")


def puback(packet_id):
    """Return PUBACK (3.4)."""
    return struct.pack(">BBH", PUBACK, 2, packet_id)


def read_connack(body):
    """Raise LinkError unless the broker accepted the connection (3.2)."""
    if len(body) != 2:
        raise LinkError("broker: CONNACK of a wrong length")
    if body[1]:
        code = body[1]
        why = _REFUSALS[code - 1] if code <= len(_REFUSALS) else f"code {code}"
        raise LinkError(f"broker: refused the connection, {why}")


def read_packet_id(body, name):
    """Return the packet id that `body` starts with. Raises LinkError."""
    if len(body) < 2:
        raise LinkError(f"broker: {name} of a wrong length")
    return body[0] << 8 | body[1]


def read_publish(first, body):
    """Return (topic, payload, qos, retain, packet_id or None) of a PUBLISH. Raises LinkError.

    If `body` is a list of pieces, so is the payload.
    """
    pieces = None
    if isinstance(body, list):
        body, *pieces = body
    qos = first >> 1 & 3
    if qos > 1:
        raise LinkError(f"broker: PUBLISH at QoS {qos}, asked for at most 1")
    if len(body) < 2:
        raise LinkError("broker: PUBLISH of a wrong length")
    end = 2 + (body[0] << 8 | body[1])
    start = end + 2 if qos else end
    if start > len(body):
        raise LinkError("broker: PUBLISH of a wrong length")
    topic = _topic(body[2:end])
    packet_id = body[end] << 8 | body[end + 1] if qos else None
    payload = body[start:]
    if pieces is not None:
        if payload:
            pieces.insert(0, payload)
        payload = pieces
    return topic, payload, qos, bool(first & 1), packet_id


def _topic(name):
    """Return the text of a topic; the few that repeat are cached."""
    topic = _TOPICS.get(name)
    if topic is None:
        try:
            topic = str(name, "utf-8")
        except ValueError:  # UnicodeError on both runtimes
            raise LinkError("broker: topic is not UTF-8") from None
        if len(_TOPICS) < _MAX_TOPICS and len(name) <= _MAX_TOPIC_BYTES:
            _TOPICS[name] = topic
    return topic


class Decoder:
    """Splits a byte stream into packets. Stores at most one packet of MAX_INBOUND_BYTES."""

    def __init__(self):
        self._head = b""  # fixed header received so far
        self._pieces = []  # of the body that is being received
        self._missing_bytes = 0  # of that body
        self._skip_bytes = 0  # of an oversized packet, to discard after the stored prefix
        self._is_open = False  # a body is being received
        self._is_whole = True  # and all of it is stored
        self.refused_count = 0  # packets for which there was no memory

    def feed(self, data):
        """Yield (first byte, body, whole) of each packet that `data` completes.

        A body is bytes; that of a PUBLISH longer than WHOLE_BYTES is a list of bytes, the first
        at least _PREFIX_BYTES long. A packet larger than MAX_INBOUND_BYTES or than the free
        memory is cut to a prefix, with whole = False. Raises LinkError for an invalid length
        (2.2.3).
        """
        position = 0
        while True:
            if self._is_open:
                end = min(len(data), position + self._missing_bytes)
                self._missing_bytes -= end - position
                if end > position:
                    self._add(data[position:end])
                position = end
                if self._missing_bytes:
                    break
                yield self._packet()
            elif self._skip_bytes:
                skipped = min(self._skip_bytes, len(data) - position)
                self._skip_bytes -= skipped
                position += skipped
            if position == len(data):
                break
            if not self._skip_bytes:
                position = self._begin(data, position)

    def _begin(self, data, position):
        """Read the fixed header, as far as it is there; return where it ends."""
        while position < len(data) and not self._is_open:
            self._head += data[position : position + 1]
            position += 1
            length = _length(self._head)
            if length is not None:
                self._is_open = True
                is_message = self._head[0] & 0xF0 == PUBLISH
                self._is_whole = length <= (MAX_INBOUND_BYTES if is_message else _PREFIX_BYTES)
                self._missing_bytes = length if self._is_whole else _PREFIX_BYTES
                self._skip_bytes = length - self._missing_bytes
        return position

    def _add(self, data):
        """Store bytes of a body, in pieces of up to _PIECE_BYTES."""
        pieces = self._pieces
        try:
            if pieces and len(pieces[-1]) < _PIECE_BYTES:
                room = _PIECE_BYTES - len(pieces[-1])
                pieces[-1] += data[:room]
                data = data[room:]
            if data:
                pieces.append(data)
        except MemoryError:
            if not pieces or len(pieces[0]) < _PREFIX_BYTES:
                raise
            del pieces[1:]
            self._skip_bytes, self._missing_bytes = self._missing_bytes, 0
            self._is_whole = False
            self.refused_count += 1

    def _packet(self):
        pieces, first = self._pieces, self._head[0]
        self._head, self._pieces, self._is_open = b"", [], False
        body = pieces
        if size_of(pieces) <= WHOLE_BYTES:
            body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return first, body, self._is_whole


def _length(head):
    """Return the remaining length in the fixed header, or None if it is incomplete."""
    length = 0
    for index in range(len(head) - 1):
        length |= (head[1 + index] & 0x7F) << 7 * index
        if not head[1 + index] & 0x80:
            return length
    if len(head) > _MAX_LENGTH_BYTES:
        raise LinkError("broker: packet length of more than four bytes")
    return None


def _header(first, length):
    out = bytes((first,))
    while True:
        digit = length & 0x7F
        length >>= 7
        out += bytes((digit | 0x80 if length else digit,))
        if not length:
            return out


def _packet(first, body):
    return _header(first, len(body)) + body


def _text(value):
    data = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(data)) + data
