"""Records off the wire: the whole message where it is the contract's, else each record alone.

A node sends a record again until it is stored. One that this host cannot read (a channel or a
kind of event of newer firmware) would be sent for ever and hold up all that come after it, so it
is told apart: `unread`, to be kept as it came and acknowledged.

Most messages are plain telemetry, and msgspec reads those several times faster than the contract
does. What it does not take is read by the contract, whose words are the ones to show.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from idroserra import contract
from idroserra.epoch import HIGHEST_AT_MS

_BY_LEAF = {"telemetry": contract.unpack_telemetry, "event": contract.unpack_event}
RECORD_LEAVES = tuple(_BY_LEAF)


class Unread(NamedTuple):
    """A record this host cannot read: `payload` is a message of it alone, as a node sends one."""

    seq: int
    payload: bytes
    reason: str


class Decoded(NamedTuple):
    """The records of one message. `unread` has those that are none of the contract's."""

    batch: contract.Batch
    unread: tuple[Unread, ...] = ()


def read_records(leaf: str, payload: bytes) -> Decoded:
    """Return the records of up/telemetry or up/event.

    Raises ProtocolError for a message whose records cannot even be told apart.
    """
    batch = _plain_telemetry(payload) if leaf == "telemetry" else None
    if batch is not None:
        return Decoded(batch)
    try:
        batch = _BY_LEAF[leaf](payload)
        _check_uptimes(batch)
        return Decoded(batch)
    except contract.ProtocolError as error:
        return _one_by_one(leaf, payload, error)


def _check_uptimes(batch: contract.Batch) -> None:
    if any(record.at_ms > HIGHEST_AT_MS for record in batch.records):
        raise contract.ProtocolError("at_ms: no node runs for ten years")


def _one_by_one(leaf: str, payload: bytes, why: contract.ProtocolError) -> Decoded:
    """Return what can be read of a message that was refused as a whole because of `why`."""
    try:
        head: dict[str, Any] = contract.parse_object(payload)
        items = head.pop("records")
        _BY_LEAF[leaf](_message(head, []))
        seqs = [item["seq"] for item in items]
    except (contract.ProtocolError, KeyError, TypeError):
        raise why from None
    if not _ascend(seqs) or len(items) > contract.MAX_RECORDS:
        raise why
    records: list[Any] = []
    unread: list[Unread] = []
    for seq, item in zip(seqs, items, strict=True):
        alone = _message(head, [item])
        try:
            one = _BY_LEAF[leaf](alone)
            _check_uptimes(one)
            records += one.records
        except contract.ProtocolError as error:
            unread.append(Unread(seq, alone, error.why))
    batch = _BY_LEAF[leaf](_message(head, []))._replace(records=records)
    return Decoded(batch, tuple(unread))


def _message(head: dict[str, Any], items: list[Any]) -> bytes:
    message = {**head, "records": items}
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def _ascend(seqs: list[Any]) -> bool:
    """True for sequence numbers as the contract has them."""
    last = 0
    for seq in seqs:
        if type(seq) is not int or not last < seq <= contract.MAX_INT:
            return False
        last = seq
    return True


class _Record(msgspec.Struct, gc=False):
    seq: int
    at_ms: int
    values: dict[str, int | float] = {}
    faults: dict[str, str] = {}


class _Message(msgspec.Struct, gc=False):
    v: int
    boot_id: str
    oldest_seq: int
    records: list[_Record]
    boot_unix_ms: int | None = None
    sent_at_ms: int | None = None


_is_id = lru_cache(maxsize=4_096)(contract.is_id)
_DECODER = msgspec.json.Decoder(_Message)


def _plain_telemetry(payload: bytes) -> contract.Batch | None:
    """Return what the contract would, or None where that has to look itself."""
    # Text that is no ASCII, and escapes, have rules of their own.
    if len(payload) > contract.MAX_UP_BYTES or not payload.isascii() or b"\\" in payload:
        return None
    try:
        message = _DECODER.decode(payload)
    except msgspec.DecodeError:
        return None
    most = contract.MAX_INT
    if (
        message.v != 1 or not _is_id(message.boot_id)
        or not 0 <= message.oldest_seq <= most
        or not 0 <= (message.boot_unix_ms or 0) <= most
        or not 0 <= (message.sent_at_ms or 0) <= most
        or len(message.records) > contract.MAX_RECORDS
    ):
        return None
    last_seq = 0
    records = []
    for record in message.records:
        if not last_seq < record.seq <= most or not 0 <= record.at_ms <= HIGHEST_AT_MS:
            return None
        if not _is_plain(record.values, record.faults):
            return None
        last_seq = record.seq
        records.append(contract.Record(record.seq, record.at_ms, record.values, record.faults))
    return contract.Batch(
        message.boot_id, message.boot_unix_ms, message.sent_at_ms, message.oldest_seq, records
    )


def _is_plain(values: dict[str, int | float], faults: dict[str, str]) -> bool:
    if len(values) > contract.MAX_CHANNELS or len(faults) > contract.MAX_CHANNELS:
        return False
    limits_of = contract.channel_limits
    try:
        for channel, value in values.items():
            low, high, is_whole = limits_of(channel)
            if not low <= value <= high or (is_whole and type(value) is not int):
                return False
        for channel, fault in faults.items():
            contract.channel_limits(channel)
            if channel in values or fault not in contract.FAULTS:
                return False
    except contract.ProtocolError:
        return False
    return True
