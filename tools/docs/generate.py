"""Generates documentation from the code.

`make docs` writes the committed files: docs/protocol.md, the pinout of every board, and the
Grafana dashboards. A test compares them with the code. `--site FOLDER` writes the pages that are
built with the site and not committed: what to do at alarms and faults, and the reference.

Examples come from the pack functions that node and host use. A field table that differs from its
message raises ValueError.
"""

import argparse
import json
from pathlib import Path

from idro.protocol import messages, messages_host, topics, update_messages, validation
from idro.protocol.descriptions import EVENT_TEXTS, FAULT_TEXTS, QUANTITY_TEXTS, SETTING_TEXTS
from idro.protocol.quantities import QUANTITIES
from idro.protocol.reasons import REASONS, VALUES
from idro.protocol.settings_table import SETTINGS
from idroserra.boards import compiler, pinout
from idroserra.i18n.marker import Plural
from idroserra.i18n.reason_texts import TEXTS
from tools import grafana_dashboards
from tools.docs import api, howto, reference
from tools.docs.protocol_examples import EXAMPLE_KEY, Message, down_messages, up_messages
from tools.docs.tables import table

INTRO = f"""# Protocol

For engineers who implement another node or host.

Generated from `firmware/idro/protocol/` by `make docs`; do not edit. Version {topics.VERSION}.

Node and host speak MQTT, QoS 1; a node takes `down/stored` and `down/update_data` at QoS 0. The
node id is the MQTT user name and client id: 3 to 32 of `a-z`, `0-9` and `-`.
`{'` and `'.join(topics.RESERVED_NODE_IDS)}`, other users of the broker, are reserved.
The host adopts no id that begins with `idroserra-`, as its own client ids do.

A message is either unpacked or refused with one reason. Unknown fields are ignored on the way up
and refused in commands and settings.

**Records.** Telemetry and events are records with the identity (node, `boot_id`, `seq`). A node
publishes the records of a boot in ascending order, oldest boot first, and erases them only on
`down/stored`, which the host sends after its own durable commit; until then it resends them.
They are delivered at least once and stored exactly once.

**Time.** `at_ms` is the node's uptime and never jumps; `unix_ms` is UTC. The host determines the
wall time of `at_ms` 0 once per boot, so that a record sent again gets the same timestamp. Events
add `seq` modulo 1000 in microseconds.

**Authentication.** `auth` is the HMAC-SHA256 of these bytes under the key of the node: the topic,
a line feed, and the message from its first byte up to, but without, `,"auth":`. The examples
are signed with the key `{EXAMPLE_KEY.hex()}`.
"""


def protocol_page() -> str:
    """Return the text of docs/protocol.md."""
    parts = [INTRO, "## Topics\n", _topic_table()]
    for direction, made in (("up", up_messages()), ("down", down_messages())):
        parts += [_message(direction, message) for message in made]
    parts += ["## Verbs\n", _verb_table(), "## Quantities\n", QUANTITY_TEXT, _quantity_table()]
    parts += ["## Faults\n", table(("code", "meaning"), [(f"`{k}`", v) for k, v in
                                                               FAULT_TEXTS.items()])]
    parts += ["## Events\n", table(("kind", "meaning"), [(f"`{k}`", v) for k, v in
                                                              EVENT_TEXTS.items()])]
    parts += ["## Reasons\n", REASON_TEXT, _reason_table()]
    parts += ["## Settings\n", SETTING_TEXT, _setting_table()]
    return "\n".join(parts)


QUANTITY_TEXT = """A channel is `<source>.<quantity>`, such as `reservoir.ph`. A value outside the
range is a fault, never a number.
"""
REASON_TEXT = f"""A reason is `{{"code": ..., "values": {{...}}}}`, in acks, events and the report
of the settings. A code never changes its meaning. A host shows one that it does not know, as of a
newer node, as it is.

- A code is a name of at most {messages_host.MAX_CODE_CHARS} of a-z, 0-9 and _.
- It has at most {messages_host.MAX_REASON_VALUES} values.
- A value is an integer, true, false, a text of at most {validation.MAX_TEXT_CHARS} characters,
  or a reason; at most {messages_host.MAX_REASON_DEPTH} reasons are within each other.
- Units with a prefix are scaled: mpH is 0.001 pH, dC 0.1 C, ul 0.001 ml.
- A `name` is an actuator, a `kind` that of an output, a `channel`, `fault`, `setting` or `reason`
  one of this page, a `text` is technical and not translated.

| severity | meaning |
| --- | --- |
| `ok` | as intended |
| `wait` | ends by itself |
| `check` | to be looked at |
| `act` | a person is needed now |

`ended by`: `node` by itself, `grower` at the tank or on the page, `technician` at wiring, parts or
files. `text` is what the host shows in English.
"""
SETTING_TEXT = """A setting can tighten the limits of the safety gate, never loosen them: the
frozen ceilings are not settings. Required: `level.low_mm` < `level.target_mm` < `level.full_mm`.
"""


