"""Tests of one sampling cycle: a value or fault per channel, context, and fault events."""

import asyncio

import pytest

from idro.app.sampling import Sampler
from idro.app.telemetry import Telemetry
from idro.errors import SensorError

EVERY_MS = 10_000


class Clock:
    def __init__(self):
        self.at_ms = 0

    def now_ms(self):
        return self.at_ms


class Part:
    """A part that reads what the test puts into it: numbers by quantity, or a fault code."""

    def __init__(self, **numbers):
        self.numbers = numbers
        self.fault = None
        self.spread_uv = 1_000
        self.context = None

    async def read(self, context):
        self.context = dict(context)
        if self.fault:
            raise SensorError("part", self.fault)
        return dict(self.numbers)


class World:
    def __init__(self):
        self.clock = Clock()
        self.events = []
        self.temp = Part(temp_c=20.0)
        self.ph = Part(ph=6.0)
        self.level = Part(level_mm=200)
        self.air = Part(temp_c=22.0, rh_pct=60.0)
        sensors = [
            ({"source": "reservoir", "measures": ["temp_c"]}, self.temp),
            ({"source": "reservoir", "measures": ["ph"]}, self.ph),
            ({"source": "reservoir", "measures": ["level_mm"]}, self.level),
            ({"source": "air", "measures": ["temp_c", "rh_pct"]}, self.air),
        ]
        self.sampler = Sampler(
            sensors, self.clock, lambda kind, detail: self.events.append((kind, detail))
        )

    def cycle(self, count=1):
        for _ in range(count):
            asyncio.run(self.sampler.cycle(False))
            self.clock.at_ms += EVERY_MS

    def fault(self, channel):
        return self.sampler.readings[channel].fault


@pytest.fixture
def world():
    return World()


def test_a_stuck_probe_in_water_that_cools_is_flat_within_ten_minutes(world):
    world.ph.spread_uv, world.ph.signal_uv = 0, 1_760_000
    for _ in range(62):  # 1 C in ten minutes moves its pH by 0.005
        world.cycle()
        world.ph.numbers["ph"] -= 0.00008
    assert world.fault("reservoir.ph") == "flat"


def test_every_channel_has_either_a_value_or_a_fault(world):
    world.air.fault = "no_ack"
    world.cycle()
    for sample in world.sampler.readings.values():
        assert (sample.value is None) != (sample.fault is None)
    assert world.fault("air.temp_c") == world.fault("air.rh_pct") == "no_ack"
    assert world.sampler.readings["reservoir.ph"].value == 6.0


def test_later_parts_get_earlier_readings_of_the_cycle(world):
    world.cycle()
    assert world.ph.context == {"reservoir.temp_c": 20.0}
    world.temp.fault = "crc"
    world.cycle()
    assert world.ph.context == {}


def test_a_fault_is_reported_once_at_start_and_end(world):
    world.cycle()
    world.ph.fault = "no_ack"
    world.cycle(50)
    world.ph.fault = None
    world.cycle(10)
    assert world.events == [
        ("fault_began", {"channel": "reservoir.ph", "fault": "no_ack"}),
        ("fault_ended", {"channel": "reservoir.ph", "fault": "no_ack", "lasted_ms": 500_000}),
    ]


def test_a_flapping_sensor_is_one_outage(world):
    for _ in range(50):
        world.ph.fault = "crc"
        world.cycle()
        world.ph.fault = None
        world.cycle()
    assert [kind for kind, _ in world.events] == ["fault_began"]


def test_single_jumps_are_recorded_as_faults_without_events(world):
    for _ in range(20):
        world.ph.numbers["ph"] = 6.0
        world.cycle(4)
        world.ph.numbers["ph"] = 9.0
        world.cycle()
        assert world.fault("reservoir.ph") == "jump"
    assert world.events == []


def test_control_gets_the_median_or_the_fault(world):
    for ph in (6.0, 6.1, 6.05, 6.02, 6.03):
        world.ph.numbers["ph"] = ph
        world.cycle()
    assert world.sampler.reading("reservoir.ph", 60_000) == (6.03, None)
    world.ph.numbers["ph"] = 9.0
    world.cycle()
    assert world.sampler.reading("reservoir.ph", 60_000).value == 6.03
    world.ph.fault = "saturated"
    world.cycle()
    assert world.sampler.reading("reservoir.ph", 60_000) == (None, "saturated")
    assert world.sampler.reading("reservoir.ec_us_cm", 60_000) == (None, "stale")


def test_a_reading_that_is_not_updated_becomes_stale(world):
    world.cycle()
    world.clock.at_ms += 60_000
    assert world.sampler.reading("reservoir.ph", 60_000) == (None, "stale")


def test_a_record_carries_values_faults_and_the_volume(world):
    telemetry = Telemetry(world.sampler, {}, world.clock)
    world.ph.fault = "flat"
    world.cycle()
    _, values, faults = telemetry.record(3_000, 90_000, 7, None)
    assert values["reservoir.volume_ml"] == 60_000
    assert faults == {"reservoir.ph": "flat"}
    assert values["node.outbox_count"] == 7
    assert "node.rssi_dbm" not in values
    assert set(values) | set(faults) <= set(telemetry.channels)
    world.level.fault = "saturated"
    world.cycle()
    _, values, faults = telemetry.record(3_000, 90_000, 7, -200)
    assert "reservoir.volume_ml" not in values
    assert faults["reservoir.volume_ml"] == "saturated"
    assert values["node.rssi_dbm"] == -120
