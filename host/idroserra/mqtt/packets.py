"""Encodes and parses the MQTT 5 and 3.1.1 packets that a subscriber needs. No I/O.

Section numbers refer to the OASIS standard MQTT 5.0.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

CONNACK, PUBLISH, SUBACK, PINGRESP, DISCONNECT = 2, 3, 9, 13, 14
PINGREQ = b"\xc0\x00"
DISCONNECT_PACKET = b"\xe0\x00"
MAX_LENGTH_BYTES = 4  # of a variable byte integer
_REFUSED_311 = ("accepted", "unacceptable protocol version", "identifier rejected",
                "server unavailable", "bad user name or password", "not authorized")


class MalformedPacket(Exception):
    """The broker sent an invalid MQTT packet."""


class Packet(NamedTuple):
    """The first byte of a packet, and the bytes after its length."""

    first: int
    body: bytes

    @property
    def kind(self) -> int:
        """The packet type: CONNACK, PUBLISH ..."""
        return self.first >> 4


def pack(packet: Packet) -> bytes:
    """Return the bytes of a packet."""
    return bytes((packet.first,)) + _varied(len(packet.body)) + packet.body


# Topic, payload, packet identifier (0 with QoS 0) and first byte of a message.
Publish = tuple[bytes, bytes, int, int]


class PacketParser:
    """Parses a byte stream into packets of at most max_bytes. Raises MalformedPacket."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._rest = b""

    def feed(self, data: bytes) -> list[Packet]:
        """Return the packets that are complete after `data`."""
        buffer, cuts = self._cut(data)
        return [Packet(buffer[at], buffer[head:end]) for at, head, end in cuts]

    def messages(self, data: bytes, is_v5: bool) -> tuple[list[Publish], list[Packet]]:
        """Return (messages, other packets) that are complete after `data`.

        Raises MalformedPacket."""
        messages: list[Publish] = []
        others: list[Packet] = []
        buffer, cuts = self._cut(data)
        for at, head, end in cuts:
            first = buffer[at]
            if first >> 4 != PUBLISH:
                others.append(Packet(first, buffer[head:end]))
                continue
            mid, qos = 0, first & 6
            try:
                topic_end = upto = head + 2 + (buffer[head] << 8 | buffer[head + 1])
                if qos == 2:  # QoS 1
                    mid = buffer[upto] << 8 | buffer[upto + 1]
                    upto += 2
                if is_v5:
                    if buffer[upto]:  # properties, which nodes do not send
                        length, after = _length(buffer[:end], upto) or (end, upto)
                        upto = length + after
                    else:
                        upto += 1
            except IndexError:
                raise MalformedPacket("PUBLISH: truncated") from None
            if upto > end or qos > 2:  # the subscription has QoS 1
                raise MalformedPacket("PUBLISH: truncated, or QoS 2")
            messages.append((buffer[head + 2 : topic_end], buffer[upto:end], mid, first))
        return messages, others

    def _cut(self, data: bytes) -> tuple[bytes, list[tuple[int, int, int]]]:
        """Return (bytes, [(start of packet, start of body, end)] of the complete packets)."""
        buffer = self._rest + data if self._rest else data
        at, size = 0, len(buffer)
        found = []
        while size - at >= 2:
            head = at + 2
            length = buffer[at + 1]
            if length > 127 and head < size and buffer[head] < 128:
                length, head = length & 127 | buffer[head] << 7, head + 1
            elif length > 127:
                more = _length(buffer, at + 1)
                if more is None:
                    break
                length, head = more
            if length > self._max_bytes:
                raise MalformedPacket(f"a packet of {length} bytes")
            end = head + length
            if end > size:
                break
            found.append((at, head, end))
            at = end
        self._rest = buffer[at:]
        return buffer, found

    def take_rest(self) -> bytes:
        """Return and clear the bytes of an incomplete packet."""
        rest, self._rest = self._rest, b""
        return rest


def _length(buffer: bytes, at: int) -> tuple[int, int] | None:
    """Return (value, end) of a variable byte integer (1.5.5); None if it is incomplete."""
    value = 0
    for number in range(MAX_LENGTH_BYTES):
        if at + number >= len(buffer):
            return None
        byte = buffer[at + number]
        value |= (byte & 127) << 7 * number
        if byte < 128:
            return value, at + number + 1
    raise MalformedPacket("invalid variable byte integer")


