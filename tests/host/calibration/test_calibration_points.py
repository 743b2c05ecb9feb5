"""Settings computed from calibration points; unusable probes are refused with a reason."""

import csv
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from idro.drivers.dfr0300 import ec_us_cm
from idro.drivers.hydrostatic import level_mm
from idro.drivers.sen0161 import ph_milli
from idro.errors import SensorError
from idro.protocol import settings
from idroserra.calibration import ec, level, ph, probe_health, pump, raw_signals
from idroserra.calibration.errors import BadPoint
from idroserra.calibration.reference_solutions import BUFFERS, STANDARDS, buffer_ph, standard_us_cm
from idroserra.node_state import calibration_age

ORACLE = Path(__file__).parents[2] / "oracle"
IN_FORCE = settings.defaults()
TEMPS = st.floats(6, 39)
SLOPES = st.floats(86, 104)
OFFSETS = st.floats(-28, 28)


def electrode_uv(true_ph, temp_c, slope_pct=100.0, offset_mv=0.0):
    """The front end's signal of an electrode, after Nernst and the board's manual."""
    ideal_mv = 0.1984159 * (273.15 + temp_c)  # R ln 10 / F
    return 1e6 * 1.5 + 3_000 * (offset_mv + ideal_mv * slope_pct / 100 * (7.0 - true_ph))


def point(buffer, temp_c=25.0, **electrode):
    return ph.PhPoint(buffer, temp_c, electrode_uv(buffer_ph(buffer, temp_c), temp_c, **electrode))


def refused(call, *args):
    with pytest.raises(BadPoint) as caught:
        call(*args)
    return caught.value.code


@pytest.mark.parametrize(("file", "tables", "columns"), [
    ("published_ph_buffers_nist_jis.csv", BUFFERS,
     {"phthalate_4.01": "4.01", "phosphate_6.86": "6.86", "borax_9.18": "9.18"}),
    ("published_ph_buffers_us_technical.csv", BUFFERS, {"pH7.00": "7.00", "pH10.01": "10.01"}),
    ("published_ec_standards_mettler.csv", STANDARDS, {"1413_uS": "1413", "12880_uS": "12880"}),
])
def test_references_are_those_of_the_published_tables(file, tables, columns):
    seen = 0
    with (ORACLE / file).open() as lines:
        for row in csv.DictReader(lines):
            temp_c = int(row["temp_C"])
            for column, name in columns.items():
                if temp_c in tables[name]:
                    assert tables[name][temp_c] == float(row[column])
                    seen += 1
    assert seen >= 14


def test_the_standard_that_is_in_no_table_here_goes_with_temperature_as_its_kin():
    """KCl 0.02 mol/l changes with temperature as the primary standard of 0.01 mol/kg, to 0.2 %."""
    with (ORACLE / "published_kcl_primary.csv").open() as lines:
        rows = {int(r["temp_C"]): float(r["KCl_0.01_mol_kg_uS_cm"]) for r in csv.DictReader(lines)}
    for temp_c, us_cm in STANDARDS["2760"].items():
        assert us_cm / 2_765 == pytest.approx(rows[temp_c] / rows[25], rel=2e-3)


@given(st.integers(200_000, 2_800_000), st.integers(500, 3_900),
       st.integers(1_400_000, 1_600_000), st.integers(-186_000, -150_000))
def test_the_ph_signal_comes_back_to_half_a_thousandth_of_ph(uv, centi_c, neutral_uv, slope_uv):
    values = IN_FORCE | {"ph.neutral_uv": neutral_uv, "ph.slope_uv_per_ph": slope_uv}
    try:
        milli = ph_milli(uv, centi_c, neutral_uv, slope_uv)
    except SensorError:
        return
    back_uv = raw_signals.ph_signal_uv(milli / 1_000, centi_c / 100, values)
    assert abs(back_uv - uv) <= 0.51 * abs(slope_uv) / 1_000 * raw_signals.kelvin_ratio(
        centi_c / 100
    )


@given(st.integers(1_000, 2_200_000), st.integers(500, 3_900), st.integers(500, 1_500))
def test_the_conductivity_comes_back_to_half_a_microsiemens(uv, centi_c, cell_milli):
    values = IN_FORCE | {"ec.cell_milli": cell_milli}
    try:
        shown = ec_us_cm(uv, centi_c, cell_milli, values["ec.alpha_ppm_c"])
    except SensorError:
        return
    back = raw_signals.conductivity_us_cm(shown, centi_c / 100, values)
    assert back == pytest.approx(uv / 164 * cell_milli / 1_000, abs=0.75)


