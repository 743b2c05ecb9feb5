"""Tests of water probes: their signals, healthy and faulty."""

import math

import pytest

from idrosim.greenhouse.rng import Rng
from idrosim.probes import water_probes
from idrosim.probes.parameters import DEFAULTS

TRUTH = {
    "reservoir.ph": 6.0, "reservoir.temp_c": 20.0, "reservoir.kappa_us_cm": 1_400.0,
    "reservoir.level_mm": 200.0, "air.temp_c": 22.0, "air.rh_pct": 60.0,
}
KINDS = (
    water_probes.PhProbe,
    water_probes.EcProbe,
    water_probes.TempProbe,
    water_probes.LevelProbe,
    water_probes.AirProbe,
)
READ = {
    water_probes.PhProbe: "electrode_mv",
    water_probes.EcProbe: "kappa_us_cm",
    water_probes.TempProbe: "temp_c",
    water_probes.LevelProbe: "level_mm",
    water_probes.AirProbe: "temp_c",
}
QUIET = {
    "probe.ph.noise_mv": 0, "probe.ph.offset_walk_mv": 0, "probe.ec.noise_ratio": 0,
    "probe.temp.noise_c": 0, "probe.level.noise_mm": 0, "probe.air.noise_c": 0,
    "probe.air.noise_rh_pct": 0,
}


def settled(kind, params=None, **changes):
    """Return a probe after ten minutes in TRUTH with `changes`."""
    probe = kind({**QUIET, **(params or {})}, Rng(5))
    for _ in range(60):
        probe.step(10.0, {**TRUTH, **changes})
    return probe


def read(probe):
    return getattr(probe, READ[type(probe)])


@pytest.mark.parametrize(("temp_c", "slope"), [
    (5.0, 55.1909), (10.0, 56.1830), (20.0, 58.1672), (25.0, 59.1593), (35.0, 61.1436)])
def test_the_slope_follows_nernst(temp_c, slope):
    assert water_probes.nernst_slope_mv(temp_c) == pytest.approx(slope, abs=1e-3)


def test_electrode_is_positive_in_acid_by_slope_and_offset():
    params = {"probe.ph.slope_ratio": 0.9, "probe.ph.offset_mv": 5.0,
              "probe.ph.slope_loss_per_month": 0}
    probe = settled(water_probes.PhProbe, params)
    assert probe.electrode_mv == pytest.approx(5.0 + 0.9 * 58.1672, abs=0.01)


def test_electrode_lags_and_is_slower_in_the_cold():
    seen = []
    for temp_c in (25.0, 10.0):
        probe = settled(
            water_probes.PhProbe, {"probe.ph.tau_s": 10}, **{"reservoir.temp_c": temp_c}
        )
        before = probe.electrode_mv
        probe.step(10.0, {**TRUTH, "reservoir.ph": 5.0, "reservoir.temp_c": temp_c})
        seen.append((probe.electrode_mv - before) / water_probes.nernst_slope_mv(temp_c) / 0.985)
    assert seen[0] == pytest.approx(1.0 - math.exp(-1.0), abs=1e-3)
    assert seen[1] < seen[0] - 0.1


def test_the_lag_does_not_depend_on_the_step():
    fine, coarse = settled(water_probes.PhProbe), settled(water_probes.PhProbe)
    for _ in range(100):
        fine.step(0.1, {**TRUTH, "reservoir.ph": 5.0})
    coarse.step(10.0, {**TRUTH, "reservoir.ph": 5.0})
    assert fine.electrode_mv == pytest.approx(coarse.electrode_mv, abs=1e-3)


def test_electrode_ages():
    probe = settled(water_probes.PhProbe)
    young = probe.electrode_mv
    for _ in range(365):
        probe.step(86_400.0, TRUTH)
    assert 0.88 < (probe.electrode_mv - 3.0) / (young - 3.0) < 0.95


def test_cell_fouls_and_polarises():
    probe = settled(water_probes.EcProbe, {"probe.ec.cell_ratio": 1.0})
    assert probe.kappa_us_cm == pytest.approx(1_400.0, rel=1e-4)
    for _ in range(180):
        probe.step(86_400.0, TRUTH)
    assert 0.93 < probe.kappa_us_cm / 1_400.0 < 0.97
    strong = settled(water_probes.EcProbe, {"probe.ec.cell_ratio": 1.0},
                     **{"reservoir.kappa_us_cm": 10_000.0})
    assert strong.kappa_us_cm == pytest.approx(9_500.0, rel=1e-3)


def test_level_temperature_and_air():
    assert settled(water_probes.LevelProbe).level_mm == pytest.approx(200.0, abs=1e-6)
    assert settled(water_probes.TempProbe).temp_c == pytest.approx(20.1, abs=1e-6)
    air = settled(water_probes.AirProbe)
    assert air.temp_c == pytest.approx(22.1, abs=1e-6)
    assert air.rh_pct == pytest.approx(61.0, abs=1e-6)


