"""Tests of every row of the oracle tables of water, within the tolerances of their README.

Runs on both interpreters; tests/sim/runner/test_two_interpreters.py compares the two bit by bit.
"""

import math

from idrosim.greenhouse import reservoir
from idrosim.greenhouse.chemistry import CHARGES, SPECIES
from idrosim.greenhouse.conductivity import conductivities
from idrosim.greenhouse.equilibria import density_kg_l, permittivity, viscosity_pa_s
from support.oracle_tables import (
    Waters,
    carbonate_buffer,
    number,
    phosphate_buffer,
    potassium_chloride,
    rows,
    solve,
)

PH_MAX, PH_RMS = 0.05, 0.02
EC_MAX, EC_RMS, EC_ANYWHERE = 0.04, 0.02, 0.10
EC_RATIO = 0.015
BUFFER_PH = 0.03


class Errors:
    """Errors of many rows: count, largest and root mean square."""

    def __init__(self):
        self.count = 0
        self.largest = 0.0
        self._squares = 0.0

    def add(self, error):
        self.count += 1
        self.largest = max(self.largest, abs(error))
        self._squares += error * error

    def rms(self):
        return math.sqrt(self._squares / self.count)


def check_table(name, count):
    """Assert pH, conductivity, ionic strength, carbon and brushite of a table of PHREEQC."""
    waters = Waters()
    ph, working, anywhere = Errors(), Errors(), Errors()
    for row in rows(name):
        solution = waters.solved(row)
        ph.add(solution.ph - number(row["pH"]))
        error = conductivities(solution)[0] / number(row["SC_uS_cm"]) - 1.0
        anywhere.add(error)
        if 0.25 <= number(row.get("strength", "0")) <= 2.0:
            working.add(error)
        check_details(solution, row)
    assert ph.count == count, (name, ph.count)
    assert ph.largest <= PH_MAX, (name, ph.largest)
    assert ph.rms() <= PH_RMS, (name, ph.rms())
    assert anywhere.largest <= EC_ANYWHERE, (name, anywhere.largest)
    if working.count:
        assert working.largest <= EC_MAX, (name, working.largest)
        assert working.rms() <= EC_RMS, (name, working.rms())


def check_details(solution, row):
    """Assert the other values of a PHREEQC row."""
    ionic = number(row["I_mol_kgw"])
    assert abs(solution.ionic_strength() - ionic) <= 0.01 * ionic, row
    carbon = number(row["DIC_mmol_kgw"])
    assert abs(1e3 * solution.carbon - carbon) <= 0.03 * carbon + 1e-6, row
    brushite = number(row.get("SI_brushite", "-99.99"))
    if brushite > -90.0:
        assert abs(solution.si_brushite() - brushite) <= 0.05, row
    residual = sum(m * CHARGES[i] for i, m in enumerate(solution.charged()))
    assert abs(residual) < 1e-9, (residual, row)
    for name in ("H2PO4", "HPO4"):
        if name + "_mmol_kgw" in row:
            expected = 1e-3 * number(row[name + "_mmol_kgw"])
            found = solution.charged()[SPECIES.index(name)]
            assert abs(found - expected) <= 0.05 * expected + 1e-7, (name, found, row)


def test_raw_waters():
    check_table("waters.csv", 24)


def test_dilution():
    check_table("nutrient_dilution.csv", 236)


def test_titration():
    check_table("titration_khco3_1M.csv", 496)


def test_conductivity_follows_temperature():
    waters, kept, found, ratio = Waters(), {}, Errors(), Errors()
    for row in rows("ec_temperature.csv"):
        kappa, standard = conductivities(waters.solved(row))
        key = row["solution"], row["strength"]
        if key not in kept:
            kept[key] = conductivities(waters.solved(dict(row, temp_C="25")))[0]
        found.add(kappa / number(row["SC_uS_cm"]) - 1.0)
        ratio.add(kappa / kept[key] / number(row["ratio_to_25C"]) - 1.0)
        if 10.0 <= number(row["temp_C"]) <= 30.0:
            assert abs(standard / kept[key] - 1.0) <= 0.010, row
    assert found.count == 56
    assert found.largest <= EC_MAX, found.largest
    assert found.rms() <= EC_RMS, found.rms()
    assert ratio.largest <= EC_RATIO, ratio.largest


