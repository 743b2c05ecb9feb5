"""Encodes records of the outbox as frames for flash, finds intact frames and decodes them.

A frame is magic, kind, length (u16), payload, CRC-32 (u32), little-endian. The CRC is seeded with
the identity of the segment (boot and schema), so a frame is never read as another boot's. The
payload is seq (u32), at_ms (48 bits), then one int32 a channel, or the JSON of an event. Integers
are scaled as on the wire; the lowest int32 values represent faults.
"""

import json
import struct
from binascii import crc32

from idro.errors import ProtocolError
from idro.protocol.faults import FAULTS
from idro.protocol.messages import EventRecord, telemetry_template
from idro.protocol.quantities import format_scaled, quantity_of, to_scaled
from idro.protocol.reason import Reason

TELEMETRY = 1
EVENT = 2
EPOCH = 3  # wall time of at_ms 0 of this boot

HEAD_BYTES = 4
OVERHEAD_BYTES = 8
MAX_PAYLOAD_BYTES = 1_000
_MAGIC = 0xD7
STAMP_BYTES = 10
_ABSENT = -0x8000_0000
_FIRST_FAULT = _ABSENT + 1
_TEXT_CHARS = 200
_SHORT_TEXT_CHARS = 40


def seed(boot_id, schema_id):
    """Return the initial value of the CRC of every frame of one segment."""
    return crc32(f"{boot_id} {schema_id}".encode())


def frame(kind, payload, crc_seed):
    """Return the bytes of one frame."""
    body = struct.pack("<BBH", _MAGIC, kind, len(payload)) + payload
    return body + struct.pack("<I", crc32(body, crc_seed) & 0xFFFF_FFFF)


def find(buffer, position, size, crc_seed):
    """Return (start, end) of the next intact frame in buffer[position:size], or None."""
    view = memoryview(buffer)
    while position + OVERHEAD_BYTES <= size:
        if buffer[position] == _MAGIC:
            length = buffer[position + 2] | buffer[position + 3] << 8
            end = position + length + OVERHEAD_BYTES
            if end <= size:
                crc = crc32(view[position : end - 4], crc_seed) & 0xFFFF_FFFF
                if crc == struct.unpack_from("<I", buffer, end - 4)[0]:
                    return position, end
        position += 1
    return None


def kind_of(buffer, start):
    """Return the kind of the frame at `start`."""
    return buffer[start + 1]


def stamp_of(buffer, start):
    """Return (seq, at_ms) of the record frame at `start`."""
    seq, low, high = struct.unpack_from("<IIH", buffer, start + HEAD_BYTES)
    return seq, high << 32 | low


def epoch_payload(unix_ms):
    """Return the payload of an EPOCH frame."""
    return struct.pack("<IIH", 0, unix_ms & 0xFFFF_FFFF, unix_ms >> 32)


def event_payload(seq, at_ms, kind, detail):
    """Return the payload of an event, texts truncated if needed. Raises ProtocolError.

    A value of `detail` may be a Reason.
    """
    for max_chars in (_TEXT_CHARS, _SHORT_TEXT_CHARS):
        text = json.dumps([kind, _as_json(detail, max_chars)]).encode()
        if len(text) <= MAX_PAYLOAD_BYTES - STAMP_BYTES:
            return _stamp(seq, at_ms) + text
    raise ProtocolError(f"detail of {kind}: too large for the outbox")


def _as_json(value, max_chars):
    """Return a value of an event as JSON can hold it, with texts of at most `max_chars`."""
    if isinstance(value, Reason):
        value = value.as_json()
    if isinstance(value, dict):
        return {name: _as_json(one, max_chars) for name, one in value.items()}
    return value[:max_chars] if isinstance(value, str) else value


def read_event(buffer, start, end):
    """Return the EventRecord of an intact EVENT frame."""
    seq, at_ms = stamp_of(buffer, start)
    text = bytes(buffer[start + HEAD_BYTES + STAMP_BYTES : end - 4])
    kind, detail = json.loads(text)
    return EventRecord(seq, at_ms, kind, detail)


