"""Tests of the AHT20 driver and part: commands, timing and values of the datasheet."""

from idro.drivers import aht20 as driver
from idrosim.devices import aht20 as device
from support.portable_fakes import FakeClock, FakeI2c, fault_of, refusal_of, run

ADDRESS = 0x38


def bench(temp_c=22.4, rh_pct=61.7):
    clock = FakeClock()
    part = device.Aht20(clock, lambda: (temp_c, rh_pct))
    i2c = FakeI2c(clock, {ADDRESS: part})
    clock.advance_ms(100)
    return driver.build({"part": "aht20", "address": ADDRESS}, i2c, clock, {}), part, i2c, clock


def test_bytes_match_the_datasheet():
    # Section 6: RH = S / 2^20, T = S / 2^20 * 200 - 50.
    _, part, i2c, clock = bench(25.0, 50.0)
    i2c.writeto(ADDRESS, b"\xbe\x08\x00")
    clock.advance_ms(10)
    i2c.writeto(ADDRESS, b"\xac\x33\x00")
    clock.advance_ms(80)
    assert part.read(7)[:6] == b"\x18\x80\x00\x06\x00\x00"


def test_a_part_that_lost_its_supply_is_initialised_again():
    sensor, part, _, clock = bench()
    run(sensor.read({}))
    part.power_cycle()
    assert fault_of(sensor.read({})) == "no_ack"
    clock.advance_ms(100)
    assert run(sensor.read({})) == {"temp_c": 22.4, "rh_pct": 61.7}


def test_a_part_without_calibration_is_a_fault():
    class Forgetful(device.Aht20):
        def write(self, data):
            super().write(data)
            self._calibrated = 0

    sensor, part, i2c, clock = bench()
    i2c.devices[ADDRESS] = Forgetful(clock, part._air)
    clock.advance_ms(100)
    assert fault_of(sensor.read({})) == "power_on_value"


def test_a_part_that_stays_busy_is_a_fault():
    class Slow(device.Aht20):
        def write(self, data):
            super().write(data)
            self._done_us += 6_000

    sensor, part, i2c, clock = bench()
    i2c.devices[ADDRESS] = slow = Slow(clock, part._air)
    slow._calibrated = 0x08
    clock.advance_ms(100)
    assert fault_of(sensor.read({})) == "timeout"


def test_an_early_read_says_that_the_part_is_busy():
    _, part, _, clock = bench()
    part.write(b"\xac\x33\x00")
    clock.advance_ms(79)
    assert part.read(1)[0] & 0x80
    clock.advance_ms(1)
    assert not part.read(1)[0] & 0x80


def test_misuse_raises_an_assertion():
    _, part, _, clock = bench()
    assert "not a command" in refusal_of(AssertionError, part.write, b"\xac\x33\x01")
    assert "read of 8 bytes" in refusal_of(AssertionError, part.read, 8)
    part.write(b"\xac\x33\x00")
    assert "while it is busy" in refusal_of(AssertionError, part.write, b"\xac\x33\x00")
    part.power_cycle()
    clock.advance_ms(99)
    assert "19" in refusal_of(OSError, part.read, 1)
