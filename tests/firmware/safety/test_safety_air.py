"""Tests of the interlocks of heater and humidifier, for control and for users."""

import pytest
from hypothesis import given
from hypothesis import settings as settings_of
from hypothesis import strategies as st

from idro.protocol.reason import Reason
from support.air_rig import CYCLE_MS, AirRig

LEASE_MS = 120_000
HALF_HOUR_MS = 1_800_000


@pytest.fixture
def rig(tmp_path):
    rig = AirRig(tmp_path)
    rig.cycles(13)
    return rig


@pytest.mark.parametrize("name", ["heater", "humidifier"])
def test_readings_are_monitored_before_the_first_run(tmp_path, name):
    rig = AirRig(tmp_path)
    assert rig.refusal(name) == Reason("no_reading", channel="air.temp_c")
    rig.cycles(3)
    assert rig.refusal(name) == Reason("arming", channel="air.temp_c", count=3, of=12)
    rig.cycles(9)
    assert rig.refusal(name) == Reason("arming", channel="air.temp_c", count=12, of=12)
    rig.cycles(1)
    assert rig.refusal(name) is None
    assert rig.level(name) == 1


@pytest.mark.parametrize("name", ["heater", "humidifier"])
def test_a_lease_is_at_most_two_minutes(rig, name):
    on_ms = rig.clock.now_ms()
    assert rig.refusal(name, for_ms=3_600_000) is None
    rig.clock.advance(HALF_HOUR_MS)
    assert rig.runs(name) == [(on_ms, on_ms + LEASE_MS)]


def test_a_shorter_lease_is_honoured_and_the_fan_has_its_own_limit(rig):
    on_ms = rig.clock.now_ms()
    assert rig.refusal("heater", for_ms=30_000) is None
    rig.clock.advance(60_000)
    assert rig.runs("heater") == [(on_ms, on_ms + 30_000)]
    assert rig.refusal("fan", for_ms=600_000) is None
    rig.clock.advance(700_000)
    assert rig.runs("fan")[0][1] - rig.runs("fan")[0][0] == 600_000


@pytest.mark.parametrize("name", ["heater", "humidifier"])
def test_a_lease_renewed_every_cycle_stays_on(rig, name):
    rig.cycles(60, wanted=(name,))
    assert [off - on for on, off in rig.runs(name)] == [59 * CYCLE_MS]


def fault_of(channel, fault):
    return Reason("channel_fault", channel=channel, fault=fault)


@pytest.mark.parametrize(("name", "changed", "reason"), [
    ("heater", {"temp_c": "no_ack"}, fault_of("air.temp_c", "no_ack")),
    ("heater", {"temp_c": "jump"}, fault_of("air.temp_c", "jump")),
    ("humidifier", {"temp_c": "crc"}, fault_of("air.temp_c", "crc")),
    ("humidifier", {"rh_pct": "no_ack"}, fault_of("air.rh_pct", "no_ack")),
    ("heater", {"temp_c": 35.0}, Reason("hot_lock", left_ms=HALF_HOUR_MS)),
    ("humidifier", {"rh_pct": 95.0}, Reason("air_wet", rh_pct=95, limit_pct=95)),
])
def test_it_is_off_in_the_cycle_of_the_violation(rig, name, changed, reason):
    assert rig.refusal(name) is None
    rig.cycles(1, **changed)
    assert rig.level(name) == 0
    assert rig.events_of("ran") == [
        {"actuator": name, "on_ms": CYCLE_MS, "reason": reason.as_json(), "by": "ann"}
    ]
    assert rig.refusal(name) == reason


def test_a_heater_needs_no_humidity(rig):
    rig.cycles(1, rh_pct="no_ack")
    assert rig.refusal("heater") is None
    rig.cycles(1, rh_pct=99.0)
    assert rig.level("heater") == 1


def test_an_output_without_a_request_is_not_touched(rig):
    rig.cycles(1, temp_c="no_ack")
    assert rig.events_of("ran") == []


def test_a_stale_reading_is_a_missing_reading(rig):
    rig.clock.advance(30_000)
    assert rig.refusal("heater") is None
    rig.clock.advance(1)
    assert rig.refusal("heater") == Reason("channel_stale", channel="air.temp_c")
    assert rig.level("heater") == 0


def test_arming_restarts_after_a_fault(rig):
    rig.cycles(1, temp_c="no_ack")
    rig.cycles(12, temp_c=20.0)
    assert rig.refusal("heater").code == "arming"
    rig.cycles(1)
    assert rig.refusal("heater") is None


