"""Typed wrappers of the protocol functions in `idro.protocol`.

`idro.protocol` is written for MicroPython and has no annotations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from idro.errors import ProtocolError, SettingsError
from idro.protocol import (
    messages,
    messages_host,
    quantities,
    release_layout,
    settings,
    topics,
    validation,
)
from idro.protocol.faults import FAULTS
from idro.protocol.messages import (
    AS_FLASHED,
    MAX_CHANNELS,
    MAX_RECORDS,
    Ack,
    Batch,
    Command,
    Config,
    ConfigReport,
    EventRecord,
    Info,
    Record,
    RunningRelease,
    Stored,
)
from idro.protocol.messages_host import MAX_UP_BYTES, OUTCOMES, VERBS
from idro.protocol.quantities import QUANTITIES, Quantity
from idro.protocol.release_layout import KERNEL
from idro.protocol.settings_table import SETTINGS
from idro.protocol.system_host import UNKNOWN_SYSTEM, System
from idro.protocol.topics import PREFIX
from idro.protocol.update_messages import Chunk, ChunkRequest, Offer
from idro.protocol.validation import MAX_INT
from idroserra.core import plausibility

__all__ = [
    "AS_FLASHED", "FAULTS", "FOREIGN", "FOREIGN_NODE", "FOREIGN_QUANTITIES", "KERNEL",
    "MAX_CHANNELS", "MAX_INT", "MAX_RECORDS", "MAX_UP_BYTES", "OUTCOMES", "PREFIX", "QUANTITIES",
    "RECORD_LEAVES", "SETTINGS", "STORED_QUANTITIES", "UNKNOWN_SYSTEM", "VERBS",
    "Ack", "Batch", "Chunk", "ChunkRequest", "Command", "Config", "ConfigReport", "Detail",
    "EventRecord", "Info", "Mac", "Offer", "ProtocolError", "Quantity", "Record", "RunningRelease",
    "SettingsError", "Stored", "System",
    "channel_limits", "check_args", "check_by", "check_setting", "check_settings", "down_topic",
    "from_scaled", "is_id", "is_kernel", "is_node_id", "is_release_path",
    "pack_chunk", "pack_command", "pack_config", "pack_config_report", "pack_info", "pack_record",
    "pack_stored", "pack_update",
    "parse_object", "parse_topic", "split_channel", "to_scaled", "unpack_ack",
    "unpack_chunk_request", "unpack_config_report", "unpack_event", "unpack_info",
    "unpack_status", "unpack_telemetry", "up_topic",
]

Mac = Callable[[bytes], str]
# The detail of an event: an object whose values may be reasons ({"code": ..., "values": {...}}).
Detail = Mapping[str, str | int | bool | Mapping[str, Any] | None]

# The leaves of up/ that carry records.
RECORD_LEAVES = ("telemetry", "event")

MAX_BY_CHARS = 40

# Foreign readings are stored as the source FOREIGN of a "node" FOREIGN_NODE + name, which is no
# node id. Two of their quantities are not of the protocol, so no node can report them.
FOREIGN = "foreign"
FOREIGN_NODE = f"{FOREIGN}:"
FOREIGN_QUANTITIES: Mapping[str, Quantity] = {
    "temp_c": QUANTITIES["temp_c"], "rh_pct": QUANTITIES["rh_pct"],
    "power_w": Quantity("power_w", "W", 1, -50_000, 50_000),
    "leak": Quantity("leak", "0 or 1", 0, 0, 1)}
STORED_QUANTITIES: Mapping[str, Quantity] = {**QUANTITIES, **FOREIGN_QUANTITIES}


def int_of(detail: Mapping[str, Any], key: str) -> int:
    """Return an integer of a detail; 0 if it is missing or something else."""
    value = detail.get(key)
    return value if isinstance(value, int) else 0


def parse_topic(topic: str) -> tuple[str, str, str]:
    """Return (node, "up" | "down", leaf). Raises ProtocolError."""
    node, direction, leaf = topics.parse(topic)
    return node, direction, leaf


def down_topic(node: str, leaf: str) -> str:
    """Return the topic the host publishes `leaf` on. Raises ProtocolError."""
    return str(topics.down(node, leaf))


def up_topic(node: str, leaf: str) -> str:
    """Return the topic a node publishes `leaf` on. Raises ProtocolError."""
    return str(topics.up(node, leaf))


# Client ids of the host begin with it by default. A broker has one connection of a client id, and
# that of a node is its node id.
HOST_CLIENT_ID = "idroserra-"
NODE_ID_RULE = ("3 to 32 of a-z, 0-9 and - are needed, and not "
                + " or ".join(topics.RESERVED_NODE_IDS)
                + ", which are users of the broker with rights of their own, nor one that begins "
                f"with {HOST_CLIENT_ID}, as the client ids of the host do")


def is_node_id(text: object) -> bool:
    """True when `text` may be the id of a node; NODE_ID_RULE explains the rule to people."""
    return (isinstance(text, str) and bool(topics.is_node_id(text))
            and not text.startswith(HOST_CLIENT_ID))


def is_id(text: str) -> bool:
    """True when `text` is a valid id of a boot or a command."""
    return bool(validation.is_id(text.encode()))


def parse_object(data: bytes, most_bytes: int = MAX_UP_BYTES) -> dict[str, Any]:
    """Return the JSON object in a node's message. Raises ProtocolError."""
    obj: dict[str, Any] = validation.parse_object(data, most_bytes, "message")
    return obj