def publish(topic: str, payload: bytes, is_v5: bool) -> bytes:
    """Return a PUBLISH (3.3) with QoS 0, not retained."""
    body = _head(topic, is_v5) + payload
    length = len(body)
    return (b"\x30%c%b" % (length, body)) if length < 128 else pack(Packet(0x30, body))


@lru_cache(maxsize=16_384)
def _head(topic: str, is_v5: bool) -> bytes:
    return _text(topic) + (b"\x00" if is_v5 else b"")


def connect(
    client_id: str, username: str | None, password: str | None, keepalive_s: int,
    properties: bytes | None, *, is_clean: bool = False,
) -> bytes:
    """Return CONNECT (3.1); properties None: MQTT 3.1.1. A clean session is not kept."""
    flags = (0x80 if username is not None else 0) | (0x40 if password is not None else 0)
    flags |= 0x02 if is_clean else 0
    body = _text("MQTT") + bytes((4 if properties is None else 5, flags))
    body += struct.pack(">H", keepalive_s)
    if properties is not None:
        body += _varied(len(properties)) + properties
    body += _text(client_id)
    for word in (username, password):
        if word is not None:
            body += _text(word)
    return pack(Packet(0x10, body))


def connect_properties(session_expiry_s: int, receive_maximum: int, max_bytes: int) -> bytes:
    """Return the properties of CONNECT (3.1.2.11)."""
    return struct.pack(">BIBHBI", 0x11, session_expiry_s, 0x21, receive_maximum, 0x27, max_bytes)


def subscribe(topic_filters: Iterable[str], is_v5: bool) -> bytes:
    """Return SUBSCRIBE (3.8) to filters with QoS 1; packet identifier 1."""
    body = b"\x00\x01" + (b"\x00" if is_v5 else b"")
    body += b"".join(_text(one) + b"\x01" for one in topic_filters)
    return pack(Packet(0x82, body))


def pubacks(mids: Iterable[int]) -> bytes:
    """Return a PUBACK (3.4) with "success" for each packet identifier."""
    numbers = [number for mid in mids for number in (0x4002, mid)]
    return struct.pack(f">{len(numbers)}H", *numbers)


def refusal(packet: Packet, is_v5: bool) -> str | None:
    """Return the reason of a failing CONNACK (3.2), SUBACK (3.9) or DISCONNECT (3.14), or None.

    Raises MalformedPacket."""
    body, kind = packet.body, packet.kind
    if kind not in (CONNACK, SUBACK, DISCONNECT) or (kind != DISCONNECT and len(body) < 2):
        raise MalformedPacket(f"unexpected packet type {kind}")
    if kind == SUBACK:
        code = max(_granted(body, is_v5))
    else:
        at = 1 if kind == CONNACK else 0
        code = body[at] if at < len(body) else 0
    if kind == CONNACK and not is_v5:
        return None if code == 0 else _REFUSED_311[min(code, len(_REFUSED_311) - 1)]
    return None if code < 0x80 else _reason(kind, code)


def _granted(body: bytes, is_v5: bool) -> bytes:
    """Return the reason codes of a SUBACK, one for each filter. Raises MalformedPacket."""
    at = 2
    if is_v5:
        properties = _length(body, at)
        if properties is None:
            raise MalformedPacket("SUBACK: truncated")
        at = properties[0] + properties[1]
    if at >= len(body):
        raise MalformedPacket("SUBACK: truncated")
    return body[at:]


def _reason(kind: int, code: int) -> str:
    types = {CONNACK: PacketTypes.CONNACK, SUBACK: PacketTypes.SUBACK,
             DISCONNECT: PacketTypes.DISCONNECT}
    try:
        return str(ReasonCode(types[kind], identifier=code))
    except (KeyError, ValueError):  # unknown, or not defined for this packet
        return f"reason code {code}"


def _varied(count: int) -> bytes:
    found = bytearray()
    while True:
        count, low = divmod(count, 128)
        found.append(low | (128 if count else 0))
        if not count:
            return bytes(found)


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">H", len(data)) + data
