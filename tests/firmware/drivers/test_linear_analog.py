"""Tests of the linear_analog: line, range and faults; a pH by it is treated as by a sen0161."""

from idro.control.plausibility import DOSED, UNDISTURBED, ChannelPlausibility
from idro.drivers import ads1115, dfr0300, hydrostatic, linear_analog, sen0161
from idro.errors import SensorError
from idrosim.devices import ads1115 as converter
from idrosim.devices import linear_analog as twin
from idrosim.devices import sen0161 as ph_board
from idrosim.greenhouse.rng import Rng
from support.portable_fakes import FakeClock, FakeI2c, fault_of, run

ADDRESS = 0x48
LSB_UV = 125
CALIBRATION = {
    "ph.neutral_uv": 1_500_000, "ph.slope_uv_per_ph": -177_480, "ec.cell_milli": 1_000,
    "ec.alpha_ppm_c": 20_000, "level.zero_uv": 600_000, "level.uv_per_mm": 2_400}
WATER = {"reservoir.temp_c": 25.0}
# (quantity, low_mv, high_mv, point1_mv, point1_value, point2_mv, point2_value)
PH_4502C = ("ph", 100, 3_000, 1_667, 7, 2_022, 4)  # 5 V, behind 10 k and 20 k
SEN0161_V1 = ("ph", 100, 3_000, 1_333, 7, 762, 4)  # rises with pH
SEN0161_V2 = ("ph", 150, 2_900, 1_500, 7, 2_742, 0)
LOOP_PH = ("ph", 540, 3_150, 600, 0, 3_000, 14)
GRAVITY_TDS = ("ec_us_cm", 0, 2_250, 1_000, 735, 2_000, 1_759)
LOOP_EC = ("ec_us_cm", 540, 3_150, 600, 0, 3_000, 10_000)
LOOP_LEVEL = ("level_mm", 540, 3_150, 600, 0, 3_000, 5_000)
MOISTURE = ("moisture_pct", 500, 3_100, 2_500, 0, 1_250, 100)
LOOP_OXYGEN = ("do_mg_l", 540, 3_150, 600, 0, 3_000, 20)
LOOP_TEMPERATURE = ("temp_c", 540, 3_150, 600, -20, 3_000, 80)


def spec_of(line, self_compensated=0):
    names = ("low_mv", "high_mv", "point1_mv", "point1_value", "point2_mv", "point2_value")
    spec = {"source": "reservoir", "part": "linear_analog", "measures": [line[0]], "channel": 3,
            "self_compensated": self_compensated}
    for index, name in enumerate(names):
        spec[name] = line[1 + index]
    return spec


class Bench:
    """A driver, its converter and the voltage at its input, in mV or by a function."""

    def __init__(self, line, driver=linear_analog, self_compensated=0, **changed):
        self.values = dict(CALIBRATION)
        for key in changed:
            self.values[key.replace("__", ".")] = changed[key]
        clock = FakeClock()
        part = converter.Ads1115(clock)
        part.inputs[3] = self._volts
        self.millivolts = 0.0
        adc = ads1115.Ads1115(FakeI2c(clock, {ADDRESS: part}), ADDRESS, clock)
        spec = spec_of(line, self_compensated)
        self.sensor = driver.build(spec, adc, clock, self.values)
        self.board = twin.LinearAnalog(spec, lambda: self.value)
        self.value = 0.0

    def _volts(self):
        return (self.millivolts() if callable(self.millivolts) else self.millivolts) / 1000

    def at_mv(self, millivolts, context=None):
        self.millivolts = millivolts
        return run(self.sensor.read(WATER if context is None else context))

    def fault_at_mv(self, millivolts, context=None):
        self.millivolts = millivolts
        return fault_of(self.sensor.read(WATER if context is None else context))

    def of(self, value, context=None):
        """Return the reading with the board of this line at `value`."""
        self.value = value
        return self.at_mv(lambda: 1000 * self.board.volts(), context)


def near(found, key, wanted, off):
    assert list(found) == [key]
    assert abs(found[key] - wanted) <= off, (found, wanted)


def test_reads_what_the_board_says_at_both_points_and_between():
    for line, off in ((PH_4502C, 0.002), (SEN0161_V1, 0.002), (GRAVITY_TDS, 1), (LOOP_LEVEL, 1),
                      (LOOP_EC, 1), (MOISTURE, 0.02), (LOOP_OXYGEN, 0.002),
                      (LOOP_TEMPERATURE, 0.01)):
        key, low, high = line[0], line[4], line[6]
        for share in (0.01, 0.1, 0.5, 0.77, 1.0):
            wanted = low + share * (high - low)
            near(Bench(line).of(wanted), key, wanted, off)


