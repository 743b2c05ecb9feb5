"""Water analyses as laboratories print them."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idrosim.water_solver.solve import ProblemError, answer
from idrosim.water_solver.water_analysis import (
    HARDNESS,
    QUANTITIES,
    UNITS,
    Report,
    read_report,
    strong_meq_l,
)

WELL = {"Ca": 48.1, "Mg": 9.72, "Na": 18.4, "Cl": 30.1, "SO4": 38.4, "HCO3": 146.0}


def test_mg_become_mmol():
    water = read_report(Report({**WELL, "NO3": 6.2, "K": 3.9}, "mg/l", 7.6))
    assert water.ions["Ca"] == pytest.approx(1.200, abs=0.001)
    assert water.ions["SO4"] == pytest.approx(0.400, abs=0.001)
    assert water.ions["NO3"] == pytest.approx(0.100, abs=0.001)
    assert water.alkalinity_meq_l == pytest.approx(2.393, abs=0.001)


def test_nitrogen_and_sulfur_count_as_their_ions():
    as_ions = read_report(Report({"NO3": 62.0, "NH4": 18.04, "SO4": 96.06, "Na": 23.0, "K": 39.1},
                                 "mg/l", 7.0))
    as_elements = read_report(Report({"NO3-N": 14.0, "NH4-N": 14.0, "SO4-S": 32.06, "Na": 23.0,
                                      "K": 39.1}, "mg/l", 7.0))
    for ion in ("NO3", "NH4", "SO4"):
        assert as_elements.ions[ion] == pytest.approx(as_ions.ions[ion], rel=1e-3)


def test_the_water_has_the_ph_of_the_report():
    for ph in (6.6, 7.6, 8.4):
        water = read_report(Report(WELL, "mg/l", ph))
        assert answer({"water": dict(water.ions)})["ph"] == pytest.approx(ph, abs=0.01)


def test_alkalinity_as_calcium_carbonate_is_the_same():
    caco3 = {**{ion: amount for ion, amount in WELL.items() if ion != "HCO3"}, "CaCO3": 119.75}
    some, other = (read_report(Report(ions, "mg/l", 7.6)) for ions in (WELL, caco3))
    assert other.alkalinity_meq_l == pytest.approx(some.alkalinity_meq_l, rel=1e-3)
    assert other.ions["C"] == pytest.approx(some.ions["C"], rel=1e-3)


@pytest.mark.parametrize(("unit", "value"), [
    ("mg/l CaCO3", 160.1), ("dH", 8.97), ("fH", 16.01), ("mmol/l", 1.6)])
def test_hardness_gives_the_missing_magnesium(unit, value):
    ions = {ion: amount for ion, amount in WELL.items() if ion != "Mg"}
    water = read_report(Report(ions, "mg/l", 7.6, (unit, value)))
    assert water.ions["Mg"] == pytest.approx(0.4, abs=0.005)
    assert read_report(Report(WELL, "mg/l", 7.6, (unit, value))).ions["Mg"] == pytest.approx(
        0.4, abs=0.001)


def test_a_small_gap_is_closed_and_told():
    water = read_report(Report({**WELL, "Na": 20.0}, "mg/l", 7.6))
    assert water.added == ("Cl", pytest.approx(0.029, abs=0.001))
    assert strong_meq_l(water.ions) == pytest.approx(water.alkalinity_meq_l)


def test_a_large_gap_is_closed_only_on_request():
    without = {ion: amount for ion, amount in WELL.items() if ion != "HCO3"}
    with pytest.raises(ProblemError, match=r"ions: cations exceed anions by 2\.35 meq/l"):
        read_report(Report(without, "mg/l", 7.6))
    water = read_report(Report(without, "mg/l", 7.6, None, "HCO3"))
    assert water.alkalinity_meq_l == pytest.approx(2.352, abs=0.001)
    assert water.added == ("HCO3", pytest.approx(2.352, abs=0.001))


@pytest.mark.parametrize(("report", "field"), [
    (Report({"Fe": 1.0}, "mg/l", 7.0), "ions.Fe"),
    (Report({"Ca": -1.0}, "mg/l", 7.0), "ions.Ca"),
    (Report({"Ca": math.nan}, "mg/l", 7.0), "ions.Ca"),
    (Report({"NO3": 1.0, "NO3-N": 1.0}, "mg/l", 7.0), "ions.NO3-N"),
    (Report({"HCO3": 1.0, "CaCO3": 1.0}, "mg/l", 7.0), "ions.CaCO3"),
    (Report(WELL, "ppm", 7.0), "unit"),
    (Report(WELL, "mg/l", 3.0), "ph"),
    (Report(WELL, "mg/l", None), "ph"),
    (Report({"Na": 1.0}, "mg/l", 7.0, ("dH", 5.0)), "hardness"),
    (Report(WELL, "mg/l", 7.6, ("dH", 20.0)), "hardness"),
    (Report(WELL, "mg/l", 7.6, ("stones", 20.0)), "hardness.unit"),
    (Report(WELL, "mg/l", 7.6, ("dH", -1.0)), "hardness.value"),
    (Report(WELL, "mg/l", 7.6, None, "K"), "balance_with"),
    (Report({"Cl": 200.0}, "mg/l", 7.6, None, "HCO3"), "balance_with"),
    (Report({"Na": 200.0}, "mg/l", 7.6, None, "Na"), "balance_with"),
])
def test_a_mistake_names_its_key(report, field):
    with pytest.raises(ProblemError) as caught:
        read_report(report)
    assert caught.value.field == field
    assert len(str(caught.value)) < 300


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.sampled_from([*QUANTITIES, "HCO3", "CaCO3"]), st.floats(0.0, 500.0)),
    st.sampled_from(UNITS), st.none() | st.floats(0.0, 14.0),
    st.none() | st.tuples(st.sampled_from(list(HARDNESS)), st.floats(0.0, 100.0)),
    st.sampled_from([None, "Na", "Cl", "HCO3"]),
)
def test_any_report_is_a_neutral_water_or_an_error(quantities, unit, ph, hardness, balance_with):
    try:
        water = read_report(Report(quantities, unit, ph, hardness, balance_with))
    except ProblemError:
        return
    assert all(amount >= 0.0 and math.isfinite(amount) for amount in water.ions.values())
    assert strong_meq_l(water.ions) == pytest.approx(water.alkalinity_meq_l, abs=1e-6)
