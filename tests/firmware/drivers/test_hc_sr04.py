"""Tests of the HC-SR04 driver: trigger, echo, time limits and the speed of sound."""

from idro.drivers import hc_sr04 as driver
from idrosim.devices.hc_sr04 import HcSr04
from support.portable_fakes import fault_of, refusal_of, run
from support.ultrasonic_bench import TIMES, Bench, check_times, oracle_times


def bench(level_mm=200.0, air_c=20.0, height_mm=600):
    return Bench(driver, HcSr04, level_mm, air_c, height_mm)


def test_echo_times_match_the_speed_of_sound():
    check_times(TIMES)


def test_echo_times_match_the_oracle():
    check_times(oracle_times())


def test_reads_the_level_in_any_air():
    for air_c in (5.0, 10.0, 20.0, 35.0):
        for level_mm in (0, 1, 200, 400, 559):
            assert bench(level_mm, air_c).read() == {"level_mm": level_mm}, (air_c, level_mm)


def test_uses_the_water_temperature_without_an_air_sensor():
    made = bench(air_c=30.0)
    assert run(made.sensor.read({"reservoir.temp_c": 30.0})) == {"level_mm": 200}
    assert fault_of(made.sensor.read({})) == "no_temperature"


def test_a_level_in_the_blind_zone_is_a_fault():
    for level_mm in (561, 575, 590, 600, 640):
        assert fault_of(bench(level_mm).reading()) == "out_of_range", level_mm


def test_water_below_the_floor_or_out_of_reach_is_a_fault():
    assert bench(-14).read() == {"level_mm": 0}
    assert fault_of(bench(-20).reading()) == "out_of_range"
    assert fault_of(bench(-2_500, height_mm=2_000).reading()) == "timeout"


def test_waits_until_the_previous_echo_has_faded():
    made = bench()
    made.read()
    assert made.clock.now_ms() >= 5 * 60


def test_never_blocks_longer_than_its_limits():
    made = bench()
    made.part.fault = "unplugged"
    assert fault_of(made.reading()) == "no_ack"
    assert made.clock.now_ms() <= 5 * (61 + 31)
    made = bench(-3_900, height_mm=4_000)
    assert fault_of(made.reading()) == "timeout"
    assert made.clock.now_ms() <= 5 * (61 + 61)


def test_two_lost_echoes_of_five_are_tolerated():
    made = bench()
    levels = [200, -5_000, 201, -5_000, 199]
    made.part._distance_mm = lambda: 600 - levels.pop()
    assert made.read() == {"level_mm": 200}
    levels = [200, -5_000, -5_000, -5_000, 199]
    assert fault_of(made.reading()) == "timeout"


def test_the_median_ignores_an_outlier():
    made = bench()
    levels = [200, 202, 500, 199, 201]
    made.part._distance_mm = lambda: 600 - levels.pop()
    assert made.read() == {"level_mm": 201}
    levels = [100, 150, 300, 400, 500]
    assert fault_of(made.reading()) == "noisy"


def test_a_stuck_part_repeats_itself():
    made = bench()
    made.read()
    made.part.fault = "stuck"
    made.level_mm = 300
    assert made.read() == {"level_mm": 200}


def test_misuse_raises_an_assertion():
    made = bench()
    made.part.set_level(1)
    made.clock.now_us += 9
    assert "trigger of 9 us" in refusal_of(AssertionError, made.part.set_level, 0)
    for _ in range(2):
        made.part.set_level(1)
        made.clock.now_us += 10
        if made.part._pulse is None:
            made.part.set_level(0)
    assert "triggered again" in refusal_of(AssertionError, made.part.set_level, 0)
