"""Tests that invalid messages are refused with the name of the field."""

import json

from test_protocol import COMMAND, EVENT, INFO, MAC, NODE, TELEMETRY, sealed

from idro.errors import ProtocolError
from idro.protocol import messages, messages_host, topics
from support.portable_fakes import refusal_of


def changed(data, old, new):
    """Return `data` with `old`, which must occur, replaced."""
    assert old in data, old
    return data.replace(old, new)


def refused(unpack, data, *words):
    """Assert that the ProtocolError of unpack(data) contains all `words`."""
    message = refusal_of(ProtocolError, unpack, data)
    for word in words:
        assert word in message, message


def test_a_wrong_status_is_refused():
    refused(messages_host.unpack_status, b"ONLINE", "status")
    refused(messages_host.unpack_status, b"", "status")


def test_the_mac_must_be_the_last_field():
    def unpack(data):
        return messages.unpack_command(NODE, data)

    refused(unpack, (COMMAND + "}").encode(), "auth")
    refused(unpack, sealed(COMMAND).replace(MAC.encode(), b"ab"), "auth")
    refused(unpack, sealed(COMMAND)[:-1] + b',"by":"eve"}', "auth")
    refused(unpack, sealed(COMMAND)[:-1] + b" }", "auth")


def test_a_wrong_command_is_refused_with_its_field():
    def unpack(data):
        return messages.unpack_command(NODE, data)

    good = sealed(COMMAND)
    for old, new, words in (
        (b'"v":1', b'"v":2', ("v: ",)),
        (b'"id":"c-1"', b'"id":""', ("id: ",)),
        (b'"id":"c-1"', b'"id":"a b"', ("id: ",)),
        (b'"dose"', b'"flood"', ("verb", "flood")),
        (b'"ph_down"', b'"PH"', ("dose", "actuator")),
        (b'"ph_down"', b"7", ("dose", "actuator")),
        (b"1500", b"0", ("volume_ul", "1..20000")),
        (b"1500", b"20001", ("volume_ul",)),
        (b"1500", b"1.5", ("volume_ul", "integer")),
        (b"1500", b"true", ("volume_ul", "integer")),
        (b'"volume_ul":1500', b'"volume_ml":1', ("dose", "volume_ml")),
        (b'"boot_id":"0a1b2c3d"', b'"boot_id":null', ("boot_id",)),
        (b"90000", b"-1", ("not_after_at_ms",)),
        (b'"by":"anna"', b'"by":"' + b"x" * 41 + b'"', ("by",)),
        (b'"by":"anna"', b'"by":"a\\u0000"', ("by", "control character")),
        (b'"by":"anna"', b'"by":"anna","rush":true', ("command", "rush")),
    ):
        refused(unpack, changed(good, old, new), *words)


def test_wrong_telemetry_is_refused_with_its_field():
    for old, new, words in (
        (b'"v":1', b'"v":"1"', ("v: ",)),
        (b'"boot_id":"0a1b2c3d"', b'"boot_id":7', ("boot_id",)),
        (b"1700000000123", b"-1", ("boot_unix_ms",)),
        (b'"seq":7', b'"seq":0', ("seq",)),
        (b'"seq":9', b'"seq":7', ("seq does not ascend",)),
        (b"50000", b"5e3", ("at_ms",)),
        (b"6.020", b"14.5", ("reservoir.ph", "0..14")),
        (b"6.020", b"null", ("reservoir.ph",)),
        (b"6.020", b'"6.0"', ("reservoir.ph",)),
        (b"6.020", b"true", ("reservoir.ph",)),
        (b"6.020", b"1e400", ("",)),
        (b"1480", b"1480.5", ("reservoir.ec_us_cm",)),
        (b"reservoir.ph", b"reservoir.pH", ("unknown quantity",)),
        (b"reservoir.ph", b"ph", ("channel ph",)),
        (b'"saturated"', b'"mouldy"', ("reservoir.level_mm", "mouldy")),
        (b"reservoir.level_mm", b"reservoir.ph", ("reservoir.ph", "value too")),
        (b'"faults":{}', b'"faults":[]', ("faults",)),
        (b'"records":[', b'"records":[7,', ("records",)),
    ):
        refused(messages_host.unpack_telemetry, changed(TELEMETRY, old, new), *words)


