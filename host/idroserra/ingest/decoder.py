"""Records off the wire: the whole message where it is the contract's, else each record alone.

A node sends a record again until it is stored. One that this host cannot read (a channel or a
kind of event of newer firmware) would be sent for ever and hold up all that come after it, so it
is told apart: `unread`, to be kept as it came and acknowledged. So are all of a message whose head
it cannot read, where that tells the boot.

Most messages are plain telemetry, and msgspec reads those several times faster than the contract
does. What it does not take is read by the contract, whose words are the ones to show.
"""

from __future__ import annotations

import json
from functools import lru_cache, partial
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from idroserra.core import protocol
from idroserra.ingest.boot_time import HIGHEST_AT_MS

_BY_LEAF = {"telemetry": protocol.unpack_telemetry, "event": protocol.unpack_event}
# Longer than the contract's messages, as newer firmware may make them: what a broker of ours lets
# through. They are taken apart, for a node would send what was not told as stored for ever.
MOST_BYTES = 16_384


class UnreadableRecord(NamedTuple):
    """A record this host cannot read: `payload` is a message of it alone, as a node sends one."""

    seq: int
    payload: bytes
    reason: str


class DecodedMessage(NamedTuple):
    """The records of one message. `unread` has those that are none of the contract's."""

    batch: protocol.Batch
    unread: tuple[UnreadableRecord, ...] = ()


_decoded = partial(tuple.__new__, DecodedMessage)


def read_records(leaf: str, payload: bytes) -> DecodedMessage:
    """Return the records of up/telemetry or up/event.

    Raises ProtocolError for a message whose records cannot even be told apart.
    """
    batch = _plain_telemetry(payload) if leaf == "telemetry" else None
    if batch is not None:
        return _decoded((batch, ()))
    try:
        batch = _BY_LEAF[leaf](payload)
        _check_uptimes(batch)
        return DecodedMessage(batch)
    except protocol.ProtocolError as error:
        return _one_by_one(leaf, payload, error)


def _check_uptimes(batch: protocol.Batch) -> None:
    if any(record.at_ms > HIGHEST_AT_MS for record in batch.records):
        raise protocol.ProtocolError("at_ms: no node runs for ten years")


def _one_by_one(leaf: str, payload: bytes, why: protocol.ProtocolError) -> DecodedMessage:
    """Return what can be read of a message that was refused as a whole because of `why`."""
    try:
        head: dict[str, Any] = protocol.parse_object(payload, MOST_BYTES)
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
        batch = protocol.Batch(boot_id, None, None, 0, [])
        return DecodedMessage(batch, tuple(
            UnreadableRecord(seq, _message(head, [item]), error.why)
            for seq, item in zip(seqs, items, strict=True)))
    records: list[Any] = []
    unread: list[UnreadableRecord] = []
    for seq, item in zip(seqs, items, strict=True):
        alone = _message(head, [item])
        try:
            one = _BY_LEAF[leaf](alone)
            _check_uptimes(one)
            records += one.records
        except protocol.ProtocolError as error:
            unread.append(UnreadableRecord(seq, alone, error.why))
    return DecodedMessage(batch._replace(records=records), tuple(unread))


def _message(head: dict[str, Any], items: list[Any]) -> bytes:
    message = {**head, "records": items}
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def _ascend(seqs: list[Any]) -> bool:
    """True for sequence numbers as the contract has them."""
    last = 0
    for seq in seqs:
        if type(seq) is not int or not last < seq <= protocol.MAX_INT:
            return False
        last = seq
    return True


_Whole = Annotated[int, msgspec.Meta(ge=0, le=protocol.MAX_INT)]
_Values = Annotated[dict[str, int | float], msgspec.Meta(max_length=protocol.MAX_CHANNELS)]
_Faults = Annotated[dict[str, str], msgspec.Meta(max_length=protocol.MAX_CHANNELS)]


class _Record(msgspec.Struct, gc=False):
    seq: Annotated[int, msgspec.Meta(ge=1, le=protocol.MAX_INT)]
    at_ms: Annotated[int, msgspec.Meta(ge=0, le=HIGHEST_AT_MS)]
    values: _Values = {}
    faults: _Faults = {}


class _Message(msgspec.Struct, gc=False):
    v: Literal[1]
    boot_id: str
    oldest_seq: _Whole
    records: Annotated[list[_Record], msgspec.Meta(max_length=protocol.MAX_RECORDS)]
    boot_unix_ms: _Whole | None = None
    sent_at_ms: _Whole | None = None


_is_id = lru_cache(maxsize=4_096)(protocol.is_id)
_DECODER = msgspec.json.Decoder(_Message)
# Half the time of the call of the class: there are millions.
_record = partial(tuple.__new__, protocol.Record)
_batch = partial(tuple.__new__, protocol.Batch)


def _plain_telemetry(payload: bytes) -> protocol.Batch | None:
    """Return what the contract would, or None where that has to look itself."""
    # Text that is no ASCII, and escapes, have rules of their own.
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
            records.append(_record((seq, record.at_ms, values, faults)))
    except (msgspec.DecodeError, protocol.ProtocolError):
        return None
    return _batch((message.boot_id, message.boot_unix_ms, message.sent_at_ms, message.oldest_seq,
                   records))


@lru_cache(maxsize=4_096)
def _limits_of(channels: tuple[str, ...]) -> list[tuple[float, float, bool]]:
    """Return contract.channel_limits of each. Raises ProtocolError."""
    return [protocol.channel_limits(channel) for channel in channels]


def _are_faults(faults: dict[str, str], values: dict[str, int | float]) -> bool:
    """Raises ProtocolError for an unknown channel."""
    _limits_of(tuple(faults))
    return all(fault in protocol.FAULTS and channel not in values
               for channel, fault in faults.items())
