"""Tests of the climate loop from sensor to pins, automatic and manual."""

import pytest

from idro.app.telemetry import Telemetry
from idro.protocol import settings
from idro.protocol.reason import Reason
from support.air_rig import AirRig
from support.loops_rig import DayClock, LoopsRig, Part, Values

MINUTE_MS = 60_000


class ClimateRig(LoopsRig):
    """A node with climate control only, at noon."""

    def __init__(self, folder):
        (folder / "air").mkdir()
        self.air = AirRig(folder / "air", clock_class=DayClock)
        super().__init__(folder)

    def build(self):
        self.rig = self.air
        self.settings = Values(settings.check({"climate.vent_minutes": 0}))
        self.parts = {
            channel: Part(channel, value)
            for channel, value in (("air.temp_c", 20.0), ("air.rh_pct", 60.0))
        }
        super().build()

    def is_on(self, name):
        return self.rig.level(name) == 1

    def reason(self, loop):
        return self.reasons(loop)[-1]


@pytest.fixture
def node(tmp_path):
    node = ClimateRig(tmp_path)
    yield node
    node.close()


def test_cold_air_is_heated_once_the_heater_is_armed(node):
    node.read(temp_c=15.0)
    node.run_for(2 * MINUTE_MS)
    assert not node.is_on("heater")
    node.run_for(2 * MINUTE_MS)
    assert node.is_on("heater")
    assert node.reason("heater") == Reason("air_cold", deci_c=150, target_deci_c=180)
    node.read(temp_c=16.9)
    node.run_for(MINUTE_MS)
    node.read(temp_c=18.4)
    node.run_for(MINUTE_MS)
    assert node.is_on("heater")
    node.read(temp_c=19.0)
    node.run_for(MINUTE_MS)
    assert not node.is_on("heater")
    assert [detail["by"] for detail in node.events_of("ran")] == ["control"]


def test_a_lost_sensor_stops_heat_and_starts_blind_ventilation(node):
    node.read(temp_c=15.0)
    node.run_for(10 * MINUTE_MS)
    assert node.is_on("heater")
    node.read(temp_c="no_ack", rh_pct="no_ack")
    node.cycles(1)
    assert not node.is_on("heater")
    node.cycles(1)
    assert node.is_on("fan")
    assert node.reason("fan") == Reason("blind_vent", fault="no_ack")
    node.run_for(20 * MINUTE_MS)
    assert not node.is_on("fan")
    assert not node.is_on("humidifier")


def test_warm_air_is_cooled_and_dry_air_is_humidified(node):
    node.read(temp_c=20.0, rh_pct=40.0)
    node.run_for(5 * MINUTE_MS)
    assert (node.is_on("humidifier"), node.is_on("fan")) == (True, False)
    node.read(temp_c=21.9)
    node.cycles(6)
    node.read(temp_c=23.8)
    node.cycles(6)
    node.read(temp_c=25.0)
    node.cycles(6)
    assert (node.is_on("humidifier"), node.is_on("fan")) == (True, True)
    node.read(rh_pct=66.0)
    node.cycles(6)
    assert not node.is_on("humidifier")


def test_manual_runs_pass_the_same_gate(node):
    node.run_for(5 * MINUTE_MS)
    node.overrides.set("heater", 10 * MINUTE_MS, 100, "ann")
    assert node.loops.apply_override("heater") is None
    node.run_for(5 * MINUTE_MS)
    assert node.is_on("heater")
    node.overrides.set("fan", 2 * MINUTE_MS, 100, "ann")
    assert node.loops.apply_override("fan") is None
    assert (node.is_on("fan"), node.is_on("heater")) == (True, False)
    assert node.loops.apply_override("heater") == Reason("fan_runs")
    node.run_for(3 * MINUTE_MS)
    assert (node.is_on("fan"), node.is_on("heater")) == (False, True)
    node.read(temp_c="crc")
    node.cycles(1)
    assert not node.is_on("heater")
    assert node.loops.apply_override("heater") == Reason(
        "channel_fault", channel="air.temp_c", fault="crc")


def test_it_can_be_switched_off_manually_in_the_cold(node):
    node.read(temp_c=15.0)
    node.run_for(10 * MINUTE_MS)
    node.overrides.set("heater", 5 * MINUTE_MS, 0, "ann")
    assert node.loops.apply_override("heater") is None
    node.run_for(4 * MINUTE_MS)
    assert not node.is_on("heater")
    node.run_for(5 * MINUTE_MS)
    assert node.is_on("heater")


def test_unexpected_heating_is_reported_and_cooled(node):
    node.run_for(5 * MINUTE_MS)
    for temp_c in (20.5, 21.5, 22.5, 23.4):
        node.read(temp_c=temp_c)
        node.run_for(MINUTE_MS)
    assert node.events_of("air_warms") == [{
        "state": "began", "reason": Reason("air_warmed", rise_deci_c=34, deci_c=234).as_json()}]
    assert node.is_on("fan")
    for temp_c in (21.5, 19.6, 17.7, 16.8):
        node.read(temp_c=temp_c)
        node.run_for(4 * MINUTE_MS)
    assert node.events_of("air_warms")[1:] == [{
        "state": "ended", "reason": Reason("air_cooled", deci_c=168).as_json()}]
    assert node.is_on("heater")


def test_the_vpd_is_reported_as_a_value_or_a_fault(node):
    node.cycles(1)
    telemetry = Telemetry(node.sampler, node.outputs, node.clock)
    assert "air.vpd_pa" in telemetry.channels
    assert telemetry.record(2_000, 1, 0, None)[1]["air.vpd_pa"] == 935
    node.read(rh_pct="no_ack")
    node.cycles(1)
    _, values, faults = telemetry.record(2_000, 1, 0, None)
    assert "air.vpd_pa" not in values
    assert faults["air.vpd_pa"] == "no_ack"


def test_an_alternating_fault_is_reported_once_a_minute(node):
    for _ in range(60):
        node.read(temp_c="no_ack")
        node.cycles(1)
        node.read(temp_c="crc")
        node.cycles(1)
    blind = [reason for reason in node.reasons("fan") if reason.code == "blind_vent"]
    assert 10 <= len(blind) <= 20
