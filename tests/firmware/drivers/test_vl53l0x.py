"""Tests of the VL53L0X: one shot, its time, its status, and the level from the height."""

from idro.drivers import vl53l0x as driver
from idrosim.devices.vl53l0x import Vl53l0x
from support.portable_fakes import FakeClock, FakeI2c, fault_of, refusal_of, run

ADDRESS = 0x29
HEIGHT_MM = 600
SHOTS = 5


class Bench:
    """A driver and its part; `level_mm` is the level under the float, or a list of one a shot."""

    def __init__(self, level_mm=200.0, height_mm=HEIGHT_MM):
        self.level_mm = level_mm
        self.clock = FakeClock()
        self.clock.advance_ms(100)
        self.part = Vl53l0x(self.clock, lambda: height_mm - self._now())
        self.clock.advance_ms(2)
        self.bus = FakeI2c(self.clock, {ADDRESS: self.part})
        spec = {"source": "reservoir", "part": "vl53l0x", "height_mm": height_mm,
                "address": ADDRESS}
        self.sensor = driver.build(spec, self.bus, self.clock, {})

    def _now(self):
        return self.level_mm.pop() if isinstance(self.level_mm, list) else self.level_mm

    def read(self):
        return run(self.sensor.read({}))

    def fault(self):
        return fault_of(self.sensor.read({}))


def test_reads_the_level_without_any_temperature():
    for level_mm in (0, 1, 200, 400, 559):
        assert Bench(level_mm).read() == {"level_mm": level_mm}


def test_the_registers_are_those_of_the_data_sheet_and_of_linux():
    made = Bench(200.0)
    made.part.write(b"\xc0")
    assert made.part.read(3) == b"\xee\xaa\x10"
    made.part.write(b"\x00\x01")
    made.clock.advance_ms(33)
    made.part.write(b"\x14")
    answer = made.part.read(12)
    assert answer[0] & 0x01 == 1
    assert (answer[0] & 0x78) >> 3 == 11
    assert answer[10] << 8 | answer[11] == 400


def test_an_old_result_is_never_read_as_a_new_one():
    made = Bench(200.0)
    assert made.read() == {"level_mm": 200}
    made.level_mm = 350.0
    assert made.read() == {"level_mm": 350}
    # The part keeps the old result while it measures: a driver in a hurry would take it.
    made.part.write(b"\x00\x01")
    made.clock.advance_ms(32)
    made.part.write(b"\x14")
    assert made.part.read(12)[0] & 0x01 == 1
    assert driver._SHOT_MS > 33


def test_a_full_tank_in_the_blind_zone_is_a_fault():
    for level_mm in (561, 575, 600, 640):
        assert Bench(level_mm).fault() == "out_of_range", level_mm


def test_water_below_the_floor_is_a_fault():
    assert Bench(-14).read() == {"level_mm": 0}
    assert Bench(-20).fault() == "out_of_range"


def test_without_a_target_there_is_no_number():
    made = Bench(-100, height_mm=1_200)
    assert made.fault() == "timeout"
    assert made.clock.now_ms() < 102 + SHOTS * 60


def test_two_lost_shots_of_five_are_tolerated_and_an_outlier_too():
    lost = -5_000
    assert Bench([200, lost, 201, lost, 199]).read() == {"level_mm": 200}
    assert Bench([200, lost, lost, lost, 199]).fault() == "timeout"
    assert Bench([200, 202, 500, 199, 201]).read() == {"level_mm": 201}
    assert Bench([100, 150, 300, 400, 500]).fault() == "noisy"


def test_another_chip_at_its_address_is_no_level():
    made = Bench()
    made.part.identity = b"\xea\xcc\x10"  # a VL53L1X
    assert made.fault() == "mismatch"


def test_a_part_that_never_completes_is_a_timeout():
    made = Bench()
    made.part._measure = lambda: bytes(12)
    assert made.fault() == "timeout"


def test_silence_is_no_ack_after_two_retries():
    made = Bench()
    made.bus.errors = [OSError(19), OSError(19)]
    assert made.read() == {"level_mm": 200}
    made.part.fault = "unplugged"
    assert made.fault() == "no_ack"
    made.part.fault = None
    assert made.read() == {"level_mm": 200}


def test_a_lost_supply_between_two_readings_does_no_harm():
    made = Bench()
    made.read()
    made.part.power_cycle()
    made.clock.advance_ms(10_000)
    assert made.read() == {"level_mm": 200}


def test_a_part_that_repeats_itself_is_a_fault_and_no_level():
    made = Bench()
    for _ in range(20):
        assert made.read() == {"level_mm": 200}  # still water, but a live part
    made.part.fault = "stuck"
    made.level_mm = 300.0
    assert made.fault() == made.fault() == "flat"
    made.part.fault = None
    assert made.read() == {"level_mm": 300}


def test_misuse_raises_an_assertion():
    made = Bench()
    made.part.write(b"\x00\x01")
    assert "while it measures" in refusal_of(AssertionError, made.part.write, b"\x00\x01")
    assert "not described" in refusal_of(AssertionError, made.part.write, b"\x80\x01")
    assert "not a single shot" in refusal_of(AssertionError, made.part.write, b"\x00\x02")
    assert "write of 0 bytes" in refusal_of(AssertionError, made.part.write, b"")
    made.part.write(b"\x14")
    assert "13 bytes" in refusal_of(AssertionError, made.part.read, 13)
    made.part.power_cycle()
    assert "19" in refusal_of(OSError, made.part.write, b"\xc0")