def test_each_reading_has_new_noise_of_the_given_size():
    probe = water_probes.PhProbe({"probe.ph.noise_mv": 0.5}, Rng(9))
    probe.step(1.0, {**TRUTH, "reservoir.temp_c": 25.0})
    looks = [probe.electrode_mv for _ in range(2_000)]
    mean = sum(looks) / len(looks)
    deviation = math.sqrt(sum((look - mean) ** 2 for look in looks) / len(looks))
    assert deviation == pytest.approx(0.5, rel=0.1)


def test_an_old_electrode_is_slow_and_flat():
    new, old = (
        settled(water_probes.PhProbe, {"probe.ph.age_months": months}) for months in (0, 18)
    )
    assert (old.electrode_mv - 3.0) / (new.electrode_mv - 3.0) == pytest.approx(0.872, abs=0.01)
    moved = []
    for probe in (new, old):
        before = probe.electrode_mv
        probe.step(20.0, {**TRUTH, "reservoir.ph": 5.0})
        moved.append(probe.electrode_mv - before)
    assert moved[1] < 0.5 * moved[0]


def test_the_glass_lags_behind_the_water_temperature():
    probe = settled(water_probes.PhProbe, {"probe.ph.glass_tau_s": 45, "probe.ph.offset_mv": 0,
                                     "probe.ph.slope_loss_per_month": 0})
    cold, warm = (0.985 * water_probes.nernst_slope_mv(temp_c) for temp_c in (20.0, 30.0))
    probe.step(45.0, {**TRUTH, "reservoir.temp_c": 30.0})
    share = (probe.electrode_mv - cold) / (warm - cold)
    assert share == pytest.approx(1.0 - math.exp(-1.0), abs=0.01)


def test_a_ground_loop_shifts_ph_with_conductivity_and_with_the_mains():
    params = {"probe.ph.ec_coupling_mv_per_ms_cm": 5.0, "probe.ph.ground_loop_mv": 18.0,
              "probe.ec.ground_loop_ratio": 0.05}
    alone, ec_alone = settled(water_probes.PhProbe), settled(water_probes.EcProbe)
    for mains, shift in ((0.0, 7.0), (1.0, 25.0)):
        shifted = settled(water_probes.PhProbe, params, mains=mains)
        assert shifted.electrode_mv - alone.electrode_mv == pytest.approx(shift, abs=1e-6)
        cell = settled(water_probes.EcProbe, params, mains=mains)
        assert cell.kappa_us_cm == pytest.approx(ec_alone.kappa_us_cm * (1.0 + 0.05 * mains))


def test_a_probe_in_the_inlet_reads_its_share():
    inlet = {"inlet": lambda: (4.0, 2_400.0, 2_500.0)}
    params = {"probe.ph.inlet_ratio": 0.5, "probe.ec.inlet_ratio": 0.25}
    ph = settled(water_probes.PhProbe, params, **inlet)
    assert ph.electrode_mv == pytest.approx(
        settled(water_probes.PhProbe, **{"reservoir.ph": 5.0}).electrode_mv)
    ec = settled(water_probes.EcProbe, params, **inlet)
    assert ec.kappa_us_cm == pytest.approx(
        settled(water_probes.EcProbe, **{"reservoir.kappa_us_cm": 1_650.0}).kappa_us_cm)


@pytest.mark.parametrize("kind", [water_probes.PhProbe, water_probes.EcProbe])
def test_a_probe_in_a_pipe_has_a_dead_time(kind):
    name = "ph" if kind is water_probes.PhProbe else "ec"
    probe = settled(kind, {f"probe.{name}.dead_time_s": 30, f"probe.{name}.tau_s": 0.001,
                           "probe.ph.tau_growth_s_per_month": 0})
    before = read(probe)
    changed = {**TRUTH, "reservoir.ph": 5.0, "reservoir.kappa_us_cm": 900.0}
    for _ in range(3):
        probe.step(10.0, changed)
        assert read(probe) == pytest.approx(before, rel=1e-3)
    probe.step(10.0, changed)
    assert read(probe) != pytest.approx(before, rel=0.1)


def test_bubbles_come_and_go():
    cell = settled(water_probes.EcProbe, {"probe.ec.bubbles_per_day": 24})
    free, low = cell.kappa_us_cm, 0
    for _ in range(2_880):
        cell.step(60.0, TRUTH)
        low += cell.kappa_us_cm < 0.71 * free
    assert 24 < low < 1_000  # two days, about 48 bubbles of some minutes
    cell.params["bubbles_per_day"] = 0.0
    for _ in range(20):
        cell.step(60.0, TRUTH)
    assert cell.kappa_us_cm == pytest.approx(free, rel=1e-3)
    cell.params["bubble_ratio"] = 0.33
    cell.step(600.0, TRUTH)
    assert cell.kappa_us_cm == pytest.approx(0.67 * free, rel=1e-3)