def _topic_table() -> str:
    limits = {"command": messages.MAX_COMMAND_BYTES, "stored": messages.MAX_STORED_BYTES,
              "config": messages.MAX_CONFIG_BYTES, "update": update_messages.MAX_UPDATE_BYTES,
              "update_data": update_messages.HEAD_BYTES + update_messages.MAX_CHUNK_BYTES}
    rows = []
    for leaf in topics.UP:
        kept = "yes" if leaf in topics.RETAINED_UP else "no"
        most = str(messages_host.MAX_UP_BYTES)
        rows.append((f"`{topics.PREFIX}/<node>/up/{leaf}`", "node", kept, most))
    for leaf in topics.DOWN:
        kept = "yes" if leaf in topics.RETAINED_DOWN else "no"
        rows.append((f"`{topics.PREFIX}/<node>/down/{leaf}`", "host", kept, str(limits[leaf])))
    return table(("topic", "from", "retained", "max bytes"), rows)


def _message(direction: str, message: Message) -> str:
    _check_fields(message)
    text = f"## {direction}/{message.leaf}\n\n{message.text}\n"
    if message.fields:
        rows = [(f"`{field}`", meaning) for field, meaning in message.fields.items()]
        text += f"\n{table(('field', 'meaning'), rows)}"
    return f"{text}\n```\n{message.example.decode()}\n```\n"


def _check_fields(message: Message) -> None:
    """Raise ValueError if a field table does not match its message."""
    if not message.fields:
        return
    shown = json.loads(message.example)
    found = set(shown) | {f"records[].{k}" for r in shown.get("records", ()) for k in r}
    if found != set(message.fields):
        raise ValueError(f"{message.leaf}: field table and message differ: "
                         f"{sorted(found ^ set(message.fields))}")


_SPANS = {type(None): "a name", int: "a text of at most {0} characters"}


def _verb_table() -> str:
    rows = []
    for verb, arguments in messages_host.VERBS.items():
        shown = []
        for name, bounds in arguments.items():
            span = _SPANS.get(type(bounds), "{0[0]} to {0[1]}").format(bounds)
            plain = name.strip("[]")
            shown.append(f"`{plain}` {span}{', optional' if plain != name else ''}")
        rows.append((f"`{verb}`", "; ".join(shown) or "none"))
    return table(("verb", "arguments"), rows)


def _quantity_table() -> str:
    rows = [
        (f"`{q.key}`", q.unit, str(q.decimals), f"{q.low} to {q.high}", QUANTITY_TEXTS[q.key])
        for q in QUANTITIES.values()]
    return table(("quantity", "unit", "decimals", "range", "meaning"), rows)


def _reason_table() -> str:
    rows = []
    for code, row in REASONS.items():
        values = "; ".join(f"`{name}` {VALUES[name]}".rstrip() for name in row.values)
        text = TEXTS[code]
        rows.append((f"`{code}`", values, row.severity, row.mender,
                     text.many if isinstance(text, Plural) else text))
    return table(("code", "values", "severity", "ended by", "text"), rows)


def _setting_table() -> str:
    rows = []
    for row in SETTINGS.values():
        span = "" if row.low is None else f"{row.low} to {row.high}"
        rows.append((f"`{row.key}`", row.unit, json.dumps(row.default), span,
                     SETTING_TEXTS[row.key]))
    return table(("setting", "unit", "default", "range", "meaning"), rows)


def committed_pages() -> dict[str, str]:
    """Return the generated files that are committed, by their path under docs/."""
    found = {"protocol.md": protocol_page()}
    for name in compiler.names():
        wired = compiler.read(compiler.path_of(name))
        found[f"images/boards/{name}.svg"] = pinout.svg(wired)
    return found


def site_pages() -> dict[str, str]:
    """Return the pages that are built with the site, by their path under docs/."""
    return {**howto.pages(), **reference.pages(), **api.pages()}


def main() -> None:
    """Write the committed files into the checkout, or the site's pages into a folder."""
    asked = argparse.ArgumentParser(description="Generate documentation from the code.")
    asked.add_argument("--site", type=Path, help="write the pages of the site into this folder")
    folder = asked.parse_args().site
    if folder is not None:
        write(folder, site_pages())
        return
    docs = Path(__file__).resolve().parents[2] / "docs"
    write(docs, committed_pages())
    for path in grafana_dashboards.write(docs.parent / "host/deploy/grafana"):
        print(f"wrote {path.relative_to(docs.parent)}")


def write(folder: Path, pages: dict[str, str]) -> None:
    """Write pages under a folder."""
    for name, text in pages.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        print(f"wrote {name}")


if __name__ == "__main__":
    main()
