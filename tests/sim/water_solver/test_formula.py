"""Chemical formulas of salts, and the built-in shelf against the labels it names."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idrosim.greenhouse.chemistry import IONS
from idrosim.water_solver.formula import FormulaError, group_mass, read_formula
from idrosim.water_solver.salts import BUILT_IN, DEFAULT_SHELF

# formula: ions per mole, g/mol (CRC Handbook; the double salt: five tetrahydrates less water)
KNOWN = {
    "KNO3": ({"K": 1, "NO3": 1}, 101.103),
    "Ca(NO3)2.4H2O": ({"Ca": 1, "NO3": 2}, 236.149),
    "5Ca(NO3)2.NH4NO3.10H2O": ({"Ca": 5, "NO3": 11, "NH4": 1}, 1080.6),
    "5[Ca(NO3)2.2H2O].NH4NO3": ({"Ca": 5, "NO3": 11, "NH4": 1}, 1080.6),
    "MgSO4·7H2O": ({"Mg": 1, "SO4": 1}, 246.475),
    "(NH4)2SO4": ({"NH4": 2, "SO4": 1}, 132.140),
    "NH4H2PO4": ({"NH4": 1, "P": 1}, 115.026),
    "K2HPO4": ({"K": 2, "P": 1}, 174.176),
    "Ca(H2PO4)2.H2O": ({"Ca": 1, "P": 2}, 252.068),
    "H3PO4": ({"P": 1}, 97.995),
    "H2SO4": ({"SO4": 1}, 98.079),
    "KHCO3": ({"K": 1, "C": 1}, 100.115),
    "Ca(OH)2": ({"Ca": 1}, 74.093),
}
# name on a label: (formula of what it counts, atoms or ions per that formula)
LABELLED = {"N": ("N", 1), "Ca": ("Ca", 1), "K2O": ("K2O", 2), "MgO": ("MgO", 1),
            "SO3": ("SO3", 1), "P2O5": ("P2O5", 2)}
COUNTED = {"N": ("NO3", "NH4"), "Ca": ("Ca",), "K2O": ("K",), "MgO": ("Mg",), "SO3": ("SO4",),
           "P2O5": ("P",)}


@pytest.mark.parametrize("text", KNOWN)
def test_a_formula_gives_ions_and_molar_mass(text):
    ions, mass = KNOWN[text]
    found = read_formula(text)
    assert found.ions == ions
    assert found.molar_mass == pytest.approx(mass, rel=2e-4)


@pytest.mark.parametrize(("text", "why"), [
    ("", "1 to 60"), ("K" * 61, "1 to 60"), ("CO(NH2)2", "at CO"), ("KNO3)", "at )"),
    ("Ca(NO3", "at its end"), ("FeSO4", "at FeSO4"), ("KSO4", "sum to -1"), ("kno3", "at kno3"),
    ("K NO3", "at  NO3"), ("KNO3.", "at its end"), ("K0NO3", "count of 0"), ("()", "at )"),
    ("Ca(NO3)2.0H2O", "count of 0"), ("5", "at its end"),
])
def test_a_wrong_formula_says_where(text, why):
    with pytest.raises(FormulaError, match=re.escape(why)):
        read_formula(text)


@given(st.text(alphabet="KNaCgOHPS4230.()[]", max_size=70) | st.text(max_size=70))
def test_any_text_is_a_formula_or_an_error(text):
    try:
        found = read_formula(text)
    except FormulaError:
        return
    assert set(found.ions) <= set(IONS)
    assert found.molar_mass > 0.0


def test_brackets_may_nest_without_end():
    with pytest.raises(FormulaError):
        read_formula("(" * 60)


@pytest.mark.parametrize("salt", BUILT_IN, ids=lambda salt: salt.name)
def test_a_built_in_salt_has_a_source_and_agrees_with_its_label(salt):
    assert salt.source
    assert salt.ions
    for figure, name in re.findall(r"([\d.]+) % (\w+)", salt.source):
        formula, per_formula = LABELLED[name]
        count = sum(salt.ions.get(ion, 0) for ion in COUNTED[name]) / per_formula
        pct = salt.purity_pct * count * group_mass(formula) / salt.composition.molar_mass
        assert pct == pytest.approx(float(figure), rel=0.05), (salt.name, name)


def test_the_default_shelf_has_acid_base_and_every_nutrient():
    ions = {ion for salt in DEFAULT_SHELF for ion in salt.ions}
    assert {"K", "NH4", "Ca", "Mg", "NO3", "SO4", "P"} <= ions
    assert "Na" not in ions
    assert {-1, 0, 1} <= {salt.charge for salt in DEFAULT_SHELF}


def test_a_liquid_is_stronger_by_its_purity():
    weak, strong = (next(salt for salt in BUILT_IN if salt.name == f"nitric acid {pct} %")
                    for pct in (38, 60))
    assert weak.g_per_mmol * 38 == pytest.approx(strong.g_per_mmol * 60)
    assert weak.g_per_mmol == pytest.approx(0.063013 / 0.38, rel=1e-4)
