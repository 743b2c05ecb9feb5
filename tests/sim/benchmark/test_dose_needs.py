"""What a greenhouse needs of its pumps in a day, against what the node may give."""

from dataclasses import replace

import pytest

from idro.protocol import settings
from idrosim.benchmark.dose_needs import Greenhouse, needs

# 100 litres: 6 meq/l of hard water, 2.9 meq/ml of acid; a pH takes 100 ml.
VALUES = settings.check({
    "ph.down_ul_per_ph": 100_000, "ph.up_ul_per_ph": 100_000, "ph.target": 6.0,
    "ec.target_us_cm": 2_000, "ec.ul_per_100_us_cm": 70_000, "doser.ul_per_s": 800})
HARD = Greenhouse(100.0, 0.5, 6.0, 7.0, 2.9, 1.0, 5.0)


def missing(greenhouse, **values):
    return [(one.what, one.when) for one in needs(greenhouse, {**VALUES, **values})
            if not one.is_met]


def need(greenhouse, what, when, **values):
    found = [one for one in needs(greenhouse, {**VALUES, **values})
             if (one.what, one.when.split(",")[0]) == (what, when)]
    assert len(found) == 1
    return found[0]


def test_a_declared_greenhouse_within_its_ceilings_misses_nothing():
    assert missing(replace(HARD, alkalinity_meq_l=4.2)) == []
    assert missing(replace(HARD, alkalinity_meq_l=0.0, fill_ph=5.5)) == []


def test_the_day_after_a_fill_needs_acid_for_the_co2_that_is_lost():
    # 600 meq, of which the titration takes 290: 0.75 of the 310 left, and what any day needs.
    after = need(HARD, "acid", "the day after a fresh fill")
    later_ml = need(HARD, "acid", "any later day").needs_ml
    assert after.needs_ml == pytest.approx(0.75 * 310.0 / 2.9 + later_ml)
    assert later_ml == pytest.approx((4.5 * 6.0 + 6.0) / 2.9)
    assert after.may_ml == 50.0
    assert missing(HARD) == [("acid", "the day after a fresh fill")]


def test_a_weak_acid_cannot_keep_hard_water():
    weak = replace(HARD, acid_meq_ml=0.3)
    assert ("acid", "any later day") in missing(weak)


def test_a_fill_that_needs_no_acid_has_no_acid_of_a_fill():
    found = needs(replace(HARD, fill_ph=5.9), VALUES)
    assert [one.what for one in found if "step" in one.when] == ["base"]
    assert not [one for one in needs(replace(HARD, fill_ph=6.0), VALUES) if "step" in one.when]


def test_the_day_after_needs_acid_where_dissolved_co2_holds_ph_low():
    later_ml = need(HARD, "acid", "any later day").needs_ml
    for fill_ph in (5.9, 6.0, 6.001):
        after = need(replace(HARD, fill_ph=fill_ph), "acid", "the day after a fresh fill")
        assert after.needs_ml == pytest.approx(0.75 * 600.0 / 2.9 + later_ml, rel=0.01)
    assert not [one for one in needs(replace(HARD, fill_ph=5.9, alkalinity_meq_l=0.0), VALUES)
                if one.when == "the day after a fresh fill"]


def test_base_of_a_fill_has_the_ceiling_of_a_correction():
    base = need(replace(HARD, fill_ph=5.0), "base", "fresh fill")
    assert (base.needs_ml, base.may_ml) == (100.0, 400.0)
    soft = replace(HARD, fill_ph=5.0)
    assert ("base", "fresh fill, step by step") in missing(soft, **{"ph.up_ul_per_ph": 500_000})


def test_the_shortest_dose_of_strong_acid_is_named_with_both_volumes():
    strong = need(HARD, "acid", "shortest dose", **{"doser.ul_per_s": 2_000})
    assert strong.line() == (
        "acid, shortest dose: the pump gives 0.4 ml, more than 0.172 ml moves pH by over 0.05")
    assert ("acid", "shortest dose") in missing(HARD, **{"doser.ul_per_s": 2_000})
    assert need(HARD, "acid", "shortest dose").is_met


def test_half_of_the_alkalinity_of_the_tap_counts_as_base():
    soft = replace(HARD, alkalinity_meq_l=1.0)
    assert need(soft, "base", "any day").needs_ml == pytest.approx(20.0 * 0.5 - 0.5 * 4.5)


def test_the_ceilings_are_those_of_the_node():
    # 100 s of pump a day for nutrient, ten steps of it, and 30 min of top-off.
    assert need(HARD, "nutrient A and B", "any day").may_ml == 80.0
    small = need(HARD, "nutrient A and B", "any day", **{"ec.ul_per_100_us_cm": 7_000})
    assert small.may_ml == 70.0
    assert need(HARD, "water", "any day").may_ml == 1_800 * 5.0
    assert need(HARD, "acid", "fresh fill").may_ml == 400.0


@pytest.mark.parametrize(("what", "change"), [
    ("nutrient A and B", {"crop_m2": 8.0}), ("water", {"tap_ml_s": 1.0}),
    ("base", {"alkalinity_meq_l": 0.0, "crop_m2": 5.0}),
])
def test_more_than_the_pumps_give_is_named(what, change):
    assert (what, "any day") in missing(replace(HARD, **change))


def test_an_unknown_tap_is_not_judged():
    assert "water" not in {one.what for one in needs(replace(HARD, tap_ml_s=None), VALUES)}


def test_a_line_has_both_numbers():
    assert need(HARD, "water", "any day").line() == (
        "water, any day: needs about 4500 ml, the node may give 9000 ml")
