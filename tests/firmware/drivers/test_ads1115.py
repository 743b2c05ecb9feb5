"""Tests of the ADS1115 driver and part against the registers and codes of the datasheet."""

import math

from idro.drivers import ads1115 as driver
from idrosim.devices import ads1115 as device
from support.portable_fakes import FakeClock, FakeI2c, fault_of, oracle, refusal_of, run

ADDRESS = 0x48
# volts, PGA bits, code, conversion register
CODES = (
    (0.1, 0, 533, "0215"), (0.5, 0, 2667, "0A6B"), (2.03244, 1, 16260, "3F84"),
    (2.1123, 0, 11266, "2C02"), (3.3, 1, 26400, "6720"), (-0.1, 1, -800, "FCE0"),
    (-2.5, 0, -13333, "CBEB"), (-2.5, 2, -32768, "8000"), (0.5, 5, 32767, "7FFF"),
)
RANGES_MV = (6144, 4096, 2048, 1024, 512, 256)


def bench(volts=1.5):
    clock = FakeClock()
    part = device.Ads1115(clock)
    part.inputs[0] = lambda: volts
    i2c = FakeI2c(clock, {ADDRESS: part})
    return driver.Ads1115(i2c, ADDRESS, clock), part, i2c, clock


def convert(part, clock, config):
    """Return the conversion register's bytes after one whole conversion."""
    part.write(bytes((1, config >> 8, config & 0xFF)))
    clock.advance_ms(200)
    part.write(b"\x00")
    return part.read(2)


def check_code(volts, pga_bits, code, register_hex):
    _, part, _, clock = bench(volts)
    raw = convert(part, clock, 0xC183 | pga_bits << 9)
    assert raw == bytes.fromhex(register_hex), (volts, pga_bits, raw)
    adc, _, _, _ = bench(volts)
    range_mv = RANGES_MV[pga_bits]
    if code in (32767, -32768):
        assert fault_of(adc.read_uv(0, range_mv)) == "saturated"
    else:
        expected_uv = math.floor(code * range_mv * 1000 / 32768 + 0.5)
        assert run(adc.read_uv(0, range_mv)) == [expected_uv] * 5


def test_codes_match_the_datasheet():
    for row in CODES:
        check_code(*row)


def test_codes_match_the_oracle():
    for volts, pga_bits, _, code, register_hex in oracle("hw_ads1115.csv"):
        check_code(float(volts), int(pga_bits), int(code), register_hex)


def test_resets_to_the_default_config():
    _, part, _, _ = bench()
    part.write(b"\x01")
    assert part.read(2) == b"\x85\x83"


def test_reads_a_burst_in_microvolts():
    adc, _, _, _ = bench(2.0325)
    assert run(adc.read_uv(0)) == [2_032_500] * 5


def test_reads_the_requested_input():
    adc, part, _, _ = bench()
    for channel in range(4):
        part.inputs[channel] = lambda volts=0.25 * (channel + 1): volts
    assert [run(adc.read_uv(channel, conversions=1)) for channel in range(4)] == [
        [250_000], [500_000], [750_000], [1_000_000]
    ]


def test_every_reading_is_a_new_conversion():
    adc, part, _, clock = bench()
    samples_us = []

    def sampled():
        samples_us.append(clock.now_us)
        return 0.25 * len(samples_us)

    part.inputs[0] = sampled
    for burst in range(3):
        del samples_us[:]
        assert run(adc.read_uv(0)) == [250_000, 500_000, 750_000, 1_000_000, 1_250_000], burst
        gaps_us = [samples_us[index + 1] - samples_us[index] for index in range(4)]
        assert min(gaps_us) >= 8_681


def test_one_input_after_the_other_without_a_pause():
    adc, part, _, _ = bench()
    part.inputs[1] = lambda: 0.5
    for _ in range(3):
        assert run(adc.read_uv(0)) == [1_500_000] * 5
        assert run(adc.read_uv(1)) == [500_000] * 5


def test_sleeps_one_tick_short_are_tolerated():
    _, part, i2c, clock = bench(0.5)
    part.inputs[1] = lambda: 1.0
    adc = driver.Ads1115(i2c, ADDRESS, EarlyClock(clock))
    for _ in range(20):
        assert run(adc.read_uv(0)) == [500_000] * 5
        assert run(adc.read_uv(1)) == [1_000_000] * 5


def test_a_driver_that_does_not_wait_is_detected():
    _, part, i2c, clock = bench()
    adc = driver.Ads1115(i2c, ADDRESS, EarlyClock(clock, 12_000))
    assert "before the first" in refusal_of(AssertionError, run, adc.read_uv(0))
    _, part, i2c, clock = bench()
    adc = driver.Ads1115(i2c, ADDRESS, EarlyClock(clock, 5_000))
    run(adc.read_uv(0))
    assert "before the first" in refusal_of(AssertionError, run, adc.read_uv(1))


