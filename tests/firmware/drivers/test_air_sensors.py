"""What every sensor of air temperature and humidity on I2C does, whatever its commands are."""

from idro.drivers import aht20, sht3x, sht4x
from idrosim.devices.aht20 import Aht20
from idrosim.devices.sht3x import Sht3x
from idrosim.devices.sht4x import Sht4x
from support.portable_fakes import FakeClock, FakeI2c, fault_of, run

ADDRESS = 0x44
# (driver, part, range in ms of a reading)
SENSORS = ((aht20, Aht20, (85, 88)), (sht3x, Sht3x, (17, 20)), (sht4x, Sht4x, (10, 12)))


def bench(driver, part_class, temp_c=22.4, rh_pct=61.7):
    """Return (sensor, part, I2C, clock)."""
    clock = FakeClock()
    part = part_class(clock, lambda: (temp_c, rh_pct))
    i2c = FakeI2c(clock, {ADDRESS: part})
    clock.advance_ms(100)
    return driver.build({"address": ADDRESS}, i2c, clock, {}), part, i2c, clock


def test_reads_the_air():
    for driver, part_class, (least_ms, most_ms) in SENSORS:
        sensor, _, _, clock = bench(driver, part_class)
        run(sensor.read({}))  # the first also initialises an AHT20
        before_ms = clock.now_ms()
        assert run(sensor.read({})) == {"temp_c": 22.4, "rh_pct": 61.7}, driver.PART
        assert least_ms <= clock.now_ms() - before_ms < most_ms, driver.PART
        assert sensor.spread_uv is None


def test_reads_the_whole_range():
    for driver, part_class, _ in SENSORS:
        for temp_c in (-40.0, -0.01, 0.0, 20.0, 84.99):
            for rh_pct in (0.0, 0.1, 50.0, 99.9, 100.0):
                values = run(bench(driver, part_class, temp_c, rh_pct)[0].read({}))
                assert abs(values["temp_c"] - temp_c) < 0.011, driver.PART
                assert abs(values["rh_pct"] - rh_pct) < 0.051, driver.PART


def test_a_temperature_beyond_any_greenhouse_is_out_of_range():
    for driver, part_class, _ in SENSORS:
        for temp_c in (90.0, -41.0):
            sensor = bench(driver, part_class, temp_c)[0]
            assert fault_of(sensor.read({})) == "out_of_range", (driver.PART, temp_c)


def test_damaged_answers_are_read_again_twice():
    for driver, part_class, _ in SENSORS:
        sensor, part, _, _ = bench(driver, part_class)
        part.damage_count = 2
        assert run(sensor.read({}))["temp_c"] == 22.4, driver.PART
        part.damage_count = 3
        assert fault_of(sensor.read({})) == "crc", driver.PART


def test_an_absent_part_does_not_acknowledge():
    for driver, part_class, _ in SENSORS:
        sensor, part, i2c, _ = bench(driver, part_class)
        part.fault = "unplugged"
        assert fault_of(sensor.read({})) == "no_ack", driver.PART
        assert i2c.transfers == 3, driver.PART
