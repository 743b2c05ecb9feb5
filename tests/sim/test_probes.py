"""Probes: what their wires carry, healthy and broken."""

import math

import pytest

from idrosim import probes
from idrosim.probe_parameters import DEFAULTS
from idrosim.rng import Rng

TRUTH = {
    "reservoir.ph": 6.0, "reservoir.temp_c": 20.0, "reservoir.kappa_us_cm": 1_400.0,
    "reservoir.level_mm": 200.0, "air.temp_c": 22.0, "air.rh_pct": 60.0,
}
KINDS = (probes.PhProbe, probes.EcProbe, probes.TempProbe, probes.LevelProbe, probes.AirProbe)
READ = {
    probes.PhProbe: "electrode_mv", probes.EcProbe: "kappa_us_cm", probes.TempProbe: "temp_c",
    probes.LevelProbe: "level_mm", probes.AirProbe: "temp_c",
}
QUIET = {
    "probe.ph.noise_mv": 0, "probe.ph.offset_walk_mv": 0, "probe.ec.noise_ratio": 0,
    "probe.temp.noise_c": 0, "probe.level.noise_mm": 0, "probe.air.noise_c": 0,
    "probe.air.noise_rh_pct": 0,
}


def settled(kind, params=None, **changes):
    """Return a probe that has hung for ten minutes in TRUTH with `changes`."""
    probe = kind({**QUIET, **(params or {})}, Rng(5))
    for _ in range(60):
        probe.step(10.0, {**TRUTH, **changes})
    return probe


def read(probe):
    return getattr(probe, READ[type(probe)])


@pytest.mark.parametrize(("temp_c", "slope"), [
    (5.0, 55.1909), (10.0, 56.1830), (20.0, 58.1672), (25.0, 59.1593), (35.0, 61.1436)])
def test_the_slope_is_nernsts(temp_c, slope):
    assert probes.nernst_slope_mv(temp_c) == pytest.approx(slope, abs=1e-3)


def test_electrode_is_positive_in_acid_by_slope_and_offset():
    params = {"probe.ph.slope_ratio": 0.9, "probe.ph.offset_mv": 5.0,
              "probe.ph.slope_loss_per_month": 0}
    probe = settled(probes.PhProbe, params)
    assert probe.electrode_mv == pytest.approx(5.0 + 0.9 * 58.1672, abs=0.01)


def test_electrode_answers_in_its_time_and_slower_when_cold():
    seen = []
    for temp_c in (25.0, 10.0):
        probe = settled(probes.PhProbe, {"probe.ph.tau_s": 10}, **{"reservoir.temp_c": temp_c})
        before = probe.electrode_mv
        probe.step(10.0, {**TRUTH, "reservoir.ph": 5.0, "reservoir.temp_c": temp_c})
        seen.append((probe.electrode_mv - before) / probes.nernst_slope_mv(temp_c) / 0.985)
    assert seen[0] == pytest.approx(1.0 - math.exp(-1.0), abs=1e-3)
    assert seen[1] < seen[0] - 0.1


def test_the_lag_does_not_depend_on_the_step():
    fine, coarse = settled(probes.PhProbe), settled(probes.PhProbe)
    for _ in range(100):
        fine.step(0.1, {**TRUTH, "reservoir.ph": 5.0})
    coarse.step(10.0, {**TRUTH, "reservoir.ph": 5.0})
    assert fine.electrode_mv == pytest.approx(coarse.electrode_mv, abs=1e-6)


def test_electrode_ages():
    probe = settled(probes.PhProbe)
    young = probe.electrode_mv
    for _ in range(365):
        probe.step(86_400.0, TRUTH)
    assert 0.88 < (probe.electrode_mv - 3.0) / (young - 3.0) < 0.95


def test_cell_fouls_and_polarises():
    probe = settled(probes.EcProbe, {"probe.ec.cell_ratio": 1.0})
    assert probe.kappa_us_cm == pytest.approx(1_400.0, rel=1e-4)
    for _ in range(180):
        probe.step(86_400.0, TRUTH)
    assert 0.93 < probe.kappa_us_cm / 1_400.0 < 0.97
    strong = settled(probes.EcProbe, {"probe.ec.cell_ratio": 1.0},
                     **{"reservoir.kappa_us_cm": 10_000.0})
    assert strong.kappa_us_cm == pytest.approx(9_500.0, rel=1e-3)


def test_level_temperature_and_air():
    assert settled(probes.LevelProbe).level_mm == pytest.approx(200.0, abs=1e-6)
    assert settled(probes.TempProbe).temp_c == pytest.approx(20.1, abs=1e-6)
    air = settled(probes.AirProbe)
    assert air.temp_c == pytest.approx(22.1, abs=1e-6)
    assert air.rh_pct == pytest.approx(61.0, abs=1e-6)


def test_each_look_draws_fresh_noise_of_the_stated_size():
    probe = probes.PhProbe({"probe.ph.noise_mv": 0.5}, Rng(9))
    probe.step(1.0, TRUTH)
    looks = [probe.electrode_mv for _ in range(2_000)]
    mean = sum(looks) / len(looks)
    deviation = math.sqrt(sum((look - mean) ** 2 for look in looks) / len(looks))
    assert deviation == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stuck_probe_repeats_itself_to_the_last_bit_and_recovers(kind):
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
def test_a_drifting_probe_runs_away_from_a_constant_truth(kind):
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
    with pytest.raises(ValueError, match="needs a step"):
        read(probe)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", [None, "stuck", "drift"])
def test_state_restores_to_the_last_bit(kind, fault):
    rng = Rng(11)
    probe = kind({}, rng)
    probe.step(60.0, TRUTH)
    probe.fault = fault
    probe.step(60.0, {**TRUTH, "reservoir.ph": 5.5})
    state, at = probe.state(), rng.state
    again = Rng(1)
    other = kind({}, again)
    other.restore(state)
    again.state = at
    for one in (probe, other):
        one.step(7.0, TRUTH)
    assert other.fault == fault
    assert read(other) == read(probe)


def test_every_kind_has_its_parameters():
    assert sorted(DEFAULTS) == [
        "air", "co2", "ec", "float", "flow", "level", "light", "ph", "range", "supply", "temp",
    ]
