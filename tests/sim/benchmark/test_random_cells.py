"""Tests of the random cells: their distribution, the disturbances, and the results as a whole."""

import json
import re
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from idroserra.cli import main
from idrosim.benchmark import (
    causes,
    city_waters,
    commissioning,
    distribution,
    distribution_page,
    measures,
    random_cells,
    run,
)
from idrosim.benchmark.cases import Cell, alkalinity_meq_l, meq_ml
from idrosim.benchmark.disturbances import Disturbance
from idrosim.benchmark.measures import Measures
from idrosim.benchmark.peer_policies import Readings
from idrosim.greenhouse import parameters
from idrosim.greenhouse.water import STOCKS

CELL = Cell("soft", "h3po4", 100, "fresh", crop_m2=0.5, nutrient_times=150.0)
HOUR = 1 / 24


def is_within(value, limits, times=1.0):
    low, high = limits
    return 0.995 * low * times <= value <= 1.005 * high * times


@settings(max_examples=8, deadline=None)  # a second of CPU time each
@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_every_cell_is_within_the_distribution_and_commissioning_accepts_it(seed, index):
    cell, _ = random_cells.draw_one(seed, index)
    assert commissioning.refusal(cell) is None
    assert is_within(cell.volume_l, random_cells.VOLUME_L)
    assert is_within(cell.temp_c, random_cells.TEMP_C)
    assert is_within(cell.crop_m2 / cell.volume_l, random_cells.CROP_TIMES, 0.005)
    assert is_within(cell.pump_ml_s, (random_cells.MIN_FLOW_ML_S, 20.0))
    assert 0.0 <= cell.alkalinity_meq_l < 8.01
    parameters.complete(cell.plant())
    assert len(cell.disturbances) <= max(random_cells.EVENTS)
    for event in cell.disturbances:
        assert is_within(event.at_h, random_cells.EVENT_H)
        assert event.amount > 0.0


class Extreme:
    """A stream that draws one end of every range."""

    def __init__(self, end):
        self.end = end

    def uniform(self, limits, digits=3):
        return limits[self.end]

    log_uniform = uniform


@pytest.mark.parametrize("end", [0, -1])
def test_the_ends_of_the_distribution_are_greenhouses_of_the_simulator(end):
    extreme = [one[end] for one in (random_cells.VOLUME_L, random_cells.CROP_TIMES,
                                    random_cells.TEMP_C)]
    parameters.complete(random_cells._plant(Extreme(end), *extreme))


def test_a_seed_and_an_index_give_the_same_bytes_whatever_the_number():
    few, more = random_cells.draw(2, 5), random_cells.draw(3, 5)
    assert json.dumps([asdict(cell) for cell in few.cells]) == json.dumps(
        [asdict(cell) for cell in more.cells[:2]])
    assert few.cells[0] == random_cells.draw_one(5, 0)[0]
    assert few.cells[0] != random_cells.draw_one(6, 0)[0]


@pytest.mark.parametrize("water", city_waters.CITIES, ids=lambda water: water.city)
def test_a_city_water_balances_as_laboratories_accept(water):
    ions = city_waters.ions(water)
    assert alkalinity_meq_l(ions) == pytest.approx(
        city_waters.alkalinity_meq_l(water))
    charges = city_waters.alkalinity_meq_l(water) + sum(
        abs(charge) * ions[ion] for ion, charge in city_waters._CHARGES.items())
    assert abs(city_waters.unbalanced_meq_l(water)) < max(0.1, 0.05 * charges)
    assert water.source


@pytest.mark.parametrize(("change", "why"), [
    ({"acid": {"P": 0.002}}, "acid too weak"),
    ({"water": "hard", "acid": {"NO3": 0.3}, "ec_us_cm": 2_000.0}, "acid, fresh fill"),
    ({"water": "medium", "crop_m2": 1.5, "acid": {"P": 0.8}}, "acid, the day after"),
    ({"water": "ro", "crop_m2": 0.9, "acid": {"P": 0.5}, "base": {"K": 0.3}}, "base, any day"),
    ({"water": "medium", "acid": {"NO3": 2.9}, "flow_ml_s": 5.0}, "shortest dose moves 0.05 pH"),
    ({"water": "hard", "ec_us_cm": 600.0}, "target EC"),
    ({"nutrient_times": 10.0}, "nutrient A and B, fresh fill"),
    ({"twin": {"top_off.flow_ml_per_s": 0.1}}, "water, any day"),
    ({"water": "hard", "crop_m2": 3.0, "acid": {"P": 2.9}, "ec_us_cm": 2_000.0}, "too salty"),
    ({"nutrient_times": 5_000.0}, "nutrient or pump too strong"),
])
def test_commissioning_refuses_what_no_control_could_hold(change, why):
    assert commissioning.refusal(replace(CELL, target_ph=6.0)) is None
    refused = commissioning.refusal(replace(CELL, target_ph=6.0, **change))
    assert refused is not None
    assert why in refused


