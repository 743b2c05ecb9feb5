"""Messages as the host unpacks and packs them; a node never loads this module."""

import binascii
import json
import struct

from idro.errors import ProtocolError
from idro.protocol import settings, signing, update_messages, validation
from idro.protocol.events import EVENTS
from idro.protocol.faults import FAULTS
from idro.protocol.messages import (
    AS_FLASHED,
    COMMANDS,
    MAX_CHANNELS,
    MAX_RECORDS,
    STORED_LABELS,
    Ack,
    Batch,
    ConfigReport,
    EncodedRecord,
    EventRecord,
    Info,
    Record,
    RunningRelease,
    batch_pieces,
    checked_settings,
    config_report_pieces,
    event_json,
    info_pieces,
)
from idro.protocol.quantities import is_name, layout_of, split
from idro.protocol.reason import Reason
from idro.protocol.release_layout import MANIFEST, MAX_PATH_CHARS, is_path
from idro.protocol.system_host import unpack_system

MAX_UP_BYTES = 8_192
MAX_DETAIL_KEYS = 16
MAX_CODE_CHARS = 32
MAX_REASON_VALUES = 8
MAX_REASON_DEPTH = 3  # reasons within a reason
OUTCOMES = ("done", "refused", "expired", "failed")
CLOCKS = ("none", "kept", "host")
# State of the running application: as flashed, on trial after an update, confirmed.
UPDATE_STATES = ("base", "trial", "ok")
# {verb: {argument: (low, high)}}, see messages.COMMANDS.
VERBS: dict = {verb: dict(arguments) for verb, arguments in COMMANDS}

_STORED_BODY = "%s".join([str(label, "utf-8") for label in STORED_LABELS[:4]]) + "%s"
_SPLIT: dict = {}  # channel: (source, Quantity)
_MAX_SPLIT = 256
_LAYOUTS: dict = {}  # channel: (10^decimals, JSON member of a value, of a negative one)
_MAX_LAYOUTS = 256


def from_scaled(quantity, scaled):
    """Return the value of a scaled integer: int with 0 decimals, else float."""
    if quantity.decimals == 0:
        return scaled
    return scaled / 10**quantity.decimals


def split_channel(channel):
    """Return (source, Quantity) of a channel name. Raises ProtocolError."""
    if not isinstance(channel, str):
        raise ProtocolError("channel: not text")
    known = _SPLIT.get(channel)
    if known is None:
        known = split(channel)
        if len(_SPLIT) < _MAX_SPLIT:
            _SPLIT[channel] = known
    return known


def unpack_status(data):
    """Return True for online, False for offline. Raises ProtocolError."""
    if data == b"online":
        return True
    if data == b"offline":
        return False
    raise ProtocolError("status: neither online nor offline")


def telemetry_json(record):
    """Return the JSON of a Record. Raises ProtocolError for an unknown channel."""
    members = [member(channel, value) for channel, value in record.values.items()]
    head = b'{"seq":%d,"at_ms":%d,"values":{' % (record.seq, record.at_ms)
    faults = json.dumps(record.faults).encode() if record.faults else b"{}"
    return head + b",".join(members) + b'},"faults":' + faults + b"}"


def member(channel, value):
    """Return `"channel":value` as JSON bytes, exact. Raises ProtocolError for an unknown channel.

    Bytes, because MicroPython interns every new str.
    """
    scale, plain, negative = member_layout(channel)
    scaled = int(round(value * scale))
    if scale == 1:
        return plain % scaled
    return negative % divmod(-scaled, scale) if scaled < 0 else plain % divmod(scaled, scale)


def member_layout(channel):
    """Return (10^decimals, template of the JSON member, template of a negative one or None).

    A template takes the scaled integer, or its divmod if it has decimals. Raises ProtocolError.
    """
    layout = _LAYOUTS.get(channel)
    if layout is None:
        scale, name, digits = layout_of(channel, split_channel(channel)[1])
        layout = scale, name + digits, None if scale == 1 else name + b"-" + digits
        if len(_LAYOUTS) < _MAX_LAYOUTS:
            _LAYOUTS[channel] = layout
    return layout


def pack_telemetry(batch):
    """Return up/telemetry of a Batch of Record. Raises ProtocolError for an unknown channel."""
    return _with(batch, telemetry_json)


def unpack_telemetry(data):
    """Return a Batch of Record. Raises ProtocolError."""
    obj = validation.parse_object(data, MAX_UP_BYTES, "telemetry")
    return _unpack_batch(obj, _read_record)


def pack_event(batch):
    """Return up/event of a Batch of EventRecord."""
    return _with(batch, event_json)


def unpack_event(data):
    """Return a Batch of EventRecord. Raises ProtocolError."""
    obj = validation.parse_object(data, MAX_UP_BYTES, "event")
    return _unpack_batch(obj, _read_event)


def pack_batch(batch):
    """Return up/telemetry or up/event of a Batch of EncodedRecord."""
    return b"".join(batch_pieces(batch))


def pack_info(info):
    """Return up/info."""
    return b"".join(info_pieces(info))


def pack_config_report(report):
    """Return up/config."""
    return b"".join(config_report_pieces(report))


