"""Tests of the protocol: round trip and bytes of every message."""

import json

from idro.errors import SettingsError
from idro.protocol import (
    descriptions,
    messages,
    messages_host,
    quantities,
    settings,
    settings_table,
    system_host,
    topics,
)
from idro.protocol.events import EVENTS
from idro.protocol.faults import FAULTS
from idro.protocol.reason import Reason
from support.portable_fakes import single

NODE = "bench-1"
MAC = "0123456789abcdef" * 4

TELEMETRY = (
    b'{"v":1,"boot_id":"0a1b2c3d","boot_unix_ms":1700000000123,"sent_at_ms":61000,"oldest_seq":7,'
    b'"records":[{"seq":7,"at_ms":50000,"values":{"reservoir.ph":6.020,"reservoir.ec_us_cm":1480,'
    b'"air.temp_c":-3.50},"faults":{"reservoir.level_mm":"saturated"}},'
    b'{"seq":9,"at_ms":60000,"values":{},"faults":{}}]}'
)
TELEMETRY_BATCH = messages.Batch(
    "0a1b2c3d", 1_700_000_000_123, 61_000, 7,
    [
        messages.Record(
            7, 50_000,
            {"reservoir.ph": 6.02, "reservoir.ec_us_cm": 1480, "air.temp_c": -3.5},
            {"reservoir.level_mm": "saturated"},
        ),
        messages.Record(9, 60_000, {}, {}),
    ],
)
EVENT = (
    b'{"v":1,"boot_id":"0a1b2c3d","boot_unix_ms":null,"sent_at_ms":null,"oldest_seq":8,"records":'
    b'[{"seq":8,"at_ms":55000,"kind":"dosed","detail":{"actuator":"ph_down","volume_ul":1500,'
    b'"on_ms":1500,"reason":{"code":"advice","values":{"actuator":"ph_down","volume_ul":1500,'
    b'"why":{"code":"ph_turn","values":{}}}},"by":"control"}}]}'
)
ADVICE = Reason("advice", actuator="ph_down", volume_ul=1500, why=Reason("ph_turn"))
EVENT_BATCH = messages.Batch(
    "0a1b2c3d", None, None, 8,
    [
        messages.EventRecord(
            8, 55_000, "dosed",
            {"actuator": "ph_down", "volume_ul": 1500, "on_ms": 1500,
             "reason": ADVICE.as_json(), "by": "control"},
        ),
    ],
)
INFO = messages.Info(
    "0.1.0", "esp32-reservoir", "esp32", "0a1b2c3d", 1234, None, "none", "power-on", "ab" * 32,
    ("reservoir.ph", "air.rh_pct"), {"ph_down": "doser", "light": "dimmer"},
    (("00000001", 99_000), ("00000002", 5)), True, 25,
    216_000_000, messages.RunningRelease("b", "trial", "cd" * 32, 3, 1),
    system_host.System("1.28.0", 8_388_608, 240_000_000),
)
ACK = messages.Ack("c-1", "refused", ADVICE, "0a1b2c3d", 77_000)
STORED = messages.Stored("0a1b2c3d", 41, 1_700_000_000_000, 61_000)
COMMAND = (
    '{"v":1,"id":"c-1","verb":"dose","args":{"actuator":"ph_down","volume_ul":1500},'
    '"boot_id":"0a1b2c3d","not_after_at_ms":90000,"by":"anna"'
)
DOSE = messages.Command(
    "c-1", "dose", {"actuator": "ph_down", "volume_ul": 1500}, "0a1b2c3d", 90_000, "anna"
)


def mac(signed):
    assert isinstance(signed, bytes)
    return MAC


def sealed(body):
    return (body + ',"auth":"' + MAC + '"}').encode()


def test_status_is_plain_text():
    assert messages.pack_status(True) == b"online"
    assert messages.pack_status(False) == b"offline"
    assert messages_host.unpack_status(b"online") is True
    assert messages_host.unpack_status(b"offline") is False


def test_telemetry_round_trip():
    assert messages_host.unpack_telemetry(TELEMETRY) == TELEMETRY_BATCH
    packed = messages_host.pack_telemetry(TELEMETRY_BATCH)
    assert messages_host.unpack_telemetry(packed) == TELEMETRY_BATCH
    assert json.loads(packed) == json.loads(TELEMETRY)


def test_values_have_the_decimals_of_their_quantity():
    for value, text in ((6.02, "6.020"), (6, "6.000"), (0.0004, "0.000"), (13.9996, "14.000")):
        record = messages.Record(1, 0, {"reservoir.ph": value}, {})
        packed = messages_host.pack_telemetry(messages.Batch("b", None, None, 1, [record]))
        assert f'"reservoir.ph":{text}'.encode() in packed