@given(st.integers(610_000, 3_000_000), st.integers(0, 600_000), st.integers(500, 5_000))
def test_the_level_signal_comes_back_to_half_a_millimetre(uv, zero_uv, uv_per_mm):
    values = IN_FORCE | {"level.zero_uv": zero_uv, "level.uv_per_mm": uv_per_mm}
    try:
        shown = level_mm(uv, zero_uv, uv_per_mm)
    except SensorError:
        return
    assume(shown > 0)
    assert abs(raw_signals.level_signal_uv(shown, values) - uv) <= 0.5 * uv_per_mm + 1


@given(SLOPES, OFFSETS, TEMPS, TEMPS, st.permutations(["4.01", "7.00", "10.01"]),
       st.integers(2, 3))
def test_two_or_three_buffers_find_the_electrode_at_any_temperature(
    slope_pct, offset_mv, first_c, other_c, names, count
):
    electrode = {"slope_pct": slope_pct, "offset_mv": offset_mv}
    points = []
    for index, name in enumerate(names[:count]):
        new = point(name, other_c if index else first_c, **electrode)
        ph.check_point(new, points)
        points.append(new)
    found = ph.fit(points, IN_FORCE)
    assert found.slope_pct == pytest.approx(slope_pct, abs=0.05)
    assert found.offset_mv == pytest.approx(offset_mv, abs=0.05)
    values = settings.check(ph.settings_of(found))
    for true_ph in (4.5, 5.8, 7.5):
        shown = ph_milli(round(electrode_uv(true_ph, 18.0, **electrode)), 1_800,
                         values["ph.neutral_uv"], values["ph.slope_uv_per_ph"]) / 1_000
        assert shown == pytest.approx(true_ph, abs=0.003)


@given(st.floats(95, 102), OFFSETS, TEMPS)
def test_one_buffer_moves_the_offset_and_keeps_the_slope(slope_pct, offset_mv, temp_c):
    values = IN_FORCE | {"ph.slope_uv_per_ph": round(-177_480 * slope_pct / 100)}
    found = ph.fit([point("7.00", temp_c, slope_pct=slope_pct, offset_mv=offset_mv)], values)
    assert found.slope_uv_per_ph == values["ph.slope_uv_per_ph"]
    assert found.offset_mv == pytest.approx(offset_mv, abs=0.05)


@given(st.floats(0, 140), st.floats(-80, 80), TEMPS)
def test_no_electrode_outside_the_limits_is_accepted(slope_pct, offset_mv, temp_c):
    points = []
    electrode = {"slope_pct": slope_pct, "offset_mv": offset_mv}
    is_accepted = True
    try:
        for name in ("7.00", "4.01"):
            new = point(name, temp_c, **electrode)
            ph.check_point(new, points)
            points.append(new)
        ph.fit(points, IN_FORCE)
    except BadPoint:
        is_accepted = False
    near_pct, near_mv = min(abs(slope_pct - 85), abs(slope_pct - 105)), abs(abs(offset_mv) - 30)
    assume(near_pct > 0.1 and near_mv > 0.1)
    assert is_accepted == (85 < slope_pct < 105 and abs(offset_mv) < 30)


