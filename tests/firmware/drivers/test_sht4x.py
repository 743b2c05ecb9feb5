"""Tests of the SHT4x driver and part: commands, timing and values of the datasheet."""

from idro.drivers import sht4x as driver
from idro.drivers.shared import sensirion
from idrosim.devices import sht4x as device
from idrosim.devices.shared.sensirion import crc8
from support.portable_fakes import FakeClock, FakeI2c, refusal_of, run, single

ADDRESS = 0x44


def bench(temp_c=22.4, rh_pct=61.7):
    clock = FakeClock()
    part = device.Sht4x(clock, lambda: (temp_c, rh_pct))
    i2c = FakeI2c(clock, {ADDRESS: part})
    spec = {"part": "sht4x", "address": ADDRESS}
    return driver.build(spec, i2c, clock, {}), part, i2c, clock


def test_crc_matches_the_datasheet():
    assert sensirion.crc8(b"\xbe\xef") == 0x92
    assert crc8(b"\xbe\xef") == 0x92
    for word in range(0, 65536, 251):
        content = bytes((word >> 8, word & 0xFF))
        assert sensirion.crc8(content) == crc8(content)


def test_humidity_is_clamped_to_0_to_100():
    assert run(bench(rh_pct=103.0)[0].read({}))["rh_pct"] == 100
    assert run(bench(rh_pct=-3.0)[0].read({}))["rh_pct"] == 0


def test_a_reading_is_exact_in_single_precision():
    for centi_c in range(-4000, 8500):
        assert int(round(single(single(centi_c / 100) * 100))) == centi_c


def test_a_stuck_part_repeats_itself():
    sensor, part, _, _ = bench()
    run(sensor.read({}))
    part.fault = "stuck"
    part._air = lambda: (30.0, 10.0)
    assert run(sensor.read({}))["temp_c"] == 22.4


def test_an_early_read_is_not_acknowledged():
    _, part, _, clock = bench()
    part.write(b"\xfd")
    clock.advance_ms(8)
    assert "19" in refusal_of(OSError, part.read, 6)
    clock.advance_ms(1)
    assert len(part.read(6)) == 6
    assert "19" in refusal_of(OSError, part.read, 6)


def test_misuse_raises_an_assertion():
    _, part, _, _ = bench()
    assert "heater" in refusal_of(AssertionError, part.write, b"\x39")
    assert "not a command" in refusal_of(AssertionError, part.write, b"\x00")
    part.write(b"\xfd")
    assert "while it measures" in refusal_of(AssertionError, part.write, b"\xfd")


def test_the_serial_number_can_be_read():
    _, part, _, clock = bench()
    part.write(b"\x89")
    clock.advance_ms(1)
    answer = part.read(6)
    assert answer[:2] + answer[3:5] == b"\x0f\x0e\x0d\x0c"
    assert sensirion.crc8(answer[:2]) == answer[2]
