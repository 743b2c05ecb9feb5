"""The messages of Zigbee2MQTT, Tasmota, Shelly and ESPHome, and of everybody else."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idroserra.core import protocol
from idroserra.foreign.messages import MAX_FIELD_CHARS, MAX_VALUES, Value, parse

ZIGBEE = "foreign/hub/zigbee2mqtt/shed"
PUMP = "foreign/hub/tele/pump"
TASMOTA = f"{PUMP}/SENSOR"
SHELLY_1 = "foreign/hub/shellies/shellyht-1A2B3C"
SHELLY_2 = "foreign/hub/shellyplusht-1a2b3c4d5e6f"
ESPHOME = "foreign/hub/porch"


def values(topic, payload):
    """Return {(device, field): (quantity, number)} of a message; a dict is sent as JSON."""
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    message = parse(topic, data)
    return {} if message is None else {
        (message.device, field): (quantity, number) for field, quantity, number in message.values}


@pytest.mark.parametrize(("topic", "payload", "found"), [
    (ZIGBEE, {"battery": 91, "humidity": 44.72, "linkquality": 120, "temperature": 27.34},
     {(ZIGBEE, "humidity"): ("rh_pct", 44.72), (ZIGBEE, "temperature"): ("temp_c", 27.34)}),
    (ZIGBEE, {"water_leak": True, "battery_low": False}, {(ZIGBEE, "water_leak"): ("leak", 1)}),
    (ZIGBEE, {"power_l1": 12, "power_l2": 0, "power_on_behavior": "on", "power_outage_count": 4},
     {(ZIGBEE, "power_l1"): ("power_w", 12), (ZIGBEE, "power_l2"): ("power_w", 0)}),
    (TASMOTA, {"Time": "2026-11-29T10:00:00", "AM2301": {"Temperature": 22.6, "Humidity": 32.4},
               "DS18B20-1": {"Id": "3CE1", "Temperature": -3.5}, "TempUnit": "C"},
     {(PUMP, "AM2301.Temperature"): ("temp_c", 22.6),
      (PUMP, "AM2301.Humidity"): ("rh_pct", 32.4),
      (PUMP, "DS18B20-1.Temperature"): ("temp_c", -3.5)}),
    (TASMOTA, {"ENERGY": {"Total": 1.2, "Power": 41, "Voltage": 230}, "Switch1": "ON"},
     {(PUMP, "ENERGY.Power"): ("power_w", 41),
      (PUMP, "Switch1"): ("leak", 1)}),
    (TASMOTA, {"ENERGY": {"Power": [10, 20]}},
     {(PUMP, "ENERGY.Power.1"): ("power_w", 10),
      (PUMP, "ENERGY.Power.2"): ("power_w", 20)}),
    (f"{SHELLY_1}/sensor/temperature", b"22.38", {(SHELLY_1, "sensor/temperature"):
                                                  ("temp_c", 22.38)}),
    (f"{SHELLY_1}/sensor/flood", b"false", {(SHELLY_1, "sensor/flood"): ("leak", 0)}),
    (f"{SHELLY_1}/relay/0/power", b"999.00", {(SHELLY_1, "relay/0/power"): ("power_w", 999)}),
    (f"{SHELLY_2}/events/rpc",
     {"src": "shellyplusht-1a2b3c4d5e6f", "method": "NotifyFullStatus", "params": {
         "ts": 1680962879.62, "humidity:0": {"id": 0, "rh": 42.2},
         "temperature:0": {"id": 0, "tC": 19.8, "tF": 67.6}, "wifi": {"rssi": -60}}},
     {(SHELLY_2, "humidity:0"): ("rh_pct", 42.2), (SHELLY_2, "temperature:0"): ("temp_c", 19.8)}),
    (f"{SHELLY_2}/status/switch:0", {"id": 0, "output": True, "apower": 8.9},
     {(SHELLY_2, "switch:0"): ("power_w", 8.9)}),
    (f"{SHELLY_2}/status/flood:0", {"id": 0, "alarm": True, "mute": False},
     {(SHELLY_2, "flood:0"): ("leak", 1)}),
    (f"{ESPHOME}/sensor/air_temperature/state", b"21.4", {(ESPHOME, "sensor/air_temperature"):
                                                          (None, 21.4)}),
    (f"{ESPHOME}/sensor/bridge/state", b"7.4", {(ESPHOME, "sensor/bridge"): (None, 7.4)}),
    (f"{ESPHOME}/binary_sensor/floor/state", b"ON", {(ESPHOME, "binary_sensor/floor"):
                                                     ("leak", 1)}),
])
def test_the_messages_of_the_four(topic, payload, found):
    assert values(topic, payload) == found


def test_a_temperature_in_fahrenheit_is_converted():
    found = values(TASMOTA, {"SI7021": {"Temperature": 68.0}, "TempUnit": "F"})
    assert found[PUMP, "SI7021.Temperature"] == ("temp_c", pytest.approx(20.0))


@pytest.mark.parametrize(("topic", "payload"), [
    (ZIGBEE, {"temperature": None, "humidity": None}),
    (ZIGBEE, {"temperature": "21.3", "humidity": True, "water_leak": 1}),
    (ZIGBEE, b'{"temperature": NaN, "humidity": Infinity}'),
    (ZIGBEE, b'{"temperature": 1e400}'),
    (ZIGBEE, b'{"temperature": ' + b"9" * 5_000 + b"}"),
    (ZIGBEE, b"[" * 8_000),
    (ZIGBEE, b""),
    (ZIGBEE, b"[21.3]"),
    (f"{ZIGBEE}/set", {"temperature": 21.3}),
    ("foreign/hub/zigbee2mqtt/bridge/devices", {"temperature": 21.3}),
    (TASMOTA, b'{"DHT11":{"Temperature":nan,"Humidity":nan}}'),
    (TASMOTA, {"DHT11": {"Temperature": None, "Humidity": None}, "Switch1": "OPEN"}),
    (f"{SHELLY_1}/sensor/temperature", b"999.00"),
    (f"{SHELLY_1}/sensor/temperature", b"n/a"),
    (f"{SHELLY_1}/sensor/flood", b"1"),
    (f"{SHELLY_1}/relay/0", b"on"),
    (f"{SHELLY_2}/status/temperature:0", {"id": 0, "tC": None, "tF": None}),
    (f"{SHELLY_2}/status/temperature:0", {"id": 0, "tC": 21.3, "errors": ["out_of_range"]}),
    (f"{SHELLY_2}/events/rpc", {"method": "NotifyStatus", "params": None}),
    (f"{ESPHOME}/sensor/air/state", b"nan"),
    (f"{ESPHOME}/sensor/air/state", b"None"),
    (f"{ESPHOME}/sensor/air/state", b"unavailable"),
    (f"{ESPHOME}/sensor/air/state", b"inf"),
    (f"{ESPHOME}/sensor/air/state", b"0x10"),
    (f"{ESPHOME}/sensor/air/state", "２１".encode()),
    (f"{ESPHOME}/binary_sensor/floor/state", b"unavailable"),
    (f"{ESPHOME}/light/lamp/state", {"state": "ON", "temperature": 3}),
])
def test_a_failure_is_never_a_number(topic, payload):
    assert values(topic, payload) == {}


@pytest.mark.parametrize(("topic", "payload", "device", "is_online"), [
    (f"{ZIGBEE}/availability", b"online", ZIGBEE, True),
    (f"{ZIGBEE}/availability", b'{"state":"offline"}', ZIGBEE, False),
    (f"{PUMP}/LWT", b"Offline", PUMP, False),
    (f"{SHELLY_1}/online", b"false", SHELLY_1, False),
    (f"{SHELLY_2}/online", b"true", SHELLY_2, True),
    (f"{ESPHOME}/status", b"offline", ESPHOME, False),
    ("foreign/hub/zigbee2mqtt/bridge/state", b'{"state":"offline"}',
     "foreign/hub/zigbee2mqtt/bridge", False),
    ("zigbee2mqtt/bridge/state", b"online", "zigbee2mqtt/bridge", True),
])
def test_the_availability_of_a_device(topic, payload, device, is_online):
    message = parse(topic, payload)
    assert (message.device, message.is_online, message.values) == (device, is_online, ())


@pytest.mark.parametrize(("topic", "payload"), [
    (f"{ZIGBEE}/availability", b"perhaps"), (f"{ZIGBEE}/availability", b'{"state":1}'),
    (f"{SHELLY_2}/online", b"\xff"), (f"{ESPHOME}/status", b""),
])
def test_an_unclear_availability_says_nothing(topic, payload):
    assert parse(topic, payload) is None


@pytest.mark.parametrize(("last_seen", "unix_ms"), [
    (1_764_410_400_000, 1_764_410_400_000), ("2025-11-29T10:00:00.000Z", 1_764_410_400_000),
    ("2025-11-29T11:00:00+01:00", 1_764_410_400_000), ("2025-11-29T10:00:00", None),
    ("yesterday", None), (-1, None), (10**30, None), (True, None), (1.5, None),
    ("9999-12-31T23:59:59-14:00", 253_402_351_199_000),
    ("1969-12-31T23:59:59Z", None), ("0001-01-01T00:00:00+00:00", None), (1, None),
    ("1970-01-01T00:05:00Z", None), (1_577_836_800_000, 1_577_836_800_000),
])
def test_zigbee_says_when_it_has_seen_the_device(last_seen, unix_ms):
    message = parse(ZIGBEE, json.dumps({"temperature": 21, "last_seen": last_seen}).encode())
    assert message.measured_unix_ms == unix_ms


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["temperature", "humidity", "power", "water_leak", "Temperature", "Power",
                         "ENERGY", "Switch1", "params", "temperature:0", "flood:0", "tC", "alarm",
                         "apower", "switch:0", "state", "last_seen", "errors", "TempUnit"])
        | st.text(max_size=8), inner, max_size=6), max_leaves=25)
PAYLOADS = st.binary(max_size=200) | JSON_VALUES.map(lambda one: json.dumps(one).encode()) | (
    st.floats().map(lambda one: str(one).encode())) | st.sampled_from(
        [b"unavailable", b"unknown", b"null", b"NaN", b"None", b"ON", b"true", b"online"])
LEVELS = st.sampled_from(["tele", "SENSOR", "LWT", "shellies", "sensor", "temperature", "flood",
                          "events", "rpc", "status", "temperature:0", "online", "state",
                          "binary_sensor", "availability", "bridge", "set", "shed", "relay", "0",
                          "power"]) | st.text(max_size=6)
TOPICS = st.lists(LEVELS, max_size=6).map("/".join)


@given(TOPICS, PAYLOADS)
def test_any_message_gives_values_with_a_quantity_and_a_source_or_nothing(topic, payload):
    message = parse(topic, payload)
    if message is None:
        return
    assert message.source in ("Zigbee2MQTT", "Tasmota", "Shelly", "ESPHome")
    assert message.device
    assert f"{topic}/".startswith(f"{message.device}/"), "no hub speaks for another's device"
    assert message.device.isprintable()
    assert bool(message.values) != (message.is_online is not None)
    assert len(message.values) <= MAX_VALUES
    for field, quantity, number in message.values:
        assert 0 < len(field) <= MAX_FIELD_CHARS
        assert field.isprintable()
        assert quantity is None or quantity in protocol.FOREIGN_QUANTITIES
        assert type(number) is float
        assert math.isfinite(number)
        assert quantity != "leak" or number in (0.0, 1.0)


@given(st.sampled_from([ZIGBEE, TASMOTA, f"{SHELLY_2}/events/rpc", f"{SHELLY_2}/status/flood:0"]),
       st.recursive(st.none() | st.booleans().map(str) | st.text(max_size=12), lambda inner:
                    st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
                        ["temperature", "humidity", "power", "water_leak", "ENERGY", "Power",
                         "Temperature", "params", "temperature:0", "flood:0", "tC", "alarm"]),
                        inner, max_size=6)))
def test_a_message_without_a_number_gives_none(topic, body):
    assert values(topic, body) == {}


@given(st.floats(-40, 85), st.floats(0, 100))
def test_a_number_arrives_as_it_was_sent(temp_c, rh_pct):
    message = parse(ZIGBEE, json.dumps({"temperature": temp_c, "humidity": rh_pct}).encode())
    assert message.values == (Value("temperature", "temp_c", temp_c),
                              Value("humidity", "rh_pct", rh_pct))
