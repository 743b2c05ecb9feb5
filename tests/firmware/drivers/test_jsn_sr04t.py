"""Tests of the JSN-SR04T driver: blind zone, trigger/echo and UART modes, oracle frames."""

from idro.drivers import jsn_sr04t as driver
from idro.errors import SensorError
from idrosim.devices import jsn_sr04t as device
from support.portable_fakes import FakeClock, FakeUart, fault_of, oracle, refusal_of, run
from support.ultrasonic_bench import HEIGHT_MM, TIMES, Bench, check_times, oracle_times

FRAMES = ((0, "FF0000FF"), (200, "FF00C8C7"), (213, "FF00D5D4"), (1000, "FF03E8EA"),
          (1953, "FF07A1A7"), (4500, "FF1194A4"), (6000, "FF177086"))


def bench(level_mm=200.0, air_c=20.0):
    return Bench(driver, device.JsnSr04t, level_mm, air_c)


class UartBench:
    """The driver and the part on a UART."""

    def __init__(self, level_mm=200.0, air_c=20.0):
        self.clock = FakeClock()
        self.level_mm = level_mm
        self.air_c = air_c
        self.part = device.JsnUart(
            self.clock, lambda: HEIGHT_MM - self.level_mm, lambda: self.air_c
        )
        spec = {"source": "reservoir", "part": "jsn_sr04t", "height_mm": HEIGHT_MM,
                "bus": "uart.level"}
        self.bus = FakeUart(self.part)
        self.sensor = driver.build(spec, self.bus, self.clock, {})

    def reading(self):
        return self.sensor.read({"air.temp_c": self.air_c})

    def read(self):
        return run(self.reading())


BENCHES = (bench, UartBench)


def check_frames(rows):
    for distance_mm, frame_hex in rows:
        frame = bytes.fromhex(frame_hex)
        assert device.frame(int(distance_mm)) == frame
        assert driver.distance_of(frame) == int(distance_mm)


def test_frames_match_the_module():
    check_frames(FRAMES)


def test_frames_match_the_oracle():
    check_frames(oracle("hw_jsn_uart.csv"))


def test_echo_times_match_the_oracle():
    check_times(TIMES)
    check_times(oracle_times())


def test_a_module_that_assumes_340_m_s_is_corrected():
    for air_c, distance_m, _, _, assumed_m in tuple(TIMES) + tuple(oracle_times()):
        distance_mm = float(distance_m) * 1000
        if distance_mm < device.BLIND_MM:
            continue
        made = UartBench(HEIGHT_MM - distance_mm, float(air_c))
        assert abs(made.part._measured_mm() - float(assumed_m) * 1000) <= 0.55
        if HEIGHT_MM > distance_mm > 280:
            assert abs(made.read()["level_mm"] - made.level_mm) <= 1


def test_a_full_tank_is_never_read_as_not_full():
    """In the blind zone the part still reports 250 mm; accepting it would never stop filling."""
    for build in BENCHES:
        for air_c in (0.0, 20.0, 45.0):
            for level_mm in (330, 350, 380, 450, 599, 620):
                made = build(level_mm, air_c)
                assert fault_of(made.reading()) == "out_of_range", (level_mm, air_c)


def test_reads_up_to_the_blind_zone():
    for build in BENCHES:
        for air_c in (10.0, 35.0):
            for level_mm in (0, 50, 200, 318):
                found_mm = build(level_mm, air_c).read()["level_mm"]
                assert abs(found_mm - level_mm) <= 1, (level_mm, air_c)


def test_no_echo_is_a_fault():
    for build in BENCHES:
        assert fault_of(build(-4_500).reading()) == "timeout"
        made = build()
        made.part.fault = "unplugged"
        assert fault_of(made.reading()) == "no_ack"


def test_damaged_frames_are_retried_and_then_a_fault():
    made = UartBench()
    made.part.fault = "noisy"
    assert fault_of(made.reading()) == "crc"
    assert made.bus.write_count == 3
    for frame in (b"", b"\xff\x00\xc8", b"\xff\x00\xc8\xc8", b"\xfe\x00\xc8\xc6", bytes(5)):
        assert "crc" in refusal_of(SensorError, driver.distance_of, frame)


def test_requests_again_only_after_the_answer():
    made = UartBench()
    made.read()
    assert made.clock.now_ms() >= 5 * 64


def test_misuse_raises_an_assertion():
    made = UartBench()
    assert "not a command" in refusal_of(AssertionError, made.part.write, b"\x01")
    made.part.write(b"\x55")
    assert "before it answered" in refusal_of(AssertionError, made.part.write, b"\x55")
    made = bench()
    made.part.set_level(1)
    assert "trigger of 0 us" in refusal_of(AssertionError, made.part.set_level, 0)
