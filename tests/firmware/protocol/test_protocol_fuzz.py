"""Fuzz tests: any input decodes or raises ProtocolError, and decoded messages round-trip."""

import json
import math

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from idro.errors import ProtocolError, SettingsError
from idro.protocol import messages, messages_host, system_host, topics, validation
from idro.protocol import settings as node_settings
from idro.protocol.events import EVENTS
from idro.protocol.faults import FAULTS
from idro.protocol.quantities import QUANTITIES
from idro.protocol.reason import Reason
from idro.protocol.settings_table import SETTINGS
from support import update_codecs
from support.wire_strategies import (
    FIELDS,
    counts,
    ids,
    keys,
    names,
    plain_values,
    printable,
    reasons,
    trees,
)

NODE = "bench-1"
MAC = "f" * 64
def mac(signed):
    return MAC


def unpack_command(data):
    return messages.unpack_command(NODE, data).message


def unpack_config(data):
    return messages.unpack_config(NODE, [data]).message


def pack_command(message):
    return messages_host.pack_command(NODE, message, mac)


def pack_stored(message):
    return messages_host.pack_stored(NODE, message, mac)


def unpack_stored(data):
    return messages.unpack_stored(NODE, data).message


def pack_config(message):
    return messages_host.pack_config(NODE, message, mac)


RECORD = messages.Record(3, 9, {"reservoir.ph": 6.02}, {"reservoir.ec_us_cm": "in_air"})
REASON = Reason("b_waits", why=Reason("arming", channel="reservoir.ph", count=3, of=12))
EVENT = messages.EventRecord(
    3, 9, "dosed", {"actuator": "ph_up", "on_ms": 5, "ok": True, "reason": REASON.as_json()})
CODECS = {
    "telemetry": (
        messages_host.pack_telemetry, messages_host.unpack_telemetry,
        messages.Batch("b-1", None, 7, 1, [RECORD]),
    ),
    "event": (
        messages_host.pack_event, messages_host.unpack_event,
        messages.Batch("b-1", 5, None, 1, [EVENT]),
    ),
    "info": (
        messages_host.pack_info, messages_host.unpack_info,
        messages.Info("1", "b", "esp32", "b-1", 1, 2, "host", "wdt", "", ("reservoir.ph",),
                      {"ph_up": "doser"}, (("b-0", 7),), False, 25, 9, messages.AS_FLASHED,
                      system_host.System("1.28.0", 0, 160_000_000)),
    ),
    "ack": (
        messages.pack_ack, messages_host.unpack_ack,
        messages.Ack("c", "done", REASON, "b-1", 1),
    ),
    "stored": (pack_stored, unpack_stored, messages.Stored("b-1", 1, 2, 3)),
    "config_report": (
        messages_host.pack_config_report, messages_host.unpack_config_report,
        messages.ConfigReport(1, REASON, node_settings.defaults()),
    ),
    "command": (
        pack_command, unpack_command,
        messages.Command("c", "dose", {"actuator": "ph_up", "volume_ul": 9}, "b-1", 9, "anna"),
    ),
    "config": (pack_config, unpack_config, messages.Config(1, "anna", node_settings.defaults())),
    **update_codecs.CODECS,
}
# No deadline: a slow machine is not a protocol fault.
# `make fuzz` does the same for an hour.
fuzzed = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
every_codec = pytest.mark.parametrize("name", sorted(CODECS))


def check(unpack, data):
    """Unpack `data`: a message, or a ProtocolError that can be printed and stored."""
    try:
        text = json.dumps(unpack(data), ensure_ascii=False, default=Reason.as_json)
    except ProtocolError as error:
        text = str(error)
    assert text.encode()


@every_codec
@fuzzed
@given(data=st.binary(max_size=300))
def test_any_bytes(name, data):
    check(CODECS[name][1], data)


@every_codec
@fuzzed
@given(text=st.text(max_size=200))
def test_any_text_between_braces(name, text):
    check(CODECS[name][1], b"{" + text.encode(errors="surrogatepass") + b"}")


@every_codec
@fuzzed
@given(tree=st.dictionaries(keys, trees, max_size=10))
def test_any_json_object(name, tree):
    check(CODECS[name][1], json.dumps({"v": 1} | tree).encode())
    sealed = {key: value for key, value in tree.items() if key != "auth"} | {"auth": MAC}
    check(CODECS[name][1], json.dumps({"v": 1} | sealed, separators=(",", ":")).encode())


def places(value, path=()):
    """Return the paths to every value inside `value`."""
    found = [path]
    items = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, inner in items:
        found += places(inner, (*path, key))
    return found


def grafted(value, path, graft):
    """Return `value` with the element at `path` replaced by `graft`."""
    if not path:
        return graft
    copy = value.copy()
    copy[path[0]] = grafted(value[path[0]], path[1:], graft)
    return copy


@every_codec
@fuzzed
@given(drawn=st.data(), graft=trees)
def test_a_message_with_one_value_replaced(name, drawn, graft):
    pack, unpack, message = CODECS[name]
    obj = json.loads(pack(message))
    changed = grafted(obj, drawn.draw(st.sampled_from(places(obj))), graft)
    text = json.dumps(changed)
    if isinstance(changed, dict) and changed.get("auth") == MAC:
        text = text.replace(f', "auth": "{MAC}"', f',"auth":"{MAC}"')
    check(unpack, text.encode())


