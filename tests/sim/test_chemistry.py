"""The chemistry against IPHREEQC: a few rows always, the whole tables where they are.

The literal rows are IPHREEQC 3.8.6 with database Amm.dat; the KCl standards are published
(IUPAC/NIST). The tables lie beside the repository, in shared/oracle, when a maintainer or CI
has them. Tolerances are those of the tables' README.
"""

import csv
import math
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from idrosim.chemistry import AIR_CO2_ATM, CHARGES, CL, IONS, C, K, Solution
from idrosim.conductivity import conductivities
from idrosim.water import RECIPES, STOCKS, WATERS, amounts

ORACLE = Path(__file__).resolve().parents[3] / "shared" / "oracle"
PH_MAX, PH_RMS = 0.05, 0.02
EC_MAX, EC_RMS = 0.04, 0.02

# recipe, water, open to air, temp_c, strength, ml/kg of 1 M KHCO3, pH, conductivity uS/cm,
# saturation index of brushite
ROWS = (
    ("hoagland2", "ro", False, 25.0, 0.25, 0.0, 5.30837, 569.562, -2.13179),
    ("hoagland2", "ro", False, 25.0, 1.0, 0.0, 4.93701, 2083.19, -1.47321),
    ("hoagland2", "ro", False, 25.0, 2.0, 0.0, 4.75743, 3928.38, -1.17185),
    ("hoagland2", "soft", True, 18.0, 0.25, 0.0, 7.5705, 572.941, -0.51814),
    ("hoagland2", "soft", True, 18.0, 1.0, 0.0, 6.69562, 1839.69, 0.0240171),
    ("hoagland2", "soft", True, 18.0, 2.0, 0.0, 6.17273, 3414.52, 0.119809),
    ("hoagland2", "medium", False, 18.0, 0.25, 0.0, 7.22494, 803.492, -0.467305),
    ("hoagland2", "medium", False, 18.0, 1.0, 0.0, 6.78317, 2039.15, 0.114304),
    ("hoagland2", "medium", False, 18.0, 2.0, 0.0, 6.50838, 3579.48, 0.368239),
    ("hoagland2", "hard", True, 25.0, 0.25, 0.0, 8.7803, 1232.03, -0.488168),
    ("hoagland2", "hard", True, 25.0, 1.0, 0.0, 8.65517, 2580.37, 0.175582),
    ("hoagland2", "hard", True, 25.0, 2.0, 0.0, 8.4903, 4294.89, 0.547841),
    ("lettuce", "ro", False, 18.0, 1.0, 0.0, 4.99098, 1267.82, -1.61495),
    ("lettuce", "ro", False, 18.0, 1.0, 0.0853141, 5.75089, 1269.63, -0.882984),
    ("lettuce", "ro", False, 18.0, 1.0, 0.170628, 6.00118, 1274.13, -0.657905),
    ("lettuce", "ro", False, 18.0, 1.0, 0.511885, 6.38173, 1296.71, -0.350158),
)
# lettuce at strength 1 titrated with 1 M KHCO3: water, open, temp_c, ml/kg, pH
TITRATION = (
    ("ro", False, 18.0, 2.55942, 6.91708), ("ro", True, 18.0, 0.0853141, 5.82458),
    ("ro", True, 18.0, 0.767827, 7.13997), ("ro", True, 18.0, 2.55942, 8.23212),
    ("soft", False, 25.0, 0.0, 6.29387), ("soft", False, 25.0, 2.55942, 6.90748),
    ("soft", True, 25.0, 0.0, 6.74732), ("soft", True, 25.0, 1.02377, 7.83779),
    ("soft", True, 25.0, 2.55942, 8.35728),
)
# water, open, temp_c, pH, conductivity uS/cm
RAW_WATERS = (
    ("ro", False, 18.0, 7.11749, 0.0373073), ("ro", True, 25.0, 5.59804, 0.990119),
    ("soft", False, 25.0, 7.4, 132.255), ("medium", True, 30.0, 8.52953, 464.834),
    ("hard", False, 18.0, 7.44872, 694.355), ("hard", True, 18.0, 8.8052, 659.836),
)
# hoagland2 in reverse osmosis water: strength, temp_c, conductivity over that at 25 C
TEMPERATURE = ((0.25, 5.0, 0.602454), (0.25, 10.0, 0.696234), (0.25, 18.0, 0.854459))
# temp_c, KCl 0.01 and 0.1 mol/kg, uS/cm
KCL = ((5.0, 890.96, 8183.72), (15.0, 1141.45, 10437.1), (20.0, 1273.03, 11615.9),
       (25.0, 1408.23, 12824.6), (30.0, 1546.63, 14059.2))

