"""Tests of the ADC of the ESP32: readings, and faults at both ends of its range."""

from idro.drivers import dfr0300, hydrostatic
from idro.drivers import esp32_adc as driver
from idrosim.devices import esp32_adc as device
from idrosim.devices import hydrostatic as transmitter
from idrosim.greenhouse.rng import Rng
from support.portable_fakes import FakeClock, fault_of, refusal_of, run

PIN = {"esp32": 34, "esp32s3": 1, "esp32s2": 3}
RANGE_MV = {"esp32": (150, 2_450), "esp32s3": (50, 2_850), "esp32s2": (35, 2_465)}
ERROR_UV = 60_000
_11_DB = 3


class Input:
    """machine.ADC at 11 dB, over the simulated converter."""

    def __init__(self, part, pin):
        self._part = part
        self._pin = pin
        self.fails = False

    def read_uv(self):
        if self.fails:
            raise OSError(0x107)
        return self._part.microvolts(self._part.code(self._pin, _11_DB), _11_DB)


def bench(volts, chip="esp32", vref_mv=1_100, efuse_mv=1_100):
    part = device.Esp32Adc(chip, Rng(1), vref_mv, efuse_mv)
    part.inputs[PIN[chip]] = volts if callable(volts) else lambda: volts
    low_mv, high_mv = RANGE_MV[chip]
    spec = {"name": "own", "low_uv": low_mv * 1_000, "high_uv": high_mv * 1_000}
    clock = FakeClock()
    return driver.build(spec, [Input(part, PIN[chip])], clock), part, clock


def test_reads_a_burst_within_the_error_of_the_chip():
    for chip in PIN:
        low_mv, high_mv = RANGE_MV[chip]
        for volts_mv in (low_mv + 40, 1_000, 1_500, 2_000, high_mv - 40):
            adc, _, _ = bench(volts_mv / 1_000, chip)
            readings_uv = run(adc.read_uv(0))
            assert len(readings_uv) == 5
            for reading_uv in readings_uv:
                assert abs(reading_uv - volts_mv * 1_000) < ERROR_UV, (chip, volts_mv)


def test_the_burst_of_a_steady_signal_is_narrow():
    # The bounds of a noisy probe are 12 mV (EC) and 60 mV (level).
    adc, _, _ = bench(1.2)
    widest_uv = 0
    for _ in range(200):
        burst_uv = run(adc.read_uv(0))
        widest_uv = max(widest_uv, max(burst_uv) - min(burst_uv))
    assert 1_000 < widest_uv < 12_000


def test_a_signal_in_the_dead_zone_is_a_fault():
    for volts_mv in (0, 20, 100, 140, 148):
        adc, part, _ = bench(volts_mv / 1_000)
        assert fault_of(adc.read_uv(0)) == "saturated", volts_mv
    # A voltage of 0 is calibrated as 142 mV, which looks like a signal.
    assert part.microvolts(0, _11_DB) == 142_000
    for chip in ("esp32s3", "esp32s2"):
        assert fault_of(bench(0.01, chip)[0].read_uv(0)) == "saturated"


def test_a_signal_above_the_linear_range_is_a_fault():
    for chip, volts in (("esp32", 2.5), ("esp32", 3.3), ("esp32s3", 3.0), ("esp32s2", 2.6)):
        adc, _, _ = bench(volts, chip)
        assert fault_of(adc.read_uv(0)) == "saturated", (chip, volts)


def test_a_brief_excursion_beyond_the_range_is_a_fault():
    moments = [0.1] + [1.0] * 200
    adc, _, _ = bench(lambda: moments.pop())
    for _ in range(5):
        run(adc.read_uv(0))
    assert fault_of(adc.read_uv(0)) == "saturated"


def test_codes_are_nonlinear_and_saturate_above_2_6_v():
    _, part, _ = bench(2.55)

    def code_at(volts):
        part.inputs[34] = lambda: volts
        return sum(part.code(34, _11_DB) for _ in range(64)) // 64

    straight = code_at(2.5) - code_at(2.4)
    assert 118 <= straight <= 130
    assert code_at(3.0) - code_at(2.9) > 1.4 * straight
    assert code_at(3.25) == 4_095


def test_chips_differ_by_their_reference_voltage_stored_in_newer_ones():
    for vref_mv in (1_034, 1_166):
        known, _, _ = bench(1.5, vref_mv=vref_mv, efuse_mv=vref_mv)
        assert abs(run(known.read_uv(0))[0] - 1_500_000) < 10_000
        old, _, _ = bench(1.5, vref_mv=vref_mv, efuse_mv=None)
        assert abs(run(old.read_uv(0))[0] - 1_500_000) > 70_000


def test_other_attenuations_have_other_ranges():
    for chip, tops in (("esp32", (1.05, 1.35, 1.9)), ("esp32s2", (0.75, 1.05, 1.3))):
        part = device.Esp32Adc(chip, Rng(1))
        for atten, top in enumerate(tops):
            part.inputs[PIN[chip]] = lambda volts=top * 0.6: volts
            codes = [part.code(PIN[chip], atten) for _ in range(16)]
            read_uv = part.microvolts(sum(codes) // 16, atten)
            assert abs(read_uv - top * 600_000) < 30_000, (chip, atten)
            part.inputs[PIN[chip]] = lambda volts=top * 1.2: volts
            assert part.code(PIN[chip], atten) == (8_191 if chip == "esp32s2" else 4_095)


def test_only_pins_of_adc1_are_available():
    assert [p for p in range(40) if device.Esp32Adc("esp32", Rng(1)).has(p)] == list(range(32, 40))
    own = device.Esp32Adc("esp32s2", Rng(1))
    assert [p for p in range(22) if own.has(p)] == list(range(1, 11))


def test_a_lost_wire_is_a_fault_and_a_stuck_converter_repeats_itself():
    adc, part, _ = bench(1.0)
    refusal_of(AssertionError, setattr, part, "fault", "noisy")
    run(adc.read_uv(0))
    part.fault = "stuck"
    part.inputs[34] = lambda: 2.0
    burst_uv = run(adc.read_uv(0))
    assert max(burst_uv) == min(burst_uv)
    assert abs(burst_uv[0] - 1_000_000) < ERROR_UV
    part.fault = "unplugged"
    assert fault_of(adc.read_uv(0)) == "saturated"


def test_a_converter_that_is_not_ready_is_a_timeout():
    part = device.Esp32Adc("esp32", Rng(1))
    source = Input(part, 34)
    source.fails = True
    assert fault_of(driver.Esp32Adc([source], 0, 1, FakeClock()).read_uv(0)) == "timeout"


def test_analog_parts_read_water_through_it():
    spec = {"source": "reservoir", "channel": 0}
    adc, part, _ = bench(transmitter.volts(200))
    values = {"level.zero_uv": 600_000, "level.uv_per_mm": 2_400}
    level = hydrostatic.build(spec, adc, None, values)
    assert abs(run(level.read({}))["level_mm"] - 200) < 25
    part.inputs[34] = lambda: transmitter.volts(0, fault="unplugged")
    assert fault_of(level.read({})) == "saturated"
    ec = dfr0300.build(spec, adc, None, {"ec.cell_milli": 1_000, "ec.alpha_ppm_c": 18_500})
    context = {"reservoir.temp_c": 25.0}
    part.inputs[34] = lambda: 0.164 * 1.6
    assert abs(run(ec.read(context))["ec_us_cm"] - 1_600) < 370
    part.inputs[34] = lambda: 0.164 * 0.8  # in the dead zone, where it would read 870 uS/cm
    assert fault_of(ec.read(context)) == "saturated"
