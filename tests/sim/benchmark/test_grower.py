"""The grower of the score, who corrects a fresh fill at the tank and leaves."""

import pytest

from idrosim.benchmark import firmware_policy, run
from idrosim.benchmark.cases import Cell

HARD, SOFT, PURE = (Cell(water, "hno3", 100, "fresh") for water in ("hard", "soft", "ro"))
LEAVES_H = 4.0


def corrections(cell):
    """Return [(actuator, target, total in ml, hour)] of the corrections of a day."""
    trace: list = []
    run.run(cell, "idroserra", 1.0, None, trace)
    return [
        (detail["actuator"], detail.get("target_milli_ph") or detail.get("target_us_cm"),
         1e-3 * detail["left_ul"], at_ms / 3.6e6)
        for at_ms, kind, detail in trace.pop()
        if kind == "correction" and detail["state"] == "opened"]


def test_acid_of_hard_water_comes_first_with_more_to_spare():
    """It ends 0.05 short, as nutrient lowers pH."""
    first, second, *others = corrections(HARD)
    assert first[:2] == ("ph_down", round(1e3 * HARD.target_ph) + 50)
    acid_ml = (HARD.fill_ph - HARD.target_ph) * HARD.titration.acid_ml_per_ph
    assert first[2] == pytest.approx(1.6 * acid_ml, rel=0.1)  # the probe is a little off
    assert second[:2] == ("nutrient_a", round(HARD.target_us_cm))
    assert {one[:2] for one in others} <= {("ph_down", round(1e3 * HARD.target_ph))}


def test_soft_water_is_fed_first_and_then_brought_to_the_target_itself():
    first, *others = corrections(SOFT)
    assert first[:2] == ("nutrient_a", round(SOFT.target_us_cm))
    assert {one[1] for one in others} <= {round(1e3 * SOFT.target_ph)}


def test_base_ends_short_of_the_target():
    """pH rises while CO2 leaves."""
    [base] = [one for one in corrections(PURE) if one[0] == "ph_up"]
    assert base[1] == round(1e3 * PURE.target_ph) - 50


def test_the_grower_of_hard_water_corrects_it_for_four_hours(monkeypatch):
    begun_h = [at_h for *_, at_h in corrections(HARD)]
    assert begun_h[-1] < LEAVES_H
    monkeypatch.setattr(firmware_policy, "_GROWER_LEAVES_S", 24.0 * 3_600.0)
    assert corrections(HARD)[-1][-1] > LEAVES_H
