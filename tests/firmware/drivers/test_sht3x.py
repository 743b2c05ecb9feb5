"""Tests of the SHT3x driver and part: commands, timing and values of the datasheet."""

from idro.drivers import sht3x as driver
from idrosim.devices import sht3x as device
from support.portable_fakes import FakeClock, FakeI2c, fault_of, refusal_of, run

ADDRESS = 0x44


def bench(temp_c=22.4, rh_pct=61.7):
    clock = FakeClock()
    part = device.Sht3x(clock, lambda: (temp_c, rh_pct))
    i2c = FakeI2c(clock, {ADDRESS: part})
    return driver.build({"part": "sht3x", "address": ADDRESS}, i2c, clock, {}), part, i2c, clock


def test_words_match_the_datasheet():
    # Section 4.13: T = -45 + 175 * S / 65535, RH = 100 * S / 65535.
    _, part, _, clock = bench(25.0, 50.0)
    part.write(b"\x24\x00")
    clock.advance_ms(16)
    answer = part.read(6)
    assert answer[:2] + answer[3:5] == b"\x66\x66\x80\x00"


def test_reads_the_air():
    sensor, _, _, clock = bench()
    assert run(sensor.read({})) == {"temp_c": 22.4, "rh_pct": 61.7}
    assert 17 <= clock.now_ms() < 20
    assert sensor.spread_uv is None


def test_reads_the_whole_range():
    for temp_c in (-40.0, -0.01, 0.0, 20.0, 84.99):
        for rh_pct in (0.0, 0.1, 50.0, 99.9, 100.0):
            values = run(bench(temp_c, rh_pct)[0].read({}))
            assert abs(values["temp_c"] - temp_c) < 0.011
            assert abs(values["rh_pct"] - rh_pct) < 0.051


def test_a_temperature_above_any_greenhouse_is_out_of_range():
    assert fault_of(bench(temp_c=90.0)[0].read({})) == "out_of_range"
    assert fault_of(bench(temp_c=-41.0)[0].read({})) == "out_of_range"


def test_damaged_answers_are_read_again_twice():
    sensor, part, _, _ = bench()
    part.damage_count = 2
    assert run(sensor.read({}))["temp_c"] == 22.4
    part.damage_count = 3
    assert fault_of(sensor.read({})) == "crc"


def test_an_absent_part_does_not_acknowledge():
    sensor, part, i2c, _ = bench()
    part.fault = "unplugged"
    assert fault_of(sensor.read({})) == "no_ack"
    assert i2c.transfers == 3


def test_an_early_read_is_not_acknowledged():
    _, part, _, clock = bench()
    part.write(b"\x24\x00")
    clock.advance_ms(15)
    assert "19" in refusal_of(OSError, part.read, 6)
    clock.advance_ms(1)
    assert len(part.read(6)) == 6
    assert "19" in refusal_of(OSError, part.read, 6)


def test_misuse_raises_an_assertion():
    _, part, _, _ = bench()
    assert "heater" in refusal_of(AssertionError, part.write, b"\x30\x6d")
    assert "holds the bus" in refusal_of(AssertionError, part.write, b"\x2c\x06")
    assert "not a command" in refusal_of(AssertionError, part.write, b"\x00\x00")
    assert "command of 1 bytes" in refusal_of(AssertionError, part.write, b"\x24")
    part.write(b"\x24\x00")
    assert "while it measures" in refusal_of(AssertionError, part.write, b"\x24\x00")


def test_the_status_can_be_read():
    _, part, _, clock = bench()
    part.write(b"\x30\xa2")
    clock.advance_ms(2)
    part.write(b"\xf3\x2d")
    clock.advance_ms(2)
    assert part.read(3)[:2] == b"\x80\x10"
