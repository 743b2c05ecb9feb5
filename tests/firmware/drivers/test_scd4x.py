"""Tests of the SCD4x driver: states, periods, CRC and the examples of the datasheet."""

from idro.drivers import scd4x as driver
from idro.drivers.shared.sensirion import words_of
from idro.errors import SensorError
from idrosim.devices import scd4x as device
from support.portable_fakes import FakeClock, FakeI2c, fault_of, refusal_of, run

ADDRESS = 0x62


def bench(co2_ppm=500, temp_c=25.0, rh_pct=37.0):
    clock = FakeClock()
    part = device.Scd4x(clock, lambda: (co2_ppm, temp_c, rh_pct))
    i2c = FakeI2c(clock, {ADDRESS: part})
    return driver.build({"address": ADDRESS}, i2c, clock, {}), part, i2c, clock


def test_words_match_the_datasheet():
    # Section 3.5.2: 500 ppm, 25 C, 37 %.
    answer = bytes.fromhex("01f4336667a25eb93c")
    assert words_of("scd4x", answer) == [500, 0x6667, 0x5EB9]
    assert device.packed((500, 0x6667, 0x5EB9)) == answer
    assert "crc" in refusal_of(SensorError, words_of, "scd4x", b"\x01\xf4\x34")


def test_reads_the_air():
    sensor, _, _, clock = bench()
    assert run(sensor.read({})) == {"co2_ppm": 500, "temp_c": 25.0, "rh_pct": 37.0}
    assert 5_000 <= clock.now_ms() < 7_000


def test_reads_the_whole_range():
    for co2_ppm in (1, 400, 5_000, 40_000):
        for temp_c, rh_pct in ((-10.0, 0.0), (0.0, 50.0), (60.0, 100.0)):
            found = run(bench(co2_ppm, temp_c, rh_pct)[0].read({}))
            assert found["co2_ppm"] == co2_ppm
            assert abs(found["temp_c"] - temp_c) < 0.011
            assert abs(found["rh_pct"] - rh_pct) < 0.051


def test_a_second_read_gets_the_available_measurement():
    sensor, _, _, clock = bench()
    run(sensor.read({}))
    clock.advance_ms(10_000)
    before_ms = clock.now_ms()
    run(sensor.read({}))
    assert clock.now_ms() - before_ms < 10


def test_frequent_reads_wait_for_the_part():
    sensor, _, _, clock = bench()
    run(sensor.read({}))
    before_ms = clock.now_ms()
    run(sensor.read({}))
    assert 4_000 < clock.now_ms() - before_ms < 6_000


def test_starts_a_part_that_is_already_measuring():
    sensor, part, _, clock = bench()
    part.write(b"\x21\xb1")
    clock.advance_ms(2)
    assert run(sensor.read({}))["co2_ppm"] == 500


def test_a_part_is_restarted_after_a_supply_loss():
    sensor, part, _, clock = bench()
    run(sensor.read({}))
    part.power_cycle()
    assert fault_of(sensor.read({})) == "timeout"
    assert run(sensor.read({}))["co2_ppm"] == 500


def test_silence_and_damage_are_faults_after_three_attempts():
    sensor, part, i2c, _ = bench()
    part.damage_count = 2
    assert run(sensor.read({}))["co2_ppm"] == 500
    part.fault = "noisy"
    assert fault_of(sensor.read({})) == "crc"
    part.fault = "unplugged"
    before = i2c.transfers
    assert fault_of(sensor.read({})) == "no_ack"
    assert i2c.transfers == before + 3
    part.fault = None
    assert run(sensor.read({}))["co2_ppm"] == 500


def test_a_reading_of_0_ppm_is_a_fault():
    assert fault_of(bench(co2_ppm=0)[0].read({})) == "power_on_value"


def test_a_stuck_part_repeats_itself():
    sensor, part, _, clock = bench()
    run(sensor.read({}))
    part.fault = "stuck"
    part._air = lambda: (900, 20.0, 50.0)
    clock.advance_ms(5_000)
    assert run(sensor.read({}))["co2_ppm"] == 500


def test_an_early_read_is_not_acknowledged():
    _, part, _, clock = bench()
    part.write(b"\x21\xb1")
    clock.advance_ms(4_999)
    part.write(b"\xec\x05")
    clock.advance_ms(1)
    assert "19" in refusal_of(OSError, part.read, 9)
    part.write(b"\xe4\xb8")
    assert "19" in refusal_of(OSError, part.read, 3)
    clock.advance_ms(1)
    assert part.read(3)[:2] == b"\x80\x06"


def test_misuse_raises_an_assertion():
    for first, second, words in (
        (b"\x21\xb1", b"\x21\xb1", "started while"), (b"\x21\xb1", b"\x36\x82", "serial"),
        (b"\xe4\xb8", b"\x00\x00", "not a command"), (b"\xe4\xb8", b"\xe4", "1 bytes"),
    ):
        _, part, _, clock = bench()
        part.write(first)
        clock.advance_ms(2)
        assert words in refusal_of(AssertionError, part.write, second)
    _, part, _, clock = bench()
    part.write(b"\xe4\xb8")
    assert "before the last" in refusal_of(AssertionError, part.write, b"\xe4\xb8")
    clock.advance_ms(1)
    part.write(b"\x36\x82")
    clock.advance_ms(1)
    assert words_of("scd4x", part.read(9)) == [0x0F0E, 0x0D0C, 0x0B0A]
