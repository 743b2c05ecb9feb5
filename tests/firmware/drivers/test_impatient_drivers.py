"""Tests that drivers with a shortened wait are detected.

Each part is read twice with different surroundings. The original driver must read both correctly
and never read early; the same check must fail for every copy with a shortened wait.
"""

from test_jsn_sr04t import UartBench

from idro.drivers import (
    aht20,
    bh1750,
    bme280,
    dht22,
    ds18b20,
    ezo_do,
    ezo_ec,
    ezo_ph,
    ezo_rtd,
    ina219,
    jsn_sr04t,
    scd4x,
    sht3x,
    sht4x,
    tsl2591,
    vl53l0x,
)
from idro.errors import SensorError
from idrosim.devices import aht20 as aht20_part
from idrosim.devices import bh1750 as bh1750_part
from idrosim.devices import bme280 as bme280_part
from idrosim.devices import dht22 as dht22_part
from idrosim.devices import ds18b20 as ds18b20_part
from idrosim.devices import ezo_do as ezo_do_part
from idrosim.devices import ezo_ec as ezo_ec_part
from idrosim.devices import ezo_ph as ezo_ph_part
from idrosim.devices import ezo_rtd as ezo_rtd_part
from idrosim.devices import ina219 as ina219_part
from idrosim.devices import scd4x as scd4x_part
from idrosim.devices import sht3x as sht3x_part
from idrosim.devices import sht4x as sht4x_part
from idrosim.devices import tsl2591 as tsl2591_part
from idrosim.devices import vl53l0x as vl53l0x_part
from idrosim.devices.shared.onewire_bus import OneWireBus
from support.ezo_bench import Bench
from support.portable_fakes import FakeClock, FakeGpio, FakeI2c, FakeOneWire, run

ADDRESS = 0x20
AIR = (((22.4, 61.7), {"temp_c": 22.4, "rh_pct": 61.7}),
       ((30.0, 40.0), {"temp_c": 30.0, "rh_pct": 40.0}))
ROM = bytes.fromhex("280A1B2C3D4E5FAC")
MV_PER_PH = 59.159


class Rig:
    """A driver, its part and surroundings; `pairs` are (surroundings, reading)."""

    def __init__(self, pairs):
        self.around = None
        self.pairs = pairs
        self.clock = FakeClock()
        self.part = self.sensor = None

    def on_i2c(self, driver, part_class, *more, **spec):
        self.part = part_class(self.clock, lambda: self.around, *more)
        spec["address"] = ADDRESS
        bus = FakeI2c(self.clock, {ADDRESS: self.part})
        self.sensor = driver.build(spec, bus, self.clock, {})
        return self

    def surround(self, around):
        self.around = around

    def reading(self):
        return run(self.sensor.read({}))


class EzoRig:
    """A Rig of an EZO circuit on I2C or UART."""

    def __init__(self, driver, part_class, line, pairs):
        self._bench = Bench(driver, part_class, pairs[0][0], line)
        self.pairs = pairs
        self.clock, self.part = self._bench.clock, self._bench.part

    def surround(self, around):
        self._bench.signal = around

    def reading(self):
        return self._bench.read()


class JsnRig:
    """A Rig of an ultrasonic sensor on a UART."""

    pairs = ((150.0, {"level_mm": 150}), (200.0, {"level_mm": 200}))

    def __init__(self, driver):
        self._bench = UartBench()
        spec = {"source": "reservoir", "part": "jsn_sr04t", "height_mm": 600, "bus": "uart.level"}
        self._bench.sensor = driver.build(spec, self._bench.bus, self._bench.clock, {})
        self.clock, self.part = self._bench.clock, self._bench.part

    def surround(self, around):
        self._bench.level_mm = around

    def reading(self):
        return self._bench.read()


def on_onewire(driver):
    rig = Rig(((20.0, {"temp_c": 20.0}), (25.5, {"temp_c": 25.5})))
    rig.part = ds18b20_part.Ds18b20(rig.clock, ROM, lambda: rig.around)
    rig.sensor = driver.build({"part": "ds18b20"}, FakeOneWire(OneWireBus([rig.part])), rig.clock,
                              {})
    return rig


def air_rig(part_class):
    """Return the builder of the Rig of an air sensor on I2C, which has had its supply for 1 s."""
    def build(driver):
        rig = Rig(AIR).on_i2c(driver, part_class)
        rig.clock.advance_ms(1_000)
        return rig

    return build


