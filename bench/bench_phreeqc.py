"""Compares the water chemistry with IPHREEQC for random waters, recipes, stocks and temperatures.

    python -m pip install phreeqc     (IPHREEQC 3.8.6 with its databases)
    python bench/bench_phreeqc.py [COUNT] [SEED]

Waters and recipes are drawn ion by ion, 0.25 to 2 times strength, 5 to 40 C, closed or open to
air or enriched air, with up to 4 ml per kg of a stock. Prints rms and largest error by pH; then,
for doses to a target of pH 5 to 7, the error of the resulting pH in IPHREEQC.
"""

import math
import random
import sys
from typing import Any

from idrosim.greenhouse.chemistry import AIR_CO2_ATM, IONS
from idrosim.greenhouse.water import STOCK_WATER_KG_L, STOCKS
from idrosim.water_solver.solve import DOSING_STOCKS, ProblemError, answer

# ion: mmol/L at strength 1, low and high; then of a raw water without its bicarbonate
RECIPE = {"K": (3, 11), "NH4": (0, 3), "Ca": (1.5, 5.5), "Mg": (0.7, 2.5), "P": (0.5, 2),
          "SO4": (0.7, 4.5), "Cl": (0, 3)}
WATER = {"Ca": (0, 4), "Mg": (0, 1.5), "Na": (0, 6), "K": (0, 0.3), "Cl": (0, 5), "SO4": (0, 3)}
NAMES = {"NH4": "Amm", "NO3": "N(5)", "SO4": "S(6)", "C": "C(4)"}
BANDS = ((1.0, 3.5), (3.5, 4.5), (4.5, 7.5), (7.5, 9.0), (9.0, 13.0))


def draw(rng: random.Random) -> dict[str, Any]:
    """Return a random but realistic problem."""
    water = {ion: rng.uniform(*span) * rng.random() for ion, span in WATER.items()}
    water.update({ion: water.get(ion, 0.0) for ion in IONS})
    gap = _charge(water)
    water["C" if gap > 0.0 else "Na"] += abs(gap) * (1.06 if gap > 0.0 else 1.0)
    strength = rng.uniform(0.25, 2.0)
    salts = {ion: rng.uniform(*span) for ion, span in RECIPE.items()}
    salts["NO3"] = max(_charge(salts), 0.0)
    for ion, mmol in salts.items():
        water[ion] += strength * mmol
    return {"water": water, "temp_c": rng.uniform(5.0, 40.0),
            "co2": rng.choice(["closed", "closed", "air", 1e-3]),
            "add": [{"stock": rng.choice(DOSING_STOCKS), "ml_per_l": rng.uniform(0.0, 4.0)
                     * rng.random()}]}


def _charge(ions: dict[str, float]) -> float:
    """Return the charge of the strong ions, meq/L, with phosphate as H2PO4-."""
    signs = {"K": 1, "Na": 1, "NH4": 1, "Ca": 2, "Mg": 2, "NO3": -1, "Cl": -1, "SO4": -2, "P": -1}
    return sum(sign * ions.get(ion, 0.0) for ion, sign in signs.items())


def ask_phreeqc(engine: Any, problem: dict[str, Any]) -> tuple[float, float]:
    """Return (pH, conductivity at temperature in uS/cm) from IPHREEQC."""
    added = problem["add"][0]
    ml, stock = 1e-3 * added["ml_per_l"], added["stock"]
    water_kg = 1.0 + ml * STOCK_WATER_KG_L[stock]
    gas = {"closed": None, "air": AIR_CO2_ATM}.get(problem["co2"], problem["co2"])
    lines = ["SOLUTION 1", f"temp {problem['temp_c']}", "pH 7 charge", "units mol/kgw"]
    for ion in IONS:
        total = (1e-3 * problem["water"][ion] + ml * STOCKS[stock].get(ion, 0.0)) / water_kg
        if ion == "C" and gas is not None:
            lines.append(f"C(4) 1e-3 CO2(g) {math.log10(gas):.9f}")
        elif total > 0.0:
            lines.append(f"{NAMES.get(ion, ion)} {total:.12g}")
    lines += ["SELECTED_OUTPUT 1", "-reset false", "-high_precision true", "USER_PUNCH 1",
              "-headings ph sc", '10 PUNCH -LA("H+"), SC', "END"]
    engine.RunString("\n".join(lines))
    found = engine.GetSelectedOutput()
    return found["ph"][-1], found["sc"][-1]


def dose_error(engine: Any, problem: dict[str, Any], rng: random.Random) -> float | None:
    """Return the pH error in IPHREEQC after our dose, None if no dose reaches the target."""
    target_ph = rng.uniform(5.0, 7.0)
    problem = {**problem, "add": [], "target_ph": target_ph, "with": rng.choice(DOSING_STOCKS)}
    try:
        ml_per_l = answer(problem)["ml_per_l"]
    except ProblemError:
        return None
    if not 0.0 < ml_per_l < 20.0:
        return None
    problem["add"] = [{"stock": problem["with"], "ml_per_l": ml_per_l}]
    return ask_phreeqc(engine, problem)[0] - target_ph


def rms(errors: list[float]) -> float:
    """Return the root mean square, 0 of an empty list."""
    return math.sqrt(sum(error * error for error in errors) / max(len(errors), 1))


def main() -> None:
    """Draw problems, solve with both, print."""
    try:
        from phreeqc import Phreeqc
    except ImportError:
        sys.exit("bench_phreeqc: needs the package phreeqc: python -m pip install phreeqc")
    count, seed = (int(sys.argv[1:][i]) if len(sys.argv) > i + 1 else d
                   for i, d in enumerate((2_000, 1)))
    rng, engine = random.Random(seed), Phreeqc()
    engine.LoadBuiltInDatabase("Amm.dat")
    rows, doses = [], []
    for _ in range(count):
        problem = draw(rng)
        doses.append(dose_error(engine, problem, rng))
        ph, kappa = ask_phreeqc(engine, problem)
        found = answer(problem)
        rows.append((ph, found["ph"] - ph, found["ec_us_cm_at_t"] / kappa - 1.0))
    print(f"{'pH':>10}{'rows':>6}  {'pH rms':>7}{'max':>8}  {'EC rms':>7}{'max':>8}")
    for low, high in (*BANDS, (0.0, 14.0)):
        band = [row for row in rows if low <= row[0] < high]
        ph, ec = [row[1] for row in band], [row[2] for row in band]
        print(f"{low:>4g} .. {high:<3g}{len(band):>5}  {rms(ph):>7.4f}"
              f"{max(map(abs, ph), default=0.0):>8.4f}  {100 * rms(ec):>5.2f} %"
              f"{100 * max(map(abs, ec), default=0.0):>6.2f} %")
    missed = [error for error in doses if error is not None]
    print(f"{'doses':>10}{len(missed):>6}  {rms(missed):>7.4f}"
          f"{max(map(abs, missed), default=0.0):>8.4f}")


if __name__ == "__main__":
    main()