def test_a_ph_4502c_falls_as_ph_rises_and_a_sen0161_v1_rises():
    assert Bench(PH_4502C).at_mv(2_022)["ph"] == 4.0
    assert Bench(PH_4502C).at_mv(1_667)["ph"] == 7.0
    assert Bench(SEN0161_V1).at_mv(762)["ph"] == 4.0
    assert Bench(SEN0161_V1).at_mv(1_714)["ph"] > 8.9


def test_outside_its_electrical_range_it_is_a_fault_and_never_a_number():
    for line in (PH_4502C, SEN0161_V1, LOOP_LEVEL, LOOP_EC, MOISTURE, LOOP_OXYGEN,
                 LOOP_TEMPERATURE):
        bench = Bench(line)
        assert bench.fault_at_mv(line[1] - 1) == "saturated", line
        assert bench.sensor.spread_uv is None
        assert bench.fault_at_mv(line[2] + 1) == "saturated", line
        for fault in twin.FAULTS:
            bench.board.fault = fault
            assert bench.fault_at_mv(1000 * bench.board.volts()) == "saturated", (line, fault)


def test_a_cell_in_air_or_a_cut_cable_of_an_ec_board_is_in_air():
    bench = Bench(GRAVITY_TDS)
    for millivolts in (0.0, 100.0, 282.0):
        assert bench.fault_at_mv(millivolts) == "in_air"
    assert bench.at_mv(300.0)["ec_us_cm"] < 30
    assert bench.fault_at_mv(2_501.0) == "saturated"


def test_noise_at_an_end_is_the_end_and_more_is_a_fault():
    assert Bench(MOISTURE).at_mv(2_530) == {"moisture_pct": 0}
    assert Bench(MOISTURE).at_mv(1_220) == {"moisture_pct": 100}
    assert Bench(MOISTURE).fault_at_mv(2_600) == "out_of_range"
    assert Bench(MOISTURE).at_mv(1_100)["moisture_pct"] > 105  # the range check of the quantity
    assert Bench(LOOP_OXYGEN).at_mv(590) == {"do_mg_l": 0}
    near(Bench(LOOP_TEMPERATURE).at_mv(560), "temp_c", -21.667, 0.01)


def test_ph_and_ec_need_the_water_temperature_and_others_none():
    for line in (PH_4502C, GRAVITY_TDS, LOOP_EC):
        for self_compensated in (0, 1):
            bench = Bench(line, self_compensated=self_compensated)
            assert bench.fault_at_mv(1_600, {"air.temp_c": 20.0}) == "no_temperature"
    for line in (LOOP_LEVEL, MOISTURE, LOOP_OXYGEN, LOOP_TEMPERATURE):
        Bench(line).at_mv(2_000, {})


def test_the_slope_of_an_electrode_and_the_conductivity_follow_the_temperature():
    for temp_c in (10.0, 18.0, 35.0):
        context = {"reservoir.temp_c": temp_c}
        electrode_mv = 2.0 * 0.1984159 * (temp_c + 273.15)  # pH 5
        near(Bench(PH_4502C).of(twin.shown("ph", electrode_mv), context), "ph", 5.0, 0.004)
        kappa_us_cm = 1_400 * (1 + 0.02 * (temp_c - 25))
        near(Bench(GRAVITY_TDS).of(kappa_us_cm, context), "ec_us_cm", 1_400, 1)


def test_a_board_that_compensates_itself_is_not_compensated_twice():
    for temp_c in (10.0, 18.0, 35.0):
        context = {"reservoir.temp_c": temp_c}
        near(Bench(PH_4502C, self_compensated=1).of(5.0, context), "ph", 5.0, 0.003)
        near(Bench(LOOP_EC, self_compensated=1).of(1_413, context), "ec_us_cm", 1_413, 2)


def test_the_calibration_is_that_of_the_old_parts():
    bench = Bench(PH_4502C)
    bench.values["ph.neutral_uv"] = 1_530_000  # 10 mV of the electrode
    near(bench.of(twin.shown("ph", 10.0)), "ph", 7.0, 0.002)
    bench.values["ph.slope_uv_per_ph"] = -159_732  # 90 %
    near(bench.of(twin.shown("ph", 10.0 + 0.9 * 2 * 59.1593)), "ph", 5.0, 0.003)
    near(Bench(GRAVITY_TDS, ec__cell_milli=1_200).of(1_000), "ec_us_cm", 1_200, 1)
    near(Bench(LOOP_LEVEL, level__zero_uv=840_000).of(300), "level_mm", 200, 1)
    for slope_uv_per_ph in (0, 177_480):
        bench.values["ph.slope_uv_per_ph"] = slope_uv_per_ph
        assert bench.fault_at_mv(1_700) == "uncalibrated"


