"""Tests of the INA219 driver: registers and the example of the datasheet."""

from idro.drivers import ina219 as driver
from idrosim.devices.ina219 import Ina219
from support.portable_fakes import FakeClock, FakeI2c, fault_of, refusal_of, run

ADDRESS = 0x40


def bench(supply_mv=12_000.0, current_ma=350.0, shunt_mohm=100):
    clock = FakeClock()
    part = Ina219(clock, lambda: (supply_mv, current_ma), shunt_mohm)
    i2c = FakeI2c(clock, {ADDRESS: part})
    spec = {"address": ADDRESS, "shunt_mohm": shunt_mohm}
    return driver.build(spec, i2c, clock, {}), part, i2c, clock


def test_registers_match_the_datasheet():
    # Section 8.5.3: 10 A through 2 mohm are 20 mV, 2000 counts; 11.98 V are 2995 counts of 4 mV.
    _, part, i2c, clock = bench(11_980.0, 10_000.0, 2)
    assert i2c.readfrom_mem(ADDRESS, 0, 2) == b"\x39\x9f"
    i2c.writeto_mem(ADDRESS, 0, b"\x39\x9b")
    clock.advance_ms(2)
    assert i2c.readfrom_mem(ADDRESS, 1, 2) == (2_000).to_bytes(2, "big")
    assert i2c.readfrom_mem(ADDRESS, 2, 2) == (2_995 << 3 | 2).to_bytes(2, "big")


def test_reads_voltage_and_current():
    for supply_mv, current_ma in ((0, 0), (12_000, 350), (24_000, 3_199), (11_996, -120)):
        found = run(bench(float(supply_mv), float(current_ma))[0].read({}))
        assert found == {"supply_mv": supply_mv, "current_ma": current_ma}


def test_the_shunt_value_is_set_by_the_board():
    assert run(bench(12_000.0, 9_000.0, 10)[0].read({}))["current_ma"] == 9_000


def test_a_current_above_the_shunt_range_is_saturated():
    assert fault_of(bench(current_ma=3_300.0)[0].read({})) == "saturated"
    assert fault_of(bench(current_ma=-3_300.0)[0].read({})) == "saturated"


def test_waits_for_its_conversion():
    sensor, _, _, clock = bench()
    run(sensor.read({}))
    assert 3 <= clock.now_ms() < 6


def test_a_part_that_never_converts_or_loses_its_settings_is_a_fault():
    for part_class, fault in ((SlowPart, "timeout"), (BrownOutPart, "crc")):
        sensor, _, i2c, clock = bench()
        i2c.devices[ADDRESS] = part_class(clock, lambda: (12_000, 100), 100)
        assert fault_of(sensor.read({})) == fault


class SlowPart(Ina219):
    """An INA219 with slow conversions."""

    def _settle(self):
        if self._done_us is not None and self._clock.now_us < self._done_us + 50_000:
            return
        super()._settle()


class BrownOutPart(Ina219):
    """An INA219 that falls back to its reset configuration."""

    def read(self, count):
        self._settle()
        self._config = 0x399F
        return super().read(count)


def test_silence_is_a_fault_after_three_attempts():
    sensor, part, i2c, _ = bench()
    i2c.errors = [OSError(19), OSError(19)]
    assert run(sensor.read({}))["supply_mv"] == 12_000
    part.fault = "unplugged"
    before = i2c.transfers
    assert fault_of(sensor.read({})) == "no_ack"
    assert i2c.transfers == before + 3


def test_an_early_read_returns_the_previous_result():
    _, part, i2c, clock = bench()
    i2c.writeto_mem(ADDRESS, 0, b"\x39\x9b")
    assert i2c.readfrom_mem(ADDRESS, 2, 2) == b"\x00\x00"
    clock.advance_ms(2)
    assert i2c.readfrom_mem(ADDRESS, 2, 2) != b"\x00\x00"


def test_a_stuck_part_repeats_itself():
    sensor, part, _, _ = bench()
    run(sensor.read({}))
    part.fault = "stuck"
    part._supply = lambda: (5_000, 0)
    assert run(sensor.read({}))["supply_mv"] == 12_000


def test_misuse_raises_an_assertion():
    _, part, _, _ = bench()
    for data, words in ((b"\x06", "no register"), (b"\x01\x00\x00", "written"),
                        (b"\x00\x39\x9f", "mode"), (b"\x00\x38\x03", "resolution")):
        assert words in refusal_of(AssertionError, part.write, data)
    part.write(b"\x00\x39\x9b")
    assert "during a conversion" in refusal_of(AssertionError, part.write, b"\x00\x39\x9b")