def test_acid_below_the_target_is_that_of_the_tank_as_it_is():
    hard = replace(CELL, water="hard", acid={"NO3": 2.0}, target_ph=6.0)
    # Far less than the titration of the fresh fill says: its carbonate has left as CO2.
    assert hard.acid_below_ml(0.5) < 0.3 * 0.5 * hard.titration.acid_ml_per_ph
    assert hard.acid_below_ml(0.8) > 1.2 * hard.acid_below_ml(0.5) > 0.0


def test_a_pour_is_excused_for_as_long_as_the_ceilings_need():
    day_ml = 50.0  # of base in 100 l
    assert commissioning.hours_to_give(CELL, "ph_up", 15.0) == pytest.approx(1.0)
    assert commissioning.hours_to_give(CELL, "ph_up", 2.0 * day_ml + 15.0) == pytest.approx(49.0)
    assert commissioning.hours_to_give(CELL, "nutrient_a", 60.0) == pytest.approx(1.0)


def simulated(*disturbances):
    greenhouse = run._SimulatedCell(replace(CELL, disturbances=disturbances))
    for _ in range(2):
        greenhouse.step()
    before = greenhouse.ph, greenhouse.ec_us_cm
    done = greenhouse.disturb()
    for _ in range(4):
        greenhouse.step()
    return before, greenhouse, done


@pytest.mark.parametrize(("what", "moves_ph", "moves_ec"), [
    ("water", 0.02, -0.04), ("ph_down", -0.3, 0.0), ("nutrient", 0.0, 0.05)])
def test_a_poured_can_moves_the_water(what, moves_ph, moves_ec):
    amount = {"water": 5_000.0, "ph_down": 0.3 * CELL.titration.acid_ml_per_ph,
              "nutrient": 0.4 * CELL.titration.nutrient_ml_per_100_us_cm}[what]
    (ph, ec_us_cm), greenhouse, done = simulated(Disturbance(0.01, "pour", what, amount))
    assert [event.what for event in done] == [what]
    assert greenhouse.ph - ph == pytest.approx(moves_ph, abs=0.06)
    assert greenhouse.ec_us_cm / ec_us_cm - 1.0 == pytest.approx(moves_ec, abs=0.03)


def test_the_reagent_of_a_changed_bottle_counts_by_its_strength():
    _, greenhouse, _ = simulated(Disturbance(0.01, "bottle", "ph_down", 0.5))
    given_ml = 10.0
    greenhouse.order({"ph_down": given_ml})
    for _ in range(4):
        greenhouse.step()
    dosed_ml = greenhouse.plant.truth()["dosed.ph_down_ml"]
    assert dosed_ml == pytest.approx(given_ml, rel=0.1)
    assert greenhouse.reagent_meq("ph_down") == pytest.approx(
        0.5 * dosed_ml * meq_ml(CELL.stocks["ph_down"]))
    assert meq_ml(STOCKS["khco3_1M"]) == 1.0


def test_an_ec_raised_by_a_pour_is_excused_until_it_falls_to_the_target():
    """The pour is judged by the water after it, not before."""
    ml = 4.0 * CELL.titration.nutrient_ml_per_100_us_cm
    found = run.run(replace(CELL, disturbances=(Disturbance(6.0, "pour", "nutrient", ml),)),
                    "bluelab", 12 * HOUR)
    assert found.to_band_h < 6.0
    assert found.ec_in_band_ratio == 1.0
    assert found.over_ms_cm <= 0.1
    assert found.worst_ms_cm < 0.1