@lru_cache(maxsize=4_096)
def channel_limits(channel: str) -> tuple[float, float, bool]:
    """Return (low, high, whole numbers only) of a channel's values. Raises ProtocolError."""
    quantity = messages_host.split_channel(channel)[1]
    return quantity.low, quantity.high, quantity.decimals == 0


@lru_cache(maxsize=4_096)
def split_channel(channel: str) -> tuple[str, Quantity]:
    """Return (source, Quantity), also of foreign readings. Raises ProtocolError."""
    source, _, key = channel.partition(".")
    if source == FOREIGN and key in FOREIGN_QUANTITIES:
        return source, FOREIGN_QUANTITIES[key]
    source, quantity = messages_host.split_channel(channel)
    return source, quantity


def to_scaled(quantity: Quantity, value: float) -> int:
    """Return value * 10^decimals as an integer."""
    return int(quantities.to_scaled(quantity, value))


def from_scaled(quantity: Quantity, scaled: int) -> float:
    """Return the value of a scaled integer: int with 0 decimals, else float."""
    value: float = messages_host.from_scaled(quantity, scaled)
    return value


def unpack_status(data: bytes) -> bool:
    """Return True for online. Raises ProtocolError."""
    return bool(messages_host.unpack_status(data))


def unpack_telemetry(data: bytes) -> Batch:
    """Return a Batch of Record. Raises ProtocolError."""
    batch: Batch = messages_host.unpack_telemetry(data)
    plausibility.check_batch(batch)
    return batch


def unpack_event(data: bytes) -> Batch:
    """Return a Batch of EventRecord. Raises ProtocolError."""
    batch: Batch = messages_host.unpack_event(data)
    plausibility.check_batch(batch)
    return batch


def unpack_info(data: bytes) -> Info:
    """Return an Info. Raises ProtocolError."""
    info: Info = messages_host.unpack_info(data)
    plausibility.check_info(info)
    return info


def unpack_ack(data: bytes) -> Ack:
    """Return an Ack. Raises ProtocolError."""
    ack: Ack = messages_host.unpack_ack(data)
    plausibility.check_reason("reason", ack.reason)
    return ack


def unpack_config_report(data: bytes) -> ConfigReport:
    """Return a ConfigReport. Raises ProtocolError."""
    report: ConfigReport = messages_host.unpack_config_report(data)
    plausibility.check_report(report)
    return report


def pack_record(leaf: str, batch: Batch, record: Record | EventRecord) -> bytes:
    """Return up/telemetry or up/event with one record of a Batch."""
    alone = batch._replace(records=[record])
    if leaf == "event":
        return bytes(messages_host.pack_event(alone))
    return bytes(messages_host.pack_telemetry(alone))


def pack_stored(node: str, stored: Stored, mac: Mac) -> bytes:
    """Return down/stored, authenticated. `mac` returns the hex digits of one or two MACs."""
    return bytes(messages_host.pack_stored(node, stored, mac))


def pack_info(info: Info) -> bytes:
    """Return up/info."""
    return bytes(messages_host.pack_info(info))


def pack_config_report(report: ConfigReport) -> bytes:
    """Return up/config."""
    return bytes(messages_host.pack_config_report(report))


def pack_command(node: str, command: Command, mac: Mac) -> bytes:
    """Return down/command, authenticated."""
    return bytes(messages_host.pack_command(node, command, mac))


def pack_config(node: str, config: Config, mac: Mac) -> bytes:
    """Return down/config, authenticated."""
    return bytes(messages_host.pack_config(node, config, mac))


def pack_update(node: str, command: Command, mac: Mac) -> bytes:
    """Return down/update, authenticated: verb "offer" with an Offer as args, or "cancel"."""
    return bytes(messages_host.pack_update(node, command, mac))


def unpack_chunk_request(data: bytes) -> ChunkRequest:
    """Return a ChunkRequest of up/update. Raises ProtocolError."""
    ask: ChunkRequest = messages_host.unpack_chunk_request(data)
    return ask


def pack_chunk(piece: Chunk) -> bytes:
    """Return down/update_data."""
    return bytes(messages_host.pack_chunk(piece))


def is_kernel(path: str) -> bool:
    """True for a file of the image that no release contains: it changes over USB only."""
    return bool(release_layout.is_kernel(path))


def is_release_path(path: str) -> bool:
    """True for a path that a node accepts in a release."""
    return bool(release_layout.is_path(path))


def check_args(verb: str, args: Mapping[str, Any]) -> None:
    """Check the verb and arguments of a command. Raises ProtocolError."""
    if verb not in VERBS:
        raise ProtocolError(f"verb: {verb[:40]} is not one of {', '.join(VERBS)}")
    messages.check_args(verb, args)


def check_by(by: str) -> None:
    """Check the name of a person for use in messages. Raises ProtocolError.

    MicroPython cannot read what JSON escapes as surrogates, so a node refuses the message."""
    if any(char > "\uffff" or "\ud800" <= char <= "\udfff" for char in by):
        raise ProtocolError("by: an emoji or another character above U+FFFF, which nodes refuse")
    validation.text({"by": by}, "by", MAX_BY_CHARS)


def check_setting(key: str, value: object) -> Any:
    """Return `value` in the type of the setting `key`. Raises SettingsError with a Reason."""
    return settings.check_value(key, value)


def check_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a complete, valid settings dict. Raises SettingsError with a Reason."""
    return dict(settings.check(values))
