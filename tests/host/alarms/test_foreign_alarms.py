"""The alarms of foreign readings: a leak, one that is too old, one that is implausible."""

import pytest

from idroserra.core.reasons import Reason
from idroserra.foreign.adopted import Adopted
from idroserra.foreign.readings import Readings
from idroserra.i18n.reasons import english
from support.alarm_rig import MINUTE_MS, AlarmRig

HOUR_MS = 3_600_000
FLOOR = Adopted(name="floor", place="Shed", device="d", field="water_leak", quantity="leak", low=0,
                high=1, too_old_s=7_200)
AIR = Adopted(name="air", device="d", field="temperature", quantity="temp_c", low=0, high=40,
              too_old_s=7_200)


class Rig(AlarmRig):
    """Alarms with two foreign readings."""

    def __init__(self, folder):
        super().__init__(folder)
        self.readings = Readings(lambda: self.now_unix_ms, lambda: self.now_unix_ms / 1_000)
        for adopted in (FLOOR, AIR):
            self.readings.begin(adopted.name)

    def snapshot(self):
        self.host["foreign"] = tuple(self.readings.of(one) for one in (FLOOR, AIR))
        return super().snapshot()

    def reasons(self):
        return {one.key: english(one.reason) for one in self.alarms.all()
                if one.state != "normal"}


@pytest.fixture
def rig(tmp_path):
    made = Rig(tmp_path)
    yield made
    made.close()


def test_a_leak_is_a_high_alarm_until_the_sensor_is_dry(rig):
    rig.readings.take(FLOOR, 0, 0)
    rig.readings.take(AIR, 20, 0)
    rig.step()
    assert rig.states() == {}
    rig.readings.take(FLOOR, 1, 0)
    rig.step()
    assert rig.states() == {"foreign_leak/floor": "unacknowledged"}
    assert rig.reasons() == {"foreign_leak/floor": "floor (Shed) reports water"}
    [alarm] = rig.alarms.all()
    assert (alarm.rule.priority, alarm.node) == ("high", ""), "of the host, not of a node"
    rig.readings.take(FLOOR, 0, 0)
    rig.step(62_000)
    assert rig.states() == {"foreign_leak/floor": "returned"}


def test_a_leak_is_an_alarm_whatever_else_is_wrong_with_its_reading(rig):
    rig.readings.take(AIR, 20, 0)
    rig.readings.take(FLOOR, 1, 2 * 24 * HOUR_MS)  # the clock of its hub is behind
    rig.readings.set_online("d", is_online=False)
    rig.step()
    assert "foreign_leak/floor" in rig.states()
    rig.readings.take(FLOOR, 0, 0)
    rig.step(62_000)
    assert rig.states()["foreign_leak/floor"] == "returned"


def test_a_leak_that_the_broker_had_kept_is_an_alarm_until_the_sensor_is_dry(rig):
    rig.readings.take(AIR, 20, 0)
    rig.readings.take_kept_leak(FLOOR)
    rig.step()
    assert rig.states() == {"foreign_leak/floor": "unacknowledged"}
    assert rig.readings.of(FLOOR).state == "waiting", "its age is unknown"
    rig.readings.take(FLOOR, 0, 0)
    rig.step(62_000)
    assert rig.states() == {"foreign_leak/floor": "returned"}


def test_a_leak_sensor_that_falls_silent_keeps_its_alarm(rig):
    rig.readings.take(AIR, 20, 0)
    rig.readings.take(FLOOR, 1, 0)
    rig.step()
    rig.step(3 * HOUR_MS, 60_000)
    assert rig.states()["foreign_leak/floor"] == "unacknowledged"
    assert rig.states()["foreign_old/floor"] == "unacknowledged"


def test_a_reading_that_is_too_old_says_since_when(rig):
    rig.readings.take(FLOOR, 0, 0)
    rig.step(2 * HOUR_MS, 60_000)
    assert rig.states() == {}, "none came for air, but the host has just started"
    rig.step(60_000)
    assert rig.states() == {}, "for two minutes it may come late"
    rig.step(2 * MINUTE_MS)
    assert rig.reasons() == {
        "foreign_old/floor": "floor (Shed): the newest value is 2 h 3 min old",
        "foreign_old/air": "air: no value for 2 h 3 min, since the host started"}
    rig.readings.take(FLOOR, 0, 0)
    rig.readings.take(AIR, 20, 0)
    rig.step(12_000)
    assert set(rig.states().values()) == {"returned"}


def test_an_offline_device_is_an_alarm_when_it_has_no_value(rig):
    rig.readings.take(FLOOR, 0, 0)
    rig.readings.set_online("d", is_online=False)
    rig.step(3 * MINUTE_MS)
    assert list(rig.states()) == ["foreign_old/air"], "a value younger than its limit is shown"
    assert rig.reasons()["foreign_old/air"] == "air: its device is offline, as its hub says"


def test_an_availability_that_flaps_is_no_alarm(rig):
    rig.readings.take(FLOOR, 0, 0)
    for _ in range(10):
        rig.readings.set_online("d", is_online=False)
        assert rig.step(90_000, 1_000) == []
        rig.readings.set_online("d", is_online=True)
        assert rig.step(30_000, 1_000) == []
    rig.readings.set_online("d", is_online=False)
    rig.step(125_000)
    assert rig.states() == {"foreign_old/air": "unacknowledged"}


def test_an_implausible_value_is_an_alarm_after_a_minute(rig):
    rig.readings.take(FLOOR, 0, 0)
    rig.readings.take(AIR, 85, 0)
    rig.step(30_000)
    assert rig.states() == {}
    rig.step(40_000)
    [alarm] = [one for one in rig.alarms.all() if one.state != "normal"]
    assert alarm.reason == Reason("foreign_implausible", sensor="air", channel="foreign.temp_c",
                                  scaled=8_500)
    assert english(alarm.reason) == (
        "air: temperature is 85.0 °C, outside its plausible range")
    rig.readings.take(AIR, 20, 0)
    rig.step(70_000)
    assert rig.states() == {}


def test_a_broker_that_is_down_explains_old_readings(rig):
    rig.readings.take(FLOOR, 0, 0)
    rig.readings.take(AIR, 20, 0)
    rig.host["broker"] = "connecting"
    rig.step(3 * HOUR_MS, 60_000)
    assert rig.active() == [("broker_down", ["foreign_old/air", "foreign_old/floor"])]


def test_a_subscription_that_receives_nothing_is_one_alarm_that_explains_old_readings(rig):
    rig.readings.take(FLOOR, 0, 0)
    rig.readings.take(AIR, 20, 0)
    rig.host["foreign_problem"] = "refused by the broker: foreign/#"
    rig.step()
    assert rig.reasons() == {
        "foreign_down": "no foreign reading is received: refused by the broker: foreign/#"}
    [alarm] = rig.alarms.all()
    assert (alarm.rule.priority, alarm.node) == ("medium", "")
    rig.step(3 * HOUR_MS, 60_000)
    assert rig.active() == [("foreign_down", ["foreign_old/air", "foreign_old/floor"])]
    rig.host["foreign_problem"] = "paused"
    rig.step()
    assert rig.reasons()["foreign_down"] == (
        "too many foreign messages: none is received for a minute")
    rig.host["foreign_problem"] = ""
    rig.step(62_000)
    assert rig.states()["foreign_down"] == "returned"