def overshoot(fill_at_s):
    """Return the overshoot of acid dosed at 0 s, if pH falls 0.3 too far from 2,000 s on."""
    scorer = measures.Scorer(replace(CELL, mixing_s=900.0), "idroserra")
    for at_s in range(0, 3_600, 30):
        if at_s == 0:
            scorer.count_doses({"ph_down": 1.0}, 0.0)
        if at_s == fill_at_s:
            scorer.count_fill(float(at_s))
        ph = CELL.target_ph - (0.3 if at_s >= 2_000 else 0.0)
        scorer.observe(ph, CELL.target_us_cm, Readings(float(at_s), ph, CELL.target_us_cm, 200.0))
    return scorer.found.over_ph


def test_a_dose_that_has_mixed_is_not_blamed_for_what_the_tap_brings():
    assert overshoot(None) == pytest.approx(0.3)
    assert overshoot(1_500) == 0.0
    assert overshoot(600) == pytest.approx(0.3)  # it had not mixed


def week(cell="a", policy="idroserra", **values):
    values = {"to_band_h": 1.0, "in_band_ratio": 1.0, **values}
    return Measures(cell, policy, **values)


def test_promises_are_kept_at_98_percent_and_two_hours():
    good, bad = [week(str(index)) for index in range(98)], [week(over_ph=0.2)]
    kept = [promise.is_kept for promise in distribution.promises(good + 2 * bad)]
    assert kept == [True, True]
    assert not distribution.promises(good + 3 * bad)[0].is_kept
    late = [week(str(index), to_band_h=2.2) for index in range(9)]
    assert not distribution.promises(late)[1].is_kept
    assert distribution.promises([week(policy="bluelab")]) == []


def test_a_peer_is_better_by_over_one_point_of_time_in_band():
    board = [week("a", out_ratio_by_h=[1.0] + 99 * [0.02]),
             week("a", "x", out_ratio_by_h=[1.0] + 99 * [0.015]),
             week("b", out_ratio_by_h=[1.0] + 99 * [0.05]),
             week("b", "x", out_ratio_by_h=[1.0] + 99 * [0.03]),
             week("b", "y", out_ratio_by_h=[1.0] + 99 * [0.01]),
             week("c", to_band_h=None, in_band_ratio=None, out_ratio_by_h=100 * [1.0]),
             week("c", "y", out_ratio_by_h=[1.0] + 99 * [0.5])]
    assert [(row.cell, row.peer) for row in distribution.better_peers(board)] == [
        ("c", "y"), ("b", "y")]


def test_a_policy_does_not_win_by_coming_late():
    board = []
    for policy, entry_s in (("idroserra", 600), ("late", 7_200)):
        scorer = measures.Scorer(CELL, policy)
        for at_s in range(30, 14_430, 30):
            is_in = at_s >= entry_s and (policy == "late" or at_s % 300 or at_s > 7_200)
            ph = CELL.target_ph + (0.0 if is_in else 1.0)
            scorer.observe(
                ph, CELL.target_us_cm, Readings(float(at_s), ph, CELL.target_us_cm, 200.0))
        board.append(scorer.result(0.0, 0.0, None))
    soon, late = board
    assert late.in_band_ratio > soon.in_band_ratio + 0.01
    assert soon.out_ratio_by_h == pytest.approx([0.25, 0.1, 0.0, 0.0], abs=0.01)
    assert late.in_band_ratio_since(0.0) == pytest.approx(0.5, abs=0.01)
    assert distribution.better_peers(board) == []


def test_a_cell_never_in_band_is_the_worst_of_the_quantiles():
    board = [week(to_band_h=hours) for hours in (1.0, 2.0, 3.0, 4.0)]
    board.append(week(to_band_h=None, in_band_ratio=None))
    found = distribution.quantiles(board)
    assert found["hours to band"]["idroserra"] == [1.2, 2.0, 3.0, 4.0, None, None]
    assert found["% in band then"]["idroserra"][-1] == 0.0