def test_a_new_calibration_applies_to_the_next_read():
    bench = Bench(SEN0161_V1)
    assert bench.at_mv(1_333) == {"ph": 7.0}
    bench.values["ph.neutral_uv"] = 1_440_000
    assert bench.at_mv(1_333)["ph"] < 6.7


def test_the_spread_is_on_the_scale_of_the_old_part():
    for line, per_unit in ((PH_4502C, 177_480), (SEN0161_V1, 177_480), (LOOP_LEVEL, 2_400)):
        unit_mv = (line[5] - line[3]) / (line[6] - line[4])
        volts = [line[3] + 0.5 * unit_mv, line[3], line[3]]
        bench = Bench(line)
        bench.at_mv(lambda volts=volts: volts.pop())
        # Half a unit between three conversions, to the step of the converter.
        step_uv = LSB_UV * per_unit / abs(1000 * unit_mv)
        assert abs(bench.sensor.spread_uv - per_unit / 2) <= step_uv


# --- a pH by this part is a pH by a sen0161, to all that dosing goes by

DEAD_MV = 0.0
STEPS = 260
EVERY_MS = 10_000


def electrode(kind, rng, step):
    """Return the voltage of an electrode at pH 5.8, mV; after ten minutes it has the fault."""
    healthy_mv = 71.0 + rng.gauss(0.2)
    if step < 60 or kind == "healthy":
        return healthy_mv
    if kind == "shorted":
        return DEAD_MV
    if kind == "stuck":
        return 71.0
    if kind == "noisy":
        return 71.0 + rng.gauss(15.0)
    if kind == "open":
        return 700.0
    if kind == "jump":
        return healthy_mv + (60.0 if step % 7 == 0 else 0.0)
    if kind == "drift":
        return healthy_mv + min(250.0, (step - 60) * 5.0)
    raise ValueError(kind)


KINDS = ("healthy", "shorted", "stuck", "noisy", "open", "jump", "drift")


class Followed:
    """One probe, read and checked as a node does; `faults` has None or a fault of each step."""

    def __init__(self, line, driver):
        self.bench = Bench(line, driver)
        self.track = ChannelPlausibility("ph")
        self.faults = []
        self.values = []

    def step(self, millivolts, context, now_ms, moved_by):
        bench = self.bench
        bench.millivolts = millivolts
        try:
            value = run(bench.sensor.read(context))["ph"]
        except SensorError as error:
            self.track.failed(bench.sensor.spread_uv, bench.sensor.signal_uv, now_ms)
            self.faults.append(error.fault)
            self.values.append(None)
            return
        self.values.append(value)
        sensor = bench.sensor
        self.faults.append(
            self.track.check(value, sensor.spread_uv, now_ms, moved_by, sensor.signal_uv))


def follow(kind, line, shown, context_of=lambda step: WATER, moved_by=UNDISTURBED, **changed):
    """Return (the old part, the new part), both on one electrode of `kind`."""
    old, new = Followed(SEN0161_V2, sen0161), Followed(line, linear_analog)
    for key in changed:
        for probe in (old, new):
            probe.bench.values[key.replace("__", ".")] = changed[key]
    rng = Rng(7)
    for step in range(STEPS):
        burst = [electrode(kind, rng, step) for _ in range(3)]
        for probe, volts in ((old, lambda mv: 1000 * ph_board.volts(mv)), (new, shown)):
            queue = list(burst)
            probe.step(lambda queue=queue, volts=volts: volts(queue.pop()), context_of(step),
                       step * EVERY_MS, moved_by)
    return old, new


def shown_by(line):
    def shown(electrode_mv):
        found = twin.LinearAnalog(spec_of(line), lambda: twin.shown("ph", electrode_mv))
        return 1000 * found.volts()
    return shown


BEYOND = ("saturated", "out_of_range", "no_temperature")