def test_wrong_events_are_refused_with_their_field():
    for old, new, words in (
        (b'"dosed"', b'"poured"', ("kind", "poured")),
        (b'"on_ms"', b'"On"', ("detail",)),
        (b'"on_ms":1500', b'"on_ms":[]', ("on_ms",)),
        (b'"on_ms":1500', b'"on_ms":1.5', ("on_ms",)),
        (b'"by":"control"', b'"by":"' + b"x" * 201 + b'"', ("by",)),
        (b'"code":"advice"', b'"code":"Advice"', ("reason", "code")),
        (b'"code":"advice"', b'"code":null', ("reason", "code")),
        (b'"code":"advice"', b'"code":"' + b"a" * 33 + b'"', ("reason", "code")),
        (b'"code":"ph_turn"', b'"why":1', ("why", "code")),
        (b'"values":{}', b'"values":[]', ("values",)),
        (b'"values":{}', b'"values":{"code":1}', ("why", "values")),
        (b'"values":{}', b'"values":{"self":1}', ("why", "values")),
        (b'"values":{}', b'"values":{"N":1}', ("why", "values")),
        (b'"values":{}', b'"values":{"ph":5.8}', ("ph", "integer")),
        (b'"values":{}', b'"values":{"by":"a\\u0007"}', ("by", "control character")),
        (b'"values":{}', b'"values":{' + b",".join([b'"v%d":1' % n for n in range(9)]) + b"}",
         ("values", "9 keys")),
    ):
        refused(messages_host.unpack_event, changed(EVENT, old, new), *words)


def test_an_ack_and_a_report_without_a_proper_reason_are_refused():
    ack = b'{"v":1,"id":"c-1","outcome":"done","reason":%s,"boot_id":"b-1","at_ms":1}'
    report = b'{"v":1,"rev":1,"error":%s,"values":{}}'
    for reason in (b'"a sentence"', b'""', b"7", b"[]", b"{}"):
        refused(messages_host.unpack_ack, ack % reason, "reason")
        refused(messages_host.unpack_config_report, report % reason, "error")
    refused(messages_host.unpack_ack, ack % b"null", "reason")


def test_reasons_are_nested_to_a_depth_of_three():
    def nested(depth):
        inner = b"1" if depth == 0 else nested(depth - 1)
        return b'{"code":"advice","values":{"why":' + inner + b"}}"

    ack = b'{"v":1,"id":"c-1","outcome":"done","reason":%s,"boot_id":"b-1","at_ms":1}'
    assert messages_host.unpack_ack(ack % nested(3)).reason.values["why"].code == "advice"
    for depth in (4, 5, 30):
        refused(messages_host.unpack_ack, ack % nested(depth), "why", "3 reasons")


def test_wrong_info_is_refused_with_its_field():
    for field, value in (
        ("clock", "sundial"), ("channels", ["reservoir.mood"]), ("outputs", {"ph_down": "gun"}),
        ("outputs", {"PH": "doser"}), ("boots", [["a"]]), ("boots", [["a", -1]]),
        ("at_ms", None), ("image_sha256", "a" * 65), ("version", 3),
    ):
        obj = json.loads(messages_host.pack_info(INFO))
        obj[field] = value
        refused(messages_host.unpack_info, json.dumps(obj).encode(), "")


def test_a_wrong_system_is_refused_with_its_field():
    for field, value in (
        ("micropython", "master"), ("micropython", "1.28"), ("micropython", "1.x.0"),
        ("micropython", "1.28.0 "), ("micropython", "1.28.0-" + "a" * 20), ("micropython", 1.28),
        ("micropython", "1.1234.0"), ("psram_bytes", -1), ("psram_bytes", 2**32),
        ("psram_bytes", 1.5), ("psram_bytes", True), ("cpu_hz", 0), ("cpu_hz", 240),
        ("cpu_hz", "240 MHz"),
    ):
        obj = json.loads(messages_host.pack_info(INFO))
        obj["system"][field] = value
        refused(messages_host.unpack_info, json.dumps(obj).encode(), field + ": ")
    obj["system"] = [1]
    refused(messages_host.unpack_info, json.dumps(obj).encode(), "system")


def test_wrong_settings_are_refused_with_their_key():
    for values, words in (
        ('{"ph.target":9}', ("ph.target", "4.5..7.5")),
        ('{"ph.mood":1}', ("ph.mood", "setting_unknown")),
        ('{"dosing.enabled":1}', ("dosing.enabled",)),
        ('{"ec.target_us_cm":1600.5}', ("ec.target_us_cm", "setting_int")),
        ('{"level.low_mm":220}', ("level.target_mm",)),
    ):
        data = sealed(f'{{"v":1,"rev":1,"by":"anna","values":{values}')
        refused(lambda data: messages.unpack_config(NODE, [data]), data, "values", *words)