def unpack_info(data):
    """Return an Info. Unknown fields are ignored. Raises ProtocolError."""
    obj = validation.parse_object(data, MAX_UP_BYTES, "info")
    validation.check_version(obj)
    channels = _sequence(obj, "channels", MAX_CHANNELS)
    for channel in channels:
        split_channel(channel)
    outputs = validation.mapping(obj, "outputs", MAX_CHANNELS)
    for name in outputs:
        if not is_name(name):
            raise ProtocolError("outputs: bad name")
        validation.choice(outputs, name, ("doser", "switch", "dimmer"))
    boots = []
    for boot in _sequence(obj, "boots", 100):
        if not isinstance(boot, list) or len(boot) != 2:
            raise ProtocolError("boots: not [boot_id, last_at_ms]")
        pair = {"boot_id": boot[0], "last_at_ms": boot[1]}
        boots.append(
            (validation.identifier(pair, "boot_id"), validation.integer(pair, "last_at_ms")))
    return Info(
        validation.text(obj, "version", 40), validation.text(obj, "board", 40),
        validation.text(obj, "chip", 20), validation.identifier(obj, "boot_id"),
        validation.integer(obj, "at_ms"), _integer_or_none(obj, "boot_unix_ms"),
        validation.choice(obj, "clock", CLOCKS), validation.text(obj, "reset", 40),
        validation.text(obj, "image_sha256", 64), tuple(channels), outputs, tuple(boots),
        _flag(obj, "has_button"), validation.integer(obj, "granted_pct", 0, 100),
        validation.integer(obj, "earn_left_ms"), _running(obj), unpack_system(obj),
    )


def unpack_ack(data):
    """Return an Ack. Raises ProtocolError."""
    obj = validation.parse_object(data, MAX_UP_BYTES, "ack")
    validation.check_version(obj)
    return Ack(
        validation.identifier(obj, "id"), validation.choice(obj, "outcome", OUTCOMES),
        reason_of(obj, "reason"), validation.identifier(obj, "boot_id"),
        validation.integer(obj, "at_ms"),
    )


def unpack_config_report(data):
    """Return a ConfigReport. Raises ProtocolError."""
    obj = validation.parse_object(data, MAX_UP_BYTES, "config report")
    validation.check_version(obj)
    error = None if obj.get("error") is None else reason_of(obj, "error")
    values = validation.mapping(obj, "values", len(settings.ROWS))
    return ConfigReport(validation.integer(obj, "rev"), error, checked_settings(values))


def reason_of(obj, key, within=0):
    """Return the Reason under `key`; its code may be unknown here. Raises ProtocolError.

    Unknown fields are ignored.
    """
    value = obj.get(key)
    if not isinstance(value, dict):
        raise ProtocolError(f"{key}: reason needed, got {validation.abbreviated(value)}")
    if within > MAX_REASON_DEPTH:
        raise ProtocolError(f"{key}: more than {MAX_REASON_DEPTH} reasons within each other")
    code = value.get("code")
    if not is_name(code, MAX_CODE_CHARS):
        raise ProtocolError(f"{key}: code: not a name")
    found = validation.mapping(value, "values", MAX_REASON_VALUES)
    values = {}
    for name, one in found.items():
        if not is_name(name) or name in ("self", "code"):  # which Reason() names its own
            raise ProtocolError(f"{key}: values: bad key")
        if isinstance(one, dict):
            values[name] = reason_of(found, name, within + 1)
        else:
            values[name] = _plain_value(found, name)
    return Reason(code, **values)


def _plain_value(obj, key):
    """Return the text, integer, true or false under `key`. Raises ProtocolError."""
    value = obj[key]
    if isinstance(value, str):
        return validation.text(obj, key)
    if value is True or value is False:
        return value
    return validation.integer(obj, key, -validation.MAX_INT)


def pack_stored(node, stored, mac):
    """Return down/stored for `node`. `mac` returns the hex digits of one or two MACs."""
    sent_at_ms = "null" if stored.sent_at_ms is None else stored.sent_at_ms
    values = (stored.boot_id, stored.seq_upto, stored.unix_ms, sent_at_ms)
    body = (_STORED_BODY % values).encode()
    auth = mac(signing.head(node, "stored") + body).encode()
    return body + STORED_LABELS[4] + auth + STORED_LABELS[5]


def pack_command(node, command, mac):
    """Return down/command for `node`. `mac` returns the 64 hex digits for the signed bytes."""
    return _pack_command(node, "command", command, command.args, mac)


def pack_update(node, command, mac):
    """Return down/update: verb "offer" with an Offer as args, or "cancel" with None."""
    offer = command.args
    args = {} if offer is None else {
        "sha256": offer.sha256, "size": offer.size,
        "signature": str(binascii.b2a_base64(offer.signature), "ascii").strip(),
        "key_id": offer.key_id, "version": offer.version,
    }
    return _pack_command(node, "update", command, args, mac)


def _pack_command(node, leaf, command, args, mac):
    return _sign(node, leaf, {
        "v": 1, "id": command.id, "verb": command.verb, "args": args, "boot_id": command.boot_id,
        "not_after_at_ms": command.not_after_at_ms, "by": command.by}, mac)