def same(old, new):
    """Assert equal readings and faults. A step of the converter may move an onset by one reading,
    and a signal that no electrode gives may end the range of one board before the other's."""
    apart = []
    for step in range(STEPS):
        before, after = old.faults[step], new.faults[step]
        if before != after and not (before in BEYOND and after in BEYOND):
            apart.append((step, before, after))
    assert len(apart) <= 1, apart[:5]
    for step in range(STEPS):
        before, after = old.values[step], new.values[step]
        assert (before is None) == (after is None)
        assert before is None or abs(before - after) < 0.01, (before, after)


def test_every_failure_of_an_electrode_has_the_fault_that_it_has_on_a_sen0161():
    seen = set()
    for line in (PH_4502C, SEN0161_V1):
        for kind in KINDS:
            old, new = follow(kind, line, shown_by(line))
            same(old, new)
            seen |= set(old.faults)
    assert {None, "flat", "noisy", "saturated", "jump"} <= seen


def test_a_stuck_electrode_in_water_that_cools_is_flat():
    def cools(step):
        return {"reservoir.temp_c": 33.0 - 0.02 * step}

    for line in (PH_4502C, SEN0161_V1):
        for part in follow("stuck", line, shown_by(line), cools):
            assert set(part.faults[130:]) == {"flat"}


def flat_share(ph_at, context_at, steps=180):
    """Return the share of flat readings after the first ten minutes behind a board that
    compensates itself, and the range of its readings."""
    bench, track = Bench(LOOP_PH, self_compensated=1), ChannelPlausibility("ph")
    values, flat = [], 0
    for step in range(steps):
        sensor, now_ms, fault = bench.sensor, step * EVERY_MS, None
        try:
            values.append(bench.of(ph_at(step), context_at(step))["ph"])
        except SensorError:
            track.failed(sensor.spread_uv, sensor.signal_uv, now_ms)
            continue
        fault = track.check(values[-1], sensor.spread_uv, now_ms, UNDISTURBED, sensor.signal_uv)
        flat += step > 64 and fault == "flat"
    return flat / (steps - 65), max(values) - min(values)


def cooling(step):
    return {"reservoir.temp_c": 33.0 - step / 60}


def test_a_stuck_electrode_behind_a_board_that_compensates_itself_is_flat():
    def shown(step):
        return 7 - 1.5 * 298.15 / (cooling(step)["reservoir.temp_c"] + 273.15)

    share, moved = flat_share(shown, cooling)
    assert share == 1.0
    assert moved > 0.003


def test_a_board_that_hangs_in_water_that_cools_is_flat():
    for ph in (4.5, 5.5, 10.0):
        assert flat_share(lambda step, ph=ph: ph, cooling)[0] == 1.0


def test_no_thermometer_hides_a_stuck_electrode_behind_a_board_that_compensates_itself():
    rng = Rng(7)

    def noisy(step):
        return {"reservoir.temp_c": 20.0 + rng.gauss(0.5)}

    def fails(step):
        return {} if step % 54 == 53 else {"reservoir.temp_c": 20.0}

    for ph in (4.5, 5.5, 10.0):
        assert flat_share(lambda step, ph=ph: ph, noisy)[0] == 1.0
        assert flat_share(lambda step, ph=ph: ph, fails)[0] > 0.95


def test_a_healthy_electrode_has_no_fault():
    for line in (PH_4502C, SEN0161_V1):
        _, new = follow("healthy", line, shown_by(line))
        assert new.faults == [None] * STEPS


def test_dosed_water_a_lost_thermometer_and_an_old_calibration_are_treated_alike():
    def lost(step):
        return {} if 100 < step < 140 else {"reservoir.temp_c": 18.0}

    for line in (PH_4502C, SEN0161_V1):
        old, new = follow("drift", line, shown_by(line), lost, DOSED)
        same(old, new)
        assert "no_temperature" in new.faults
        same(*follow("healthy", line, shown_by(line), lost, ph__neutral_uv=1_590_000,
                     ph__slope_uv_per_ph=-150_860))  # the last that a calibration accepts
        same(*follow("healthy", line, shown_by(line), ph__slope_uv_per_ph=0))


def test_shares_the_limits_of_the_parts_that_it_stands_for():
    """A change of a limit there must be a change here."""
    assert linear_analog._IN_AIR_UV == dfr0300._IN_AIR_UV
    assert linear_analog._SCALES["ec_us_cm"] == (0, dfr0300._UV_PER_US_CM)
    assert hydrostatic.level_mm(*linear_analog._SCALES["level_mm"][:1], 600_000, 2_400) == 0
    base_uv, per_ph_uv = linear_analog._SCALES["ph"]
    assert sen0161.ph_milli(base_uv + 7 * per_ph_uv, 2_500, 1_500_000, -177_480) == 7_000