@pytest.mark.parametrize(("missed", "kind"), [
    ({"in_band_ratio": 0.9, "out_h": {"ph high day_spent": 9.0, "ph high ec_first": 1.0,
                                      "ec low": 5.0}},
     "pH too high: the daily budget was spent"),
    ({"over_ph": 0.2, "over_ph_by": "acid", "over_ph_error": 0.15, "over_ph_h": 3.0},
     "overshoot of pH: the probe read pH too high"),
    ({"over_ph": 0.2, "over_ph_by": "acid", "over_ph_error": -0.15, "over_ph_h": 3.0},
     "overshoot of pH: doses moved pH more than planned"),
    ({"over_ph": 0.2, "over_ph_by": "acid", "over_ph_h": 60.0},
     "overshoot of pH: a changed bottle was stronger"),
    ({"over_ph": 0.2, "over_ph_by": "base", "over_ph_h": 60.0},
     "overshoot of pH: doses moved pH more than planned"),
    ({"over_ms_cm": 0.2}, "overshoot of EC: nutrient raised EC more than planned"),
    ({"reagent_ratio": 1.5, "acid_meq": 10.0, "base_meq": 8.0},
     "reagent: acid and base worked against each other"),
    ({"locked": "latch_no_effect"}, "dosing was locked: doses seemed to have no effect"),
])
def test_a_miss_has_a_cause_in_words(missed, kind):
    cell = replace(CELL, title="a", disturbances=(Disturbance(50.0, "bottle", "ph_down", 1.6),))
    assert [cause.kind for cause in causes.causes(cell, week(**missed))] == [kind]


def test_a_met_cell_has_no_cause():
    assert causes.causes(CELL, week()) == []


def test_the_page_of_the_docs_states_the_distribution_of_the_code():
    page = (Path(__file__).parents[3] / "docs" / "score.md").read_text(encoding="utf-8")
    expected = distribution_page.texts(
        distribution_page.DISTRIBUTION_TITLES, distribution_page.distribution_rows())
    assert expected in page


def test_the_page_of_results_lists_what_was_missed_and_refused():
    cell = replace(CELL, title="random-1-0")
    board = [week("random-1-0", in_band_ratio=0.5, out_ratio_by_h=168 * [0.5],
                  out_h={"ph low": 80.0}),
             week("random-1-0", "bluelab", out_ratio_by_h=168 * [0.1])]
    text = distribution_page.page(board, [cell], 1, Counter({"tap too slow": 3}), 7.0, "a.png")
    assert "pH too low for 80.0 h: the policy gives no reason in 80.0 h of it" in text
    assert "| random-1-0 | bluelab | 50.0 | 90.0 |" in text
    assert "3 of 4 drawn greenhouses were refused" in text
    assert "![" in text


def score(tmp_path, monkeypatch, *arguments):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return CliRunner().invoke(main.app, ["sim", "score", *arguments])


def test_the_command_gives_everything_as_json_and_exit_code_3(tmp_path, monkeypatch):
    page, picture = tmp_path / "page.md", tmp_path / "page.png"
    arguments = ("--random", "2", "--seed", "5", "--days", "0.1", "--policies",
                 "idroserra,bluelab", "--json")
    result = score(tmp_path, monkeypatch, *arguments, "--md", str(page), "--plot", str(picture))
    found = json.loads(result.stdout)
    assert result.exit_code == (0 if found["are_promises_kept"] else 3)
    assert [cell["cell"] for cell in found["cells"]] == ["random-5-0", "random-5-1"]
    assert len(found["drawn"]) == len(found["promises"]) - 1 == 2
    assert set(found["quantiles"]["doses"]) == {"idroserra", "bluelab"}
    assert len(found["missed"]) == sum(
        bool(cell["policies"]["idroserra"]["misses"]) for cell in found["cells"])
    assert re.search(r"2 greenhouses drawn at random, 0.1 days each", page.read_text())
    assert picture.read_bytes().startswith(b"\x89PNG")
    again = score(tmp_path / "without-its-cache", monkeypatch, *arguments)
    assert again.stdout == result.stdout


def test_one_missed_cell_is_run_again_by_its_name(tmp_path, monkeypatch):
    wanted = ("--random", "900", "--seed", "5", "--days", "0.1", "--policies", "bluelab", "--json")
    result = score(tmp_path, monkeypatch, *wanted, "--cells", "random-5-700,random-5-1")
    assert [cell["cell"] for cell in json.loads(result.stdout)["cells"]] == [
        "random-5-1", "random-5-700"]
    error = score(tmp_path, monkeypatch, *wanted, "--cells", "random-4-*").exception
    assert isinstance(error, main.ConfigError)
    assert "names are random-5-0 to random-5-899" in error.why