NAMES = {"mattson_lettuce": "lettuce"}
KHCO3_WATER_KG_L = 0.973


def mixed(recipe, water, strength, stock_ml=0.0):
    """Return totals in mol/kg of a recipe in a water with 1 M KHCO3 added."""
    raw = amounts(WATERS, water, 1e-3)
    salts = amounts(RECIPES, recipe, 1e-3 * strength)
    stock = amounts(STOCKS, "khco3_1M", 1e-3 * stock_ml)
    water_kg = 1.0 + KHCO3_WATER_KG_L * 1e-3 * stock_ml
    return [sum(parts) / water_kg for parts in zip(raw, salts, stock, strict=True)]


def solved(totals, temp_c, is_open=False):
    solution = Solution()
    solution.gas_atm = AIR_CO2_ATM if is_open else None
    solution.set(totals, temp_c)
    solution.solve()
    return solution


def kappa_us_cm(solution):
    return conductivities(solution)[0]


def rms(errors):
    return math.sqrt(sum(error * error for error in errors) / len(errors))


def table(name):
    """Return the rows of an oracle table, none when the tables are not there."""
    path = ORACLE / (name + ".csv")
    if not path.exists():
        return []
    with path.open() as file:
        return list(csv.DictReader(file))


def dilution_rows():
    for row in table("nutrient_dilution"):
        yield (row["solution"], row["water"], row["mode"] == "air", float(row["temp_C"]),
               float(row["strength"]), 0.0, float(row["pH"]), float(row["SC_uS_cm"]),
               float(row["SI_brushite"]))


def titration_rows():
    for row in table("titration_khco3_1M"):
        yield (NAMES.get(row["solution"], row["solution"]), row["water"], row["mode"] == "air",
               float(row["temp_C"]), float(row["strength"]), float(row["mL_stock_per_kgw"]),
               float(row["pH"]), float(row["SC_uS_cm"]), float(row["SI_brushite"]))


ROW_SETS = {"literal": ROWS, "dilution": tuple(dilution_rows()),
            "titration": tuple(titration_rows())}
PRESENT = [name for name in ROW_SETS if ROW_SETS[name]]


@pytest.mark.parametrize("name", PRESENT)
def test_ph_conductivity_and_saturation_are_those_of_phreeqc(name):
    ph_errors, working, everywhere, brushite = [], [], [], []
    for recipe, water, is_open, temp_c, strength, stock_ml, ph, kappa, index in ROW_SETS[name]:
        solution = solved(mixed(recipe, water, strength, stock_ml), temp_c, is_open)
        ph_errors.append(solution.ph - ph)
        error = kappa_us_cm(solution) / kappa - 1.0
        everywhere.append(error)
        if 0.25 <= strength <= 2.0:
            working.append(error)
        if index > -90.0:
            brushite.append(solution.si_brushite() - index)
    assert max(map(abs, ph_errors)) <= PH_MAX
    assert rms(ph_errors) <= PH_RMS
    assert max(map(abs, working)) <= EC_MAX
    assert rms(working) <= EC_RMS
    assert max(map(abs, everywhere)) <= 0.10
    assert max(map(abs, brushite)) <= 0.05


def test_titration_rows():
    for water, is_open, temp_c, stock_ml, ph in TITRATION:
        solution = solved(mixed("lettuce", water, 1.0, stock_ml), temp_c, is_open)
        assert solution.ph == pytest.approx(ph, abs=PH_RMS)


