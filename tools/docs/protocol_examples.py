"""An example of each message, made by the pack functions of node and host, with the meaning of
its fields, for docs/protocol.md."""

import hmac
from typing import NamedTuple

from idro.protocol import messages, messages_host, system_host, update_messages
from idro.protocol.reason import Reason
from idro.protocol.release_layout import SIGNATURE_BYTES

NODE = "bench-1"
BOOT = "3f9a12c0"
BOOT_UNIX_MS = 1_760_000_000_000
# Other implementations can test their authentication with this key and the examples.
EXAMPLE_KEY = bytes(range(32))


class Message(NamedTuple):
    """One message of the page: topic leaf, meaning of its fields, example."""

    leaf: str
    text: str
    fields: dict[str, str]
    example: bytes


BATCH = {
    "v": "version of the protocol, 1",
    "boot_id": "identifies one run of the node from reset to reset, 8 hex digits",
    "boot_unix_ms": "wall time at `at_ms` 0 by the node's clock; null if unknown",
    "sent_at_ms": "uptime at sending; null in records of an earlier boot",
    "oldest_seq": "oldest record of that boot still in the outbox; missing records below it are "
    "lost",
    "records": f"1 to {messages.MAX_RECORDS} records, `seq` ascending",
    "records[].seq": "1, 2, 3 ... over telemetry and events of one boot, assigned at capture",
    "records[].at_ms": "uptime at capture",
}
TELEMETRY = BATCH | {
    "records[].values": "channel to number, within the range of its quantity",
    "records[].faults": "channel to fault code",
}
EVENT = BATCH | {
    "records[].kind": "kind of event",
    "records[].detail": "object of text, integers, true, false, null and reasons; see Events",
}
INFO = {
    "v": "1",
    "version": "version of the firmware",
    "board": "name of the board",
    "chip": "esp32, esp32s3",
    "boot_id": "current run",
    "at_ms": "uptime",
    "boot_unix_ms": "as in a batch",
    "clock": f"source of its wall time: `{'`, `'.join(messages_host.CLOCKS)}`",
    "reset": "cause of the last reset",
    "image_sha256": "hash of the image, as `manifest.json` on the flash states it: which image "
    "was flashed; the node does not read its files for it",
    "channels": "measured channels",
    "outputs": "outputs: name to `doser`, `switch` or `dimmer`",
    "boots": "earlier runs with records in the outbox, oldest first: `[boot_id, last_at_ms]`",
    "has_button": "true where a button on the board can release the steps of a correction",
    "granted_pct": "share of the hourly and daily budgets that control may use, %",
    "earn_left_ms": "time with a reduced share until full authority is earned; 0 once it is",
    "update": "the running application: `slot` (`a`, `b`, or empty: the flashed one), "
    f"`state` (`{'`, `'.join(messages_host.UPDATE_STATES)}`), `release` (hash of the manifest), "
    "`security_counter` (lower releases are refused), `kernel` (the interface that releases "
    "must match)",
    "system": "what the node runs on: `micropython` (its release), `psram_bytes` (0: none that "
    "the image can use), `cpu_hz`. Older firmware sends none; one may be missing or null: unknown",
}
ACK = {
    "v": "1",
    "id": "id of the command",
    "outcome": f"`{'`, `'.join(messages_host.OUTCOMES)}`",
    "reason": "why it was done or not: a reason",
    "boot_id": "current run",
    "at_ms": "uptime",
}
REPORT = {
    "v": "1",
    "rev": "current revision",
    "error": "why the last revision was refused: a reason, or null",
    "values": "settings; missing ones are at their defaults",
}
AUTH = {"auth": "64 hex digits: HMAC-SHA256, the last field of the message"}
COMMAND = {
    "v": "1",
    "id": "chosen by the host, executed at most once. A `stop` is sent with QoS 0 and again under "
    "its id until it is `done`; it is answered with QoS 0, and may be executed again after a "
    "restart",
    "verb": "see below",
    "args": "arguments of the verb",
    "boot_id": "target run; any other refuses it",
    "not_after_at_ms": "uptime at which it expires. A `resume` is refused if it ends no later "
    "than a `stop` that was executed: the stop overtook it",
    "by": "requester",
} | AUTH
CONFIG = {
    "v": "1",
    "rev": "revision, ascending",
    "by": "requester",
    "values": "settings, each in its range",
} | AUTH
OFFER = {
    "v": "1",
    "id": "chosen by the host, executed at most once",
    "verb": "`offer` a release, or `cancel` (no arguments) the download of one",
    "args": "of `offer`: `sha256` and `size` of the manifest, `signature` over it (RSA-3072, "
    "PKCS#1 v1.5, SHA-256, in base64), `key_id`, `version`",
    "boot_id": "target run; any other refuses it",
    "not_after_at_ms": "uptime at which it expires",
    "by": "requester",
} | AUTH
ASK = {
    "v": "1",
    "sha256": "of the manifest of the release",
    "number": "of the request, repeated in the answer",
    "path": "`manifest`, or a file listed in it",
    "offset": "first byte requested",
    "size": f"bytes requested, at most {update_messages.MAX_CHUNK_BYTES}",
}
STORED = {
    "v": "1",
    "boot_id": "a run of the node",
    "seq_upto": "a record",
    "unix_ms": "the host's wall time, UTC",
    "sent_at_ms": "of the newest message it answers, as received; null in an answer to records "
                  "of an earlier boot. The node ignores an answer that is older than 60 s or than "
                  "the last one, and takes the time only from one with `sent_at_ms`",
    "auth": "64 hex digits as in a command, or 128: one HMAC for each key the node may have while "
            "its key is replaced",
}


