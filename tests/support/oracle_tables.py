"""Reads the tables of tests/oracle on both interpreters, and solves their waters.

A decimal becomes a float by one exact division, because the parser of MicroPython may miss the
last bit, and the results are compared bit by bit.
"""

from idrosim.greenhouse.chemistry import AIR_CO2_ATM, CL, IONS, C, K, Solution
from idrosim.greenhouse.equilibria import EquilibriaTable
from idrosim.greenhouse.water import STOCK_WATER_KG_L, STOCKS, amounts

_HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
_FOLDER = _HERE + "/../oracle/"
# Of the tables, where they differ from IONS.
_NAMES = {"P": "P_total", "C": "DIC_mmol_kgw"}

_table = EquilibriaTable()


def lines(name):
    """Yield the lines of a table as lists of text, the first with the names. OSError if absent."""
    with open(_FOLDER + name) as file:
        for line in file:
            if line.strip():
                yield _cells(line)


def rows(name):
    """Yield the rows of a table as {column: text}."""
    names = None
    for cells in lines(name):
        if names is None:
            names = cells
        else:
            yield {names[i]: cell for i, cell in enumerate(cells)}


def _cells(line):
    """Return the cells of a line of CSV; between quotes a comma is text."""
    cells = [""]
    is_quoted = False
    for char in line.strip():
        if char == '"':
            is_quoted = not is_quoted
        elif char == "," and not is_quoted:
            cells.append("")
        else:
            cells[-1] += char
    return cells


def number(text):
    """Return the float nearest to a decimal of at most 15 digits. Raises ValueError."""
    digits, _, power = text.lower().partition("e")
    whole, _, part = digits.partition(".")
    value, shift = int(whole + part), int(power or 0) - len(part)
    value = value * 10**shift if shift >= 0 else value / 10**-shift
    return -0.0 if value == 0 and whole.startswith("-") else float(value)


def composition(row, factor):
    """Return ten totals, `factor` times a row of waters or compositions."""
    names = [_NAMES.get(ion, ion) for ion in IONS]
    return [number(row[name]) * factor if name in row else 0.0 for name in names]


class Waters:
    """Solves the rows of the tables of waters, recipes and titrations."""

    def __init__(self):
        self._waters = {row["water"]: composition(row, 1e-3) for row in rows("waters.csv")
                        if row["mode"] == "closed"}
        self._recipes = {row["solution"]: row for row in rows("compositions.csv")}

    def solved(self, row):
        """Return the Solution of a row, which states some of water, solution, strength, stock."""
        totals = self._waters[row.get("water", "ro")]
        if "solution" in row:
            recipe = composition(self._recipes[row["solution"]], 1e-3 * number(row["strength"]))
            totals = _sum(totals, recipe)
        if "stock" in row:
            stock, ml = row["stock"], number(row["mL_stock_per_kgw"])
            totals = _sum(totals, amounts(STOCKS, stock, 1e-3 * ml))
            water_kg = 1.0 + 1e-3 * ml * STOCK_WATER_KG_L[stock]
            totals = [total / water_kg for total in totals]
        is_open = row.get("mode") == "air"
        return solve(totals, number(row["temp_C"]), AIR_CO2_ATM if is_open else None)


def solve(totals, temp_c, gas_atm=None):
    """Return a Solution solved from a cold start to full precision."""
    solution = Solution(_table)
    solution.gas_atm = gas_atm
    solution.set(totals, temp_c)
    solution.solve(1e-9)
    return solution


def potassium_chloride(molality, temp_c):
    """Return the Solution of KCl, mol/kg."""
    totals = [0.0] * 10
    totals[K] = totals[CL] = molality
    return solve(totals, temp_c)


def carbonate_buffer(temp_c):
    """Return the Solution of 0.025 mol/kg each of NaHCO3 and Na2CO3: NIST's pH 10.01."""
    totals = [0.0] * 10
    totals[IONS.index("Na")], totals[C] = 0.075, 0.05
    return solve(totals, temp_c)


def phosphate_buffer(temp_c, base=0.075):
    """Return that of 0.05 mol/kg phosphate with Na and K: NIST's pH 6.86 at `base` eq/kg."""
    totals = [0.0] * 10
    totals[IONS.index("P")], totals[K], totals[IONS.index("Na")] = 0.05, 0.025, base - 0.025
    return solve(totals, temp_c)


def _sum(some, more):
    return [amount + more[i] for i, amount in enumerate(some)]