def test_mains_hum_scatters_by_its_amplitude():
    probe = settled(water_probes.PhProbe, {"probe.ph.hum_mv": 5.0})
    looks = [probe.electrode_mv for _ in range(500)]
    assert 9.5 < max(looks) - min(looks) <= 10.0


@pytest.mark.parametrize("kind", KINDS)
def test_a_slow_probe_takes_much_longer(kind):
    probe = settled(kind)
    probe.fault = "slow"
    moved = {key: value * 0.8 for key, value in TRUTH.items() if key != "reservoir.temp_c"}
    moved["reservoir.temp_c"] = 20.0 if kind is water_probes.PhProbe else 16.0
    before = read(probe)
    probe.step(20.0, {**TRUTH, **moved})
    soon = abs(read(probe) - before)
    for _ in range(100):
        probe.step(60.0, {**TRUTH, **moved})
    assert soon < 0.35 * abs(read(probe) - before)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stuck_probe_repeats_its_value_and_recovers(kind):
    probe = kind({}, Rng(3))
    probe.step(60.0, TRUTH)
    probe.fault = "stuck"
    held = read(probe)
    moved = {key: value * 0.8 for key, value in TRUTH.items()}
    for _ in range(30):
        probe.step(10.0, moved)
    assert read(probe) == held
    probe.fault = None
    assert read(probe) != held


@pytest.mark.parametrize("kind", KINDS)
def test_a_noisy_probe_is_far_noisier(kind):
    probe = kind({}, Rng(3))
    probe.step(60.0, TRUTH)
    spans = []
    for fault in (None, "noisy"):
        probe.fault = fault
        looks = [read(probe) for _ in range(200)]
        spans.append(max(looks) - min(looks))
    assert spans[1] > 20.0 * spans[0] > 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_a_drifting_probe_leaves_a_constant_truth(kind):
    probe = settled(kind)
    before = read(probe)
    probe.fault = "drift"
    for _ in range(360):
        probe.step(60.0, TRUTH)
    assert abs(read(probe) - before) > 3.0
    probe.fault = None


def test_broken_wires():
    ph, ec, level = (settled(kind) for kind in KINDS if "unplugged" in kind.FAULTS)
    for probe in (ph, ec, level):
        probe.fault = "unplugged"
    assert ph.electrode_mv > 500.0
    assert ec.kappa_us_cm == 0.0
    assert level.level_mm < -200.0
    for probe in (ph, ec, level):
        probe.fault = "shorted"
    assert ph.electrode_mv == 0.0
    assert ec.kappa_us_cm > 50_000.0
    assert level.level_mm > 1_000.0


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_faults_and_parameters_are_refused_by_name(kind):
    probe = kind({}, Rng(1))
    with pytest.raises(ValueError, match="melted"):
        probe.fault = "melted"
    with pytest.raises(ValueError, match=r"probe\.ph\.colour"):
        kind({"probe.ph.colour": 1.0}, Rng(1))
    for value in (0, -1.0, float("nan"), "fast"):
        with pytest.raises(ValueError, match=r"probe\.ph\.tau_s"):
            kind({"probe.ph.tau_s": value}, Rng(1))
    with pytest.raises(ValueError, match="step the probe"):
        read(probe)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", [None, "stuck", "drift", "slow"])
def test_state_restores_to_the_last_bit(kind, fault):
    rng = Rng(11)
    params = {"probe.ph.dead_time_s": 70, "probe.ec.dead_time_s": 70,
              "probe.ec.bubbles_per_day": 1_000}
    probe = kind(params, rng)
    probe.step(60.0, TRUTH)
    probe.fault = fault
    probe.step(60.0, {**TRUTH, "reservoir.ph": 5.5})
    state, at = probe.state(), rng.state
    again = Rng(1)
    other = kind(params, again)
    other.restore(state)
    again.state = at
    for one in (probe, other):
        one.step(7.0, TRUTH)
    assert other.fault == fault
    assert read(other) == read(probe)


def test_every_kind_has_its_parameters():
    assert sorted(DEFAULTS) == [
        "air", "co2", "do", "ec", "float", "flow", "level", "light", "moisture", "par", "ph",
        "range", "supply", "temp",
    ]


@pytest.mark.parametrize(("kind", "key", "value", "truth_key"), [
    (water_probes.PhProbe, "probe.ph.in_buffer_ph", 4.01, "reservoir.ph"),
    (water_probes.EcProbe, "probe.ec.in_standard_us_cm", 1_305.0, "reservoir.kappa_us_cm"),
    (water_probes.LevelProbe, "probe.level.at_depth_mm", 0.0, "reservoir.level_mm"),
])
def test_a_probe_in_a_cup_reads_the_cup(kind, key, value, truth_key):
    assert read(settled(kind, {key: value})) == read(settled(kind, **{truth_key: value}))