def test_raw_waters():
    rows = list(RAW_WATERS)
    for row in table("waters"):
        rows.append((row["water"], row["mode"] == "air", float(row["temp_C"]), float(row["pH"]),
                     float(row["SC_uS_cm"])))
    for water, is_open, temp_c, ph, kappa in rows:
        solution = solved(mixed("none", water, 0.0), temp_c, is_open)
        assert solution.ph == pytest.approx(ph, abs=PH_RMS)
        assert kappa_us_cm(solution) == pytest.approx(kappa, rel=0.10)


def test_conductivity_follows_temperature():
    rows = [("hoagland2", *row) for row in TEMPERATURE]
    for row in table("ec_temperature"):
        rows.append((NAMES.get(row["solution"], row["solution"]), float(row["strength"]),
                     float(row["temp_C"]), float(row["ratio_to_25C"])))
    for recipe, strength, temp_c, ratio in rows:
        totals = mixed(recipe, "ro", strength)
        reference = kappa_us_cm(solved(totals, 25.0))
        at_temp = solved(totals, temp_c)
        assert kappa_us_cm(at_temp) / reference == pytest.approx(ratio, rel=0.015)
        if 10.0 <= temp_c <= 30.0:
            assert conductivities(at_temp)[1] == pytest.approx(reference, rel=0.010)


def test_kcl_standards():
    for temp_c, low, high in KCL:
        for molality, published in ((0.01, low), (0.1, high)):
            totals = [0.0] * 10
            totals[K] = totals[CL] = molality
            found = kappa_us_cm(solved(totals, temp_c))
            assert found == pytest.approx(published, rel=0.02)


def test_phosphate_buffer_of_nist():
    # 0.025 mol/kg of each potassium phosphate; Davies carries this far, not to borax.
    for temp_c, ph in ((10.0, 6.92), (20.0, 6.88), (25.0, 6.86), (30.0, 6.85)):
        totals = [0.0] * 10
        totals[K], totals[IONS.index("P")], totals[IONS.index("Na")] = 0.025, 0.05, 0.05
        assert solved(totals, temp_c).ph == pytest.approx(ph, abs=0.06)


def test_a_warm_start_needs_two_iterations_and_gives_the_cold_answer():
    totals = mixed("lettuce", "soft", 1.0)
    warm = solved(totals, 20.0)
    moved = list(totals)
    moved[IONS.index("P")] *= 1.00001
    cold = solved(moved, 20.0)
    warm.set(moved, 20.0)
    for _ in range(2):
        warm.iterate()
    assert warm.ph == pytest.approx(cold.ph, abs=1e-6)


def test_nonsense_is_refused():
    totals = mixed("lettuce", "soft", 1.0)
    solution = Solution()
    with pytest.raises(ValueError, match="temp_c"):
        solution.set(totals, 99.0)
    totals[C] = -1e-6
    with pytest.raises(ValueError, match="negative C"):
        solution.set(totals, 20.0)
    with pytest.raises(ValueError, match="vinegar"):
        amounts(STOCKS, "vinegar", 1.0)


MOLALITY = st.floats(0.0, 0.03)


@settings(max_examples=150, deadline=None)
@given(st.lists(MOLALITY, min_size=10, max_size=10), st.floats(2.0, 45.0), st.booleans())
@example([0.0, 0.0156, 0.0, 0.0, 0.0156, 0.0, 0.0, 0.0, 0.0156, 0.0], 2.0, False)
def test_charges_balance_whatever_is_dissolved(totals, temp_c, is_open):
    # Keep the strong ions within what 0.05 eq/kg of acid or base explains.
    strong = sum(totals[i] * z for i, z in zip(range(8), (1, 1, 1, 2, 2, -1, -1, -2), strict=True))
    totals[CL if strong > 0 else K] += max(abs(strong) - 0.05, 0.0)
    solution = Solution()
    solution.gas_atm = AIR_CO2_ATM if is_open else None
    solution.set(totals, temp_c)
    solution.solve(1e-10)
    molalities = solution.charged()
    residual = sum(m * z for m, z in zip(molalities, CHARGES, strict=True))
    assert abs(residual) < 1e-8  # near pH 12; 1e-9 in any tank, see test_plant.py
    assert min(molalities) >= 0.0
    assert 0.0 < solution.ph < 14.0