@every_codec
@fuzzed
@given(drawn=st.data(), junk=st.binary(max_size=6))
def test_a_message_with_some_bytes_replaced(name, drawn, junk):
    pack, unpack, message = CODECS[name]
    data = pack(message)
    start = drawn.draw(st.integers(0, len(data)))
    end = drawn.draw(st.integers(start, min(len(data), start + 12)))
    check(unpack, data[:start] + junk + data[end:])


@every_codec
@fuzzed
@given(drawn=st.data())
def test_a_message_with_a_field_twice(name, drawn):
    pack, unpack, message = CODECS[name]
    data = pack(message).decode()
    key = drawn.draw(st.sampled_from(FIELDS))
    value = json.dumps(drawn.draw(trees))
    check(unpack, f'{{{json.dumps(key)}:{value},{data[1:]}'.encode())
    check(unpack, f"{data[:-1]},{json.dumps(key)}:{value}}}".encode())


@every_codec
@pytest.mark.parametrize("nest", ["[%s]", '{"a":%s}', '{"v":[%s]}'])
@pytest.mark.parametrize("depth", [10, 500, 900, 960, 990, 1000, 2000, 4000])
def test_a_deeply_nested_value(name, nest, depth):
    pack, unpack, message = CODECS[name]
    opening, closing = nest.split("%s")
    deep = opening * depth + "1" + closing * depth
    data = pack(message).decode()
    for key in json.loads(data):
        check(unpack, f'{{"{key}":{deep},{data[1:]}'.encode())
        check(unpack, f'{data[:-1]},"{key}":{deep}}}'.encode())


@every_codec
@pytest.mark.parametrize(
    "word", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1" + "0" * 400, "9" * 5000, "-",
             "0x1", "'a'", "\\u0000", '"\\ud800"', '"\\uD83D\\uDE00"', "\xff", "1_000", "True"]
)
def test_an_invalid_field_value(name, word):
    pack, unpack, message = CODECS[name]
    obj = json.loads(pack(message))
    for key in obj:
        others = {other: value for other, value in obj.items() if other != key}
        text = f'{json.dumps(others)[:-1]},"{key}":{word}}}'
        check(unpack, text.encode("latin-1"))
        check(unpack, text.encode())


seqs = st.lists(st.integers(1, validation.MAX_INT), max_size=4, unique=True).map(sorted)
@st.composite
def channel_values(draw):
    """Return {channel: value as decoded from the wire} for a few channels."""
    values = {}
    for key in draw(st.lists(st.sampled_from(sorted(QUANTITIES)), max_size=6)):
        row = QUANTITIES[key]
        scaled = draw(st.integers(row.low * 10**row.decimals, row.high * 10**row.decimals))
        values[f"{draw(names)}.{key}"] = messages_host.from_scaled(row, scaled)
    return values


@st.composite
def telemetry(draw):
    records = []
    for seq in draw(seqs):
        values = draw(channel_values())
        faults = {channel: draw(st.sampled_from(sorted(FAULTS))) for channel in
                  draw(channel_values()) if channel not in values}
        records.append(messages.Record(seq, draw(counts), values, faults))
    return messages.Batch(
        draw(ids), draw(st.none() | counts), draw(st.none() | counts), draw(counts), records
    )


@st.composite
def events(draw):
    details = st.dictionaries(
        names, plain_values | st.none() | reasons.map(Reason.as_json), max_size=5
    )
    kinds = st.sampled_from(sorted(EVENTS))
    records = [
        messages.EventRecord(seq, draw(counts), draw(kinds), draw(details)) for seq in draw(seqs)
    ]
    return messages.Batch(
        draw(ids), draw(st.none() | counts), draw(st.none() | counts), draw(counts), records
    )


@st.composite
def infos(draw):
    quantities = st.sampled_from(sorted(QUANTITIES))
    channels = st.builds(lambda name, key: f"{name}.{key}", names, quantities)
    return messages.Info(
        draw(printable), draw(printable), draw(printable)[:20], draw(ids), draw(counts),
        draw(st.none() | counts), draw(st.sampled_from(messages_host.CLOCKS)), draw(printable),
        draw(st.text("0123456789abcdef", max_size=64)),
        tuple(draw(st.lists(channels, max_size=8))),
        draw(st.dictionaries(names, st.sampled_from(("doser", "switch", "dimmer")), max_size=8)),
        tuple(draw(st.lists(st.tuples(ids, counts), max_size=5))), draw(st.booleans()),
        draw(st.integers(0, 100)), draw(counts), draw(runnings()), draw(systems()),
    )


def systems():
    """What a node runs on; a part of it may be unknown."""
    parts = st.integers(0, 999)
    releases = st.builds("{}.{}.{}{}".format, parts, parts, parts,
                         st.sampled_from(("", "-preview")))
    return st.builds(
        system_host.System, st.none() | releases, st.none() | st.integers(0, 2**26),
        st.none() | st.integers(1_000_000, 10**9))