def unpack_stored(data):
    return messages.unpack_stored(NODE, data)


def test_a_stored_message_has_one_form():
    good = messages_host.pack_stored(NODE, messages.Stored("b-1", 1, 2, 3), lambda _: MAC)
    assert unpack_stored(good).message == ("b-1", 1, 2, 3)
    for old, new in (
        (b"{", b" {"), (b"}", b"} "), (b":", b": "), (b'"v":1', b'"v":2'), (b"b-1", b""),
        (b"b-1", b'b","x":"'), (b"b-1", b"b" * 41), (b'upto":1', b'upto":-1'),
        (b'upto":1', b'upto":01'), (b'upto":1', b'upto":'), (b'upto":1', b'upto":' + b"9" * 16),
        (b'upto":1', b'upto":1.0'), (b'unix_ms":2', b'unix_ms":null'),
        (b'at_ms":3', b'at_ms":nul'), (b'"sent_at_ms":3,', b""), (MAC.encode(), MAC.encode()[1:]),
        (MAC.encode(), b"F" + MAC.encode()[1:]), (MAC.encode(), b""), (b'"}', b'"},"x":1}'),
        (b'"}', b'"'), (MAC.encode(), 3 * MAC.encode()), (b'"b-1"', b'"b-1","seq_upto":9'),
    ):
        refused(unpack_stored, changed(good, old, new), "stored", "form")


def test_non_messages_are_refused():
    for unpack in (
        messages_host.unpack_telemetry, messages_host.unpack_event, messages_host.unpack_info,
        messages_host.unpack_ack, unpack_stored, messages_host.unpack_config_report,
    ):
        for data in (b"", b"{}", b"[]", b"null", b"{", b'{"v":1', b"\xff\xfe", b"{]}", b"{" * 99):
            refused(unpack, data, "")


def test_deep_nesting_is_refused():
    for depth in (10, 100, 700, 1500):
        deep = b'{"a":' * depth + b"1" + b"}" * depth
        for field in (b"boot_id", b"id", b"version", b"oldest_seq", b"values"):
            data = b'{"v":1,"' + field + b'":' + deep + b"}"
            unpacks = (messages_host.unpack_telemetry, messages_host.unpack_ack,
                       messages_host.unpack_info)
            for unpack in unpacks:
                refused(unpack, data, "")
        values = '{"ph.target":' + str(deep, "utf-8") + "}"
        data = sealed('{"v":1,"rev":1,"by":"anna","values":' + values)
        refused(lambda data: messages.unpack_config(NODE, [data]), data, "")


def test_surrogates_are_refused():
    for by in (b"\\ud800", b"\\uDFFF", b"\\ud83d\\ude00"):
        data = changed(sealed(COMMAND), b"anna", by)
        refused(lambda data: messages.unpack_command(NODE, data), data, "surrogate")
    korean = changed(sealed(COMMAND), b"anna", b"\\ud55c")
    assert messages.unpack_command(NODE, korean).message.by == "\ud55c"


def test_an_oversized_message_is_refused():
    refused(messages_host.unpack_telemetry, b'{"v":1' + b" " * 8200 + b"}", "8207 bytes", "8192")
    golden = messages_host.pack_stored(NODE, messages.Stored("b-1", 1, 2, 3), lambda _: MAC)
    refused(unpack_stored, golden + b" " * 400, "stored", "form")


def test_every_prefix_of_a_message_is_refused():
    for end in range(len(TELEMETRY)):
        refused(messages_host.unpack_telemetry, TELEMETRY[:end], "")


def test_wrong_topics_are_refused():
    for topic in (
        "idro/v2/bench-1/up/telemetry", "idro/v1/host/up/status", "idro/v1/bench-1/up/command",
        "idro/v1/bench-1/down/telemetry", "idro/v1/BENCH/up/status", "idro/v1/a/up/status", "",
        "idro/v1/bench-1/up", "idro/v1/bench-1/up/status/x", "idro/v1/+/up/status", None,
    ):
        refusal_of(ProtocolError, topics.parse, topic)
    refusal_of(ProtocolError, topics.up, "host", "status")
    refusal_of(ProtocolError, topics.up, NODE, "command")