class Schema:
    """Maps the int32 values of a telemetry frame to channels, and codes to faults."""

    def __init__(self, channels, fault_codes=None):
        """Raises ProtocolError for an unknown channel."""
        self.channels = tuple(channels)
        self.fault_codes = tuple(sorted(FAULTS)) if fault_codes is None else tuple(fault_codes)
        self._quantities = [quantity_of(channel) for channel in self.channels]
        self.id = f"{crc32(self.text().encode()) & 0xFFFF_FFFF:08x}"
        self._template, self._scales = telemetry_template(self.channels, self._quantities)
        self._format = "<IIH" + "i" * len(self.channels)

    def text(self):
        """Return the schema as the JSON text of its file."""
        return json.dumps([list(self.channels), list(self.fault_codes)])

    def telemetry_payload(self, seq, at_ms, values, faults):
        """Return the payload of one sampling instant.

        `values` {channel: number} and `faults` {channel: code} name channels of this schema, each
        at most once. Raises ProtocolError for anything the host would refuse.
        """
        numbers = [seq, at_ms & 0xFFFF_FFFF, at_ms >> 32]
        found = 0
        for channel, quantity in zip(self.channels, self._quantities):  # noqa: B905  (portable)
            value = values.get(channel)
            fault = faults.get(channel) if faults else None
            if value is None and fault is None:
                numbers.append(_ABSENT)
                continue
            found += 1
            if fault is None:
                number = type(value)
                if (number is not int and number is not float) or (
                    not quantity.low <= value <= quantity.high
                ):
                    raise ProtocolError(f"{channel}: not in {quantity.low}..{quantity.high}")
                is_scaled = number is int and quantity.decimals == 0
                numbers.append(value if is_scaled else to_scaled(quantity, value))
            elif value is None and fault in self.fault_codes:
                numbers.append(_FIRST_FAULT + self.fault_codes.index(fault))
            else:
                raise ProtocolError(f"{channel}: a value with a fault, or an unknown fault")
        if found != len(values) + len(faults):
            raise ProtocolError("telemetry: unknown channel")
        return struct.pack(self._format, *numbers)

    def telemetry_json(self, buffer, start):
        """Return the JSON of the record in an intact TELEMETRY frame of this schema."""
        seq, low, high, *scaled = struct.unpack_from(self._format, buffer, start + HEAD_BYTES)
        numbers = [seq, high << 32 | low]
        scales = self._scales
        lowest = _FIRST_FAULT + len(self.fault_codes)
        for index in range(len(scales)):
            raw = scaled[index]
            scale = scales[index]
            if raw < lowest or (raw < 0 and scale > 1):
                return self._json_of_all(numbers[:2], scaled)
            if scale == 1:
                numbers.append(raw)
            else:
                numbers.append(raw // scale)
                numbers.append(raw % scale)
        return self._template % tuple(numbers)

    def _json_of_all(self, stamp, scaled):
        """Return the JSON of a record with a fault, an absent channel or a value below 0."""
        values = []
        faults = []
        for index in range(len(scaled)):
            raw = scaled[index]
            channel = self.channels[index]
            if raw >= _FIRST_FAULT + len(self.fault_codes):
                values.append(f'"{channel}":{format_scaled(self._quantities[index], raw)}')
            elif raw != _ABSENT:
                faults.append(f'"{channel}": "{self.fault_codes[raw - _FIRST_FAULT]}"')
        return (
            b'{"seq":%d,"at_ms":%d,"values":{' % tuple(stamp) + ",".join(values).encode()
            + b'},"faults":{' + ", ".join(faults).encode() + b"}}")


def read_schema(text):
    """Return the Schema of a JSON text made by Schema.text(). Raises ProtocolError."""
    try:
        channels, fault_codes = json.loads(text)
        return Schema(channels, fault_codes)
    except (ValueError, TypeError):
        raise ProtocolError("schema: damaged") from None


def _stamp(seq, at_ms):
    return struct.pack("<IIH", seq, at_ms & 0xFFFF_FFFF, at_ms >> 32)
