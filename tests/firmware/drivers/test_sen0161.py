"""Tests of the SEN0161: pH through board and converter, against oracle voltages and slopes."""

from idro.drivers import ads1115, sen0161
from idro.errors import SensorError
from idrosim.devices import ads1115 as converter
from idrosim.devices import sen0161 as board
from support.portable_fakes import FakeClock, FakeI2c, fault_of, oracle, refusal_of, run, single

ADDRESS = 0x48
SPEC = {"source": "reservoir", "part": "sen0161", "measures": ["ph"], "channel": 0}
# temperature, pH, share of the ideal slope, offset mV, electrode mV, board mV
ROWS = (
    (25.0, 4.0, 1.0, 0.0, 177.478, 2032.43), (15.0, 5.5, 1.0, 0.0, 85.763, 1757.29),
    (15.0, 7.0, 0.98, 8.0, 8.0, 1524.0), (20.0, 6.5, 0.9, -12.0, 14.175, 1542.53),
    (20.0, 10.01, 0.95, 0.0, -166.329, 1001.01),
)
# C, mV per pH of an ideal electrode
SLOPES = ((5, 55.1909), (20, 58.1672), (25, 59.1593), (35, 61.1436))
IDEAL_UV_PER_PH = -177_478


def settings(neutral_uv=1_500_000, slope_uv_per_ph=IDEAL_UV_PER_PH):
    return {"ph.neutral_uv": neutral_uv, "ph.slope_uv_per_ph": slope_uv_per_ph}


def bench(volts, values=None):
    clock = FakeClock()
    part = converter.Ads1115(clock)
    part.inputs[0] = volts
    adc = ads1115.Ads1115(FakeI2c(clock, {ADDRESS: part}), ADDRESS, clock)
    return sen0161.build(SPEC, adc, clock, settings() if values is None else values)


def read(volts, temp_c=25.0, values=None):
    return run(bench(lambda: volts, values).read({"reservoir.temp_c": temp_c}))["ph"]


def check_row(temp_c, ph, slope_share, offset_mv, electrode_mv, board_mv):
    volts = board.volts(electrode_mv)
    # The table gives the electrode to 0.001 mV and the board to 0.01 mV.
    assert abs(volts * 1000 - board_mv) < 0.0066
    calibration = settings(
        int(round(1_500_000 + 3000 * offset_mv)), int(round(IDEAL_UV_PER_PH * slope_share))
    )
    assert abs(read(volts, temp_c, calibration) - ph) < 0.002


def test_reads_the_ph_of_the_voltage():
    for row in ROWS:
        check_row(*row)


def test_reads_the_ph_of_the_oracle():
    for row in oracle("hw_ph_sen0161v2.csv"):
        figures = [float(cell) for cell in row]
        check_row(*figures[:6])
        check_library(*figures[5:])


def check_library(board_mv, library_ph):
    """Assert the result of DFRobot's library, which assumes 25 C."""
    milli_ph = sen0161.ph_milli(int(round(board_mv * 1000)), 2500, 1_500_000, IDEAL_UV_PER_PH)
    assert abs(milli_ph - 1000 * library_ph) <= 0.6, (board_mv, library_ph, milli_ph)


def check_slope(temp_c, slope_mv_per_ph):
    ph_four_volts = board.volts(3 * slope_mv_per_ph)
    assert abs(read(ph_four_volts, temp_c) - 4.0) < 0.001
    # Seven pH from neutral, at three times the slope, is the other end of the scale to 0.001.
    seven_uv = int(round(21_000 * slope_mv_per_ph))
    centi_c = int(round(100 * temp_c))
    assert sen0161.ph_milli(1_500_000 + seven_uv, centi_c, 1_500_000, IDEAL_UV_PER_PH) in (0, 1)


def test_the_slope_follows_the_temperature():
    for row in SLOPES:
        check_slope(*row)
    for temp_c, slope_mv_per_ph in oracle("hw_nernst_slope.csv"):
        check_slope(float(temp_c), float(slope_mv_per_ph))


def test_neutral_does_not_depend_on_temperature():
    for temp_c in (0.0, 12.34, 25.0, 40.0):
        assert read(1.5, temp_c) == 7.0


def test_a_reading_is_exact_in_single_precision():
    for milli_ph in range(14_001):
        assert int(round(single(single(milli_ph / 1000) * 1000))) == milli_ph
    for centi_c in range(0, 4_000):
        assert int(round(single(single(centi_c / 100) * 100))) == centi_c
    assert read(1.7, single(21.37)) == read(1.7, 21.37)


def test_the_median_of_the_burst_is_used():
    volts = [1.5, 1.5, 2.8, 1.5, 1.5]
    sensor = bench(lambda: volts.pop())
    assert run(sensor.read({"reservoir.temp_c": 25.0})) == {"ph": 7.0}
    assert sensor.spread_uv == 1_300_000


def test_the_raw_signal_does_not_depend_on_the_temperature():
    volts = [1.76]
    sensor = bench(lambda: volts[0])
    seen = set()
    for temp_c in (15.0, 25.0, 33.2):
        run(sensor.read({"reservoir.temp_c": temp_c}))
        seen.add(sensor.signal_uv)
    assert len(seen) == 1
    assert abs(seen.pop() - 1_760_000) < 200
    volts[0] = 9.0
    assert fault_of(sensor.read({"reservoir.temp_c": 25.0})) == "saturated"
    assert sensor.signal_uv is None


def test_a_constant_signal_has_no_spread():
    sensor = bench(lambda: board.volts(100.0, fault="shorted"))
    assert run(sensor.read({"reservoir.temp_c": 25.0})) == {"ph": 7.0}
    assert sensor.spread_uv == 0


def test_an_open_electrode_is_saturated():
    sensor = bench(lambda: board.volts(10.0, fault="unplugged"))
    assert fault_of(sensor.read({"reservoir.temp_c": 25.0})) == "saturated"
    assert sensor.spread_uv is None


def test_a_board_without_supply_is_saturated():
    for source in (lambda: 0.0, None):
        assert fault_of(bench(source).read({"reservoir.temp_c": 25.0})) == "saturated"


def test_without_a_temperature_there_is_no_ph():
    assert fault_of(bench(lambda: 1.5).read({"air.temp_c": 25.0})) == "no_temperature"


def test_an_invalid_calibration_is_a_fault():
    for slope_uv_per_ph in (0, 177_480):
        sensor = bench(lambda: 1.6, settings(slope_uv_per_ph=slope_uv_per_ph))
        assert fault_of(sensor.read({"reservoir.temp_c": 25.0})) == "uncalibrated"


def test_a_ph_beyond_the_scale_is_out_of_range():
    assert "out_of_range" in refusal_of(
        SensorError, sen0161.ph_milli, 2_890_000, 2500, 1_500_000, -177_480
    )
    assert sen0161.ph_milli(2_742_360, 2500, 1_500_000, -177_480) == 0


def test_a_new_calibration_applies_to_the_next_read():
    values = settings()
    sensor = bench(lambda: 1.53, values)
    before = run(sensor.read({"reservoir.temp_c": 25.0}))["ph"]
    values["ph.neutral_uv"] = 1_530_000
    assert before < 7.0
    assert run(sensor.read({"reservoir.temp_c": 25.0}))["ph"] == 7.0