def runnings():
    """The running application of a node."""
    return st.builds(
        messages.RunningRelease, st.sampled_from(("", "a", "b")),
        st.sampled_from(messages_host.UPDATE_STATES),
        st.just("") | st.text("0123456789abcdef", min_size=64, max_size=64), counts, counts)


@st.composite
def setting_values(draw):
    values = node_settings.defaults()
    for row in SETTINGS.values():
        if row.kind == "bool":
            values[row.key] = draw(st.booleans())
        elif row.kind == "int":
            values[row.key] = draw(st.integers(row.low, row.high))
        else:
            values[row.key] = draw(st.floats(row.low, row.high))
    low, target, full = sorted(values[f"level.{key}_mm"] for key in ("low", "target", "full"))
    assume(low < target < full)
    values |= {"level.low_mm": low, "level.target_mm": target, "level.full_mm": full}
    return without_contradictions(values)


def without_contradictions(values):
    """Return `values`, with contradictory groups reset to their defaults."""
    while True:
        try:
            return node_settings.check(values)
        except SettingsError as error:
            group = error.reason.values["setting"].partition(".")[0] + "."
            values |= {key: default for key, default in node_settings.defaults().items()
                       if key.startswith(group)}


@st.composite
def commands(draw):
    verb = draw(st.sampled_from(sorted(messages_host.VERBS)))
    args = {}
    for entry, bounds in messages_host.VERBS[verb].items():
        if entry.startswith("[") and draw(st.booleans()):
            continue
        args[entry.strip("[]")] = draw(
            names if bounds is None
            else st.text("MIIBz+/=", max_size=bounds) if isinstance(bounds, int)
            else st.integers(*bounds))
    return messages.Command(draw(ids), verb, args, draw(ids), draw(counts), draw(printable))


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        ("telemetry", telemetry()), ("event", events()), ("info", infos()),
        ("ack", st.builds(messages.Ack, ids, st.sampled_from(messages_host.OUTCOMES), reasons,
                          ids, counts)),
        ("stored", st.builds(messages.Stored, ids, counts, counts, counts | st.none())),
        ("config_report", st.builds(messages.ConfigReport, counts, st.none() | reasons,
                                    setting_values())),
        ("command", commands()),
        ("config", st.builds(messages.Config, counts, printable, setting_values())),
    ],
)
@fuzzed
@given(drawn=st.data())
def test_any_message_round_trip(name, valid, drawn):
    pack, unpack, _ = CODECS[name]
    message = drawn.draw(valid)
    assert unpack(pack(message)) == message


@fuzzed
@given(record=channel_values(), error=st.floats(-0.4, 0.4))
def test_a_value_is_rounded_to_the_nearest_step(record, error):
    for channel, value in record.items():
        row = QUANTITIES[channel.split(".")[1]]
        off = min(row.high, max(row.low, value + error / 10**row.decimals))
        batch = messages.Batch("b", None, None, 1, [messages.Record(1, 0, {channel: off}, {})])
        unpacked = messages_host.unpack_telemetry(messages_host.pack_telemetry(batch)).records[0]
        assert math.isclose(unpacked.values[channel], value, abs_tol=1e-9)


@fuzzed
@given(topic=st.text(max_size=60) | st.lists(st.sampled_from(
    ("idro", "v1", "v2", "up", "down", "host", "bench-1", "telemetry", "command", "", "+", "#")
), max_size=6).map("/".join))
def test_any_topic(topic):
    try:
        node, direction, leaf = topics.parse(topic)
    except ProtocolError:
        return
    assert topic == f"idro/v1/{node}/{direction}/{leaf}"
    assert topics.is_node_id(node)


_near_stored = st.tuples(
    st.sampled_from(('{"v":1,"boot_id":"', '{"v": 1, "boot_id": "', '{"v":2,"boot_id":"')),
    st.text("0aZ-_\"\\ ", max_size=42) | ids,
    st.sampled_from(('","seq_upto":', '","seq_upto": ', '",')),
    st.text("0123456789-+ _e.", max_size=18) | counts.map(str),
    st.sampled_from((',"unix_ms":', ', "unix_ms": ', "")),
    st.text("0123456789-", max_size=18) | counts.map(str),
    st.sampled_from((',"sent_at_ms":', "")),
    st.sampled_from(("null", "nul", "")) | counts.map(str),
    st.sampled_from((f',"auth":"{MAC}', f',"auth":"{MAC}{MAC}', f',"auth":"{MAC[1:]}', "")),
    st.sampled_from(('"}', '"} ', "", '"},"x":1}')),
).map("".join)


@given(_near_stored)
def test_a_stored_message_that_is_taken_is_in_the_form_of_the_host(text):
    try:
        stored, signed, auth = messages.unpack_stored(NODE, text.encode())
    except ProtocolError:
        return
    assert messages_host.pack_stored(NODE, stored, lambda data: auth) == text.encode()
    assert signed == f"idro/v1/{NODE}/down/stored\n".encode() + text.split(',"auth"')[0].encode()