class DhtRig(Rig):
    """A Rig of a DHT22: a reading is the measurement before it, so each is taken twice."""

    def __init__(self, driver):
        super().__init__(AIR)
        self.part = dht22_part.Dht22(self.clock, lambda: self.around)
        gpio = FakeGpio(self.clock, {4: self.part})
        self.sensor = driver.build({"pin": 4}, gpio, self.clock, {})

    def reading(self):
        super().reading()
        return super().reading()


def scd4x_rig(driver):
    pairs = (((500, 25.0, 37.0), {"co2_ppm": 500, "temp_c": 25.0, "rh_pct": 37.0}),
             ((900, 20.0, 50.0), {"co2_ppm": 900, "temp_c": 20.0, "rh_pct": 50.0}))
    return Rig(pairs).on_i2c(driver, scd4x_part.Scd4x)


def bh1750_rig(driver):
    pairs = ((15_000.0, {"illuminance_lx": 15_000}), (800.0, {"illuminance_lx": 799}))
    return Rig(pairs).on_i2c(driver, bh1750_part.Bh1750)


def tsl2591_rig(driver):
    pairs = ((800.0, {"illuminance_lx": 800}), (1_200.0, {"illuminance_lx": 1_200}))
    return Rig(pairs).on_i2c(driver, tsl2591_part.Tsl2591)


def ina219_rig(driver):
    pairs = (((12_000.0, 350.0), {"supply_mv": 12_000, "current_ma": 350}),
             ((11_000.0, 100.0), {"supply_mv": 11_000, "current_ma": 100}))
    return Rig(pairs).on_i2c(driver, ina219_part.Ina219, 100, shunt_mohm=100)


def ezo_ph_rig(line):
    pairs = ((1.2 * MV_PER_PH, {"ph": 5.8}), (0.5 * MV_PER_PH, {"ph": 6.5}))
    return lambda driver: EzoRig(driver, ezo_ph_part.EzoPh, line, pairs)


def ezo_ec_rig(line):
    pairs = ((1_413.0, {"ec_us_cm": 1413}), (2_000.0, {"ec_us_cm": 2000}))
    return lambda driver: EzoRig(driver, ezo_ec_part.EzoEc, line, pairs)


def vl53l0x_rig(driver):
    pairs = ((400.0, {"level_mm": 200}), (300.0, {"level_mm": 300}))
    return Rig(pairs).on_i2c(driver, vl53l0x_part.Vl53l0x, source="reservoir", height_mm=600)


def ezo_do_rig(line):
    pairs = ((7.82, {"do_mg_l": 7.82}), (5.1, {"do_mg_l": 5.1}))
    return lambda driver: EzoRig(driver, ezo_do_part.EzoDo, line, pairs)


def ezo_rtd_rig(line):
    pairs = ((21.5, {"temp_c": 21.5}), (18.25, {"temp_c": 18.25}))
    return lambda driver: EzoRig(driver, ezo_rtd_part.EzoRtd, line, pairs)


def check(rig):
    """Assert that a driver reads each value correctly and never reads early."""
    for around, expected in rig.pairs:
        rig.surround(around)
        found = rig.reading()
        assert found == expected, f"stale: {found}, not {expected}"
        rig.clock.advance_ms(10_000)
    early = getattr(rig.part, "early_read_count", 0)
    assert early == 0, f"{early} early reads"


