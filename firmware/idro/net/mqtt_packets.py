"""Packets of MQTT 3.1.1 as bytes: building those of a client, taking apart those of a broker.

Pure functions and one incremental Decoder; no sockets and no time. Whatever bytes come in, the
only error is LinkError. Section numbers are those of the OASIS standard mqtt-v3.1.1-os.
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
_PREFIX_BYTES = 260  # what is kept of a larger packet: enough for its topic and packet id
_MAX_LENGTH_BYTES = 4
_TOPICS: dict[bytes, str] = {}
_MAX_TOPICS = 4
_MAX_TOPIC_BYTES = 80
# By the return code of CONNACK, from 1.
_REFUSALS = (
    "unacceptable protocol version", "client id refused", "server unavailable",
    "bad user name or password", "not authorised",
)


def connect(options):
    """Return CONNECT for mqtt.Options: clean session, last will at QoS 1 and retained (3.1)."""
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
    """Return PUBLISH as a bytearray, so that DUP can be set in place (3.3)."""
    name = topic.encode()
    first = PUBLISH | qos << 1 | (1 if retain else 0)
    packet = bytearray(_header(first, 2 + len(name) + (2 if qos else 0) + len(payload)))
    packet += struct.pack(">H", len(name))
    packet += name
    if qos:
        packet += struct.pack(">H", packet_id)
    packet += payload
    return packet


def subscribe(packet_id, topics, qos):
    """Return SUBSCRIBE for a list of topic filters, all at one QoS (3.8)."""
    body = struct.pack(">H", packet_id)
    for topic in topics:
        body += _text(topic) + bytes((qos,))
    return _packet(SUBSCRIBE, body)


def puback(packet_id):
    """Return PUBACK (3.4)."""
    return struct.pack(">BBH", PUBACK, 2, packet_id)


def read_connack(body):
    """Raise LinkError unless the broker took us (3.2)."""
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
    """Return (topic, payload, qos, retain, packet_id or None) of a PUBLISH. Raises LinkError."""
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
    return topic, body[start:], qos, bool(first & 1), packet_id


def _topic(name):
    """Return the text of a topic; the few that come again and again are texts already."""
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
    """Cuts a byte stream into packets. Holds at most one packet of MAX_INBOUND_BYTES."""

    def __init__(self):
        self._buffer = b""
        self._skip_bytes = 0

    def feed(self, data):
        """Return [(first byte, body, whole)] of the packets that `data` completes.

        Of a packet larger than MAX_INBOUND_BYTES only a prefix comes, with whole = False; the
        rest is drained. Raises LinkError for a length no broker may send (2.2.3).
        """
        if self._skip_bytes:
            skipped = min(self._skip_bytes, len(data))
            self._skip_bytes -= skipped
            data = data[skipped:]
        buffer = self._buffer + data if self._buffer else data
        packets = []
        position = 0
        while True:
            header = _read_header(buffer, position)
            if header is None:
                break
            start, length = header
            whole = length <= MAX_INBOUND_BYTES
            end = start + (length if whole else _PREFIX_BYTES)
            if end > len(buffer):
                break
            packets.append((buffer[position], buffer[start:end], whole))
            position = start + length
            if position > len(buffer):
                self._skip_bytes = position - len(buffer)
                position = len(buffer)
        self._buffer = buffer[position:]
        return packets


def _read_header(buffer, position):
    """Return (start of the body, its length), or None where bytes are missing."""
    length = 0
    for index in range(_MAX_LENGTH_BYTES):
        at = position + 1 + index
        if at >= len(buffer):
            return None
        length |= (buffer[at] & 0x7F) << 7 * index
        if not buffer[at] & 0x80:
            return at + 1, length
    raise LinkError("broker: packet length of more than four bytes")


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