def test_overheating_locks_the_heater_until_it_has_cooled(rig):
    rig.cycles(1, temp_c=34.99)
    assert rig.refusal("heater") is None
    rig.cycles(1, temp_c=35.0)
    locked_ms = rig.clock.now_ms()
    assert rig.refusal("heater") == Reason("hot_lock", left_ms=HALF_HOUR_MS)
    rig.cycles(1, temp_c=30.0)
    assert rig.refusal("heater") == Reason(
        "hot_lock", left_ms=HALF_HOUR_MS - CYCLE_MS)
    while rig.clock.now_ms() < locked_ms + HALF_HOUR_MS - CYCLE_MS:
        rig.cycles(1)
    assert rig.refusal("heater") == Reason("hot_lock", left_ms=10_000)
    rig.clock.advance(CYCLE_MS - 1)
    assert rig.refusal("heater") == Reason("hot_lock", left_ms=1)
    rig.clock.advance(1)
    assert rig.refusal("heater") == Reason("hot_lock_warm")
    rig.cycles(1, temp_c=30.01)
    assert rig.refusal("heater") == Reason("hot_lock_warm")
    rig.cycles(1, temp_c=30.0)
    assert rig.refusal("heater") is None
    too_hot = Reason("air_too_hot", deci_c=350, limit_deci_c=350)
    assert rig.events_of("air_too_hot") == [
        {"state": "began", "reason": too_hot.as_json()},
        {"state": "ended", "reason": Reason("air_cooled", deci_c=300).as_json()},
    ]


def test_the_half_hour_counts_from_the_last_hot_reading(rig):
    rig.cycles(100, temp_c=36.0)
    rig.cycles(179, temp_c=25.0)
    assert rig.refusal("heater").code == "hot_lock"
    rig.cycles(1)
    assert rig.refusal("heater") is None
    rig.cycles(1, temp_c=36.0)
    assert rig.states() == ["began", "ended", "began"]


def test_an_unknown_temperature_does_not_release_the_lock(rig):
    rig.cycles(1, temp_c=40.0)
    rig.cycles(400, temp_c="no_ack")
    rig.cycles(13, temp_c=34.0)
    assert rig.refusal("heater").code == "hot_lock_warm"
    assert rig.states() == ["began"]


def test_fan_and_heater_never_run_together(rig):
    assert rig.refusal("heater") is None
    rig.clock.advance(5_000)
    assert rig.refusal("fan") is None
    assert (rig.level("fan"), rig.level("heater")) == (1, 0)
    assert rig.events_of("ran") == [
        {"actuator": "heater", "on_ms": 5_000, "by": "ann",
         "reason": Reason("fan_runs").as_json()}
    ]
    assert rig.refusal("heater") == Reason("fan_runs")
    assert rig.refusal("humidifier") is None
    rig.cycles(2, wanted=("fan",))
    assert (rig.level("humidifier"), len(rig.events_of("ran"))) == (1, 1)
    rig.gate.end("fan")
    assert rig.refusal("heater") is None


def test_the_fan_needs_no_reading(tmp_path):
    rig = AirRig(tmp_path)
    assert rig.refusal("fan") is None
    assert rig.level("fan") == 1


@pytest.mark.parametrize("names", [("heater",), ("humidifier",), ("fan", "humidifier"), ("fan",)])
def test_any_set_of_air_outputs_works(tmp_path, names):
    rig = AirRig(tmp_path, names)
    rig.cycles(13)
    for name in names:
        assert rig.refusal(name) is None
    rig.cycles(1, temp_c="no_ack")
    assert [rig.level(name) for name in names] == [int(name == "fan") for name in names]


def test_a_board_without_heater_has_no_heater_lock(tmp_path):
    rig = AirRig(tmp_path, ("fan", "humidifier"))
    rig.cycles(20, temp_c=38.0)
    assert rig.events_of("air_too_hot") == []
    assert rig.refusal("humidifier") is None


def test_each_refusal_of_control_is_reported_once(rig):
    rig.cycles(5, wanted=("heater",), temp_c="no_ack")
    reason = fault_of("air.temp_c", "no_ack")
    assert rig.events_of("refused") == [
        {"actuator": "heater", "reason": reason.as_json(), "by": "control"}
    ]


def test_arming_restarts_after_a_reset(rig):
    assert rig.refusal("heater") is None
    rig.reboot()
    assert rig.level("heater") == 0
    rig.cycles(1)
    assert rig.refusal("heater").code == "arming"


STEP = st.tuples(
    st.sampled_from(["fan", "heater", "humidifier", "end"]),
    st.one_of(st.floats(-10, 60), st.sampled_from(["no_ack", "jump"])),
    st.one_of(st.floats(0, 100), st.sampled_from(["crc"])),
    st.integers(1, 20),
)


@settings_of(deadline=None, max_examples=60)
@given(steps=st.lists(STEP, max_size=25))
def test_any_requests_and_readings_keep_the_limits(tmp_path_factory, steps):
    rig = AirRig(tmp_path_factory.mktemp("air"))
    rig.cycles(13)
    for name, temp_c, rh_pct, count in steps:
        if name == "end":
            rig.gate.end("fan")
        rig.cycles(count, wanted=() if name == "end" else (name,), temp_c=temp_c, rh_pct=rh_pct)
        is_heating, is_misting = rig.level("heater"), rig.level("humidifier")
        assert not (is_heating and rig.level("fan"))
        assert not (is_heating and (isinstance(temp_c, str) or temp_c >= 35))
        assert not (is_misting and (isinstance(rh_pct, str) or rh_pct >= 95))