# driver, its rig, [(original text, text of the copy)], expected message
IMPATIENT = (
    (ds18b20, on_onewire, (("_CONVERSION_MS = 751", "_CONVERSION_MS = 749"),), "timeout"),
    (ds18b20, on_onewire, (("_CONVERSION_MS = 751", "_CONVERSION_MS = 749"),
                           ("self._onewire.readbit()", "1")), "power_on_value"),
    (sht4x, air_rig(sht4x_part.Sht4x), (("_MEASURE_MS = 10", "_MEASURE_MS = 7"),),
     "while it measures"),
    (sht3x, air_rig(sht3x_part.Sht3x), (("_MEASURE_MS = 17", "_MEASURE_MS = 14"),),
     "while it measures"),
    (aht20, air_rig(aht20_part.Aht20), (("_MEASURE_MS = 85", "_MEASURE_MS = 79"),), "timeout"),
    (aht20, air_rig(aht20_part.Aht20), (("_INITIALISE_MS = 12", "_INITIALISE_MS = 9"),),
     "while it is busy"),
    (aht20, air_rig(aht20_part.Aht20), (("not self._i2c.readfrom(self._address, 1)[0]", "0"),),
     "power_on_value"),
    (bme280, air_rig(bme280_part.Bme280), (("_MEASURE_MS = 8", "_MEASURE_MS = 5"),), "timeout"),
    (bme280, air_rig(bme280_part.Bme280), (("_MEASURE_MS = 8", "_MEASURE_MS = 4"),
                                           ("self._require_idle(_MEASURING)", "pass")),
     "power_on_value"),
    (bme280, air_rig(bme280_part.Bme280), (("_START_MS = 4", "_START_MS = 1"),), "no_ack"),
    (bme280, air_rig(bme280_part.Bme280), (("_START_MS = 4", "_START_MS = 2"),), "timeout"),
    (dht22, DhtRig, (("_INTERVAL_MS = 2_001", "_INTERVAL_MS = 1_700"),), "asked again"),
    (scd4x, scd4x_rig, (("_STOP_MS = 501", "_STOP_MS = 498"),), "no_ack"),
    (scd4x, scd4x_rig, (("_COMMAND_MS = 2\n", "_COMMAND_MS = 0\n"),),
     "before the last was done"),
    (scd4x, scd4x_rig, (("_POLLS = 13", "_POLLS = 5"),), "timeout"),
    (bh1750, bh1750_rig, (("_MEASURE_MS = 82", "_MEASURE_MS = 80"),), "stale"),
    (tsl2591, tsl2591_rig, (("_WAIT_MS = 109", "_WAIT_MS = 107"),), "timeout"),
    (tsl2591, tsl2591_rig, (("_WAIT_MS = 109", "_WAIT_MS = 107"),
                            ("if not i2c.readfrom_mem(", "if 0 and not i2c.readfrom_mem(")),
     "stale"),
    (ina219, ina219_rig, (("_MEASURE_MS = 3", "_MEASURE_MS = 0"),), "timeout"),
    (vl53l0x, vl53l0x_rig, (("_SHOT_MS = 40", "_SHOT_MS = 30"),), "while it measures"),
    (jsn_sr04t, JsnRig, (("_ANSWER_MS = 120", "_ANSWER_MS = 40"),),
     "before it answered"),
    (ezo_ph, ezo_ph_rig("i2c"), (("_READ_MS = 900", "_READ_MS = 890"),), "early reads"),
    (ezo_ph, ezo_ph_rig("uart"), (("_READ_MS = 900", "_READ_MS = 890"),), "early reads"),
    (ezo_ec, ezo_ec_rig("i2c"), (("_READ_MS = 600", "_READ_MS = 590"),), "early reads"),
    (ezo_ec, ezo_ec_rig("uart"), (("_READ_MS = 600", "_READ_MS = 590"),), "early reads"),
    (ezo_do, ezo_do_rig("i2c"), (("_READ_MS = 600", "_READ_MS = 590"),), "early reads"),
    (ezo_do, ezo_do_rig("uart"), (("_READ_MS = 600", "_READ_MS = 590"),), "early reads"),
    (ezo_rtd, ezo_rtd_rig("i2c"), (("_READ_MS = 600", "_READ_MS = 590"),), "early reads"),
    (ezo_rtd, ezo_rtd_rig("uart"), (("_READ_MS = 600", "_READ_MS = 590"),), "early reads"),
)


class Copy:
    """A module run from changed source text."""

    def __init__(self, module, changes):
        with open(module.__file__) as file:
            text = file.read()
        for said, says in changes:
            assert text.count(said) == 1, f"{module.__name__} says {said!r} not once"
            text = text.replace(said, says)
        names = {"__name__": module.__name__}
        exec(text, names)
        for name in names:
            if not name.startswith("__"):
                setattr(self, name, names[name])


def test_drivers_wait_for_their_parts():
    for driver, rig, _, _ in IMPATIENT:
        check(rig(driver))
        check(rig(Copy(driver, ())))


def test_every_copy_with_a_shortened_wait_is_detected():
    for driver, rig, changes, words in IMPATIENT:
        found = failure_of(rig(Copy(driver, changes)))
        assert words in found, (driver.PART, changes, found)


def failure_of(rig):
    """Return the message of the failed check of a driver, or ""."""
    try:
        check(rig)
    except SensorError as error:
        return error.fault
    except AssertionError as error:
        return str(error)
    return ""