def test_each_mistake_with_buffers_is_called_by_its_name():
    seven = point("7.00")
    in_four = electrode_uv(4.01, 25)
    assert refused(ph.check_point, ph.PhPoint("7.00", 25, in_four), []) == "buffer_other"
    assert refused(
        ph.check_point, ph.PhPoint("4.01", 25, seven.signal_uv), []) == "buffer_other_or_dead"
    assert refused(ph.check_point, point("7.00"), [seven]) == "buffer_again"
    assert refused(ph.check_point, point("6.86"), [seven]) == "buffers_near"
    assert refused(ph.check_point, ph.PhPoint("7.00", 40.5, 1_500_000), []) == "buffer_temperature"
    assert refused(ph.check_point, ph.PhPoint("4.01", 25, 2_700_000), []) == "buffer_unmatched"
    assert refused(buffer_ph, "5.00", 25) == "buffer_unknown"
    three = [seven, point("10.01"), point("9.18")]
    assert refused(ph.check_point, point("4.01"), three) == "buffers_enough"
    dead = [seven, ph.PhPoint("4.01", 25, 1_503_000)]
    assert refused(ph.fit, dead, IN_FORCE) == "electrode_dead"
    swapped = [ph.PhPoint("7.00", 25, in_four), ph.PhPoint("4.01", 25, seven.signal_uv)]
    assert refused(ph.fit, swapped, IN_FORCE) == "buffers_swapped"
    assert refused(ph.fit, [point("7.00", offset_mv=41)], IN_FORCE) == "offset_off"
    flat = [point(name, slope_pct=80) for name in ("7.00", "4.01")]
    assert refused(ph.fit, flat, IN_FORCE) == "slope_off"
    stale = ph.PhPoint("10.01", 25, electrode_uv(9.70, 25))
    assert refused(ph.fit, [seven, point("4.01"), stale], IN_FORCE) == "buffers_bent"
    assert refused(ph.fit, [], IN_FORCE) == "buffer_needed"


def cell_point(standard, temp_c, cell, cell_milli=1_000):
    """A cell whose constant really is `cell`, seen by a node that holds it for cell_milli."""
    seen = standard_us_cm(standard, temp_c) * cell_milli / 1_000 / cell
    return ec.EcPoint(standard, temp_c, seen, cell_milli)


@given(st.floats(0.55, 1.45), st.floats(6, 34), st.floats(6, 34), st.integers(500, 1_500))
def test_standards_find_the_cell_at_any_temperature(cell, low_c, high_c, cell_milli):
    points = []
    for standard, temp_c in (("1413", low_c), ("12880", high_c)):
        new = cell_point(standard, temp_c, cell, cell_milli)
        ec.check_point(new, points)
        points.append(new)
    found = ec.fit(points)
    assert found.cell == pytest.approx(cell, abs=0.001)
    assert settings.check(ec.settings_of(found))["ec.cell_milli"] == found.cell_milli


def test_each_mistake_with_standards_is_called_by_its_name():
    low = cell_point("1413", 25, 1.0)
    swapped = ec.EcPoint("12880", 25, 1_413, 1_000)
    assert refused(ec.check_point, swapped, []) == "standard_other"
    assert refused(ec.check_point, low, [low]) == "standard_again"
    assert refused(ec.check_point, ec.EcPoint("1413", 25, 5, 1_000), []) == "cell_in_air"
    assert refused(ec.check_point, ec.EcPoint("1413", 25, 300, 1_000), []) == "cell_off"
    assert refused(standard_us_cm, "1413", 36.0) == "standard_temperature"
    assert refused(standard_us_cm, "84", 25.0) == "standard_unknown"
    assert refused(ec.fit, [low, cell_point("12880", 25, 1.12)]) == "standards_apart"
    assert refused(ec.fit, [low, cell_point("2760", 25, 1.06)]) == "standards_apart"
    polarised = cell_point("12880", 25, 1.08)
    assert ec.fit([low, polarised]).cell == 1.0
    assert ec.fit([polarised]).cell == 1.08
    assert refused(ec.check_dry, [3.0, 120.0], [None, None]) == "cell_wet"
    assert refused(ec.check_dry, [None], ["no_ack"]) == "cell_fault"
    assert ec.check_dry([None, 4.0], ["in_air", None]) is None


@given(st.integers(300_000, 900_000), st.integers(400, 6_000),
       st.integers(0, 300), st.integers(60, 400))
def test_two_depths_find_the_transmitter(zero_uv, uv_per_mm, low_mm, apart_mm):
    points = []
    for depth_mm in (low_mm, low_mm + apart_mm):
        signal_uv = zero_uv + depth_mm * uv_per_mm
        reading = (signal_uv - IN_FORCE["level.zero_uv"]) / IN_FORCE["level.uv_per_mm"]
        assume(reading >= 0.5)
        points.append(level.LevelPoint(depth_mm, reading))
        level.check_point(points[-1], points[:-1])
    found = level.fit(points, IN_FORCE)
    assert abs(found.zero_uv - zero_uv) <= 1
    assert abs(found.uv_per_mm - uv_per_mm) <= 1


