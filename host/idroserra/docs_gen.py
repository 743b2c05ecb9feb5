"""Writes docs/protocol.md from idro.protocol: `make docs`. A test holds the page to it.

Every example is made by the pack functions that node and host use, so the page cannot show a
message that does not exist.
"""

import hmac
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from idro.protocol import messages, topics
from idro.protocol.events import EVENTS
from idro.protocol.faults import FAULTS
from idro.protocol.quantities import QUANTITIES
from idro.protocol.settings import SETTINGS

NODE = "bench-1"
BOOT = "3f9a12c0"
BOOT_UNIX_MS = 1_760_000_000_000
# Whoever writes another end can check the authentication against this key and the examples.
EXAMPLE_KEY = bytes(range(32))


class Message(NamedTuple):
    """One message of the page: where it goes, what its fields mean, an example."""

    leaf: str
    text: str
    fields: dict[str, str]
    example: bytes


def mac(signed: bytes) -> str:
    """Return the 64 hex digits that authenticate `signed` under the example key."""
    return hmac.new(EXAMPLE_KEY, signed, "sha256").hexdigest()


BATCH = {
    "v": "version of the protocol, 1",
    "boot_id": "names one run of the node from reset to reset, 8 hex digits",
    "boot_unix_ms": "the node's idea of the wall time at which `at_ms` was 0; null where it has "
    "none",
    "sent_at_ms": "uptime at sending; null in records of an earlier boot",
    "oldest_seq": "oldest record of that boot still in the outbox: what is below it and never "
    "arrived will never arrive",
    "records": f"1 to {messages.MAX_RECORDS} records, `seq` ascending",
}
RECORD = {
    "records[].seq": "1, 2, 3 ... over telemetry and events of one boot, given at capture",
    "records[].at_ms": "uptime of the sampling instant",
}


def up_messages() -> list[Message]:
    """Return what a node publishes, in the order of the topics."""
    record = messages.Record(
        41, 405_000, {"reservoir.ph": 6.021, "reservoir.ec_us_cm": 1584}, {"air.temp_c": "crc"}
    )
    event = messages.EventRecord(
        42, 405_350, "dosed",
        {"actuator": "ph_down", "volume_ul": 1500, "on_ms": 1500, "reason": "ph high",
         "by": "control"},
    )
    info = messages.Info(
        "0.1.0", "esp32-reservoir", "esp32", BOOT, 900, None, "none", "power_on", "9" * 64,
        ["reservoir.ph", "air.temp_c"], {"ph_down": "doser", "light": "dimmer"},
        [("0c41d977", 86_400_000)],
    )
    ack = messages.Ack("c-7d1f", "refused", "stopped", BOOT, 412_000)
    report = messages.ConfigReport(4, None, {"ph.target": 5.9})
    return [
        Message(
            "status", "Plain text `online` or `offline`, no JSON. `offline` is the last will.",
            {}, messages.pack_status(True),
        ),
        Message(
            "info", "Who the node is, published on each connect.",
            {
                "v": "1", "version": "version of the firmware", "board": "name of the board",
                "chip": "esp32, esp32s3", "boot_id": "this run", "at_ms": "uptime",
                "boot_unix_ms": "as in a batch", "clock": "where its wall time comes from: "
                + ", ".join(f"`{clock}`" for clock in messages.CLOCKS),
                "reset": "what ended the run before",
                "image_sha256": "hash over path and SHA-256 of every file of the image, computed "
                "from the flash at boot", "channels": "what it measures",
                "outputs": "what it drives: name to `doser`, `switch` or `dimmer`",
                "boots": "earlier runs with records in the outbox, oldest first: `[boot_id, "
                "last_at_ms]`",
            },
            messages.pack_info(info),
        ),
        Message(
            "telemetry", "Records of samples. A channel is in exactly one of `values` and "
            "`faults`.",
            BATCH | RECORD | {
                "records[].values": "channel to number, within the range of its quantity",
                "records[].faults": "channel to fault code: why there is no number",
            },
            messages.pack_telemetry(
                messages.Batch(BOOT, BOOT_UNIX_MS, 406_000, 40, [record])
            ),
        ),
        Message(
            "event", "Records of what happened.",
            BATCH | RECORD | {
                "records[].kind": "kind of event", "records[].detail": "flat object of text, "
                "integers, true, false or null",
            },
            messages.pack_event(messages.Batch(BOOT, BOOT_UNIX_MS, 406_000, 40, [event])),
        ),
        Message(
            "ack", "What became of a command, once for each that reached the node.",
            {
                "v": "1", "id": "id of the command",
                "outcome": ", ".join(f"`{outcome}`" for outcome in messages.OUTCOMES),
                "reason": "why, in words for the operator", "boot_id": "this run",
                "at_ms": "uptime",
            },
            messages.pack_ack(ack),
        ),
        Message(
            "config", "The settings in force.",
            {
                "v": "1", "rev": "revision in force", "error": "why the last revision was "
                "refused, or null", "values": "settings; one that is missing is at its default",
            },
            messages.pack_config_report(report),
        ),
    ]