def test_values_are_exact_in_single_precision():
    for milli_ph in range(0, 14_001, 7):
        record = messages.Record(1, 0, {"reservoir.ph": single(milli_ph / 1000)}, {})
        packed = messages_host.pack_telemetry(messages.Batch("b", None, None, 1, [record]))
        batch = messages_host.unpack_telemetry(packed)
        assert batch.records[0].values == {"reservoir.ph": milli_ph / 1000}


def test_events_round_trip():
    assert messages_host.unpack_event(EVENT) == EVENT_BATCH
    packed = messages_host.pack_event(EVENT_BATCH)
    assert messages_host.unpack_event(packed) == EVENT_BATCH
    assert json.loads(packed) == json.loads(EVENT)


def test_every_event_kind_is_accepted():
    for kind in EVENTS:
        record = messages.EventRecord(1, 0, kind, {"part": "x", "count": -1, "is_late": True})
        batch = messages.Batch("b", None, 5, 1, [record])
        assert messages_host.unpack_event(messages_host.pack_event(batch)) == batch


def test_info_round_trip():
    assert messages_host.unpack_info(messages_host.pack_info(INFO)) == INFO


def test_info_from_older_firmware_leaves_the_system_unknown():
    obj = json.loads(messages_host.pack_info(INFO))
    del obj["system"]
    found = messages_host.unpack_info(json.dumps(obj).encode())
    assert found == messages.Info(*(tuple(INFO)[:-1] + (system_host.UNKNOWN_SYSTEM,)))
    assert messages_host.unpack_info(messages_host.pack_info(found)) == found
    obj["system"] = {"cpu_hz": 160_000_000}
    found = messages_host.unpack_info(json.dumps(obj).encode())
    assert found.system == system_host.System(None, None, 160_000_000)


def test_info_from_a_newer_node_is_accepted():
    data = messages_host.pack_info(INFO)
    newer = data[:-1] + b', "battery_mv": 3300}'
    assert messages_host.unpack_info(newer) == INFO


def test_ack_round_trip():
    assert messages_host.unpack_ack(messages.pack_ack(ACK)) == ACK


def test_an_ack_carries_its_reason_as_code_and_values():
    assert json.loads(messages.pack_ack(ACK))["reason"] == {
        "code": "advice",
        "values": {"actuator": "ph_down", "volume_ul": 1500,
                   "why": {"code": "ph_turn", "values": {}}}}


def test_a_reason_of_a_newer_node_is_accepted():
    for reason in ({"code": "frost", "values": {"deci_c": -5, "is_sure": True, "by": "x" * 200}},
                   {"code": "frost"}, {"code": "f" * 32, "values": {}, "since": [1]}):
        obj = json.loads(messages.pack_ack(ACK))
        obj["reason"] = reason
        got = messages_host.unpack_ack(json.dumps(obj).encode()).reason
        assert (got.code, got.values) == (reason["code"], reason.get("values", {}))


def test_the_unknown_fields_of_a_reason_are_not_stored():
    data = EVENT.replace(b'"code":"ph_turn",', b'"code":"ph_turn","more":[1,{"b":2}],')
    assert data != EVENT
    assert messages_host.unpack_event(data) == EVENT_BATCH


def test_reasons_with_other_numbers_are_alike():
    mixing = Reason("mixing", left_ms=9_000)
    assert mixing.is_like(Reason("mixing", left_ms=1_000))
    assert mixing != Reason("mixing", left_ms=1_000)
    assert mixing == Reason("mixing", left_ms=9_000)
    assert not mixing.is_like(Reason("filling"))
    assert not mixing.is_like(None)
    fault = Reason("b_waits", why=Reason("channel_fault", channel="reservoir.ph", fault="jump"))
    other = Reason("b_waits", why=Reason("channel_fault", channel="reservoir.ph", fault="flat"))
    assert not fault.is_like(other)
    assert not fault.is_like(Reason("b_waits", why="jump"))


def test_stored_round_trip():
    body = b'{"v":1,"boot_id":"0a1b2c3d","seq_upto":41,"unix_ms":1700000000000,"sent_at_ms":61000'
    golden = body + b',"auth":"' + MAC.encode() + b'"}'
    assert messages_host.pack_stored(NODE, STORED, mac) == golden
    topic = b"idro/v1/bench-1/down/stored\n"
    assert messages.unpack_stored(NODE, golden) == (STORED, topic + body, MAC)
    earlier = messages.Stored(STORED.boot_id, STORED.seq_upto, STORED.unix_ms, None)
    packed = messages_host.pack_stored(NODE, earlier, lambda signed: 2 * MAC)
    assert json.loads(packed)["sent_at_ms"] is None
    found, _, macs = messages.unpack_stored(NODE, packed)
    assert (found, macs) == (earlier, 2 * MAC)


