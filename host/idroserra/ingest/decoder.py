"""Decodes records: the message as a whole if it is valid, else each record separately.

A node resends a record until it is stored. A record that this host cannot read (a channel or event
kind of newer firmware) would be resent for ever and block all later ones, so it is returned as
`unread`, to be stored as received and acknowledged. The same applies to all records of a message
with an unreadable header, if the header has a valid boot id.

Most messages are plain telemetry, which msgspec decodes several times faster than idro.protocol.
idro.protocol decodes all others and provides the error messages.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from idroserra.core import protocol
from idroserra.core.plausibility import HIGHEST_AT_MS, HIGHEST_SEQ

_BY_LEAF = {"telemetry": protocol.unpack_telemetry, "event": protocol.unpack_event}
# The broker's packet limit. Newer firmware may send messages above the protocol's limit, which are
# decoded record by record: a node resends unacknowledged records for ever.
MAX_BYTES = 16_384


class UnreadableRecord(NamedTuple):
    """A record this host cannot read: `payload` is a message with this record only; `error`, a
    technical text in English."""

    seq: int
    payload: bytes
    error: str


class DecodedMessage(NamedTuple):
    """The records of one message; `unread` are those that are not valid."""

    batch: protocol.Batch
    unread: tuple[UnreadableRecord, ...] = ()


def read_records(leaf: str, payload: bytes) -> DecodedMessage:
    """Return the records of up/telemetry or up/event.

    Raises ProtocolError for a message that cannot be split into records.
    """
    batch = _plain_telemetry(payload) if leaf == "telemetry" else None
    if batch is not None:
        return DecodedMessage(batch)
    try:
        return DecodedMessage(_BY_LEAF[leaf](payload))
    except protocol.ProtocolError as error:
        return _one_by_one(leaf, payload, error)


def _one_by_one(leaf: str, payload: bytes, why: protocol.ProtocolError) -> DecodedMessage:
    """Decode the records of a message separately; raises `why`, its error, if it cannot."""
    try:
        head: dict[str, Any] = protocol.parse_object(payload, MAX_BYTES)
        items, boot_id = head.pop("records"), head["boot_id"]
        seqs = [item["seq"] for item in items]
    except (protocol.ProtocolError, KeyError, TypeError):
        raise why from None
    is_known = isinstance(boot_id, str) and protocol.is_id(boot_id)
    if not is_known or not seqs or not _ascend(seqs):
        raise why
    try:
        batch = _BY_LEAF[leaf](_message(head, []))
    except protocol.ProtocolError as error:
        batch = protocol.Batch(boot_id, None, _sent_at_ms(head), 0, [])
        return DecodedMessage(batch, tuple(
            UnreadableRecord(seq, _message(head, [item]), error.why)
            for seq, item in zip(seqs, items, strict=True)))
    records: list[Any] = []
    unread: list[UnreadableRecord] = []
    for seq, item in zip(seqs, items, strict=True):
        alone = _message(head, [item])
        try:
            records += _BY_LEAF[leaf](alone).records
        except protocol.ProtocolError as error:
            unread.append(UnreadableRecord(seq, alone, error.why))
    return DecodedMessage(batch._replace(records=records), tuple(unread))


def _sent_at_ms(head: dict[str, Any]) -> int | None:
    """Return the uptime that an otherwise unreadable header says, which down/stored repeats."""
    sent_at_ms = head.get("sent_at_ms")
    is_valid = type(sent_at_ms) is int and 0 <= sent_at_ms <= HIGHEST_AT_MS
    return sent_at_ms if is_valid else None


def _message(head: dict[str, Any], items: list[Any]) -> bytes:
    message = {**head, "records": items}
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def _ascend(seqs: list[Any]) -> bool:
    """True for ascending, plausible sequence numbers."""
    last = 0
    for seq in seqs:
        if type(seq) is not int or not last < seq <= HIGHEST_SEQ:
            return False
        last = seq
    return True


_Values = Annotated[dict[str, int | float], msgspec.Meta(max_length=protocol.MAX_CHANNELS)]
_Faults = Annotated[dict[str, str], msgspec.Meta(max_length=protocol.MAX_CHANNELS)]


class _Record(msgspec.Struct, gc=False):
    seq: Annotated[int, msgspec.Meta(ge=1, le=HIGHEST_SEQ)]
    at_ms: Annotated[int, msgspec.Meta(ge=0, le=HIGHEST_AT_MS)]
    values: _Values = {}
    faults: _Faults = {}


class _Message(msgspec.Struct, gc=False):
    v: Literal[1]
    boot_id: str
    oldest_seq: Annotated[int, msgspec.Meta(ge=0, le=HIGHEST_SEQ)]
    records: Annotated[list[_Record], msgspec.Meta(max_length=protocol.MAX_RECORDS)]
    boot_unix_ms: Annotated[int, msgspec.Meta(ge=0, le=protocol.MAX_INT)] | None = None
    sent_at_ms: Annotated[int, msgspec.Meta(ge=0, le=HIGHEST_AT_MS)] | None = None


_is_id = lru_cache(maxsize=4_096)(protocol.is_id)
_DECODER = msgspec.json.Decoder(_Message)


def _plain_telemetry(payload: bytes) -> protocol.Batch | None:
    """Return the batch of a plain message, or None: idro.protocol must decode it."""
    # Non-ASCII text and escapes are left to idro.protocol.
    if len(payload) > protocol.MAX_UP_BYTES or not payload.isascii() or b"\\" in payload:
        return None
    try:
        message = _DECODER.decode(payload)
        if not _is_id(message.boot_id):
            return None
        last_seq = 0
        records = []
        for record in message.records:
            seq, values, faults = record.seq, record.values, record.faults
            if seq <= last_seq or (faults and not _are_faults(faults, values)):
                return None
            limits = _limits_of(tuple(values))
            for value, (low, high, is_whole) in zip(values.values(), limits, strict=True):
                if not low <= value <= high or (is_whole and type(value) is not int):
                    return None
            last_seq = seq
            records.append(protocol.Record(seq, record.at_ms, values, faults))
    except (msgspec.DecodeError, protocol.ProtocolError, RecursionError):
        return None
    return protocol.Batch(
        message.boot_id, message.boot_unix_ms, message.sent_at_ms, message.oldest_seq, records)


@lru_cache(maxsize=4_096)
def _limits_of(channels: tuple[str, ...]) -> list[tuple[float, float, bool]]:
    """Return protocol.channel_limits() of each channel. Raises ProtocolError."""
    return [protocol.channel_limits(channel) for channel in channels]


def _are_faults(faults: dict[str, str], values: dict[str, int | float]) -> bool:
    """Whether the faults are known and their channels have no value. Raises ProtocolError."""
    _limits_of(tuple(faults))
    return all(fault in protocol.FAULTS and channel not in values
               for channel, fault in faults.items())