def test_potassium_chloride():
    found = Errors()
    for row in rows("published_kcl_primary.csv"):
        temp_c = number(row["temp_C"])
        for molality, column in ((0.01, "KCl_0.01_mol_kg_uS_cm"), (0.1, "KCl_0.1_mol_kg_uS_cm")):
            kappa, standard = conductivities(potassium_chloride(molality, temp_c))
            found.add(kappa / number(row[column]) - 1.0)
            ratio = kappa / conductivities(potassium_chloride(molality, 25.0))[0]
            at_25_c = {0.01: 1408.23, 0.1: 12824.6}[molality]
            assert abs(ratio * at_25_c / number(row[column]) - 1.0) <= EC_RATIO, row
    assert found.count == 24
    assert found.largest <= EC_MAX, found.largest
    assert found.rms() <= EC_RMS, found.rms()


def check_standards(name, count, is_believed):
    """Assert that bottled standards change with temperature like KCl of their strength."""
    found = Errors()
    molality = {}
    for row in rows(name):
        for column, text in row.items():
            if column == "temp_C" or not is_believed(column, row["temp_C"]):
                continue
            at_25_c = number(column.split("_", 1)[0])
            if column not in molality:
                molality[column] = strength_of(at_25_c)
            kappa = conductivities(potassium_chloride(molality[column], number(row["temp_C"])))[0]
            error = kappa / number(text) - 1.0
            found.add(error)
            assert abs(error) <= EC_RATIO, (column, row["temp_C"], kappa)
    assert found.count == count, found.count
    assert found.rms() <= EC_RATIO / 2, found.rms()


def strength_of(kappa_us_cm):
    """Return the molality of KCl with that conductivity at 25 C."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        kappa = conductivities(potassium_chloride(middle, 25.0))[0]
        low, high = (middle, high) if kappa < kappa_us_cm else (low, middle)
    return high


def test_standards_of_hanna():
    # The README calls the 84 uS column unphysical.
    check_standards("published_ec_standards_hanna.csv", 60, lambda column, _: column[:2] != "84")


def test_standards_of_mettler():
    check_standards("published_ec_standards_mettler.csv", 28, lambda column, temp_c: True)


def test_buffers():
    count = 0
    for row in rows("published_ph_buffers_nist_jis.csv"):
        temp_c = number(row["temp_C"])
        check_buffer(phosphate_buffer(temp_c), row["phosphate_6.86"], row)
        count += 1
        if row["carbonate_10.01"]:
            check_buffer(carbonate_buffer(temp_c), row["carbonate_10.01"], row)
            count += 1
    base = base_of(7.0)
    for row in rows("published_ph_buffers_us_technical.csv"):
        temp_c = number(row["temp_C"])
        check_buffer(phosphate_buffer(temp_c, base), row["pH7.00"], row)
        check_buffer(carbonate_buffer(temp_c), row["pH10.01"], row)
        count += 2
    assert count == 17 + 22, count


def check_buffer(solution, text, row):
    assert abs(solution.ph - number(text)) <= BUFFER_PH, (solution.ph, text, row["temp_C"])


def base_of(ph):
    """Return eq/kg of base that takes 0.05 mol/kg phosphate to `ph` at 25 C."""
    low, high = 0.05, 0.1
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if phosphate_buffer(25.0, middle).ph < ph else (low, middle)
    return high


def test_properties_of_water():
    count = 0
    for row in rows("water_properties.csv"):
        temp_c = number(row["temp_C"])
        # The tank model uses the heat capacity per millilitre.
        heat_j_kg_k = 1e3 * reservoir._HEAT_J_ML_K / density_kg_l(temp_c)
        for found, column, allowed in (
            (1e3 * density_kg_l(temp_c), "density_kg_m3_IAPWS95", 2e-5),
            (1e3 * viscosity_pa_s(temp_c), "viscosity_mPa_s", 1e-3),
            (permittivity(temp_c), "rel_permittivity", 2e-3),
            (heat_j_kg_k, "cp_J_kgK", 1e-2),
        ):
            assert abs(found / number(row[column]) - 1.0) <= allowed, (column, temp_c, found)
        count += 1
    assert count == 9


def test_pure_water_is_neutral():
    assert abs(solve([0.0] * 10, 25.0).ph - 6.998) < 0.002