def down_messages() -> list[Message]:
    """Return what the host publishes, in the order of the topics."""
    command = messages.Command(
        "c-7d1f", "dose", {"actuator": "ph_down", "volume_ul": 1000}, BOOT, 442_000, "anna"
    )
    config = messages.Config(4, "anna", {"ph.target": 5.9, "dosing.enabled": True})
    stored = messages.Stored(BOOT, 41, BOOT_UNIX_MS + 406_120)
    auth = "64 hex digits: HMAC-SHA256, the last field of the message"
    return [
        Message(
            "command", "A request to one node, for one boot and one moment of it.",
            {
                "v": "1", "id": "chosen by the host, executed at most once", "verb": "see below",
                "args": "as the verb needs", "boot_id": "the run it is for; any other refuses it",
                "not_after_at_ms": "uptime after which it has expired", "by": "who asked",
                "auth": auth,
            },
            messages.pack_command(NODE, command, mac),
        ),
        Message(
            "config", "The settings wanted, whole: one that is missing goes to its default.",
            {
                "v": "1", "rev": "revision, ascending", "by": "who asked",
                "values": "settings, each in its range", "auth": auth,
            },
            messages.pack_config(NODE, config, mac),
        ),
        Message(
            "stored", "Everything of that boot up to and with `seq_upto` is durable at the host: "
            "the node may erase it. It also brings the wall time.",
            {
                "v": "1", "boot_id": "a run of the node", "seq_upto": "a record",
                "unix_ms": "the host's wall time, UTC",
            },
            messages.pack_stored(stored),
        ),
    ]


INTRO = f"""# Protocol

Generated from `firmware/idro/protocol/` by `make docs`; do not edit. Version {topics.VERSION}.

Node and host speak MQTT, QoS 1. The node id is the MQTT user name and client id: 3 to 32 of
`a-z`, `0-9` and `-`. `{'`, `'.join(topics.RESERVED_NODE_IDS)}` is reserved.

Whatever arrives unpacks to a message or is refused with one reason; there is no third case.
Unknown fields are passed over on the way up and refused in commands and settings.

**Records.** Telemetry and events are records with the identity (node, `boot_id`, `seq`). A node
publishes the records of a boot in ascending order, oldest boot first, and erases them only on
`down/stored`, which the host sends after its own durable commit; until then it sends them again.
They are delivered at least once and stored exactly once.

**Time.** `at_ms` is the node's uptime and never jumps; `unix_ms` is UTC. The host fixes once for
each boot which wall time `at_ms` 0 was, and keeps it, so that a record sent again lands on the
same millisecond. Events add `seq` modulo 1000 in microseconds.

**Authentication.** `auth` is the HMAC-SHA256 of these bytes under the key of the node: the topic,
a line feed, and the message from its first byte up to, but without, `,"auth":`. The examples
are signed with the key `{EXAMPLE_KEY.hex()}`.
"""


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |"
                     for line in lines) + "\n"


