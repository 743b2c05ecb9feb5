"""Tests of the BME280 driver and part: registers, timing and formulas of the datasheet."""

from idro.drivers import bme280 as driver
from idrosim.devices import bme280 as device
from support.portable_fakes import FakeClock, FakeI2c, fault_of, refusal_of, run

ADDRESS = 0x76
# Trimming words at the ends of what parts have, with either sign where they have one.
TRIMS = (
    device.TRIM,
    (28_417, 26_721, 50, 75, 360, 0, 325, 50, 30),
    (27_104, 25_600, -7_000, 0, 330, 0, 400, -40, 20),
    (28_900, 27_000, 3_000, 75, 400, 5, 280, 300, -30),
)


def bench(temp_c=22.4, rh_pct=61.7, **more):
    clock = FakeClock()
    part = device.Bme280(clock, lambda: (temp_c, rh_pct), **more)
    i2c = FakeI2c(clock, {ADDRESS: part})
    clock.advance_ms(3)
    return driver.build({"part": "bme280", "address": ADDRESS}, i2c, clock, {}), part, i2c, clock


def near(values, temp_c, rh_pct):
    return abs(values["temp_c"] - temp_c) < 0.016 and abs(values["rh_pct"] - rh_pct) < 0.11


def test_the_temperature_is_that_of_the_example():
    # BMP280 datasheet 3.12: 519888 gives a t_fine of 128422, 25.08 C.
    fine = driver.fine_temperature(519_888, device.TRIM)
    assert (fine, (fine * 5 + 128) >> 8) == (128_422, 2_508)
    assert abs(device.raw_temperature(128_422, device.TRIM) - 519_888) <= 4


def test_reads_the_air():
    sensor, _, _, clock = bench()
    assert near(run(sensor.read({})), 22.4, 61.7)
    before_ms = clock.now_ms()
    assert near(run(sensor.read({})), 22.4, 61.7)
    assert 8 <= clock.now_ms() - before_ms < 12
    assert sensor.spread_uv is None


def test_reads_the_whole_range_with_any_trimming_words():
    for trim in TRIMS:
        for temp_c in (-39.9, -0.01, 0.0, 20.0, 84.9):
            for rh_pct in (0.0, 0.2, 30.0, 70.0, 99.9, 100.0):
                values = run(bench(temp_c, rh_pct, trim=trim)[0].read({}))
                assert near(values, temp_c, rh_pct), (trim, temp_c, rh_pct, values)


def test_a_temperature_beyond_the_part_is_out_of_range():
    assert fault_of(bench(temp_c=86.0)[0].read({})) == "out_of_range"
    assert fault_of(bench(temp_c=-41.0)[0].read({})) == "out_of_range"


def test_a_pressure_sensor_without_humidity_is_refused():
    assert fault_of(bench(identity=0x58)[0].read({})) == "mismatch"


def test_reads_on_after_the_supply_was_lost():
    sensor, part, _, clock = bench()
    run(sensor.read({}))
    part.power_cycle()
    assert fault_of(sensor.read({})) == "no_ack"
    clock.advance_ms(3)
    assert near(run(sensor.read({})), 22.4, 61.7)


def test_the_trimming_words_are_those_of_the_part_that_answers():
    sensor, part, i2c, clock = bench()
    run(sensor.read({}))
    part.fault = "unplugged"
    assert fault_of(sensor.read({})) == "no_ack"
    i2c.devices[ADDRESS] = device.Bme280(clock, part._air, trim=TRIMS[3])
    clock.advance_ms(3)
    assert near(run(sensor.read({})), 22.4, 61.7)


def test_a_read_that_differs_the_second_time_is_repeated():
    sensor, part, _, _ = bench()
    part.damage_count = 1
    assert near(run(sensor.read({})), 22.4, 61.7)
    part.damage_count = 1
    assert near(run(sensor.read({})), 22.4, 61.7)


def test_an_absent_part_does_not_acknowledge():
    sensor, part, i2c, _ = bench()
    part.fault = "unplugged"
    assert fault_of(sensor.read({})) == "no_ack"
    assert i2c.transfers == 3


def test_a_part_that_never_measures_is_a_fault():
    class Asleep(device.Bme280):
        def _measure(self):
            pass

    class NoTemperature(device.Bme280):
        def _measure(self):
            super()._measure()
            self._next = 0x80000, self._next[1]

    class NoHumidity(device.Bme280):
        def _measure(self):
            super()._measure()
            self._next = self._next[0], 0x8000

    class Slow(device.Bme280):
        def _measure(self):
            super()._measure()
            self._done_us += 3_000

    for part_class, fault in ((Asleep, "power_on_value"), (NoTemperature, "power_on_value"),
                              (NoHumidity, "power_on_value"), (Slow, "timeout")):
        sensor, part, i2c, clock = bench()
        i2c.devices[ADDRESS] = part_class(clock, part._air)
        clock.advance_ms(3)
        assert fault_of(sensor.read({})) == fault


def test_what_another_program_set_is_reset():
    sensor, part, _, _ = bench()
    part.config = 0x10
    assert near(run(sensor.read({})), 22.4, 61.7)


def test_humidity_counts_from_the_next_write_of_the_mode():
    _, _, i2c, clock = bench()
    for register, has_rh in ((0xF4, False), (0xF2, False), (0xF4, True)):
        i2c.writeto_mem(ADDRESS, register, b"\x21")
        clock.advance_ms(7)
        assert (i2c.readfrom_mem(ADDRESS, 0xFD, 2) != b"\x80\x00") == has_rh


def test_an_early_read_gets_the_last_measurement():
    _, part, i2c, clock = bench()
    i2c.writeto_mem(ADDRESS, 0xF4, b"\x21")
    assert i2c.readfrom_mem(ADDRESS, 0xF3, 1)[0] & 0x08
    assert i2c.readfrom_mem(ADDRESS, 0xFA, 3) == b"\x80\x00\x00"
    clock.advance_ms(4)
    assert not i2c.readfrom_mem(ADDRESS, 0xF3, 1)[0] & 0x08
    assert i2c.readfrom_mem(ADDRESS, 0xFA, 3) != b"\x80\x00\x00"


def test_the_trimming_words_are_zero_until_they_are_copied():
    _, part, _, clock = bench()
    part.write(b"\xe0\xb6")
    for wait_ms, status, word in ((2, 0x01, 0), (1, 0x00, 27_504)):
        clock.advance_ms(wait_ms)
        part.write(b"\xf3")
        assert part.read(1)[0] == status
        part.write(b"\x88")
        assert part.read(2) == word.to_bytes(2, "little")


def test_misuse_raises_an_assertion():
    _, part, _, clock = bench()
    for data, words in ((b"\xe0\xb7", "reset by"), (b"\xf4\x23", "mode 3"),
                        (b"\xf4\x41", "oversampling"), (b"\xf5\x00", "register f5 written"),
                        (b"\xf2\x01\x01", "write of 3 bytes")):
        assert words in refusal_of(AssertionError, part.write, data)
    part.write(b"\xa0")
    assert "3 bytes at register a0" in refusal_of(AssertionError, part.read, 3)
    part.write(b"\xb0")
    assert "register b0 read" in refusal_of(AssertionError, part.read, 1)
    part.write(b"\xf4\x21")
    assert "while it measures" in refusal_of(AssertionError, part.write, b"\xf2\x01")
    part.write(b"\xe0\xb6")
    assert "19" in refusal_of(OSError, part.read, 1)
    clock.advance_ms(2)
    assert "copies" in refusal_of(AssertionError, part.write, b"\xf2\x01")
