"""Tests of the fleet: its chemistry and water equal those of single greenhouses."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from idrosim.benchmark.fleet.chemistry import FleetSolution
from idrosim.benchmark.fleet.greenhouses import Cells, Climate, FleetPlant, draw
from idrosim.benchmark.fleet.tuning import BandPolicy, run
from idrosim.greenhouse.chemistry import AIR_CO2_ATM, IONS, Solution
from idrosim.greenhouse.conductivity import conductivities
from idrosim.greenhouse.greenhouse import Plant
from idrosim.greenhouse.water import RECIPES, WATERS

COUNT = 60


def random_totals(seed):
    """Return (10, COUNT) mol/kg whose strong ions leave at most 0.01 eq/kg of acid or base."""
    rng = np.random.default_rng(seed)
    totals = 10.0 ** rng.uniform(-6.0, -2.0, (10, COUNT))
    totals[rng.random((10, COUNT)) < 0.2] = 0.0
    strong = sum(z * totals[i] for i, z in enumerate((1, 1, 1, 2, 2, -1, -1, -2)))
    totals[IONS.index("Cl")] += np.maximum(strong - 0.01, 0.0)
    totals[IONS.index("Na")] += np.maximum(-strong - 0.01, 0.0)
    return totals, rng.uniform(1.0, 44.0, COUNT)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
@example(9577, False)
def test_fleet_has_the_chemistry_of_one(seed, is_open):
    totals, temps_c = random_totals(seed)
    fleet = FleetSolution(temps_c)
    fleet.gas_atm = np.full(COUNT, AIR_CO2_ATM) if is_open else None
    ph = fleet.solve(totals, temps_c, 1e-11)
    kappas, ecs = fleet.conductivities()
    brushite = fleet.si_brushite()
    assert np.abs(fleet.charge_residual()).max() < 1e-9
    for one in range(COUNT):
        solution = Solution()
        solution.gas_atm = AIR_CO2_ATM if is_open else None
        solution.set(totals[:, one].tolist(), float(temps_c[one]))
        assert solution.solve(1e-11) == pytest.approx(ph[one], abs=1e-9)
        kappa, ec = conductivities(solution)
        assert kappa == pytest.approx(kappas[one], rel=1e-9)
        assert ec == pytest.approx(ecs[one], rel=1e-9)
        assert solution.co2 == pytest.approx(fleet.co2[one], rel=1e-7, abs=1e-15)
        if solution.si_brushite() > -90.0:
            # A pH error of 1e-10 gives up to 1.3e-8 here when phosphate is scarce.
            assert solution.si_brushite() == pytest.approx(brushite[one], abs=1e-7)


def test_temperatures_may_move_between_solves():
    totals, temps_c = random_totals(5)
    fleet = FleetSolution(temps_c)
    fleet.solve(totals, temps_c, 1e-11)
    warmer = temps_c[::-1].copy()
    fresh = FleetSolution(warmer).solve(totals, warmer, 1e-11)
    assert np.abs(fleet.solve(totals, warmer, 1e-11) - fresh).max() < 1e-9


def test_invalid_values_are_refused():
    totals, temps_c = random_totals(1)
    fleet = FleetSolution(temps_c)
    with pytest.raises(ValueError, match="temp_c"):
        fleet.solve(totals, temps_c + 60.0)
    totals[0, 3] = -1e-6
    with pytest.raises(ValueError, match="negative"):
        fleet.solve(totals, temps_c)


def like_plants(waters):
    """Return cells of 60 L with the defaults of the single plant, one per water."""
    count = len(waters)
    return Cells(
        volume_ml=np.full(count, 60_000.0), water=waters, recipe="lettuce",
        acid=["h3po4_10pct"] * count, base=["khco3_1M"] * count,
        kla_per_h=np.full(count, 0.5), mixing_s=np.full(count, 180.0),
        ua_w_k=np.full(count, 6.0), crop_area_m2=np.full(count, 0.4),
        crop_age_days=np.zeros(count, dtype=np.int64), pump_ratio=np.ones(count),
        probe_offset_ph=np.zeros(count), probe_slope=np.ones(count))


def test_fleet_follows_the_single_plant():
    waters = ["ro", "soft", "medium", "hard"]
    fleet = FleetPlant(like_plants(waters))
    plants = [
        Plant({"reservoir.water": water, "top_off.water": water, "outside.noise_c": 0.0,
               "reservoir.open_ratio": 0.0, "circulation.power_w": 0.0}, 1)
        for water in waters]
    for minute in range(36 * 60):
        dose_ml = 4.0 if minute == 300 else 0.0
        fleet.step({"ph_down": np.full(4, dose_ml)} if dose_ml else None)
        for plant in plants:
            plant.set_output("circulation", 1.0)
            plant.set_output("light", 1.0 if minute % 1_440 < 960 else 0.0)
            plant.set_param("ph_down.error_pct", 0.0)
            if dose_ml:
                plant.set_output("ph_down", 1.0)
                plant.step(dose_ml)
                plant.set_output("ph_down", 0.0)
            plant.step(60.0 - dose_ml)
    ec_us_cm = fleet.solution.conductivities()[1]
    for one, plant in enumerate(plants):
        truth = plant.truth()
        assert fleet.solution.ph[one] == pytest.approx(truth["reservoir.ph"], abs=0.01)
        assert ec_us_cm[one] == pytest.approx(truth["reservoir.ec_us_cm"], rel=0.003)
        assert fleet.volume_ml[one] == pytest.approx(truth["reservoir.volume_ml"], rel=0.003)


def test_mass_is_conserved_and_tanks_are_refilled():
    cells = draw(40, 3)
    plant = FleetPlant(cells, Climate(cycle_days=30))
    outcome = run(plant, BandPolicy(cells.volume_ml), 3.0)
    assert plant.lost_moles() < 1e-10
    assert (plant.volume_ml > 0.85 * cells.volume_ml).all()
    assert outcome.doses.sum() > 0
    assert ((outcome.in_band_ratio >= 0.0) & (outcome.in_band_ratio <= 1.0)).all()
    assert (outcome.low_ph <= outcome.high_ph).all()


def test_the_same_seed_gives_the_same_fleet():
    outcomes = []
    for _ in range(2):
        cells = draw(20, 9)
        plant = FleetPlant(cells, Climate(cycle_days=26), seed=4)
        outcomes.append(run(plant, BandPolicy(cells.volume_ml), 0.5))
    assert np.array_equal(outcomes[0].low_ph, outcomes[1].low_ph)
    assert np.array_equal(outcomes[0].dosed_ml["ph_down"], outcomes[1].dosed_ml["ph_down"])


def test_a_better_policy_is_longer_in_band():
    # Three gains at once, in equal greenhouses.
    cells = like_plants(["soft"] * 3)
    plant = FleetPlant(cells, Climate(cycle_days=30))
    gains = np.array([0.0, 1.0, 8.0])
    outcome = run(plant, BandPolicy(cells.volume_ml, ml_per_ph_100l=gains), 2.0)
    assert outcome.in_band_ratio[0] < outcome.in_band_ratio[1:].max()


def test_one_iteration_per_minute_is_accurate():
    cells = draw(60, 2)
    plant = FleetPlant(cells, Climate(cycle_days=26))
    exact = FleetSolution(plant.temp_c)
    policy, errors = BandPolicy(cells.volume_ml), []
    for step in range(600):
        plant.step(policy.decide(plant.at_s, *plant.read()) if step % 10 == 0 else None)
        totals = plant.moles * (1e3 / plant.volume_ml)
        errors.append(plant.solution.ph - exact.solve(totals, plant.temp_c, 1e-9))
    assert np.abs(errors).max() < 0.02
    assert np.sqrt(np.mean(np.square(errors))) < 5e-4


def test_cells_have_known_waters_and_recipes():
    cells = draw(200, 1)
    assert set(cells.water) == set(WATERS)
    assert cells.recipe in RECIPES
