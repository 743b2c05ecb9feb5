"""Tests of the TSL2591 driver: gain, integration time and validity."""

from idro.drivers import tsl2591 as driver
from idrosim.devices.tsl2591 import Tsl2591
from support.portable_fakes import FakeClock, FakeI2c, fault_of, refusal_of, run

ADDRESS = 0x29


class Bench:
    """A driver and its part; `lux` is the light."""

    def __init__(self, lux=15_000.0):
        self.lux = lux
        self.clock = FakeClock()
        self.part = Tsl2591(self.clock, lambda: self.lux)
        self.i2c = FakeI2c(self.clock, {ADDRESS: self.part})
        self.sensor = driver.build({"address": ADDRESS}, self.i2c, self.clock, {})

    def read(self):
        return run(self.sensor.read({}))["illuminance_lx"]


def test_lux_matches_the_equation_of_the_manufacturer():
    # 408 counts * ms * gain a lux: (both - infrared)^2 / both * 408 / (100 ms * 24.5).
    assert driver.illuminance_lx(10_000, 2_000, 245) == 1_066
    assert driver.illuminance_lx(100, 100, 10) == 0
    assert driver.illuminance_lx(0, 0, 10) == 0


def test_reads_from_moonlight_to_sun():
    for lux in (0, 1, 30, 800, 15_000, 50_000):
        made = Bench(float(lux))
        assert abs(made.read() - lux) <= 1 + lux // 200, lux


def test_follows_the_light_up_and_down():
    made = Bench(50_000.0)
    for lux in (50_000, 20, 50_000, 0, 700):
        made.lux = float(lux)
        assert abs(made.read() - lux) <= 1 + lux // 100


def test_light_above_the_range_is_saturated():
    assert fault_of(Bench(150_000.0).sensor.read({})) == "saturated"


def test_waits_for_each_integration():
    made = Bench(200.0)
    made.read()
    assert made.clock.now_ms() >= 108


def test_a_part_that_never_integrates_is_a_timeout():
    made = Bench()
    made.i2c.devices[ADDRESS] = SlowPart(made.clock, lambda: 100.0)
    assert fault_of(made.sensor.read({})) == "timeout"


class SlowPart(Tsl2591):
    """A TSL2591 whose clock has stopped."""

    def write(self, data):
        super().write(data)
        self._valid_us = None


def test_another_part_at_its_address_is_a_fault():
    made = Bench()
    made.i2c.devices[ADDRESS] = OtherPart(made.clock, lambda: 100.0)
    assert fault_of(made.sensor.read({})) == "crc"


class OtherPart(Tsl2591):
    """Another part at the same address."""

    def read(self, count):
        return bytes(count)


def test_silence_is_a_fault_after_three_attempts():
    made = Bench(200.0)
    made.i2c.errors = [OSError(19), OSError(19)]
    assert abs(made.read() - 200) <= 2
    made.part.fault = "unplugged"
    before = made.i2c.transfers
    assert fault_of(made.sensor.read({})) == "no_ack"
    assert made.i2c.transfers == before + 3


def test_an_early_read_returns_the_previous_counts():
    made = Bench(200.0)
    made.read()
    before = made.i2c.readfrom_mem(ADDRESS, 0xB4, 4)
    made.lux = 400.0
    for register, value in ((0xA0, 0), (0xA0, 3)):
        made.i2c.writeto_mem(ADDRESS, register, bytes((value,)))
    made.clock.advance_ms(100)
    assert made.i2c.readfrom_mem(ADDRESS, 0xB3, 1) == b"\x00"
    assert made.i2c.readfrom_mem(ADDRESS, 0xB4, 4) == before
    made.clock.advance_ms(8)
    assert made.i2c.readfrom_mem(ADDRESS, 0xB4, 4) != before


def test_a_stuck_part_repeats_itself():
    made = Bench(2_000.0)
    first = made.read()
    made.part.fault = "stuck"
    made.lux = 1_000.0
    assert made.read() == first


def test_misuse_raises_an_assertion():
    made = Bench()
    for data, words in ((b"\x01", "not a normal command"), (b"\xb4\x00", "written"),
                        (b"\xa1\x07", "integration time 7"), (b"\xa1\x80", "control 80")):
        assert words in refusal_of(AssertionError, made.part.write, data)
    made.part.write(b"\xa0\x03")
    assert "while it integrates" in refusal_of(AssertionError, made.part.write, b"\xa1\x10")