def protocol_page() -> str:
    """Return the text of docs/protocol.md."""
    parts = [INTRO, "## Topics\n", _topic_table()]
    for direction, made in (("up", up_messages()), ("down", down_messages())):
        parts += [_message(direction, message) for message in made]
    parts += ["## Verbs\n", _verb_table(), "## Quantities\n", QUANTITY_TEXT, _quantity_table()]
    parts += ["## Faults\n", table(("code", "what it says"), [(f"`{k}`", v) for k, v in
                                                               FAULTS.items()])]
    parts += ["## Events\n", table(("kind", "what it says"), [(f"`{k}`", v) for k, v in
                                                              EVENTS.items()])]
    parts += ["## Settings\n", SETTING_TEXT, _setting_table()]
    return "\n".join(parts)


QUANTITY_TEXT = """A channel is `<source>.<quantity>`, such as `reservoir.ph`. A value outside the
range is a fault, never a number.
"""
SETTING_TEXT = """A setting can tighten what the safety gate allows, never loosen it: the frozen
ceilings are no settings. The tank needs `level.low_mm` < `level.target_mm` < `level.full_mm`.
"""


def _topic_table() -> str:
    limits = {"command": messages.MAX_COMMAND_BYTES, "stored": messages.MAX_COMMAND_BYTES,
              "config": messages.MAX_CONFIG_BYTES}
    rows = []
    for leaf in topics.UP:
        kept = "yes" if leaf in topics.RETAINED_UP else "no"
        most = str(messages.MAX_UP_BYTES)
        rows.append((f"`{topics.PREFIX}/<node>/up/{leaf}`", "node", kept, most))
    for leaf in topics.DOWN:
        kept = "yes" if leaf in topics.RETAINED_DOWN else "no"
        rows.append((f"`{topics.PREFIX}/<node>/down/{leaf}`", "host", kept, str(limits[leaf])))
    return table(("topic", "from", "retained", "bytes at most"), rows)


def _message(direction: str, message: Message) -> str:
    _check_fields(message)
    text = f"## {direction}/{message.leaf}\n\n{message.text}\n"
    if message.fields:
        rows = [(f"`{field}`", meaning) for field, meaning in message.fields.items()]
        text += f"\n{table(('field', 'meaning'), rows)}"
    return f"{text}\n```\n{message.example.decode()}\n```\n"


def _check_fields(message: Message) -> None:
    """Refuse to write a page whose field table is not the message's."""
    if not message.fields:
        return
    shown = json.loads(message.example)
    found = set(shown) | {f"records[].{k}" for r in shown.get("records", ()) for k in r}
    if found != set(message.fields):
        raise ValueError(f"{message.leaf}: field table and message differ: "
                         f"{sorted(found ^ set(message.fields))}")


def _verb_table() -> str:
    rows = []
    for verb, arguments in messages.VERBS.items():
        shown = []
        for name, bounds in arguments.items():
            span = "a name" if bounds is None else f"{bounds[0]} to {bounds[1]}"
            plain = name.strip("[]")
            shown.append(f"`{plain}` {span}{', may be missing' if plain != name else ''}")
        rows.append((f"`{verb}`", "; ".join(shown) or "none"))
    return table(("verb", "arguments"), rows)


def _quantity_table() -> str:
    rows = [
        (f"`{q.key}`", q.unit, str(q.decimals), f"{q.low} to {q.high}", q.text)
        for q in QUANTITIES.values()
    ]
    return table(("quantity", "unit", "decimals", "range", "meaning"), rows)


def _setting_table() -> str:
    rows = []
    for row in SETTINGS.values():
        span = "" if row.low is None else f"{row.low} to {row.high}"
        rows.append((f"`{row.key}`", row.unit, json.dumps(row.default), span, row.text))
    return table(("setting", "unit", "default", "range", "meaning"), rows)


def main() -> None:
    """Write the page into the checkout this module was imported from."""
    target = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"
    target.write_text(protocol_page(), encoding="utf-8")
    print(f"wrote {target.name}")


if __name__ == "__main__":
    main()
