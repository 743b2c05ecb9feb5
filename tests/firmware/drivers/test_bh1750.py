"""Tests of the BH1750 driver: opcodes, measurement time and the example of the datasheet."""

from idro.drivers import bh1750 as driver
from idrosim.devices.bh1750 import Bh1750
from support.portable_fakes import FakeClock, FakeI2c, fault_of, refusal_of, run

ADDRESS = 0x23


def bench(lux=15_000.0):
    clock = FakeClock()
    part = Bh1750(clock, lambda: lux)
    i2c = FakeI2c(clock, {ADDRESS: part})
    return driver.build({"address": ADDRESS}, i2c, clock, {}), part, i2c, clock


def test_a_count_matches_the_datasheet():
    # "10000011 10010000" is 28067 lx at the default measurement time.
    _, part, _, clock = bench(28_066.7)
    part.write(b"\x01")
    part.write(b"\x20")
    clock.advance_ms(180)
    assert part.read(2) == b"\x83\x90"


def test_reads_from_dusk_to_noon():
    for lux in (0.0, 2.0, 150.0, 15_000.0, 54_612.0, 120_000.0):
        assert abs(run(bench(lux)[0].read({}))["illuminance_lx"] - lux) < 2


def test_light_above_the_range_is_saturated():
    assert fault_of(bench(125_000.0)[0].read({})) == "saturated"


def test_waits_for_its_measurement():
    sensor, part, _, clock = bench()
    run(sensor.read({}))
    assert 81 <= clock.now_ms() < 85
    part.power_cycle()
    assert abs(run(sensor.read({}))["illuminance_lx"] - 15_000) < 2


def test_an_early_read_returns_the_previous_result():
    _, part, _, clock = bench()
    part.write(b"\x01")
    part.write(b"\x20")
    clock.advance_ms(179)
    assert part.read(2) == b"\x00\x00"
    clock.advance_ms(1)
    assert part.read(2) == (18_000).to_bytes(2, "big")


def test_silence_is_a_fault_after_three_attempts():
    sensor, part, i2c, _ = bench()
    i2c.errors = [OSError(19), OSError(19)]
    assert run(sensor.read({}))["illuminance_lx"] == 15_000
    part.fault = "unplugged"
    before = i2c.transfers
    assert fault_of(sensor.read({})) == "no_ack"
    assert i2c.transfers == before + 3


def test_a_stuck_part_repeats_itself():
    sensor, part, _, _ = bench()
    run(sensor.read({}))
    part.fault = "stuck"
    part._lux = lambda: 5.0
    assert run(sensor.read({}))["illuminance_lx"] == 15_000


def test_misuse_raises_an_assertion():
    _, part, _, _ = bench()
    assert "powered down" in refusal_of(AssertionError, part.write, b"\x20")
    assert "powered down" in refusal_of(AssertionError, part.write, b"\x07")
    part.write(b"\x01")
    assert "not simulated" in refusal_of(AssertionError, part.write, b"\x10")
    part.write(b"\x20")
    assert "during another" in refusal_of(AssertionError, part.write, b"\x20")