def unpack_chunk_request(data):
    """Return a ChunkRequest with a safe path. Raises ProtocolError."""
    obj = validation.parse_object(data, update_messages.MAX_UPDATE_BYTES, "update ask")
    validation.check_version(obj)
    path = validation.text(obj, "path", MAX_PATH_CHARS)
    if path != MANIFEST and not is_path(path):
        raise ProtocolError("path: not a file of a release")
    return update_messages.ChunkRequest(
        validation.hex_digits(obj, "sha256", 64),
        validation.integer(obj, "number", 0, update_messages.MAX_NUMBER), path,
        validation.integer(obj, "offset"),
        validation.integer(obj, "size", 1, update_messages.MAX_CHUNK_BYTES),
    )


def pack_chunk(chunk):
    """Return down/update_data."""
    return struct.pack(update_messages.CHUNK_HEAD, chunk.sha8, chunk.number) + chunk.data


def pack_config(node, config, mac):
    """Return down/config for `node`: the complete settings. `mac` as in pack_command."""
    obj = {"v": 1, "rev": config.rev, "by": config.by, "values": config.values}
    return _sign(node, "config", obj, mac)


def _sign(node, leaf, obj, mac):
    """Return `obj` as JSON bytes; the last field is a MAC over node, leaf and the bytes before."""
    body = json.dumps(obj)[:-1]
    return f'{body},"auth":"{mac(signing.head(node, leaf) + body.encode())}"}}'.encode()


def _running(obj):
    """Return the RunningRelease under "update", AS_FLASHED if missing (older firmware)."""
    update = validation.mapping(obj, "update", 16)
    if not update:
        return AS_FLASHED
    return RunningRelease(
        validation.choice(update, "slot", ("", "a", "b")),
        validation.choice(update, "state", UPDATE_STATES),
        validation.hex_digits(update, "release", 64) if update.get("release") else "",
        validation.integer(update, "security_counter"), validation.integer(update, "kernel"),
    )


def _unpack_batch(obj, read):
    validation.check_version(obj)
    items = _sequence(obj, "records", MAX_RECORDS)
    records = []
    last_seq = -1
    for item in items:
        if not isinstance(item, dict):
            raise ProtocolError("records: not objects")
        record = read(item)
        if record.seq <= last_seq:
            raise ProtocolError("records: seq does not ascend")
        last_seq = record.seq
        records.append(record)
    return Batch(
        validation.identifier(obj, "boot_id"), _integer_or_none(obj, "boot_unix_ms"),
        _integer_or_none(obj, "sent_at_ms"), validation.integer(obj, "oldest_seq"), records)


def _read_record(item):
    values = validation.mapping(item, "values", MAX_CHANNELS)
    for channel, value in values.items():
        quantity = split_channel(channel)[1]
        good = (
            validation.is_integer(value) if quantity.decimals == 0 else validation.is_number(value)
        )
        if not good or not quantity.low <= value <= quantity.high:
            raise ProtocolError(f"values: {channel} is not in {quantity.low}..{quantity.high}")
    faults = validation.mapping(item, "faults", MAX_CHANNELS)
    for channel in faults:
        split_channel(channel)
        if channel in values:
            raise ProtocolError(f"faults: {channel} has a value too")
        validation.choice(faults, channel, FAULTS)
    return Record(
        validation.integer(item, "seq", 1), validation.integer(item, "at_ms"), values, faults)


def _read_event(item):
    detail = validation.mapping(item, "detail", MAX_DETAIL_KEYS)
    for key, value in detail.items():
        if not is_name(key):
            raise ProtocolError("detail: bad key")
        if isinstance(value, dict):
            detail[key] = reason_of(detail, key).as_json()
        elif value is not None:
            _plain_value(detail, key)
    return EventRecord(
        validation.integer(item, "seq", 1), validation.integer(item, "at_ms"),
        validation.choice(item, "kind", EVENTS), detail)


def _with(batch, json_of):
    """Return the payload of a Batch of records, each encoded by `json_of`."""
    records = [EncodedRecord(record.seq, json_of(record)) for record in batch.records]
    return pack_batch(
        Batch(batch.boot_id, batch.boot_unix_ms, batch.sent_at_ms, batch.oldest_seq, records))


def _integer_or_none(obj, key):
    """Return the integer under `key`, None if null or missing. Raises ProtocolError."""
    if obj.get(key) is None:
        return None
    return validation.integer(obj, key)


def _flag(obj, key):
    """Return the boolean under `key`, False if missing. Raises ProtocolError."""
    value = obj.get(key, False)
    if value is not True and value is not False:
        raise ProtocolError(f"{key}: true or false needed, got {validation.abbreviated(value)}")
    return value


def _sequence(obj, key, max_items):
    """Return the list under `key`. Raises ProtocolError."""
    value = obj.get(key)
    if not isinstance(value, list):
        raise ProtocolError(f"{key}: list needed, got {validation.abbreviated(value)}")
    if len(value) > max_items:
        raise ProtocolError(f"{key}: {len(value)} items, at most {max_items}")
    return value
