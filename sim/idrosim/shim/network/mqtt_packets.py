"""Encodes and decodes the MQTT 3.1.1 packets that the simulated broker and TrafficTap need.

Written from the OASIS standard, deliberately independent of the client in the firmware, so that
they cannot share a mistake.
"""

CONNECT, CONNACK, PUBLISH, PUBACK = 1, 2, 3, 4
SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 8, 9, 12, 13, 14
DUP = 8  # flag in the first byte of a retransmitted PUBLISH
MAX_PACKET_BYTES = 65_536
_texts = {}


class PacketReader:
    """Splits a stream of bytes into packets."""

    def __init__(self):
        self._rest = b""

    def feed(self, data):
        """Return [(first byte, body)] of every packet completed by `data`.

        Raises ValueError for bytes that are not MQTT.
        """
        if self._rest:
            data = self._rest + bytes(data)
        packets = []
        start = 0
        while True:
            body = _body_span(data, start)
            if body is None:
                break
            packets.append((data[start], bytes(data[body[0] : body[1]])))
            start = body[1]
        self._rest = bytes(data[start:])
        return packets


def _body_span(data, start):
    """Return (start, end) of the body of the packet at `start`, None if it is incomplete."""
    length = 0
    for index in range(1, 5):
        if start + index >= len(data):
            return None
        digit = data[start + index]
        length |= (digit & 0x7F) << (7 * (index - 1))
        if not digit & 0x80:
            if length > MAX_PACKET_BYTES:
                raise ValueError(f"mqtt: packet of {length} bytes")
            begin = start + index + 1
            return (begin, begin + length) if begin + length <= len(data) else None
    raise ValueError("mqtt: bad remaining length")


def packet(first, body):
    """Return the packet with fixed header byte `first` and `body`."""
    size = len(body)
    head = bytearray((first,))
    while True:
        digit = size & 0x7F
        size >>= 7
        head.append(digit | (0x80 if size else 0))
        if not size:
            return bytes(head) + body


def u16(value):
    """Return `value` as a 16-bit number."""
    return bytes((value >> 8, value & 0xFF))


def text(value):
    """Return `value` as a length-prefixed string."""
    raw = value.encode()
    return u16(len(raw)) + raw


def read_text(body, at):
    """Return (text, index after it) of the string at `at`. Raises ValueError."""
    size = read_u16(body, at)
    end = at + 2 + size
    if end > len(body):
        raise ValueError("mqtt: string exceeds the packet")
    name = bytes(body[at + 2 : end])
    text = _texts.get(name)
    if text is None:
        text = _texts[name] = str(name, "utf-8")  # few distinct topics and ids
    return text, end


def read_u16(body, at):
    """Return the 16-bit number at `at`. Raises ValueError."""
    if at + 2 > len(body):
        raise ValueError("mqtt: packet too short")
    return body[at] << 8 | body[at + 1]


def publish(topic, payload, packet_id=None, retain=False):
    """Return a PUBLISH, of QoS 1 with a packet id, else of QoS 0."""
    first = PUBLISH << 4 | (1 if retain else 0)
    if packet_id is None:
        return packet(first, text(topic) + payload)
    return packet(first | 2, text(topic) + u16(packet_id) + payload)


def read_publish(first, body):
    """Return (topic, payload, packet id or None) of a PUBLISH. Raises ValueError."""
    topic, at = read_text(body, 0)
    if not first & 6:
        return topic, body[at:], None
    return topic, body[at + 2 :], read_u16(body, at)


def read_subscribe(body):
    """Return (packet id, [(topic filter, QoS)]). Raises ValueError."""
    filters = []
    at = 2
    while at < len(body):
        topic, at = read_text(body, at)
        if at >= len(body):
            raise ValueError("mqtt: SUBSCRIBE without a QoS")
        filters.append((topic, body[at]))
        at += 1
    return read_u16(body, 0), filters
