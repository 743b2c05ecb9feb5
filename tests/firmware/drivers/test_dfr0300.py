"""Tests of the DFR0300: EC through board and converter, against the voltages of the oracle."""

from idro.drivers import ads1115, dfr0300
from idro.errors import SensorError
from idro.protocol.quantities import QUANTITIES, to_scaled
from idrosim.devices import ads1115 as converter
from idrosim.devices import dfr0300 as board
from support.portable_fakes import FakeClock, FakeI2c, fault_of, oracle, refusal_of, run, single

ADDRESS = 0x48
SPEC = {"source": "reservoir", "part": "dfr0300", "measures": ["ec_us_cm"], "channel": 1}
# temperature, EC at 25 C in mS/cm, kappa in mS/cm, cell constant, board mV
ROWS = (
    (15.0, 0.084, 0.0672, 1.0, 11.02), (15.0, 1.413, 1.1304, 1.08, 171.65),
    (15.0, 12.88, 10.304, 0.93, 1817.05), (18.0, 1.6, 1.376, 1.0, 225.66),
    (18.0, 2.5, 2.15, 0.93, 379.14), (18.0, 5.0, 4.3, 1.08, 652.96),
)


def bench(volts, cell_milli=1000, alpha_ppm_c=20_000):
    clock = FakeClock()
    part = converter.Ads1115(clock)
    part.inputs[1] = volts
    adc = ads1115.Ads1115(FakeI2c(clock, {ADDRESS: part}), ADDRESS, clock)
    values = {"ec.cell_milli": cell_milli, "ec.alpha_ppm_c": alpha_ppm_c}
    return dfr0300.build(SPEC, adc, clock, values)


def read(volts, temp_c, cell_milli=1000):
    sensor = bench(lambda: volts, cell_milli)
    return run(sensor.read({"reservoir.temp_c": temp_c}))["ec_us_cm"]


def check_row(temp_c, ec_ms_cm, kappa_ms_cm, cell_k, board_mv):
    volts = board.volts(kappa_ms_cm * 1000, cell_k)
    assert abs(volts * 1000 - board_mv) < 0.0051
    ec_us_cm = read(volts, temp_c, int(round(cell_k * 1000)))
    # Half a step of the converter (62.5 uV, 0.38 uS/cm), scaled to 25 C, and the rounding.
    allowed_us_cm = 0.5 + 0.39 * cell_k * ec_ms_cm / kappa_ms_cm
    assert abs(ec_us_cm - ec_ms_cm * 1000) <= allowed_us_cm, (temp_c, ec_ms_cm, cell_k)


def test_reads_the_ec_of_the_voltage():
    for row in ROWS:
        check_row(*row)


def test_reads_the_ec_of_the_oracle():
    for row in oracle("hw_ec_dfr0300.csv"):
        figures = [float(cell) for cell in row]
        check_row(*figures[:5])
        check_library(figures[0], *figures[4:])


def check_library(temp_c, board_mv, raw_ms_cm, compensated_ms_cm):
    """Assert the result of DFRobot's library: cell constant 1, 1.85 % per degree."""
    signal_uv, centi_c = int(round(board_mv * 1000)), int(round(temp_c * 100))
    raw_us_cm = dfr0300.ec_us_cm(signal_uv, centi_c, 1000, 0)
    us_cm = dfr0300.ec_us_cm(signal_uv, centi_c, 1000, 18_500)
    # The volts are given to 0.01 mV, 0.06 uS/cm, and the answer to 1 uS/cm.
    assert abs(raw_us_cm - raw_ms_cm * 1000) <= 0.54, (temp_c, board_mv)
    assert abs(us_cm - compensated_ms_cm * 1000) <= 0.54, (temp_c, board_mv)


def test_ec_is_an_integer():
    assert isinstance(read(0.26, 21.5), int)


def test_a_reading_is_exact_in_single_precision():
    row = QUANTITIES["ec_us_cm"]
    for ec_us_cm in range(0, 20_001, 7):
        assert to_scaled(row, ec_us_cm) == ec_us_cm
    for centi_c in range(0, 4_000, 3):
        temp_c = centi_c / 100
        assert read_integer(single(temp_c)) == read_integer(temp_c)


def read_integer(temp_c):
    return dfr0300.ec_us_cm(262_400, int(round(single(temp_c * 100))), 1000, 20_000)


def test_the_median_of_the_burst_is_used():
    volts = [0.2624, 0.2624, 0.0, 0.2625, 0.2624]
    sensor = bench(lambda: volts.pop())
    assert run(sensor.read({"reservoir.temp_c": 25.0})) == {"ec_us_cm": 1600}
    assert sensor.spread_uv == 262_500


def test_a_dry_cell_is_in_air():
    for fault in (None, "unplugged"):
        sensor = bench(lambda fault=fault: board.volts(0.0, 1.0, fault=fault))
        assert fault_of(sensor.read({"reservoir.temp_c": 25.0})) == "in_air"


def test_an_open_input_is_in_air():
    assert fault_of(bench(None).read({"reservoir.temp_c": 25.0})) == "in_air"


def test_reverse_osmosis_water_is_a_reading():
    assert read(board.volts(8.0, 1.0), 25.0) in (7, 8, 9)


def test_a_shorted_cell_is_saturated():
    sensor = bench(lambda: board.volts(1500.0, 1.0, fault="shorted"))
    assert fault_of(sensor.read({"reservoir.temp_c": 25.0})) == "saturated"
    assert sensor.spread_uv is None


def test_a_negative_signal_is_saturated():
    assert fault_of(bench(lambda: -0.05).read({"reservoir.temp_c": 25.0})) == "saturated"


def test_without_a_temperature_there_is_no_ec():
    assert fault_of(bench(lambda: 0.26).read({})) == "no_temperature"


def test_no_reading_outside_the_range_of_the_correction():
    for centi_c in (-1500, -2500, -4000):
        assert "out_of_range" in refusal_of(
            SensorError, dfr0300.ec_us_cm, 262_400, centi_c, 1000, 25_000
        )


def test_a_value_above_the_instrument_range_is_out_of_range():
    sensor = bench(lambda: 3.2, cell_milli=1500)
    assert fault_of(sensor.read({"reservoir.temp_c": 25.0})) == "out_of_range"
