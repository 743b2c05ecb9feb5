"""Tests of the DHT22 driver and part: bytes and timing of the datasheet."""

from idro.drivers import dht22 as driver
from idrosim.devices import dht22 as device
from support.portable_fakes import FakeClock, FakeGpio, fault_of, refusal_of, run

PIN = 4


class Bench:
    """A sensor in surroundings that a test may change; `read` is ten seconds after the last."""

    def __init__(self, temp_c=22.4, rh_pct=61.7):
        self.air = temp_c, rh_pct
        self.clock = FakeClock()
        self.part = device.Dht22(self.clock, lambda: self.air)
        self.clock.advance_ms(3_000)
        self.gpio = FakeGpio(self.clock, {PIN: self.part})
        self.sensor = driver.build({"part": "dht22", "pin": PIN}, self.gpio, self.clock, {})

    def read(self):
        self.clock.advance_ms(10_000)
        return run(self.sensor.read({}))

    def fault(self):
        self.clock.advance_ms(10_000)
        return fault_of(self.sensor.read({}))


def test_bytes_match_the_datasheet():
    # Section 7.3: 65.2 %, 35.1 C and -10.1 C.
    assert device.packed(35.1, 65.2) == bytes((0x02, 0x8C, 0x01, 0x5F, 0xEE))
    assert device.packed(-10.1, 65.2)[2:4] == bytes((0x80, 0x65))


def test_reads_the_air():
    bench = Bench()
    assert bench.read() == {"temp_c": 22.4, "rh_pct": 61.7}
    before_ms = bench.clock.now_ms()
    assert bench.read() == {"temp_c": 22.4, "rh_pct": 61.7}
    assert 270 < bench.clock.now_ms() - before_ms - 10_000 < 280
    assert bench.sensor.spread_uv is None


def test_reads_the_whole_range():
    for temp_c in (-40.0, -0.1, 0.0, 20.0, 80.0):
        for rh_pct in (0.0, 0.1, 50.0, 100.0):
            if (temp_c, rh_pct) == (0.0, 0.0):
                continue
            assert Bench(temp_c, rh_pct).read() == {"temp_c": temp_c, "rh_pct": rh_pct}


def test_a_value_beyond_the_part_is_out_of_range():
    assert Bench(temp_c=80.1).fault() == "out_of_range"
    assert Bench(temp_c=-40.1).fault() == "out_of_range"


def test_the_bytes_of_another_part_are_out_of_range():
    for content in ((45, 0, 24, 0, 69), (4, 0, 0, 224, 228)):  # a DHT11 at 24 C; 102.4 %
        bench = Bench()
        bench.part.answer = lambda low_us, content=content: bytes(content)
        assert bench.fault() == "out_of_range"


def test_a_data_line_that_stays_low_is_no_air_of_0_degrees_and_0_percent():
    bench = Bench()
    bench.read()
    bench.part.answer = lambda low_us: bytes(5)
    assert bench.fault() == "no_ack"


def test_the_first_reading_after_a_pause_is_discarded():
    bench = Bench()
    bench.read()
    bench.air = 30.0, 40.0
    bench.clock.advance_ms(60_000)
    assert bench.read() == {"temp_c": 30.0, "rh_pct": 40.0}


def test_frequent_reads_wait_for_the_part():
    bench = Bench()
    bench.read()
    before_ms = bench.clock.now_ms()
    run(bench.sensor.read({}))
    assert 2_000 < bench.clock.now_ms() - before_ms < 2_300


def test_damaged_answers_are_read_again_twice():
    bench = Bench()
    bench.read()
    bench.part.damage_count = 2
    assert bench.read()["rh_pct"] == 61.7
    bench.part.damage_count = 3
    assert bench.fault() == "crc"
    assert bench.read()["rh_pct"] == 61.7


def test_an_absent_part_delays_the_others_once():
    bench = Bench()
    bench.read()
    bench.part.fault = "unplugged"
    assert bench.fault() == "no_ack"
    before_ms = bench.clock.now_ms()
    assert bench.fault() == "no_ack"
    assert bench.clock.now_ms() - before_ms < 10_300
    bench.part.fault = None
    assert bench.read() == {"temp_c": 22.4, "rh_pct": 61.7}


def test_misuse_raises_an_assertion():
    bench = Bench()
    bench.part.answer(1_000)
    assert "asked again" in refusal_of(AssertionError, bench.part.answer, 1_000)
    bench.clock.advance_ms(2_000)
    assert "start of 900 us" in refusal_of(AssertionError, bench.part.answer, 900)
    assert "start of 20001 us" in refusal_of(AssertionError, bench.part.answer, 20_001)
    assert "released" in refusal_of(AssertionError, bench.part.set_level, 0)
    bench.part.power_cycle()
    bench.clock.advance_ms(1_999)
    assert "asked again" in refusal_of(AssertionError, bench.part.answer, 1_000)