def mac(signed: bytes) -> str:
    """Return the 64 hex digits that authenticate `signed` under the example key."""
    return hmac.new(EXAMPLE_KEY, signed, "sha256").hexdigest()


def up_messages() -> list[Message]:
    """Return the messages of a node, in the order of the topics."""
    return [
        Message(
            "status", "Plain text `online` or `offline`, not JSON. `offline` is the last will.",
            {}, messages.pack_status(True),
        ),
        Message("info", "Identity of the node, published on each connect.", INFO, _info()),
        Message(
            "telemetry", "Samples. A channel is in exactly one of `values` and `faults`.",
            TELEMETRY, _telemetry(),
        ),
        Message("event", "Events.", EVENT, _event()),
        Message(
            "ack", "Result of a command, once for each that reached the node.", ACK,
            messages.pack_ack(messages.Ack(
                "c-7d1f", "refused", Reason("gap", actuator="ph_down", left_ms=240_000), BOOT,
                412_000)),
        ),
        Message(
            "config", "The current settings.", REPORT,
            messages_host.pack_config_report(messages.ConfigReport(4, None, {"ph.target": 5.9})),
        ),
        Message(
            "update", "During an update: the bytes of the release that the node requests next; "
            "repeated if they do not arrive.", ASK,
            update_messages.pack_chunk_request(update_messages.ChunkRequest(
                "5" * 64, 17, "idro/app/node.mpy", 1_536, update_messages.MAX_CHUNK_BYTES)),
        ),
    ]


def down_messages() -> list[Message]:
    """Return the messages of the host, in the order of the topics."""
    args = {"actuator": "ph_down", "volume_ul": 1000}
    command = messages.Command("c-7d1f", "dose", args, BOOT, 442_000, "anna")
    config = messages.Config(4, "anna", {"ph.target": 5.9, "dosing.enabled": True})
    offer = update_messages.Offer(
        "5" * 64, 9_120, bytes(SIGNATURE_BYTES), "0c41d9770c41d977", "0.3.0")
    stored = messages.Stored(BOOT, 41, BOOT_UNIX_MS + 406_120, 406_000)
    return [
        Message(
            "command", "A request to one node, for one boot, with an expiry.", COMMAND,
            messages_host.pack_command(NODE, command, mac),
        ),
        Message(
            "config", "The complete settings: missing ones return to their defaults. "
            "ASCII, no whitespace around the object.",
            CONFIG, messages_host.pack_config(NODE, config, mac),
        ),
        Message(
            "stored", "Everything of that boot up to and including `seq_upto` is durable at the "
            "host: the node may erase it. Also carries the wall time. It has exactly this form: "
            "the same fields in this order, without whitespace. A host without the node's key "
            "sends none, and the node keeps its records.", STORED,
            messages_host.pack_stored(NODE, stored, mac),
        ),
        Message(
            "update", "Offers a release to one node, or withdraws the offer. `up/ack` "
            "carries the result.", OFFER, messages_host.pack_update(
                NODE, messages.Command("u-04c2", "offer", offer, BOOT, 442_000, "anna"), mac),
        ),
        Message(
            "update_data", "The answer to `up/update`, not JSON: the first eight bytes of the "
            "manifest's SHA-256, the number of the request (16 bits, big endian), the data. "
            "Less than requested: end of file. Not authenticated: verified by the hashes of the "
            "signed manifest. In hex:", {},
            messages_host.pack_chunk(update_messages.Chunk(
                bytes.fromhex("5" * 16), 17, b"M\x06\x00\x1f")).hex().encode(),
        ),
    ]


def _info() -> bytes:
    packed: bytes = messages_host.pack_info(messages.Info(
        "0.1.0", "esp32-reservoir", "esp32", BOOT, 900, None, "none", "power_on", "9" * 64,
        ["reservoir.ph", "air.temp_c"], {"ph_down": "doser", "light": "dimmer"},
        [("0c41d977", 86_400_000)], True, 25, 183_600_000,
        messages.RunningRelease("a", "ok", "5" * 64, 1, 2),
        system_host.System("1.28.0", 4_194_304, 240_000_000),
    ))
    return packed


def _telemetry() -> bytes:
    values = {"reservoir.ph": 6.021, "reservoir.ec_us_cm": 1584}
    record = messages.Record(41, 405_000, values, {"air.temp_c": "crc"})
    batch = messages.Batch(BOOT, BOOT_UNIX_MS, 406_000, 40, [record])
    packed: bytes = messages_host.pack_telemetry(batch)
    return packed


def _event() -> bytes:
    detail = {
        "actuator": "ph_down", "volume_ul": 1500, "on_ms": 1500, "reason": Reason(
            "ph_high_dose", actuator="ph_down", milli_ph=6_210, target_milli_ph=5_800,
            ul_per_ph=40_000, drift_milli_ph_per_h=12).as_json(),
        "by": "control",
    }
    record = messages.EventRecord(42, 405_350, "dosed", detail)
    batch = messages.Batch(BOOT, BOOT_UNIX_MS, 406_000, 40, [record])
    packed: bytes = messages_host.pack_event(batch)
    return packed