class EarlyClock:
    """A clock whose sleeps end early, by up to a tick or by much more."""

    def __init__(self, clock, early_us=1_000):
        self._clock = clock
        self._early_us = early_us

    async def sleep_ms(self, duration_ms):
        self._clock.spend(max(0, duration_ms * 1_000 - self._early_us))


def test_a_burst_takes_seven_transfers():
    adc, _, i2c, _ = bench()
    run(adc.read_uv(0))
    assert i2c.transfers == 7


def test_settings_apply_after_the_current_conversion():
    _, part, _, clock = bench(1.0)
    part.inputs[1] = lambda: 2.0
    part.write(b"\x01\x42\x83")
    clock.advance_ms(9)
    part.write(b"\x01\x52\x83")  # 0.3 ms into the second conversion
    part.write(b"\x00")
    clock.advance_ms(16)
    assert "before the first" in refusal_of(AssertionError, part.read, 2)
    clock.advance_ms(2)
    assert part.read(2) == b"\x3e\x80"


def test_a_single_conversion_is_read_once_complete():
    _, part, _, clock = bench(1.0)
    part.write(b"\x01\xc3\x83")
    assert part.read(2) == b"\x43\x83"
    clock.advance_ms(8)
    part.write(b"\x00")
    assert "before the conversion" in refusal_of(AssertionError, part.read, 2)
    clock.advance_ms(1)
    assert part.read(2) == b"\x1f\x40"
    part.write(b"\x01")
    assert part.read(2) == b"\xc3\x83"


def test_a_part_that_lost_its_settings_is_a_fault():
    adc, _, i2c, clock = bench()
    i2c.devices[ADDRESS] = BrownOutPart(clock)
    assert fault_of(adc.read_uv(0)) == "crc"


class BrownOutPart(device.Ads1115):
    """An ADS1115 that browns out before the second reading of every burst."""

    def _sample(self):
        code = super()._sample()
        self.power_cycle()
        return code


def test_retries_two_missing_acknowledges():
    adc, _, i2c, _ = bench(1.0)
    i2c.errors = [OSError(19), OSError(19)]
    assert run(adc.read_uv(0)) == [1_000_000] * 5


def test_an_interrupted_burst_restarts():
    for broken in range(7):
        _, part, _, clock = bench(1.0)
        i2c = SparkingI2c(clock, {ADDRESS: part})
        i2c.spark_at = broken + 1
        assert run(driver.Ads1115(i2c, ADDRESS, clock).read_uv(0)) == [1_000_000] * 5
        assert i2c.transfers == broken + 1 + 7


class SparkingI2c(FakeI2c):
    """A bus on which one transfer is not acknowledged."""

    spark_at = 0

    def _device(self, address, count):
        if self.transfers + 1 == self.spark_at:
            self.errors = [OSError(19)]
        return super()._device(address, count)


def test_fails_after_three_attempts():
    adc, _, i2c, _ = bench()
    i2c.errors = [OSError(19)] * 3
    assert fault_of(adc.read_uv(0)) == "no_ack"
    assert i2c.transfers == 3


def test_an_absent_part_does_not_acknowledge():
    adc, part, _, _ = bench()
    part.fault = "unplugged"
    assert fault_of(adc.read_uv(0)) == "no_ack"


def test_a_stuck_bus_is_a_timeout():
    adc, _, i2c, _ = bench()
    i2c.errors = [OSError(116)] * 3
    assert fault_of(adc.read_uv(0)) == "timeout"


def test_a_stuck_part_repeats_itself():
    adc, part, _, _ = bench(1.0)
    run(adc.read_uv(0))
    part.fault = "stuck"
    part.inputs[0] = lambda: 2.0
    assert run(adc.read_uv(0, conversions=1)) == [1_000_000]


def test_a_stopped_part_is_detected_at_the_next_input():
    adc, part, _, _ = bench(1.0)
    part.inputs[1] = lambda: 2.0
    run(adc.read_uv(0))
    part.fault = "stuck"
    assert fault_of(adc.read_uv(1)) == "timeout"
    part.fault = None
    assert run(adc.read_uv(1)) == [2_000_000] * 5


def test_two_open_inputs_are_not_a_stopped_part():
    adc, _, _, _ = bench()
    for channel in (2, 3, 2):
        assert run(adc.read_uv(channel)) == [0] * 5


def test_an_open_input_reads_0():
    adc, _, _, _ = bench()
    assert run(adc.read_uv(3, conversions=1)) == [0]


def test_misuse_raises_an_assertion():
    _, part, _, _ = bench()
    for data, word in (
        (b"\x04", "reserved"), (b"\x00\x00\x00", "read-only"), (b"\x01\x85", "2 bytes"),
    ):
        assert word in refusal_of(AssertionError, part.write, data)
    part.write(b"\x01\xc3\x83")
    assert "during a conversion" in refusal_of(AssertionError, part.write, b"\x01\xc3\x83")
    part.power_cycle()
    part.write(b"\x01\x42\x83")
    assert "while it converts" in refusal_of(AssertionError, part.write, b"\x01\xc3\x83")