def test_one_depth_moves_the_zero_and_an_empty_tank_that_reads_0_keeps_it():
    assert level.fit([level.LevelPoint(200, 210)], IN_FORCE) == level.LevelFit(624_000, 2_400)
    assert level.fit([level.LevelPoint(0, 0.0)], IN_FORCE) == level.LevelFit(600_000, 2_400)
    both = [level.LevelPoint(0, 0.0), level.LevelPoint(200, 220)]
    assert level.fit(both, IN_FORCE) == level.LevelFit(600_000, 2_640)


def test_each_mistake_with_depths_is_called_by_its_name():
    some = level.LevelPoint(200, 190)
    assert refused(level.check_point, level.LevelPoint(100, 0), []) == "depth_unseen"
    assert refused(level.check_point, level.LevelPoint(220, 210), [some]) == "depths_near"
    assert refused(level.check_point, level.LevelPoint(-1, 210), []) == "depth_off"
    assert refused(level.fit, [some, level.LevelPoint(100, 200)], IN_FORCE) == "depths_swapped"
    same = level.LevelPoint(some.depth_mm + 100, some.reading_mm)
    assert refused(level.check_point, same, [some]) == "level_unmoved"
    assert refused(level.fit, [level.LevelPoint(1_000, 10)], IN_FORCE) == "level_fit_off"


@given(st.floats(300, 3_500), st.lists(st.integers(1_000, 10_000), min_size=1, max_size=4))
def test_runs_find_the_flow(flow, on_ms):
    runs = [pump.PumpRun(ms, round(flow * ms / 1_000)) for ms in on_ms]
    for run in runs:
        pump.check_run(run, 1_000)
    assert pump.fit(runs).ul_per_s == pytest.approx(flow, abs=1)


def test_each_mistake_with_a_cylinder_is_called_by_its_name():
    assert refused(pump.check_run, pump.PumpRun(400, 400), 1_000) == "run_short"
    assert refused(pump.check_run, pump.PumpRun(5_000, 0), 1_000) == "run_empty"
    assert refused(pump.check_run, pump.PumpRun(5_000, 50_000), 1_000) == "run_odd"
    apart = [pump.PumpRun(5_000, 5_000), pump.PumpRun(5_000, 4_000)]
    assert refused(pump.fit, apart) == "runs_apart"


@given(st.floats(85, 105), st.floats(0, 30), st.floats(0, 90), st.floats(0, 10))
def test_health_falls_with_everything_that_gets_worse(slope_pct, offset_mv, age_days, lost):
    now = probe_health.score(slope_pct, offset_mv, age_days, lost)
    assert 0 <= now <= 100
    worse_slope = slope_pct + 1 if slope_pct > 100 else slope_pct - 1
    for worse in (
        probe_health.score(worse_slope, offset_mv, age_days, lost),
        probe_health.score(slope_pct, offset_mv + 3, age_days, lost),
        probe_health.score(slope_pct, -offset_mv - 3, age_days, lost),
        probe_health.score(slope_pct, offset_mv, age_days + 20, lost),
        probe_health.score(slope_pct, offset_mv, age_days, lost + 3),
    ):
        assert worse <= now


def test_health_as_documented():
    assert probe_health.score(99, 4, 3) == 100
    assert probe_health.score(85, 30, 0) == 30
    assert probe_health.score(95, 0, 45) == 85
    assert probe_health.authority_pct(49, 100) == 25
    assert probe_health.authority_pct(49, 10) == 10
    assert probe_health.authority_pct(50, 100) == 100
    days = [(0, 98.0), (30 * calibration_age.DAY_MS, 95.0), (31 * calibration_age.DAY_MS, 94.0)]
    assert probe_health.trend(days) == pytest.approx(4.0 * 30 / 31)
    assert probe_health.trend(days[:1]) == 0


def test_an_old_calibration_warns_and_then_says_what_it_blocks():
    def code(days):
        reason = calibration_age.age_reason(
            9_000, (9_000 + days + calibration_age.DAYS_1970_TO_2000) * calibration_age.DAY_MS)
        return None if reason is None else reason.code

    assert code(30) is None
    assert code(31) == code(60) == "calibration_due"
    assert code(61) == "ph_calibration_old"
    assert calibration_age.age_reason(0, 2**41) is None