def test_config_report_round_trip():
    values = settings.check({"ph.target": 6.1, "dosing.enabled": True})
    for error in (None, Reason("setting_range", setting="ph.target", range="4.5..7.5 pH")):
        report = messages.ConfigReport(3, error, values)
        data = messages_host.pack_config_report(report)
        assert messages_host.unpack_config_report(data) == report


def test_config_round_trip():
    values = settings.check({"ec.target_us_cm": 1800})
    config = messages.Config(4, "anna", values)
    data = messages_host.pack_config(NODE, config, mac)
    signed = messages.unpack_config(NODE, [data])
    assert signed.message == config
    assert signed.auth == MAC


def test_a_config_with_few_values_is_filled_with_defaults():
    data = sealed('{"v":1,"rev":1,"by":"anna","values":{"ph.target":6.1}')
    values = messages.unpack_config(NODE, [data]).message.values
    assert values["ph.target"] == 6.1
    assert len(values) == len(settings_table.SETTINGS)


def test_command_round_trip():
    for verb, args in (
        ("dose", {"actuator": "ph_up", "volume_ul": 1}),
        ("run", {"actuator": "light", "for_ms": 60_000, "duty_pct": 0}),
        ("run", {"actuator": "circulation", "for_ms": 100}),
        ("stop", {}),
        ("resume", {}),
    ):
        command = messages.Command("c-2", verb, args, "0a1b2c3d", 0, "")
        data = messages_host.pack_command(NODE, command, mac)
        assert messages.unpack_command(NODE, data).message == command


def test_the_mac_covers_the_exact_bytes():
    signed = messages.unpack_command(NODE, sealed(COMMAND))
    assert signed.message == DOSE
    assert signed.auth == MAC
    assert signed.signed == b"idro/v1/bench-1/down/command\n" + COMMAND.encode()
    seen = []

    def keep(covered):
        seen.append(covered)
        return MAC

    data = messages_host.pack_command(NODE, DOSE, keep)
    assert messages.unpack_command(NODE, data).signed == seen[0]


def test_every_default_is_a_valid_setting():
    for key, value in settings.defaults().items():
        assert settings.check_value(key, value) == value
    assert settings.check({}) == settings.defaults()


def test_a_refused_setting_names_its_key_and_range():
    for key, value, code, allowed in (
        ("ph.target", True, "setting_range", "4.5..7.5 pH"),
        ("ph.target", 9, "setting_range", "4.5..7.5 pH"),
        ("level.low_mm", 120.5, "setting_int", "20..5000 mm"),
        ("dosing.enabled", 1, "setting_bool", None),
        ("ph.mood", 1, "setting_unknown", None),
    ):
        try:
            settings.check_value(key, value)
            raise AssertionError(key)
        except SettingsError as error:
            reason = error.reason
        values = {"setting": key} if allowed is None else {"setting": key, "range": allowed}
        assert reason == Reason(code, **values)


def test_topics_round_trip():
    assert topics.up(NODE, "telemetry") == "idro/v1/bench-1/up/telemetry"
    for leaf in topics.UP:
        assert topics.parse(topics.up(NODE, leaf)) == (NODE, "up", leaf)
    for leaf in topics.DOWN:
        assert topics.parse(topics.down(NODE, leaf)) == (NODE, "down", leaf)


def test_scaled_values_are_exact():
    for key, value, scaled, text in (
        ("ph", 6.02, 6020, "6.020"), ("temp_c", -0.05, -5, "-0.05"),
        ("temp_c", -12.5, -1250, "-12.50"), ("ec_us_cm", 1480, 1480, "1480"),
        ("rh_pct", 100, 1000, "100.0"),
    ):
        row = quantities.QUANTITIES[key]
        assert quantities.to_scaled(row, value) == scaled
        assert quantities.format_scaled(row, scaled) == text
        assert messages_host.from_scaled(row, scaled) == value
        channel = "tank." + row.key
        assert messages_host.member(channel, value) == f'"{channel}":{text}'.encode()


def test_every_code_has_a_sentence_for_the_host():
    for codes, sentences in (
        (FAULTS, descriptions.FAULT_TEXTS), (EVENTS, descriptions.EVENT_TEXTS),
        (quantities.QUANTITIES, descriptions.QUANTITY_TEXTS),
        (settings_table.SETTINGS, descriptions.SETTING_TEXTS),
    ):
        assert sorted(codes) == sorted(sentences)
        assert all(sentences.values())
    assert all(descriptions.FAULT_TEXTS[code].endswith(".") for code in FAULTS)
